"""What every catalog must do. A new adapter adds a fixture that makes the same small world, and its name to `catalog`.

The world: catalog `shop` with schema `sales`; table `shop.sales.orders` (`id bigint` never NULL,
`Customer Name string`, `price decimal(10,2)`; 3 rows), commented, primary key `id`; table `shop.sales.items` without a
comment.
"""

from __future__ import annotations

import decimal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from pipeline_magic.adapters.files import write_json
from pipeline_magic.adapters.lakehouse import DESCRIBED, Lakehouse
from pipeline_magic.errors import CatalogError, TableNotFound
from pipeline_magic.ports import Catalog
from pipeline_magic.spec.schema import Column
from tests.support.databricks_server import workspace
from tests.support.databricks_server.spark import column
from tests.support.databricks_standins import allowed, standin


@pytest.fixture
def lakehouse(tmp_path: Path) -> Lakehouse:
    made = Lakehouse(tmp_path)
    price = pa.array([decimal.Decimal("1.50"), decimal.Decimal("2.25"), None], pa.decimal128(10, 2))
    schema = pa.schema(
        [
            pa.field("id", pa.int64(), nullable=False),
            pa.field("Customer Name", pa.string()),
            pa.field("price", pa.decimal128(10, 2)),
        ]
    )
    columns = [pa.array([1, 2, 3]), pa.array(["a", None, "c"]), price]
    orders = made.folder("shop.sales.orders")
    write_deltalake(str(orders), pa.Table.from_arrays(columns, schema=schema))
    write_json(orders / DESCRIBED, {"comment": "What was bought", "columns": {"id": "Number"}, "primary_key": ["id"]})
    write_deltalake(str(made.folder("shop.sales.items")), pa.table({"id": [1]}))
    return made


@pytest.fixture
def unity() -> Iterator[Catalog]:
    """Unity Catalog and a warehouse of the strict workspace."""
    from pipeline_magic.adapters.databricks.catalog import UnityCatalog
    from pipeline_magic.adapters.databricks.client import workspace_client
    from pipeline_magic.adapters.databricks.warehouse import Warehouse

    server, world, _ = workspace()
    world.add_catalog("shop", "boss@acme.test")
    world.add_schema("shop", "sales", "boss@acme.test")
    world.grant("catalog", "shop", "ada@acme.test", "USE_CATALOG", "CREATE_SCHEMA")
    world.grant("schema", "shop.sales", "engineers", "USE_SCHEMA", "SELECT", "MODIFY", "CREATE_TABLE", "APPLY_TAG")
    price = [decimal.Decimal("1.50"), decimal.Decimal("2.25"), None]
    world.fill(
        "shop.sales.orders",
        [
            column(0, "id", "bigint", nullable=False, comment="Number"),
            column(1, "Customer Name", "string"),
            column(2, "price", "decimal(10,2)"),
        ],
        list(zip([1, 2, 3], ["a", None, "c"], price, strict=True)),
        "boss@acme.test",
        comment="What was bought",
        constraints=[{"primary_key_constraint": {"name": "orders_pk", "child_columns": ["id"]}}],
    )
    world.fill("shop.sales.items", [column(0, "id", "bigint")], [(1,)], "boss@acme.test")
    client = workspace_client(server.url, "good-token")
    yield UnityCatalog(client, engine=Warehouse(client, "wh1"))
    server.close()


MINILAKE = {
    "test_table": "tables have no comments of columns made by SQL, no keys, no statistics and no history",
    "test_case_does_not_matter": "names are compared with regard to case",
    "test_nearest_names": "it lists no summaries of tables",
    "test_digest": "a comment that SQL sets is not in the catalog, and moves no time",
    "test_describe": "its SQL is DuckDB's: a backslash is no escape in a text",
}
"""What minilake 1.9.0 does otherwise than Unity Catalog."""


@pytest.fixture(scope="module")
def minilake_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with standin("minilake", tmp_path_factory.mktemp("minilake")) as url:
        yield url


@pytest.fixture
def minilake(minilake_server: str, request: pytest.FixtureRequest) -> Catalog:
    """Unity Catalog and a warehouse of minilake, emptied before each test."""
    from pipeline_magic.adapters.databricks.catalog import UnityCatalog
    from pipeline_magic.adapters.databricks.client import workspace_client
    from pipeline_magic.adapters.databricks.warehouse import Warehouse

    allowed(request, MINILAKE)
    urllib.request.urlopen(urllib.request.Request(f"{minilake_server}/_minilake/reset?full=true", b"", method="POST"))
    client = workspace_client(minilake_server, "any-token")
    do = client.api_client.do
    body = {"name": "w", "cluster_size": "2X-Small", "warehouse_type": "PRO"}
    warehouse = do("POST", "/api/2.0/sql/warehouses", body=body)["id"]
    do("POST", "/api/2.1/unity-catalog/catalogs", body={"name": "shop"})
    do("POST", "/api/2.1/unity-catalog/schemas", body={"name": "sales", "catalog_name": "shop"})
    engine = Warehouse(client, warehouse)
    engine.execute('CREATE TABLE shop.sales.orders (id BIGINT NOT NULL, "Customer Name" VARCHAR, price DECIMAL(10,2))')
    engine.execute("INSERT INTO shop.sales.orders VALUES (1, 'a', 1.50), (2, NULL, 2.25), (3, 'c', NULL)")
    engine.execute("CREATE TABLE shop.sales.items (id BIGINT)")
    return UnityCatalog(client, engine=engine, fresh=0.0)


