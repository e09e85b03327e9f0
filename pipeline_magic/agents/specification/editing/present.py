"""The spec as it stands, and what words name in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pipeline_magic.agents.specification.planner.entities import TableInfo, describe
from pipeline_magic.english import ABBREVIATIONS, split_compound, stem, words_of
from pipeline_magic.spec.model import Aggregate, Derive, Join, Segment, Step
from pipeline_magic.spec.names import quote, split_table
from pipeline_magic.spec.paths import Edit
from pipeline_magic.spec.schema import Column, TableSchema
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["Choice", "Present", "Unclear", "sql_name"]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True)
class Choice:
    """One thing that a wish may mean.

    Attributes:
        id: Stable for the same wish and spec.
        words: What to write in place of the words that may mean several things; the id where it is empty.
        edits: What it makes, where no words say it.
    """

    id: str
    label: str
    words: str = ""
    edits: tuple[Edit, ...] = ()


class Unclear(Exception):
    """A wish that is understood as far as this, and cannot be made: the message says why, and what to write.

    Args:
        message: Why, and what to write instead.
        words: The words of the wish that may mean several things.
        choices: What they may mean; a person is asked.
    """

    def __init__(self, message: str, words: str = "", choices: Sequence[Choice] = ()) -> None:
        super().__init__(message)
        self.words = words
        self.choices = tuple(choices)


class Present:
    """A complete spec with the columns of its nodes.

    Args:
        typed: The spec.
        catalog: Gives the tables that words may mean beside those that are read; asked only where such words are met.
    """

    def __init__(self, typed: TypedSpec, catalog: Callable[[], Iterable[TableSchema]] = tuple) -> None:
        self.typed = typed
        self._catalog = catalog
        self._found: tuple[TableSchema, ...] | None = None
        self._infos: dict[str, TableInfo] | None = None
        self.spec = typed.spec
        self.steps: dict[str, Step] = {step.id: step for step in typed.spec.steps}

    def columns(self, node: str) -> tuple[Column, ...]:
        """Columns of a source or step."""
        return self.typed.node(node).columns

    def catalog(self) -> tuple[TableSchema, ...]:
        """Tables that words may mean, read once."""
        if self._found is None:
            self._found = tuple(self._catalog())
        return self._found

    def infos(self) -> dict[str, TableInfo]:
        """The tables that are read, and those of their schemas: what other pipelines write elsewhere is not meant."""
        if self._infos is None:
            own = {table.table: table for table in self.typed.tables.values()}
            places = {split_table(name)[:2] for name in own}
            beside = (t for t in self.catalog() if t.table not in own and split_table(t.table)[:2] in places)
            self._infos = describe([*own.values(), *beside])
        return self._infos

    @property
    def catalog_so_far(self) -> tuple[TableSchema, ...]:
        """Of those, what was read already."""
        return self._found or ()

    def names_of(self, table: str) -> tuple[str, ...]:
        """Columns of a table of the catalog, by its full name."""
        return tuple(column.name for item in self.catalog() if item.table == table for column in item.columns)

    @property
    def last(self) -> str:
        """The node whose rows the target holds."""
        return self.spec.target.input

    def named(self, words: str, columns: Iterable[Column], what: str) -> Column:
        """The one column that the words name: its name, else all its words, else some of them.

        Raises:
            Unclear: None of them, or several.
        """
        listed = list(dict.fromkeys(columns))
        said = _words(words)
        known = self.known(words, listed, what)
        part = [c for c in listed if said and set(said) <= set(_words(c.name))]
        found = known or _one(words, part, what)
        if found is not None:
            return found
        raise Unclear(f"{what[:1].upper()}{what[1:]} has no column “{words}”: {_some(c.name for c in listed)}.")

    def known(self, words: str, columns: Iterable[Column], what: str) -> Column | None:
        """The one column that the words name in full: its name, or all its words. None where there is none.

        Raises:
            Unclear: Several.
        """
        listed = list(dict.fromkeys(columns))
        said = _words(words)
        plain = re.sub(r"\W", "", words).casefold()
        exact = [c for c in listed if c.name.casefold() == words.strip(" `").casefold()]
        whole = [c for c in listed if said and (_own(c.name) == said or "".join(_own(c.name)) == plain)]
        return _one(words, exact, what) or _one(words, whole, what)

    def source_column(self, words: str) -> tuple[str, Column]:
        """The one column of a source that the words name, with the source's alias."""
        found = []
        whose, _, rest = words.strip(" `").partition(".")
        own = [source for source in self.spec.sources if rest and whose.casefold() == source.alias]
        if own:
            return own[0].alias, self.named(rest, self.columns(own[0].alias), f"`{own[0].alias}`")
        for source in self.spec.sources:
            try:
                found.append((source.alias, self.named(words, self.columns(source.alias), f"`{source.alias}`")))
            except Unclear as unclear:
                if "may be" in str(unclear):
                    raise
        if not found:
            raise Unclear(f"No table that is read has a column “{words}”.")
        if len(found) > 1:
            full = [f"{alias}.{column.name}" for alias, column in found]
            raise Unclear(
                f"“{words}” may be {_either(full)}; name the column in full.", words, [Choice(n, n) for n in full]
            )
        return found[0]

    def only(self, kind: type[Step], what: str) -> Step:
        """The one step of that kind."""
        found = [step for step in self.spec.steps if isinstance(step, kind)]
        if len(found) != 1:
            ids = _some(step.id for step in found)
            raise Unclear(f"There is no {what}." if not found else f"There are {len(found)} {what}s: {ids}; name one.")
        return found[0]

    def without(self, step_id: str) -> list[Edit]:
        """Edits that take a step of one input out: whoever read it reads what it read."""
        step = self.steps[step_id]
        source = getattr(step, "input", None)
        if source is None:
            raise Unclear(f"`{step_id}` has several inputs; what depends on it must be changed first.")
        edits = []
        for other in self.spec.steps:
            for name in ("input", "left", "right"):
                if getattr(other, name, None) == step_id:
                    edits.append(Edit(path=f"steps.{other.id}.{name}", value=source))
            inputs = getattr(other, "inputs", ())
            if step_id in inputs:
                changed = [source if item == step_id else item for item in inputs]
                edits.append(Edit(path=f"steps.{other.id}.inputs", value=changed))
        for check in self.spec.expectations:
            if check.on == step_id and not check.automatic:
                raise Unclear(f"The check `{check.id}` is on `{step_id}`; drop it first.")
        if self.last == step_id:
            edits.append(Edit(path="target.input", value=source))
        return [*edits, Edit(path=f"steps.{step_id}")]

    def users(self, name: str, maker: str) -> list[str]:
        """Steps after `maker` that speak of the column `name`."""
        after = False
        found = []
        for node in self.typed.nodes:
            if after and node.id in self.steps and _mentions(self.steps[node.id], name):
                found.append(node.id)
            after = after or node.id == maker
        return found

    def maker(self, name: str) -> Step | None:
        """The last step that makes the column `name` of the result."""
        wanted = name.casefold()
        for node in reversed(self.typed.nodes):
            step = self.steps.get(node.id)
            made: list[str] = []
            if isinstance(step, Segment):
                made = [step.column]
            elif isinstance(step, Aggregate):
                made = [*(measure.name for measure in step.measures), *step.group_by]
            elif isinstance(step, Derive):
                made = [column.name for column in step.columns]
            if wanted in (item.casefold() for item in made):
                return step
        return None

    @property
    def joins(self) -> list[Join]:
        """Every join, in the order of the spec."""
        return [step for step in self.spec.steps if isinstance(step, Join)]


