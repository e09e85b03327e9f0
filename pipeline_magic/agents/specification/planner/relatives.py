"""Relations said in other ways: ``Who …``, ``only those that …``, ``whose orders were all …``, keys that are not in ….

Also here: what becomes of a relation where more is asked of the other table. The plain form is read by `relations`.
"""

from __future__ import annotations

from dataclasses import replace

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.draft import tables_of
from pipeline_magic.agents.specification.planner.entities import TableInfo
from pipeline_magic.agents.specification.planner.intent import (
    Change,
    Derive,
    Exists,
    Filter,
    Flag,
    Group,
    Item,
    JoinWish,
    Keep,
    Latest,
    Measure,
    Segment,
    Selected,
    Top,
    Use,
    Windowed,
    measures_in,
    refs_in,
)
from pipeline_magic.agents.specification.planner.lexicon import FILLER, STOP
from pipeline_magic.agents.specification.planner.predicates import condition_at
from pipeline_magic.agents.specification.planner.relations import RELATIVES, only_these, relation, subject_of

__all__ = ["joined_instead", "read_among", "read_those", "read_who", "read_whole"]

_DROPPED = (
    "leave out|exclude|excluding|except|except for|without|drop|remove|skip|ignore|leaving out|omit|not|filter out|"
    "but not|no|leave away"
)
_KEPT = "only|keep only|but only|show only|only keep|consider only|just|keep|limit it to|limit this to|restrict to"
_THOSE = "everyone|everybody|anyone|anybody|those|the ones|all|ones|people|any"


def read_those(c: Context, i: int) -> Found | None:
    """``leave out everyone who watched something``, ``Only those that have unpaid invoices``: the rows named first."""
    dropped = c.match(i, _DROPPED)
    kept = c.match(i, _KEPT) if dropped is None else None
    start = dropped if dropped is not None else kept
    those = c.match(start, _THOSE) if start is not None else None
    uses = c.of(Use)
    if those is None or not uses or c.low(those) not in RELATIVES | {"with", "without"}:
        return None
    subject = next((use.table for use in uses if c.linker.tables[use.table].key), uses[0].table)
    found = relation(c, those, subject)
    if found is None:
        return None
    exists = found.items[0]
    if not isinstance(exists, Exists):
        return None
    turned = exists.negated != (dropped is not None)
    return Found(found.end, "join", (replace(exists, start=i, negated=turned),))


def read_whole(c: Context, i: int) -> Found | None:
    """``whose orders were all completed``: with some rows, and none of which it is not true."""
    whose = c.match(i, "whose|all of whose|with all|where all|of which all")
    link = c.table_at(c.skip(whose, "the|their|its|of")) if whose is not None else None
    subject = subject_of(c, i)
    if link is None or subject is None or link.table.name == subject:
        return None
    are = c.match(link.end, "are all|were all|have all been|all have|all had|are always|were always|all are|all were")
    are = c.match(link.end, "are|were|have|had|have been") if are is None and "all" in c.low(i).split() else are
    if are is None:
        return None
    condition = condition_at(c, are, about=link.table, opened=True)
    path = c.graph.path([subject], link.table.name)
    if condition is None or not path or measures_in(condition.expression):
        return Found(link.end, "unmatched")
    return only_these(i, condition.end, subject, link.table.name, (condition.expression,))


_AMONG = (
    "in|among|amongst|one of|part of|found in|listed in|present in|contained in|known in|known to|exist in|exists in|"
    "appear in|appears in|occur in|occurs in|be found in|existing in|match|matches|to be found in|recorded in|on"
)
_NOTS = "does not|do not|is not|are not|was not|doesn't|don't|isn't|aren't|never|not|can not|cannot|did not|were not"
_ARE = "does|do|is|are|was|were|can be"


