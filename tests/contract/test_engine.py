"""What every engine must do. A new adapter adds a fixture that gives an engine on the world of `_fill`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline_magic.adapters.lakehouse import Lakehouse
from pipeline_magic.adapters.sail_session import registrations
from pipeline_magic.errors import Cancelled, EngineError, EngineUnavailable, ForeignWrite, QueryFailed
from pipeline_magic.ports import Engine
from tests.support.connect_engine import RemoteEngine
from tests.support.databricks_server import World, workspace
from tests.support.databricks_server.oneoff import OneOff
from tests.support.databricks_server.spark import column
from tests.support.databricks_standins import allowed, standin
from tests.support.local import engine_at, notebook, outputs, server_of, write_table

pytestmark = pytest.mark.engine


def _fill(lakehouse: Lakehouse) -> None:
    """`shop.sales.orders` with ids 1 to 3, and an empty schema `shop.made`."""
    write_table(lakehouse.folder("shop.sales.orders"))
    lakehouse.create_schema("shop", "made")


@pytest.fixture(scope="module")
def sail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    home: Path = tmp_path_factory.mktemp("engine")
    _fill(Lakehouse(home))
    with engine_at(home) as made:
        yield made


def _shop(world: World) -> None:
    """The world of `_fill` in a strict workspace."""
    world.add_catalog("shop", "ada@acme.test")
    for schema in ("sales", "made"):
        world.add_schema("shop", schema, "ada@acme.test")
    columns = [column(0, "id", "bigint"), column(1, "name", "string")]
    world.fill("shop.sales.orders", columns, [(1, "a"), (2, "b"), (3, None)], "ada@acme.test")


@pytest.fixture(scope="module")
def warehouse() -> Iterator[Engine]:
    """A SQL warehouse of the strict workspace, which gives results in small chunks."""
    from pipeline_magic.adapters.databricks.client import workspace_client
    from pipeline_magic.adapters.databricks.warehouse import Warehouse

    server, world, sql = workspace()
    _shop(world)
    sql.chunk = 2
    yield Warehouse(workspace_client(server.url, "good-token"), "wh1")
    server.close()


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A SQL warehouse of the strict workspace, and one-off runs beside it."""
    from pipeline_magic.adapters.databricks.client import workspace_client
    from pipeline_magic.adapters.databricks.oneoff import OneOffRuns
    from pipeline_magic.adapters.databricks.warehouse import Warehouse

    server, world, sql = workspace()
    server.add(OneOff(sql.spark))
    _shop(world)
    client = workspace_client(server.url, "good-token")
    runs = OneOffRuns(client, wait=lambda event, seconds: event.wait(min(seconds, 0.05)))
    yield Warehouse(client, "wh1", notebooks=runs)
    server.close()


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """A Sail server for sessions that are not the local engine's own: its address, and what tells of the tables."""
    home: Path = tmp_path_factory.mktemp("sessions")
    lakehouse = Lakehouse(home)
    _fill(lakehouse)
    with engine_at(home) as made:
        yield server_of(made).ensure().url, list(registrations(lakehouse).values())


@pytest.fixture(scope="module")
def session(lake: tuple[str, list[str]]) -> Iterator[Engine]:
    """The engine on a session that was given, as a notebook of Databricks gives its own."""
    from pipeline_magic.adapters.databricks.session import SparkSessionEngine
    from pipeline_magic.adapters.sail_session import connect

    url, statements = lake
    spark = connect(url)
    for statement in statements:
        spark.sql(statement)
    yield SparkSessionEngine(spark, scratch_catalog="shop")
    spark.stop()


