"""The SQL warehouse: the life of a statement, in all its states, and what is made of it."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone
from typing import Any

import pytest

from pipeline_magic.errors import Cancelled, EngineError, EngineUnavailable, ForeignWrite, QueryFailed, TableNotFound
from tests.support.databricks_server import Refusal
from tests.support.databricks_server.spark import Failure, Result, Spark

ADA = "ada@acme.test"
LONG = "SELECT count(*) FROM range(100000000) a CROSS JOIN range(10000) b WHERE a.id * b.id % 7 = 3"


@pytest.fixture
def writable(site: Any) -> Any:
    site.world.grant("schema", "shop.sales", ADA, "CREATE_TABLE", "MODIFY", "MANAGE")
    return site


def test_chunks(site: Any) -> None:
    """A result is read to its last chunk, in order."""
    site.sql.chunk = 3
    query = "SELECT id FROM range(10) r ORDER BY id"
    assert site.warehouse().query(query).rows == tuple((n,) for n in range(10))
    assert site.asked("/result/chunks/") == 3


def test_a_part_that_is_missing(site: Any) -> None:
    """Rows that are fewer than the manifest says are an error, never an answer."""
    site.sql.chunk = 3
    part = site.sql._part
    site.sql._part = lambda made, index: {**part(made, index), "data_array": part(made, index)["data_array"][:1]}
    with pytest.raises(EngineError, match="of 10 rows"):
        site.warehouse().query("SELECT id FROM range(10) r")


def test_a_result_that_is_gone(site: Any) -> None:
    """A chunk that the warehouse has thrown away is told as such."""
    site.sql.chunk = 3
    site.server.refuse[("GET", "chunks")] = Refusal(404, "NOT_FOUND", "The result has expired")
    with pytest.raises(QueryFailed, match="no longer there"):
        site.warehouse().query("SELECT id FROM range(10) r")


@pytest.mark.parametrize("kind", ["429", "500", "reset", "lost", "truncated", "twice"])
@pytest.mark.parametrize("after", [1, 2, 3])
def test_faults_in_a_query(site: Any, kind: str, after: int) -> None:
    """A single fault while a statement is sent, waited for or read changes nothing of its rows."""
    site.sql.chunk, site.sql.state = 4, "STOPPED"
    site.fault(kind, after=after)
    assert len(site.warehouse().query("SELECT id FROM range(10) r").rows) == 10


def test_truncated_by_the_limit(site: Any) -> None:
    """At most one row more than asked for leaves the warehouse."""
    found = site.warehouse().query("SELECT id FROM range(10) r ORDER BY id", limit=2)
    assert (found.rows, found.truncated) == (((0,), (1,)), True)
    [sent] = site.sql.statements.values()
    assert len(sent.result.rows) == 3


def test_a_stopped_warehouse_starts(site: Any) -> None:
    """The statement waits for it."""
    site.sql.state = "STOPPED"
    assert site.warehouse().query("SELECT 1 AS a").rows == ((1,),)
    assert site.sql.state == "RUNNING"


def test_waiting_is_told(site: Any) -> None:
    """Somebody who waits for long is told for what."""
    import itertools

    from pipeline_magic.adapters.databricks.statements import Statements

    site.sql.state, site.sql.startup = "STOPPED", 6
    engine = site.warehouse()
    ticks = itertools.count(step=5.0)
    engine._statements = Statements(
        engine._statements._calls, "wh1", wait=lambda *_: None, say=site.said.append, clock=lambda: next(ticks)
    )
    assert engine.query("SELECT 1 AS a").rows == ((1,),)
    assert site.said == ["The SQL warehouse `Starter Warehouse` is starting; that may take some minutes"]


def test_a_warehouse_that_does_not_start(site: Any) -> None:
    """That is an engine that is not available, in words, and the statement is not left behind."""
    site.sql.state, site.sql.startup = "STOPPED", None
    with pytest.raises(EngineUnavailable, match="did not begin") as raised:
        site.warehouse().query("SELECT 1", timeout=0.3)
    assert "STOPPED" in raised.value.message and "query_timeout" in raised.value.hint
    assert [one.state for one in site.sql.statements.values()] == ["CANCELED"]


def test_a_deleted_warehouse(site: Any) -> None:
    """A warehouse that is not there is told, with those that are."""
    with pytest.raises(EngineUnavailable, match="`other` cannot be used") as raised:
        site.warehouse("other").query("SELECT 1")
    assert "`wh1` (Starter Warehouse)" in raised.value.hint and "DATABRICKS_WAREHOUSE_ID" in raised.value.hint
    site.sql.state = "DELETED"
    with pytest.raises(EngineUnavailable, match="does not exist") as raised:
        site.warehouse().query("SELECT 1")
    assert "no SQL warehouse" in raised.value.hint


def test_a_warehouse_that_may_not_be_used(site: Any) -> None:
    """The permission is named."""
    site.sql.users = {"boss@acme.test"}
    with pytest.raises(EngineUnavailable, match="permission to use the SQL Warehouse"):
        site.warehouse().query("SELECT 1")


def test_timeout(site: Any) -> None:
    """A query that takes too long is stopped there too."""
    with pytest.raises(QueryFailed, match="took over"):
        site.warehouse().query(LONG, timeout=0.5)
    assert [one.state for one in site.sql.statements.values()] == ["CANCELED"]


def test_cancel(site: Any) -> None:
    """Two queries at once are both stopped, here and there; the next one runs."""
    engine = site.warehouse()
    ended: list[BaseException] = []

    def run() -> None:
        try:
            engine.query(LONG)
        except BaseException as error:  # noqa: BLE001  (looked at below)
            ended.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    while len(site.sql.statements) < 2:
        time.sleep(0.01)
    time.sleep(0.5)
    engine.cancel()
    for thread in threads:
        thread.join(10)
    assert [type(error) for error in ended] == [Cancelled, Cancelled]
    assert {one.state for one in site.sql.statements.values()} == {"CANCELED"}
    assert engine.query("SELECT 1 AS a").rows == ((1,),)


def test_an_interrupt_stops_the_statement(site: Any) -> None:
    """Ctrl-C while waiting leaves nothing running."""

    def wait(event: threading.Event, seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        site.warehouse(wait=wait).query(LONG)
    assert [one.state for one in site.sql.statements.values()] == ["CANCELED"]


@pytest.mark.parametrize(
    ("state", "says"), [("CANCELED", "stopped by somebody else"), ("CLOSED", "closed the result"), ("ODD", "`ODD`")]
)
def test_other_ends(site: Any, state: str, says: str) -> None:
    """Every state that is no success is an error in words."""
    run = site.sql._run

    def ended(made: Any, parameters: Any) -> None:
        run(made, parameters)
        made.state = state

    site.sql._run = ended
    with pytest.raises(EngineError, match=says):
        site.warehouse().query("SELECT 1")


def test_a_failing_statement(site: Any) -> None:
    """HTTP 200 with FAILED is QueryFailed, in few words, with the privilege where one is missing."""
    site.table()
    with pytest.raises(QueryFailed, match="TABLE_OR_VIEW_NOT_FOUND") as raised:
        site.warehouse().query("SELECT * FROM shop.sales.nope")
    assert "SQLSTATE" not in raised.value.message
    with pytest.raises(QueryFailed, match="USE CATALOG on Catalog 'shop'") as raised:
        site.warehouse(token="eve-token").query("SELECT * FROM shop.sales.orders")
    assert "administrator" in raised.value.hint


def test_too_large_for_one_answer(site: Any) -> None:
    """A result over the limit of the API says to ask for less."""
    site.sql.inline = 5
    with pytest.raises(QueryFailed, match="limit") as raised:
        site.warehouse().query("SELECT id FROM range(10) r")
    assert "fewer rows" in raised.value.hint


def test_trouble_of_the_warehouse(site: Any) -> None:
    """A warehouse that is not available now is not a wrong query; one that is out of memory asks for less."""
    codes = ["SERVICE_UNDER_MAINTENANCE", "RESOURCE_EXHAUSTED"]

    def run(*_: Any) -> Any:
        raise Failure("No more of it.", "XX000", codes.pop(0))

    site.sql.spark.run = run
    with pytest.raises(EngineUnavailable, match="not available now"):
        site.warehouse().query("SELECT 1")
    with pytest.raises(QueryFailed, match="No more") as raised:
        site.warehouse().query("SELECT 1")
    assert "fewer rows" in raised.value.hint


def test_parameters(site: Any) -> None:
    """Values go beside the text, with their types; NULL too."""
    found = site.warehouse().query(
        "SELECT :a AS a, :b AS b, :c AS c",
        parameters={"a": ("it's", "STRING"), "b": ("7", "BIGINT"), "c": (None, "DATE")},
    )
    assert found.rows == (("it's", 7, None),)
    assert [column.type for column in found.columns] == ["string", "bigint", "date"]


@pytest.mark.parametrize(
    "sql", ["DROP TABLE t", "SELECT 1; DROP TABLE t", "WITH a AS (SELECT 1) DELETE FROM t", "SET x = 1", ""]
)
def test_only_reads(site: Any, sql: str) -> None:
    """`query` sends nothing that could write."""
    with pytest.raises(QueryFailed):
        site.warehouse().query(sql)
    assert site.sql.statements == {}


def test_zone_of_the_warehouse(site: Any) -> None:
    """A timestamp without a zone is one of the warehouse's zone, which is asked for once."""
    site.sql.spark = Spark(site.world, zone="America/Los_Angeles")
    site.sql.answers["noon"] = Result([("t", "TIMESTAMP")], [["2024-01-01T00:00:00.000"], [None]])
    engine = site.warehouse()
    for _ in range(2):
        assert engine.query("SELECT noon").rows == ((datetime(2024, 1, 1, 8, tzinfo=timezone.utc),), (None,))
    assert len(site.sql.statements) == 3


