"""The engine on a classic session of Spark 3.5, played over the strict workspace; the contract has those of Connect.

What such a session lacks (tags, Arrow tables) and has (job groups, a sister with settings of its own) is what the
engine must cope with.
"""

from __future__ import annotations

import threading
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline_magic.adapters.databricks.session import SparkSessionEngine
from pipeline_magic.adapters.databricks.session_values import value_reader
from pipeline_magic.adapters.databricks.values import reader
from pipeline_magic.errors import Cancelled, EngineUnavailable, ForeignWrite, QueryFailed
from tests.support.databricks_server.spark import Failure

ADA = "ada@acme.test"
NOTE = "spark.databricks.delta.commitInfo.userMetadata"


class Kind:
    """A type of Spark that is no nested one."""

    def __init__(self, text: str) -> None:
        self.text = text.lower()

    def simpleString(self) -> str:
        return self.text

    def typeName(self) -> str:
        return self.text.partition("(")[0]


class Conf(dict[str, str]):
    """Settings of a session; those of a prefix are refused, as on serverless compute."""

    refused = False

    def set(self, name: str, value: str) -> None:
        if self.refused:
            raise RuntimeError(f"[CONFIG_NOT_AVAILABLE] Configuration {name} is not available.")
        self[name] = value

    def unset(self, name: str) -> None:
        self.pop(name, None)


class Context:
    """What knows job groups."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.groups: list[str] = []

    def setJobGroup(self, group: str, words: str, *, interruptOnCancel: bool = False) -> None:
        self.groups.append(group)

    def cancelJobGroup(self, group: str) -> None:
        assert group in self.groups
        self.stopped.set()


class Session:
    """A classic session: `spark.sql` runs at once, rows are tuples."""

    def __init__(self, site: Any, *, sister: bool = True) -> None:
        self.site, self.sister = site, sister
        self.conf, self.sparkContext = Conf(), Context()
        self.asked: list[str] = []
        self.broken = ""
        self.ended = False

    def newSession(self) -> Session:
        if not self.sister:
            raise AttributeError("newSession")
        made = Session(self.site)
        made.asked = self.asked
        return made

    def sql(self, text: str) -> Any:
        self.asked.append(text)
        if self.broken:
            raise RuntimeError(self.broken)
        if "wait" in text:
            assert self.sparkContext.stopped.wait(20)
            raise RuntimeError("Job cancelled as part of cancellation of job group")
        try:
            found = self.site.sql.spark.run(text, ADA, {}, lambda cursor: None)
        except Failure as failure:
            raise RuntimeError(str(failure)) from None
        if text.startswith("RESTORE") and NOTE in self.conf:
            list(self.site.world.tables.values())[-1].versions[-1].note = self.conf[NOTE]
        return Frame(found)

    def stop(self) -> None:
        self.ended = True


class Frame:
    """A DataFrame without Arrow."""

    def __init__(self, found: Any) -> None:
        self.schema = SimpleNamespace(
            fields=[SimpleNamespace(name=name, dataType=Kind(kind), nullable=True) for name, kind in found.columns]
        )
        readers = [reader(kind) for _, kind in found.columns]
        self.rows = [tuple(read(value) for read, value in zip(readers, row, strict=True)) for row in found.rows]

    def limit(self, most: int) -> Frame:
        self.rows = self.rows[:most]
        return self

    def collect(self) -> list[tuple[Any, ...]]:
        return self.rows


@pytest.fixture
def table(site: Any) -> Any:
    """`shop.sales.orders`, written three times."""
    site.world.grant("schema", "shop.sales", ADA, "CREATE_TABLE", "MODIFY", "MANAGE")
    engine = SparkSessionEngine(Session(site))  # type: ignore[arg-type]  # it has what the engine asks for
    engine.execute("CREATE TABLE shop.sales.made USING DELTA AS SELECT 1 AS a")
    for value in (2, 3):
        engine.execute(f"CREATE OR REPLACE TABLE shop.sales.made USING DELTA AS SELECT {value} AS a")
    return site


def engine_on(session: Session, **options: Any) -> SparkSessionEngine:
    return SparkSessionEngine(session, **options)  # type: ignore[arg-type]  # it has what the engine asks for


def test_query_without_arrow(site: Any) -> None:
    """Rows, their types, and that there are more."""
    site.table()
    found = engine_on(Session(site)).query("SELECT id, word FROM shop.sales.orders ORDER BY id", limit=1)
    assert ([(c.name, c.type) for c in found.columns], found.rows) == (
        [("id", "bigint"), ("word", "string")],
        ((1, "a"),),
    )
    assert found.truncated


def test_cancel_by_job_group(site: Any) -> None:
    """Without tags a query is stopped by the group of its job."""
    session = Session(site)
    engine = engine_on(session)
    timer = threading.Timer(0.2, engine.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        engine.query("SELECT 'wait'")
    assert session.sparkContext.stopped.wait(5)


def test_timeout(site: Any) -> None:
    """A query that takes too long is stopped and said."""
    session = Session(site)
    with pytest.raises(QueryFailed, match=r"over 0\.1 s"):
        engine_on(session).query("SELECT 'wait'", timeout=0.1)
    assert session.sparkContext.stopped.wait(5)


@pytest.mark.parametrize("sister", [True, False])
def test_restore_keeps_its_key(table: Any, sister: bool) -> None:
    """The commit carries the key, a second restore by it does nothing, and the session's settings are as before."""
    session = Session(table, sister=sister)
    session.conf[NOTE] = "somebody's"
    engine = engine_on(session)
    newest, _, first = engine.history("shop.sales.made")
    for _ in range(2):
        engine.restore("shop.sales.made", first.version, seen=newest.version, key="k")
    done = engine.history("shop.sales.made")[0]
    assert (done.operation, done.note) == ("RESTORE", "k")
    assert sum(text.startswith("RESTORE") for text in session.asked) == 1
    assert session.conf == {NOTE: "somebody's"}
    assert engine.query("SELECT a FROM shop.sales.made").rows == ((1,),)


