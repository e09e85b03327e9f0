"""A person's own file becomes a table with the right types, or an error that says what is wrong with it."""

from __future__ import annotations

import datetime
import errno
import gzip
import os
import shutil
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from pipeline_magic.adapters.lakehouse import Lakehouse
from pipeline_magic.errors import CatalogError
from tests.support.local import write_table

UTC = datetime.timezone.utc


@pytest.fixture
def lakehouse(tmp_path: Path) -> Lakehouse:
    return Lakehouse(tmp_path / "home")


def added(lakehouse: Lakehouse, tmp_path: Path, text: str, name: str = "data.csv") -> list[tuple[str, object]]:
    """Type and first value of each column of a CSV of that text."""
    (tmp_path / name).write_text(text, "utf-8")
    table = lakehouse.add("own.data.t", tmp_path / name)
    first = DeltaTable(str(lakehouse.folder("own.data.t"))).to_pyarrow_table().to_pylist()[0]
    return [(column.type, first[column.name]) for column in table.columns]


@pytest.mark.parametrize(
    ("values", "kind", "first"),
    [
        (["1", "-2", "+3"], "bigint", 1),
        (["007", "12"], "string", "007"),
        (["1.50", "-22.125"], "decimal(5,3)", Decimal("1.500")),
        (["1.5", "2"], "decimal(2,1)", Decimal("1.5")),
        (["00.5", "1.5"], "string", "00.5"),
        (["1e5", "2.5"], "double", 1e5),
        (["0.1234567890123456789"], "double", 0.1234567890123456789),
        (["12345678901234567890"], "decimal(20,0)", Decimal("12345678901234567890")),
        (["9" * 40], "string", "9" * 40),
        (["true", "False"], "boolean", True),
        (["2026-01-31", "2024-02-29"], "date", datetime.date(2026, 1, 31)),
        (["2026-02-30"], "string", "2026-02-30"),
        (["2026-01-31 10:00:00"], "timestamp", datetime.datetime(2026, 1, 31, 10, tzinfo=UTC)),
        (["2026-01-31T10:00:00+02:00", "2026-01-31 10:00"], "timestamp", datetime.datetime(2026, 1, 31, 8, tzinfo=UTC)),
        (["2026-01-31", "soon"], "string", "2026-01-31"),
        (["", "NA", "null"], "string", None),
        (["", "4"], "bigint", None),
        (["0", "-0"], "bigint", 0),
        (["🙂"], "string", "🙂"),
    ],
)
def test_types_of_a_csv(lakehouse: Lakehouse, tmp_path: Path, values: list[str], kind: str, first: object) -> None:
    """A column gets the narrowest type that holds every value exactly."""
    text = "n,x\n" + "".join(f"{number},{value}\n" for number, value in enumerate(values))
    assert added(lakehouse, tmp_path, text)[1] == (kind, first)


def test_late_value_widens(lakehouse: Lakehouse, tmp_path: Path) -> None:
    """A type is told from all rows: one word after two hundred thousand numbers makes the column text."""
    assert added(lakehouse, tmp_path, "x\n" + "1\n" * 200_000 + "n/a?\n") == [("string", "1")]


def test_forms_of_a_csv(lakehouse: Lakehouse, tmp_path: Path) -> None:
    """Quotes, line ends in values, a byte order mark, tabs and gzip are read."""
    text = '\ufeff"a b",c\r\n"x, ""y""\nz",1\r\n'
    assert added(lakehouse, tmp_path, text) == [("string", 'x, "y"\nz'), ("bigint", 1)]
    (tmp_path / "t.tsv").write_text("a\tb\n1\tx\n")
    assert lakehouse.add("own.data.tabs", tmp_path / "t.tsv").columns[1].name == "b"
    with gzip.open(tmp_path / "g.csv.gz", "wt") as file:
        file.write("a,b\n1,x\n")
    assert lakehouse.add("own.data.packed", tmp_path / "g.csv.gz").rows == 1


