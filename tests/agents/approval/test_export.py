"""The audit for somebody else."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_magic.adapters.database import Database
from pipeline_magic.agents.approval.audit import Head, verify
from pipeline_magic.agents.approval.export import COLUMNS, csv_lines, frame, json_lines, write
from pipeline_magic.errors import StoreError, UsageError
from pipeline_magic.runs import AuditEntry
from tests.support.trust import AT

HOSTILE = 'evil\n"\x1b[31m,\u2028\u0085é'


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    opened = Database(str(tmp_path / "s.db"))
    for number in range(4):
        opened.append_audit(at=AT, run_id="r-1", event=f"e{number}", identity="ada", detail={"n": number, "f": 1.5})
    opened.append_audit(at=AT, run_id="r-2", event=HOSTILE, identity="=cmd|' /C calc'!A0", detail={"a": HOSTILE})
    yield opened
    opened.close()


def test_json_lines_hold_everything(store: Database) -> None:
    """Each entry is one line for every reader of lines, and what verifying needs comes back from it."""
    text = "".join(json_lines(store.audit_stream()))
    assert len(text.splitlines()) == 5
    entries = [AuditEntry.model_validate(json.loads(line)) for line in text.splitlines()]
    assert entries == list(store.audit())
    assert verify(entries, [Head(*store.audit_head())]) == ()


def test_table_for_a_spreadsheet(store: Database) -> None:
    """One row an entry under a heading; nothing in it is run as a formula."""
    heading, *rows = csv.reader(io.StringIO("".join(csv_lines(store.audit_stream())), newline=""))
    assert tuple(heading) == COLUMNS
    assert [row[0] for row in rows] == ["1", "2", "3", "4", "5"]
    made = dict(zip(heading, rows[-1], strict=True))
    assert made["event"] == HOSTILE
    assert made["identity"] == "'=cmd|' /C calc'!A0"
    assert json.loads(made["detail"]) == {"a": HOSTILE}


def test_data_frame(store: Database) -> None:
    """A row an entry, with times; an audit without entries has the same columns."""
    made = frame(store.audit_stream())
    assert list(made.columns) == list(COLUMNS)
    assert list(made["seq"]) == [1, 2, 3, 4, 5]
    assert str(made["at"].dtype).startswith("datetime64") and str(made["at"].dt.tz) == "UTC"
    assert made["detail"][0] == {"n": 0, "f": 1.5}
    assert list(frame([]).columns) == list(COLUMNS)


@pytest.mark.parametrize("name", ["audit.jsonl", "audit.CSV"])
@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_file_is_private_and_whole(store: Database, tmp_path: Path, name: str) -> None:
    """The file is the user's alone whatever the umask, replaces an older one, and leaves nothing beside it."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / name).write_text("old")
    before = os.umask(0)
    try:
        assert write(store.audit_stream(), folder / name) == 5
    finally:
        os.umask(before)
    assert [path.name for path in folder.iterdir()] == [name]
    assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert len((folder / name).read_text("utf-8").splitlines()) >= 5


def test_file_that_cannot_be_written(store: Database, tmp_path: Path) -> None:
    """Another suffix, and a folder that is not there, are said; a stream that breaks leaves the older file."""
    with pytest.raises(UsageError, match=r"cannot be written as `\.xlsx`"):
        write(store.audit_stream(), tmp_path / "audit.xlsx")
    with pytest.raises(StoreError, match="could not be written: No such file"):
        write(store.audit_stream(), tmp_path / "none" / "audit.csv")
    file = tmp_path / "audit.jsonl"
    file.write_text("old")

    def breaking() -> Iterator[AuditEntry]:
        yield from store.audit_stream()
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match="No space left"):
        write(breaking(), file)
    assert file.read_text() == "old"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("name", ["audit.jsonl", "audit.csv"])
def test_memory_does_not_grow(tmp_path: Path, name: str) -> None:
    """Writing 8,000 entries takes no more memory than a page of them."""
    entry = AuditEntry(seq=1, at=AT, run_id="r", event="e", identity="i", detail={"t": "x" * 500}, previous="", hash="")
    tracemalloc.start()
    try:
        assert write((entry for _ in range(8_000)), tmp_path / name) == 8_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000, peak
