"""What every engine must do. A new adapter adds a fixture that gives an engine on the world of `_fill`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline_magic.adapters.lakehouse import Lakehouse
from pipeline_magic.errors import Cancelled, EngineError, ForeignWrite, QueryFailed
from pipeline_magic.ports import Engine
from tests.support.local import engine_at, notebook, outputs, write_table

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


@pytest.fixture(params=["sail"])
def engine(request: pytest.FixtureRequest) -> Engine:
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
    threading.Timer(0.5, engine.cancel).start()
    start = time.monotonic()
    with pytest.raises(Cancelled):
        engine.query("SELECT count(*) FROM range(100000000) a CROSS JOIN range(1000) b WHERE a.id * b.id % 7 = 3")
    assert time.monotonic() - start < 20


def test_notebook(engine: Engine) -> None:
    """A notebook has `spark`, `dbutils` and its parameters; its exit value and its executed copy come back."""
    text = notebook(
        "dbutils.widgets.text('target', '')",
        "spark.table('shop.sales.orders').write.mode('overwrite').saveAsTable(dbutils.widgets.get('target'))",
        "print('written')",
        "dbutils.notebook.exit('3 rows')",
    )
    run = engine.run_notebook(text, {"target": "shop.made.copy"})
    assert (run.succeeded, run.error, run.exit_value) == (True, "", "3 rows")
    assert "written" in outputs(run.executed)
    assert engine.query("SELECT count(*) FROM shop.made.copy").rows == ((3,),)


def test_notebook_fails(engine: Engine) -> None:
    """A failing cell is a run that did not succeed, with its error, and no exception."""
    run = engine.run_notebook(notebook("raise ValueError('bad rows')"), {})
    assert (run.succeeded, run.error) == (False, "ValueError: bad rows")
    assert "bad rows" in run.executed


def test_scratch(engine: Engine) -> None:
    """A scratch schema is the same for the same run, and dropped without a trace; dropping twice is fine."""
    schema = engine.create_scratch("r-contract")
    assert schema == engine.create_scratch("r-contract")
    write = notebook(f"spark.sql('SELECT 7 AS a').write.saveAsTable('{schema}.t')")
    assert engine.run_notebook(write, {}).succeeded
    assert engine.query(f"SELECT a FROM {schema}.t").rows == ((7,),)
    assert list(engine.left_scratch(["r-other", "r-contract"])) == ["r-contract"]
    engine.drop_scratch("r-contract")
    engine.drop_scratch("r-contract")
    assert list(engine.left_scratch(["r-other", "r-contract"])) == []
    with pytest.raises(QueryFailed):
        engine.query(f"SELECT a FROM {schema}.t")


def test_history_and_restore(engine: Engine) -> None:
    """A table's commits are listed newest first, and an earlier one can be put back."""
    write = "spark.sql('SELECT {0} AS a').write.mode('overwrite').saveAsTable('shop.made.versions')"
    run = engine.run_notebook(notebook(write.format(1), write.format(2)), {})
    assert run.succeeded, run.error
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
    write = "spark.sql('SELECT {0} AS a').write.mode('overwrite').saveAsTable('shop.made.watched')"
    assert engine.run_notebook(notebook(write.format(1), write.format(2), write.format(3)), {}).succeeded
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
    assert (history[0].note, history[0].operation) == ("k", "RESTORE") and history[1] == newest
    assert engine.query("SELECT a FROM shop.made.watched").rows == ((1,),)
    engine.drop("shop.made.watched", seen=history[0].version)
    engine.drop("shop.made.watched", seen=history[0].version)
    assert list(engine.history("shop.made.watched")) == []
    with pytest.raises(QueryFailed):
        engine.query("SELECT a FROM shop.made.watched")
