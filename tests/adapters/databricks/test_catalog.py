"""Unity Catalog: what a description means, few calls for many tables, what is kept, and who may do what."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from pipeline_magic.errors import Cancelled, CatalogError, PermissionDenied, TableNotFound
from pipeline_magic.spec.schema import ForeignKey
from tests.support.databricks_server.spark import column

ADA, BOSS, EVE = "ada@acme.test", "boss@acme.test", "eve@acme.test"


# --- one table ---------------------------------------------------------------------------------------------------


def test_what_a_table_is(site: Any) -> None:
    """Types, nullability, comments, keys, tags, owner and kind come from the catalog; numbers from the engine."""
    site.world.tables.clear()
    columns = [
        column(1, "Meta", "struct<Name:string,parts:array<decimal(10,2)>>", comment="Two\nlines"),
        column(0, "id", "bigint", nullable=False),
        column(2, "code", "varchar(10)"),
        column(3, "place", "geography(4326)"),
    ]
    key = {"primary_key_constraint": {"name": "pk", "child_columns": ["id"]}}
    foreign = {
        "foreign_key_constraint": {
            "name": "fk", "child_columns": ["code"], "parent_table": "shop.sales.codes", "parent_columns": ["code"],
        }
    }  # fmt: skip
    site.world.add_table(
        "shop.sales.orders", columns, BOSS, kind="EXTERNAL", comment="It's", constraints=[key, foreign],
        tags={"team": "a", "pii": ""},
    )  # fmt: skip
    table = site.catalog().table("shop.sales.orders")
    assert [(one.name, one.type, one.nullable) for one in table.columns] == [
        ("id", "bigint", False),
        ("Meta", "struct<Name:string,parts:array<decimal(10,2)>>", True),
        ("code", "string", True),
        ("place", "geography(4326)", True),
    ]
    assert (table.owner, table.kind, table.comment) == (BOSS, "table", "It's")
    assert (table.primary_key, table.tags) == (("id",), {"team": "a", "pii": ""})
    assert table.foreign_keys == (ForeignKey(columns=("code",), to_table="shop.sales.codes", to_columns=("code",)),)
    assert (table.rows, table.bytes, table.version, table.last_modified) == (None, None, None, None)


def test_statistics(site: Any) -> None:
    """Rows, bytes and the newest commit are asked of the engine; without one the catalog's properties are taken."""
    made = site.table()
    told = site.catalog(sql=True).table("shop.sales.orders")
    assert (told.rows, told.bytes, told.version) == (2, 1024, "0")
    assert told.last_modified is not None and told.last_modified.endswith("Z")
    without = site.catalog().table("shop.sales.orders")
    assert (without.rows, without.version, without.last_modified) == (None, "0", told.last_modified)
    site.sql.state = "DELETED"
    assert site.catalog(sql=True).table("shop.sales.orders") == without
    made.kind = "VIEW"
    site.sql.statements.clear()
    assert site.catalog(sql=True).table("shop.sales.orders").kind == "view"
    assert site.sql.statements == {}


def test_moved_or_renamed(site: Any) -> None:
    """A table that was renamed is not found, and its new name is offered."""
    site.table()
    site.world.tables["shop.sales.orders_2"] = site.world.tables.pop("shop.sales.orders")
    site.world.tables["shop.sales.orders_2"].name = "orders_2"
    with pytest.raises(TableNotFound) as raised:
        site.catalog().table("shop.sales.orders")
    assert raised.value.nearest == ("shop.sales.orders_2",)


def test_odd_names(site: Any) -> None:
    """Names beyond ASCII and with signs of addresses are asked for as they are."""
    for name in ("übersicht", "a-b", "50%", "what?", "a&b=c", "a#b", "日本"):
        site.table(f"shop.sales.{name}")
        assert site.catalog().table(f"shop.sales.`{name}`").table == f"shop.sales.`{name}`"
    assert len(list(site.catalog().tables())) == 7


# --- many tables -------------------------------------------------------------------------------------------------


