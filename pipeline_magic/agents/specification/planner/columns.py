"""New columns, and columns to be shown: ``add net price as extended price * (1 - discount)``, ``with columns a, b``."""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.doings import tells_which
from pipeline_magic.agents.specification.planner.entities import Ref
from pipeline_magic.agents.specification.planner.formulas import Formula, derived_at, formula_at
from pipeline_magic.agents.specification.planner.intent import (
    Derive,
    Distinct,
    Exists,
    Flag,
    Item,
    Measure,
    Note,
    Segment,
    Selected,
    Use,
    measures_in,
    refs_in,
    texts_of,
)
from pipeline_magic.agents.specification.planner.lateness import days_late_at
from pipeline_magic.agents.specification.planner.lexicon import ABBREVIATIONS, FILLER, STOP
from pipeline_magic.agents.specification.planner.linking import ColumnLink, TableLink
from pipeline_magic.agents.specification.planner.showndates import shown_date
from pipeline_magic.agents.specification.planner.text import lemmas, stem, stems_of
from pipeline_magic.spec.names import slug

__all__ = ["read_columns", "read_derive"]

_IS = (
    "as|=|:=|is|equals|equal to|to be|computed as|calculated as|defined as|which is|as the|which "
    "equals|, which is|, computed as|, calculated as|, defined as"
)


def read_derive(c: Context, i: int) -> Found | None:
    """``add a column margin as a - b``, ``net price = extended price * (1 - discount)``."""
    late = days_late_at(c, i)
    if late is not None:
        return Found(late[0], "derive", (Derive(i, late[0], "days_late", late[1]),))
    explained = _in_brackets(c, i)
    if explained is not None:
        return explained
    at = i
    verb = c.verb(i, "add", "derive", "compute", "calculate", "create", "define", "call")
    if verb:
        at = i + 1
    at = c.skip(
        at,
        "where|note that|note|and|also|then|with|a|an|the|new|column|columns|field|called|named|computed|calculated|"
        "each|line|row|derived",
    )
    return _name_first(c, i, at, verb) or (_formula_first(c, i, at) if verb else None)


def _in_brackets(c: Context, i: int) -> Found | None:
    """``the loss per piece (unit cost minus list price) as loss``: words, their formula, and the name of the column."""
    at = c.skip(i, "the|a|an|their|its")
    for size in (1, 2, 3, 4):
        opened = at + size
        if opened >= c.end(i) or c.tokens[opened - 1].kind != "word":
            return None
        if c.low(opened) != "(":
            continue
        formula = formula_at(c, opened + 1)
        if formula is None or not formula.operators or c.low(formula.end) != ")":
            return None
        named = c.match(formula.end + 1, "as|called|named")
        if named is None or named >= c.end(i) or not re.fullmatch(r"[a-z]\w*", c.low(named)):
            return None
        return Found(named + 1, "derive", (Derive(i, named + 1, slug(c.low(named)), formula.expression),))
    return None


_MADE_BY = ("add", "derive", "compute", "calculate", "create", "define")
_NO_NAME = {"from", "to", "note", "that", "with", "by", "and", "then", "where", "in", "on", "for", "is", "as", "also"}
"""Words that stand before the name of a new column, and are no part of it."""


def _name_first(c: Context, i: int, at: int, verb: bool) -> Found | None:
    for size in (1, 2, 3, 4):
        if at + size >= c.end(i) or any(token.kind not in {"word", "quoted"} for token in c.tokens[at : at + size]):
            return None
        after = c.match(at + size, _IS)
        if after is None:
            continue
        if size > 1 and any(c.low(j) in _NO_NAME or c.verb(j, *_MADE_BY) for j in range(at, at + size)):
            return None
        sign = c.low(at + size) in {"=", ":"}
        formula = formula_at(c, after)
        if formula is None or formula.operators == 0 or not (verb or sign or formula.operators):
            return None
        name = slug("_".join(token.low for token in c.tokens[at : at + size]), "value")
        return _made(c, i, name, formula)
    return None


