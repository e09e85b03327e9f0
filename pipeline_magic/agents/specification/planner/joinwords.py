"""Reading and joining tables, in words: ``join flights with airlines``, ``keeping flights whose plane is unknown``."""

from __future__ import annotations

import re
from typing import Literal

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.idioms import state_at
from pipeline_magic.agents.specification.planner.intent import Filter, Item, JoinWish, Keep, Use, col
from pipeline_magic.agents.specification.planner.text import lemmas

__all__ = ["read_join", "read_keep", "read_lacking", "read_sources"]

_READ = ("read", "load", "take", "use", "ingest", "pull", "fetch", "start", "extract", "import", "source")
_JOIN = (
    "join",
    "combine",
    "enrich",
    "merge",
    "link",
    "match",
    "connect",
    "add",
    "attach",
    "lookup",
    "join",
    "left",
    "inner",
)
_BETWEEN = (
    "with|from|and|to|,|, and|the|from|data|table|tables|records|together|against|onto|plus|all|"
    "both|dataset|datasets|details|information|info|as well as|their|its|rows|to the"
)
_HOW = {"left": "left", "inner": "inner", "full": "full", "right": "right", "outer": "full"}


def _tables(c: Context, i: int) -> tuple[int, list[Use], list[Item]]:
    """Tables in a row, with the words between them; keep-phrases in between are read too."""
    uses: list[Use] = []
    extra: list[Item] = []
    end = at = i
    while at < c.end(i):
        at = c.skip(at, _BETWEEN)
        keep = read_keep(c, at)
        if keep is not None:
            extra += keep.items
            end = at = keep.end
            continue
        link = c.table_at(at) if at < c.end(i) else None
        if link is None:
            break
        uses.append(Use(link.start, link.end, link.table.name, read=True))
        end = at = link.end
    return c.skip(end, "data|table|tables|datasets|dataset"), uses, extra


def read_sources(c: Context, i: int) -> Found | None:
    """``Reads customer and order data``."""
    if not c.verb(i, *_READ):
        return None
    at = c.skip(i + 1, "in|with|from|the|data|on|of|all|table|tables")
    end, uses, extra = _tables(c, at)
    return Found(end, "source", (*uses, *extra)) if uses else None


def read_join(c: Context, i: int) -> Found | None:
    """``joins them``, ``left join orders to customers``, ``enrich orders with customers on o_custkey = c_custkey``."""
    start, how = i, None
    if c.low(i) in _HOW and (c.verb(i + 1, "join") or c.low(i + 1) == "outer"):
        how = _HOW[c.low(i)]
        i = i + 1 if c.verb(i + 1, "join") else i + 2
    if not c.verb(i, "join", "combine", "enrich", "merge", "link", "match", "connect", "attach"):
        return None
    if c.verb(i, "merge") and c.low(i + 1) in {"on", "by", "into"}:
        return None
    at = c.skip(i + 1, "the|all|both|each|every|each of the")
    brought = _brought(c, start, i)
    if brought is not None:
        return brought
    pronoun = c.match(
        at, "them|these|those|it|the two|the three|the tables|both|tables|all of them|these tables|all three|together"
    )
    if pronoun is not None:
        end = c.skip(pronoun, "together|tables|all")
        return Found(end, "join", (JoinWish(start, end, how=_how(how)),))
    end, uses, extra = _tables(c, at)
    if not uses:
        return None
    keys, end = _on(c, end)
    for word, phrases in (
        ("inner", "with an inner join|using an inner join|( inner join )|by inner join"),
        ("left", "with a left join|using a left join|( left join )|by left join"),
    ):
        after = c.match(end, phrases)
        if after is not None:
            how, end = word, after
    wish = JoinWish(start, end, tuple(use.table for use in uses), _how(how), keys)
    return Found(end, "join", (*uses, *extra, wish))


def _brought(c: Context, start: int, i: int) -> Found | None:
    """``enrich them with the customer name and nation name``: columns of other tables are joined to the rows."""
    if not c.verb(i, "enrich"):
        return None
    at = c.skip(i + 1, "the|each|it|them|these|those|every|orders|rows|this|result")
    link = c.table_at(at)
    following = c.match(link.end if link is not None else at, "with the|with their|with its|with")
    uses = [Use(link.start, link.end, link.table.name, read=True)] if link is not None else []
    end = following
    while following is not None:
        column = c.linker.column_at(c.skip(following, "the|their|its"), least=0.8)
        if column is None or column.end > c.end(i):
            break
        uses.append(Use(following, column.end, column.ref.table, read=True))
        end = column.end
        following = c.match(end, ", and the|, and|and the|and|,")
    if end is None or len(uses) < (2 if link is not None else 1):
        return None
    return Found(end, "join", (*uses, JoinWish(start, end)))