@pytest.fixture(params=["lakehouse", "unity", "minilake"])
def catalog(request: pytest.FixtureRequest) -> Catalog:
    made: Catalog = request.getfixturevalue(request.param)
    return made


def test_table(catalog: Catalog) -> None:
    """A table comes with names as spelt, Spark types, nullability, comments, keys, rows, version and last commit."""
    table = catalog.table("shop.sales.orders")
    assert table.columns == (
        Column(name="id", type="bigint", nullable=False, comment="Number"),
        Column(name="Customer Name", type="string"),
        Column(name="price", type="decimal(10,2)"),
    )
    assert (table.table, table.comment, table.primary_key) == ("shop.sales.orders", "What was bought", ("id",))
    assert table.rows == 3
    assert table.version is not None
    assert (table.last_modified or "").endswith("Z")


def test_case_does_not_matter(catalog: Catalog) -> None:
    """Names are compared as Spark does; the answer has the catalog's spelling."""
    assert catalog.table("SHOP.sales.Orders") == catalog.table("shop.sales.orders")
    assert catalog.table("`shop`.`sales`.`orders`") == catalog.table("shop.sales.orders")


def test_tables(catalog: Catalog) -> None:
    """Every table is listed, with its columns and comments."""
    listed = {table.table: table for table in catalog.tables()}
    assert {"shop.sales.orders", "shop.sales.items"} <= listed.keys()
    for name in ("shop.sales.orders", "shop.sales.items"):
        assert listed[name].columns == catalog.table(name).columns
        assert listed[name].comment == catalog.table(name).comment


@pytest.mark.parametrize(
    "name", ["shop.sales.order", "shop.sale.orders", "orders", "x.y.ordres", "shop.sales.`a b`", ""]
)
def test_unknown_table(catalog: Catalog, name: str) -> None:
    """A table that is not there is TableNotFound."""
    with pytest.raises(TableNotFound):
        catalog.table(name)


def test_nearest_names(catalog: Catalog) -> None:
    """A slip of the pen is answered with the name that was meant."""
    with pytest.raises(TableNotFound) as raised:
        catalog.table("shop.sales.ordres")
    assert raised.value.nearest[0] == "shop.sales.orders"


def test_digest(catalog: Catalog) -> None:
    """The digest stands while nothing changes, and moves with a comment."""
    before = catalog.digest()
    assert before == catalog.digest()
    catalog.describe("shop.sales.items", comment="Things", columns={}, tags={})
    assert before != catalog.digest()


def test_describe(catalog: Catalog) -> None:
    """Comments and tags are set, the rest of the description and the data stay; twice is once."""
    before = catalog.table("shop.sales.orders")
    for _ in range(2):
        catalog.describe(
            "shop.sales.orders", comment="New 'words'; -- `x`", columns={"price": "In euro"}, tags={"team": "a"}
        )
    after = catalog.table("shop.sales.orders")
    assert after.comment == "New 'words'; -- `x`"
    assert [column.comment for column in after.columns] == ["Number", "", "In euro"]
    assert after.tags["team"] == "a"
    assert (after.primary_key, after.rows) == (before.primary_key, before.rows)
    with pytest.raises(TableNotFound):
        catalog.describe("shop.sales.nope", comment="", columns={}, tags={})


def test_schemas(catalog: Catalog) -> None:
    """A schema is made once; making it again changes nothing."""
    assert catalog.has_catalog("shop") and catalog.has_schema("shop", "sales")
    assert not catalog.has_schema("shop", "fresh")
    assert not catalog.has_schema("nope", "sales") and not catalog.has_catalog("nope")
    for _ in range(2):
        catalog.create_schema("shop", "fresh")
    assert catalog.has_schema("shop", "fresh")
    for name in ("", "a/b", "..", "x\n", "y" * 300):
        with pytest.raises(CatalogError):
            catalog.create_schema("shop", name)


def test_privileges(catalog: Catalog) -> None:
    """What may be read and created is told for each table; what is not there cannot be read."""
    told = catalog.privileges(["shop.sales.orders", "shop.sales.nope"], "shop.sales.made")
    assert told.can_read == {"shop.sales.orders": True, "shop.sales.nope": False}
    assert told.can_create is True
    assert told.missing == ()
