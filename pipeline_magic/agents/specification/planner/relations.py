"""Who has, or lacks, a row of another table: ``with an order in 2025 but no returns``, ``who never bought a tent``.

A relation is read by its parts: what opens it (`with`, `who`, `but`), a negation, a verb, how many, states of the other
table, the table, and what is said of its rows. The verb alone may name the table (``ordered``, ``returned nothing``).
Not here: counts (``with more than 3 orders``), and things told apart by values alone (`bothsides`).
"""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.doings import value_of
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, TableInfo
from pipeline_magic.agents.specification.planner.idioms import state_at, wide_state_at
from pipeline_magic.agents.specification.planner.intent import (
    Exists,
    Selected,
    Use,
    measures_in,
    refs_in,
)
from pipeline_magic.agents.specification.planner.linking import TableLink
from pipeline_magic.agents.specification.planner.predicates import condition_at
from pipeline_magic.agents.specification.planner.text import lemmas
from pipeline_magic.agents.specification.planner.things import called_at, done_or_not
from pipeline_magic.agents.specification.planner.values import Condition, comparison_at

__all__ = ["RELATIVES", "only_these", "read_relation", "relation", "subject_of", "table_of_verb"]

RELATIVES = {"who", "that", "which"}
_HAVE = {"with", "having", "holding", "owning", "have", "has", "had", "hold", "holds", "held", "own", "owns", "owned"}
_LACK = {"without", "lacking", "lack", "lacks"}
_AUX = {"have", "has", "had", "do", "does", "did", "are", "is", "was", "were", "been", "be"}
_NOT = {"not", "never", "don't", "doesn't", "didn't", "haven't", "hasn't", "hadn't", "aren't", "isn't", "weren't"}
_ADVERBS = {"ever", "yet", "also", "already", "actually", "even"}
_ONE = "both a|both an|at least one|at least a|at least 1|one or more|1 or more|a single|any|some|an|a|one"
_NONE = "no|zero|0|not a single|not one|not any|none of the"
_ALONE = {"only", "just", "exclusively", "solely", "merely"}
_THING = "something|anything|at all|one|any|it|things|us|here|from us|with us"
_IRREGULAR = {
    "bought", "made", "took", "taken", "sold", "sent", "paid", "got", "gave", "given", "wrote", "written", "won", "ran",
    "run", "saw", "seen", "held", "kept", "left", "did", "done", "told", "brought", "taught", "met", "began", "spoken",
    "shown", "grown", "known",
}  # fmt: skip
_BASE = {"buy", "order", "place", "make", "own", "use", "take", "return", "purchase", "visit", "pay"}
_DONE = {"filed", "made", "placed", "recorded", "registered", "created", "raised", "found", "given", "issued", "booked"}
_PURCHASE = {"buy", "bought", "purchase", "sell", "sold", "shop"}


def read_relation(c: Context, i: int) -> Found | None:
    """One relation, behind the table that it is about or behind another relation of the same table."""
    subject = subject_of(c, i)
    return relation(c, i, subject) if subject is not None else None


def relation(c: Context, i: int, subject: str) -> Found | None:
    opened = _opened(c, i)
    if opened is None:
        return None
    at, negated, verb, bare = opened
    made = _other(c, at, verb, subject)
    if made is None:
        return None
    end, other, conditions, none, certain = made
    negated = negated != none
    via = table_of_verb(c, verb, subject) if verb else None
    through = via.name if via is not None and via.name != other.name else ""
    path = c.graph.path([subject], other.name, [through] if through else ())
    if other.name == subject or not path or c.graph.ambiguous(path, [*c.linker.scope, through]):
        return None
    if bare and not negated and not certain and path[0].one in {"right", "both"}:
        return None  # `orders with customers` brings them in; `customers with orders` have some
    end, conditions, assumed = _said_of(c, end, other, subject, conditions)
    if end < c.end(i) and c.low(end) == "or":
        return Found(end, "unmatched")  # one of two relations: which rows are meant is not read
    more = condition_at(c, end, about=other)
    if not _closed(c, end) or (more is not None and _of_groups(more.expression)):
        return None
    between = [c.linker.tables[link.right] for link in path if link.right != other.name]
    if verb and any(value_of(verb, table) is not None for table in between):
        return Found(end, "unmatched")  # `who dropped a course`, where enrolments are dropped: of which is not said
    deed = value_of(verb, other) if verb else None
    if deed is not None and deed not in conditions:
        conditions = [*conditions, deed]
    texts = tuple(dict.fromkeys(conditions))
    if any(c.low(j) in _ALONE for j in range(i, at)):
        return only_these(i, end, subject, other.name, texts) if not negated else Found(end, "unmatched")
    return Found(end, "join", (Exists(i, end, subject, other.name, texts, negated, assumed, through),))


