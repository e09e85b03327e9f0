"""Rows that joins repeat before they are summed: an order joined with its items counts once an item.

Whether a join can repeat rows follows from the keys: declared ones settle it. Where none is declared a check that the
partner's columns are unique tells, today and later. Only rows with a key of their own can be counted once.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue
from sqlglot import exp

from pipeline_magic.agents.catalog.readings.reading import Reading, Scene, calls, tree_of
from pipeline_magic.english import words_of
from pipeline_magic.runs import Option, Question
from pipeline_magic.spec.dialect import identifier, parse, render
from pipeline_magic.spec.model import Aggregate, Expectation, Join, NamedExpression, Unique
from pipeline_magic.spec.names import slug
from pipeline_magic.spec.paths import Edit

__all__ = ["readings"]

_SUMMED = ("sum", "avg", "mean", "count", "stddev", "variance")
_PASSES = {"filter", "derive", "segment", "window", "cast", "fill", "rename", "select", "join"}


def readings(scene: Scene) -> list[Reading]:
    """A reading for each measure over rows that a join repeats, or may come to repeat."""
    return [
        reading
        for step in scene.typed.spec.steps
        if isinstance(step, Aggregate)
        for measure in step.measures
        for reading in _measure(scene, step, measure)
    ]


def _measure(scene: Scene, step: Aggregate, measure: NamedExpression) -> Iterator[Reading]:
    tree = tree_of(measure.expression)
    called = [call for call in calls(tree, *_SUMMED) if not call.find(exp.Distinct)] if tree is not None else []
    names = {column.name for call in called for column in call.find_all(exp.Column)}
    if names & {_flag(source.alias) for source in scene.typed.spec.sources}:
        return  # counted once already
    owners = {alias for name in names for alias, _ in scene.bases(step.input, name)}
    if len(owners) != 1:
        return
    alias = owners.pop()
    partners = _partners(scene, step.input, alias)
    key = _key(scene, alias)
    here = tuple(name for column in key if (name := _here(scene, step.input, alias, column)) is not None)
    if not partners or not key or len(here) < len(key):
        return
    if any(set(known) <= set(here) for known in scene.typed.node(step.input).keys):
        return  # each row of the source is still there once
    if all(str(call.this).casefold() == "count" for call in called) and set(names) <= set(here):
        return  # a count of keys is a count of matches, and is called one
    yield _reading(scene, step, measure, alias, here, partners)


def _partners(scene: Scene, node: str, alias: str) -> tuple[Expectation, ...] | None:
    """Checks under which no join on the way to `node` repeats rows of the source; None where the way is another."""
    if node == alias:
        return ()
    step = scene.steps.get(node)
    if step is None or step.kind not in _PASSES:
        return None
    if not isinstance(step, Join):
        return _partners(scene, str(getattr(step, "input", "")), alias)
    for side, partner, names in (
        (step.left, step.right, tuple(key.right for key in step.keys)),
        (step.right, step.left, tuple(key.left for key in step.keys)),
    ):
        before = _partners(scene, side, alias)
        if before is None or (side == step.right and step.how in {"semi", "anti"}):
            continue
        known = any(set(declared) <= set(names) for declared in scene.typed.node(partner).keys)
        if step.how in {"semi", "anti"} or known or not names:
            return before
        check = Unique(
            id=slug(f"auto_readings_{partner}_{'_'.join(names)}_once")[:63],
            on=partner,
            columns=names,
            action="warn",
            automatic=True,
        )
        return (*before, check)
    return None


def _key(scene: Scene, alias: str) -> tuple[str, ...]:
    """What identifies a row of a source: its declared key, else the one column that is called like one."""
    table = scene.typed.tables[alias]
    declared = [key for key in (table.primary_key, *table.unique_keys) if key]
    if declared:
        return declared[0]
    joined = [
        tuple(getattr(key, side) for key in step.keys)
        for step in scene.typed.spec.steps
        if isinstance(step, Join)
        for side, node in (("left", step.left), ("right", step.right))
        if node == alias
    ]
    if not table.columns:
        return ()
    first = table.columns[0].name
    words = words_of(first)
    if words and (words[-1] in {"id", "key"} or first.casefold().endswith(("key", "id"))):
        return (first,)
    return joined[0] if joined else ()


def _here(scene: Scene, node: str, alias: str, column: str) -> str | None:
    """What a key column is called in a node; a join shows keys of one name once, as the left table's."""
    found = scene.called(node, alias, column)
    if found is not None:
        return found
    for step in scene.typed.spec.steps:
        if not isinstance(step, Join):
            continue
        for key in step.keys:
            left = scene.plain(step.left, key.left)
            if left is not None and scene.plain(step.right, key.right) == (alias, column):
                return scene.called(node, *left)
    return None


