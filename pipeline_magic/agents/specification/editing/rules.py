"""What the words may ask of checks and of the table that is written: its keys, layout and comment.

A check is put on the target, where a person sees the columns. It warns unless it is there already with another action:
no change in words stops a pipeline that ran before.
"""

from __future__ import annotations

import re

from pydantic import JsonValue

from pipeline_magic.agents.specification.editing.present import Present, Unclear
from pipeline_magic.spec.model import NotNull
from pipeline_magic.spec.names import slug
from pipeline_magic.spec.paths import Edit
from pipeline_magic.spec.schema import Column

__all__ = ["RULES"]

_LEAD = (
    r"(?:(?:add|include) (?:an? )?(?:check|test|rule|expectation)s? (?:that|for)|check|ensure|make sure|verify|require)"
)
_NUMBER = r"(-?\d[\d,]*(?:\.\d+)?)"
_NUMERIC = ("bigint", "int", "smallint", "tinyint", "decimal", "double", "float")


def _match(pattern: str, wish: str) -> re.Match[str] | None:
    return re.fullmatch(pattern, wish.strip(), re.IGNORECASE)


def _column(words: str, present: Present) -> Column:
    return present.named(words, present.columns(present.last), "the result")


def _new_check(base: str, fields: dict[str, JsonValue], present: Present) -> list[Edit]:
    held = {check.id for check in present.spec.expectations}
    for check in present.spec.expectations:
        dumped = check.model_dump(mode="json")
        if check.on in {"target", present.last} and all(dumped.get(name) == value for name, value in fields.items()):
            raise Unclear(f"There is such a check already: `{check.id}`.")
    name, number = slug(base)[:55], 2
    while name in held:
        name, number = f"{slug(base)[:55]}_{number}", number + 1
    return [Edit(path=f"expectations.{name}", value={"id": name, "on": "target", **fields})]


def _check(wish: str, present: Present) -> list[Edit] | None:
    match = _match(
        rf"{_LEAD}(?: that)?(?: the)? (.+?) (?:is|are|has|have|be|should be|must be) "
        r"(?:(never null|not null|never missing|never empty|always set|always there|no nulls|no missing values)"
        rf"|(unique|no duplicates)|between {_NUMBER} and {_NUMBER}"
        rf"|(?:(at least|>=|not under|not below)|(at most|<=|not over|not above)|(over|above|more than|>)"
        rf"|(under|below|less than|<)) {_NUMBER}|(positive)|(not negative|never negative))",
        wish,
    )
    if match is None:
        return None
    column = _column(match[1], present)
    if match[2]:
        return _new_check(f"{column.name}_not_null", {"kind": "not_null", "columns": [column.name]}, present)
    if match[3]:
        return _new_check(f"{column.name}_unique", {"kind": "unique", "columns": [column.name]}, present)
    if not column.type.startswith(_NUMERIC):
        raise Unclear(f"`{column.name}` is a `{column.type}`; limits of those are set in the form.")
    fields: dict[str, JsonValue] = {"kind": "range", "column": column.name}
    if match[4]:
        low, high = _number(match[4]), _number(match[5])
        if low > high:
            raise Unclear(f"Nothing is between {match[4]} and {match[5]}.")
        fields.update(minimum=low, maximum=high)
    elif match[6]:
        fields["minimum"] = _number(match[10])
    elif match[7]:
        fields["maximum"] = _number(match[10])
    elif match[8]:
        fields.update(minimum=_number(match[10]), minimum_inclusive=False)
    elif match[9]:
        fields.update(maximum=_number(match[10]), maximum_inclusive=False)
    else:
        fields["minimum"] = 0
        if match[11]:
            fields["minimum_inclusive"] = False
    return _new_check(f"{column.name}_range", fields, present)


def _number(text: str) -> int | float:
    plain = text.replace(",", "")
    return float(plain) if "." in plain else int(plain)


def _missing(wish: str, present: Present) -> list[Edit] | None:
    match = _match(
        r"(?:allow |accept |tolerate |check (?:that )?|ensure )?(?:(?:at most|up to|no more than|not more than) )?"
        r"(\d+(?:\.\d+)?) ?(?:%|percent) (?:of )?(?:the )?"
        r"(?:(?:missing|null|empty) (?:values (?:in|of|for) )?(?:the )?(.+?)|(?:nulls|missing values) in (?:the )?(.+?)"
        r"|(.+?) (?:may be |to be |are |is |can be )(?:missing|null|empty))",
        wish,
    )
    if match is None:
        return None
    share = _share(match[1])
    column = _column(match[2] or match[3] or match[4], present)
    for check in present.spec.expectations:
        if isinstance(check, NotNull) and check.columns == (column.name,) and check.on in {"target", present.last}:
            return _tolerate(check.id, check.action, share)
    fields: dict[str, JsonValue] = {"kind": "not_null", "columns": [column.name], "tolerance": share}
    return _new_check(f"{column.name}_not_null", fields, present)


