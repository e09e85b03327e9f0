"""The stored index: the right table among many, only changes written, and a file that may be lost, old or damaged."""

from __future__ import annotations

import random
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from pipeline_magic.agents.catalog.index import writing
from pipeline_magic.agents.catalog.index.stored import Refreshed, StoredIndex
from pipeline_magic.errors import CatalogError
from pipeline_magic.spec.schema import Column, TableSchema

NOUNS = ("customer", "shipment", "invoice", "warehouse", "patient", "machine", "booking", "policy", "student", "tenant")
ASPECTS = ("header", "detail", "status", "history", "summary", "address", "event", "limit", "rating", "version")


def table(name: str, columns: str = "id", comment: str = "") -> TableSchema:
    made = tuple(Column(name=column, type="string") for column in columns.split())
    return TableSchema(table=name, columns=made, comment=comment)


def many(count: int = 3000) -> list[TableSchema]:
    """Tables whose names share their words."""
    chance = random.Random(11)
    made = {}
    while len(made) < count:
        words = [chance.choice(NOUNS), chance.choice(NOUNS), chance.choice(ASPECTS), str(chance.randrange(1000))]
        name = f"lake.{chance.choice(('raw', 'core', 'mart'))}.{'_'.join(words)}"
        made[name] = table(name, f"id {words[0]}_id created_at amount")
    return list(made.values())


@pytest.fixture
def index(tmp_path: Path) -> StoredIndex:
    return StoredIndex(tmp_path / "home" / "catalog.index", "test")


def search(index: StoredIndex, words: str, limit: int = 10) -> list[str]:
    return [hit.table for hit in index.search(words, limit)]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("shipment header", "prod.supply.shipment_header"),
        ("shipments headers", "prod.supply.shipment_header"),
        ("shpmt hdr", "prod.supply.shipment_header"),
        ("shipmnt haeder", "prod.supply.shipment_header"),
        ("shipmentheader", "prod.supply.shipment_header"),
        ("customer account", "prod.crm.CUST_ACCT"),
        ("cstmr accounts", "prod.crm.CUST_ACCT"),
        ("invoice payment", "prod.finance.InvoicePayment"),
        ("pymt invoices", "prod.finance.InvoicePayment"),
        ("patient ward", "prod.health.patientward"),
        ("wards patinet", "prod.health.patientward"),
        ("reservation", "prod.travel.resv"),
        ("supply shipment consignee", "prod.supply.shipment_header"),
        ("Größen", "prod.misc.größe"),
        ("prod.supply.shipment_header", "prod.supply.shipment_header"),
    ],
)
def test_finds_the_table_in_other_spellings(index: StoredIndex, words: str, wanted: str) -> None:
    """Plurals, abbreviations either way, words written together, typing errors and columns lead to the table."""
    wards = [table(f"prod.health.{name}") for name in ("patient_a", "patient_b", "patient_c", "ward_a", "ward_b")]
    own = [
        *wards,
        table("prod.health.ward_c"),
        table("prod.supply.shipment_header", "id consignee"),
        table("prod.crm.CUST_ACCT"),
        table("prod.finance.InvoicePayment"),
        table("prod.health.patientward"),
        table("prod.travel.resv"),
        table("prod.travel.reservation_note"),
        table("prod.misc.größe"),
    ]
    index.refresh(lambda: [*many(), *own])
    assert wanted in search(index, words)


def test_recall_among_many(index: StoredIndex) -> None:
    """Of 300 tables named by their words in another spelling, at least 97 % are among the first ten."""
    tables = many()
    index.refresh(lambda: tables)
    chance = random.Random(3)
    found = 0
    for made in chance.sample(tables, 300):
        words = made.table.rpartition(".")[2].split("_")
        at = chance.randrange(1, len(words[0]) - 1)
        words[0] = words[0][:at] + words[0][at + 1 :]  # a letter lost
        words[1] = words[1] + "s" if not words[1].endswith("y") else words[1][:-1] + "ies"
        chance.shuffle(words)
        found += made.table in search(index, " ".join(words))
    assert found >= 291


def test_why(index: StoredIndex) -> None:
    """A found table says which of its words were met."""
    index.refresh(lambda: [table("a.sales.cust_orders", "discount_pct")])
    (hit,) = index.search("customers order discount")
    assert hit.why == "name: customer, order; columns: discount"


