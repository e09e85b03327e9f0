"""Queries on the local engine: values, errors, limits, stopping, and what it knows of tables that come and go."""

from __future__ import annotations

import datetime
import os
import shutil
import signal
import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline_magic.adapters.sail_engine import SailEngine
from pipeline_magic.errors import Cancelled, EngineError, ForeignWrite, QueryFailed, TableNotFound
from pipeline_magic.spec.names import join_table, quote_table
from tests.support.local import lakehouse_of, notebook, server_of, write_table

pytestmark = pytest.mark.engine

LONG = "SELECT count(*) FROM range(100000000) a CROSS JOIN range(1000) b WHERE a.id * b.id % 7 = 3"


def test_values(engine: SailEngine) -> None:
    """Values are Python's, with Spark's names of their types."""
    found = engine.query(
        "SELECT 1 AS i, CAST(2 AS BIGINT) AS l, CAST('1.50' AS DECIMAL(18,2)) AS d, 'x' AS s, true AS b, 1.5D AS f, "
        "DATE'2024-02-29' AS dt, TIMESTAMP'2024-01-01 10:00:00' AS ts, TIMESTAMP_NTZ'2024-01-01 10:00:00' AS tn, "
        "CAST(NULL AS STRING) AS n, array(1, 2) AS a, struct(1 AS x) AS st, map('k', 1) AS m"
    )
    assert [column.type for column in found.columns] == [
        "int", "bigint", "decimal(18,2)", "string", "boolean", "double", "date", "timestamp", "timestamp_ntz", "string",
        "array<int>", "struct<x:int>", "map<string,int>",
    ]  # fmt: skip
    ten = datetime.datetime(2024, 1, 1, 10)
    utc = ten.replace(tzinfo=datetime.timezone.utc)
    day = datetime.date(2024, 2, 29)
    assert found.rows == ((1, 2, Decimal("1.50"), "x", True, 1.5, day, utc, ten, None, [1, 2], {"x": 1}, {"k": 1}),)


def test_limit_and_order(engine: SailEngine) -> None:
    """At most `limit` rows come, in the order asked for, and whether there were more is said."""
    sql = "SELECT c_custkey FROM samples.tpch.customer ORDER BY c_custkey DESC"
    found = engine.query(sql, limit=3)
    assert (found.rows, found.truncated) == (((1500,), (1499,), (1498,)), True)
    assert not engine.query("SELECT * FROM samples.tpch.region", limit=5).truncated
    assert engine.query("SELECT * FROM samples.tpch.region WHERE false").rows == ()
    assert engine.query("WITH x AS (SELECT 1 AS a) SELECT a AS A, a FROM x;").rows == ((1, 1),)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT nope FROM samples.tpch.orders", "nope"),
        ("SELECT * FROM samples.tpch.nope", "nope"),
        ("SELECT 1 +", "found"),
        ("SELECT 1/0", "divide by zero"),
        ("SELECT CAST('x' AS INT)", "Cannot cast"),
    ],
)
def test_errors(engine: SailEngine, sql: str, words: str) -> None:
    """What the engine refuses is a QueryFailed in its words, short and without a stack trace."""
    with pytest.raises(QueryFailed, match=words) as raised:
        engine.query(sql)
    told = str(raised.value)
    assert len(told) < 1000
    assert not any(sign in told for sign in ("Traceback", 'File "', "JVM", ".rs:", "stack backtrace"))


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE own.data.orders",
        "/* SELECT */ DELETE FROM own.data.orders",
        "-- SELECT\nDROP TABLE own.data.orders",
        "WITH x AS (SELECT 1 AS id, 'a' AS name) INSERT INTO own.data.orders SELECT * FROM x",
        "SELECT 1; DROP TABLE own.data.orders",
        "CREATE TABLE own.data.other AS SELECT 1 AS a",
        "",
    ],
)
def test_query_only_reads(engine: SailEngine, sql: str) -> None:
    """A query that is no SELECT is refused, and the table stays as it was."""
    with pytest.raises(QueryFailed):
        engine.query(sql)
    assert engine.query("SELECT count(*) FROM own.data.orders").rows == ((3,),)
    assert lakehouse_of(engine).table("own.data.orders").version == "0"


