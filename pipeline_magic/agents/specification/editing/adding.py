"""``add X``, ``also group by X``: a column of what is read, of a table to be joined, or a measure over what is read.

Rows stay as many as they are unless ``by`` asks for others: a column goes beside a group only where the group's key
decides it, as ``max`` of the one value there is.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone

from pydantic import JsonValue

from pipeline_magic.agents.specification.editing.present import Present, Unclear, sql_name
from pipeline_magic.agents.specification.editing.reach import Reached, find, join_in, keys_of
from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.draft import quoted
from pipeline_magic.agents.specification.planner.entities import describe
from pipeline_magic.agents.specification.planner.intent import Measure, measures_in, refs_in, render
from pipeline_magic.agents.specification.planner.joingraph import JoinGraph
from pipeline_magic.agents.specification.planner.linking import Linker
from pipeline_magic.agents.specification.planner.measures import read_measure
from pipeline_magic.agents.specification.planner.scan import segments
from pipeline_magic.agents.specification.planner.text import tokenise
from pipeline_magic.spec.model import Aggregate, Select
from pipeline_magic.spec.paths import Edit
from pipeline_magic.spec.schema import Column

__all__ = ["add"]

_FUNCTION = re.compile(
    r"(?:the |a )?(?:averages?|mean|medians?|total|sum|number|counts?|max\w*|min\w*|highest|lowest|largest|smallest|"
    r"first|last|latest|earliest|newest|oldest|share|percentage|ratio|revenue|order value|\d+(?:st|nd|rd|th))\b",
    re.IGNORECASE,
)
_PASSES = {"filter", "derive", "window", "segment", "deduplicate", "cast", "fill", "top", "explode", "rename"}
"""Steps whose result has every column of their input."""


def add(wish: str, present: Present) -> list[Edit] | None:
    """Edits that bring a column or a measure in; None where the wish is another."""
    by = re.fullmatch(
        r"(?:also |break (?:it|them) down |split it |group )+by (?:the )?(.+?)(?: too| as well)?", wish, re.IGNORECASE
    )
    match = by or re.fullmatch(
        r"(?:add|include|show|bring(?: in)?|keep)(?: the)?(?: column)? (.+?)(?: too| as well)?", wish, re.IGNORECASE
    )
    if match is None or re.match(r"(?:only|rows|a check|check|a comment|comment|just)\b", match[1], re.IGNORECASE):
        return None
    last = present.steps.get(present.last)
    if by is None and isinstance(last, Select):
        return _to_selection(match[1], last, present)
    groups = [step for step in present.spec.steps if isinstance(step, Aggregate)]
    if by is None and not groups:
        return _to_rows(match[1], present)
    step = present.only(Aggregate, "grouping")
    assert isinstance(step, Aggregate)  # `only` gives that kind
    return _group_by(match[1], step, present) if by else _to_groups(match[1], step, present)


def _to_selection(words: str, last: Select, present: Present) -> list[Edit]:
    there, reached = _column(words, last.input, present)
    if there is not None:
        if there.name in last.columns:
            raise Unclear(f"`{there.name}` is there already.")
        return [Edit(path=f"steps.{last.id}.columns", value=[*last.columns, there.name])]
    assert reached is not None  # `_column` gives one of two
    edits, joined, name = join_in(reached, last.input, present)
    columns: list[JsonValue] = [*last.columns, name]
    return [
        *edits, Edit(path=f"steps.{last.id}.input", value=joined), Edit(path=f"steps.{last.id}.columns", value=columns),
    ]  # fmt: skip


def _to_rows(words: str, present: Present) -> list[Edit]:
    there, reached = _column(words, present.last, present)
    if there is not None:
        raise Unclear(f"`{there.name}` is there already.")
    assert reached is not None  # `_column` gives one of two
    edits, joined, _ = join_in(reached, present.last, present)
    return [*edits, Edit(path="target.input", value=joined)]


def _group_by(words: str, step: Aggregate, present: Present) -> list[Edit]:
    there, reached = _column(words, step.input, present)
    if there is not None and there.name in step.group_by:
        raise Unclear(f"`{there.name}` is there already.")
    if there is not None:
        return [
            *_carried(there.name, step, present),
            Edit(path=f"steps.{step.id}.group_by", value=[*step.group_by, there.name]),
        ]
    assert reached is not None  # `_column` gives one of two
    edits, joined, name = join_in(reached, step.input, present)
    return [
        *edits,
        Edit(path=f"steps.{step.id}.input", value=joined),
        Edit(path=f"steps.{step.id}.group_by", value=[*step.group_by, name]),
        *_carried(name, step, present),
    ]


def _to_groups(words: str, step: Aggregate, present: Present) -> list[Edit]:
    if _FUNCTION.match(words) and present.known(words, present.columns(step.input), "the input") is None:
        measured = _measure(words, step, present)
        if measured is not None:
            return measured
    there, reached = _column(words, step.input, present)
    if there is not None:
        held = [*step.group_by, *(measure.name for measure in step.measures)]
        if there.name in held:
            raise Unclear(f"`{there.name}` is there already.")
        owners = [
            source.alias
            for source in present.spec.sources
            if there.name in {column.name for column in present.columns(source.alias)}
        ]
        _require_decided(there.name, owners[0] if len(owners) == 1 else "", (), step, present)
        return _beside(there.name, there.name, step, present)
    assert reached is not None  # `_column` gives one of two
    first = tuple(key for key, _ in reached.links[0].keys)
    _require_decided(words, reached.alias, first, step, present)
    edits, joined, name = join_in(reached, step.input, present)
    called = "_".join(reached.table.words) if reached.by_table else name
    return [
        *edits,
        Edit(path=f"steps.{step.id}.input", value=joined),
        *_beside(called, name, step, present),
    ]


def _column(words: str, node: str, present: Present) -> tuple[Column | None, Reached | None]:
    """The column of `node` that the words name in full; else one to be joined; else one of `node` they may mean."""
    columns = present.columns(node)
    there = present.known(words, columns, f"`{node}`")
    reached = find(words, node, present) if there is None else None
    if there is not None or reached is not None:
        return there, reached
    try:
        return present.named(words, columns, f"`{node}`"), None
    except Unclear as unclear:
        if "may be" in str(unclear):
            raise
        raise Unclear(f"{unclear} No table that hangs on those with one row each has it either.") from None


def _require_decided(column: str, alias: str, first: tuple[str, ...], step: Aggregate, present: Present) -> None:
    """Raises Unclear where a group may have several values: neither its table's key nor the way to it is grouped by."""
    grouped = {name.casefold() for name in step.group_by}
    for key in (keys_of(present).get(alias, ()), first):
        if key and {name.casefold() for name in key} <= grouped:
            return
    raise Unclear(
        f"Rows are grouped, and no key says that each group has one `{column}`. "
        f"Write “also group by {column}” for one row for each of its values."
    )