def test_a_call_a_page(site: Any) -> None:
    """Listing costs one call for each page of each schema, and none for a table."""
    for number in range(7):
        site.table(f"shop.sales.t{number}")
    assert len(list(site.catalog(keys_up_to=6).tables())) == 7
    assert site.asked("/unity-catalog/tables") == 4  # an empty page first, then three tables each
    assert site.asked("/unity-catalog/tables/") == 0
    assert all(query.get("max_results") == "0" for query in site.server.queries)


def test_keys_of_a_small_catalog(site: Any) -> None:
    """Declared keys are asked for where tables are few, and again only where a description has changed."""
    key = [{"primary_key_constraint": {"name": "pk", "child_columns": ["id"]}}]
    for number in range(3):
        site.table(f"shop.sales.t{number}", constraints=key)
    catalog = site.catalog(keys_up_to=3)
    assert [one.primary_key for one in catalog.tables()] == [("id",)] * 3
    assert site.asked("/unity-catalog/tables/") == 3
    assert [one.primary_key for one in catalog.tables()] == [("id",)] * 3
    assert site.asked("/unity-catalog/tables/") == 3
    site.world.tables["shop.sales.t0"].constraints = []
    site.world.tables["shop.sales.t0"].updated = site.world.moment()
    assert [one.primary_key for one in catalog.tables()] == [(), ("id",), ("id",)]
    site.table("shop.sales.t3", constraints=key)
    assert [one.primary_key for one in catalog.tables()] == [()] * 4


def test_what_may_not_be_used_is_left_out(site: Any) -> None:
    """A catalog or schema that the caller may not use hides itself, and nothing else."""
    site.table()
    site.world.add_catalog("secret", BOSS)
    site.world.add_schema("secret", "s", BOSS)
    site.world.add_schema("shop", "open", BOSS)
    site.table("shop.open.t")
    site.table("secret.s.t")
    assert [one.table for one in site.catalog().tables()] == ["shop.open.t", "shop.sales.orders"]
    assert [one.table for one in site.catalog("eve-token").tables()] == []


def test_incremental(site: Any) -> None:
    """A second listing reads the columns of changed schemas alone; the digest reads none."""
    site.world.add_schema("shop", "other", BOSS)
    made = [site.table(f"shop.{schema}.t") for schema in ("other", "sales")]
    catalog = site.catalog()
    first, token = list(catalog.tables()), catalog.digest()
    made[0].columns = [column(0, "id", "int")]
    made[0].updated = site.world.moment()
    site.server.queries.clear()
    assert catalog.digest() != token
    assert not [query for query in site.server.queries if "schema_name" in query and "omit_columns" not in query]
    site.server.queries.clear()
    second = list(catalog.tables())
    full = [query for query in site.server.queries if "schema_name" in query and "omit_columns" not in query]
    assert [query["schema_name"] for query in full] == ["other"]
    assert second[0].columns[0].type == "int" and second[1] == first[1]


def test_one_refresh_lists_once(site: Any) -> None:
    """The digest right after a listing is that of the listing; what we change ourselves is seen at once."""
    site.table()
    site.world.grant("catalog", "shop", ADA, "MODIFY")
    catalog = site.catalog(sql=True, fresh=60.0)
    list(catalog.tables())
    before = len(site.server.requests)
    token = catalog.digest()
    assert len(site.server.requests) == before
    catalog.describe("shop.sales.orders", comment="New", columns={}, tags={})
    assert catalog.digest() != token