def test_restore_where_settings_are_refused(table: Any) -> None:
    """Serverless compute takes no such setting: the table is put back all the same, without the note."""
    session = Session(table, sister=False)
    session.conf.refused = True
    engine = engine_on(session)
    engine.restore("shop.sales.made", "0", key="k")
    done = engine.history("shop.sales.made")[0]
    assert (done.operation, done.note) == ("RESTORE", "")


def test_others_wrote_since(table: Any) -> None:
    """Neither a restore nor a drop touches what somebody wrote since it was looked at."""
    engine = engine_on(Session(table))
    for action in (engine.drop, lambda name, seen: engine.restore(name, "0", seen=seen)):
        with pytest.raises(ForeignWrite, match="newest version is 2, was 1"):
            action("shop.sales.made", seen="1")


def test_a_session_that_was_lost(site: Any) -> None:
    """That of a notebook cannot be made anew here, and the error says what can; one that was opened here is, once."""
    lost = Session(site)
    lost.broken = "Cannot call methods on a stopped SparkContext."
    with pytest.raises(EngineUnavailable, match="was lost") as raised:
        engine_on(lost).query("SELECT 1 AS a")
    assert "Attach the notebook" in raised.value.hint and not lost.ended
    opened = [lost, Session(site)]
    engine = SparkSessionEngine(None, open_session=lambda: opened.pop(0))  # type: ignore[arg-type,return-value]  # as above
    assert engine.query("SELECT 1 AS a").rows == ((1,),)
    assert lost.ended and not opened


def test_opening_can_be_stopped() -> None:
    """A session that takes long to open, as on a cluster that starts, is waited for until somebody cancels."""
    never = threading.Event()
    engine = SparkSessionEngine(None, open_session=lambda: never.wait(20))  # type: ignore[arg-type,return-value]  # as above
    timer = threading.Timer(0.2, engine.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        engine.query("SELECT 1 AS a")
    never.set()


def test_a_write_is_not_repeated(site: Any) -> None:
    """A restore whose session was lost may have been done: it is said, and not sent again."""
    lost = Session(site, sister=False)
    lost.broken = "[INVALID_HANDLE.SESSION_CLOSED] The handle is invalid."
    opened = [lost, Session(site)]
    engine = SparkSessionEngine(None, open_session=lambda: opened.pop(0))  # type: ignore[arg-type,return-value]  # as above
    with pytest.raises(EngineUnavailable) as raised:
        engine.restore_with_note("RESTORE TABLE `a`.`b`.`c` TO VERSION AS OF 1", "k")
    assert "Look first" in raised.value.hint and len(opened) == 1


def test_expired_credentials(site: Any) -> None:
    """Said as such, without the token."""
    session = Session(site)
    session.broken = "StatusCode.UNAUTHENTICATED: Invalid access token dapi0123456789abcdef0123456789abcdef"
    with pytest.raises(EngineUnavailable, match="does not accept the credentials") as raised:
        engine_on(session).query("SELECT 1 AS a")
    assert "dapi0123456789abcdef" not in str(raised.value)


def test_values() -> None:
    """Structs, maps and arrays become dicts and lists, times UTC, in whichever of their forms they come."""
    inner = SimpleNamespace(typeName=lambda: "timestamp")
    plain = SimpleNamespace(typeName=lambda: "string")
    array = SimpleNamespace(typeName=lambda: "array", elementType=inner)
    mapped = SimpleNamespace(typeName=lambda: "map", keyType=plain, valueType=array)
    struct = SimpleNamespace(typeName=lambda: "struct", fields=[SimpleNamespace(name="m", dataType=mapped)])
    at = datetime(2024, 7, 1, 12, tzinfo=timezone.utc)
    local = at.astimezone().replace(tzinfo=None)
    for value in ({"m": [("k", [local, None])]}, ({"k": [at, None]},)):
        assert value_reader(struct)(value) == {"m": {"k": [at, None]}}
    assert value_reader(SimpleNamespace(typeName=lambda: "binary"))(bytearray(b"x")) == b"x"
    assert [value_reader(kind)(None) for kind in (array, mapped, struct, inner)] == [None] * 4