def _how(word: str | None) -> Literal["inner", "left", "right", "full"] | None:
    return word if word in {"inner", "left", "right", "full"} else None  # type: ignore[return-value]  # narrowed by the test


def _on(c: Context, end: int) -> tuple[tuple[tuple[str, str], ...], int]:
    """``on o_custkey = c_custkey``, ``using tailnum``, ``by carrier``."""
    at = c.match(end, "on|using|by|on the|via|through")
    if at is None:
        return (), end
    left = c.linker.column_at(at, least=0.95)
    if left is None or left.end > c.end(at):
        return (), end
    after = c.match(left.end, "=|==|equals|and|to")
    right = c.linker.column_at(after, least=0.95) if after is not None else None
    if right is not None and c.low(left.end) in {"=", "==", "equals"}:
        return ((left.column.name, right.column.name),), right.end
    return ((left.column.name, left.column.name),), left.end


_KEEP = (
    "keeping|keep|including|include|retaining|retain|preserving|preserve|also include|also keep|but "
    "keep|and keep|even|not losing|without losing|not dropping|don't lose|do not lose|do not drop|"
    "don't drop"
)
_LACK = (
    "without|with no|having no|have had no|has had no|that have had no|which have had no|that has no|"
    "have no|has no|that have no|who have no|which have no|that do not have|who do not have|"
    "that don't have|who don't have|that lack|that had no|who never placed|that are not in|"
    "without matching|with no matching|who have not placed|that have never placed|who placed no|"
    "even without|even with no|even if they have no|even when they have no|but no|but without|but without any|"
    "that aren't in|that are not in|which are not in|which aren't in|not in|missing from|missing in|not found in|"
    "that do not exist in|that don't exist in|absent from|not present in|but have no|but has no|but do not have|"
    "but had no|"
    "that were never in|who have not|which have not|that have not"
)
_HAVE = (
    "with|that have|who have|having|which have|having had|that placed|who placed|that had|which "
    "have|with at least one|that have at least one|who have at least one|with matching|that have "
    "matching|who have placed|who made|that made"
)


def read_keep(c: Context, i: int) -> Found | None:
    """Which rows stay without a partner: ``keeping flights whose plane is unknown``, ``only customers with orders``."""
    keep = c.match(i, _KEEP)
    only = c.match(
        i,
        (
            "only keep|keep only|only include|only|but only|drop|exclude|excluding|except for|except|"
            "dropping|ignoring|ignore|leaving out|without"
        ),
    )
    at = c.skip(only or keep or i, "all|also|the|those|even|only|any|of|every")
    if at == i or (only is None and keep is None and not {"also", "even"} & {c.low(j) for j in range(i, at)}):
        return None  # `a list of customers who never ordered` keeps none beside others: they are what is asked for
    table = c.table_at(at)
    if table is None:
        return None
    after = table.end
    lack = c.match(after, _LACK)
    have = c.match(after, _HAVE) if lack is None else None
    if c.match(after, "whose") is not None:
        other = c.table_at(after + 1)
        gone = (
            c.match(c.skip(other.end, "is|are|was"), "unknown|missing|not known|not found|absent|not listed")
            if other is not None
            else None
        )
        if other is None or gone is None:
            return None
        return _keep(i, gone, table.table.name, other.table.name, "left" if only is None else "inner")
    found = lack or have
    other = c.table_at(c.skip(found, "any|a|an|at|least|one|matching|the|some|more")) if found is not None else None
    if other is None or other.table.name == table.table.name:
        return None
    dropped = only is not None and c.low(i) not in {"only", "keep", "but"}
    if lack is not None:
        how: Literal["left", "inner", "anti", "semi"] = "inner" if dropped else "anti" if only is not None else "left"
    else:
        how = "anti" if dropped else "inner"
        if keep is not None and only is None:
            return None
    return _keep(
        i,
        other.end,
        table.table.name,
        other.table.name,
        how,
        Use(table.start, table.end, table.table.name),
        Use(other.start, other.end, other.table.name),
    )