def _reading(
    scene: Scene,
    step: Aggregate,
    measure: NamedExpression,
    alias: str,
    key: tuple[str, ...],
    partners: tuple[Expectation, ...],
) -> Reading:
    short = scene.typed.tables[alias].table.rpartition(".")[2].strip("`")
    path = f"steps.{step.id}.measures.{measure.name}.expression"
    identity = f"grain:{measure.name}"
    asked = next((question for question in scene.questions if question.id == identity), None)
    joined = Option(id="as_joined", label="Count it as often as it is matched")
    once = Option(id="once", label=f"Count each row of {short} once", edits=_once(scene, step, measure, alias, key))
    if asked is not None:  # the parser would not choose: each row once is what a sum of these rows is
        joined = joined.model_copy(update={"edits": (Edit(path=path, value=measure.expression),)})
    question = Question(
        id=identity,
        text=f"The joins repeat rows of {short}. Should {measure.name} count each row as often as it is matched?",
        why=f"A row of {short} can match several rows of another table, so that sums and averages "
        "would count it more than once.",
        options=(joined, once) if asked is None else (once, joined),
        default="as_joined" if asked is None else "once",
        path=path,
        clauses=asked.clauses if asked is not None else (),
    )
    declared = {frozenset(known) for known in scene.typed.node(alias).keys}
    own = _key(scene, alias)
    needs = () if frozenset(own) in declared else (_own_key(alias, own),)
    said = f"each row of {short} counts in {measure.name} as often as the joins repeat it"
    if asked is not None:
        said = f"each row of {short} counts once in {measure.name}, however often the joins repeat it"
    return Reading(question, said, partners, needs, instead=asked is not None)


def _own_key(alias: str, columns: tuple[str, ...]) -> Unique:
    return Unique(
        id=slug(f"auto_readings_{alias}_{'_'.join(columns)}_key")[:63],
        on=alias,
        columns=columns,
        action="warn",
        automatic=True,
    )


def _once(
    scene: Scene, step: Aggregate, measure: NamedExpression, alias: str, key: tuple[str, ...]
) -> tuple[Edit, ...]:
    """Edits after which the measure takes each row of the source once a group."""
    flag = _flag(alias)
    numbered: dict[str, JsonValue] = {
        "id": slug(f"number_{alias}"),
        "kind": "window",
        "partition_by": list(dict.fromkeys((*step.group_by, *key))),
        "order_by": [{"column": name} for name in key],
        "columns": [{"name": flag, "expression": "row_number()"}],
    }
    there = numbered["id"] in scene.steps
    tree = tree_of(measure.expression)
    assert tree is not None  # `_measure` read it
    root = exp.Paren(this=tree)
    for call in list(calls(root, *_SUMMED)):
        if not call.find(exp.Distinct):
            values = [item if not isinstance(item, exp.Star) else parse("1") for item in call.expressions]
            call.set("expressions", [parse(f"CASE WHEN {identifier(flag)} = 1 THEN {render(values[0])} END")])
    path = f"steps.{step.id}.measures.{measure.name}.expression"
    edits = () if there else scene.between(step.input, numbered, only=step.id)
    return (*edits, Edit(path=path, value=render(root.this)))


def _flag(alias: str) -> str:
    """The column that numbers a row's repetitions in its group."""
    return slug(f"{alias}_row")
