"""Which tables a statement names, and what is done when a name fits several.

A name that fits tables of several schemas is decided by an answer, or by the one schema that the other names of the
statement are in; otherwise it is a must-answer question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pipeline_magic.agents.specification.planner.entities import TableInfo
from pipeline_magic.agents.specification.planner.linking import Linker, TableLink
from pipeline_magic.agents.specification.planner.text import Token
from pipeline_magic.runs import Option, Question
from pipeline_magic.spec.names import slug, split_table

__all__ = ["Scope", "find_scope"]


class Scope:
    """The tables in the order they are named, questions about names that fit several, and notes."""

    def __init__(self) -> None:
        self.tables: list[str] = []
        self.questions: list[Question] = []
        self.notes: list[str] = []


def find_scope(tokens: Sequence[Token], linker: Linker, taken: set[int], answers: Mapping[str, str]) -> Scope:
    """Read the names of tables; `taken` tokens belong to phrases such as targets."""
    links: list[TableLink] = []
    i = 0
    while i < len(tokens):
        link = linker.table_at(i) if i not in taken else None
        if link is not None:
            links.append(link)
        i = link.end if link is not None else i + 1
    made = Scope()
    for link in links:
        chosen = link.table if not link.others else _decide(made, tokens, link, links, answers)
        if chosen.name not in made.tables:
            made.tables.append(chosen.name)
    if not made.tables:
        made.tables = _spread(tokens, linker)
    return made


def _decide(
    made: Scope, tokens: Sequence[Token], link: TableLink, links: Sequence[TableLink], answers: Mapping[str, str]
) -> TableInfo:
    options = {table.name: table for table in (link.table, *link.others)}
    words = " ".join(token.text for token in tokens[link.start : link.end])
    identity = "table:" + slug("_".join(token.stem for token in tokens[link.start : link.end]), "table")
    if answers.get(identity) in options:
        return options[answers[identity]]
    said = {_schema(other.table.name) for other in links if not other.others}
    fitting = [table for name, table in options.items() if _schema(name) in said]
    if len(fitting) != 1:
        fitting = _together(options, links)
    if len(fitting) == 1:
        made.notes.append(f"“{words}” is read as {fitting[0].name}, which is in the schema of the other tables")
        return fitting[0]
    if identity not in {question.id for question in made.questions}:
        made.questions.append(
            Question(
                id=identity,
                text=f"Which table is “{words}”?",
                why="Several tables of the catalog are called so.",
                options=tuple(Option(id=name, label=name) for name in options),
            )
        )
    return link.table


def _together(options: Mapping[str, TableInfo], links: Sequence[TableLink]) -> list[TableInfo]:
    """The options in the one schema that has a table for every name of the statement."""
    names = {frozenset((link.table.name, *(other.name for other in link.others))) for link in links}
    if len(names) < 2:
        return []
    count = Counter(schema for group in names for schema in {_schema(name) for name in group})
    whole = [schema for schema, number in count.items() if number == len(names)]
    return [table for name, table in options.items() if len(whole) == 1 and _schema(name) == whole[0]]


def _schema(name: str) -> tuple[str, str]:
    return split_table(name)[:2]


def _spread(tokens: Sequence[Token], linker: Linker) -> list[str]:
    """``payments that were received`` names `payments_received` where nothing else is named."""
    stems = {token.stem for token in tokens}
    found = [name for name, table in linker.tables.items() if len(table.words) > 1 and set(table.words) <= stems]
    return found if len(found) == 1 else []
