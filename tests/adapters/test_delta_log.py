"""Reading Delta logs agrees with deltalake, whatever was done to the table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from pipeline_magic.adapters.delta_log import DeltaLog, spark_type
from pipeline_magic.errors import CatalogError
from tests.support.local import write_table


def agrees(log: DeltaLog, folder: Path) -> None:
    state, table = log.state(folder), DeltaTable(str(folder))
    assert state is not None
    actions = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    assert table.version() == state.version
    assert sum(row["num_records"] for row in actions) == state.rows
    assert sum(row["size_bytes"] for row in actions) == state.bytes
    assert [field.name for field in table.schema().fields] == [column.name for column in state.columns]


def test_every_kind_of_commit(tmp_path: Path) -> None:
    """Rows, bytes, version and columns are deltalake's after appends, deletes, overwrites and a restore."""
    folder, log = tmp_path / "t", DeltaLog()
    write_table(folder)
    agrees(log, folder)
    write_table(folder, mode="append")
    agrees(log, folder)
    DeltaTable(str(folder)).delete("id = 2")
    agrees(log, folder)
    write_table(folder, {"x": [1.5]}, mode="overwrite", schema_mode="overwrite")
    agrees(log, folder)
    DeltaTable(str(folder)).restore(0)
    agrees(log, folder)
    agrees(DeltaLog(), folder)


def test_checkpoint(tmp_path: Path) -> None:
    """Where the first commits were folded into a checkpoint and deleted, the state is still deltalake's."""
    folder = tmp_path / "t"
    for _ in range(3):
        write_table(folder, mode="append")
    DeltaTable(str(folder)).create_checkpoint()
    for version in range(2):
        (folder / "_delta_log" / f"{version:020d}.json").unlink()
    write_table(folder, mode="append")
    log = DeltaLog()
    agrees(log, folder)
    state = log.state(folder)
    assert state is not None
    assert state.rows == 12
    assert state.last_modified.startswith("20")


def test_table_made_again(tmp_path: Path) -> None:
    """A table that was dropped and made again at the same path, with as many commits, is read anew."""
    import shutil

    folder, log = tmp_path / "t", DeltaLog()
    write_table(folder)
    assert log.state(folder).rows == 3  # type: ignore[union-attr]
    shutil.rmtree(folder)
    assert log.state(folder) is None
    write_table(folder, {"other": [1]})
    assert [column.name for column in log.state(folder).columns] == ["other"]  # type: ignore[union-attr]


def test_types(tmp_path: Path) -> None:
    """Types are named as Spark prints them, nested ones and odd field names included."""
    schema = pa.schema(
        [
            pa.field("a", pa.int64(), nullable=False),
            pa.field("b", pa.decimal128(18, 2)),
            pa.field("c", pa.list_(pa.struct([("x", pa.int32()), ("odd name", pa.string())]))),
            pa.field("d", pa.map_(pa.string(), pa.timestamp("us", "UTC"))),
            pa.field("e", pa.timestamp("us")),
            pa.field("f", pa.int16()),
        ]
    )
    write_deltalake(str(tmp_path / "t"), schema.empty_table())
    state = DeltaLog().state(tmp_path / "t")
    assert state is not None
    assert [(column.name, column.type, column.nullable) for column in state.columns] == [
        ("a", "bigint", False),
        ("b", "decimal(18,2)", True),
        ("c", "array<struct<x:int,`odd name`:string>>", True),
        ("d", "map<string,timestamp>", True),
        ("e", "timestamp_ntz", True),
        ("f", "smallint", True),
    ]
    assert spark_type({"type": "struct", "fields": [{"name": "a.b", "type": "byte"}]}) == "struct<`a.b`:tinyint>"


def test_damaged_log(tmp_path: Path) -> None:
    """A commit that was cut off is an error that names the file, not a wrong count."""
    write_table(tmp_path / "t")
    commit = tmp_path / "t/_delta_log/00000000000000000000.json"
    commit.write_text(commit.read_text()[:-40])
    with pytest.raises(CatalogError) as raised:
        DeltaLog().state(tmp_path / "t")
    assert str(commit) == raised.value.where


def test_light(tmp_path: Path) -> None:
    """A catalog answers without Spark, pandas, pyarrow or deltalake."""
    write_table(tmp_path / "lakehouse/a/b/t")
    code = (
        "import sys; from pathlib import Path; from pipeline_magic.adapters.lakehouse import Lakehouse\n"
        "l = Lakehouse(Path(sys.argv[1])); assert l.tables() and l.digest() and l.table('a.b.t').rows == 3\n"
        "print([m for m in ('pyspark', 'pandas', 'pyarrow', 'deltalake') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr
