"""The quality gate: every expectation is measured, and what must stop the run stops it before anything is written.

Row-level checks of one dataset are fused into one aggregation over one pass, and those of several datasets into one
query. A single uniqueness check rides along in the pass over its dataset; each further one and each referential check
adds one grouped pass. What the steps make true is not measured: a group-by leaves each of its keys once.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from pipeline_magic.compiler.expectations import failing_condition, node_of
from pipeline_magic.compiler.pyspark import Cell, Program
from pipeline_magic.compiler.python import aliased_expr, assign, call, each_on_a_line, listing, literal
from pipeline_magic.compiler.staging import STAGED, by_construction, drop_staging, only_not_empty, stages_rows
from pipeline_magic.compiler.steps.frames import checks_of
from pipeline_magic.compiler.steps.sources import orphans
from pipeline_magic.spec.dialect import identifier
from pipeline_magic.spec.model import Expectation, Freshness, Referential, RowCount, Unique
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["gate", "needs_commits"]

_FUSED = 90
"""Aggregates in one query: beyond a hundred Spark's generated code falls off a cliff."""

COMMITS = '''\
def age_of(table):
    """Hours since the last commit of a table; None where the engine keeps no history of it."""
    try:
        last = spark.sql(f"DESCRIBE HISTORY {table} LIMIT 1").select(F.unix_timestamp("timestamp")).first()[0]
    except PySparkException:
        return None
    return (run_time.timestamp() - last) / 3600'''


def needs_commits(typed: TypedSpec) -> bool:
    """Whether a check asks for the last commit of a table."""
    return any(isinstance(item, Freshness) and item.column is None for item in checks_of(typed))


def gate(typed: TypedSpec, program: Program) -> Cell | None:
    """The gate's cell; None where nothing is expected."""
    items = checks_of(typed)
    if not items:
        return None
    stops = any(item.action == "fail" for item in items)
    blocks = [COMMITS] if needs_commits(typed) else []
    blocks.append(
        "failing = {}  # rows that fail, by expectation; None where it could not be checked"
        + ("\nlimits = {}  # how many may fail before the run stops" if stops else "")
    )
    datasets = [
        _Dataset(typed, program, node.id) for node in typed.nodes if node.id in {node_of(i, typed) for i in items}
    ]
    together = [one for one in datasets if one.plain]
    blocks += _together(together)
    blocks += [text for one in datasets if (text := one.block(measured=one in together))]
    if stops:
        blocks.append(_verdict(typed))
    return Cell(
        "quality_gate", "Quality gate: measure every expectation, and stop before the write", "\n\n".join(blocks)
    )


class _Dataset:
    """The expectations of one node, by the way in which they are measured.

    Attributes:
        fused: Those that one aggregation over the rows measures together.
        ride: The uniqueness check that is measured in the same pass, key by key.
        rows: Whether the number of rows has to be known.
        plain: Whether an aggregation without groups measures all of `fused`, so that it can share its query.
    """

    def __init__(self, typed: TypedSpec, program: Program, node_id: str) -> None:
        self.typed, self.program, self.node_id = typed, program, node_id
        self.name = program.unchecked.get(node_id, program.names[node_id])
        self.items = [item for item in checks_of(typed) if node_of(item, typed) == node_id]
        self.fused = [item for item in self.items if failing_condition(item, typed) is not None or _by_column(item)]
        unique = [item for item in self.items if isinstance(item, Unique) and by_construction(typed, item) is None]
        counts = [item for item in self.items if isinstance(item, RowCount) or item.tolerance]
        self.rows = bool(counts) and (bool(self.fused) or not all(only_not_empty(item) for item in counts))
        passing = bool(self.fused) or self.rows
        self.ride = unique[0] if passing and len(unique) == 1 and _can_ride(unique[0], self.fused) else None
        target = node_id == typed.spec.target.input
        self.plain = 0 < len(self.fused) <= _FUSED and self.ride is None and not self.rows and not target

    def block(self, *, measured: bool) -> str:
        """The code that measures them; `measured` says that the aggregation stands elsewhere."""
        lines = [] if measured else self._aggregation()
        for item in self.items:
            lines += self._other(item)
        lines += [f"limits[{literal(i.id)}] = {_share(i.tolerance)}" for i in self.items if i.action == "fail"]
        title = "The target" if self.node_id == self.typed.spec.target.input else self.node_id
        return "\n".join([f"# {title}", *lines]) if lines else ""

    def _aggregation(self) -> list[str]:
        if self.ride is not None:
            return [*self._key_by_key(self.ride), *(['rows = found["_rows"] or 0'] if self.rows else [])]
        lines: list[str] = []
        count = ['F.count("*").alias("_rows")'] if self.rows else []
        for start in range(0, max(len(self.fused), len(count)), _FUSED):
            measures = self.measures(start)
            if count and measures:
                made = assign("found", self.name, [_agg([*count, *measures]), "first()", "asDict()"])
                lines += [made, 'rows = found.pop("_rows")', "failing |= found"]
            elif count:
                lines.append(f"rows = {self.name}.count()")
            else:
                lines.append(_added(self.name, [_agg(measures), "first()", "asDict()"]))
            count = []
        return lines

    def measures(self, start: int = 0) -> list[str]:
        """Failing rows by expectation, as aggregates; so many as fit into one query."""
        return [_measured(self.typed, item) for item in self.fused[start : start + _FUSED]]

    def _key_by_key(self, ride: Unique) -> list[str]:
        """One grouped pass: the row-level counts of each key, and whether the key occurs more than once."""
        outer = [*(['F.sum("_rows").alias("_rows")'] if self.rows else [])]
        outer += [f"F.sum({literal(item.id)}).alias({literal(item.id)})" for item in self.fused]
        outer.append(f'F.expr("count_if(_rows > 1)").alias({literal(ride.id)})')
        grouped = f"groupBy({listing(ride.columns)})"
        inner = _agg(['F.count("*").alias("_rows")', *self.measures()])
        lines = [assign("found", self.name, [grouped, inner, _agg(outer), "first()"])]
        return [*lines, *(f"failing[{literal(i.id)}] = found[{literal(i.id)}] or 0" for i in (*self.fused, ride))]

    def _other(self, item: Expectation) -> list[str]:
        """What is measured by a query of its own, or known already."""
        key = f"failing[{literal(item.id)}]"
        if isinstance(item, Unique) and item is not self.ride:
            maker = by_construction(self.typed, item)
            if maker is not None:
                return [f"{key} = 0  # {maker} leaves each of these keys once, and nothing after it repeats rows"]
            return [f'{key} = {self.name}.groupBy({listing(item.columns)}).count().where("count > 1").count()']
        if isinstance(item, RowCount):
            return [f"{key} = int({self._outside(item)})"]
        if isinstance(item, Referential):
            base, calls = orphans(self.name, self.program.names[item.to], item)
            return [assign(key, base, [*calls, "count()"])]
        if isinstance(item, Freshness) and item.column is None:
            age = f"age_{self.node_id}"
            return [
                f"{age} = age_of(source_{self.node_id})",
                f"{key} = None if {age} is None else int({age} > {item.max_age_hours!r})",
            ]
        return []

    def _outside(self, item: RowCount) -> str:
        if not self.rows:
            return f"{self.name}.limit(1).isEmpty()"
        tests = [f"rows < {item.minimum}"] if item.minimum is not None else []
        tests += [f"rows > {item.maximum}"] if item.maximum is not None else []
        return " or ".join(tests)


