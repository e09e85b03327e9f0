"""The audit for somebody else: JSON Lines, a table for a spreadsheet, a pandas DataFrame.

All but the DataFrame go through a stream, a line at a time. Not here: reading the store, and verifying (`audit`).
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_magic.digests import canonical_json
from pipeline_magic.errors import StoreError, UsageError
from pipeline_magic.runs import AuditEntry

if TYPE_CHECKING:
    import pandas

__all__ = ["COLUMNS", "csv_lines", "frame", "json_lines", "write"]

COLUMNS = tuple(AuditEntry.model_fields)

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would take for the beginning of a formula."""


def json_lines(entries: Iterable[AuditEntry]) -> Iterator[str]:
    """One JSON object a line, with every field; what `audit.verify` needs can be read back from it."""
    for entry in entries:
        # Line separators of Unicode are written as escapes: many readers of lines break there.
        text = json.dumps({name: getattr(entry, name) for name in COLUMNS}, sort_keys=True, ensure_ascii=False)
        yield text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("\x85", "\\u0085") + "\n"


def csv_lines(entries: Iterable[AuditEntry]) -> Iterator[str]:
    """A table with a heading. A text that a spreadsheet would run as a formula has an apostrophe before it."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    yield _taken(buffer)
    for entry in entries:
        values = {name: getattr(entry, name) for name in COLUMNS}
        texts = {**values, "detail": canonical_json(values["detail"])}
        writer.writerow([_cell(value) for value in texts.values()])
        yield _taken(buffer)


def frame(entries: Iterable[AuditEntry]) -> pandas.DataFrame:
    """A row an entry; `at` as times in UTC."""
    import pandas as pd

    made = pd.DataFrame.from_records(
        ([getattr(entry, name) for name in COLUMNS] for entry in entries), columns=list(COLUMNS)
    )
    made["at"] = pd.to_datetime(made["at"], utc=True, format="ISO8601", errors="coerce")
    return made


def write(entries: Iterable[AuditEntry], path: Path) -> int:
    """Write the entries to a file that only the user may read; the suffix says how: ``.jsonl`` or ``.csv``.

    The file appears when it is whole, and then replaces one that was there.

    Returns:
        How many entries there are.

    Raises:
        UsageError: Another suffix.
        StoreError: The file cannot be written.
    """
    kinds = {".jsonl": json_lines, ".ndjson": json_lines, ".csv": csv_lines}
    made = kinds.get(path.suffix.casefold())
    if made is None:
        raise UsageError(
            f"An audit cannot be written as `{path.suffix or path.name}`.", hint="Name the file .jsonl or .csv."
        )
    count = 0

    def counted() -> Iterator[AuditEntry]:
        nonlocal count
        for entry in entries:
            count += 1
            yield entry

    beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogatepass", newline="") as file:
            file.writelines(made(counted()))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise StoreError(
            f"The audit could not be written: {error.strerror or error}.",
            where=str(path),
            hint="Free some space, or name a file in a folder that you may write to.",
        ) from None
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
    return count


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
