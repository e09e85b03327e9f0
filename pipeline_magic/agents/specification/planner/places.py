"""Where the result goes and how it is written: target names, write modes, deployment. Read over the text.

``into analytics.ops.carrier_delays`` names a table; ``outputs to analytics catalog`` only a catalog, and the rest is
then proposed and asked. Not here: whether the place exists or may be written; the catalog agent knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Placed", "read_places"]

_NAME = r"[A-Za-z_][\w$]*|`[^`\n]{1,200}`"
_FULL = rf"(?P<full>(?:{_NAME})\.(?:{_NAME})\.(?:{_NAME}))"
_TWO = rf"(?P<two>(?:{_NAME})\.(?:{_NAME}))"
_VERB = (
    r"(?:(?:and\s+|then\s+|finally,?\s+)*(?:please\s+)?(?:write|writes|written|save|saves|saved|"
    r"store|stores|stored|output|outputs|outputting|publish|publishes|"
    r"load|loads|loaded|insert|inserts|land|lands|put|puts|materiali[sz]es?|persist|persists|export|"
    r"exports|deliver|delivers|send|sends|append|appends|"
    r"upsert|upserts|merge|merges|create|creates|build|builds|results? (?:go|goes)|goes|go)\s+"
    r"(?:(?:the|all|these|those|new|it|them|this|result|results|output|outputs|rows?|data|counts?|totals|metrics|aggregates?|summary|everything|"
    r"table|final|everything)\s+)*)"
)
_PREP = (
    r"(?:in|into|to|as|under|at|onto)\s+(?:the\s+|a\s+)?(?:(?:delta\s+|target\s+|output\s+|"
    r"new\s+)*(?:table|view)?\s*(?:called|named)?\s*)?"
)
_INTO = re.compile(
    (
        rf"\b(?:{_VERB}(?:{_PREP})|into\s+(?:the\s+|a\s+)?(?:table\s+)?|(?:target|output|"
        rf"destination)(?:\s+table)?(?:\s+is|:|\s+should be|\s*=)\s*){_FULL}"
    ),
    re.IGNORECASE,
)
_INTO_TWO = re.compile(
    (
        rf"\b(?:{_VERB}(?:{_PREP})|into\s+(?:table\s+)?|(?:target|output|"
        rf"destination)(?:\s+table)?(?:\s+is|:)\s*){_TWO}(?![\w.])"
    ),
    re.IGNORECASE,
)
_CATALOG = re.compile(
    (
        rf"\b(?:{_VERB})?(?:in|into|to|under)\s+(?:the\s+|our\s+)?(?P<catalog>{_NAME})\s+(?P<what>catalog|"
        rf"schema|database)\b(?:\s+(?:as|in)\s+(?:the\s+)?(?:table\s+)?(?P<table>{_NAME}))?"
    ),
    re.IGNORECASE,
)
_NAMED = re.compile(
    (
        r"\b(?:save|saves|store|stores|write|writes|publish|name|call|materiali[sz]e|output|put|"
        r"load)(?:d|s)?\s+(?:(?:the|it|this|them|result|results|output|table|rows|target|"
        r"everything)\s+)*(?:as|to|into|in)?\s*(?:(?:a|the)\s+)?(?:new\s+)?(?:table\s+)?(?:called\s+|"
        r"named\s+)?(?P<table>`[^`\n]+`|[A-Za-z][A-Za-z0-9]*_\w+)(?![\w.(])"
    ),
    re.IGNORECASE,
)
_MODES: tuple[tuple[str, str], ...] = (
    (
        "scd2",
        (
            r"\b(?:as\s+)?(?:scd|slowly changing dimensions?)\s*(?:type\s*)?-?(?:2|ii|two)\b|"
            r"\b(?:keep(?:ing)?|track(?:ing)?|with|preserv(?:e|ing))\s+(?:the\s+)?(?:full\s+|"
            r"complete\s+)?(?:history|every version|all versions|versions)(?:\s+(?:of|for)\s+(?:changes|"
            r"every \w+|each \w+|"
            r"each row|rows))?|\bhistori[sz]e[sd]?\b"
        ),
    ),
    ("scd1", r"\b(?:as\s+)?(?:scd|slowly changing dimensions?)\s*(?:type\s*)?-?(?:1|i|one)\b"),
    (
        "merge",
        (
            r"\b(?:upsert(?:s|ed|ing)?|merg(?:e|es|ed|ing)(?:\s+(?:the\s+)?(?:rows|results?|them|it|changes|"
            r"new rows))?(?=\s+(?:on|by|into|in|using|with|them|it)\b|\s*$|\s*[,.;]|"
            r"\s+(?:the\s+)?(?:\w+\s+){1,2}into\b)|(?:update|updating)\s+(?:existing|"
            r"matching)(?:\s+rows)?(?:,?\s+and\s+insert(?:ing)?\s+(?:new|the rest|the others?)(?:\s+(?:rows|"
            r"ones))?)?|insert(?:ing)?\s+new\s+and\s+updat(?:e|ing)\s+(?:existing|changed)(?:\s+rows)?)"
        ),
    ),
    (
        "append",
        (
            r"\b(?:append(?:s|ed|ing)?(?:\s+(?:only|mode))?(?:\s+(?:the|all|only)?\s*(?:new\s+)?(?:rows|"
            r"records|data|results?|it|them))?|add(?:ing|s)?\s+(?:the\s+)?(?:new\s+)?(?:rows|records)\s+to|"
            r"insert\s+only|incrementally\s+add(?:ing)?)\b"
        ),
    ),
    (
        "overwrite",
        (
            r"\b(?:(?:full|complete|total)\s+overwrite|overwrit(?:e|es|ing|ten)"
            r"(?:\s+(?:the\s+)?(?:table|target|it|everything|all rows|data|mode))?|"
            r"replac(?:e|es|ing)\s+(?:the\s+)?(?:table|target|whole table|contents?|everything|all "
            r"rows|all data|previous\s+\w+|existing\s+\w+|old\s+\w+)|full(?:y)?\s+(?:refresh|reload|"
            r"rebuild)(?:ed|ing)?|truncate\s+and\s+(?:re)?load|rebuil[dt]\s+(?:from scratch|it completely|"
            r"the whole table)|from scratch)(?:\s+(?:every|each)\s+(?:run|time))?\b"
        ),
    ),
)
_KEYS = re.compile(
    (
        r"\s*(?:the\s+)?(?:rows\s+|results?\s+|it\s+|them\s+)?(?:on|by|using|keyed (?:on|by)|with "
        r"(?:the\s+)?key|matching on|based on)\s+(?:the\s+)?(?:keys?\s+|columns?\s+|primary key\s+)?"
    ),
    re.IGNORECASE,
)
_KEY_NAMES = re.compile(
    r"(?P<keys>[\w`.]+(?:\s+(?:key|id|code|number|date)\b)?(?:\s*(?:,|and|\+|&)\s*[\w`.]*_\w+)*)", re.IGNORECASE
)
_BEHIND = re.compile(
    r"\s*,?\s*(?:on|using|matching on|keyed on|by)\s+(?:the\s+)?(?P<keys>[\w`]*_\w+|(?:\w+\s+){1,2}(?:key|id))\b",
    re.IGNORECASE,
)
_IT = r"(?:\b(?:deploy|run|build|create|publish|ship|make)\s+(?:it|this|that|them)\s+)?"
_DECLARATIVE = re.compile(
    (
        rf"{_IT}"
        r"\b(?:as|using|with|in|via|on)?\s*(?:an?\s+|the\s+)?(?:dlt|delta live tables?|lakeflow|"
        r"declarative|spark declarative|materiali[sz]ed view)(?:\s+(?:pipelines?|declarative pipelines?|"
        r"table))?\b"
    ),
    re.IGNORECASE,
)
_JOB = re.compile(rf"{_IT}" r"\bas\s+(?:an?\s+)?(?:databricks\s+|lakeflow\s+)?(?:job|workflow)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Placed:
    """Something about the target between two offsets: `what` is ``place``, ``mode``, ``keys`` or ``deployment``."""

    start: int
    end: int
    what: str
    value: Any


_ANY = re.compile(
    rf"(?:\b(?:in|to|as|at|called|named|table)\s+(?:the\s+)?)?(?<![\w.`]){_FULL}(?![\w(]|\.\w)", re.IGNORECASE
)
_KEYED = re.compile(
    (
        r"\b(?:keyed\s+(?:on|by)|(?:with\s+)?(?:the\s+)?(?:primary\s+|merge\s+|business\s+|"
        r"natural\s+)?keys?\s*(?:is|are|:|=|being)|key\s+columns?\s*(?:is|are|:)?)\s+(?:the\s+)?"
    ),
    re.IGNORECASE,
)


_COMMENT = re.compile(
    r"\b(?:comment\s+(?:on\s+)?(?:(?:the|this|target|output|result)\s+)*(?:table|it|target|output|result)?\s*(?:as|with|is|:|that)?|"
    r"(?:with|and|add|has|having|give it)\s+(?:the|a|an)?\s*(?:table\s+)?(?:comment|description)\s*"
    r"(?:of|that says|saying|:|is)?|"
    r"(?:describe|document)\s+(?:the\s+|this\s+)?(?:table|it|target)\s+(?:as|with))\s*"
    r"(?P<text>\"[^\"\n]{1,500}\"|'[^'\n]{1,500}'|“[^”\n]{1,500}”)",
    re.IGNORECASE,
)
_SEQUENCE = re.compile(
    rf"\b(?:(?P<first>{_NAME})\s+(?:as|is|being)\s+(?:the|its)?\s*(?:sequence|version|ordering|change)(?:\s+(?:column|time|"
    rf"timestamp|number))?|(?:sequenced?|versioned|ordered)\s+(?:by|on)\s+(?:the\s+)?(?P<second>[A-Za-z]\w*_\w+|`[^`\n]+`))",
    re.IGNORECASE,
)


def read_places(
    text: str, known: Callable[[str], bool] = lambda _: False, column: Callable[[str], bool] = lambda _: False
) -> list[Placed]:
    """Everything the text says of target, mode and deployment, in order, without overlap inside one kind.

    Args:
        known: Whether the catalog has a table of that full name: such a name is a source unless a verb writes to it.
        column: Whether a column is called so: ``output order_id and status`` names what is shown, and no table.
    """
    found: list[Placed] = []
    for m in _ANY.finditer(text):
        if not known(m["full"]):
            found.append(
                Placed(m.start(), m.end(), "place", tuple(part.strip("`") for part in re.findall(_NAME, m["full"])))
            )
    for m in _KEYED.finditer(text):
        names = _KEY_NAMES.match(text, m.end())
        if names:
            found.append(Placed(m.start(), names.end(), "keys", (names["keys"], names.start("keys"))))
    for m in _INTO.finditer(text):
        catalog, schema, table = (part.strip("`") for part in re.findall(_NAME, m["full"]))
        found.append(Placed(m.start(), m.end(), "place", (catalog, schema, table)))
    for m in _INTO_TWO.finditer(text):
        schema, table = (part.strip("`") for part in re.findall(_NAME, m["two"]))
        found.append(Placed(m.start(), m.end(), "place", ("", schema, table)))
    for m in _CATALOG.finditer(text):
        name, table = m["catalog"].strip("`"), (m["table"] or "").strip("`")
        if name.casefold() in {"unity", "the", "a", "this", "our", "same"}:
            continue
        found.append(
            Placed(
                m.start(),
                m.end(),
                "place",
                (name, "", table) if m["what"].casefold() == "catalog" else ("", name, table),
            )
        )
    for m in _NAMED.finditer(text):
        table = m["table"].strip("`")
        if not column(table) or re.search(r"\b(?:as|to|into|table|called|named)\b", m.group(), re.IGNORECASE):
            found.append(Placed(m.start(), m.end(), "place", ("", "", table)))
    for mode, pattern in _MODES:
        for m in re.finditer(pattern, text, re.IGNORECASE):
            found.append(Placed(m.start(), m.end(), "mode", mode))
            if mode in {"merge", "scd1", "scd2"}:
                found += _keys_after(text, m.end())
    if any(item.value in {"merge", "scd1", "scd2"} for item in found if item.what == "mode"):
        for item in [item for item in found if item.what == "place"]:
            keyed = _BEHIND.match(text, item.end)
            if keyed:
                found.append(Placed(item.end, keyed.end(), "keys", (keyed["keys"], keyed.start("keys"))))
    if any(item.value in {"merge", "scd1", "scd2"} for item in found if item.what == "mode"):
        for m in _SEQUENCE.finditer(text):
            name = (m["first"] or m["second"]).strip("`")
            found.append(Placed(m.start(), m.end(), "sequence", name))
    found += [Placed(m.start(), m.end(), "comment", m["text"][1:-1]) for m in _COMMENT.finditer(text)]
    found += [Placed(m.start(), m.end(), "deployment", "declarative") for m in _DECLARATIVE.finditer(text)]
    found += [Placed(m.start(), m.end(), "deployment", "job") for m in _JOB.finditer(text)]
    found.sort(key=lambda item: (item.start, -item.end))
    kept: list[Placed] = []
    for item in found:
        clash = [other for other in kept if other.end > item.start]
        if not clash or (item.what == "mode" and all(other.what == "place" for other in clash)):
            kept.append(item)
    return kept


def _keys_after(text: str, at: int) -> list[Placed]:
    """``on order_id and line``, also behind the table: ``upsert into a.b.c on order_id``."""
    between = re.compile(
        rf"(?:\s+(?:rows\s+|results?\s+|it\s+|them\s+)?(?:in|into|"
        rf"to)\s+(?:the\s+)?(?:table\s+)?(?:{_NAME})(?:\.(?:{_NAME}))*(?:\s+(?:catalog|schema|table))?)?,?"
    )
    closed = re.compile(r"\s*\)").match(text, at)
    at = closed.end() if closed else at
    start = between.match(text, at)
    opened = _KEYS.match(text, start.end() if start else at)
    if opened is None:
        return []
    names = _KEY_NAMES.match(text, opened.end())
    return [Placed(opened.start(), names.end(), "keys", (names["keys"], names.start("keys")))] if names else []