def only_these(i: int, end: int, subject: str, other: str, texts: tuple[str, ...]) -> Found:
    """``with only cancelled orders``: with some, and with none that is not."""
    if len(texts) != 1:
        return Found(end, "unmatched")
    rest = (f"NOT coalesce({texts[0]}, false)",)
    some, none = Exists(i, end, subject, other), Exists(i, end, subject, other, rest, True)
    return Found(end, "join", (some, none))


def subject_of(c: Context, i: int) -> str | None:
    """The table that a relation at `i` is about: named last before it, or what the relation before it is about."""
    last = c.items[-1] if c.items else None
    if isinstance(last, Exists) and last.end >= i - 2 and c.starts[last.start] == c.starts[i]:
        return last.subject
    uses = [item for item in c.items if isinstance(item, Use) and c.starts[item.start] == c.starts[i]]
    if (
        isinstance(last, Selected)
        and last.end == i
        and c.low(i) in RELATIVES
        and uses
        and last.ref.table != uses[-1].table
    ):
        return None  # `the name of the doctor who saw the patient` says more of the doctor
    return uses[-1].table if uses else None


def _opened(c: Context, i: int) -> tuple[int, bool, str, bool] | None:
    """What opens a relation: where it goes on, whether it is negated, its verb, and whether it is a mere ``with``."""
    at = c.skip(i, ",")
    joined = at < c.end(i) and c.low(at) in {"and", "but", "yet", "though"}
    at = at + 1 if joined else at
    whom = c.match(at, "for which|for whom|of which|on which|where|in which")
    if whom is not None and c.match(whom, f"{_NONE}|a|an|any|at least one") is not None:
        return whom, False, "", False
    related = c.low(at) in RELATIVES and at < c.end(i)
    at = at + 1 if related else at
    nobody = c.match(at, "nobody|no one|no - one|no customer|no user|no person")
    related, at = (True, nobody) if nobody is not None else (related, at)
    negated, having, verb = nobody is not None, False, ""
    last = c.items[-1] if c.items else None
    again = isinstance(last, Exists) and last.end == i and c.match(at, "a|an|at least one") is not None
    if joined and not related and (again or c.match(at, _NONE) is not None):
        return at, False, "", False
    related = related or c.low(i - 1) in {"who", "whoever"}
    while at < min(c.end(i), i + 9):
        low = c.low(at)
        if low in _NOT:
            negated = True
        elif low in _LACK:
            negated, having = not negated, True
        elif low in _HAVE and (low != "with" or not having):
            having = True
        elif low in _ALONE and c.low(at + 1) not in {"one", "a", "1"}:
            having = having or related
        elif not (low in _AUX or (low in _ADVERBS and (negated or having or related))):
            break
        at += 1
    bare = c.low(at - 1) in {"with"} and not negated and not related
    if at >= c.end(i) or (not having and not related and not negated and not joined):
        return None
    low = c.low(at)
    verbal = c.tokens[at].kind == "word" and not c.match(at, f"{_ONE}|{_NONE}") and _verbal(low, negated or related)
    stated = state_at(c, at, None) or _done(c, at) if verbal else None
    if stated is not None and c.table_at(stated.end) is not None and not related:
        verbal = False  # `with cancelled orders`: what the rows are, and not what was done
    if verbal and (c.table_at(at) is None or low != c.tokens[at].stem or negated or related):
        verb, at = low, at + 1
    if not having and not verb:
        return None
    return at, negated, verb, bare


