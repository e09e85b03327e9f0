"""What a check hands on: faults, values of nodes, the checked expression; and small questions to nodes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Literal, TypeAlias

from sqlglot import exp

from pipeline_magic.spec.dialect import Tree
from pipeline_magic.spec.types import VOID, Type

__all__ = ["BAD", "Expression", "Fault", "Place", "Value", "bare", "call_of", "is_run_time", "nearest", "position"]

Place: TypeAlias = Literal["row", "aggregate", "window"]


@dataclass(frozen=True)
class Fault:
    """One thing wrong with an expression.

    Attributes:
        message: What, as one sentence.
        available: Names that would have been right, nearest first.
        position: Offset in characters, where known.
    """

    message: str
    available: tuple[str, ...] = ()
    position: int | None = None


@dataclass(frozen=True)
class Expression:
    """A checked expression.

    Attributes:
        text: Canonical text: rendered from the tree.
        type: Of its value.
        nullable: Whether the value can be NULL.
        columns: Columns of the input it reads, in order of first use.
        tree: The checked syntax tree; never change it.
        computes: It calls an aggregate or a window function.
    """

    text: str
    type: Type
    nullable: bool
    columns: tuple[str, ...]
    tree: Tree = field(compare=False, repr=False)
    computes: bool = False


def nearest(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """`names`, the likest first; ties in their own order."""
    wanted = name.casefold()
    return tuple(sorted(names, key=lambda other: -SequenceMatcher(None, wanted, other.casefold()).ratio()))


@dataclass(frozen=True)
class Value:
    """What typing knows of a node: `literal` is its text where it is one; `bad` means a fault was reported for it."""

    type: Type
    nullable: bool = True
    literal: str | None = None
    bad: bool = False


BAD = Value(VOID, bad=True)


def is_run_time(node: Tree) -> bool:
    return isinstance(node, exp.Anonymous) and str(node.this).lower() == "run_time"


def call_of(name: str, *arguments: Tree) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=list(arguments))


def position(node: Tree | None) -> int | None:
    if node is None:
        return None
    starts = [part.meta["start"] for part in node.walk() if "start" in part.meta]
    return min(starts) if starts else None


def bare(node: Tree) -> Tree:
    while isinstance(node, (exp.Paren, exp.Neg)):
        node = node.this
    return node