# --- scratch, history, restore -----------------------------------------------------------------------------------


def test_scratch(site: Any) -> None:
    """A scratch schema is of one run and one person; without the privilege it is named."""
    with pytest.raises(EngineError, match="CREATE SCHEMA on Catalog 'shop'"):
        site.warehouse().create_scratch("r-1")
    site.world.grant("catalog", "shop", ADA, "CREATE_SCHEMA")
    schema = site.warehouse().create_scratch("r-1")
    assert schema.startswith("shop.pipeline_magic_r_1_") and schema in site.world.schemas
    engine = site.warehouse()
    assert list(engine.left_scratch(["r-0", "r-1"])) == ["r-1"] and list(engine.left_scratch([])) == []
    site.world.add_catalog("other", ADA)
    assert site.warehouse(scratch_catalog="other").create_scratch("r-1").startswith("other.")
    engine.drop_scratch("r-1")
    assert schema not in site.world.schemas


def test_history(writable: Any) -> None:
    """Who wrote, by which job and with what note comes with each commit."""
    writable.table()
    made = writable.world.tables["shop.sales.orders"].versions[0]
    made.job, made.note = "42", "key-1"
    [commit] = writable.warehouse().history("shop.sales.orders")
    assert (commit.by, commit.job, commit.note, commit.operation) == ("boss@acme.test", "42", "key-1", "CREATE TABLE")
    assert writable.warehouse().history("no name") == ()
    writable.world.tables["shop.sales.orders"].kind = "VIEW"
    with pytest.raises(QueryFailed, match="EXPECT_TABLE_NOT_VIEW"):
        writable.warehouse().history("shop.sales.orders")