def read_among(c: Context, i: int) -> Found | None:
    """``whose customer key does not exist in the customer table``: a column against the key of another table."""
    at = c.match(i, "whose|where the|where|with a|with|for which the|having a")
    link = c.linker.column_at(at, least=0.45) if at is not None else None
    if link is None or link.end > c.end(i):
        return None
    negated = c.match(link.end, _NOTS)
    start = negated if negated is not None else c.match(link.end, _ARE)
    among = c.match(start, _AMONG) if start is not None else None
    other = c.table_at(c.skip(among, "the|our|any|any of the|one of the|table|known")) if among is not None else None
    if other is None or len(other.table.key) != 1:
        return None
    subject = subject_of(c, i)
    column = link.column
    if subject is not None and column.ref.table != subject:
        own = [each for each in link.others if each.ref.table == subject]
        near = c.linker.column_at(link.start, tables=(subject,), least=0.45)
        column = own[0] if own else near.column if near is not None and near.end == link.end else column
    key = other.table.column(other.table.key[0])
    if key is None or column.ref.table == other.table.name or {column.kind, key.kind} - {"text", "number"}:
        return None
    end = c.skip(other.end, "table|tables|list|at all|any more|anymore")
    pair = (column.name, key.name)
    kept = Exists(i, end, column.ref.table, other.table.name, (), negated is not None, "", "", pair)
    return Found(end, "join", (Use(i, link.end, column.ref.table), kept))


def read_who(c: Context, i: int) -> Found | None:
    """``Who gave a rating …?``: the one table of people, where a sentence asks for nobody else."""
    if (
        c.low(i) not in {"who", "whoever"}
        or c.low(i + 1) in {"is", "are", "was", "were"}
        or any(c.starts[item.start] == c.starts[i] for item in c.items)
    ):
        return None
    if any(c.tokens[j].kind == "word" and c.low(j) not in FILLER | STOP for j in range(c.starts[i], i)):
        return None
    people = [c.linker.tables[name] for name in c.linker.near if _of_people(c.linker.tables[name])]
    linked = [table for table in people if any(c.graph.links(table.name, name) for name in c.linker.scope)]
    found = people if len(people) == 1 else linked
    return Found(i + 1, "source", (Use(i, i + 1, found[0].name),)) if len(found) == 1 else None


def _of_people(table: TableInfo) -> bool:
    words = [set(column.words) for column in table.columns]
    named = any("name" in each and each & {"full", "first", "last"} for each in words)
    return named or (
        any("email" in each or "birth" in each for each in words) and any("name" in each for each in words)
    )


def joined_instead(items: list[Item]) -> list[Item]:
    """Where more is asked of the other table, its rows are joined and filtered rather than only looked for."""
    made = list(items)
    for item in [each for each in items if isinstance(each, Exists)]:
        rest = [other for other in made if isinstance(other, _SHOWING)]
        used = {name for other in rest for name in (*tables_of(other), getattr(other, "table", ""))}
        used |= {other.entity for other in rest if isinstance(other, (Group, Top))}
        uses = [other for other in made if isinstance(other, Use) and other.table == item.other]
        place = made.index(item)
        if item.other in used and not item.negated:
            filters = [Filter(item.start, item.end, text, item.assumed) for text in item.conditions]
            made[place : place + 1] = [Use(item.start, item.end, item.other), *filters]
        elif item.other not in used and uses:
            own = [other for other in made if isinstance(other, Filter) and set(_tables(other)) == {item.other}]
            texts = tuple(dict.fromkeys([*item.conditions, *(other.expression for other in own)]))
            made[place] = replace(item, conditions=texts)
            wishes = [other for other in made if isinstance(other, JoinWish) and item.other in other.tables]
            made = [other for other in made if other not in uses and other not in own and other not in wishes]
    return made


_SHOWING = (Measure, Selected, Group, Derive, Top, Latest, Windowed, Segment, Flag, Change, Keep)


def _tables(item: Filter) -> list[str]:
    return [] if measures_in(item.expression) else [ref.table for ref in refs_in(item.expression)]
