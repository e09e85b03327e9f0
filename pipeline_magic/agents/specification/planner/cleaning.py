"""Columns made tidy, in words: ``rename a to b``, ``cast the balance to integer``, ``fill missing ratings with 'x'``.

What is changed keeps its name, but for renames; the steps stand at the end, so that everything else speaks of the
columns as the catalog calls them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.draft import Assembly, Plan, quoted
from pipeline_magic.agents.specification.planner.intent import Change, Item, Note, Selected
from pipeline_magic.agents.specification.planner.layout import Layout
from pipeline_magic.agents.specification.planner.linking import ColumnLink
from pipeline_magic.agents.specification.planner.text import number_of
from pipeline_magic.agents.specification.planner.values import literal

__all__ = ["add_changes", "read_change"]

_TYPES = {
    "integer": "int", "integers": "int", "int": "int", "bigint": "bigint", "long": "bigint", "string": "string",
    "text": "string", "double": "double", "float": "double", "date": "date", "timestamp": "timestamp",
    "decimal": "decimal(18,2)", "boolean": "boolean", "number": "double", "dates": "date", "strings": "string",
    "whole number": "int", "whole numbers": "int",
}  # fmt: skip
_TRIMS = {
    "trim": "trim", "lowercase": "lower", "lower": "lower", "uppercase": "upper", "upper": "upper",
    "capitalize": "initcap", "capitalise": "initcap", "strip": "trim",
}  # fmt: skip
_MISSING = "missing|null|empty|unknown|nulls in|null values in|missing values in|nulls of|missing values of|blank"


def read_change(c: Context, i: int) -> Found | None:
    """One change of a column, or several of the same kind."""
    for read in (_renames, _casts, _fills, _texts, _kept):
        found = read(c, i)
        if found is not None:
            return found
    return None


def _column(c: Context, i: int) -> ColumnLink | None:
    link = c.linker.column_at(c.skip(i, "the|column|columns|its|their|all|any|of"), least=0.6)
    return link if link is not None and link.end <= c.end(i) else None


def _renames(c: Context, i: int) -> Found | None:
    if not c.verb(i, "rename"):
        return None
    items: list[Item] = []
    at, end = i + 1, i
    while (link := _column(c, at)) is not None:
        to = c.match(link.end, "to|as|into|->|=")
        if to is None or to >= c.end(i) or c.tokens[to].kind not in {"word", "quoted"}:
            break
        end = to + 1
        items.append(Change(at, end, "rename", link.ref, c.tokens[to].text.strip("`'\"")))
        more = c.match(end, ", and|and|,")
        if more is None:
            break
        at = more
    return Found(end, "derive", tuple(items)) if items else None


def _casts(c: Context, i: int) -> Found | None:
    if not (c.verb(i, "cast", "convert") or (c.verb(i, "turn", "parse") and _column(c, i + 1) is not None)):
        return None
    link = _column(c, i + 1)
    to = c.match(link.end, "to an|to a|to|as an|as a|as|into an|into a|into") if link is not None else None
    if link is None or to is None:
        return None
    for size in (2, 1):
        kind = _TYPES.get(" ".join(token.low for token in c.tokens[to : to + size]))
        if kind is not None and to + size <= c.end(i):
            end = to + size
            if kind.startswith("decimal") and (exact := _decimal(c, end)) is not None:
                end, kind = exact
            return Found(end, "derive", (Change(i, end, "cast", link.ref, kind),))
    return None


def _decimal(c: Context, i: int) -> tuple[int, str] | None:
    """``decimal(10,2)``."""
    words = [c.low(i + n) for n in range(5)]
    if words[0] == "(" and words[2] == "," and words[4] == ")" and words[1].isdigit() and words[3].isdigit():
        return i + 5, f"decimal({words[1]},{words[3]})"
    return None


def _fills(c: Context, i: int) -> Found | None:
    """``fill missing segments with 'x'``, ``if the name is missing use 'guest'``."""
    shown = _shown_as(c, i)
    if shown is not None:
        return shown
    if c.verb(i, "fill", "replace", "default", "set", "impute", "treat", "count", "consider"):
        gone = c.match(c.skip(i + 1, "in|all|any|the|a|an|every|each"), _MISSING)
        link = _column(c, gone) if gone is not None else None
        after = c.skip(link.end, "values|value|ones|entries") if link is not None else i
        using = c.match(after, "with|by|to|as|with the value|with a") if link is not None else None
    else:
        counted = _counts_as(c, i)
        if counted is not None:
            return counted
        opened = c.match(i, "if|when|where|wherever|whenever")
        link = _column(c, opened) if opened is not None else None
        gone = c.match(c.skip(link.end, "is|are|was"), _MISSING) if link is not None else None
        if gone is None:
            return None
        using = c.match(c.skip(gone, ","), "use|take|put|show|write|set it to|fill in|it becomes|output|say|default to")
    value = _value(c, using, link) if using is not None and link is not None else None
    if link is None or value is None:
        return None
    end, text = value
    return Found(end, "derive", (Change(i, end, "fill", link.ref, text),))


_COUNTS = (
    "counts as|count as|is treated as|are treated as|is counted as|are counted as|is taken as|are taken as|is|are|"
    "means|"
    "is considered|are considered|should be treated as|is regarded as|becomes|become|is set to|are set to"
)


def _counts_as(c: Context, i: int) -> Found | None:
    """``where an empty discount counts as 0``, ``a missing amount is treated as 0``."""
    at = c.skip(i, ",|where|with|and|(")
    gone = c.match(c.skip(at, "a|an|any|every|all"), _MISSING)
    link = _column(c, gone) if gone is not None else None
    using = c.match(link.end, _COUNTS) if link is not None else None
    value = _value(c, using, link) if using is not None and link is not None else None
    if value is None or link is None:
        return None
    end = c.skip(value[0], ")") if c.low(i) == "(" else value[0]
    return Found(end, "derive", (Change(i, end, "fill", link.ref, value[1]),))


def _shown_as(c: Context, i: int) -> Found | None:
    """``show transactions without a merchant as 'unknown'``: a value for the rows that have none."""
    if not c.verb(i, "show", "list", "label", "display", "report", "write", "group", "put", "output", "name", "call"):
        return None
    at = c.skip(i + 1, "the|all|those|rows|records|ones|any")
    owner = c.table_at(at)
    at = owner.end if owner is not None else at
    gone = c.match(
        at, "without a|without an|without any|without|with no|that have no|which have no|who have no|with a missing"
    )
    link = _column(c, gone) if gone is not None else None
    using = c.match(link.end, "as|under|by|with") if link is not None else None
    value = _value(c, using, link) if using is not None and link is not None else None
    if value is None or link is None or (owner is not None and link.ref.table != owner.table.name):
        return None
    return Found(value[0], "derive", (Change(i, value[0], "fill", link.ref, value[1]),))


def _value(c: Context, i: int, link: ColumnLink) -> tuple[int, str] | None:
    i = c.skip(i, "the value|the")
    if i >= c.end(i - 1):
        return None
    token = c.tokens[i]
    if token.kind == "quoted" and token.text[0] != "`":
        return i + 1, literal(token.low)
    number = number_of(token)
    if number is not None and link.column.kind == "number":
        return i + 1, number
    if (
        token.kind == "word"
        and link.column.kind == "text"
        and (token.text.isupper() or token.low in {"unknown", "none"})
    ):
        return i + 1, literal(token.text)
    return None


def _texts(c: Context, i: int) -> Found | None:
    """``trim and lowercase the email``, ``upper-case the country``."""
    functions: list[str] = []
    at = i
    while at < c.end(i):
        word = c.low(at).removesuffix("s") if c.low(at) not in _TRIMS else c.low(at)
        if word not in _TRIMS:
            break
        functions.append(_TRIMS[word])
        at = c.skip(at + 1, "-|case|whitespace|spaces|from|white|space")
        more = c.match(at, ", and|and|,")
        if more is None or c.low(more) not in _TRIMS:
            break
        at = more
    items: list[Item] = []
    end = at
    while functions and (link := _column(c, at)) is not None and link.column.kind == "text":
        text = quoted(link.column.name)
        for function in functions:
            text = f"{function}({text})"
        end = link.end
        items.append(Change(i, end, "set", link.ref, text))
        more = c.match(end, ", and|and|,")
        if more is None or c.low(c.skip(more, "the")) in _TRIMS:
            break
        at = more
    return Found(end, "derive", tuple(items)) if items else None


_KEPT = re.compile(r"^(?:columns?|fields?|ones)$")


def _kept(c: Context, i: int) -> Found | None:
    """``keep only these three columns``: those that were changed; ``keep all columns``: nothing is left out."""
    every = c.match(i, "keep all columns|keep all the columns|with all columns|keep every column|all columns")
    if every is not None:
        return Found(every, "select", (Note(i, every),))
    at = c.match(i, "keep only|only keep|select only|keep|output only|return only|drop all but|select")
    at = c.match(at, "these|those|the") if at is not None else None
    if at is None:
        return None
    if at < c.end(i) and number_of(c.tokens[at]) is not None:
        at += 1
    if at >= c.end(i) or not _KEPT.match(c.low(at)):
        return None
    refs = dict.fromkeys(item.ref for item in c.of(Change))
    if not refs:
        return None
    return Found(at + 1, "select", tuple(Selected(i, at + 1, ref) for ref in refs))


# --- steps --------------------------------------------------------------------------------------------------------


def add_changes(made: Assembly, plan: Plan, layout: Layout, *, renames: bool) -> None:
    """Steps for the changes: values before rows are grouped or columns chosen, names behind everything."""
    changes = plan.of(Change)
    grouped = any(step["kind"] == "aggregate" for step in made.steps)
    if grouped and (not renames or any(layout.name(item.ref) not in made.result for item in changes)):
        return
    if renames:
        _add(made, plan, layout, [item for item in changes if item.kind == "rename"], "rename", "rename_columns")
        return
    for item in (item for item in changes if item.kind == "set"):
        name = layout.name(item.ref)
        column = {"name": name, "expression": item.value.replace(quoted(item.ref.column), quoted(name))}
        identity = made.step({"id": f"clean_{name}"[:63].casefold(), "kind": "derive", "columns": [column]})
        made.said(f"steps.{identity}.columns.{name}", plan.clauses(item))
    _add(made, plan, layout, [item for item in changes if item.kind == "fill"], "fill", "fill_missing")
    _add(made, plan, layout, [item for item in changes if item.kind == "cast"], "cast", "cast_columns")


def _add(made: Assembly, plan: Plan, layout: Layout, items: Sequence[Change], kind: str, identity: str) -> None:
    if not items:
        return
    field = {"rename": "name", "fill": "value", "cast": "type"}[kind]
    names = [layout.name(item.ref) for item in items]
    values = [_scalar(item.value) if kind == "fill" else item.value for item in items]
    columns = [{"column": name, field: value} for name, value in zip(names, values, strict=True)]
    identity = made.step({"id": identity, "kind": kind, "columns": columns})
    for name, item in zip(names, items, strict=True):
        made.said(f"steps.{identity}.columns.{name}", plan.clauses(item))
    if kind == "rename":
        new = {item: str(value) for item, value in zip(names, values, strict=True)}
        made.columns = [new.get(name, name) for name in made.result]


def _scalar(text: str) -> str | int | float:
    if text.startswith("'"):
        return text[1:-1].replace("\\'", "'").replace("\\\\", "\\")
    return float(text) if "." in text else int(text)
