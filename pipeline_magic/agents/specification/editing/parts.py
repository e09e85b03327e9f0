"""What a wish may ask: one reader for each thing. A reader gives edits, or None where the wish is not of its kind.

Every pattern matches the whole wish, so that no word of it is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pydantic import JsonValue

from pipeline_magic.agents.specification.editing.adding import add
from pipeline_magic.agents.specification.editing.dating import add_filter, refilter, years
from pipeline_magic.agents.specification.editing.present import Choice, Present, Unclear, sql_name
from pipeline_magic.agents.specification.editing.rules import RULES
from pipeline_magic.agents.specification.planner.timing import read_timing
from pipeline_magic.spec.model import Aggregate, Derive, Segment, Select, Top
from pipeline_magic.spec.names import slug
from pipeline_magic.spec.paths import Edit

__all__ = ["READERS"]

_TIME_WORDS = re.compile(
    r"\b(?:make|it|run|runs|the|pipeline|job|schedule|scheduled|should|to|be|instead|please|now|change|set|a|on|basis|"
    r"refresh|trigger|triggered)\b|[\s,]",
    re.IGNORECASE,
)
_PART = r"(?:`[^`]+`|\w+)"
_KINDS = {
    "left": "left",
    "left outer": "left",
    "inner": "inner",
    "right": "right",
    "full": "full",
    "full outer": "full",
}
_MODES = {"overwrite": "overwrite", "replace": "overwrite", "append": "append", "merge": "merge", "upsert": "merge"}
_OPERATORS = {
    "=": "=", "is": "=", "equals": "=", "equal to": "=", "is not": "<>", "!=": "<>", "<>": "<>", "not": "<>", ">": ">",
    "<": "<", ">=": ">=", "<=": "<=", "over": ">", "above": ">", "more than": ">", "at least": ">=", "under": "<",
    "below": "<", "less than": "<", "at most": "<=", "after": ">", "before": "<", "since": ">=",
}  # fmt: skip


def _match(pattern: str, wish: str) -> re.Match[str] | None:
    return re.fullmatch(pattern, wish.strip(), re.IGNORECASE)


def _schedule(wish: str, present: Present) -> list[Edit] | None:
    found = read_timing(wish)
    if len(found) != 1:
        return None
    timed = found[0]
    if _TIME_WORDS.sub("", wish[: timed.start] + wish[timed.end :]):
        return None
    if timed.problem:
        nearest = ", ".join(label for _, label, _ in timed.options)
        raise Unclear(f"{timed.problem} {f'Nearest: {nearest}.' if nearest else ''}".strip())
    if timed.kind != "schedule":
        value: dict[str, JsonValue] = {"kind": timed.kind}
        return [Edit(path="trigger", value={**value, "tables": []} if timed.kind == "table_update" else value)]
    if timed.cron is None:
        return None
    zone = timed.timezone or getattr(present.spec.trigger, "timezone", "UTC")
    return [Edit(path="trigger", value={"kind": "schedule", "cron": timed.cron, "timezone": zone})]


def _target(wish: str, present: Present) -> list[Edit] | None:
    match = _match(
        rf"(?:write|save|store|put|output)s?(?: it| the (?:result|output)s?)? (?:in)?to ({_PART}(?:\.{_PART}){{0,2}})"
        r"(?: instead)?",
        wish,
    )
    if match is None:
        return None
    parts = re.findall(_PART, match[1])
    kept = re.findall(_PART, present.spec.target.table)
    return [Edit(path="target.table", value=".".join([*kept[: 3 - len(parts)], *parts]))]


def _mode(wish: str, present: Present) -> list[Edit] | None:
    match = _match(rf"(?:use )?({'|'.join(_MODES)})(?: mode)?(?: instead(?: of \w+)?)?(?: on (.+))?", wish)
    if match is None:
        return None
    mode = _MODES[match[1].lower()]
    edits = [Edit(path="target.mode", value=mode)]
    if match[2]:
        columns = present.columns(present.last)
        names: list[JsonValue] = [
            present.named(word, columns, "the result").name for word in re.split(r",| and ", match[2])
        ]
        edits.append(Edit(path="target.keys", value=names))
    elif mode == "merge" and not present.spec.target.keys:
        raise Unclear("A merge needs the columns that identify a row: “merge on …”.")
    return edits


def _join(wish: str, present: Present) -> list[Edit] | None:
    kinds = "|".join(sorted(_KINDS, key=len, reverse=True))
    match = _match(
        rf"(?:use|make it|do|with)(?: an?)? ({kinds}) join(?: (?:for|with|to) (?:the )?(\w+))?(?: instead(?: of .*)?)?",
        wish,
    )
    if match is None:
        return None
    joins = present.joins
    if match[2]:
        joins = [step for step in joins if match[2].lower() in {step.id, step.left, step.right}]
    if len(joins) != 1:
        if not present.joins:
            raise Unclear("Nothing is joined.")
        ids = ", ".join(f"`{step.id}`" for step in present.joins)
        kind = _KINDS[match[1].lower()]
        choices = [
            Choice(s.id, f"The join of {s.left} with {s.right}", edits=(Edit(path=f"steps.{s.id}.how", value=kind),))
            for s in (joins or present.joins)
        ]
        raise Unclear(f"The joins are {ids}; say “… for” and one of them.", choices=choices if not match[2] else ())
    return [Edit(path=f"steps.{joins[0].id}.how", value=_KINDS[match[1].lower()])]


def _top(wish: str, present: Present) -> list[Edit] | None:
    match = _match(
        r"(?:only |keep |make it |show |use |take )?(?:the )?top (\d+)( ?%| percent)?"
        r"(?: instead(?: of (?:the )?(?:top )?(\d+)(?: ?%| percent)?)?)?",
        wish,
    )
    if match is None:
        return None
    number, share, old = int(match[1]), bool(match[2]), match[3]
    if share:
        rules = [
            (step, rule)
            for step in present.spec.steps
            if isinstance(step, Segment)
            for rule in step.rules
            if rule.top is not None and (old is None or abs(rule.top - int(old) / 100) < 1e-9)
        ]
        if len(rules) != 1:
            raise Unclear("There is no such share." if not rules else "Several segments have one; name it in the form.")
        step, rule = rules[0]
        if not 0 < number <= 100:
            raise Unclear("A share is between 1 and 100 percent.")
        return [Edit(path=f"steps.{step.id}.rules.{rule.label}.top", value=number / 100)]
    tops = [s for s in present.spec.steps if isinstance(s, Top) and (old is None or s.n == int(old))]
    if len(tops) != 1:
        said = f"top {old}" if old else "“top” step"
        choices = [
            Choice(s.id, f"{s.id}: the first {s.n}", edits=(Edit(path=f"steps.{s.id}.n", value=number),)) for s in tops
        ]
        said = f"There is no {said}." if not tops else "Several steps keep the first rows; edit the form."
        raise Unclear(said, choices=choices)
    return [Edit(path=f"steps.{tops[0].id}.n", value=number)]


def _drop(wish: str, present: Present) -> list[Edit] | None:
    match = _match(r"(?:drop|remove|delete|leave out|without|take out)(?: the)? (?:(column|check|step) )?(.+)", wish)
    if match is None:
        return None
    what, words = (match[1] or "").lower(), re.sub(r" (?:column|check|step)$", "", match[2].strip())
    if what == "check" or match[2].lower().endswith(" check"):
        return _drop_check(words, present)
    named = {column.name.casefold() for column in present.columns(present.last)}
    if words in present.steps and (what == "step" or (not what and words.casefold() not in named)):
        return present.without(words)
    if re.fullmatch(r"segments?|segmentation", words, re.IGNORECASE):
        return present.without(present.only(Segment, "segment").id)
    column = present.named(words, present.columns(present.last), "the result").name
    return _drop_column(column, present)


def _drop_check(words: str, present: Present) -> list[Edit]:
    wanted = slug(words)
    found = [check for check in present.spec.expectations if check.id == wanted]
    if not found:
        ids = ", ".join(f"`{check.id}`" for check in present.spec.expectations)
        raise Unclear(f"No check is called “{words}”; they are {ids}." if ids else "There are no checks.")
    check = found[0]
    path = f"expectations.{check.id}"
    return [Edit(path=f"{path}.enabled", value=False) if check.automatic else Edit(path=path)]


def _drop_column(column: str, present: Present) -> list[Edit]:
    last = present.steps.get(present.last)
    if isinstance(last, Select):
        left: list[JsonValue] = [name for name in last.columns if name != column]
        if not left:
            raise Unclear(f"`{column}` is the only column.")
        return [Edit(path=f"steps.{last.id}.columns", value=left)]
    maker = present.maker(column)
    users = present.users(column, maker.id) if maker is not None else []
    if users:
        raise Unclear(f"`{column}` is used by {', '.join(f'`{user}`' for user in users)}.")
    if isinstance(maker, Segment):
        return present.without(maker.id)
    if isinstance(maker, Aggregate):
        if column in maker.group_by:
            raise Unclear(
                f"Rows are grouped by `{column}`; without it they would be other rows. Edit the form for that."
            )
        if len(maker.measures) == 1:
            raise Unclear(f"`{column}` is all that is measured.")
        return [Edit(path=f"steps.{maker.id}.measures.{column}")]
    if isinstance(maker, Derive):
        return (
            present.without(maker.id) if len(maker.columns) == 1 else [Edit(path=f"steps.{maker.id}.columns.{column}")]
        )
    keep: list[JsonValue] = [item.name for item in present.columns(present.last) if item.name != column]
    if not keep:
        raise Unclear(f"`{column}` is the only column.")
    return _append(present, "keep_columns", {"kind": "select", "columns": keep})


def _rename(wish: str, present: Present) -> list[Edit] | None:
    match = _match(r"(?:rename|call)(?: the)?(?: column)? (.+?) (?:to |as |into )?[\"`“]?(\w+)[\"`”]?", wish)
    if match is None:
        return None
    column = present.named(match[1], present.columns(present.last), "the result").name
    held = {item.name.casefold() for item in present.columns(present.last)}
    if match[2].casefold() in held:
        raise Unclear(f"There is a column `{match[2]}` already.")
    if column in {*present.spec.target.keys, *present.spec.target.partition_by, *present.spec.target.cluster_by}:
        raise Unclear(f"`{column}` is a key or layout column of the target; change that in the form.")
    return _append(present, f"rename_{column}", {"kind": "rename", "columns": [{"column": column, "name": match[2]}]})


def _append(present: Present, base: str, step: dict[str, JsonValue]) -> list[Edit]:
    """A new step behind all others."""
    taken = {*present.steps, *(source.alias for source in present.spec.sources)}
    name, number = slug(base)[:55], 2
    while name in taken:
        name, number = f"{slug(base)[:55]}_{number}", number + 1
    return [
        Edit(path=f"steps.{name}", value={"id": name, "input": present.last, **step}),
        Edit(path="target.input", value=name),
    ]


def _condition(wish: str, present: Present) -> list[Edit] | None:
    operators = "|".join(re.escape(word) for word in sorted(_OPERATORS, key=len, reverse=True))
    match = _match(
        rf"(?:(only|keep only|keep)|(exclude|leave out|without))(?: rows)?(?: where| whose| with)?"
        rf" (.+?)(?: is| are)? ({operators}) ?(.+)",
        wish,
    )
    if match is None:
        return None
    if match[2] and match[4].lower() in {"is not", "!=", "<>", "not"}:
        raise Unclear("Write “only where … = …” in place of a double negation.")
    alias, column = present.source_column(match[3])
    value = _literal(match[5].strip(), column.type)
    condition = f"{sql_name(column.name)} {_OPERATORS[match[4].lower()]} {value}"
    return add_filter(alias, f"NOT ({condition})" if match[2] else condition, present)


def _literal(text: str, kind: str) -> str:
    """A value as a literal of the column's type."""
    plain = text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
    if kind in {"date", "timestamp", "timestamp_ntz"}:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", plain):
            raise Unclear(f"“{text}” is no date; write it as 1997-01-31.")
        return f"DATE '{plain}'"
    if kind.startswith(("bigint", "int", "smallint", "tinyint", "decimal", "double", "float")):
        number = plain.replace(",", "")
        if not re.fullmatch(r"-?\d+(?:\.\d+)?", number):
            raise Unclear(f"“{text}” is no number.")
        return number
    if kind == "boolean" and plain.lower() in {"true", "false"}:
        return plain.lower()
    if kind.startswith(("string", "char", "varchar")):
        return "'" + plain.replace("\\", "\\\\").replace("'", "\\'") + "'"
    raise Unclear(f"A condition on a `{kind}` is set in the form.")


def _deployment(wish: str, present: Present) -> list[Edit] | None:
    match = _match(
        r"(?:deploy|run) (?:it )?as an? (job|notebook|declarative pipeline|lakeflow pipeline|dlt pipeline)", wish
    )
    if match is None:
        return None
    return [Edit(path="deployment", value="job" if match[1].lower() in {"job", "notebook"} else "declarative")]


Reader = Callable[[str, Present], "list[Edit] | None"]

READERS: tuple[Reader, ...] = (
    *RULES,
    _deployment,
    _schedule,
    _target,
    _mode,
    _join,
    _top,
    refilter,
    years,
    _condition,
    _drop,
    _rename,
    add,
)
