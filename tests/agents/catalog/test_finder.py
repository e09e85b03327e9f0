"""The finder: a small catalog whole, of a large one what the words lead to, and no more read than that."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from pipeline_magic.adapters.samples import SAMPLES
from pipeline_magic.agents.catalog.finder import TableFinder
from pipeline_magic.agents.catalog.index import CatalogIndex
from pipeline_magic.agents.specification import SpecificationParserAgent
from pipeline_magic.agents.specification.planner.lexicon import FILLER, STOP
from pipeline_magic.errors import TableNotFound
from pipeline_magic.spec.schema import Column, ForeignKey, TableSchema

SAID = STOP | FILLER
STATEMENTS = Path(__file__).parents[3] / "examples" / "statements"
STATEMENT = "Join customers and orders and calculate revenue by market segment into gold.analytics.revenue, daily."


def table(name: str, columns: str = "id", keys: tuple[ForeignKey, ...] = ()) -> TableSchema:
    made = tuple(Column(name=column, type="string") for column in columns.split())
    return TableSchema(table=name, columns=made, foreign_keys=keys)


class Counted:
    """A catalog that counts what is asked of it."""

    name = "counted"

    def __init__(self, tables: Iterable[TableSchema]) -> None:
        self.held = {made.table: made for made in tables}
        self.listed = 0
        self.read: list[str] = []
        self.version = 1

    def tables(self) -> Iterable[TableSchema]:
        self.listed += 1
        return list(self.held.values())

    def digest(self) -> str:
        return f"v{self.version}"

    def table(self, name: str) -> TableSchema:
        self.read.append(name)
        if name not in self.held:
            raise TableNotFound(name, ())
        return self.held[name]


def noise(count: int) -> list[TableSchema]:
    words = ("event", "sensor", "ward", "ticket", "lecture", "voucher", "pallet")
    return [table(f"lake.s{n % 7}.{words[n % 7]}_{words[n // 7 % 7]}_{n}", "id created_at value") for n in range(count)]


@pytest.fixture
def large() -> Counted:
    return Counted([*noise(900), *SAMPLES])


def finder(catalog: Counted, home: Path | None) -> TableFinder:
    return TableFinder(catalog, home)  # type: ignore[arg-type]  # what a finder asks of a catalog, no more


def test_a_small_catalog_is_given_whole(tmp_path: Path) -> None:
    """Every table in the catalog's own order, whatever the words; and no file is made."""
    catalog = Counted([*SAMPLES, *noise(50)])
    found = finder(catalog, tmp_path).tables("anything at all", said=SAID)
    assert found.tables == tuple(catalog.held.values())
    assert list(tmp_path.iterdir()) == []


def test_of_a_large_catalog_only_what_fits_is_read(large: Counted, tmp_path: Path) -> None:
    """The tables of the words are among those read, and those are few; an unchanged catalog is not listed again."""
    finds = finder(large, tmp_path)
    found = {made.table for made in finds.tables(STATEMENT, said=SAID).tables}
    assert {"samples.tpch.customer", "samples.tpch.orders"} <= found
    assert len(found) <= 60
    assert set(large.read) == found
    assert large.listed == 1
    again = finder(large, tmp_path)
    assert {made.table for made in again.tables(STATEMENT, said=SAID).tables} == found
    assert large.listed == 1


def test_a_changed_catalog_is_indexed_again(large: Counted, tmp_path: Path) -> None:
    """A table that came is found, one that went is not."""
    finds = finder(large, tmp_path)
    finds.tables(STATEMENT, said=SAID)
    large.held["lake.new.hovercraft"] = table("lake.new.hovercraft")
    del large.held["samples.tpch.orders"]
    large.version += 1
    found = {made.table for made in finds.tables("hovercrafts and orders", said=SAID).tables}
    assert "lake.new.hovercraft" in found
    assert "samples.tpch.orders" not in found


def test_the_digest_depends_on_what_was_found(large: Counted, tmp_path: Path) -> None:
    """A change elsewhere in the catalog leaves the reading's digest alone; one of a found table changes it."""
    finds = finder(large, tmp_path)
    digest = finds.tables(STATEMENT, said=SAID).digest
    large.held["lake.far.away"] = table("lake.far.away")
    large.version += 1
    assert finds.tables(STATEMENT, said=SAID).digest == digest
    orders = large.held["samples.tpch.orders"]
    large.held["samples.tpch.orders"] = orders.model_copy(update={"comment": "Changed."})
    large.version += 1
    assert finds.tables(STATEMENT, said=SAID).digest != digest