def test_cancel(site: Any) -> None:
    """A listing that is stopped raises Cancelled soon, asks for no further page, and can be begun again."""
    for number in range(30):
        site.table(f"shop.sales.t{number}")
    catalog = site.catalog()
    site.server.latency = 0.1
    timer = threading.Timer(0.45, catalog.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        list(catalog.tables())
    stopped = len(site.server.requests)
    assert stopped < 12
    site.server.latency = 0.0
    assert len(list(catalog.tables())) == 30


def test_a_page_that_never_ends(site: Any) -> None:
    """A server that gives the same page for ever is told, not followed."""
    site.server.paged = lambda items, request, key, **_: {key: [], "next_page_token": "again"}
    with pytest.raises(CatalogError, match="same page"):
        list(site.catalog().tables())


def test_hostile_descriptions(site: Any) -> None:
    """A comment of any length and with any signs is data; a description without its parts hides no other table."""
    site.table("shop.sales.a", comment="x" * 100_000 + "'; DROP TABLE t; --")
    made = site.table("shop.sales.b")
    made.columns = [{"name": None}, {"name": "c"}, {"name": "d", "type_text": "struct<", "comment": None}]
    first, second = site.catalog().tables()
    assert len(first.comment) == 4000
    assert [(one.name, one.type) for one in second.columns] == [("c", "string"), ("d", "struct<")]


# --- writing -----------------------------------------------------------------------------------------------------


def test_describe_writes_what_differs(site: Any) -> None:
    """Only what is not so already is written, so that doing it again costs no statement."""
    site.table()
    for privilege in ("MODIFY", "APPLY_TAG"):
        site.world.grant("catalog", "shop", ADA, privilege)
    catalog = site.catalog(sql=True)
    given: dict[str, Any] = {"comment": "a'b\\c\nd", "columns": {"WORD": "It's"}, "tags": {"team": "a"}}
    catalog.describe("shop.sales.orders", **given)
    made = site.world.tables["shop.sales.orders"]
    assert (made.comment, made.columns[1]["comment"], made.tags) == ("a'b\\c\nd", "It's", {"team": "a"})
    before = len(site.sql.statements)
    site.server.requests.clear()
    catalog.describe("shop.sales.orders", **given)
    assert len(site.sql.statements) == before
    assert {verb for verb, _ in site.server.requests} == {"GET"}
    catalog.describe("shop.sales.orders", **{**given, "tags": {"team": "b"}})
    assert made.tags == {"team": "b"}


def test_describe_without_the_privilege(site: Any) -> None:
    """What is missing to write comments or tags is named."""
    site.table()
    with pytest.raises(PermissionDenied, match="MODIFY"):
        site.catalog(sql=True).describe("shop.sales.orders", comment="x", columns={}, tags={})
    with pytest.raises(PermissionDenied, match="APPLY TAG"):
        site.catalog(sql=True).describe("shop.sales.orders", comment="", columns={}, tags={"a": "b"})
    with pytest.raises(CatalogError, match="by SQL alone") as raised:
        site.catalog().describe("shop.sales.orders", comment="x", columns={}, tags={})
    assert "DATABRICKS_WAREHOUSE_ID" in raised.value.hint


def test_create_schema(site: Any) -> None:
    """A schema is made where its catalog is; a missing catalog only when that is allowed, by setting and privilege."""
    with pytest.raises(PermissionDenied, match="CREATE SCHEMA on Catalog 'shop'"):
        site.catalog().create_schema("shop", "fresh")
    site.world.grant("catalog", "shop", ADA, "CREATE_SCHEMA")
    site.fault("lost", after=3)  # the schema is made, and the answer lost
    site.catalog().create_schema("shop", "fresh")
    assert "shop.fresh" in site.world.schemas
    with pytest.raises(CatalogError, match="no catalog `nowhere`") as raised:
        site.catalog().create_schema("nowhere", "fresh")
    assert "create_catalog" in raised.value.hint and "nowhere" not in site.world.catalogs
    with pytest.raises(PermissionDenied, match="CREATE CATALOG"):
        site.catalog(create_catalog=True).create_schema("nowhere", "fresh")
    site.world.admins.add(ADA)
    site.catalog(create_catalog=True).create_schema("nowhere", "fresh")
    assert "nowhere.fresh" in site.world.schemas


# --- privileges --------------------------------------------------------------------------------------------------


def checked(site: Any, sources: list[str], target: str = "shop.sales.made", **options: Any) -> Any:
    return site.catalog(**options).privileges(sources, target)


def test_by_grant_group_and_owner(site: Any) -> None:
    """A privilege counts however it came: granted, inherited, by a group, or as owner."""
    site.table()
    told = checked(site, ["shop.sales.orders"])
    assert (told.can_read, told.can_create) == ({"shop.sales.orders": True}, False)
    assert "CREATE TABLE on the schema `shop.sales` is missing" in told.missing[0]
    assert "GRANT CREATE TABLE ON SCHEMA `shop`.`sales` TO `ada@acme.test`" in told.missing[0]
    site.world.grant("schema", "shop.sales", "engineers", "CREATE_TABLE")
    assert checked(site, ["shop.sales.orders"]).can_create is True
    site.world.revoke("catalog", "shop", ADA)
    site.world.grant("catalog", "shop", "account users", "USE_CATALOG", "USE_SCHEMA")
    assert checked(site, ["shop.sales.orders"]).can_read == {"shop.sales.orders": False}
    site.world.tables["shop.sales.orders"].owner = "engineers"
    assert checked(site, ["shop.sales.orders"]).can_read == {"shop.sales.orders": True}


@pytest.mark.parametrize(
    ("held", "missing"),
    [
        ((), "USE CATALOG on the catalog `shop`"),
        (("USE_CATALOG", "SELECT"), "USE SCHEMA on the schema `shop.sales`"),
        (("USE_CATALOG", "USE_SCHEMA"), "SELECT on the table `shop.sales.orders`"),
    ],
)
def test_the_missing_privilege_is_named(site: Any, held: tuple[str, ...], missing: str) -> None:
    """Whatever of the three is missing to read a table is named with its object and owner."""
    site.table()
    site.world.revoke("catalog", "shop", ADA)
    site.world.grant("catalog", "shop", ADA, *held)
    told = checked(site, ["shop.sales.orders"])
    assert told.can_read == {"shop.sales.orders": False}
    assert any(sentence.startswith(f"{missing} is missing") for sentence in told.missing)


def test_an_existing_target(site: Any) -> None:
    """A table that is there is written, which takes MODIFY on it."""
    site.table()
    site.world.grant("schema", "shop.sales", ADA, "CREATE_TABLE")
    told = checked(site, [], "shop.sales.orders")
    assert told.can_create is False and "MODIFY on the table `shop.sales.orders`" in told.missing[0]
    site.world.grant("table", "shop.sales.orders", ADA, "MODIFY")
    assert checked(site, [], "shop.sales.orders").can_create is True


def test_a_missing_schema_or_catalog(site: Any) -> None:
    """A missing schema takes CREATE SCHEMA on its catalog; of a missing catalog nothing is known."""
    told = checked(site, [], "shop.fresh.made")
    assert told.can_create is False and "CREATE SCHEMA on the catalog `shop`" in told.missing[0]
    site.world.grant("catalog", "shop", ADA, "CREATE_SCHEMA")
    assert checked(site, [], "shop.fresh.made").can_create is True
    assert checked(site, [], "nowhere.fresh.made").can_create is None


def test_a_no_is_tried_on_the_engine(site: Any) -> None:
    """A group within a group, which the workspace does not name, is found by a query that reads no row."""
    site.table()
    site.world.revoke("catalog", "shop", ADA)
    site.world.grant("catalog", "shop", "nested", "USE_CATALOG", "USE_SCHEMA", "SELECT")
    assert checked(site, ["shop.sales.orders"], sql=True).can_read == {"shop.sales.orders": False}
    before = site.world.principals
    site.world.principals = lambda user: before(user) | {"nested"}
    assert checked(site, ["shop.sales.orders"]).can_read == {"shop.sales.orders": False}
    told = checked(site, ["shop.sales.orders"], sql=True)
    assert told.can_read == {"shop.sales.orders": True}
    assert not any("shop.sales.orders" in sentence for sentence in told.missing)


def test_each_object_is_asked_about_once(site: Any) -> None:
    """Thirty sources of one schema ask about their catalog and schema once."""
    names = [f"shop.sales.t{number}" for number in range(10)]
    for name in names:
        site.table(name)
    told = checked(site, names)
    assert all(told.can_read.values())
    assert site.asked("/catalogs/shop") == 1 and site.asked("/schemas/shop.sales") == 1
