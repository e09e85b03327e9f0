"""Which tables are joined in which order, and what every column is called afterwards.

The naming follows `spec.model.Join`: a right key column with the name of its left key appears once; any other right
column whose name is taken is called ``<prefix><name>``. Not here: steps and provenance; see `assemble`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pipeline_magic.agents.specification.planner.entities import Ref, TableInfo
from pipeline_magic.agents.specification.planner.joingraph import JoinGraph, Link

__all__ = ["How", "Joined", "Layout", "aliases", "lay_out"]

How = Literal["inner", "left", "right", "full", "semi", "anti"]


@dataclass(frozen=True)
class Joined:
    """One join: `table` comes to what is there already, on `link` (seen from the table already there)."""

    table: str
    link: Link
    how: How = "left"


@dataclass
class Layout:
    """The base table, its joins, and the name of every column after them."""

    base: str
    joins: tuple[Joined, ...] = ()
    names: dict[Ref, str] = field(default_factory=dict)
    unreachable: tuple[str, ...] = ()

    @property
    def tables(self) -> tuple[str, ...]:
        return (self.base, *(joined.table for joined in self.joins))

    def columns(self, tables: dict[str, TableInfo]) -> list[str]:
        """Names of all columns after the joins; those of `semi` and `anti` joins bring none."""
        found = [column.name for column in tables[self.base].columns]
        for joined in self.joins:
            if joined.how not in {"semi", "anti"}:
                found += [self.name(column.ref) for column in tables[joined.table].columns]
        return list(dict.fromkeys(found))

    def name(self, ref: Ref) -> str:
        """The column's name after all joins; its own where it is not part of them."""
        return self.names.get(ref, ref.column)


def aliases(tables: Sequence[TableInfo]) -> dict[str, str]:
    """A short id for each table, by full name: its last part, with the schema before it where two are the same."""
    from pipeline_magic.spec.names import slug, split_table

    found: dict[str, str] = {}
    for table in tables:
        alias = slug(table.short, "source")
        if alias in found.values():
            alias = slug(f"{split_table(table.name)[1]}_{table.short}", "source")
        number = 2
        while alias in found.values():
            alias, number = f"{slug(table.short, 'source')}_{number}", number + 1
        found[table.name] = alias
    return found


def lay_out(
    base: str, wanted: Iterable[str], tables: dict[str, TableInfo], graph: JoinGraph, links: dict[frozenset[str], Link]
) -> Layout:
    """Join every wanted table to the base, over other tables where there is no direct way.

    Args:
        links: Links that words or answers fix, by the pair of tables.
    """
    reached = [base]
    joins: list[Joined] = []
    lost: list[str] = []
    rest = [name for name in wanted if name != base]
    while rest:
        chains: list[tuple[int, int, str, tuple[Link, ...]]] = []
        for position, name in enumerate(rest):
            fixed = next(
                (links[frozenset({name, there})] for there in reached if frozenset({name, there}) in links), None
            )
            if fixed is not None:
                chains.append((0, position, name, (fixed if fixed.left in reached else fixed.turned(),)))
                continue
            path = graph.path(reached, name, rest)
            if path:
                chains.append((len(path), position, name, path))
        if not chains:
            lost = rest
            break
        _, _, name, path = min(chains, key=lambda item: (item[0], item[1]))
        for link in path:
            if link.right not in reached:
                joins.append(Joined(link.right, link))
                reached.append(link.right)
        rest = [other for other in rest if other not in reached]
    made = Layout(base, tuple(joins), unreachable=tuple(lost))
    made.names = _names(made, tables)
    return made


def _names(layout: Layout, tables: dict[str, TableInfo]) -> dict[Ref, str]:
    short = aliases([tables[name] for name in layout.tables])
    names = {column.ref: column.name for column in tables[layout.base].columns}
    taken = {name.casefold() for name in names.values()}
    for joined in layout.joins:
        keys = {right.casefold(): left for left, right in joined.link.keys}
        for column in tables[joined.table].columns:
            left = keys.get(column.name.casefold())
            left_name = names.get(Ref(joined.link.left, left), left) if left is not None else None
            if left_name is not None and left_name.casefold() == column.name.casefold():
                names[column.ref] = left_name
                continue
            name = column.name if column.name.casefold() not in taken else f"{short[joined.table]}_{column.name}"
            names[column.ref] = name
            taken.add(name.casefold())
    return names