def _one(words: str, found: list[Column], what: str) -> Column | None:
    names = list(dict.fromkeys(column.name for column in found))
    if len(names) > 1:
        choices = [Choice(name, f"{name} of {what.replace('`', '')}") for name in names]
        raise Unclear(f"“{words}” may be {_either(names)} of {what}; name one of them.", words, choices)
    return found[0] if found else None


def sql_name(name: str) -> str:
    """A column in an expression."""
    return name if _PLAIN.match(name) else quote(name)


def _words(name: str) -> tuple[str, ...]:
    pieces = (piece for word in words_of(name) for piece in split_compound(word))
    return tuple(ABBREVIATIONS.get(single, single) for single in map(stem, pieces))


def _own(name: str) -> tuple[str, ...]:
    """The words of a column without the letter of its table before them (``o_orderdate``)."""
    words = _words(name)
    return words[1:] if len(words) > 1 and len(words[0]) <= 2 and "_" in name else words


def _mentions(step: Step, name: str) -> bool:
    text = step.model_dump_json()
    return re.search(rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])", text) is not None


def _either(names: list[str]) -> str:
    shown = [f"`{name}`" for name in names[:6]]
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + f" or {shown[-1]}"


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(f"`{name}`" for name in listed[:12]) + (" and more" if len(listed) > 12 else "")
