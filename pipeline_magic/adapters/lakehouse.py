"""The local lakehouse, the `Catalog` of a home directory: Delta tables in folders, and small files that describe them.

    <home>/lakehouse/<catalog>/<schema>/<table>/_delta_log/…      the table, as Delta keeps it
    <home>/lakehouse/<catalog>/<schema>/<table>/_described.json   comments, keys and tags, which Delta cannot hold

Here: names to folders and back, what the logs and descriptions say, catalogs and schemas, who may write. Not here:
rows (`lakehouse_add`, `sample_data`, the engine), reading logs (`delta_log`). Nothing here imports Spark, pandas or
pyarrow, and nothing scans data: a catalog must answer while a person types.
"""

from __future__ import annotations

import difflib
import hashlib
import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from pipeline_magic.adapters.delta_log import DeltaLog, TableState
from pipeline_magic.adapters.files import explain, read_json, write_json
from pipeline_magic.errors import CatalogError, PermissionDenied, TableNotFound
from pipeline_magic.ports import Privileges
from pipeline_magic.redact import redact
from pipeline_magic.spec.names import join_table, split_table
from pipeline_magic.spec.schema import ForeignKey, TableSchema

__all__ = ["DESCRIBED", "SCRATCH", "Lakehouse", "Location", "folder_name", "name_of_folder"]

SCRATCH = "scratch"
"""Catalog of the tables that a run makes for itself; its folders are not part of the lakehouse."""

DESCRIBED = "_described.json"
_log = logging.getLogger(__name__)
_ESCAPED = re.compile(r"\+([0-9A-F]{2,6})\+")
# The engine mistakes blanks, percent signs and letters outside ASCII in paths, so that folders hold none of them.
_KEPT = re.compile(r"[A-Za-z0-9_-]")
_SAFE_PATH = re.compile(r"[A-Za-z0-9_./-]+\Z")


def folder_name(part: str) -> str:
    """The folder of a catalog, schema or table of that name; every name has its own.

    >>> folder_name("odd name")
    'odd+20+name'
    """
    return "".join(char if _KEPT.match(char) else f"+{ord(char):02X}+" for char in part)


def name_of_folder(folder: str) -> str:
    """The name whose folder it is; the inverse of `folder_name`."""
    return _ESCAPED.sub(lambda match: chr(int(match.group(1), 16)), folder)


class Location(NamedTuple):
    """A table that is there: its full name and its folder."""

    name: str
    folder: Path