def _formula_first(c: Context, i: int, at: int) -> Found | None:
    """``compute extended price * (1 - discount) as net_price``."""
    formula = formula_at(c, at)
    if formula is None or formula.operators == 0:
        return None
    after = c.match(formula.end, "as|as the|called|named|and call it|, called|, named|and call this|call it")
    if after is not None and after < c.end(i) and c.tokens[after].kind in {"word", "quoted"}:
        end = after
        while (
            end < c.end(i)
            and end - after < 4
            and c.tokens[end].kind in {"word", "quoted"}
            and c.low(end) not in {"and", "per", "for", "by", "then", "in"}
        ):
            end += 1
        name = slug("_".join(token.low for token in c.tokens[after:end]), "value")
        return _made(c, i, name, Formula(end, formula.expression, formula.operators, formula.words, formula.table))
    name = slug(f"{formula.words}_computed".strip("_")) if formula.words != "days" else "days"
    return _made(c, i, name, formula)


def _made(c: Context, i: int, name: str, formula: Formula) -> Found:
    used = set(measures_in(formula.expression))
    kind: Item = Derive(i, formula.end, name, formula.expression)
    measured = used & {measure.name for measure in c.of(Measure)}
    return (
        Found(formula.end, "measure" if measured else "derive", (kind,))
        if measured
        else Found(formula.end, "derive", (kind,))
    )


_SHOWN = re.compile(r"\w+\Z")


def read_columns(c: Context, i: int) -> Found | None:
    """A table that is named, a column that is shown, or words about the order of rows, which a table does not have."""
    distinct = c.match(
        i,
        "distinct|unique|different|each only once|each just once|each once|only once|just once|only one time|"
        "without repetition|without repetitions|without repeats|no repeats|with no repeats|with no duplicates|"
        "without duplicates|no duplicates|without duplicate rows",
    )
    each = c.match(i, "each|every|any")
    thing = c.table_at(each) if each is not None else None
    once = c.match(thing.end, "only once|just once|once") if thing is not None else None
    distinct = distinct if distinct is not None else once
    if distinct is not None:
        return Found(distinct, "select", (Distinct(i, distinct),))
    order = _order(c, i)
    if order is not None:
        return order
    beside = c.match(i, "side by side|next to each other|beside each other")
    if beside is not None:
        return Found(beside, "comment", (Note(i, beside),))
    new = derived_at(c, i) or _measured(c, i) or _labelled(c, i)
    if new is not None:
        return Found(new[0], "select", (Note(i, new[0]),))
    if _is_verb(c, i):
        return None
    person = _person_name(c, i)
    if person is not None:
        return person
    shared = _shared_noun(c, i)
    if shared is not None:
        return shared
    dated = shown_date(c, i)
    if dated is not None:
        return dated
    if _where(c, i):
        return None
    link = c.table_at(i) or _by_verb(c, i)
    column = c.linker.column_at(i, least=0.8)
    if (
        column is not None
        and column.end <= c.end(i)
        and (link is None or column.end > link.end or column.score > link.score or _its_word(c, i, column, link))
    ):
        owners = [
            owner for j in range(i + 1, column.end) if (owner := c.table_at(j)) is not None and owner.end <= column.end
        ]
        uses = tuple(
            Use(owner.start, owner.end, owner.table.name) for owner in owners if owner.table.name == column.ref.table
        )
        if tells_which(c, i, column) and _counting(c, i):
            return None
        ref = _of_subject(c, i, column)
        return Found(column.end, "select", (Selected(i, column.end, ref), *uses))
    if link is not None:
        return Found(link.end, "source", (Use(i, link.end, link.table.name),))
    return _short(c, i)


def _counting(c: Context, i: int) -> bool:
    """Behind `how many`, a column that says which rows is not shown: it was not understood."""
    return (c.low(i - 2), c.low(i - 1)) in {("how", "many"), ("number", "of"), ("count", "of"), ("many", "of")}


def _where(c: Context, i: int) -> bool:
    """``who live in the city of a store``, ``have their base in Spain``: says where, and shows nothing."""
    if c.low(i - 1) in {"their", "its", "a", "an"} and c.low(i - 2) in {"have", "has", "had"}:
        return True
    verb = c.low(i - 3)
    return c.low(i - 1) == "the" and c.low(i - 2) in {"in", "at", "near", "from"} and bool(lemmas(verb) & _BEING)


_BEING = {"live", "stand", "reside", "work", "locate", "base", "stay", "sit"}


def _its_word(c: Context, i: int, column: ColumnLink, link: TableLink) -> bool:
    """``with the title`` where the table of titles has a column of that very word: one thing of it is shown."""
    singular = c.tokens[i].low == c.tokens[i].stem
    own = column.ref.table == link.table.name and column.column.words == link.table.words
    return singular and own and c.low(i - 1) in _LISTED and bool(c.of(Use))


