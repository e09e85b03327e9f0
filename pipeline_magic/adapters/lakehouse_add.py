"""A person's own file as a table of the lakehouse: CSV, Parquet (a file or a folder of them) or a Delta folder.

Here: reading the file, checking a description, and putting the finished table in place. Not here: the types of a CSV
(`csv_types`), sheets, JSON, remote files. The same file gives the same table, and a table that is there is never
replaced.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_magic.adapters.csv_types import read_csv
from pipeline_magic.adapters.files import FileLock, explain, put_folder, write_json
from pipeline_magic.adapters.lakehouse import DESCRIBED, SCRATCH
from pipeline_magic.errors import CatalogError
from pipeline_magic.spec.names import join_table, split_table
from pipeline_magic.spec.schema import ForeignKey, TableSchema

if TYPE_CHECKING:
    from pipeline_magic.adapters.lakehouse import Lakehouse

__all__ = ["add_table"]

_KEYS = ("comment", "columns", "primary_key", "unique_keys", "foreign_keys", "tags")
_BATCH_ROWS = 500_000


def add_table(lakehouse: Lakehouse, table: str, file: Path, describe: Path | None) -> TableSchema:
    """Bring a file into the lakehouse as a new table.

    Args:
        table: ``catalog.schema.table``; catalog and schema are made when missing.
        file: A ``.csv`` (also ``.tsv``, ``.csv.gz``), a ``.parquet`` file or a folder of them, or a Delta folder.
        describe: YAML with `comment`, `columns` (name: comment), `primary_key`, `unique_keys`, `foreign_keys`
            (`columns`, `to_table`, `to_columns`) and `tags`; each may be left out.

    Raises:
        CatalogError: The name, the file or the description cannot be used, or the table is there already.
    """
    name = _name(lakehouse, table)
    if not file.exists():
        raise CatalogError(f"There is no file `{file}`.", hint="Look at the path.")
    described = _description(describe) if describe else {}
    folder = lakehouse.folder(name)
    lock = FileLock(lakehouse.home / "add.lock")
    busy = "Another table has been being added for a long time."
    doing = explain(lakehouse.home, f"add the table `{name}`", CatalogError)
    with doing, lock.held(timeout=600.0, otherwise=busy, kind=CatalogError):
        _name(lakehouse, table)  # once more: another process may have been faster

        def make(made: Path) -> None:
            _fill(made, file)
            columns = _columns(lakehouse, made)
            write_json(made / DESCRIBED, _checked(described, columns, describe))

        put_folder(folder, make, temporary=lakehouse.home / "tmp" / "add")
    return lakehouse.table(name)


def _name(lakehouse: Lakehouse, table: str) -> str:
    try:
        catalog, schema, last = split_table(table)
    except ValueError as error:
        text = str(error)
        raise CatalogError(text[:1].upper() + text[1:] + ".", hint="Write catalog.schema.table.") from None
    name = join_table(catalog, schema, last)
    if catalog.casefold() == SCRATCH:
        raise CatalogError(f"The catalog `{SCRATCH}` is kept for the tables of runs.", hint="Name another catalog.")
    if lakehouse.locate(name) is not None:
        raise CatalogError(
            f"The table `{name}` is there already.",
            where=str(lakehouse.folder(name)),
            hint="Choose another name, or remove that folder first.",
        )
    return name


# --- reading the file --------------------------------------------------------------------------------------------


def _fill(made: Path, file: Path) -> None:
    if (file / "_delta_log").is_dir():
        _copy_delta(made, file)
        return
    suffixes = [suffix.lower() for suffix in file.suffixes]
    parts = sorted(file.rglob("*.parquet")) if file.is_dir() else [file]
    if file.is_dir() and not parts:
        raise CatalogError(
            f"`{file}` is neither a Delta table nor a folder of Parquet files.", hint="Give a .csv or .parquet file."
        )
    try:
        if file.is_dir() or suffixes[-1:] in ([".parquet"], [".pq"]):
            _write(made, *_read_parquet(parts, file))
        elif suffixes[-1:] in ([".csv"], [".tsv"]) or suffixes[-2:] in ([".csv", ".gz"], [".tsv", ".gz"]):
            _write(made, *read_csv(file, "\t" if ".tsv" in suffixes else ","))
        else:
            raise CatalogError(f"`{file.name}` is not a kind of file that can be added.", hint="Give .csv or .parquet.")
    except CatalogError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the system's; what pyarrow cannot read is an OSError without a number
        raise CatalogError(
            f"`{file.name}` cannot be read: {_short(error)}", where=str(file), hint="Look at the file at that place."
        ) from error


def _copy_delta(made: Path, file: Path) -> None:
    from deltalake import DeltaTable

    try:
        DeltaTable(str(file))
    except Exception as error:
        raise CatalogError(f"`{file}` is not a readable Delta table: {_short(error)}") from error
    shutil.copytree(file, made, dirs_exist_ok=True)


def _read_parquet(parts: list[Path], file: Path) -> tuple[Any, Any]:
    import pyarrow.dataset as ds

    partitioned = "hive" if file.is_dir() else None
    found = ds.dataset([str(part) for part in parts], format="parquet", partitioning=partitioned)
    base = str(file) if file.is_dir() else None
    if base:
        found = ds.dataset(base, format="parquet", partitioning="hive", exclude_invalid_files=False)
    return found.schema, found.to_batches(batch_size=_BATCH_ROWS)


def _write(made: Path, schema: Any, batches: Any) -> None:
    import pyarrow as pa
    from deltalake import write_deltalake

    wanted = pa.schema([pa.field(field.name, _delta_type(field.type)) for field in schema])
    if not len(wanted):
        raise CatalogError("The file has no columns.", hint="The first line of a CSV names its columns.")

    def cast() -> Any:
        for batch in batches:
            yield pa.RecordBatch.from_arrays(
                [column.cast(field.type) for column, field in zip(batch.columns, wanted, strict=True)], schema=wanted
            )

    write_deltalake(str(made), pa.RecordBatchReader.from_batches(wanted, cast()))


def _delta_type(kind: Any) -> Any:
    """The nearest type that Delta has."""
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    if pa.types.is_unsigned_integer(kind) or pa.types.is_time(kind) or pa.types.is_duration(kind):
        return pa.int64() if not pa.types.is_uint64(kind) else pa.decimal128(20, 0)
    if pa.types.is_dictionary(kind):
        return _delta_type(kind.value_type)
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_null(kind) or pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_large_binary(kind):
        return pa.binary()
    return pa.date32() if pa.types.is_date64(kind) else kind


# --- the description ---------------------------------------------------------------------------------------------


def _description(file: Path) -> dict[str, Any]:
    import yaml

    try:
        told = yaml.safe_load(file.read_text("utf-8"))
    except OSError as error:
        raise CatalogError(f"The description cannot be read: {error.strerror}.", where=str(file)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CatalogError(f"The description is not YAML: {_short(error)}", where=str(file)) from None
    if told is None:
        return {}
    if not isinstance(told, dict):
        raise CatalogError("The description is not a list of fields.", where=str(file), hint=f"Use {', '.join(_KEYS)}.")
    unknown = [str(key) for key in told if key not in _KEYS]
    if unknown:
        raise CatalogError(
            f"The description has the unknown field `{unknown[0]}`.", where=str(file), hint=f"Use {', '.join(_KEYS)}."
        )
    return told


def _checked(told: Mapping[str, Any], columns: Mapping[str, str], file: Path | None) -> dict[str, Any]:
    """The description with column names as the table spells them."""
    where = str(file or "")

    def column(name: Any) -> str:
        found = columns.get(str(name).casefold())
        if found is None:
            raise CatalogError(
                f"The description names the column `{name}`, which the file does not have.",
                where=where,
                hint=f"It has: {', '.join(list(columns.values())[:30])}.",
            )
        return found

    def key(value: Any, field: str) -> list[str]:
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not names:
            raise CatalogError(f"`{field}` is not a list of columns.", where=where, hint="Write [first, second].")
        return [column(name) for name in names]

    made: dict[str, Any] = {"comment": str(told.get("comment") or "")}
    for field in ("columns", "tags"):
        if not isinstance(told.get(field) or {}, dict):
            raise CatalogError(f"`{field}` is not a list of `name: text`.", where=where)
    made["columns"] = {column(name): str(note or "") for name, note in (told.get("columns") or {}).items()}
    made["tags"] = {str(name): str(value) for name, value in (told.get("tags") or {}).items()}
    made["primary_key"] = key(told["primary_key"], "primary_key") if told.get("primary_key") else []
    for field in ("unique_keys", "foreign_keys"):
        if not isinstance(told.get(field) or [], list):
            raise CatalogError(f"`{field}` is not a list.", where=where)
    made["unique_keys"] = [key(value, "unique_keys") for value in told.get("unique_keys") or []]
    made["foreign_keys"] = [_foreign(value, key, where) for value in told.get("foreign_keys") or []]
    return made


def _foreign(value: Any, key: Any, where: str) -> dict[str, Any]:
    hint = "Write columns: [customer_id], to_table: catalog.schema.customers, to_columns: [id]."
    if not isinstance(value, dict) or set(value) != {"columns", "to_table", "to_columns"}:
        raise CatalogError("A foreign key needs `columns`, `to_table` and `to_columns`.", where=where, hint=hint)
    columns, there = key(value["columns"], "foreign_keys.columns"), value["to_columns"]
    there = [there] if isinstance(there, str) else there
    if not isinstance(there, list) or len(there) != len(columns):
        raise CatalogError("A foreign key has as many `to_columns` as `columns`.", where=where, hint=hint)
    try:
        to_table = join_table(*split_table(str(value["to_table"])))
    except ValueError as error:
        raise CatalogError(f"`to_table`: {error}.", where=where, hint=hint) from None
    made = ForeignKey(columns=tuple(columns), to_table=to_table, to_columns=tuple(map(str, there)))
    return made.model_dump(mode="json")


def _columns(lakehouse: Lakehouse, folder: Path) -> dict[str, str]:
    from pipeline_magic.adapters.delta_log import DeltaLog

    state = DeltaLog().state(folder)
    return {column.name.casefold(): column.name for column in state.columns} if state else {}


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return (text if len(text) <= 300 else text[:299] + "…").rstrip(".") + "."