@pytest.fixture(scope="module")
def connect(lake: tuple[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The same engine on a session of Databricks Connect, in another environment and another time zone."""
    made = RemoteEngine(*lake, tmp_path_factory.mktemp("connect") / "log")
    yield made
    made.end()


ON_SAIL = {
    "test_history": "Sail has no DESCRIBE HISTORY",
    "test_history_and_restore": "Sail has neither DESCRIBE HISTORY nor RESTORE",
    "test_restore_and_drop_look_first": "Sail has neither DESCRIBE HISTORY nor RESTORE",
}
"""What Sail 0.7 cannot do of what a session of Databricks does."""

MINILAKE = {
    "test_values": "its SQL is DuckDB's: a quote in a text is escaped by doubling it",
    "test_cancel": "its SQL is DuckDB's: `range` has no column `id`; and a long query holds the whole server",
    "test_scratch": "its SQL is DuckDB's: a schema is made without a comment",
    "test_history": "it has no DESCRIBE HISTORY",
    "test_history_and_restore": "it has no DESCRIBE HISTORY",
    "test_restore_and_drop_look_first": "it has no DESCRIBE HISTORY",
}
"""What minilake 1.9.0 does otherwise than a SQL warehouse."""

BRICKHOUSE = {
    "test_cancel": "it has no `range`",
    "test_scratch": "it has no current_catalog() and current_user()",
    "test_history_and_restore": "it replaces no table",
    "test_restore_and_drop_look_first": "it replaces no table",
}
"""What brickhouse 0.1.0 does otherwise than a SQL warehouse."""


def _of_standin(url: str) -> Engine:
    from pipeline_magic.adapters.databricks.client import workspace_client
    from pipeline_magic.adapters.databricks.warehouse import Warehouse

    client = workspace_client(url, "any-token")
    do = client.api_client.do
    body = {"name": "w", "cluster_size": "2X-Small", "warehouse_type": "PRO"}
    engine = Warehouse(client, do("POST", "/api/2.0/sql/warehouses", body=body)["id"], scratch_catalog="shop")
    do("POST", "/api/2.1/unity-catalog/catalogs", body={"name": "shop"})
    for schema in ("sales", "made"):
        do("POST", "/api/2.1/unity-catalog/schemas", body={"name": schema, "catalog_name": "shop"})
    engine.execute("CREATE TABLE shop.sales.orders (id BIGINT, name STRING) USING DELTA")
    engine.execute("INSERT INTO shop.sales.orders VALUES (1, 'a'), (2, 'b'), (3, NULL)")
    return engine


@pytest.fixture(scope="module")
def minilake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with standin("minilake", tmp_path_factory.mktemp("minilake")) as url:
        yield _of_standin(url)


@pytest.fixture(scope="module")
def brickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with standin("brickhouse", tmp_path_factory.mktemp("brickhouse")) as url:
        yield _of_standin(url)


def _write(engine: Engine, table: str, *values: int) -> None:
    """Write a table of one row `a` again and again: in a notebook, or by SQL where the engine runs none."""
    if engine.no_notebooks:
        for place, value in enumerate(values):
            create = "CREATE OR REPLACE" if place else "CREATE"
            engine.execute(f"{create} TABLE {table} USING DELTA AS SELECT {value} AS a")  # type: ignore[attr-defined]
        return
    write = "spark.sql('SELECT {0} AS a').write.mode('overwrite').saveAsTable('{1}')"
    run = engine.run_notebook(notebook(*(write.format(value, table) for value in values)), {})
    assert run.succeeded, run.error


@pytest.fixture
def notebooks(engine: Engine) -> Engine:
    """The engine, where it runs notebooks; another one says why not, and refuses."""
    if engine.no_notebooks:
        with pytest.raises(EngineUnavailable) as raised:
            engine.run_notebook(notebook("1"), {})
        assert raised.value.hint
        pytest.skip(f"notebook not executed: {engine.no_notebooks}")
    return engine


@pytest.fixture(params=["sail", "warehouse", "beside", "session", "connect", "minilake", "brickhouse"])
def engine(request: pytest.FixtureRequest) -> Engine:
    lists = {"minilake": MINILAKE, "brickhouse": BRICKHOUSE, "session": ON_SAIL, "connect": ON_SAIL}
    allowed(request, lists.get(request.param, {}))
    made: Engine = request.getfixturevalue(request.param)
    return made


def test_query(engine: Engine) -> None:
    """Rows come as Python values with names and Spark types, in order."""
    found = engine.query(
        "SELECT id, name, CAST(id AS DECIMAL(5,1)) / 2 AS half FROM shop.sales.orders ORDER BY id DESC"
    )
    assert [column.name for column in found.columns] == ["id", "name", "half"]
    assert [column.type for column in found.columns][:2] == ["bigint", "string"]
    assert [row[:2] for row in found.rows] == [(3, None), (2, "b"), (1, "a")]
    assert found.rows[0][2] == Decimal("1.5")


def test_values(engine: Engine) -> None:
    """Times are in UTC whatever zone the machine is in, texts and numbers keep what they hold, NULL is None."""
    found = engine.query(
        "SELECT CAST('2024-07-01 12:00:00+02:00' AS TIMESTAMP) AS at, DATE '2024-07-01' AS day, true AS yes, "
        "CAST(1.5 AS DOUBLE) AS x, 'Ünï \\'quoted\\'' AS text, CAST(NULL AS STRING) AS none, CAST(7 AS INT) AS n"
    )
    at = datetime(2024, 7, 1, 10, tzinfo=timezone.utc)
    assert found.rows == ((at, date(2024, 7, 1), True, 1.5, "Ünï 'quoted'", None, 7),)
    assert found.rows[0][0].utcoffset() == timedelta(0)
    assert [column.type for column in found.columns] == [
        "timestamp", "date", "boolean", "double", "string", "string", "int",
    ]  # fmt: skip


def test_limit(engine: Engine) -> None:
    """Never more than `limit` rows, and cutting off is said."""
    assert engine.query("SELECT * FROM shop.sales.orders", limit=3).truncated is False
    cut = engine.query("SELECT id FROM shop.sales.orders ORDER BY id", limit=2)
    assert (cut.rows, cut.truncated) == (((1,), (2,)), True)


@pytest.mark.parametrize(
    "sql", ["SELECT nope FROM shop.sales.orders", "SELECT * FROM shop.sales.nope", "SELECT (", "x"]
)
def test_refused(engine: Engine, sql: str) -> None:
    """What cannot be run is QueryFailed, in words for a person."""
    with pytest.raises(QueryFailed) as raised:
        engine.query(sql)
    assert "Traceback" not in str(raised.value)
    assert len(str(raised.value)) < 1000


def test_cancel(engine: Engine) -> None:
    """A query that is cancelled raises Cancelled in its own thread, soon."""
    timer = threading.Timer(0.5, engine.cancel)
    timer.start()
    start = time.monotonic()
    try:
        with pytest.raises(Cancelled):
            engine.query("SELECT count(*) FROM range(100000000) a CROSS JOIN range(1000) b WHERE a.id * b.id % 7 = 3")
    finally:
        timer.cancel()  # it would stop the query of another test
    assert time.monotonic() - start < 20


def test_notebook(notebooks: Engine) -> None:
    """A notebook has `spark`, `dbutils` and its parameters; its exit value and its executed copy come back."""
    text = notebook(
        "dbutils.widgets.text('target', '')",
        "spark.table('shop.sales.orders').write.mode('overwrite').saveAsTable(dbutils.widgets.get('target'))",
        "print('written')",
        "dbutils.notebook.exit('3 rows')",
    )
    run = notebooks.run_notebook(text, {"target": "shop.made.copy"})
    assert (run.succeeded, run.error, run.exit_value) == (True, "", "3 rows")
    assert "written" in outputs(run.executed)
    assert notebooks.query("SELECT count(*) FROM shop.made.copy").rows == ((3,),)


def test_notebook_fails(notebooks: Engine) -> None:
    """A failing cell is a run that did not succeed, with its error, and no exception."""
    run = notebooks.run_notebook(notebook("raise ValueError('bad rows')"), {})
    assert (run.succeeded, run.error) == (False, "ValueError: bad rows")
    assert "bad rows" in run.executed


def test_scratch(engine: Engine) -> None:
    """A scratch schema is the same for the same run, and dropped without a trace; dropping twice is fine."""
    schema = engine.create_scratch("r-contract")
    assert schema == engine.create_scratch("r-contract")
    _write(engine, f"{schema}.t", 7)
    assert engine.query(f"SELECT a FROM {schema}.t").rows == ((7,),)
    assert list(engine.left_scratch(["r-other", "r-contract"])) == ["r-contract"]
    engine.drop_scratch("r-contract")
    engine.drop_scratch("r-contract")
    assert list(engine.left_scratch(["r-other", "r-contract"])) == []
    with pytest.raises(QueryFailed):
        engine.query(f"SELECT a FROM {schema}.t")


def test_history(engine: Engine) -> None:
    """A table that was written once has one commit, with its time in UTC."""
    before = datetime.now(timezone.utc)
    _write(engine, "shop.made.once", 1)
    [commit] = engine.history("shop.made.once")
    assert commit.version == "0" and commit.operation
    assert abs((datetime.fromisoformat(commit.at.replace("Z", "+00:00")) - before).total_seconds()) < 1800  # a zone


def test_history_and_restore(engine: Engine) -> None:
    """A table's commits are listed newest first, and an earlier one can be put back."""
    _write(engine, "shop.made.versions", 1, 2)
    commits = engine.history("shop.made.versions")
    assert [int(commit.version) for commit in commits] == sorted((int(c.version) for c in commits), reverse=True)
    assert len(commits) >= 2
    engine.restore("shop.made.versions", commits[1].version)
    assert engine.query("SELECT a FROM shop.made.versions").rows == ((1,),)
    assert len(engine.history("shop.made.versions")) == len(commits) + 1
    assert list(engine.history("shop.made.never")) == []
    with pytest.raises(EngineError):
        engine.restore("shop.made.versions", "9999")


def test_restore_and_drop_look_first(engine: Engine) -> None:
    """A table that somebody wrote since it was looked at is left; one restore by a key is one commit."""
    _write(engine, "shop.made.watched", 1, 2, 3)
    newest, seen, first = engine.history("shop.made.watched")[:3]
    for action in (
        lambda: engine.restore("shop.made.watched", first.version, seen=seen.version, key="k"),
        lambda: engine.drop("shop.made.watched", seen=seen.version),
    ):
        with pytest.raises(ForeignWrite, match="watched"):
            action()
    assert engine.query("SELECT a FROM shop.made.watched").rows == ((3,),)
    engine.restore("shop.made.watched", first.version, seen=newest.version, key="k")
    engine.restore("shop.made.watched", first.version, seen=newest.version, key="k")
    history = engine.history("shop.made.watched")
    # A statement of a warehouse has no session to set a note in.
    kept = "" if engine.name.startswith("SQL warehouse") else "k"
    assert (history[0].note, history[0].operation) == (kept, "RESTORE") and history[1] == newest
    assert engine.query("SELECT a FROM shop.made.watched").rows == ((1,),)
    engine.drop("shop.made.watched", seen=history[0].version)
    engine.drop("shop.made.watched", seen=history[0].version)
    assert list(engine.history("shop.made.watched")) == []
    with pytest.raises(QueryFailed):
        engine.query("SELECT a FROM shop.made.watched")