def _tolerance(wish: str, present: Present) -> list[Edit] | None:
    match = _match(
        r"(?:allow|accept|tolerate) (?:at most |up to )?(\d+(?:\.\d+)?) ?(?:%|percent)"
        r"(?: of (?:the )?(?:rows|failures))?"
        r" (?:in|for|on|to fail|failing|failures in|failures of) (?:the )?(?:check )?`?(.+?)`?(?: check)?",
        wish,
    )
    if match is None:
        return None
    wanted = slug(match[2])
    found = [check for check in present.spec.expectations if check.id == wanted]
    if not found:
        ids = ", ".join(f"`{check.id}`" for check in present.spec.expectations)
        raise Unclear(f"No check is called “{match[2]}”; they are {ids}." if ids else "There are no checks.")
    return _tolerate(found[0].id, found[0].action, _share(match[1]))


def _tolerate(check: str, action: str, share: float) -> list[Edit]:
    if action == "drop":
        raise Unclear(f"`{check}` leaves failing rows out one by one, so it has no share that may fail.")
    return [Edit(path=f"expectations.{check}.tolerance", value=share)]


def _share(text: str) -> float:
    if float(text) > 100:
        raise Unclear("A share is between 0 and 100 percent.")
    return round(float(text) / 100, 8)


def _keys(wish: str, present: Present) -> list[Edit] | None:
    match = _match(
        r"(?:(?:use|take|make) (.+?) (?:as )?the keys?|(?:the |set the )?keys? (?:is|are|to|should be) (.+))", wish
    )
    if match is None:
        return None
    return [Edit(path="target.keys", value=_columns(match[1] or match[2], present))]


def _layout(wish: str, present: Present) -> list[Edit] | None:
    match = _match(
        r"(cluster|partition)(?:ed)?(?: (?:it|the (?:table|result|output)))? (?:it )?(?:by|on) (.+?)(?: instead)?", wish
    )
    if match is None:
        return None
    kind, other = ("cluster_by", "partition_by") if match[1].lower() == "cluster" else ("partition_by", "cluster_by")
    edits = [Edit(path=f"target.{kind}", value=_columns(match[2], present))]
    if getattr(present.spec.target, other):
        edits.append(Edit(path=f"target.{other}", value=[]))  # a table has one layout
    return edits


def _columns(words: str, present: Present) -> list[JsonValue]:
    names = [_column(word.strip(), present).name for word in re.split(r",(?: and )?| and ", words) if word.strip()]
    if len(set(names)) < len(names):
        raise Unclear(f"`{names[0]}` is named twice.")
    return list(names)


def _comment(wish: str, present: Present) -> list[Edit] | None:
    match = _match(
        r"(?:(?:set|change|make|add) (?:the |a )?(?:table )?(?:comment|description)(?: of the table)?"
        r"(?: to| as|:)?|describe the (?:table|result|target) as|comment (?:it|the table)(?: as)?:?) "
        r"(?:\"([^\"]+)\"|“([^”]+)”|'([^']+)'|((?:(?! and )[^,;\"“”\n])+))",
        wish,
    )
    if match is None:
        return None
    text = next(part for part in match.groups() if part).strip()
    return [Edit(path="target.comment", value=text)]


def _refused(wish: str, present: Present) -> list[Edit] | None:
    if _match(r"(?:rename|call) (?:the |this )?(?:pipeline|job|it)(?: (?:to|as|into))?(?: .+)?", wish):
        raise Unclear(
            "A pipeline keeps its name: its folder, its job and its history are found by it. Build another under the "
            "new name, and retire this one."
        )
    if _match(r"(?:sort|order)(?:ed)?(?: (?:it|the (?:rows|table|result)))?(?: by .+)?", wish):
        raise Unclear(
            "A table has no order; sort where it is read. “cluster by …” keeps rows with near values together."
        )
    return None


RULES = (_refused, _check, _missing, _tolerance, _keys, _layout, _comment)
