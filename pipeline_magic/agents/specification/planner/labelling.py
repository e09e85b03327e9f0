"""Columns whose values are given by rules, in either order: ``'late' if …, otherwise 'ok'``; ``if …, the flag is 'x'``.

All rules must be read, to the last label, or none is: half a rule would put rows under the wrong label. Labels stand in
quotes. Not here: labels without quotes, and the top share of a table; see `segments`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.intent import Derive, Flag, Item, Segment, Use, measure_ref, refs_in
from pipeline_magic.agents.specification.planner.predicates import condition_at
from pipeline_magic.agents.specification.planner.values import comparison_at, value_at
from pipeline_magic.spec.names import slug

__all__ = ["read_labelling"]

_MAKE = (
    "add",
    "put",
    "create",
    "compute",
    "derive",
    "set",
    "assign",
    "give",
    "define",
    "introduce",
    "attach",
    "append",
)
_SORT = (
    "classify", "categorize", "categorise", "label", "tag", "bucket", "mark", "flag", "segment", "group", "sort",
    "rate", "split", "divide", "grade",
)  # fmt: skip
_KIND = (
    "column|field|flag|label|category|class|attribute|indicator|marker|segment|bucket|band|tier|group|status|grade|"
    "priority|rating|type|level"
)
_IF = "if|when|where|whenever|in case|as long as|for|provided|provided that"
_ELSE = (
    "otherwise|else|the rest|everything else|all others|the others|others|anything else|in all other cases|"
    "for all others|for the rest|for everything else|in any other case|all other rows|the remaining|everyone else|rest"
)
_GETS = (
    "then|,|:|is|are|gets|get|=|becomes|as|being|it is|they are|counts as|count as|must be|should be|has|with|"
    "it gets|set it to|use|we say|say|it becomes|it's|put"
)
_PAUSE = ",|and|;|or|.|then|else|but|and else"


_REACH = 40
"""How many tokens away the first label may stand."""


@dataclass
class _Rules:
    """What was read: labels with their conditions, the label of the rest, where it ends, and a name they give."""

    end: int
    pairs: list[tuple[str, str]] = field(default_factory=list)
    otherwise: str | None = None
    name: str = ""


def read_labelling(c: Context, i: int) -> Found | None:
    """A new column with its rules."""
    near = c.tokens[i : i + _REACH]
    if not any(token.kind == "quoted" or token.low == "true" for token in near):
        return None
    flag = _boolean(c, i)
    if flag is not None:
        return flag
    for intro in (_sorted, _column, _bare):
        opened = intro(c, i)
        if opened is None:
            continue
        at, name, uses, subject = opened
        rules = _rules(c, at, subject)
        if rules is None or not rules.pairs or (rules.otherwise is None and len(rules.pairs) < 2):
            continue
        called = slug(name or rules.name or "label")
        pairs = tuple((label, condition, None) for label, condition in rules.pairs)
        made = Segment(i, rules.end, called, pairs, subject, rules.otherwise)
        return Found(rules.end, "segment", (*uses, made))
    return None


_Intro = tuple[int, str, tuple[Item, ...], "str | None"]


def _sorted(c: Context, i: int) -> _Intro | None:
    """``classify the others as``, ``bucket it:``, ``flag the shipments.``"""
    if not c.verb(i, *_SORT):
        return None
    at = c.skip(i + 1, "the|all|each|every|our|a|an|remaining")
    link = c.table_at(at)
    uses: tuple[Item, ...] = ()
    if link is not None:
        at, uses = link.end, (Use(link.start, link.end, link.table.name),)
    else:
        after = c.match(at, "it|them|others|rest|those|these|rows|row|this|that|result")
        if after is None:
            return None
        at = after
    subject = None
    derives = c.of(Derive)
    if link is None and derives and c.low(at - 1) in {"it", "this", "that"}:
        subject = measure_ref(derives[-1].name)
    by = c.match(at, "by the|by their|by its|by|based on the|based on|according to the|according to|on the|on")
    if by is not None:
        column = c.linker.column_at(by, kinds=("number", "date", "timestamp"), least=0.6)
        if column is None or column.end > c.end(i):
            return None
        at, subject = column.end, f"\ue000{column.ref.table}\ue001{column.ref.column}\ue002"
    return _on(c, c.skip(at, "as|into|:|in|to be|,|follows|like|this|with")), _noun(c, i), uses, subject


def _noun(c: Context, i: int) -> str:
    word = c.low(i)
    return {"classify": "class", "categorize": "category", "categorise": "category"}.get(word, word)


def _on(c: Context, at: int) -> int:
    """Past the end of a sentence."""
    return at + 1 if at < len(c.tokens) and c.low(at) == "." else at


def _column(c: Context, i: int) -> _Intro | None:
    """``add a column size to the orders:``, ``a column flag that is``, ``risk, where risk is``."""
    at = i + 1 if c.verb(i, *_MAKE) else i
    at = c.skip(at, "to|each|every|the|a|an|new|extra|additional|row|them|it|result|derived|of|with|another|and")
    kind = c.match(at, _KIND)
    name = ""
    if kind is not None:
        named = c.skip(kind, "called|named|,")
        name = c.low(kind - 1)
        if named < c.end(i) and re.fullmatch(r"[a-z]\w*", c.low(named)) and c.low(named) not in _LINKS:
            name, at = c.low(named), named + 1
        else:
            at = kind
    elif at < c.end(i) and c.tokens[at].kind == "word" and re.fullmatch(r"[a-z]\w*", c.low(at)):
        name, at = c.low(at), at + 1
    if not name or name in _LINKS:
        return None
    uses: tuple[Item, ...] = ()
    on = c.match(at, "on the|to the|for the|of the|on|to|for|in the|of")
    link = c.table_at(on) if on is not None else None
    if link is not None:
        at, uses = link.end, (Use(link.start, link.end, link.table.name),)
    where = c.match(at, ", where|where|(|, which|, and")
    if where is not None and c.low(where) == name:
        at = where + 1
    linked = c.skip(
        at, ":|that|which|is|=|being|set to|with|the|value|says|holds|gets|becomes|,|as|values|was|has|it|("
    )
    return (linked, name, uses, None) if linked > at else None


_LINKS = {
    "that", "which", "is", "being", "set", "with", "as", "where", "if", "when", "on", "to", "for", "of", "called",
    "named", "otherwise", "else", "holds", "gets",
}  # fmt: skip


def _bare(c: Context, i: int) -> _Intro | None:
    """``If the weight is missing the flag is 'check'``: the rules themselves; they give the name."""
    return (i, "", (), None) if i == c.starts[i] and c.match(i, "if|when|where") is not None else None


# --- rules ---------------------------------------------------------------------------------------------------------


def _rules(c: Context, i: int, subject: str | None) -> _Rules | None:
    made = _Rules(i)
    at = i
    while at < len(c.tokens):
        start = _pause(c, at)
        if start >= len(c.tokens) or start - at > 3:
            break
        step = (
            _rest(c, start, made) or _label_first(c, start, made, subject) or _condition_first(c, start, made, subject)
        )
        step = step or (_band(c, start, made, subject) if subject is not None else None)
        if step is None:
            break
        made.end = at = step
        if made.otherwise is not None:
            break
    return made if made.pairs else None


def _pause(c: Context, at: int) -> int:
    while at < len(c.tokens) and c.low(at) in {",", "and", ";", "or", ".", "but", "then"}:
        at += 1
    return at


def _quoted(c: Context, i: int) -> bool:
    return i < len(c.tokens) and c.tokens[i].kind == "quoted" and c.tokens[i].text[0] != "`"


def _gets(c: Context, i: int, made: _Rules) -> int:
    """Past ``then``, ``it is``, ``the flag is``; the name that stands there is the column's."""
    at = c.skip(i, _GETS)
    name = c.skip(at, "the|its|their|a|this")
    if name + 1 < len(c.tokens) and re.fullmatch(r"[a-z]\w*", c.low(name)) and not _quoted(c, name):
        is_ = c.match(name + 1, "is|=|becomes|gets|should be|must be|are|:")
        if is_ is not None and _quoted(c, is_):
            made.name = made.name or c.low(name)
            return is_
    return at


