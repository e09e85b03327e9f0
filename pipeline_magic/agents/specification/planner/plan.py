"""The embedded planner: a statement and a catalog index in, a draft with the origin of every field out.

    tokens -> typing errors forgiven -> tables in scope -> phrases (schedule, target) -> scan -> assemble -> draft

Deterministic: no network, no model, no clock of its own. Prefers asking to guessing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline_magic.agents.catalog.index import CatalogIndex
from pipeline_magic.agents.specification.planner import scan as scanning
from pipeline_magic.agents.specification.planner.assemble import assemble
from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.contradictions import consistent
from pipeline_magic.agents.specification.planner.destination import set_target, set_trigger
from pipeline_magic.agents.specification.planner.draft import Plan
from pipeline_magic.agents.specification.planner.effect import without_effect
from pipeline_magic.agents.specification.planner.entities import TableInfo, describe
from pipeline_magic.agents.specification.planner.held import with_held
from pipeline_magic.agents.specification.planner.intent import Item, Note, Shape, Timing
from pipeline_magic.agents.specification.planner.joingraph import JoinGraph
from pipeline_magic.agents.specification.planner.lexicon import FILLER, STOP
from pipeline_magic.agents.specification.planner.limits import draft_within
from pipeline_magic.agents.specification.planner.linking import Linker
from pipeline_magic.agents.specification.planner.pivots import spread
from pipeline_magic.agents.specification.planner.pointers import roles_said, with_pointers
from pipeline_magic.agents.specification.planner.refusals import refuse
from pipeline_magic.agents.specification.planner.scope import find_scope
from pipeline_magic.agents.specification.planner.selves import selves
from pipeline_magic.agents.specification.planner.settle import settle
from pipeline_magic.agents.specification.planner.shortened import written_out
from pipeline_magic.agents.specification.planner.spelling import corrected
from pipeline_magic.agents.specification.planner.text import Token, lemmas, tokenise
from pipeline_magic.agents.specification.planner.ties import resolve
from pipeline_magic.agents.specification.planner.unions import find_together
from pipeline_magic.agents.specification.planner.unknown import require_known
from pipeline_magic.errors import StatementError
from pipeline_magic.runs import Option, Parsed, Question
from pipeline_magic.spec.names import slug, split_table
from pipeline_magic.spec.provenance import Clause, Provenance

if TYPE_CHECKING:
    from pipeline_magic.agents.specification.values import Data

__all__ = ["parse_statement"]

_MOST_TABLES = 60
_LONGEST = 20_000


def parse_statement(
    statement: str,
    *,
    catalog: CatalogIndex,
    now: datetime,
    answers: Mapping[str, str] | None = None,
    data: Data | None = None,
) -> Parsed:
    """Read one statement; where words are left, once more with what the data hold of them.

    Args:
        statement: As a person typed it.
        catalog: Where tables and columns are looked up.
        now: The present time; only for words that need it, never part of the draft.
        answers: Answers to questions of an earlier reading, by question id.
        data: What may be asked of the data; asked only where the statement cannot be read without.

    Raises:
        StatementError: It is empty, too long, or speaks of nothing in the catalog.
        TableNotFound: It reads a full name that the catalog does not have.
    """
    first, open_ = _read(statement, catalog, now, answers or {}, None)
    if data is None or not open_:
        return first
    second, left = _read(statement, catalog, now, answers or {}, data)
    return second if left < open_ else first


def _read(
    statement: str, catalog: CatalogIndex, now: datetime, answers: Mapping[str, str], data: Data | None
) -> tuple[Parsed, int]:
    """One reading, and how many questions it leaves that must be answered."""
    if not statement.strip():
        raise StatementError("The statement is empty.", hint=f"Say what the pipeline should do with {_some(catalog)}.")
    if len(statement) > _LONGEST:
        raise StatementError(
            f"The statement has {len(statement):,} characters; at most {_LONGEST:,} are read.",
            hint="Describe one pipeline in a few sentences.",
        )
    refuse(statement)
    require_known(statement, catalog)
    typed = tokenise(statement)
    tables = written_out(_candidates(typed, catalog), typed)
    tokens, notes = corrected(typed, tables.values(), catalog.vocabulary)
    starts, ends = scanning.segments(statement, tokens)
    columns = {column.name.casefold() for table in tables.values() for column in table.columns}
    marked = scanning.phrases(
        statement, tokens, lambda name: catalog.table(name) is not None, lambda name: name.casefold() in columns
    )
    taken = {i for start, found in marked.items() for i in range(start, found.end)}
    linker = Linker(tokens, tables)
    united = find_together(tokens, linker, statement)
    parts = tables
    if united is not None:
        tables = {united[1].name: united[1], **united[2]}
        linker = Linker(tokens, tables)
    found = find_scope(tokens, linker, taken, answers or {})
    again = selves(tokens, tables if united is None else {}, found.tables if united is None else ())
    if again.real:
        tables = parts = again.tables
        linker = Linker(tokens, tables)
        found = find_scope(tokens, linker, taken, answers or {})
    scope = found.tables if united is None else list(dict.fromkeys([united[1].name, *found.tables]))
    graph, roles = JoinGraph(tables), dict[str, str]()
    again.link(graph)
    if data is not None and scope and united is None and not again.real:
        graph = with_pointers(graph, tables, scope, data)
        chosen, roles = roles_said(tokens, graph, tables, scope)
        graph.choose(chosen)
    near = _near(scope, tables, graph)
    if data is not None and scope and united is None:
        real = [name for name in near if name not in again.real]
        nearest = sorted(real, key=lambda name: (name not in scope, len(graph.path(scope, name) or ())))
        tables = parts = with_held(tables, nearest, tokens, data)
        linker = Linker(tokens, tables)
    context = Context(tokens, ends, starts, linker.with_scope(scope, near, roles), graph, now, dict(answers or {}))
    context.together = united[0] if united is not None else None
    read = scanning.scan(context, marked)
    clauses = scanning.clauses(statement, tokens, starts, read)
    items, pivoting = spread(context, settle(context, read.items))
    words_of = {place: statement[tokens[x.start].start : tokens[x.end - 1].end] for place, x in enumerate(items)}
    items, contradicting = consistent(items, context.answers, words_of)
    read.items, ties = resolve(context, items)
    plan = Plan(read.items, tables, context.graph, lambda item: _clauses_of(item, tokens, clauses), context.answers)
    plan.together, plan.parts = context.together, parts
    made = assemble(plan)
    if not made.sources:
        raise StatementError(
            "The statement names no table or column that the catalog has.",
            hint=f"Statements are read in English; the catalog has {_some(catalog)}.",
        )
    clauses = without_effect(clauses, made, read.items, plan)
    made.questions += [
        *found.questions,
        *_with_words(read.questions, read.items, plan),
        *pivoting,
        *contradicting,
        *ties,
        *again.unread(read.items),
        *_not_understood(clauses, statement, tokens, starts, context.answers, context.linker),
    ]
    made.notes += [*notes, *found.notes, *(item.text for item in read.items if isinstance(item, Note) and item.text)]
    again.named(made.sources)
    target = set_target(made, plan)
    trigger = set_trigger(made, read.items, plan)
    deployed = [item for item in read.items if isinstance(item, Shape) and item.field == "deployment"]
    deployment = deployed[0].value if deployed else "job"
    if deployed:
        made.said("deployment", plan.clauses(*deployed))
    else:
        made.assumed(
            "deployment", "the statement does not say how it is deployed; a job that runs a notebook", ("declarative",)
        )
    name = (
        slug(split_table(target["table"])[2]) if target.get("table") else slug(f"{made.grain or made.subject}_pipeline")
    )
    made.assumed("name", "called after its target")
    draft = draft_within(
        {
            "name": name,
            "sources": made.sources,
            "steps": made.steps,
            "expectations": made.expectations,
            "target": target,
            "trigger": trigger,
            "deployment": deployment,
        }
    )
    provenance = Provenance(statements=(statement,), clauses=clauses, origins=made.origins)
    questions = tuple({question.id: question for question in made.questions}.values())
    parsed = Parsed(draft=draft, provenance=provenance, questions=questions, notes=tuple(made.notes))
    return parsed, sum(question.must_answer for question in questions)


def _with_words(questions: Sequence[Question], items: Sequence[Item], plan: Plan) -> list[Question]:
    """Questions about the schedule, with the words they are about."""
    timings = plan.clauses(*[item for item in items if isinstance(item, Timing)])
    return [
        question.model_copy(update={"clauses": timings})
        if question.id.startswith("trigger:") and not question.clauses
        else question
        for question in questions
    ]


def _some(catalog: CatalogIndex) -> str:
    names = [table.table for table in catalog.tables[:8]]
    more = len(catalog.tables) - len(names)
    return (", ".join(f"`{name}`" for name in names) or "no tables at all") + (
        f" and {more} more tables" if more > 0 else ""
    )


def _near(scope: Sequence[str], tables: Mapping[str, TableInfo], graph: JoinGraph) -> list[str]:
    """Tables whose columns may be meant: those named, and those of their schemas that can be joined to them.

    A table of another schema must be named: else what other pipelines write would change how a statement is read.
    """
    schemas = {split_table(name)[:2] for name in scope}
    return [
        name
        for name in tables
        if not scope or name in scope or (split_table(name)[:2] in schemas and graph.path(scope, name))
    ]


def _candidates(tokens: tuple[Token, ...], catalog: CatalogIndex) -> dict[str, TableInfo]:
    """Tables that may be meant: all of a small catalog, the best found of a large one."""
    if len(catalog.tables) <= _MOST_TABLES:
        return describe(catalog.tables)
    words = [
        token.low
        for token in tokens
        if token.kind in {"word", "quoted"} and token.low not in STOP and token.low not in FILLER
    ]
    hits = catalog.search(words[:400], k=_MOST_TABLES)
    found = [catalog.table(hit.table) for hit in hits]
    return describe(table for table in found if table is not None)


def _not_understood(
    clauses: tuple[Clause, ...],
    statement: str,
    tokens: tuple[Token, ...],
    starts: list[int],
    answers: Mapping[str, str],
    linker: Linker,
) -> list[Question]:
    """Words inside a sentence that is otherwise understood may change what it means: they are asked about.

    A whole sentence or list item that was not understood is asked about where it speaks of data; another stays an
    unmatched clause, to be confirmed before approval.
    """
    first = {tokens[index].start: tokens[starts[index]].start for index in range(len(tokens))}
    understood = {first[clause.start] for clause in clauses if clause.kind not in {"unmatched", "filler"}}
    found = []
    for clause in clauses:
        identity = f"words:{clause.id}"
        if clause.kind != "unmatched" or answers.get(identity) == "leave_out":
            continue
        if first[clause.start] not in understood and not _of_data(clause, tokens, linker):
            continue
        words = statement[clause.start : clause.end]
        found.append(
            Question(
                id=identity,
                text=f"What does “{words[:200]}” ask for?",
                why="These words were not understood, and they stand in a sentence that says what the data should be.",
                options=(Option(id="leave_out", label="Leave these words out"),),
                clauses=(clause.id,),
            )
        )
    return found


_COMPUTING = (
    "calculate", "compute", "add", "show", "return", "include", "exclude", "count", "sum", "compare", "treat", "drop",
    "replace", "flag", "label", "convert", "round", "fill", "rank", "sort", "keep", "remove", "consider", "use",
    "split",
)  # fmt: skip


def _of_data(clause: Clause, tokens: tuple[Token, ...], linker: Linker) -> bool:
    """A sentence that nobody read speaks of data: of a table or column, of a value, or of computing something."""
    inside = [(i, token) for i, token in enumerate(tokens) if clause.start <= token.start < clause.end]
    return any(
        token.kind in {"number", "date", "quoted"}
        or not lemmas(token.low).isdisjoint(_COMPUTING)
        or linker.table_at(i) is not None
        or linker.column_at(i, least=0.8) is not None
        for i, token in inside
        if token.kind != "punct"
    )


def _clauses_of(item: Item, tokens: tuple[Token, ...], clauses: tuple[Clause, ...]) -> tuple[str, ...]:
    start, end = tokens[item.start].start, tokens[item.end - 1].end
    return tuple(clause.id for clause in clauses if clause.start < end and clause.end > start)