class Lakehouse:
    """Delta tables under a home directory; fulfils `ports.Catalog`.

    Args:
        home: The home directory; made when something is written.
        sample_scale: Scale of `samples.tpch`; what the environment says when None.
    """

    def __init__(self, home: Path, *, sample_scale: float | None = None) -> None:
        self.sample_scale = sample_scale
        self.home = Path(home).expanduser().absolute()
        self.root = self.home / "lakehouse"
        self.scratch_root = self.home / "scratch"
        self.name = f"local lakehouse at {self.home}"
        self._logs = DeltaLog()

    # --- what is there ---------------------------------------------------------------------------------------------

    def locations(self) -> Iterator[Location]:
        """Every table with its folder, by name; a folder without a commit is no table."""
        for catalog in _folders(self.root):
            for schema in _folders(catalog):
                for table in _folders(schema):
                    if self._logs.exists(table):
                        yield Location(join_table(*(name_of_folder(p.name) for p in (catalog, schema, table))), table)

    def catalogs(self) -> tuple[str, ...]:
        """Names of the catalogs, in order."""
        return tuple(name_of_folder(folder.name) for folder in _folders(self.root))

    def schemas(self) -> tuple[tuple[str, str, Path], ...]:
        """Catalog, schema and folder of every schema, in order."""
        return tuple(
            (name_of_folder(catalog.name), name_of_folder(schema.name), schema)
            for catalog in _folders(self.root)
            for schema in _folders(catalog)
        )

    def tables(self) -> Iterable[TableSchema]:
        """Every table with columns and comments, without statistics; one whose log is damaged is left out."""
        found = []
        for location in self.locations():
            try:
                schema = self._schema(location, statistics=False)
            except CatalogError as error:
                _log.warning("left out of the catalog: %s (%s)", error.message, error.where)
                continue
            if schema is not None:
                found.append(schema)
        return found

    def digest(self) -> str:
        """Changes when a table comes or goes, or its columns, comments, keys or tags change; not with its rows."""
        total = hashlib.sha256()
        for schema in self.tables():
            total.update(schema.model_dump_json().encode() + b"\n")
        return total.hexdigest()

    def table(self, name: str) -> TableSchema:
        """One table, with rows, bytes, version and time of the last commit from its log.

        Raises:
            TableNotFound: With the nearest names.
        """
        location = self.locate(name)
        schema = self._schema(location, statistics=True) if location else None
        if schema is None:
            raise TableNotFound(name, self.nearest(name))
        return schema

    def locate(self, name: str) -> Location | None:
        """The table of that name, compared as Spark does (without regard to case); None when there is none."""
        try:
            parts = split_table(name)
        except ValueError:
            return None
        found = self._catalog_folder(parts[0])
        for part in parts[1:]:
            found = _child(found, part) if found is not None else None
        if found is None or not self._logs.exists(found):
            return None
        scratch = found.parent.parent == self.scratch_root
        catalog = SCRATCH if scratch else name_of_folder(found.parent.parent.name)
        return Location(join_table(catalog, name_of_folder(found.parent.name), name_of_folder(found.name)), found)

    def folder(self, name: str) -> Path:
        """Where the table of that name is, or would be.

        Raises:
            CatalogError: Not a name of three parts.
        """
        catalog, *rest = _split(name)
        found = self._catalog_folder(catalog) or self.root / folder_name(catalog)
        for part in rest:
            found = _child(found, part) or found / folder_name(part)
        return found

    def _catalog_folder(self, catalog: str) -> Path | None:
        return self.scratch_root if catalog.casefold() == SCRATCH else _child(self.root, catalog)

    def scratch_schemas(self) -> tuple[tuple[str, str, Path], ...]:
        """Catalog, schema and folder of every run's scratch schema."""
        return tuple((SCRATCH, name_of_folder(schema.name), schema) for schema in _folders(self.scratch_root))

    def scratch_locations(self) -> Iterator[Location]:
        """Every table in a scratch schema; `tables` and `locations` leave them out."""
        for _, schema, folder in self.scratch_schemas():
            for table in _folders(folder):
                if self._logs.exists(table):
                    yield Location(join_table(SCRATCH, schema, name_of_folder(table.name)), table)

    def state(self, name: str) -> TableState | None:
        """What the table's log says; None when there is no such table."""
        location = self.locate(name)
        return self._logs.state(location.folder) if location else None

    def nearest(self, name: str, count: int = 5) -> tuple[str, ...]:
        """Names of tables that come closest to `name`, best first."""
        wanted = name.replace("`", "").casefold()
        last = wanted.rsplit(".", 1)[-1]

        def score(known: str) -> float:
            plain = known.replace("`", "").casefold()
            whole = difflib.SequenceMatcher(None, wanted, plain).ratio()
            return whole + difflib.SequenceMatcher(None, last, plain.rsplit(".", 1)[-1]).ratio()

        ranked = sorted((-score(location.name), location.name) for location in self.locations())
        return tuple(known for value, known in ranked[:count] if -value > 0.9)

    def _schema(self, location: Location, *, statistics: bool) -> TableSchema | None:
        state = self._logs.state(location.folder)
        if state is None:
            return None
        try:
            return self._described_as(location, state, self.described(location.folder), statistics=statistics)
        except (ValidationError, TypeError, AttributeError):
            raise CatalogError(
                f"The description of `{location.name}` does not have the form of one.",
                where=str(location.folder / DESCRIBED),
                hint="Mend the file, or remove it: comments, keys and tags are then gone, the rows are not.",
            ) from None

    @staticmethod
    def _described_as(
        location: Location, state: TableState, known: Mapping[str, Any], *, statistics: bool
    ) -> TableSchema:
        notes = {str(key).casefold(): str(value) for key, value in (known.get("columns") or {}).items()}
        columns = tuple(
            column.model_copy(update={"comment": redact(notes.get(column.name.casefold(), column.comment))})
            for column in state.columns
        )
        return TableSchema(
            table=location.name,
            columns=columns,
            comment=redact(str(known.get("comment") or state.description)),
            primary_key=tuple(known.get("primary_key") or ()),
            unique_keys=tuple(tuple(key) for key in known.get("unique_keys") or ()),
            foreign_keys=tuple(ForeignKey.model_validate(key) for key in known.get("foreign_keys") or ()),
            tags=known.get("tags") or {},
            rows=state.rows if statistics else None,
            bytes=state.bytes if statistics else None,
            version=str(state.version) if statistics else None,
            last_modified=state.last_modified if statistics else None,
        )

    # --- descriptions ----------------------------------------------------------------------------------------------

    @staticmethod
    def described(folder: Path) -> dict[str, Any]:
        """The description beside a table; empty when there is none."""
        known = read_json(folder / DESCRIBED)
        return known if isinstance(known, dict) else {}

    def describe(self, name: str, *, comment: str, columns: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Set the comments of a table and of its columns, and add its tags; keys stay as they are declared.

        Raises:
            TableNotFound: With the nearest names.
        """
        location = self.locate(name)
        if location is None:
            raise TableNotFound(name, self.nearest(name))
        known = self.described(location.folder)
        notes = {**(known.get("columns") or {}), **columns}
        merged = {**known, "comment": comment, "columns": notes, "tags": {**(known.get("tags") or {}), **tags}}
        if merged != known:
            with explain(self.home, f"write the description of `{location.name}`", CatalogError):
                write_json(location.folder / DESCRIBED, merged)

    def cancel(self) -> None:
        """Nothing to stop: a listing of files ends by itself."""

    # --- catalogs and schemas --------------------------------------------------------------------------------------

    def has_catalog(self, catalog: str) -> bool:
        """Whether the catalog is there."""
        return _child(self.root, catalog) is not None

    def has_schema(self, catalog: str, schema: str) -> bool:
        """Whether the schema is there."""
        found = _child(self.root, catalog)
        return found is not None and _child(found, schema) is not None

    def create_schema(self, catalog: str, schema: str, *, with_catalog: bool = True) -> None:
        """Make the schema's folder, and the catalog's.

        Raises:
            CatalogError: The name cannot be used.
            PermissionDenied: The home directory cannot be written.
        """
        _split(join_table(catalog, schema, "t"))
        if catalog.casefold() == SCRATCH:
            raise CatalogError(f"The catalog `{SCRATCH}` is kept for the tables of runs.", hint="Name another catalog.")
        found = _child(self.root, catalog) or self.root / folder_name(catalog)
        path = _child(found, schema) or found / folder_name(schema)
        with explain(self.home, f"create the schema `{catalog}.{schema}`", PermissionDenied):
            path.mkdir(parents=True, exist_ok=True)

    def privileges(self, sources: Sequence[str], target: str) -> Privileges:
        """What the file system allows."""
        readable, missing = {}, []
        for source in sources:
            location = self.locate(source)
            readable[source] = location is not None and os.access(location.folder / "_delta_log", os.R_OK | os.X_OK)
            if location is not None and not readable[source]:
                missing.append(f"No permission to read `{source}` in {location.folder}.")
        folder = self.folder(target)
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        can_create = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
        if not can_create:
            missing.append(f"No permission to write `{target}` in {folder}.")
        if any(folder_name(part) != part for part in split_table(target)):
            can_create = False
            missing.append(f"The local engine writes tables named with A-Z, 0-9, `_` and `-` only, not `{target}`.")
        return Privileges(can_read=readable, can_create=can_create, missing=tuple(missing))

    # --- data ------------------------------------------------------------------------------------------------------

    def add(self, table: str, file: Path | str, describe: Path | str | None = None) -> TableSchema:
        """Bring a CSV file, a Parquet file or folder, or a Delta folder into the lakehouse; see `lakehouse_add`."""
        from pipeline_magic.adapters.lakehouse_add import add_table

        return add_table(self, table, Path(file), Path(describe) if describe else None)

    def ensure_samples(self, progress: Callable[[str], None] | None = None) -> None:
        """Make the sample tables that are not there yet; see `sample_data`."""
        from pipeline_magic.adapters.sample_data import ensure_samples

        ensure_samples(self, progress)

    def engine_path(self, folder: Path) -> str:
        """A path to a folder of this home that the engine reads rightly, whatever the home is called.

        A home whose path holds blanks or letters outside ASCII is reached through a link in the temporary directory.
        """
        if _SAFE_PATH.match(str(self.home)):
            return str(folder)
        links = Path(tempfile.gettempdir()) / f"pipeline_magic-{os.getuid()}"
        link = links / hashlib.sha256(str(self.home).encode()).hexdigest()[:16]
        with explain(links, "link the home directory", CatalogError):
            links.mkdir(mode=0o700, exist_ok=True)
            if links.stat().st_uid != os.getuid():
                raise CatalogError("The link to the home directory belongs to another user.", where=str(links))
            if not link.is_symlink() or Path(os.readlink(link)) != self.home:  # noqa: PTH115  (3.10 has no follow)
                link.unlink(missing_ok=True)
                link.symlink_to(self.home, target_is_directory=True)
        return str(link / folder.relative_to(self.home))


def _split(name: str) -> tuple[str, str, str]:
    try:
        return split_table(name)
    except ValueError as error:
        raise CatalogError(str(error)[:1].upper() + str(error)[1:] + ".", hint="Write catalog.schema.table.") from None


def _folders(parent: Path) -> list[Path]:
    """Folders in a folder, by name; hidden ones are not ours."""
    try:
        with os.scandir(parent) as entries:
            return sorted(Path(e.path) for e in entries if e.name[0] not in "." and e.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError as error:
        raise PermissionDenied("No permission to read the lakehouse.", where=str(parent)) from error


def _child(parent: Path, part: str) -> Path | None:
    exact = parent / folder_name(part)
    if exact.is_dir():
        return exact
    wanted = part.casefold()
    return next((path for path in _folders(parent) if name_of_folder(path.name).casefold() == wanted), None)
