"""Reconciliation in words: who has no partner in a join and what becomes of them, what filters keep, sums. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pipeline_magic.agents.quality.columns import trace
from pipeline_magic.agents.quality.describe import counted, listed, share
from pipeline_magic.agents.quality.reconcile import RAW, JoinKeys
from pipeline_magic.spec.model import Join
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["called", "figure", "join_note", "notes", "same_total", "total_in_words", "without_partner"]


def notes(typed: TypedSpec, counts: Mapping[str, int], joins: Mapping[str, JoinKeys]) -> dict[str, str]:
    """One line about each step of which there is something to say, numbers named."""
    made: dict[str, str] = {}
    for source in typed.spec.sources:
        raw = counts.get(source.alias + RAW)
        if raw and source.alias in counts:
            made[source.alias] = f"the filter keeps {share(counts[source.alias], raw)} of the table"
    for step in typed.spec.steps:
        if isinstance(step, Join) and step.id in joins:
            made[step.id] = join_note(typed, step, joins[step.id], counts)
        elif step.kind == "filter" and step.id in counts:
            before = counts.get(typed.node(step.id).inputs[0], 0)
            if before:
                made[step.id] = f"keeps {share(counts[step.id], before)} of the rows"
    return made


def join_note(typed: TypedSpec, join: Join, keys: JoinKeys, counts: Mapping[str, int]) -> str:
    """Who has no partner, and what becomes of them; who has several."""
    left, right = called(typed, join, "left", counts), called(typed, join, "right", counts)
    said = [f"{counted(keys.right)} of {right}"]
    if keys.unmatched:
        said.append(f"{without_partner(join, keys, 'left', left, right)}; {_fate(join, 'left', right)}")
    else:
        said.append(f"every row of {left} has a partner" if keys.left else f"{left} has no rows")
    if keys.unmatched_right and keys.left:  # beside an empty left side it says nothing more
        said.append(f"{without_partner(join, keys, 'right', right, left)}; {_fate(join, 'right', left)}")
    if join.how not in {"semi", "anti"} and keys.widest > 1:
        said.append(f"one row of {left} meets up to {keys.widest:,} of {right}")
    for (side, column), (before, after) in keys.sums.items():
        said.append(total_in_words(column, left if side == "left" else right, before, after))
    return "; ".join(said)


def without_partner(join: Join, keys: JoinKeys, side: str, name: str, other: str) -> str:
    """``52,606 of 336,776 rows of flights have no partner in planes: 2,512 without a tailnum, 50,094 whose …``."""
    rows, nulls, orphans = (
        (keys.left, keys.left_null, keys.left_orphans)
        if side == "left"
        else (keys.right, keys.right_null, keys.right_orphans)
    )
    columns = listed(dict.fromkeys(getattr(key, side) for key in join.keys))
    parts = [f"{nulls:,} without {_article(columns)}"] if nulls else []
    parts += [f"{orphans:,} whose {columns} is not in {other}"] if orphans else []
    lost = nulls + orphans
    verb = "has" if lost == 1 else "have"
    return f"{lost:,} of {counted(rows)} of {name} {verb} no partner in {other}: {', '.join(parts)}"


def _article(name: str) -> str:
    if "," in name:
        return f"all of {name}"
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _fate(join: Join, side: str, other: str) -> str:
    if join.how == "semi":
        return "they are left out, as asked" if side == "left" else "nothing is taken from them"
    if join.how == "anti":
        return "they are kept, as asked" if side == "left" else "nothing is taken from them"
    kept = join.how in {side, "full"}
    return f"they are kept, with NULL in the columns of {other}" if kept else "they are lost"


def called(typed: TypedSpec, join: Join, side: str, counts: Mapping[str, int]) -> str:
    """A side of a join, by the source whose rows it still holds where there is one, else by its own id."""
    node = join.left if side == "left" else join.right
    aliases = {source.alias for source in typed.spec.sources}
    if node in aliases:
        return node
    origins = set()
    for key in join.keys:
        for alias in aliases:
            if trace(typed, (node, getattr(key, side)), alias):
                origins.add(alias)
    if len(origins) == 1:
        (origin,) = origins
        if counts.get(origin) == counts.get(node):
            return origin
    return node


def figure(value: Any) -> str:
    number = float(value or 0)
    return f"{number:,.2f}".removesuffix(".00")


def same_total(before: Any, after: Any) -> bool:
    return math.isclose(float(before or 0), float(after or 0), rel_tol=1e-9, abs_tol=1e-9)


def total_in_words(column: str, name: str, before: Any, after: Any) -> str:
    if same_total(before, after):
        return f"the sum of {column} stays {figure(before)}"
    return f"the sum of {column} is {figure(before)} in {name} and {figure(after)} after the join"