def test_timeout(engine: SailEngine) -> None:
    """A query that takes too long is stopped, and the engine is free for the next."""
    start = time.monotonic()
    with pytest.raises(QueryFailed, match=r"took over 0\.5 s"):
        engine.query(LONG, timeout=0.5)
    assert time.monotonic() - start < 3
    assert idle(engine)


def test_cancel(engine: SailEngine) -> None:
    """`cancel` from another thread raises Cancelled in the one that waits, and the engine stops working."""
    threading.Timer(0.5, engine.cancel).start()
    start = time.monotonic()
    with pytest.raises(Cancelled):
        engine.query(LONG, timeout=60)
    assert time.monotonic() - start < 3
    assert idle(engine)


def test_interrupt(engine: SailEngine) -> None:
    """Ctrl-C ends the wait at once, the engine stops working, and the next query runs."""
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        engine.query(LONG, timeout=60)
    assert time.monotonic() - start < 3
    assert idle(engine)
    assert engine.query("SELECT 1").rows == ((1,),)


def idle(engine: SailEngine) -> bool:
    """Whether the server comes to rest: it uses no processor for a while."""
    pid = server_of(engine).ensure().pid

    def ticks() -> int:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    for _ in range(20):
        before = ticks()
        time.sleep(0.5)
        if ticks() - before < 10:
            return True
    return False


def test_several_at_once(engine: SailEngine) -> None:
    """Queries of several threads each get their own rows."""
    found: dict[int, object] = {}

    def ask(number: int) -> None:
        found[number] = engine.query(f"SELECT {number} * count(*) FROM samples.tpch.region").rows

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: ((number * 5,),) for number in range(6)}


@pytest.mark.parametrize(
    "part", ["odd name", "a.b", "it's", 'a"b', "é😀", "%20", "`", "x; DROP TABLE y", "\\", "$HOME"][:8]
)
def test_hostile_names(engine: SailEngine, part: str) -> None:
    """A table of any name is read by that name."""
    lakehouse = lakehouse_of(engine)
    name = join_table("own", part, part)
    write_table(lakehouse.folder(name))
    try:
        assert engine.query(f"SELECT count(*) FROM {quote_table(name)}").rows == ((3,),)
    finally:
        shutil.rmtree(lakehouse.folder(name).parent)


def test_tables_come_and_go(engine: SailEngine) -> None:
    """Tables made, changed, dropped and made anew elsewhere are seen by the next query."""
    lakehouse = lakehouse_of(engine)
    folder = lakehouse.folder("own.data.guest")
    write_table(folder)
    assert engine.query("SELECT count(*) FROM own.data.guest").rows == ((3,),)
    write_table(folder, mode="append")
    assert engine.query("SELECT count(*) FROM own.data.guest").rows == ((6,),)
    write_table(folder, {"other": [1]}, mode="overwrite", schema_mode="overwrite")
    assert engine.query("SELECT other FROM own.data.guest").rows == ((1,),)
    shutil.rmtree(folder)
    with pytest.raises(QueryFailed, match="guest"):
        engine.query("SELECT * FROM own.data.guest")
    write_table(folder, {"again": [2]})
    assert engine.query("SELECT again FROM own.data.guest").rows == ((2,),)
    shutil.rmtree(folder)


def test_damaged_table(engine: SailEngine) -> None:
    """A table whose log is damaged is missing for itself alone: every other query, and every notebook, works."""
    folder = lakehouse_of(engine).folder("own.data.broken")
    write_table(folder)
    commit = folder / "_delta_log" / "00000000000000000000.json"
    commit.write_text(commit.read_text()[:100])
    try:
        assert engine.query("SELECT count(*) FROM own.data.orders").rows == ((3,),)
        with pytest.raises(QueryFailed, match="broken"):
            engine.query("SELECT * FROM own.data.broken")
        assert engine.run_notebook(notebook("print(spark.table('own.data.orders').count())"), {}).succeeded
    finally:
        shutil.rmtree(folder)


def test_killed_server(engine: SailEngine) -> None:
    """After kill -9 of the server the next query works, with every table known again."""
    assert engine.query("SELECT 1").rows
    os.kill(server_of(engine).ensure().pid, signal.SIGKILL)
    assert engine.query("SELECT count(*) FROM samples.tpch.region").rows == ((5,),)


