"""What every step's code needs to know: the names of the DataFrames, and the columns that each of them has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline_magic.compiler.python import assign, call, column, literal
from pipeline_magic.spec.model import Expectation, Order, Step
from pipeline_magic.spec.typed import TypedSpec
from pipeline_magic.spec.typing.groups import EntriesOrder

__all__ = ["Frames", "aliased", "checks_of", "equal", "sort_key", "with_columns"]


@dataclass(frozen=True)
class Frames:
    """The DataFrames of a program.

    Attributes:
        names: DataFrame of each node.
        have: Columns that each of them has, in their order.
        selects: Leave columns out by naming those that stay, where `drop` is resolved before its input is known.
    """

    typed: TypedSpec
    names: Mapping[str, str]
    have: Mapping[str, tuple[str, ...]]
    selects: bool = False

    def from_input(self, step: Step, calls: Sequence[str]) -> str:
        """The step's DataFrame, made of its only input by these calls."""
        return assign(self.names[step.id], self.names[step.input], calls)  # type: ignore[union-attr]  # of one input

    def without(self, step: Step, names: Sequence[str]) -> str:
        """The call that leaves out columns which only the step itself needed."""
        if self.selects:
            return call("select", [column(name) for name in self.have[step.id]])
        return f"drop({', '.join(literal(name) for name in names)})"


def checks_of(typed: TypedSpec) -> tuple[Expectation, ...]:
    """Expectations that are run, with drops before the others of the same rows."""
    return tuple(item for item in typed.spec.expectations if item.enabled)


def aliased(old: str, new: str) -> str:
    """A column under another name."""
    return f"F.col({column(old)}).alias({literal(new)})"


def equal(pairs: Sequence[tuple[str, str]]) -> str:
    """The condition that the columns of each pair are equal."""
    tests = [f"F.col({column(one)}) == F.col({column(other)})" for one, other in pairs]
    return tests[0] if len(tests) == 1 else " & ".join(f"({test})" for test in tests)


def sort_key(order: Order) -> str:
    """A sort key that says where NULLs go."""
    word = "desc" if order.descending else "asc"
    name = column(order.column)
    value = f"F.sort_array(F.map_entries({name}))" if isinstance(order, EntriesOrder) else f"F.col({name})"
    return f"{value}.{word}_nulls_{'first' if order.nulls_first else 'last'}()"


def with_columns(new: Mapping[str, str]) -> str:
    """New columns by name; several stand one a line."""
    if len(new) == 1:
        [(name, text)] = new.items()
        return call("withColumn", [literal(name), text])
    return call("withColumns", ["{" + "".join(f"\n    {literal(n)}: {t}," for n, t in new.items()) + "\n}"])