def _rest(c: Context, i: int, made: _Rules) -> int | None:
    """``otherwise 'ok'``, ``'ok' otherwise``; what stands behind ``otherwise`` may itself have a condition."""
    if not made.pairs:
        return None
    rest = c.match(i, _ELSE)
    if rest is not None:
        at = _gets(c, rest, made)
        if not _quoted(c, at) or c.match(at + 1, _IF) is not None:
            return None
        made.otherwise = c.tokens[at].low
        return c.skip(at + 1, ")")
    if _quoted(c, i):
        behind = c.match(c.skip(i + 1, ",|(|is|for|in|as"), _ELSE)
        if behind is not None:
            made.otherwise = c.tokens[i].low
            return c.skip(behind, ")|cases")
    return None


def _label_first(c: Context, i: int, made: _Rules, subject: str | None) -> int | None:
    """``'review' if the status is pending``; ``otherwise 'priority' when …`` goes on with the rules."""
    at = _gets(c, c.match(i, _ELSE) or i, made) if made.pairs else _gets(c, i, made) if not _quoted(c, i) else i
    if not _quoted(c, at):
        return None
    opened = c.match(c.skip(at + 1, "("), _IF)
    if opened is None:
        return None
    for limit in _limits(c, opened):
        found = _condition(c, opened, limit, subject, made)
        if found is not None:
            made.pairs.append((c.tokens[at].low, found[1]))
            return found[0]
    return None