@pytest.mark.parametrize("kind", ["429", "500", "reset", "lost"])
@pytest.mark.parametrize("after", [1, 2, 3])
def test_restore_is_done_once(writable: Any, kind: str, after: int) -> None:
    """Whatever answer is lost, doing it and doing it again is one commit."""
    engine = writable.warehouse()
    for value in (1, 2):
        engine.execute(f"CREATE OR REPLACE TABLE shop.sales.made AS SELECT {value} AS a")
    writable.fault(kind, after=after, path="statements")
    for _ in range(3):
        try:
            engine.restore("shop.sales.made", "0", seen="1", key="k")
            break
        except EngineError:
            continue
    assert engine.query("SELECT a FROM shop.sales.made").rows == ((1,),)
    engine.restore("shop.sales.made", "0", seen="1", key="k")
    assert len(engine.history("shop.sales.made")) == 3


def test_restore_refused(writable: Any) -> None:
    """What cannot be put back is told, and nothing is touched."""
    engine = writable.warehouse()
    engine.execute("CREATE TABLE shop.sales.made AS SELECT 1 AS a")
    with pytest.raises(TableNotFound):
        engine.restore("shop.sales.nope", "0")
    with pytest.raises(EngineError, match="not a version"):
        engine.restore("shop.sales.made", "0; DROP")
    engine.execute("INSERT INTO shop.sales.made SELECT 2")
    with pytest.raises(EngineError, match="DELTA_CANNOT_RESTORE"):
        engine.restore("shop.sales.made", "7")
    with pytest.raises(ForeignWrite, match="newest version is 1, was 0"):
        engine.restore("shop.sales.made", "0", seen="0") or engine.drop("shop.sales.made", seen="0")
    assert len(engine.history("shop.sales.made")) == 2
