"""Measures that the statement names and explains in words: ``card spend is the sum of -amount for card transactions``.

    where revenue is extended price * (1 - discount)      volume (sum of the absolute amount)
    Card spend is the sum of amount for type card.        order value = quantity * unit price

An explanation is read where the name is used; where it stands it asks for nothing. A formula of single rows is summed.
Abbreviations (``ASP = …``) are read by `definitions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.formulas import formula_at
from pipeline_magic.agents.specification.planner.intent import Item, Measure, Note, Use, refs_in
from pipeline_magic.agents.specification.planner.measures import read_measure
from pipeline_magic.agents.specification.planner.predicates import condition_at
from pipeline_magic.agents.specification.planner.ratios import ratio_at
from pipeline_magic.agents.specification.planner.values import comparison_at
from pipeline_magic.spec.names import slug

__all__ = ["Named", "find_named", "named_at", "read_named"]

_MEANS = (
    "is|=|means|is defined as|defined as|is given by|is calculated as|is computed as|equals|are|: =|refers to|being|"
    ", i.e.|, that is"
)
_LONGEST = 60
"""Most tokens of an explanation in brackets."""
_SKIP = {"the", "a", "an", "where", "with", "of", "total", "each"}


@dataclass(frozen=True)
class Named:
    """A name (stems), where its explanation starts and ends, and the measure that it is.

    Attributes:
        start: First token of the passage that explains it, `where` included.
        bracket: The explanation stands in brackets right behind the name.
    """

    stems: tuple[str, ...]
    start: int
    end: int
    measure: Measure
    uses: tuple[Item, ...]
    bracket: bool = False


def find_named(c: Context) -> list[Named]:
    """Every explanation of the statement, in order."""
    found: list[Named] = []
    articles = [j for j, token in enumerate(c.tokens, start=1) if token.low in {"a", "an"}]
    for i, token in enumerate(c.tokens):
        if token.kind == "punct" and token.text not in {"(", ","}:
            continue
        made = _in_brackets(c, i) if token.text == "(" else _explained(c, i, articles)
        if made is not None and not any(old.start < made.end and made.start < old.end for old in found):
            found.append(made)
    return found


def _in_brackets(c: Context, i: int) -> Named | None:
    """``revenue (quantity times unit price)``: the words right before the bracket are the name."""
    if i == c.starts[i] or c.tokens[i - 1].kind != "word":
        return None
    far = min(c.end(i), i + _LONGEST)
    close = next((j for j in range(i + 1, far) if c.low(j) == ")" and not _inner(c, i + 1, j)), None)
    body = _body(c, c.skip(i + 1, "the|that is|i.e.|=|is"), close) if close is not None else None
    first = i
    while (
        first > c.starts[i] and i - first < 2 and c.tokens[first - 1].kind == "word" and c.low(first - 1) not in _SKIP
    ):
        first -= 1
    if close is None or body is None or first == i or c.match(first, "by|per|and|in|for") is not None:
        if first < i and c.match(first, "by|per|and|in|for") is not None and first + 1 < i and body is not None:
            first += 1
        else:
            return None
    if close is None or body is None:
        return None
    return _made(c, first, i, close + 1, body, bracket=True, start=i)


def _inner(c: Context, start: int, j: int) -> bool:
    """Whether the bracket at `j` closes one that was opened after `start`."""
    depth = 0
    for at in range(start, j):
        depth += {"(": 1, ")": -1}.get(c.low(at), 0)
    return depth > 0


def _explained(c: Context, i: int, articles: Sequence[int]) -> Named | None:
    """``where NAME is BODY`` anywhere, ``NAME is BODY`` as a sentence; the name is used elsewhere in the statement."""
    opened = c.match(i, "where|with|, where|, with|and|,")
    at = c.skip(opened if opened is not None else i, "the")
    if opened is None and i != c.starts[i]:
        return None
    for size in (5, 4, 3, 2, 1):
        after = _owner(c, at + size) if at + size < c.end(i) else at
        means = c.match(after, _MEANS) if after < c.end(i) else None
        if means is None or any(token.kind != "word" for token in c.tokens[at : at + size]):
            continue
        ratio = _ratio(c, i, at, at + size, means)
        if ratio is not None:
            return ratio
        if size > 3 or after != at + size:
            continue
        stems = tuple(token.stem for token in c.tokens[at : at + size])
        if not _used(c, stems, i, c.end(i)) or _of_rows(c, stems, articles):
            return None
        body = _body(c, c.skip(means, "the|a"), c.end(i))
        return _made(c, at, at + size, body[0], body, bracket=False, start=i) if body is not None else None
    return None


def _owner(c: Context, i: int) -> int:
    """``pass rate of a course``, ``CR (completion rate)``: what stands between a name and its explanation."""
    if c.low(i) == "(":
        close = next((j for j in range(i, min(c.end(i), i + 8)) if c.low(j) == ")"), None)
        return close + 1 if close is not None else i
    of = c.match(i, "of a|of an|of each|of the|per|for a|for an|for each")
    link = c.table_at(of) if of is not None else None
    return link.end if link is not None else i


def _ratio(c: Context, i: int, first: int, last: int, means: int) -> Named | None:
    """``the refund rate is the number of … divided by the number of …``, as a whole sentence."""
    stems = tuple(token.stem for token in c.tokens[first:last])
    limit = c.end(i)
    found = ratio_at(c, means, limit) if _used(c, stems, i, limit) else None
    if found is None or c.skip(found.end, ".|,|;") < limit:
        return None
    name = slug("_".join(token.low for token in c.tokens[first:last]))
    measure = Measure(means, found.end, name, found.expression, found.table, stems, found.assumed)
    return Named(stems, i, limit, measure, found.uses)


def _used(c: Context, stems: tuple[str, ...], start: int, end: int) -> bool:
    size = len(stems)
    return any(
        tuple(token.stem for token in c.tokens[j : j + size]) == stems
        for j in range(len(c.tokens) - size + 1)
        if j < start or j >= end
    )


def _of_rows(c: Context, stems: tuple[str, ...], articles: Sequence[int]) -> bool:
    """``keep the plays with a watched_share of at least 0.5``: what rows are chosen by is a value of each row."""
    size = len(stems)
    for j in articles:
        if tuple(each.stem for each in c.tokens[j : j + size]) != stems:
            continue
        if c.low(j - 2) in {"with", "having", "have"} and comparison_at(c, c.skip(j + size, "of|is")) is not None:
            return True
    return False


_Body = tuple[int, Measure, tuple[Item, ...]]


def _body(c: Context, i: int, limit: int) -> _Body | None:
    """The explanation as a measure; all of it must be understood."""
    found = read_measure(c, i)
    made = [item for item in found.items if isinstance(item, Measure)] if found is not None else []
    if found is not None and len(made) == 1 and found.end <= limit:
        end, measure = found.end, made[0]
        uses = tuple(item for item in found.items if isinstance(item, Use))
    else:
        formula = formula_at(c, i)
        if formula is None or not formula.operators or formula.end > limit:
            return None
        end, uses = formula.end, ()
        measure = Measure(
            i, end, "", f"sum({formula.expression})", formula.table, (), "a formula of single rows is summed"
        )
    over = c.match(end, "over|across|of|for|in|among|over all|for all")
    about = c.table_at(c.skip(over, "the|all|each")) if over is not None else None
    behind = c.table_at(end - 1)
    if about is None and behind is not None and behind.end == end:
        about = behind  # `amount for transactions` was read as one
    if about is not None and about.end <= limit:
        end = about.end
        condition = condition_at(c, end, about=about.table, opened=c.low(end) in {"of", "with", "where", "that"})
        if condition is not None and condition.end <= limit:
            end = condition.end
            head, _, rest = measure.expression.partition("(")
            inner = rest[:-1]
            measure = replace(
                measure,
                expression=f"{head}(CASE WHEN {condition.expression} THEN {inner} END)",
                assumed=condition.assumed,
            )
        else:
            end = _lines_of(c, end, limit)
    return end, measure, uses


def _lines_of(c: Context, end: int, limit: int) -> int:
    """``over the lines of an order``: the second noun says for what."""
    of = c.match(end, "of an|of a|of each|of the|of every|per|of")
    link = c.table_at(of) if of is not None else None
    return link.end if link is not None and link.end <= limit else end


def _made(c: Context, first: int, last: int, end: int, body: _Body, *, bracket: bool, start: int) -> Named | None:
    stop = body[0]
    behind = end - 1 if bracket else min(c.end(start), len(c.tokens))
    if bracket and stop != behind:
        return None
    if (
        not bracket
        and stop < behind
        and c.low(stop) not in {",", ".", ";", "and", "per", "by", "for", "in", "of", "over"}
    ):
        return None
    tokens = c.tokens[first:last]
    name = slug("_".join(token.low for token in tokens))
    table = body[1].table or next((ref.table for ref in refs_in(body[1].expression)), "")
    measure = replace(body[1], name=name, table=table, words=tuple(token.stem for token in tokens))
    return Named(tuple(token.stem for token in tokens), start, end if bracket else stop, measure, body[2], bracket)


def named_at(c: Context, i: int) -> tuple[int, Named] | None:
    """The explained name at token `i`, and where it ends."""
    for named in sorted(c.named, key=lambda item: -len(item.stems)):
        size = len(named.stems)
        if tuple(token.stem for token in c.tokens[i : i + size]) == named.stems and i + size <= c.end(i):
            return i + size, named
    return None


def read_named(c: Context, i: int) -> Found | None:
    """The name where it is used, or the passage that explains it."""
    for named in c.named:
        if named.start == i and not named.bracket:
            return Found(named.end, "comment", (Note(i, named.end),))
    at = c.skip(i, "the|total|sum of|sum of the|their|its|overall")
    found = named_at(c, at)
    if found is None:
        return None
    end, named = found
    if any(isinstance(item, Measure) and item.expression == named.measure.expression for item in c.items):
        return Found(_past(c, end, named), "measure", (Note(i, end),))
    end = _past(c, end, named)
    percent = c.match(end, "in percent|as a percentage|in %|in percentage|( in percent )|( % )|as percentage")
    measure = named.measure
    if percent is not None and " / " in measure.expression and not measure.expression.startswith("100"):
        end, measure = percent, replace(measure, expression=f"100 * {measure.expression}")
    return Found(end, "measure", (*named.uses, replace(measure, start=i, end=end)))


def _past(c: Context, end: int, named: Named) -> int:
    return named.end if named.bracket and named.start == end else end