_LISTED = {
    ",",
    ":",
    "and",
    "the",
    "that",
    "its",
    "their",
    "show",
    "list",
    "plus",
    "with",
    "this",
    "give",
    "or",
    ".",
    "&",
}


def _short(c: Context, i: int) -> Found | None:
    """``account balance … and the balance``: the last word of one column, mentioned or the only one."""
    token = c.tokens[i]
    if token.kind != "word" or token.low in STOP | FILLER or c.low(i - 1) not in _LISTED:
        return None
    if c.tokens[i + 1].low not in {",", ".", ";", "and", "plus", "?", "!", "or"} if i + 1 < c.end(i) else False:
        return None
    said = [
        ref for item in c.items if not isinstance(item, Measure) for text in texts_of(item) for ref in refs_in(text)
    ]
    said += [item.ref for item in c.of(Selected)]
    hits = {
        ref
        for ref in said
        if (column := c.linker.tables[ref.table].column(ref.column)) is not None and column.words[-1:] == (token.stem,)
    }
    if len(hits) == 1 and c.low(i - 1) != "with":
        return Found(i + 1, "select", (Selected(i, i + 1, hits.pop()),))
    link = c.linker.column_at(i, tables=c.linker.scope, least=0.6) if c.linker.scope else None
    if link is None or link.others or link.end != i + 1 or len(link.column.words) < 2:
        return None
    return Found(link.end, "select", (Selected(i, link.end, link.ref),))


def _of_subject(c: Context, i: int, link: ColumnLink) -> Ref:
    """``suppliers without parts, with their name``: of columns that fit alike, that of the rows which are asked for."""
    subjects = [item.subject for item in c.of(Exists)]
    for column in (link.column, *link.others) if subjects else ():
        if column.ref.table == subjects[-1]:
            return column.ref
    return link.ref


def _by_verb(c: Context, i: int) -> TableLink | None:
    """``employees hired``: a participle of the word that a table is called by (``hiring``)."""
    low = c.low(i)
    if not re.fullmatch(r"[a-z]{3,}ed", low):
        return None
    fitting = [
        table
        for name in c.linker.near
        if len((table := c.linker.tables[name]).words) == 1
        and table.words[0].endswith("ing")
        and lemmas(low) & lemmas(table.words[0]) - {low}
    ]
    return TableLink(i, i + 1, fitting[0], 0.8) if len(fitting) == 1 else None


def _measured(c: Context, i: int) -> tuple[int, Item] | None:
    """A measure that was asked for before, by its name: ``avg_sale_price``."""
    if c.tokens[i].kind != "word" or "_" not in c.low(i):
        return None
    words = [stem(ABBREVIATIONS.get(word, word)) for word in c.low(i).split("_")]
    for item in c.of(Measure):
        if list(stems_of(item.name)) == words:
            return i + 1, item
    return None


def _labelled(c: Context, i: int) -> tuple[int, Item] | None:
    """A column that rules or a flag made before, by its name."""
    made: list[Segment | Flag] = [*c.of(Segment), *c.of(Flag)]
    for item in made:
        name = item.column if isinstance(item, Segment) else item.name
        if c.low(i) == name and c.linker.column_at(i, least=0.95) is None:
            return i + 1, item
    return None


def _is_verb(c: Context, i: int) -> bool:
    """``how many sales did each person make``: behind `do`, a word such as `make` is no column."""
    if c.tokens[i].low not in {"make", "order", "state", "place", "type", "rate", "date", "age", "score", "name"}:
        return False
    return any(c.low(j) in {"do", "does", "did"} for j in range(max(c.starts[i], i - 5), i))


def _person_name(c: Context, i: int) -> Found | None:
    """``member names``, ``names of members`` where the table keeps first and last names."""
    link = c.table_at(i)
    at = c.match(link.end, "name|names|full name|full names") if link is not None else None
    if link is None or at is None:
        at = c.match(i, "names of|name of|full name of|full names of|names for")
        link = c.table_at(c.skip(at, "the|all|each|those|these")) if at is not None else None
        at = link.end if link is not None else None
    if link is None or at is None or link.table.column("name") is not None:
        return None
    names = [column for column in link.table.columns if column.words in (("first", "name"), ("last", "name"))]
    if len(names) != 2:
        return None
    use = Use(link.start, link.end, link.table.name)
    return Found(at, "select", (use, *(Selected(i, at, column.ref) for column in names)))


