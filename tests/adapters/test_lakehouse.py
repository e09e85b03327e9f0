"""Names, descriptions, nearest names and permissions of the local lakehouse."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_magic.adapters.lakehouse import Lakehouse, folder_name, name_of_folder
from pipeline_magic.adapters.lakehouse_add import add_table
from pipeline_magic.adapters.sample_data import ensure_samples
from pipeline_magic.errors import CatalogError, PermissionDenied, PipelineMagicError, TableNotFound
from pipeline_magic.spec.names import join_table
from tests.support.local import as_nobody, write_table

HOSTILE = [
    "odd name",
    "a.b",
    "Robert'); drop",
    "é😀",
    "%20",
    "+41+",
    ".hidden",
    "_x",
    "a`b",
    "$(rm)",
    "-rf",
    "con",
    "a\u202eb",
]


@given(st.text(min_size=1))
def test_folder_round_trip(name: str) -> None:
    """Every name has one folder, made of plain characters, and the folder tells the name."""
    folder = folder_name(name)
    assert name == name_of_folder(folder)
    assert all(char.isascii() and (char.isalnum() or char in "_-+") for char in folder)


@given(st.text(min_size=1), st.text(min_size=1))
def test_folders_differ(one: str, other: str) -> None:
    """Two names never share a folder."""
    assert (one == other) == (folder_name(one) == folder_name(other))


def test_hostile_names(tmp_path: Path) -> None:
    """A table of any legal name is found under that name, inside the lakehouse."""
    lakehouse = Lakehouse(tmp_path)
    for name in HOSTILE:
        full = join_table(name, name, name)
        assert tmp_path / "lakehouse" in lakehouse.folder(full).parents
        write_table(lakehouse.folder(full))
        assert full == lakehouse.table(full).table
    assert sorted(join_table(name, name, name) for name in HOSTILE) == sorted(t.table for t in lakehouse.tables())


@pytest.mark.parametrize(
    "name", ["../../x.y.z", "a.b", "a.b.c.d", "a..c", "a.b.`x/../y`", "a.b.\x00", "", "`..`.`..`.x"]
)
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    """What is no name of three parts leads to no folder."""
    lakehouse = Lakehouse(tmp_path)
    with pytest.raises(CatalogError):
        lakehouse.folder(name)
    with pytest.raises(TableNotFound):
        lakehouse.table(name)


def test_case(tmp_path: Path) -> None:
    """Names are compared without regard to case, and told as they were made."""
    lakehouse = Lakehouse(tmp_path)
    write_table(lakehouse.folder("Sales.EU.Orders"))
    assert lakehouse.table("sales.eu.ORDERS").table == "Sales.EU.Orders"
    assert lakehouse.folder("sales.eu.orders") == lakehouse.folder("Sales.EU.Orders")
    assert lakehouse.has_schema("SALES", "eu") and lakehouse.has_catalog("sales")


def test_description_survives_damage(tmp_path: Path) -> None:
    """A description file that was cut off costs the comments, not the table."""
    lakehouse = Lakehouse(tmp_path)
    write_table(lakehouse.folder("a.b.t"))
    lakehouse.describe("a.b.t", comment="words", columns={"ID": "the id"}, tags={"k": "v"})
    assert lakehouse.table("a.b.t").columns[0].comment == "the id"
    (lakehouse.folder("a.b.t") / "_described.json").write_text('{"comment": "wor')
    assert lakehouse.table("a.b.t").comment == ""


@pytest.mark.parametrize("said", ['{"columns": 3}', '{"primary_key": 3}', '{"tags": [1]}', '{"foreign_keys": [3]}'])
def test_description_of_another_form(tmp_path: Path, said: str) -> None:
    """A description file that holds something else is an error by file and table: keys are not lost without a word."""
    lakehouse = Lakehouse(tmp_path)
    write_table(lakehouse.folder("a.b.t"))
    (lakehouse.folder("a.b.t") / "_described.json").write_text(said)
    with pytest.raises(CatalogError, match=r"`a\.b\.t` does not have the form"):
        lakehouse.table("a.b.t")
    assert list(lakehouse.tables()) == []


def test_damaged_table(tmp_path: Path) -> None:
    """A table with a damaged log is an error by name, and is left out of the list that holds the others."""
    lakehouse = Lakehouse(tmp_path)
    write_table(lakehouse.folder("a.b.good"))
    write_table(lakehouse.folder("a.b.bad"))
    (lakehouse.folder("a.b.bad") / "_delta_log/00000000000000000000.json").write_text("{")
    assert [table.table for table in lakehouse.tables()] == ["a.b.good"]
    with pytest.raises(CatalogError, match="cannot be read"):
        lakehouse.table("a.b.bad")


def test_digest_ignores_rows(tmp_path: Path) -> None:
    """The digest changes with columns and comments, and not with rows: new data is no new catalog."""
    lakehouse = Lakehouse(tmp_path)
    folder = lakehouse.folder("a.b.t")
    write_table(folder)
    first = lakehouse.digest()
    write_table(folder, mode="append")
    assert first == lakehouse.digest() == Lakehouse(tmp_path).digest()
    write_table(folder, {"id": [1]}, mode="overwrite", schema_mode="overwrite")
    assert first != lakehouse.digest()


def test_scratch_is_kept_apart(tmp_path: Path) -> None:
    """Tables of runs can be asked for by name, are not listed, and nobody makes a schema among them."""
    lakehouse = Lakehouse(tmp_path)
    write_table(tmp_path / "scratch/r_1/t")
    assert lakehouse.table("scratch.r_1.t").table == "scratch.r_1.t"
    assert list(lakehouse.tables()) == []
    with pytest.raises(CatalogError):
        lakehouse.create_schema("Scratch", "mine")


def test_write_protected_home(tmp_path: Path) -> None:
    """In a home that may be read and not written, tables are read, and every write names the permission."""
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001 and os.getuid() == 0:
            folder.chmod(folder.stat().st_mode | 0o055)
    lakehouse = Lakehouse(tmp_path / "home")
    write_table(lakehouse.folder("a.b.t"))

    def act() -> str:
        said = [f"{lakehouse.table('a.b.t').rows} {lakehouse.privileges(['a.b.t'], 'a.new.t')}"]
        for write in (
            lambda: lakehouse.create_schema("x", "y"),
            lambda: ensure_samples(lakehouse),
            lambda: lakehouse.describe("a.b.t", comment="x", columns={}, tags={}),
            lambda: add_table(lakehouse, "x.y.z", tmp_path / "z.csv", None),
        ):
            try:
                write()
                said.append("WROTE")
            except PipelineMagicError as error:
                said.append(str(error))
        return "\n".join(said)

    (tmp_path / "z.csv").write_text("a\n1\n")
    for path in [tmp_path / "home", *(tmp_path / "home").rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    said = as_nobody(act)
    for path in [tmp_path / "home", *(tmp_path / "home").rglob("*")]:
        path.chmod(0o755)
    assert "Traceback" not in said and "WROTE" not in said, said
    assert "3 can_read={'a.b.t': True} can_create=False missing=('No permission to write `a.new.t` in" in said
    assert said.count("\nNo permission to ") == 4
    assert said.count("PIPELINE_MAGIC_HOME") == 4


def test_disk_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a full disk a description stays as it was, and the error says so."""
    lakehouse = Lakehouse(tmp_path)
    write_table(lakehouse.folder("a.b.t"))
    lakehouse.describe("a.b.t", comment="old", columns={}, tags={})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CatalogError, match="The disk is full"):
        lakehouse.describe("a.b.t", comment="new", columns={}, tags={})
    assert lakehouse.table("a.b.t").comment == "old"
    assert not [path for path in lakehouse.folder("a.b.t").iterdir() if path.name.startswith(".")]


def test_engine_cannot_write_odd_names(tmp_path: Path) -> None:
    """A target that the engine would put elsewhere is refused before, by name."""
    told = Lakehouse(tmp_path).privileges([], "a.b.`odd name`")
    assert told.can_create is False
    assert "odd name" in told.missing[0]


def test_permission_error_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lakehouse that may not be listed is PermissionDenied, not an OSError."""

    def denied(*_: object) -> None:
        raise PermissionError(errno.EACCES, "denied")

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(PermissionDenied):
        Lakehouse(tmp_path).tables()
