"""What every typing pass shares: the problems found so far, and the ways to look up a column or check an expression."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline_magic.errors import Problem
from pipeline_magic.spec.expressions import Expression, Place, check, nearest
from pipeline_magic.spec.literals import sql_literal
from pipeline_magic.spec.model import Order
from pipeline_magic.spec.schema import Column
from pipeline_magic.spec.typed import Node, Warning_
from pipeline_magic.spec.types import Type, parse_type

__all__ = ["Context", "Keys", "Typed", "find", "minimal", "type_of", "unique_by"]

Keys = tuple[tuple[str, ...], ...]


@dataclass
class Typed:
    """A step as typing leaves it: rewritten in canonical text, with the columns and keys of its rows."""

    step: Any
    columns: tuple[Column, ...]
    keys: Keys = ()


@dataclass
class Context:
    """Collects; never raises for what is wrong with a spec."""

    nodes: dict[str, Node] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Warning_] = field(default_factory=list)

    def problem(self, path: str, message: str, available: Iterable[str] = (), position: int | None = None) -> None:
        self.problems.append(Problem(path, message, tuple(available), position))

    def warn(self, path: str, message: str) -> None:
        self.warnings.append(Warning_(path=path, message=message))

    def column(self, path: str, name: str, columns: Sequence[Column]) -> Column | None:
        """The column of that name, in the catalog's spelling; a problem when there is none."""
        found = find(name, columns)
        if found is None:
            self.problem(path, f"there is no column `{name}`", nearest(name, (column.name for column in columns)))
        return found

    def names(self, path: str, names: Iterable[str], columns: Sequence[Column]) -> tuple[str, ...]:
        """Several columns, each once."""
        made: list[str] = []
        for name in names:
            found = self.column(path, name, columns)
            if found is not None and found.name in made:
                self.problem(path, f"`{found.name}` is named twice")
            elif found is not None:
                made.append(found.name)
        return tuple(made)

    def orders(self, path: str, orders: Iterable[Order], columns: Sequence[Column]) -> tuple[Order, ...]:
        """Sort keys in the catalog's spelling; each column must be one that can be ordered."""
        made: list[Order] = []
        for order in orders:
            found = self.column(path, order.column, columns)
            if found is None:
                continue
            if not type_of(found).orderable:
                self.problem(path, f"`{found.name}` is of type {found.type} and cannot be ordered")
            if any(other.column == found.name for other in made):
                self.problem(path, f"`{found.name}` is named twice")
            made.append(order.model_copy(update={"column": found.name}))
        return tuple(made)

    def groupable(self, path: str, names: Iterable[str], columns: Sequence[Column]) -> tuple[str, ...]:
        """Columns whose values can be compared for being equal."""
        made = self.names(path, names, columns)
        for name in made:
            found = find(name, columns)
            if found is not None and not type_of(found).groupable:
                self.problem(path, f"`{name}` is of type {found.type} and cannot be compared")
        return made

    def expression(
        self,
        path: str,
        text: str,
        columns: Sequence[Column],
        place: Place = "row",
        *,
        group_by: Sequence[str] = (),
        wants: str = "",
    ) -> Expression | None:
        """A checked expression; every fault becomes a problem."""
        found, faults = check(text, columns, place, group_by=group_by, wants=wants)
        for fault in faults:
            self.problem(path, fault.message, fault.available, fault.position)
        return found

    def literal(self, path: str, value: bool | int | float | str, kind: Type) -> None:
        """Check that a literal is one of that type."""
        try:
            sql_literal(value, kind)
        except ValueError as error:
            self.problem(path, str(error))

    def distinct(self, path: str, columns: Sequence[Column]) -> None:
        """A problem for every output name that occurs twice (case does not count)."""
        seen: set[str] = set()
        for column in columns:
            if column.name.casefold() in seen:
                self.problem(path, f"two columns of the result are called `{column.name}`; give one another name")
            seen.add(column.name.casefold())


def find(name: str, columns: Iterable[Column]) -> Column | None:
    """The column of that name, without regard to case."""
    wanted = name.casefold()
    return next((column for column in columns if column.name.casefold() == wanted), None)


def type_of(column: Column) -> Type:
    """The parsed type of a column whose type was checked before."""
    return parse_type(column.type)


def minimal(keys: Iterable[Iterable[str]]) -> Keys:
    """Keys without those that contain another, smallest first."""
    made: list[tuple[str, ...]] = []
    for key in sorted((tuple(dict.fromkeys(key)) for key in keys), key=len):
        if key and not any(set(other) <= set(key) for other in made):
            made.append(key)
    return tuple(made)


def unique_by(keys: Keys, names: Iterable[str]) -> bool:
    """Whether rows that agree on all of `names` are known to be one row."""
    given = set(names)
    return any(set(key) <= given for key in keys)