def _condition_first(c: Context, i: int, made: _Rules, subject: str | None) -> int | None:
    """``if the severity is critical, the label is 'urgent'``."""
    opened = c.match(c.skip(i, "else"), _IF)
    if opened is None:
        return None
    for j in range(opened + 1, c.end(opened)):
        if not _quoted(c, j) or (
            j + 1 < c.end(opened) and c.low(j + 1) not in {",", ".", ";", "and", "else", "otherwise"}
        ):
            continue
        for limit in range(opened + 1, j + 1):
            if _gets(c, limit, made) != j:
                continue
            found = _condition(c, opened, limit, subject, made)
            if found is not None:
                made.pairs.append((c.tokens[j].low, found[1]))
                return j + 1
    return None


def _limits(c: Context, i: int) -> list[int]:
    """Where the condition that starts at `i` may end: before a further label, or where its sentence ends."""
    end = c.end(i)
    found = []
    for j in range(i + 1, end):
        further = _quoted(c, j) and c.match(c.skip(j + 1, ",|(|for|in"), f"{_IF}|{_ELSE}") is not None
        if further or c.match(j, _ELSE) is not None or c.low(j) == ")":
            k = j
            while k > i + 1 and c.low(k - 1) in {",", "and", ";", "or", "but"}:
                k -= 1
            found.append(k)
    return [
        *found,
        end - 1 if c.low(end - 1) in {".", ";"} else end,
        *(j for j in range(i + 2, end) if c.low(j) == ","),
    ]


def _condition(c: Context, i: int, limit: int, subject: str | None, made: _Rules) -> tuple[int, str] | None:
    """A condition from `i` that ends at `limit`; ``it is at least 600`` speaks of what the first rule compared."""
    inside = c.until(limit)
    known = subject or _subject(made)
    it = c.match(i, "it is|they are|it's|that is|it") or i
    compared = comparison_at(inside, it) if known is not None else None
    value = value_at(inside, compared[0], None) if compared is not None else None
    if known is not None and compared is not None and value is not None and value[0] == limit:
        return c.skip(limit, ")"), f"{known} {compared[1]} {value[1]}"
    found = condition_at(inside, i, opened=True)
    noun = inside.table_at(c.skip(i, "the|their|its|a|an|that")) if found is None or found.end != limit else None
    if noun is not None:  # `if the device has status faulty`
        found = condition_at(inside, noun.end, about=noun.table, opened=True)
    return (c.skip(limit, ")"), found.expression) if found is not None and found.end == limit else None


def _subject(made: _Rules) -> str | None:
    """The one column that the rules read so far compare."""
    refs = {ref for _, condition in made.pairs for ref in refs_in(condition)}
    if len(refs) != 1:
        return None
    ref = next(iter(refs))
    return f"\ue000{ref.table}\ue001{ref.column}\ue002"


def _band(c: Context, i: int, made: _Rules, subject: str) -> int | None:
    """``below 0 'early'``, ``exactly 0 is 'on time'``, ``1 to 3 'slightly late'`` of the subject."""
    at = c.skip(i, "between|from|if|when")
    low = value_at(c, at, None)
    high = value_at(c, low[0] + 1, None) if low is not None and c.low(low[0]) in {"to", "-", "and"} else None
    compared = comparison_at(c, at)
    value = value_at(c, compared[0], None) if compared is not None else None
    if low is not None and high is not None:
        end, text = high[0], f"{subject} BETWEEN {low[1]} AND {high[1]}"
    elif compared is not None and value is not None:
        end, text = value[0], f"{subject} {compared[1]} {value[1]}"
    else:
        return None
    label = _gets(c, c.skip(end, "days|("), made)
    if not _quoted(c, label):
        return None
    made.pairs.append((c.tokens[label].low, text))
    return c.skip(label + 1, ")")


# --- true or false -------------------------------------------------------------------------------------------------


def _boolean(c: Context, i: int) -> Found | None:
    """``a flag long_open that is true when cleared_at is empty [and false otherwise]``."""
    at = i + 1 if c.verb(i, *_MAKE) else i
    at = c.skip(at, "a|an|the|new|boolean|extra|true|/|false|additional")
    kind = c.match(at, "column|flag|field|indicator|marker")
    named = c.skip(kind, "called|named|,") if kind is not None else at
    if named >= c.end(i) or not re.fullmatch(r"[a-z]\w*", c.low(named)):
        return None
    true = c.match(
        named + 1, "that is true|which is true|is true|= true|, which is true|, true|that says true|being true"
    )
    opened = c.match(true, "if|when|where|whenever|for") if true is not None else None
    if opened is None:
        return None
    found = condition_at(c, opened, opened=True)
    if found is None:
        return None
    end = found.end
    rest = re.compile(r"(?:,|and|;| )*(?:is )?(?:(?:otherwise|else)(?: it is| is)? false|false (?:otherwise|else))")
    closing = c.words(end, rest)
    end = closing[0] if closing is not None else end
    return Found(end, "segment", (Flag(i, end, slug(c.low(named)), found.expression),))