def _beside(called: str, column: str, step: Aggregate, present: Present) -> list[Edit]:
    if called.casefold() in {name.casefold() for name in (*step.group_by, *(item.name for item in step.measures))}:
        raise Unclear(f"There is a column `{called}` already.")
    value: dict[str, JsonValue] = {"name": called, "expression": f"max({sql_name(column)})"}
    return [Edit(path=f"steps.{step.id}.measures.{called}", value=value), *_carried(called, step, present)]


def _carried(name: str, step: Aggregate, present: Present) -> list[Edit]:
    """Edits that let a new column of `step` reach the target.

    Raises:
        Unclear: A step on the way makes other columns of those it gets.
    """
    node, edits = step.id, list[Edit]()
    while node != present.last:
        readers = [other for other in present.spec.steps if node in _inputs(other)]
        if len(readers) != 1 or (readers[0].kind not in _PASSES and not isinstance(readers[0], Select)):
            said = ", ".join(f"`{other.id}`" for other in readers)
            raise Unclear(f"A new column of `{step.id}` does not reach the result through {said}; edit the form.")
        reader = readers[0]
        if isinstance(reader, Select):
            edits.append(Edit(path=f"steps.{reader.id}.columns", value=[*reader.columns, name]))
        node = reader.id
    return edits


def _inputs(step: object) -> tuple[str, ...]:
    names = (getattr(step, name, None) for name in ("input", "left", "right"))
    return (*(name for name in names if name), *getattr(step, "inputs", ()))


def _measure(words: str, step: Aggregate, present: Present) -> list[Edit] | None:
    """A measure over the columns of the grouping's input, as the planner reads one."""
    tokens = tokenise(words)
    tables = describe(present.typed.tables.values())
    read = [source.table for source in present.spec.sources]
    starts, ends = segments(words, tokens)
    linker = Linker(tokens, tables).with_scope(read, read)
    context = Context(tokens, ends, starts, linker, JoinGraph(tables), datetime.now(timezone.utc))
    at = context.skip(0, "the|a|an|also")
    found = read_measure(context, at)
    measures = [item for item in found.items if isinstance(item, Measure)] if found is not None else []
    if found is None or found.end < len(tokens) or len(measures) != 1 or measures_in(measures[0].expression):
        return None
    one = measures[0]
    held = {column.name.casefold() for column in present.columns(step.input)}
    owners = {
        ref: [alias for alias in _aliases(present) if ref.column in _names(present, alias)]
        for ref in refs_in(one.expression)
    }
    if not owners or any(ref.column.casefold() not in held or len(own) != 1 for ref, own in owners.items()):
        raise Unclear(f"“{words}” is measured over columns that `{step.input}` does not have.")
    expression = render(one.expression, lambda ref: ref.column, quoted)
    same = next((item.name for item in step.measures if item.expression == expression), None)
    if same is not None:
        raise Unclear(f"It is there already, as `{same}`.")
    if one.name.casefold() in {name.casefold() for name in (*step.group_by, *(item.name for item in step.measures))}:
        raise Unclear(f"There is a column `{one.name}` already.")
    value: dict[str, JsonValue] = {"name": one.name, "expression": expression}
    return [Edit(path=f"steps.{step.id}.measures.{one.name}", value=value), *_carried(one.name, step, present)]


def _aliases(present: Present) -> list[str]:
    return [source.alias for source in present.spec.sources]


def _names(present: Present, alias: str) -> set[str]:
    return {column.name for column in present.columns(alias)}