def _never_done(c: Context, i: int) -> Found | None:
    """``books that have never been loaned``: a table is called by the verb; or a date says that it was done."""
    at = c.match(i, "that have|which have|who have|that has|that were|which were|have|has|had|were|was|are")
    negated = c.match(at, "never been|not been|never|not|not yet been|n't been") if at is not None else None
    done = c.match(at, "been") if at is not None and negated is None else None
    verb = negated if negated is not None else done
    if verb is None or verb >= c.end(i) or not re.fullmatch(r"\w+(?:ed|en)|sold|made|paid|sent", c.low(verb)):
        return None
    forms = lemmas(c.low(verb)) - {c.low(verb)} | ({"sale"} if c.low(verb) == "sold" else set())
    done_by = forms | {c.low(verb)}
    subject = next((u.table for u in reversed(c.of(Use)) if c.starts[u.start] == c.starts[i]), None)
    if subject is None:
        return None
    for name in c.linker.near:
        table = c.linker.tables[name]
        if name != subject and forms & set(table.words) and c.graph.links(subject, name):
            how: Literal["anti", "semi"] = "anti" if negated is not None else "semi"
            return Found(verb + 1, "join", (Keep(i, verb + 1, subject, name, how),))
    dates = [column for column in c.linker.tables[subject].of_kind("date", "timestamp") if done_by & set(column.words)]
    if len(dates) != 1:
        return None
    test = "IS NULL" if negated is not None else "IS NOT NULL"
    reason = f"{c.low(verb)} is read from {dates[0].name}"
    return Found(verb + 1, "filter", (Filter(i, verb + 1, f"{col(dates[0].ref)} {test}", reason),))


def read_lacking(c: Context, i: int) -> Found | None:
    """``customers … without orders``, ``cars that have no sales records``: those of the table named before."""
    done = _never_done(c, i)
    if done is not None:
        return done
    at = c.match(i, _LACK)
    how: Literal["anti", "semi"] = "anti"
    if at is None:
        at = c.match(
            i,
            (
                "with at least one|that have at least one|who have at least one|having at least one|that have "
                "any|who have placed|that have placed|who placed at least one|who have a|who has a|that have a|"
                "having a|who own a|who took a|who have an|that have an|who own an|that had a|who had a|which had a|"
                "that had an|who had an|having both a|having both|that have both a|who have both a|with both a|"
                "having an"
            ),
        )
        how = "semi"
    start = c.skip(at, "any|a|an|matching|the|single") if at is not None else None
    state = state_at(c, start, None) if start is not None else None
    inside = state.end if start is not None and state is not None and c.table_at(state.end) is not None else None
    other = c.table_at(inside if inside is not None else start) if start is not None else None
    if other is None or start is None:
        return None
    subject = next(
        (u.table for u in reversed(c.of(Use)) if u.table != other.table.name and c.starts[u.start] == c.starts[i]), None
    )
    if subject is None or c.graph.ambiguous(c.graph.path([subject], other.table.name) or (), c.linker.scope):
        return None
    end = c.skip(other.end, "records|record|rows|entries|at all|table")
    items: list[Item] = [Keep(i, end, subject, other.table.name, how)]
    if state is not None and inside is not None:
        items.append(Filter(start, other.end, state.expression, state.assumed))
    return _and_more(c, i, end, subject, other.table.name, items)


def _and_more(c: Context, i: int, end: int, subject: str, first: str, items: list[Item]) -> Found:
    """``… a loan and a savings account``, ``… an alert and no maintenance job``: a second table of the same kind."""
    lacking = c.match(end, "and no|but no|and without|but without|and without any|and have no|but have no|and never a")
    having = c.match(end, "and a|and an|as well as a") if lacking is None else None
    start = lacking if lacking is not None else having
    if start is None or not any(isinstance(item, Keep) and item.how == "semi" for item in items):
        return Found(end, "join", tuple(items))
    state = state_at(c, start, None)
    inside = state.end if state is not None and c.table_at(state.end) is not None else None
    other = c.table_at(inside if inside is not None else start)
    if other is None or other.table.name in {subject, first}:
        return Found(end, "join", tuple(items))
    how: Literal["anti", "semi"] = "anti" if lacking is not None else "semi"
    items.append(Keep(i, other.end, subject, other.table.name, how))
    if state is not None and inside is not None:
        items.append(Filter(start, other.end, state.expression, state.assumed))
    return Found(other.end, "join", tuple(items))


def _keep(
    start: int, end: int, table: str, other: str, how: Literal["left", "inner", "anti", "semi"], *uses: Use
) -> Found:
    return Found(end, "join", (*uses, Keep(start, end, table, other, how)))