def _shared_noun(c: Context, i: int) -> Found | None:
    """``first and last name``: two columns that share their last word."""
    if i + 3 >= len(c.tokens) or i + 3 >= c.end(i) or c.low(i + 1) not in {"and", "or", "/"}:
        return None
    first = c.linker.column_of((c.tokens[i].stem, c.tokens[i + 3].stem))
    second = c.linker.column_at(i + 2, least=0.8)
    if first is None or second is None or second.end != i + 4:
        return None
    end = second.end
    return Found(end, "select", (Selected(i, end, first.ref), Selected(i, end, second.ref)))


def _order(c: Context, i: int) -> Found | None:
    """``ordered by name``: a table has no order; said, and no field."""
    first = c.words(c.skip(i, ",|and|(|show|list|put|with|starting|beginning"), _SOME_FIRST)
    if first is not None and (i == c.starts[i] or c.low(i) not in {"show", "list"}):
        return Found(first[0], "comment", (Note(i, first[0], _UNSORTED),))
    at = c.match(
        i,
        "always order results|order results|order the results|ordered by|order by|sorted by|sort by|"
        "order the results by|sort the results by|order results by|ordered from|sort them by|order them "
        "by|"
        "in ascending order|in descending order|in order|starting from the top|ordered|sorted descending|"
        "sorted ascending|sorted",
    )
    if at is None:
        at = c.match(i, _FIRST)
        return Found(at, "comment", (Note(i, at, _UNSORTED),)) if at is not None else None
    if c.low(i) == "ordered" and c.low(at - 1) == "by" and _done_by(c, i, at):
        return None  # `products that were ordered by more than 5 customers`
    if c.low(at - 1) in {"ordered", "sorted"} and c.low(at) not in _SORTED and at < c.end(i):
        return None  # `who ordered more than twice` is about orders
    end = at
    while end < c.end(i) and c.low(end) not in {",", ";", ".", "into", "then"} and c.free(end):
        end += 1
    return Found(end, "comment", (Note(i, end, _UNSORTED),))


def _done_by(c: Context, i: int, at: int) -> bool:
    """Who ordered: behind a helping verb or a noun, people or a number of them."""
    start = c.skip(at, "the|our|any|a|an|at|least|most|more|than|fewer|less|exactly|over|under|different|distinct|no")
    number = start < c.end(i) and c.tokens[start].kind == "number"
    link = c.table_at(c.skip(start + 1 if number else start, "different|distinct"))
    if link is None or c.linker.column_at(link.start, least=0.95) is not None:
        return False
    return number or start > at or c.low(i - 1) in {"were", "was", "been", "be", "being", "never", "not", "ever"}


_SOME_FIRST = re.compile(
    r"(?:with )?the (?:highest|largest|biggest|most|lowest|smallest|fewest|newest|latest|most recent|oldest|earliest|"
    r"longest|shortest|best|cheapest|most expensive|heaviest|greatest)(?: [a-z_]+){0,4} (?:first|at the top|on top)"
    r"(?= [,.;?!)]|$)"
)
_SORTED = {
    ",",
    ";",
    ".",
    "alphabetically",
    "chronologically",
    "descending",
    "ascending",
    "and",
    "then",
    "from",
    "?",
    ")",
}
_UNSORTED = "a table has no order of rows; the words about sorting change nothing"
_FIRST = (
    "highest first|lowest first|largest first|smallest first|biggest first|newest first|oldest first|latest first|"
    "earliest first|most recent first|most expensive first|cheapest first|longest first|shortest first|best first|"
    "worst first|most frequent first|from highest to lowest|from lowest to highest|from largest to smallest|"
    "from smallest to largest|from oldest to newest|from newest to oldest|from most to least|from least to most|"
    "from oldest to youngest|from youngest to oldest|from a to z|from z to a|in alphabetical order|"
    "in alphabetic order|in reverse alphabetical order|alphabetically|in chronological order|chronologically|"
    "from best to worst|from cheapest to most expensive|from most expensive to cheapest|highest to lowest|"
    "lowest to highest|from high to low|from low to high|youngest first|heaviest first|most first|fewest first|"
    "from the highest to the lowest|from the lowest to the highest|in decreasing order|in increasing order|"
    "from the largest to the smallest|from biggest to smallest|from longest to shortest|from shortest to longest"
)
