"""What a reading is, and the spec as its finders see it: expressions, where columns come from, steps put in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from pydantic import JsonValue
from sqlglot import exp

from pipeline_magic.runs import Option, Question
from pipeline_magic.spec.automatic import one_back
from pipeline_magic.spec.dialect import NotAnExpression, Tree, parse
from pipeline_magic.spec.model import Aggregate, Derive, Expectation, Filter, Join, Segment, Step
from pipeline_magic.spec.paths import Edit
from pipeline_magic.spec.provenance import Provenance
from pipeline_magic.spec.schema import Column
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["Field", "Look", "Reading", "Scene", "calls", "tree_of"]

Look: TypeAlias = Callable[[str], tuple[tuple[object, ...], ...]]
"""Runs a query and gives its first rows."""


@dataclass(frozen=True)
class Reading:
    """An ambiguity of the spec.

    Attributes:
        question: What would be asked. The spec as it stands is its default.
        reason: The default as an assumption, one sentence without a full stop.
        watches: Checks that all pass as long as every answer gives the same rows.
        needs: Checks without which the other answers make no sense; where one fails, nothing is asked.
        look: Gives further options, which only the data show.
        option: Makes such an option again from its id, without the data; None where the id is none.
        instead: The default is not what stands: its edits are made where nobody answers.
    """

    question: Question
    reason: str
    watches: tuple[Expectation, ...] = ()
    needs: tuple[Expectation, ...] = ()
    look: Callable[[Look], tuple[Option, ...]] | None = None
    option: Callable[[str], Option | None] | None = None
    instead: bool = False

    def with_answer(self, answer: str) -> Reading:
        """With the option of that id among its options, where it can be made."""
        if self.option is None or any(option.id == answer for option in self.question.options):
            return self
        made = self.option(answer)
        return self if made is None else self.with_options((made,))

    def with_options(self, more: tuple[Option, ...]) -> Reading:
        """With further options, each once."""
        held = {option.id for option in self.question.options}
        options = (*self.question.options, *(option for option in more if option.id not in held))
        return Reading(
            self.question.model_copy(update={"options": options}),
            self.reason, self.watches, self.needs, self.look, self.option, self.instead,
        )  # fmt: skip


@dataclass(frozen=True)
class Field:
    """An expression of the spec: its path, the node whose columns it reads, and its text."""

    path: str
    node: str
    text: str


@dataclass
class Scene:
    """A typed spec and where its fields come from.

    Attributes:
        zone: IANA zone of who will read the result, where no schedule names one; empty when it is not known.
        chosen_zone: The zone that an answer names, wherever it was given.
        questions: Of the parser, as far as they are open.
    """

    typed: TypedSpec
    provenance: Provenance
    zone: str = ""
    questions: tuple[Question, ...] = ()
    chosen_zone: str = ""
    steps: dict[str, Step] = field(init=False)

    def __post_init__(self) -> None:
        self.steps = {step.id: step for step in self.typed.spec.steps}

    def column(self, node: str, name: str) -> Column | None:
        """A column of a node, by name."""
        return next((column for column in self.typed.node(node).columns if column.name == name), None)

    def fields(self) -> Iterator[Field]:
        """Every condition and expression, in the order of the spec."""
        for source in self.typed.spec.sources:
            if source.filter:
                yield Field(f"sources.{source.alias}.filter", source.alias, source.filter)
        for step in self.typed.spec.steps:
            path = f"steps.{step.id}"
            if isinstance(step, Filter):
                yield Field(f"{path}.condition", step.input, step.condition)
            elif isinstance(step, Derive):
                for column in step.columns:
                    yield Field(f"{path}.columns.{column.name}.expression", step.input, column.expression)
            elif isinstance(step, Aggregate):
                for column in step.measures:
                    yield Field(f"{path}.measures.{column.name}.expression", step.input, column.expression)
            elif isinstance(step, Segment):
                for rule in step.rules:
                    if rule.condition:
                        yield Field(f"{path}.rules.{rule.label}.condition", step.input, rule.condition)

    def bases(self, node: str, name: str) -> set[tuple[str, str]]:
        """Columns of sources that a column is made of, through computed columns; empty where that is not known."""
        step = self.steps.get(node)
        if step is None:
            return {(node, name)}
        if isinstance(step, Derive):
            made = next((column for column in step.columns if column.name == name), None)
            tree = tree_of(made.expression) if made is not None else None
            if made is not None:
                names = {column.name for column in tree.find_all(exp.Column)} if tree is not None else set[str]()
                return {base for used in names for base in self.bases(step.input, used)}
        back = one_back(self.typed, step, name)
        return set() if back is None else self.bases(*back)

    def called(self, node: str, alias: str, name: str) -> str | None:
        """What a column of a source is called in a node, unchanged; None where it is not there."""
        for column in self.typed.node(node).columns:
            if self.plain(node, column.name) == (alias, name):
                return column.name
        return None

    def plain(self, node: str, name: str) -> tuple[str, str] | None:
        """The source and its column that a column is, unchanged."""
        while node in self.steps:
            back = one_back(self.typed, self.steps[node], name)
            if back is None:
                return None
            node, name = back
        return node, name

    def between(self, node: str, value: dict[str, JsonValue], *, only: str = "") -> tuple[Edit, ...]:
        """Edits that put a step of one input behind `node`; who read `node` (or `only` that step) reads the new one."""
        new = str(value["id"])
        edits = [Edit(path=f"steps.{new}", value={**value, "input": node})]
        for step in self.typed.spec.steps:
            if only and step.id != only:
                continue
            for name in ("input", "left", "right"):
                if getattr(step, name, None) == node:
                    edits.append(Edit(path=f"steps.{step.id}.{name}", value=new))
            if isinstance(step, Join) and step.right == node and step.prefix is None:
                edits.append(Edit(path=f"steps.{step.id}.prefix", value=f"{node}_"))  # as it was called before
            if node in getattr(step, "inputs", ()):
                changed: JsonValue = [new if item == node else item for item in step.inputs]  # type: ignore[union-attr]  # as getattr found
                edits.append(Edit(path=f"steps.{step.id}.inputs", value=changed))
        if self.typed.spec.target.input == node and not only:
            edits.append(Edit(path="target.input", value=new))
        return tuple(edits)

    def free(self, base: str) -> str:
        """An id that no source or step has."""
        taken = {*self.steps, *(source.alias for source in self.typed.spec.sources), "target"}
        name, number = base[:55], 2
        while name in taken:
            name, number = f"{base[:55]}_{number}", number + 1
        return name


def tree_of(text: str) -> Tree | None:
    """An expression as a tree of its own."""
    try:
        return parse(text)
    except NotAnExpression:
        return None


def calls(tree: Tree, *names: str) -> Iterator[exp.Anonymous]:
    """Calls of functions of those names."""
    for call in tree.find_all(exp.Anonymous):
        if str(call.this).casefold() in names:
            yield call