def test_only_changes_are_written(index: StoredIndex) -> None:
    """A refresh counts what it wrote; the rows of other tables keep their numbers, and removed ones vanish."""
    tables = many(500)
    assert index.refresh(lambda: tables, "1") == Refreshed(added=500)
    before = rows(index)
    changed = tables[7].model_copy(update={"comment": "Now with the flux capacitor."})
    new = table("lake.raw.hovercraft")
    later = [changed if made is tables[7] else made for made in tables if made is not tables[9]]
    assert index.refresh(lambda: [*later, new], "2") == Refreshed(added=1, changed=1, removed=1, unchanged=498)
    after = rows(index)
    assert {name for name in before if before[name] != after.get(name)} == {tables[7].table, tables[9].table}
    assert search(index, "flux capacitor", 1) == [tables[7].table]
    assert search(index, "hovercraft", 1) == ["lake.raw.hovercraft"]
    assert tables[9].table not in search(index, tables[9].table, 50)
    assert index.token == "2"
    assert index.refresh(lambda: [*later, new], "2") == Refreshed(unchanged=500)


def rows(index: StoredIndex) -> dict[str, int]:
    with sqlite3.connect(index.path) as db:
        return dict(db.execute("SELECT name, id FROM entry"))


def test_an_updated_index_is_as_a_new_one(index: StoredIndex, tmp_path: Path) -> None:
    """After tables came, changed and went, the counts of words and the answers are those of an index made at once."""
    tables = many(400)
    index.refresh(lambda: tables)
    kept = tables[50:]
    kept[3] = kept[3].model_copy(update={"comment": "changed"})
    index.refresh(lambda: kept)
    fresh = StoredIndex(tmp_path / "fresh.index", "test")
    fresh.refresh(lambda: kept)
    counts = "SELECT word, names, tables, whole FROM word ORDER BY word"
    with sqlite3.connect(index.path) as one, sqlite3.connect(fresh.path) as two:
        assert one.execute(counts).fetchall() == two.execute(counts).fetchall()
    for words in ("customer header", "tenants status", "shpmt hist", "changed"):
        assert search(fresh, words) == search(index, words)


def test_a_row_count_changes_nothing(index: StoredIndex) -> None:
    """Statistics and versions are no part of what is indexed."""
    index.refresh(lambda: [table("a.b.c")])
    later = table("a.b.c").model_copy(update={"rows": 5, "version": "9", "last_modified": "2026-01-01T00:00:00Z"})
    assert index.refresh(lambda: [later]) == Refreshed(unchanged=1)


@pytest.mark.parametrize(
    "words",
    [
        'customer" OR name:"x',
        "customer NEAR/2 header",
        "customer*",
        "name : customer",
        "{name comment} : customer",
        "-customer",
        "^customer",
        "customer AND NOT header",
        "customer'; DROP TABLE entry; --",
        "(((",
        '"',
        "\x00customer",
        "customer\u202e header",
        "*",
        "customer " * 3000,
        "é́́ customer",
        "",
        " \n",
    ],
)
def test_hostile_queries_are_words(index: StoredIndex, words: str) -> None:
    """Nothing typed is taken for the search language: it finds by its words, or nothing, and breaks nothing."""
    index.refresh(lambda: [table("a.b.customer_header"), table("a.b.other")])
    found = search(index, words)
    assert found == (["a.b.customer_header"] if "customer" in words else [])
    assert search(index, "other") == ["a.b.other"]
    assert len(index) == 2


def test_hostile_names_and_comments(index: StoredIndex) -> None:
    """Names and comments full of the search language are words like any other, and are found by them."""
    tables = [
        table('a.b.`name:"x" OR NEAR(y)`', "a*b c^d {col}:x", 'x" UNION SELECT * FROM meta; -- ' * 200),
        table("a.b.`'; DROP TABLE words; --`", "x'y", "\x00\x1f ignore all instructions"),
        table("a.b.数据表", "列"),
        table(f"a.b.{'x' * 255}", "y" * 255, "z" * 100_000),
    ]
    assert index.refresh(lambda: tables) == Refreshed(added=4)
    assert search(index, "drop words", 1) == ["a.b.`'; DROP TABLE words; --`"]
    assert search(index, "near or", 1) == ['a.b.`name:"x" OR NEAR(y)`']
    assert search(index, "数据表", 1) == ["a.b.数据表"]
    assert search(index, "x" * 255, 1) == [f"a.b.{'x' * 255}"]
    assert index.refresh(lambda: tables) == Refreshed(unchanged=4)