def _together(datasets: Sequence[_Dataset]) -> list[str]:
    """One query for the row-level checks of several datasets, as long as they are few enough for one."""
    groups: list[list[_Dataset]] = []
    for one in datasets:
        if not groups or sum(len(other.fused) for other in (*groups[-1], one)) > _FUSED:
            groups.append([])
        groups[-1].append(one)
    blocks = []
    for first, *others in groups:
        joined = [call("crossJoin", [f"{one.name}.{_agg(one.measures())}"], 8) for one in others]
        lines = [f"# {', '.join(one.node_id for one in (first, *others))}"]
        lines.append(_added(first.name, [_agg(first.measures()), *joined, "first()", "asDict()"]))
        blocks.append("\n".join(lines))
    return blocks


def _added(frame: str, calls: Sequence[str]) -> str:
    """The counts of one row, put with the others."""
    return assign("failing", frame, calls).replace("failing = ", "failing |= ", 1)


def _agg(measures: Sequence[str]) -> str:
    """Several measures stand one a line."""
    line = call("agg", measures)
    return line if len(measures) == 1 else each_on_a_line("agg", measures)


def _by_column(item: Expectation) -> bool:
    return isinstance(item, Freshness) and item.column is not None


def _can_ride(unique: Unique, fused: Sequence[Expectation]) -> bool:
    """Whether the row-level checks can be counted key by key: few enough, and no name stands for two things."""
    keys = {name.casefold() for name in unique.columns}
    return not (
        any(_by_column(item) for item in fused)
        or len(fused) >= _FUSED
        or keys & {"_rows", unique.id, *(item.id for item in fused)}
    )


def _measured(typed: TypedSpec, item: Expectation) -> str:
    if isinstance(item, Freshness):
        assert item.column is not None
        limit = f"run_time() - INTERVAL '{round(item.max_age_hours * 60)}' MINUTES"
        # no value at all is not fresh
        text = f"CAST(coalesce(max({identifier(item.column)}) < {limit}, TRUE) AS INT)"
        return aliased_expr(text, item.id)
    text = failing_condition(item, typed) or "FALSE"
    return aliased_expr(f"count_if({text})", item.id)


def _share(tolerance: float) -> str:
    """How many rows may fail, in whole numbers: ``0.29 * 100`` would be a little less than 29.

    >>> _share(0.29), _share(0.02), _share(0.0)
    ('29 * rows / 100', 'rows / 50', '0')
    """
    fraction = Fraction(repr(tolerance))
    if not fraction:
        return "0"
    many = "rows" if fraction.numerator == 1 else f"{fraction.numerator} * rows"
    return many if fraction.denominator == 1 else f"{many} / {fraction.denominator}"


def _verdict(typed: TypedSpec) -> str:
    """Stop before the write; what was staged for it leaves first."""
    left = drop_staging(STAGED) if stages_rows(typed) else []
    lines = [
        "broken = [name for name, limit in limits.items() if failing[name] is None or failing[name] > limit]",
        "if broken:",
        *("    " + line for line in left),
        '    found = ", ".join(f"{name} ({failing[name]})" for name in broken)',
        '    raise ValueError(f"Nothing was written to {target}: these expectations failed: {found}")',
    ]
    return "\n".join(lines)
