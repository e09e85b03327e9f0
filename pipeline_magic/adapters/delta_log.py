"""What a Delta table's log says of it: columns, rows, bytes, version; read without pyspark, pandas or deltalake.

Here: the JSON commits of ``_delta_log`` replayed with the standard library, one state kept for each table, so that
looking again costs one directory listing. Where old commits were folded into a checkpoint, `deltalake` reads it.
Not here: reading or writing rows.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pipeline_magic.errors import CatalogError
from pipeline_magic.spec.names import quote
from pipeline_magic.spec.schema import Column

__all__ = ["DeltaLog", "TableState", "spark_type"]

_COMMIT = re.compile(r"(\d{20})\.json\Z")
_SIMPLE = {"long": "bigint", "integer": "int", "short": "smallint", "byte": "tinyint"}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass
class TableState:
    """A table as of one version.

    Attributes:
        files: Bytes and rows (None where no statistics were written) of each live data file.
        modified: Milliseconds since 1970 of the last commit.
    """

    version: int = -1
    schema: dict[str, Any] = field(default_factory=dict)
    description: str = ""
    files: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    modified: int = 0

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns with Spark's names of their types."""
        return tuple(
            Column(
                name=item["name"],
                type=_declared(item),
                nullable=bool(item.get("nullable", True)),
                comment=str((item.get("metadata") or {}).get("comment") or ""),
            )
            for item in self.schema.get("fields", [])
        )

    @property
    def rows(self) -> int | None:
        """Number of rows; None when a file has no statistics."""
        counts = [rows for _, rows in self.files.values()]
        return None if None in counts else sum(count for count in counts if count is not None)

    @property
    def bytes(self) -> int:
        """Size of the live data files."""
        return sum(size for size, _ in self.files.values())

    @property
    def last_modified(self) -> str:
        """ISO 8601 in UTC."""
        return datetime.fromtimestamp(self.modified / 1000, timezone.utc).isoformat().replace("+00:00", "Z")


def _declared(item: Mapping[str, Any]) -> str:
    declared = (item.get("metadata") or {}).get("__CHAR_VARCHAR_TYPE_STRING")
    return str(declared) if declared else spark_type(item["type"])


def spark_type(kind: Any) -> str:
    """A type of a Delta schema as Spark prints it.

    >>> spark_type({"type": "array", "elementType": "long", "containsNull": True})
    'array<bigint>'
    """
    if isinstance(kind, str):
        return _SIMPLE.get(kind, kind)
    name = kind["type"]
    if name == "array":
        return f"array<{spark_type(kind['elementType'])}>"
    if name == "map":
        return f"map<{spark_type(kind['keyType'])},{spark_type(kind['valueType'])}>"
    if name == "struct":
        parts = []
        for item in kind["fields"]:
            label = item["name"] if _PLAIN.match(item["name"]) else quote(item["name"])
            parts.append(f"{label}:{spark_type(item['type'])}")
        return f"struct<{','.join(parts)}>"
    return str(name)


class DeltaLog:
    """Reads logs, and remembers what it read. Safe to use from several threads."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int], TableState]] = {}
        self._lock = threading.Lock()

    def exists(self, folder: Path) -> bool:
        """Whether the folder is a Delta table with at least one commit."""
        return bool(self._commits(folder))

    def version(self, folder: Path) -> int | None:
        """Number of the newest commit; None when there is no table."""
        return max(self._commits(folder), default=None)

    def state(self, folder: Path) -> TableState | None:
        """The table as it is now; None when there is no table.

        Raises:
            CatalogError: The log is damaged; the message names the file.
        """
        commits = self._commits(folder)
        if not commits:
            return None
        first, last = min(commits), max(commits)
        # A table dropped and made again has the same path and perhaps the same version, but another first commit.
        stat = commits[first].stat()
        mark = (first, stat.st_mtime_ns ^ stat.st_ino)
        with self._lock:
            known = self._known.get(folder)
        state = TableState()
        if known is not None and known[0] == mark and known[1].version <= last:
            if known[1].version == last:
                return known[1]
            old = known[1]
            state = TableState(old.version, old.schema, old.description, dict(old.files), old.modified)
        missing = [version for version in range(state.version + 1, last + 1) if version not in commits]
        if missing:
            state = self._from_checkpoint(folder, last)
        else:
            for version in range(state.version + 1, last + 1):
                _replay(state, commits[version], version)
        with self._lock:
            self._known[folder] = (mark, state)
        return state

    def _commits(self, folder: Path) -> dict[int, Path]:
        try:
            with os.scandir(folder / "_delta_log") as entries:
                found = [(match.group(1), entry) for entry in entries if (match := _COMMIT.match(entry.name))]
                return {int(number): Path(entry.path) for number, entry in found}
        except (FileNotFoundError, NotADirectoryError):
            return {}

    def _from_checkpoint(self, folder: Path, last: int) -> TableState:
        import deltalake
        import pyarrow as pa

        try:
            table = deltalake.DeltaTable(str(folder), version=last)
            metadata, history = table.metadata(), table.history(1)
            state = TableState(last, json.loads(table.schema().to_json()), metadata.description or "")
            actions = pa.table(table.get_add_actions(flatten=True)).to_pylist()
        except Exception as error:
            raise CatalogError(
                f"The Delta table's log cannot be read: {error}.", where=str(folder), hint="Add the table again."
            ) from error
        state.files = {row["path"]: (row["size_bytes"], row.get("num_records")) for row in actions}
        state.modified = int(history[0].get("timestamp") or 0) if history else 0
        return state


def _replay(state: TableState, path: Path, version: int) -> None:
    try:
        actions = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise CatalogError(
            f"Commit {version} of a Delta table cannot be read.", where=str(path), hint="Add the table again."
        ) from error
    state.version = version
    state.modified = int(path.stat().st_mtime * 1000)
    for action in actions:
        if "metaData" in action:
            state.schema = json.loads(action["metaData"]["schemaString"])
            state.description = action["metaData"].get("description") or ""
        elif "remove" in action:
            state.files.pop(_file_key(action["remove"]), None)
    for action in actions:
        if "add" in action:
            added = action["add"]
            state.files[_file_key(added)] = (int(added.get("size") or 0), _rows_of(added))
        elif "commitInfo" in action and action["commitInfo"].get("timestamp"):
            state.modified = int(action["commitInfo"]["timestamp"])


def _file_key(action: Mapping[str, Any]) -> str:
    vector = action.get("deletionVector") or {}
    return f"{action['path']}#{vector.get('pathOrInlineDv', '')}{vector.get('offset', '')}"


def _rows_of(added: Mapping[str, Any]) -> int | None:
    try:
        rows = json.loads(added["stats"])["numRecords"]
    except (KeyError, TypeError, ValueError):
        return None
    return int(rows) - int((added.get("deletionVector") or {}).get("cardinality") or 0)