def _verbal(low: str, plain: bool) -> bool:
    """A participle or a past; where a helper or a relative stands before it, any form of a word of letters."""
    if re.fullmatch(r"\w{2,}ed|\w{3,}en", low) or low in _IRREGULAR:
        return True
    return plain and low in {
        "buy",
        "order",
        "place",
        "make",
        "own",
        "use",
        "take",
        "return",
        "purchase",
        "visit",
        "pay",
    }


_Other = tuple[int, TableInfo, list[str], bool, bool]


def _other(c: Context, at: int, verb: str, subject: str) -> _Other | None:
    """The other table, named behind the verb or by it; `certain` where a word says how many rows are meant."""
    none = c.match(at, _NONE)
    one = c.match(at, _ONE) if none is None else None
    start = none if none is not None else one if one is not None else at
    if c.low(start) in {"their", "its", "his", "her"} or (c.low(start) == "the" and not verb):
        return None
    named = c.table_at(start + 1) if c.low(start) == "the" else None
    if c.low(start) == "the" and (named is None or called_at(c, named.end, named.table) is None):
        return None  # `who saw the patient` speaks of the one that is there
    start = c.skip(start, "the") if verb else start
    if c.low(start) in {"every", "each", "all"}:
        return None  # `who bought every product` is about all of them together
    if comparison_at(c, start) is not None or (start < c.end(at - 1) and c.tokens[start].kind == "number"):
        return None
    states: list[Condition] = []
    where = c.skip(start, "matching|single|such")
    link = c.table_at(where)
    if link is None:
        while (state := state_at(c, where, None) or _done(c, where)) is not None:
            states.append(state)
            where = c.skip(state.end, "and|or|,") if c.low(state.end) in {"or"} else state.end
            if c.low(state.end) == "or":
                return None
        link = c.table_at(where) if states else None
    if link is not None and not link.others and _whole(c, link, start == at and none is None):
        if any({ref.table for ref in refs_in(state.expression)} != {link.table.name} for state in states):
            return None
        conditions = [state.expression for state in states]
        return link.end, link.table, conditions, none is not None, none is not None or one is not None
    if not verb:
        return None
    table = table_of_verb(c, verb, subject)
    if table is None:
        return None
    nothing = c.match(at, "nothing|none|by nobody|by no one|by no - one")
    end = nothing if nothing is not None else c.skip(at, _THING)
    by = c.match(end, "by a|by an|by any|by anyone|by anybody|by someone|by somebody")
    if by is not None:
        end = by if c.low(by - 1) not in {"a", "an", "any"} else by + 1
    return end, table, [], nothing is not None, True


def _done(c: Context, i: int) -> Condition | None:
    """``unpaid`` before the table of the invoices."""
    link = c.table_at(i + 1)
    return done_or_not(c, i, link.table) if link is not None and i < c.end(i - 1) else None


def _whole(c: Context, link: TableLink, bare: bool) -> bool:
    """The words name the table, and not one of its columns (``with customer name``, ``without order date``)."""
    column = c.linker.column_at(link.start, least=0.8)
    if column is not None and column.end > link.end:
        return False
    plural = c.tokens[link.end - 1].low != c.tokens[link.end - 1].stem
    return plural or not bare


def table_of_verb(c: Context, verb: str, subject: str) -> TableInfo | None:
    """The table whose name has the root of a verb: ``ordered`` the orders, ``shipped`` the shipments."""
    forms = {form for form in lemmas(verb) if len(form) > 2}
    forms |= {"order", "sale", "purchase"} if forms & _PURCHASE else set()
    roots = {re.sub(r"(?:ied|ed|en|e|ing|y)$", "", form) for form in forms}
    fitting: list[tuple[int, int, TableInfo]] = []
    for name in c.linker.near:
        table = c.linker.tables[name]
        if name == subject:
            continue
        same = any(word in forms for word in (*table.words, table.called))
        same = same or _told(table, forms)
        derived = any(len(root) > 3 and word.startswith(root) for root in roots for word in table.words)
        path = c.graph.path([subject], name) if same or derived else None
        if path:
            fitting.append((len(path), len(table.words), table))
    fitting.sort(key=lambda found: (found[0], found[1], found[2].name))
    if len(fitting) > 1 and fitting[0][:2] == fitting[1][:2]:
        return None
    return fitting[0][2] if fitting else None


