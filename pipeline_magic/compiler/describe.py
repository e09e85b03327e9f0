"""What a source, step or expectation does, in one plain English sentence made from the spec alone.

These sentences head the notebook's cells and stand in the README. They hold names and expressions of the spec, so each
place escapes them: `comment` for Python, `markdown` for Markdown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pipeline_magic.spec.model import Expectation, Order, PipelineSpec, Source, Step, Target, Trigger

__all__ = [
    "comment",
    "describe",
    "describe_expectation",
    "describe_pipeline",
    "describe_source",
    "describe_target",
    "describe_trigger",
    "markdown",
]

_JOIN = {
    "inner": "Match each row of {left} with the rows of {right} that have the same {keys}; rows without a match leave",
    "left": "Keep every row of {left} and add what {right} has for the same {keys}",
    "right": "Keep every row of {right} and add what {left} has for the same {keys}",
    "full": "Keep every row of {left} and of {right}, matched where they have the same {keys}",
    "semi": "Keep the rows of {left} that {right} has the same {keys} for",
    "anti": "Keep the rows of {left} that {right} has no {keys} for",
}


def names(items: Iterable[str]) -> str:
    """``a, b and c``."""
    listed = list(items)
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}" if listed else "nothing"


def _orders(orders: Sequence[Order]) -> str:
    return names(f"{order.column} ({'highest' if order.descending else 'lowest'} first)" for order in orders)


def describe_source(source: Source) -> str:
    """One sentence on what is read."""
    text = f"Read {source.table}"
    if source.filter is not None:
        text += f" where {source.filter}"
    if source.watermark is not None:
        text += f", only rows past the highest {source.watermark} of the last run"
    return text


def describe(step: Step) -> str:
    """One sentence on what a step does."""
    made: str = _STEPS[step.kind](step)
    return made


def _join(step: Any) -> str:
    keys = names(k.left if k.left == k.right else f"{k.left} = {k.right}" for k in step.keys)
    return _JOIN[step.how].format(left=step.left, right=step.right, keys=keys)


def _aggregate(step: Any) -> str:
    measures = names(f"{item.name} = {item.expression}" for item in step.measures)
    return f"One row for each {names(step.group_by)}: {measures}" if step.group_by else f"One row in all: {measures}"


def _window(step: Any) -> str:
    columns = names(f"{item.name} = {item.expression}" for item in step.columns)
    within = f" within each {names(step.partition_by)}" if step.partition_by else ""
    order = f", by {_orders(step.order_by)}" if step.order_by else ""
    return f"Add {columns}{within}{order}"


def _segment(step: Any) -> str:
    rules = names(
        f"'{rule.label}' for the top {100 * rule.top:g} % by {step.by}"
        if rule.top is not None
        else f"'{rule.label}' where {rule.condition}"
        for rule in step.rules
    )
    other = f", else '{step.otherwise}'" if step.otherwise is not None else ""
    within = f" within each {names(step.partition_by)}" if step.partition_by else ""
    return f"Label each row in {step.column}{within}: {rules}{other}"


def _top(step: Any) -> str:
    within = f" of each {names(step.partition_by)}" if step.partition_by else ""
    ties = ", with all that are equal to the last" if step.ties else ""
    return f"Keep the first {step.n:,} rows{within} by {_orders(step.order_by)}{ties}"


def _deduplicate(step: Any) -> str:
    by = f": the first by {_orders(step.order_by)}" if step.order_by else ""
    return f"Keep one row for each {names(step.keys)}{by}"


def _unpivot(step: Any) -> str:
    empty = "" if step.keep_nulls else ", leaving out NULLs"
    return f"Turn {names(step.columns)} into rows of {step.name_column} and {step.value_column}{empty}"


def _explode(step: Any) -> str:
    rest = "; rows with none stay" if step.outer else ""
    return f"One row for each element of {step.column}, called {step.name}{rest}"


def _union(step: Any) -> str:
    return f"Put the rows of {names(step.inputs)} together{', each once' if step.distinct else ''}"


_STEPS: dict[str, Any] = {
    "filter": lambda s: f"Keep the rows of {s.input} where {s.condition}",
    "join": _join,
    "derive": lambda s: f"Compute {names(f'{item.name} = {item.expression}' for item in s.columns)}",
    "aggregate": _aggregate,
    "window": _window,
    "segment": _segment,
    "deduplicate": _deduplicate,
    "select": lambda s: f"Keep the columns {names(s.columns)}",
    "rename": lambda s: f"Rename {names(f'{item.column} to {item.name}' for item in s.columns)}",
    "cast": lambda s: f"Change types: {names(f'{item.column} to {item.type}' for item in s.columns)}",
    "fill": lambda s: f"Replace NULLs: {names(f'{item.column} by {item.value!r}' for item in s.columns)}",
    "union": _union,
    "pivot": lambda s: (
        f"One row for each {names(s.group_by)}, with columns for the values of {s.column}: "
        f"{names(f'{item.name} = {item.expression}' for item in s.measures)}"
    ),
    "unpivot": _unpivot,
    "explode": _explode,
    "top": _top,
    "sql": lambda s: f"A query written by hand over {names(s.inputs)}",
}

_MODES = {
    "overwrite": "replacing all of its rows",
    "append": "adding to its rows; a repeated run adds nothing twice",
    "merge": "updating the rows with the same {keys} and inserting the others",
    "scd1": "updating the rows with the same {keys} and inserting the others",
    "scd2": "keeping every version of a row with the same {keys}",
}


def describe_target(target: Target) -> str:
    """One sentence on what is written, and how."""
    text = f"Write {target.input} to {target.table}, {_MODES[target.mode].format(keys=names(target.keys))}"
    if target.sequence_by is not None:
        text += f"; the highest {target.sequence_by} wins"
    return text


def describe_trigger(trigger: Trigger) -> str:
    """One sentence on when it runs."""
    if trigger.kind == "schedule":
        return f"Quartz schedule {trigger.cron} in {trigger.timezone}"
    if trigger.kind == "table_update":
        return f"When {names(trigger.tables)} changes" if trigger.tables else "When a source changes"
    return "Without pause" if trigger.kind == "continuous" else "When somebody starts it"


def describe_pipeline(spec: PipelineSpec) -> tuple[str, ...]:
    """What a pipeline does: a sentence for each source and step, for the target, and for when it runs."""
    return (
        *(describe_source(source) for source in spec.sources),
        *(describe(step) for step in spec.steps),
        describe_target(spec.target),
        describe_trigger(spec.trigger),
    )


_ACTIONS = {"warn": "recorded", "drop": "left out", "fail": "stop the run before the write"}


def describe_expectation(item: Expectation) -> str:
    """One sentence on what is expected, and what happens otherwise."""
    what: str = _EXPECTED[item.kind](item)
    where = "the target" if item.on == "target" else item.on
    some = f" (more than {100 * item.tolerance:g} % of the rows)" if item.tolerance else ""
    kept = f" and kept in {item.quarantine}" if item.quarantine else ""
    return f"{what} in {where}; failures{some} {'are ' if item.action != 'fail' else ''}{_ACTIONS[item.action]}{kept}"


def _range(item: Any) -> str:
    low = f" at least {item.minimum}" if item.minimum_inclusive else f" above {item.minimum}"
    high = f" at most {item.maximum}" if item.maximum_inclusive else f" below {item.maximum}"
    parts = [*([low] if item.minimum is not None else []), *([high] if item.maximum is not None else [])]
    return f"{item.column} is{' and'.join(parts)}"


def _row_count(item: Any) -> str:
    low, high = item.minimum, item.maximum
    if low is not None and high is not None:
        return f"There are {low:,} to {high:,} rows"
    return (
        f"There {'is' if low == 1 else 'are'} at least {low:,} row{'' if low == 1 else 's'}"
        if low is not None
        else (f"There are at most {high:,} rows")
    )


_EXPECTED: dict[str, Any] = {
    "not_null": lambda i: f"{names(i.columns)} {'is' if len(i.columns) == 1 else 'are'} never NULL",
    "unique": lambda i: f"No two rows have the same {names(i.columns)}",
    "range": _range,
    "accepted_values": lambda i: f"{i.column} is one of {', '.join(repr(value) for value in i.values)}",
    "pattern": lambda i: f"{i.column} matches {i.regex}",
    "row_count": _row_count,
    "freshness": lambda i: (
        f"{'The newest ' + i.column if i.column else 'The last commit'} is at most {i.max_age_hours:g} hours old"
    ),
    "referential": lambda i: f"{names(i.columns)} occurs in {i.to} as {names(i.to_columns)}",
    "expression": lambda i: f"{i.condition} holds",
}


def comment(text: str, limit: int = 400) -> str:
    """A text that cannot leave its line in Python: nothing unprintable, at most `limit` characters."""
    clean = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def markdown(text: str, limit: int = 4000) -> str:
    """A text that Markdown shows as it is: one line, no markup, no HTML, no link."""
    clean = re.sub(r"([\\`*_{}\[\]()#+\-!|~$%])", r"\\\1", comment(text, limit))
    return clean.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("://", ":&#47;&#47;")
