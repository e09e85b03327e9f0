"""A column of a table that the spec does not read yet: found through the catalog, and joined without repeating rows.

Only tables that hang on a table of the spec with at most one row each are looked at, over declared keys first and then
names and types. The new tables are joined to each other first, so that the rows get the one column that was asked for
and nothing else. Where no key is declared a check stops the run when the joined columns are not unique: a second row a
key would count other measures twice.

Not here: what the words ask for beside a column (`parts`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from pipeline_magic.agents.specification.editing.present import Choice, Present, Unclear
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, TableInfo, describe
from pipeline_magic.agents.specification.planner.joingraph import JoinGraph, Link
from pipeline_magic.english import stem, words_of
from pipeline_magic.spec.names import slug, split_table
from pipeline_magic.spec.paths import Edit

__all__ = ["Reached", "find", "join_in"]

_FARTHEST = 3
_GOOD = 0.7
"""Links below this score share a name and no more."""


@dataclass(frozen=True)
class Reached:
    """A column of a table that is not read yet, and the way to it from a source of the spec.

    Attributes:
        by_table: The words name the table, and the column is what its rows are called.
    """

    alias: str
    links: tuple[Link, ...]
    column: ColumnInfo
    table: TableInfo
    by_table: bool

    @property
    def said(self) -> str:
        """The reading as words that ask for nothing else."""
        way = self.links[0].keys[0][0]
        return f"`{self.table.short}.{self.column.name}` by `{self.alias}.{way}`"


def find(words: str, node: str, present: Present) -> Reached | None:
    """The one column that the words name in a table to be joined to the rows of `node`; None where there is none.

    ``of X``, ``X's`` and ``by X`` say from which table or over which column the way leads.

    Raises:
        Unclear: The words name several.
    """
    words, by = _qualified(words)
    said = tuple(stem(word) for word in words_of(words))
    tables = present.infos()
    held = {column.name.casefold() for column in present.columns(node)}
    read = {
        source.table: source.alias
        for source in present.spec.sources
        if {name.casefold() for name in tables[source.table].key} <= held
    }
    usable = {name: table for name, table in tables.items() if name != present.spec.target.table}
    wanted = [
        (table, column) for name, table in usable.items() if name not in read for column in _named(said, words, table)
    ]
    graph = JoinGraph(usable)
    found = [
        Reached(read[links[0].left], links, column, table, said == table.words)
        for table, column in wanted
        for links in _ways(read, table.name, graph, usable)
        if all(key.casefold() in held for key, _ in links[0].keys)
    ]
    if by:
        found = [item for item in found if by in _words_of_way(item, tables)]
    elif said and not found:  # ``customer region``: the first word may say whose
        first, _, rest = words.partition(" ")
        split = [find(f"{rest} of {first}", node, present)] if rest.strip() else []
        found = [item for item in split if item is not None]
    nearest = [item for item in found if len(item.links) == min(len(other.links) for other in found)]
    same = {(item.table.name, item.column.name) for item in found}
    chosen = nearest if len(same) == 1 else found
    if len(chosen) > 1:
        readings = " or ".join(item.said for item in chosen[:4])
        raise Unclear(
            f"“{words}” may be {readings}; write “add {words} of …” and the table or column before the dot.",
            words,
            _choices(chosen, words, tables),
        )
    return chosen[0] if chosen else None


def _choices(found: Sequence[Reached], words: str, tables: Mapping[str, TableInfo]) -> list[Choice]:
    """The readings, each with words that mean it alone."""
    made: list[Choice] = []
    for item in found:
        others = {word for other in found if other is not item for word in _words_of_way(other, tables)}
        way = item.links[0].keys[0][0].casefold()
        own = [
            word for word in (way, *sorted(_words_of_way(item, tables))) if word not in others and stem(word) == word
        ]
        if own:
            label = item.said.replace("`", "")
            made.append(Choice(f"{own[0]}.{item.column.name}", label, f"{words} of {own[0]}"))
    return sorted(made, key=lambda choice: choice.id)


def _qualified(words: str) -> tuple[str, str]:
    """The words without the table or column the way is to lead over, and that."""
    match = re.fullmatch(r"(.+?) (?:of|by|through|from)(?: the| their| its)? `?(\w+)`?", words.strip(), re.IGNORECASE)
    if match:
        return match[1], stem(match[2].casefold())
    match = re.fullmatch(r"(?:the )?(\w+)'s (.+)", words.strip(), re.IGNORECASE)
    return (match[2], stem(match[1].casefold())) if match else (words.strip(" `"), "")


def _words_of_way(item: Reached, tables: Mapping[str, TableInfo]) -> set[str]:
    first = item.links[0]
    left = tables[first.left]
    keys = {name.casefold() for name, _ in first.keys}
    columns = {word for name, _ in first.keys if (column := left.column(name)) for word in column.words}
    between = {word for link in item.links for word in tables[link.left].words}
    return {item.alias, *between, *keys, *columns}


def _named(said: tuple[str, ...], words: str, table: TableInfo) -> list[ColumnInfo]:
    """Columns of a table that the words name: by name, by all of their words, or, named by the table, its names."""
    exact = [column for column in table.columns if column.name.casefold() == words.casefold()]
    if exact or not said:
        return exact
    whole = [column for column in table.columns if said in {column.words, (*table.words, *column.words)}]
    if whole or said != table.words:
        return whole
    texts = table.of_kind("text")
    return [column for column in texts if column.words in {("name",), (*table.words, "name"), ("title",)}][:1]


def _ways(
    read: Mapping[str, str], goal: str, graph: JoinGraph, tables: Mapping[str, TableInfo]
) -> Iterator[tuple[Link, ...]]:
    """Chains of links from a table of the spec over tables that are not, each link to at most one row."""
    waiting: list[tuple[Link, ...]] = [link for name in read for link in _onward(name, (), graph, tables, read)]
    while waiting:
        links = waiting.pop(0)
        if links[-1].right == goal:
            yield links
        elif len(links) < _FARTHEST:
            waiting += _onward(links[-1].right, links, graph, tables, read)


def _onward(
    name: str, links: tuple[Link, ...], graph: JoinGraph, tables: Mapping[str, TableInfo], read: Mapping[str, str]
) -> list[tuple[Link, ...]]:
    seen = {*read, *(link.right for link in links)}
    found = []
    for other in sorted(tables):
        if other in seen or name not in tables:
            continue
        options = [link for link in graph.links(name, other) if link.score >= _GOOD and link.one in {"right", "both"}]
        best = max((link.score for link in options), default=0.0)
        found += [(*links, link) for link in options if link.score > best - 1e-9]
    return found


def join_in(reached: Reached, node: str, present: Present) -> tuple[list[Edit], str, str]:
    """Edits that join the column to the rows of `node`; the step that has it, and what it is called there.

    Raises:
        Unclear: The rows of `node` have lost the column that the way begins with.
    """
    held = {column.name.casefold() for column in present.columns(node)}
    for key, _ in reached.links[0].keys:
        owners = [source.alias for source in present.spec.sources if _has(present, source.alias, key)]
        if key.casefold() not in held or owners != [reached.alias]:
            raise Unclear(f"The rows of `{node}` have no `{key}` of `{reached.alias}`, which the way begins with.")
    taken = {*present.steps, *(source.alias for source in present.spec.sources), "target"}
    edits: list[Edit] = []
    aliases: list[str] = []
    read = {source.table for source in present.spec.sources}
    for link in reached.links:
        alias = _free(slug(split_table(link.right)[2]), taken)
        aliases.append(alias)
        edits.append(Edit(path=f"sources.{alias}", value={"alias": alias, "table": link.right}))
        edits += _unique(alias, link, present) if link.right not in read else []
    right, name = aliases[-1], reached.column.name
    for link, alias in reversed([*zip(reached.links[1:], aliases, strict=False)]):
        columns = {column.casefold() for column in present.names_of(link.left)}
        step = _free(f"{right}_of_{alias}", taken)
        edits.append(_join(step, alias, right, link, name, columns))
        name, right = _called(name, columns, right), step
    step = _free(f"join_{aliases[-1]}", taken)
    edits.append(_join(step, node, right, reached.links[0], name, held))
    return edits, step, _called(name, held, right)


def _join(step: str, left: str, right: str, link: Link, name: str, held: set[str]) -> Edit:
    keys: list[JsonValue] = [{"left": a, "right": b} for a, b in link.keys]
    value: dict[str, JsonValue] = {
        "id": step, "kind": "join", "left": left, "right": right, "how": "left", "keys": keys, "columns": [name],
    }  # fmt: skip
    if name.casefold() in held:
        value["prefix"] = f"{right}_"
    return Edit(path=f"steps.{step}", value=value)


def _called(name: str, held: set[str], right: str) -> str:
    return f"{right}_{name}" if name.casefold() in held else name


def _unique(alias: str, link: Link, present: Present) -> list[Edit]:
    """A check that the joined columns are unique, where no declared key says so."""
    columns = [name for _, name in link.keys]
    schema = next(table for table in present.catalog() if table.table == link.right)
    declared = [set(key) for key in (schema.primary_key, *schema.unique_keys) if key]
    if any(key <= set(columns) for key in declared):
        return []
    identity = _free(f"{alias}_one_row_a_key", {check.id for check in present.spec.expectations})
    value: dict[str, JsonValue] = {
        "id": identity, "kind": "unique", "on": alias, "columns": list(columns), "action": "fail",
    }  # fmt: skip
    return [Edit(path=f"expectations.{identity}", value=value)]


def _has(present: Present, node: str, name: str) -> bool:
    return any(column.name.casefold() == name.casefold() for column in present.columns(node))


def _free(base: str, taken: set[str]) -> str:
    name, number = base[:55], 2
    while name in taken:
        name, number = f"{base[:55]}_{number}", number + 1
    taken.add(name)
    return name


def keys_of(present: Present) -> dict[str, Sequence[str]]:
    """The columns that identify a row of each source, declared or likely, by alias."""
    infos = describe(present.typed.tables.values())
    return {source.alias: infos[source.table].key for source in present.spec.sources if source.table in infos}