def test_parquet(lakehouse: Lakehouse, tmp_path: Path) -> None:
    """A Parquet file, and a folder of them with partitions, keep their rows; types Delta lacks become near ones."""
    table = pa.table(
        {
            "u": pa.array([1], pa.uint32()),
            "t": pa.array([datetime.datetime(2026, 1, 1)], pa.timestamp("ns")),
            "d": pa.array(["x"], pa.string()).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "f.parquet")
    made = lakehouse.add("own.data.f", tmp_path / "f.parquet")
    assert [column.type for column in made.columns] == ["bigint", "timestamp_ntz", "string"]
    for year in (2024, 2025):
        (tmp_path / f"parts/year={year}").mkdir(parents=True)
        pq.write_table(table, tmp_path / f"parts/year={year}/f.parquet")
    made = lakehouse.add("own.data.parts", tmp_path / "parts")
    assert made.rows == 2
    assert made.columns[-1].name == "year"


def test_delta(lakehouse: Lakehouse, tmp_path: Path) -> None:
    """A Delta folder comes with its history."""
    write_table(tmp_path / "delta")
    write_table(tmp_path / "delta", mode="append")
    made = lakehouse.add("own.data.d", tmp_path / "delta")
    assert (made.version, made.rows) == ("1", 6)


DESCRIPTION = """
comment: Orders of the shop
columns: {ID: Number of the order}
primary_key: id
unique_keys: [[id, name]]
foreign_keys:
  - {columns: [name], to_table: own.data.people, to_columns: [name]}
tags: {owner: shop}
"""


def test_description(lakehouse: Lakehouse, tmp_path: Path) -> None:
    """Comments, keys and tags of the description are the table's, names as the file spells them."""
    (tmp_path / "d.yml").write_text(DESCRIPTION)
    (tmp_path / "t.csv").write_text("id,name\n1,x\n")
    table = lakehouse.add("own.data.t", tmp_path / "t.csv", tmp_path / "d.yml")
    assert table.comment == "Orders of the shop"
    assert table.columns[0].comment == "Number of the order"
    assert table.primary_key == ("id",)
    assert table.unique_keys == (("id", "name"),)
    assert table.foreign_keys[0].to_table == "own.data.people"
    assert table.tags == {"owner": "shop"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("primary_key: [nope]", "names the column `nope`"),
        ("colums: {}", "unknown field `colums`"),
        ("- a", "not a list of fields"),
        ("columns: [a", "not YAML"),
        ("columns: [a]", "not a list of `name: text`"),
        ("foreign_keys: [{columns: [id]}]", "needs `columns`, `to_table` and `to_columns`"),
        ("foreign_keys: [{columns: [id], to_table: x, to_columns: [id]}]", "`to_table`"),
        ("foreign_keys: [{columns: [id], to_table: a.b.c, to_columns: [a, b]}]", "as many"),
        ("unique_keys: 3", "`unique_keys` is not a list"),
        ("!!python/object/apply:os.system ['touch /tmp/pm-owned']", "not YAML"),
    ],
)
def test_bad_description(lakehouse: Lakehouse, tmp_path: Path, text: str, words: str) -> None:
    """A description that cannot be used adds nothing, and says which field is wrong."""
    (tmp_path / "d.yml").write_text(text)
    (tmp_path / "t.csv").write_text("id,name\n1,x\n")
    with pytest.raises(CatalogError, match=words):
        lakehouse.add("own.data.t", tmp_path / "t.csv", tmp_path / "d.yml")
    assert nothing_left(lakehouse)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", b"", "[Ee]mpty"),
        ("t.csv", b"a,b\n1\n", "Expected 2 columns"),
        ("t.csv", b"a,A\n1,2\n", "names a column twice"),
        ("t.csv", b"a,\n1,2\n", "without a name"),
        ("t.csv", b"a\n\xff\xfe\n", "utf-8"),
        ("t.csv", b"\x00\x01\x02", "t.csv"),
        ("t.parquet", b"PAR1 and no more", "cannot be read"),
        ("t.csv.gz", b"not gzip", "cannot be read|[Nn]ot a gzip|Not a gzipped"),
        ("t.xlsx", b"PK", "not a kind of file"),
        ("t", b"", "not a kind of file"),
    ],
)
def test_bad_file(lakehouse: Lakehouse, tmp_path: Path, name: str, content: bytes, words: str) -> None:
    """A file that cannot be read adds nothing, and the error names it."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CatalogError, match=words):
        lakehouse.add("own.data.t", tmp_path / name)
    assert nothing_left(lakehouse)


def test_bad_places(lakehouse: Lakehouse, tmp_path: Path) -> None:
    """A name that is none, a file that is not there, a table that is there: each says so."""
    (tmp_path / "t.csv").write_text("a\n1\n")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CatalogError, match=r"catalog\.schema\.table"):
        lakehouse.add("t", tmp_path / "t.csv")
    with pytest.raises(CatalogError, match="no file"):
        lakehouse.add("own.data.t", tmp_path / "nope.csv")
    with pytest.raises(CatalogError, match="neither a Delta table nor a folder of Parquet"):
        lakehouse.add("own.data.t", tmp_path / "empty")
    with pytest.raises(CatalogError, match="kept for the tables of runs"):
        lakehouse.add("scratch.data.t", tmp_path / "t.csv")
    lakehouse.add("own.data.t", tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("a\n1\n2\n")
    with pytest.raises(CatalogError, match="there already"):
        lakehouse.add("OWN.data.T", tmp_path / "t.csv")
    assert lakehouse.table("own.data.t").rows == 1


def test_same_file_same_table(lakehouse: Lakehouse, tmp_path: Path) -> None:
    """The same file gives the same columns and rows each time."""
    (tmp_path / "t.csv").write_text("a,b\n1,2.5\n2,x\n")
    one, other = (lakehouse.add(f"own.data.t{n}", tmp_path / "t.csv") for n in (1, 2))
    assert one.columns == other.columns
    rows = [DeltaTable(str(lakehouse.folder(t.table))).to_pyarrow_table().to_pylist() for t in (one, other)]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("call", ["replace", "fsync", "copy"])
def test_disk_full(lakehouse: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """When the disk fills up while adding, nothing is half there, and the next try works."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    source = tmp_path / "t.csv"
    source.write_text("a\n1\n")
    if call == "copy":
        write_table(tmp_path / "delta")
        source = tmp_path / "delta"
    with monkeypatch.context() as patch:
        patch.setattr(*{"replace": (os, "replace"), "fsync": (os, "fsync"), "copy": (shutil, "copytree")}[call], full)
        with pytest.raises(CatalogError, match=r"The disk is full: could not add the table `own.data"):
            lakehouse.add("own.data.t", source)
    assert nothing_left(lakehouse)
    assert lakehouse.add("own.data.t", source).rows


def nothing_left(lakehouse: Lakehouse) -> bool:
    left = [path for path in lakehouse.home.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return not left and not list(lakehouse.tables())
