"""A statement with some of its words left out, read as if they were not there.

``who performed in both Berlin and Madrid`` says two things with shared words: ``who performed in Berlin`` and ``who
performed in Madrid``. A view has the tokens of one of them; what is read in it is brought back to the whole statement.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.linking import Linker

__all__ = ["View", "view_without"]


@dataclass(frozen=True)
class View:
    """A context without some tokens; `kept` are the indexes of the others in the whole statement."""

    context: Context
    kept: tuple[int, ...]

    def end_of(self, end: int) -> int:
        """Where a reading that ends before token `end` of the view ends in the whole statement."""
        return self.kept[end - 1] + 1 if end else 0


def view_without(c: Context, dropped: Collection[int]) -> View:
    """The statement without the tokens `dropped`, which must stand behind everything that was read so far."""
    kept = tuple(i for i in range(len(c.tokens)) if i not in dropped)
    place = {old: new for new, old in enumerate(kept)}
    before: list[int] = []
    count = 0
    for i in range(len(c.tokens) + 1):
        before.append(count)
        count += i in place
    tokens = tuple(c.tokens[i] for i in kept)
    linker = Linker.__new__(Linker)
    linker.__dict__.update(c.linker.__dict__)
    linker.tokens = tokens
    linker._seen = {}
    made = replace(
        c,
        tokens=tokens,
        starts=[before[c.starts[i]] for i in kept],
        ends=[before[c.ends[i]] for i in kept],
        linker=linker,
        items=list(c.items),
        definitions={},
        named=(),
        free=lambda i: i >= len(kept) or c.free(kept[i]),
    )
    return View(made, kept)