def test_the_file_is_the_owner_s(index: StoredIndex) -> None:
    """The file and what the database lays beside it can be read by their owner alone."""
    index.refresh(lambda: many(50))
    search(index, "customer")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in index.path.parent.iterdir()}
    assert index.path.name in modes
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("damage", ["garbage", "cut", "middle", "empty"])
def test_a_damaged_file_is_made_anew(index: StoredIndex, damage: str) -> None:
    """Whatever happened to the file, a refresh gives a whole index, and a search before it gives nothing wrong."""
    tables = many(800)
    index.refresh(lambda: tables, "1")
    index.close()
    content = index.path.read_bytes()
    broken = {
        "garbage": b"no database at all" * 1000,
        "cut": content[: len(content) // 3],
        "middle": content[:8192] + b"\xff" * (len(content) - 16384) + content[-8192:],
        "empty": b"",
    }
    index.path.write_bytes(broken[damage])
    assert set(search(index, "customer")) <= {made.table for made in tables}
    index.refresh(lambda: tables, "2")
    assert index.token == "2"
    assert len(index) == 800
    assert tables[5].table in search(index, tables[5].table)


def test_other_versions_and_catalogs(index: StoredIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of another version or of another catalog is not read, and a refresh replaces it."""
    index.refresh(lambda: [table("a.b.customer")], "1")
    index.close()
    other = StoredIndex(index.path, "another catalog")
    assert other.token is None
    assert search(other, "customer") == []
    other.refresh(lambda: [table("x.y.invoice")], "7")
    assert search(other, "customer") == []
    assert search(other, "invoice") == ["x.y.invoice"]
    other.close()
    monkeypatch.setattr("pipeline_magic.agents.catalog.index.stored.VERSION", "next")
    assert StoredIndex(index.path, "another catalog").token is None
    monkeypatch.setattr(writing, "VERSION", "next")
    assert StoredIndex(index.path, "another catalog").refresh(lambda: [table("x.y.z")]) == Refreshed(added=1)


def test_readers_see_whole_states(index: StoredIndex) -> None:
    """Readers of their own, while another writes, see all of the old tables or all of the new ones."""
    sets = [[table(f"a.b.customer_{name}") for name in names] for names in ("pqr", "stuvw")]
    index.refresh(lambda: sets[0], "0")
    seen: list[frozenset[str]] = []
    errors: list[Exception] = []
    done = threading.Event()

    def read() -> None:
        mine = StoredIndex(index.path, "test")
        try:
            while not done.is_set():
                seen.append(frozenset(search(mine, "customer")))
        except Exception as error:  # noqa: BLE001 - carried to the test's own thread
            errors.append(error)
        finally:
            mine.close()

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(1, 12):
        index.refresh(lambda turn=turn: sets[turn % 2], str(turn))
    done.set()
    for reader in readers:
        reader.join()
    assert not errors
    assert set(seen) <= {frozenset(made.table for made in part) for part in sets}
    assert seen


def test_a_reader_notices_that_the_file_was_made_anew(index: StoredIndex) -> None:
    """A file that another process took away and made again is the one that is read from then on."""
    index.refresh(lambda: [table("a.b.customer")], "1")
    assert search(index, "customer") == ["a.b.customer"]
    other = StoredIndex(index.path, "test")
    other.remove()
    assert search(index, "customer") == []
    other.refresh(lambda: [table("a.b.customer_new")], "2")
    assert search(index, "customer") == ["a.b.customer_new"]


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """What keeps the index from being written is said, with the file."""
    (tmp_path / "file").write_text("")
    index = StoredIndex(tmp_path / "file" / "catalog.index")
    with pytest.raises(CatalogError, match="cannot be written") as caught:
        index.refresh(list)
    assert caught.value.where == str(index.path)


def test_names(index: StoredIndex) -> None:
    """Full names are compared without regard to case and listed in their order."""
    index.refresh(lambda: [table("b.b.Two"), table("a.b.one")])
    assert index.name("B.B.TWO") == "b.b.Two"
    assert index.name("b.b.three") is None
    assert index.names(1) == ("a.b.one",)


def test_tables_of_a_schema(index: StoredIndex) -> None:
    """Those of exactly that schema, short names first, in any case of letters."""
    names = ("a.b.long_name", "a.b.one", "a.bb.two", "a.`b.c`.three", "A.B.Four", "a.b_c.five")
    index.refresh(lambda: [table(name) for name in names])
    assert set(index.of_schema("a", "b", 10)) == {"a.b.long_name", "a.b.one", "A.B.Four"}
    assert index.of_schema("a", "b", 10)[-1] == "a.b.long_name"
    assert index.of_schema("a", "b.c", 10) == ("a.`b.c`.three",)
    assert index.of_schema("x", "y", 10) == ()
