"""What a text holds: ``mentions "late", in upper or lower case``, ``the word fog in the remarks``, ``starts with L``.

Texts are compared as they were typed, unless words say that case does not matter; a word is looked for anywhere in the
text, which is said. Not here: a whole value (`values`), all comparisons of a statement (`matching`).
"""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, TableInfo
from pipeline_magic.agents.specification.planner.intent import col
from pipeline_magic.agents.specification.planner.linking import ColumnLink
from pipeline_magic.agents.specification.planner.text import number_of
from pipeline_magic.agents.specification.planner.values import ARTICLES, Condition, literal

__all__ = ["case_behind", "holding", "text_held"]

_CASE = re.compile(
    r"(?:, |\( |in the text )*(?:"
    r"(?:written |be it |whether |both |either )*(?:in )?(?:either )?(?:any|both|upper or lower|lower or upper|"
    r"upper and lower|lower and upper|upper - or lower|lower - or upper|capital or small) (?:case|letters)"
    r"|(?:regardless|irrespective|independent|independently) of (?:the )?(?:letter )?(?:case|capitali[sz]ation|"
    r"capitals|upper or lower case)"
    r"|no matter (?:the|what|which|in which|in what) case"
    r"|no matter (?:if|whether) (?:it is |they are |written )*(?:in )?(?:capital letters|capitals|upper or lower case|"
    r"upper case or lower case|capitali[sz]ed|lower or upper case)"
    r"|(?:ignore|ignores|ignoring) (?:the )?(?:letter |upper and lower |upper or lower )?case"
    r"|(?:not |in a )?case - ?(?:in)?sensitive(?:ly)?(?: way)?|case insensitive(?:ly)?|without regard to case"
    r"|whatever the case|in whatever case"
    r")(?: \))?"
)
_HOLDS = {
    "contains": (
        "contains|contain|containing|includes|include|including|mentions|mention|mentioning|mentioned|holds|with|has|"
        "have|having"
    ),
    "startswith": "starts with|start with|starting with|begins with|begin with|beginning with|started with",
    "endswith": "ends with|end with|ending with|ends in|end in|ending in",
}
_NEGATED = "does not|do not|did not|doesn't|don't|didn't|not|never"
_PART = (
    "the word|the words|the text|the phrase|the letters|the letter|the string|the term|the substring|the expression|"
    "a word|word|words|letter|letters|somewhere the word|the characters|the character|a|an"
)
_WORD = "the word|the words|the text|the phrase|the letters|the letter|the string|the term|word|words|letters|phrase"
_WHERE = "somewhere in it|anywhere in it|in it|in them|somewhere|anywhere|in the text"
_REASON = "looked for anywhere in the text, in longer words too"


def case_behind(c: Context, i: int) -> int | None:
    """Where words end that say that case does not matter."""
    if c.low(i) not in {",", "("} and c.tokens[i : i + 1] and c.tokens[i].kind != "word":
        return None
    found = c.words(i, _CASE)
    if found is None or re.search(r"(?<!not )case - ?sensitive", found[1].group()):
        return None
    return found[0] if found[1].group().count("(") == found[1].group().count(")") else _unclosed(c, found[0], i)


def _unclosed(c: Context, end: int, i: int) -> int | None:
    """A bracket that was opened before may be closed here; one that is opened here must be."""
    return end - 1 if c.low(end - 1) == ")" and c.low(i) != "(" else None


def _values(c: Context, i: int, *, bare: bool) -> tuple[int, list[str], str] | None:
    """The texts looked for, and the word that joins them: quoted, with capitals, or (`bare`) any word."""
    found: list[str] = []
    joiner, at, end = "", i, i
    while at < c.end(i):
        at = c.skip(at, _WORD) if found else at
        token = c.tokens[at] if at < c.end(i) else None
        if token is None or not _text(token.kind, token.text, bare or not found, bare):
            break
        if token.kind == "word" and number_of(token) is not None and not bare:
            break
        found.append(token.low if token.kind == "quoted" else token.text)
        end = at + 1
        after = c.match(end, ", or|or|and|, and")
        if after is None or (joiner and joiner != c.low(after - 1)):
            break
        more = c.skip(after, _WORD)
        if more >= c.end(i) or c.tokens[more].kind != "quoted":
            break
        joiner, at = c.low(after - 1), after
    return (end, found, joiner) if found else None


def _text(kind: str, text: str, first: bool, bare: bool) -> bool:
    return (kind == "quoted" and text[0] != "`") or (kind == "word" and first and (bare or text[0].isupper()))


def _test(how: str, column: ColumnInfo, texts: list[str], joiner: str, *, folded: bool) -> str:
    name = f"lower({col(column.ref)})" if folded else col(column.ref)
    parts = [f"{how}({name}, {literal(text.lower() if folded else text)})" for text in texts]
    text = f" {'AND' if joiner == 'and' else 'OR'} ".join(parts)
    return f"({text})" if len(parts) > 1 else text


def text_held(c: Context, i: int, column: ColumnInfo) -> Condition | None:
    """What is said behind a text column: ``contains the word "fog", regardless of case``."""
    if column.kind != "text":
        return None
    at = c.skip(i, "that|which|to|has to|must")
    negated = c.match(at, _NEGATED)
    for how, words in _HOLDS.items():
        after = c.match(negated if negated is not None else at, words)
        if after is None:
            continue
        start = c.skip(after, _PART)
        named = start > after and c.low(start - 1) not in {"a", "an"}
        if c.low(after - 1) in {"with", "has", "have", "having"} and not named and how == "contains":
            continue
        values = _values(c, start, bare=named or c.low(after - 1).startswith("mention") or how != "contains")
        if values is None:
            return None
        end = c.skip(values[0], _WHERE)
        case = case_behind(c, end)
        text = _test(how, column, values[1], values[2], folded=case is not None)
        reason = _REASON if named and "word" in c.low(start - 1) else ""
        return Condition(case or end, f"NOT ({text})" if negated is not None else text, reason)
    return None


_OPENED = "that|which|who|with|having|have|has|had|mention|mentions|mentioning|contain|contains|containing|include|says"


def holding(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``have the word "engine" in the remarks``, ``mention fog in their remarks``."""
    at = c.skip(i, _OPENED)
    verb = at > i and c.low(at - 1).startswith(("mention", "contain"))
    start = c.skip(at, _WORD)
    if start >= c.end(i) or not (verb or start > at or c.tokens[start].kind == "quoted"):
        return None
    values = _values(c, start, bare=verb or start > at)
    if values is None:
        return None
    place = c.match(c.skip(values[0], "somewhere|anywhere"), "in|within|as part of|inside")
    link = _column(c, c.skip(place, ARTICLES), about) if place is not None else None
    if link is None:
        return None
    end = c.skip(link.end, "name|text") if link.column.words[-1:] != ("name",) else link.end
    case = case_behind(c, end)
    quoted = c.tokens[start].kind == "quoted" and not verb and start == at
    text = _test("contains", link.column, values[1], values[2], folded=case is not None or quoted)
    reason = "compared without regard to case" if quoted else _REASON
    return Condition(case or end, text, reason, link if link.others else None)


def _column(c: Context, i: int, about: TableInfo | None) -> ColumnLink | None:
    link = c.linker.column_at(i, kinds=("text",), tables=(about.name,) if about else ())
    return link if link is not None and link.end <= c.end(i) else None