def _of_third(c: Context, end: int, other: TableInfo, subject: str) -> tuple[int, list[str]]:
    """``returned by customers from Germany``, ``accounts of high risk clients``: what the other's rows belong to."""
    at = c.match(end, "by|of|from|for|at|in|to|belonging to|on")
    at = c.skip(at, "the|a|an|any|our") if at is not None else None
    if at is None or at >= c.end(end - 1):
        return end, []
    state = wide_state_at(c, at)
    link = c.table_at(at) or (c.table_at(c.skip(state.end, "risk")) if state is not None else None)
    if link is None or link.table.name in {other.name, subject}:
        return end, []
    if link.start == at and c.low(at - 1) in {"a", "an", "any"} and _closed(c, link.end):
        return link.end, []  # `enrolled in any course`: the rows between say that there is one
    path = c.graph.path([other.name], link.table.name)
    if not path or not all(each.one in {"right", "both"} for each in path):
        return end, []
    made = [state.expression] if state is not None and link.start >= state.end else []
    stop = link.end
    behind = condition_at(c, stop, about=link.table)
    if behind is not None and not measures_in(behind.expression) and not _opens_relation(c, stop):
        made.append(behind.expression)
        stop = behind.end
    fitting = all({ref.table for ref in refs_in(text)} == {link.table.name} for text in made)
    return (stop, made) if fitting and made else (end, [])


def _told(table: TableInfo, forms: set[str]) -> bool:
    """The comment of a column that points elsewhere says the verb: ``Customer who ordered``, ``What was watched``."""
    pointers = [column for column in table.columns if column.is_key_like and column.name not in table.key]
    told = (
        re.findall(r"[a-z]+", column.comment.casefold())
        for column in table.schema.columns
        if column.name in _names(pointers)
    )
    return any(forms & set(lemmas(word)) for words in told for word in words if _verbal(word, False))


def _names(columns: list[ColumnInfo]) -> set[str]:
    return {column.name for column in columns}


def _said_of(c: Context, end: int, other: TableInfo, subject: str, conditions: list[str]) -> tuple[int, list[str], str]:
    """Conditions behind the other table that are about its rows."""
    assumed, made = "", list(conditions)
    called = called_at(c, end, other)
    if called is not None:
        made.append(called.expression)
        end = called.end
    while end < c.end(end - 1):
        at = c.skip(end, "that|which|who|at all")
        found = condition_at(c, at, about=other) or (condition_at(c, end, about=other) if at > end else None)
        if found is None or found.end <= at or _opens_relation(c, end) or _of_groups(found.expression):
            break
        made.append(found.expression)
        end, assumed = found.end, assumed or found.assumed
    end, further = _of_third(c, end, other, subject)
    made += further
    end = c.skip(end, "at all|yet|so far|ever|exists|exist|is there")
    if (
        c.match(end, "was|were|has been|have been") is not None
        and c.low(c.skip(end, "was|were|has been|have been")) in _DONE
    ):
        end = c.skip(end, "was|were|has been|have been") + 1
    return end, made, assumed


def _of_groups(expression: str) -> bool:
    """It compares with a measure of the statement; the average of all rows is none."""
    return any("_of_all_" not in name for name in measures_in(expression))


def _opens_relation(c: Context, i: int) -> bool:
    return c.low(i) in {"but", "and", "without", ","}


def _closed(c: Context, end: int) -> bool:
    """Nothing stands behind it that would say more of the same rows and was not read."""
    return c.low(end) not in {"or", "nor", "than", "where", "whose"} or end >= c.end(end - 1)
