"""Changes in words where the catalog is too large to be looked at whole: the index finds what the words may mean."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from pipeline_magic.adapters.lakehouse import Lakehouse
from pipeline_magic.agents.catalog.finder import TableFinder
from pipeline_magic.agents.specification.editing import Ambiguous, read_change
from pipeline_magic.agents.specification.planner.lexicon import FILLER, STOP
from pipeline_magic.errors import StatementError, TableNotFound
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.runs import Answer
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.paths import apply_edits, complete, draft_of
from pipeline_magic.spec.schema import Column, TableSchema
from pipeline_magic.spec.typed import TypedSpec, type_spec
from tests.support.local import write_table

SAID = STOP | FILLER
STATEMENT = "Keep the orders of own.data.orders with amount over 5, into analytics.x.big_orders"


def table(name: str, columns: str) -> TableSchema:
    made = (part.partition(":") for part in columns.split())
    return TableSchema(table=name, columns=tuple(Column(name=n, type=kind or "bigint") for n, _, kind in made))


OWN = [
    table("own.data.orders", "order_id customer_id shop_id amount:double"),
    table("own.data.customers", "customer_id region:string segment:string"),
    table("own.data.shops", "shop_id region:string opened:date"),
]


class Huge:
    """A catalog of generated tables with three of ours among them; it counts how many are read one by one."""

    name = "huge"

    def __init__(self, tables: Iterable[TableSchema]) -> None:
        self.held = {made.table: made for made in tables}
        self.read: list[str] = []

    def tables(self) -> Iterable[TableSchema]:
        return iter(self.held.values())

    def digest(self) -> str:
        return "v1"

    def table(self, name: str) -> TableSchema:
        self.read.append(name)
        if name not in self.held:
            raise TableNotFound(name, ())
        return self.held[name]


@pytest.fixture(scope="module", params=[300, 3_000, pytest.param(100_000, marks=pytest.mark.full)])
def huge(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Huge, TableFinder]]:
    """The generator's companies, some of whose tables have regions and segments too."""
    benchmarks = str(Path(__file__).parents[1] / "benchmarks")
    sys.path.insert(0, benchmarks)
    try:
        from catalog_index import catalog
    finally:
        sys.path.remove(benchmarks)
    tables = [*(made.table for made in catalog(request.param, 7)), *OWN]
    random.Random(7).shuffle(tables)
    held = Huge(tables)
    finder = TableFinder(held, tmp_path_factory.mktemp("huge"))  # type: ignore[arg-type]  # what a finder asks, no more
    finder.tables("orders", said=SAID)  # as the run that is changed left it
    held.read.clear()
    yield held, finder
    finder.close()


def spec(tables: list[TableSchema]) -> TypedSpec:
    made = PipelineSpec.model_validate(
        {
            "name": "big_orders",
            "sources": [{"alias": "orders", "table": "own.data.orders"}],
            "target": {"table": "analytics.x.big_orders", "input": "orders"},
        }
    )
    return type_spec(made, {"orders": next(item for item in tables if item.table == "own.data.orders")})


def beside(finder: TableFinder, words: str, typed: TypedSpec) -> tuple[TableSchema, ...]:
    """As `Flow.tables_beside`."""
    names = " ".join(source.table for source in typed.spec.sources)
    return finder.tables(f"{words}\n{names}", without=typed.spec.target.table, said=SAID).tables


def test_a_column_of_a_table_that_is_not_read(huge: tuple[Huge, TableFinder]) -> None:
    """`add segment` joins the customers, out of all that have segments; few tables are read for it, and in time."""
    held, finder = huge
    typed = spec(OWN)
    started = time.process_time()
    edits = read_change("also add segment", typed, lambda: beside(finder, "also add segment", typed))
    assert time.process_time() - started < 3.0
    changed = complete(apply_edits(draft_of(typed.spec), edits))
    assert {source.table for source in changed.sources} == {"own.data.orders", "own.data.customers"}
    assert len(held.read) <= 60
    made = type_spec(changed, {s.alias: held.held[s.table] for s in changed.sources})
    assert [column.name for column in made.node(made.spec.target.input).columns][-1] == "segment"


def test_a_column_of_two_tables_is_asked(huge: tuple[Huge, TableFinder]) -> None:
    """`add region`: the two tables that the orders lead to are the choices, and no other company's."""
    _, finder = huge
    typed = spec(OWN)
    with pytest.raises(Ambiguous) as caught:
        read_change("also add region", typed, lambda: beside(finder, "also add region", typed))
    (question,) = caught.value.questions
    assert [option.id for option in question.options] == ["customer_id.region", "shop_id.region", "leave"]
    answers = {question.id: "shop_id.region"}
    edits = read_change("also add region", typed, lambda: beside(finder, "also add region", typed), answers)
    assert any(edit.path == "sources.shops" for edit in edits)


def test_a_word_of_no_table_that_fits(huge: tuple[Huge, TableFinder]) -> None:
    """A column that other companies have, and none that the orders lead to, is refused: nothing is joined by chance."""
    _, finder = huge
    typed = spec(OWN)
    for words in ("also add threshold", "also add wobbliness"):
        with pytest.raises(StatementError, match="no column"):
            read_change(words, typed, lambda words=words: beside(finder, words, typed))  # type: ignore[misc]  # bound


@pytest.mark.engine
def test_a_change_of_a_deployed_catalog(tmp_path: Path) -> None:
    """Two hundred real tables in a lakehouse: the index is stored, the change is asked, answered and made."""
    home = tmp_path / "home"
    lakehouse = Lakehouse(home, sample_scale=0.001)
    orders = {"order_id": [1, 2, 3], "customer_id": [1, 2, 1], "shop_id": [2, 1, 1], "amount": [9.0, 8.0, 1.0]}
    write_table(lakehouse.folder("own.data.orders"), orders)
    write_table(lakehouse.folder("own.data.customers"), {"customer_id": [1, 2], "region": ["North", "South"]})
    write_table(lakehouse.folder("own.data.shops"), {"shop_id": [1, 2], "region": ["East", "West"]})
    for number in range(195):
        columns = {f"key_{number}": [1], "region": ["x"]}
        write_table(lakehouse.folder(f"noise.s{number % 5}.sensor_{number}"), columns)
    orchestrator = PipelineBuilderOrchestrator({"home": home, "local": True, "sample_scale": 0.001})
    try:
        first = orchestrator.start(STATEMENT)
        assert list(home.glob("catalog-*.index*")), "the catalog is large enough for a stored index"
        made = orchestrator.resume(orchestrator.open_change(first.run.id, "also add region").id)
        (question,) = [item for item in made.questions if item.id.startswith("change:")]
        assert [option.id for option in question.options] == ["customer_id.region", "shop_id.region", "leave"]
        done = orchestrator.answer(made.run.id, [Answer(question=question.id, value="customer_id.region")])
        assert done.validated is not None and done.validated.typed is not None
        assert {source.table for source in done.validated.draft.sources} == {"own.data.orders", "own.data.customers"}
    finally:
        orchestrator.close()