def test_killed_while_it_works(engine: SailEngine) -> None:
    """Killed in the middle of a query, the server is replaced and the query run once more."""
    sql = "SELECT count(*) FROM range(30000000) a CROSS JOIN range(10) b WHERE a.id * b.id % 7 = 3"
    pid = server_of(engine).ensure().pid
    threading.Timer(0.4, os.kill, (pid, signal.SIGKILL)).start()
    assert engine.query(sql).rows
    assert server_of(engine).ensure().pid != pid


def test_lost_session(engine: SailEngine) -> None:
    """A session that the server has forgotten is made again."""
    engine.spark.client.release_session()
    assert engine.query("SELECT count(*) FROM samples.tpch.region").rows == ((5,),)


def test_scratch(engine: SailEngine) -> None:
    """A run's schema is its own and the same when asked again; dropped, its tables and files are gone."""
    schema = engine.create_scratch("r-7f3k2m")
    assert schema == engine.create_scratch("r-7f3k2m") != engine.create_scratch("r-other")
    engine.spark.sql("SELECT 1 AS a").write.saveAsTable(f"{schema}.t")
    assert engine.query(f"SELECT a FROM {schema}.t").rows == ((1,),)
    assert f"{schema}.t" not in {table.table for table in lakehouse_of(engine).tables()}
    for _ in range(2):
        engine.drop_scratch("r-7f3k2m")
    engine.drop_scratch("r-other")
    assert not list(lakehouse_of(engine).scratch_root.iterdir())
    with pytest.raises(QueryFailed):
        engine.query(f"SELECT a FROM {schema}.t")
    schema = engine.create_scratch("r-7f3k2m")
    engine.spark.sql("SELECT 2 AS b").write.saveAsTable(f"{schema}.t")
    assert engine.query(f"SELECT b FROM {schema}.t").rows == ((2,),)
    engine.drop_scratch("r-7f3k2m")


def test_history_and_restore(engine: SailEngine) -> None:
    """Commits are told newest first; a restore is one commit more, and restoring to the present is none."""
    folder = lakehouse_of(engine).folder("own.data.versions")
    write_table(folder)
    write_table(folder, mode="append")
    assert [commit.version for commit in engine.history("own.data.versions")] == ["1", "0"]
    assert engine.history("own.data.nope") == ()
    engine.restore("own.data.versions", "0")
    assert engine.query("SELECT count(*) FROM own.data.versions").rows == ((3,),)
    assert engine.history("own.data.versions")[0].operation == "RESTORE"
    engine.restore("own.data.versions", "2")
    assert len(engine.history("own.data.versions")) == 3
    for version in ("99", "-1", "one", ""):
        with pytest.raises(EngineError):
            engine.restore("own.data.versions", version)
    with pytest.raises(TableNotFound):
        engine.restore("own.data.nope", "0")
    shutil.rmtree(folder)


def test_zone(engine: SailEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instants do not depend on the zone of the machine."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        found = engine.query("SELECT min(time_hour), CAST(min(time_hour) AS STRING) FROM samples.nycflights.flights")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found.rows == ((datetime.datetime(2013, 1, 1, 10, tzinfo=datetime.timezone.utc), "2013-01-01 10:00:00"),)


@pytest.mark.engine
@pytest.mark.parametrize("written", [False, True])
def test_a_drop_that_was_killed(engine: SailEngine, written: bool) -> None:
    """Killed after it moved a table out of reach: the next call drops it, or puts it back where others wrote."""
    lakehouse = lakehouse_of(engine)
    folder = lakehouse.folder("own.data.dropped")
    write_table(folder)
    if written:
        write_table(folder, mode="append")
    folder.rename(folder.with_name(".gone-dropped"))
    if written:
        with pytest.raises(ForeignWrite):
            engine.drop("own.data.dropped", seen="0")
        assert len(engine.history("own.data.dropped")) == 2
    engine.drop("own.data.dropped")
    assert not [path for path in folder.parent.iterdir() if "dropped" in path.name or path.name.startswith(".rubbish")]