def test_full_names_and_declared_keys(large: Counted, tmp_path: Path) -> None:
    """A table named in full is found in any case of letters, and so is what its declared keys lead to."""
    key = ForeignKey(columns=("zz",), to_table="lake.zz.quux", to_columns=("id",))
    large.held["lake.odd.frobnicator"] = table("lake.odd.frobnicator", "id zz", (key,))
    large.held["lake.zz.quux"] = table("lake.zz.quux")
    found = {made.table for made in finder(large, tmp_path).tables("Read LAKE.odd.Frobnicator.", said=SAID).tables}
    assert {"lake.odd.frobnicator", "lake.zz.quux"} <= found


def test_a_table_can_be_left_out(large: Counted, tmp_path: Path) -> None:
    """The run's own target is not among what it may read, in a small catalog and in a large one."""
    for catalog in (large, Counted(SAMPLES)):
        found = finder(catalog, tmp_path).tables("orders", without="samples.tpch.orders", said=SAID)
        assert found.table("samples.tpch.orders") is None
        assert found.table("samples.tpch.customer") is not None or catalog is large


def test_a_table_gone_meanwhile(large: Counted, tmp_path: Path) -> None:
    """A table that the index still knows and the catalog no longer has is left out."""
    finds = finder(large, tmp_path)
    finds.tables(STATEMENT, said=SAID)
    del large.held["samples.tpch.orders"]
    found = {made.table for made in finds.tables(STATEMENT, said=SAID).tables}
    assert "samples.tpch.orders" not in found
    assert "samples.tpch.customer" in found


@pytest.mark.parametrize("content", [b"no index", b""])
def test_a_lost_or_damaged_index(large: Counted, tmp_path: Path, content: bytes) -> None:
    """A file that holds no index costs one listing, and nothing is missed."""
    finds = finder(large, tmp_path)
    wanted = {made.table for made in finds.tables(STATEMENT, said=SAID).tables}
    finds.close()
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    assert {made.table for made in finder(large, tmp_path).tables(STATEMENT, said=SAID).tables} == wanted
    assert large.listed == 2


def test_an_index_that_cannot_be_kept(large: Counted, tmp_path: Path) -> None:
    """Where no file can be written, every table is given: slower, and right."""
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file", None):
        assert len(finder(large, home).tables(STATEMENT, said=SAID).tables) == len(large.held)


def test_search_and_names(large: Counted, tmp_path: Path) -> None:
    """What a person types finds names, in a small catalog and in a large one, with or without an index yet."""
    small = Counted(SAMPLES)
    for catalog in (small, large):
        finds = finder(catalog, tmp_path)
        assert finds.search("orders", 3)[0] == "samples.tpch.orders"
        finds.tables(STATEMENT, said=SAID)
        assert finds.search("orders", 3)[0] == "samples.tpch.orders"
        assert finds.names(5) == tuple(sorted(catalog.held)[:5])
    assert finder(large, tmp_path).search("custmers", 1) == ("samples.tpch.customer",)


def test_a_long_statement_is_searched_in_bounded_time(large: Counted, tmp_path: Path) -> None:
    """Twenty thousand characters of words find no more than the bound."""
    finds = finder(large, tmp_path)
    found = finds.tables("join orders with customers, " * 700, said=SAID)
    assert found.table("samples.tpch.orders") is not None
    assert len(found.tables) <= 60


@pytest.mark.parametrize("name", sorted(path.stem for path in STATEMENTS.glob("*.txt")))
def test_a_large_catalog_reads_as_a_small_one(large: Counted, tmp_path: Path, name: str) -> None:
    """The examples' drafts are the same whether the sample tables stand alone or among hundreds of others."""
    text = (STATEMENTS / f"{name}.txt").read_text("utf-8")
    found = finder(large, tmp_path).tables(text, said=SAID)
    parser = SpecificationParserAgent()
    now = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
    alone = parser.parse(text, catalog=CatalogIndex(SAMPLES), now=now)
    assert parser.parse(text, catalog=found, now=now).draft == alone.draft
