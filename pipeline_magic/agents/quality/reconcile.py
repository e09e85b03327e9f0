"""Which queries count the rows through every step, and how their rows become numbers. Pure.

Two kinds of query. One counts the rows of every source and of every step that can change their number, all in a single
UNION ALL; a step that cannot (derive, rename, segment, …) has its input's rows by construction. One for each join
groups both sides by the keys and so tells, in one pass, who has no partner, whose key is NULL, who has several
partners, and what sums of the columns become. Not here: what the numbers mean for the plan (`losses`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline_magic.compiler.sql import query
from pipeline_magic.runs import StepRows
from pipeline_magic.spec.model import Join, Step
from pipeline_magic.spec.names import quote, quote_table
from pipeline_magic.spec.typed import TypedSpec

__all__ = [
    "KEEPS_ROWS",
    "RAW",
    "UNMARKED",
    "JoinKeys",
    "count_queries",
    "counts_query",
    "join_query",
    "read_join",
    "rows_of",
    "step_rows",
]

KEEPS_ROWS = frozenset(("derive", "window", "segment", "select", "rename", "cast", "fill"))
"""Kinds of step that give exactly one row for each row they take."""

RAW = ":table"
"""Marks the rows of a source's table before the source's filter."""

UNMARKED = ":unmarked"
"""Marks the rows of a source whose watermark is NULL: no run ever reads them."""


# --- counts ------------------------------------------------------------------------------------------------------


def count_queries(typed: TypedSpec, *, run_time: str) -> dict[str, str]:
    """For each source and each step that can change the number of rows: a query that gives its rows."""
    made: dict[str, str] = {}
    read = _read(typed)
    for source in typed.spec.sources:
        if source.alias not in read:
            continue
        made[source.alias] = query(typed, source.alias, run_time=run_time)
        if source.filter is not None:
            made[source.alias + RAW] = f"SELECT 1 AS one FROM {quote_table(source.table)}"
        if source.watermark is not None:
            rows = made[source.alias]
            made[source.alias + UNMARKED] = (
                f"SELECT 1 AS one FROM ({rows}) AS w WHERE {quote(source.watermark)} IS NULL"
            )
    for step in typed.spec.steps:
        if step.kind not in KEEPS_ROWS:
            made[step.id] = query(typed, step.id, run_time=run_time)
    return made


def _read(typed: TypedSpec) -> set[str]:
    return {name for node in typed.nodes for name in node.inputs} | {typed.spec.target.input}


def counts_query(queries: Mapping[str, str]) -> str:
    """One query with one row (name, rows) for each of `queries`."""
    parts = (
        f"SELECT '{name}' AS name, count(*) AS n FROM ({text}) AS t{at}"
        for at, (name, text) in enumerate(queries.items())
    )
    return " UNION ALL ".join(parts)


def rows_of(typed: TypedSpec, counts: Mapping[str, int]) -> dict[str, int]:
    """Rows of every node, those of steps that keep their rows included; what was not counted is left out."""
    kinds = {step.id: step for step in typed.spec.steps}
    made = dict(counts)
    for node in typed.nodes:
        step = kinds.get(node.id)
        if step is not None and step.kind in KEEPS_ROWS and node.inputs[0] in made:
            made[node.id] = made[node.inputs[0]]
    return made


# --- joins -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class JoinKeys:
    """How the rows of a join's two sides meet.

    Attributes:
        left, right: Rows of each side.
        left_null, right_null: Rows of which a key is NULL.
        left_orphans, right_orphans: Rows whose keys are not NULL and have no partner.
        widest, widest_right: Partners of the left (right) row that has most.
        pairs: Pairs of rows that meet: what an inner join gives.
        multiplied, multiplied_right: Left (right) rows with more than one partner.
        crossed: Pairs of keys that repeat on both sides: there every row meets every other.
        sums: For each measured column, its total before the join and after it, by (side, column).
    """

    left: int
    right: int
    left_null: int
    right_null: int
    left_orphans: int
    right_orphans: int
    widest: int
    widest_right: int
    pairs: int
    multiplied: int
    multiplied_right: int
    crossed: int = 0
    sums: Mapping[tuple[str, str], tuple[Any, Any]] = field(default_factory=dict)

    @property
    def unmatched(self) -> int:
        """Left rows without a partner."""
        return self.left_null + self.left_orphans

    @property
    def unmatched_right(self) -> int:
        """Right rows without a partner."""
        return self.right_null + self.right_orphans

    def expected(self, how: str) -> int:
        """Rows that a join of this kind gives, worked out from the keys."""
        return {
            "inner": self.pairs,
            "left": self.pairs + self.unmatched,
            "right": self.pairs + self.unmatched_right,
            "full": self.pairs + self.unmatched + self.unmatched_right,
            "semi": self.left - self.unmatched,
            "anti": self.unmatched,
        }[how]


_FIELDS = (
    ("left", "sum(l)"),
    ("right", "sum(r)"),
    ("left_null", "sum(CASE WHEN missing THEN l ELSE 0 END)"),
    ("right_null", "sum(CASE WHEN missing THEN r ELSE 0 END)"),
    ("left_orphans", "sum(CASE WHEN NOT missing AND r = 0 THEN l ELSE 0 END)"),
    ("right_orphans", "sum(CASE WHEN NOT missing AND l = 0 THEN r ELSE 0 END)"),
    ("widest", "max(CASE WHEN NOT missing AND l > 0 THEN r ELSE 0 END)"),
    ("widest_right", "max(CASE WHEN NOT missing AND r > 0 THEN l ELSE 0 END)"),
    ("pairs", "sum(CASE WHEN NOT missing THEN l * r ELSE 0 END)"),
    ("multiplied", "sum(CASE WHEN NOT missing AND r > 1 THEN l ELSE 0 END)"),
    ("multiplied_right", "sum(CASE WHEN NOT missing AND l > 1 THEN r ELSE 0 END)"),
    ("crossed", "sum(CASE WHEN NOT missing AND l > 1 AND r > 1 THEN l * r ELSE 0 END)"),
)


def join_query(typed: TypedSpec, step: Join, *, run_time: str, totals: Sequence[tuple[str, str]] = ()) -> str:
    """One query with one row of numbers about a join.

    Args:
        totals: Numeric columns, as (``left`` | ``right``, name), whose sum is taken before and after the join.
    """
    keys = range(len(step.keys))
    sides = []
    for side, node, flags in (("left", step.left, ("1", "0")), ("right", step.right, ("0", "1"))):
        names = [quote(getattr(key, side)) + f" AS k{at}" for at, key in enumerate(step.keys)]
        sums = [
            f"{_wide(quote(name)) if of == side else _wide('NULL')} AS s{at}" for at, (of, name) in enumerate(totals)
        ]
        columns = ", ".join([*names, f"{flags[0]} AS l", f"{flags[1]} AS r", *sums])
        sides.append(f"SELECT {columns} FROM ({query(typed, node, run_time=run_time)}) AS {side}_rows")
    grouped = ", ".join(f"k{at}" for at in keys)
    missing = " OR ".join(f"k{at} IS NULL" for at in keys)
    sums = [f"sum(s{at}) AS s{at}" for at in range(len(totals))]
    inner = ", ".join([f"({missing}) AS missing", "sum(l) AS l", "sum(r) AS r", *sums])
    outer = [f"coalesce({text}, 0) AS n_{name}" for name, text in _FIELDS]
    for at, (side, _) in enumerate(totals):
        outer.append(f"sum(s{at}) AS before{at}")
        outer.append(f"sum({_times(side, step.how)} * s{at}) AS after{at}")
    union = " UNION ALL ".join(sides)
    return f"SELECT {', '.join(outer)} FROM (SELECT {inner} FROM ({union}) AS u GROUP BY {grouped}) AS g"


def _wide(text: str) -> str:
    return f"CAST({text} AS DOUBLE)"


def _times(side: str, how: str) -> str:
    """How often the rows of a side stand in the result, for one key."""
    other = "r" if side == "left" else "l"
    partners = f"CASE WHEN missing THEN 0 ELSE {other} END"
    keeps = how == "full" or how == side
    return f"greatest({partners}, 1)" if keeps else f"({partners})"


def read_join(row: Sequence[Any], totals: Sequence[tuple[str, str]] = ()) -> JoinKeys:
    """The numbers of `join_query`."""
    values = {name: int(value) for (name, _), value in zip(_FIELDS, row, strict=False)}
    rest = row[len(_FIELDS) :]
    sums = {column: (rest[2 * at], rest[2 * at + 1]) for at, column in enumerate(totals)}
    return JoinKeys(**values, sums=sums)


# --- both together -----------------------------------------------------------------------------------------------


def step_rows(
    typed: TypedSpec, counts: Mapping[str, int], joins: Mapping[str, JoinKeys], notes: Mapping[str, str]
) -> tuple[StepRows, ...]:
    """Rows in and out of every step, inputs before users; a source stands there only where it filters.

    Args:
        counts: Rows by node, of `rows_of`; steps that are missing there could not be counted and are left out.
        joins: By step.
        notes: By step or source.
    """
    steps: dict[str, Step] = {step.id: step for step in typed.spec.steps}
    made = []
    for node in typed.nodes:
        if node.id not in counts:
            continue
        if node.id not in steps:
            raw = counts.get(node.id + RAW)
            if raw is not None or not steps:
                rows_in = {typed.tables[node.id].table: raw if raw is not None else counts[node.id]}
                note = notes.get(node.id, "")
                made.append(StepRows(step=node.id, kind="source", rows_in=rows_in, rows_out=counts[node.id], note=note))
            continue
        keys = joins.get(node.id)
        made.append(
            StepRows(
                step=node.id,
                kind=node.kind,
                rows_in={name: counts[name] for name in node.inputs if name in counts},
                rows_out=counts[node.id],
                unmatched_left=keys.unmatched if keys else None,
                unmatched_right=keys.unmatched_right if keys else None,
                widest_match=keys.widest if keys else None,
                note=notes.get(node.id, ""),
            )
        )
    return tuple(made)
