"""The quality gate: every expectation is measured, and what must stop the run stops it before anything is written.

Row-level checks of one dataset are fused into one aggregation over one pass, and a single uniqueness check rides along
in it; each further one and each referential check adds one grouped pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from pipeline_magic.compiler.expectations import failing_condition, node_of
from pipeline_magic.compiler.pyspark import Cell, Program
from pipeline_magic.compiler.python import assign, listing, literal, sql_argument
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
    blocks = [
        "failing = {}  # rows that fail, by expectation; None where it could not be checked"
        + ("\nlimits = {}  # how many may fail before the run stops" if stops else "")
    ]
    by_node: dict[str, list[Expectation]] = {}
    for item in items:
        by_node.setdefault(node_of(item, typed), []).append(item)
    for node in typed.nodes:
        if node.id in by_node:
            blocks.append(_dataset(typed, program, node.id, by_node[node.id]))
    if stops:
        blocks.append(_VERDICT)
    if needs_commits(typed):
        blocks.insert(0, COMMITS)
    return Cell(
        "quality_gate", "Quality gate: measure every expectation, and stop before the write", "\n\n".join(blocks)
    )


def _dataset(typed: TypedSpec, program: Program, node_id: str, items: Sequence[Expectation]) -> str:
    name = program.unchecked.get(node_id, program.names[node_id])
    fused = [item for item in items if failing_condition(item, typed) is not None or _by_column(item)]
    unique = [item for item in items if isinstance(item, Unique)]
    counted = fused or any(isinstance(item, RowCount) for item in items) or any(item.tolerance for item in items)
    lines: list[str] = []
    ride = unique[0] if len(unique) == 1 and _can_ride(unique[0], fused) else None
    if ride is not None:
        lines += _grouped(typed, name, ride, fused)
    elif counted:
        for start in range(0, max(1, len(fused)), _FUSED):
            lines += _flat(typed, name, fused[start : start + _FUSED])
    if any(isinstance(item, RowCount) or item.tolerance for item in items):
        lines.append('rows = found["_rows"] or 0')
    lines += _assignments(item for item in fused if not _by_column(item))
    for item in items:
        lines += _other(typed, program, node_id, name, item, item is ride)
    lines += _limits(items)
    return "\n".join([f"# {'The target' if node_id == typed.spec.target.input else node_id}", *lines])


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
        return f"F.expr({sql_argument(text)}).alias({literal(item.id)})"
    text = failing_condition(item, typed) or "FALSE"
    return f"F.expr({sql_argument(f'count_if({text})')}).alias({literal(item.id)})"


def _flat(typed: TypedSpec, name: str, items: Sequence[Expectation]) -> list[str]:
    measures = ['F.count("*").alias("_rows")', *(_measured(typed, item) for item in items)]
    body = "".join(f"\n    {text}," for text in measures)
    return [f"found = {name}.agg({body}\n).first()"]


def _grouped(typed: TypedSpec, name: str, ride: Unique, items: Sequence[Expectation]) -> list[str]:
    """One grouped pass: the row-level counts of each key, and whether the key occurs more than once."""
    inner = ['F.count("*").alias("_rows")', *(_measured(typed, item) for item in items)]
    outer = [
        'F.sum("_rows").alias("_rows")',
        *(f"F.sum({literal(item.id)}).alias({literal(item.id)})" for item in items),
        f'F.expr("count_if(_rows > 1)").alias({literal(ride.id)})',
    ]
    return [
        assign(
            "found",
            name,
            [
                f"groupBy({listing(ride.columns)})",
                "agg(" + "".join(f"\n    {text}," for text in inner) + "\n)",
                "agg(" + "".join(f"\n    {text}," for text in outer) + "\n)",
                "first()",
            ],
        )
    ]


def _assignments(items: Iterable[Expectation]) -> list[str]:
    return [f"failing[{literal(item.id)}] = found[{literal(item.id)}] or 0" for item in items]


def _other(typed: TypedSpec, program: Program, node_id: str, name: str, item: Expectation, rides: bool) -> list[str]:
    key = f"failing[{literal(item.id)}]"
    if isinstance(item, Unique):
        if rides:
            return [f"{key} = found[{literal(item.id)}] or 0"]
        return [f'{key} = {name}.groupBy({listing(item.columns)}).count().where("count > 1").count()']
    if isinstance(item, RowCount):
        tests = [f"rows < {item.minimum}"] if item.minimum is not None else []
        tests += [f"rows > {item.maximum}"] if item.maximum is not None else []
        return [f"{key} = int({' or '.join(tests)})"]
    if isinstance(item, Referential):
        return [f"{key} = {orphans(name, program.names[item.to], item)}.count()"]
    if isinstance(item, Freshness) and item.column is None:
        age = f"age_{node_id}"
        return [
            f"{age} = age_of(source_{node_id})",
            f"{key} = None if {age} is None else int({age} > {item.max_age_hours!r})",
        ]
    return _assignments([item]) if isinstance(item, Freshness) else []


def _limits(items: Sequence[Expectation]) -> list[str]:
    """How many may fail before the run stops, for the checks that stop it."""
    stopping = [item for item in items if item.action == "fail"]
    return [f"limits[{literal(item.id)}] = {_share(item.tolerance)}" for item in stopping]


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


_VERDICT = """\
broken = [name for name, limit in limits.items() if failing[name] is None or failing[name] > limit]
if broken:
    found = ", ".join(f"{name} ({failing[name]})" for name in broken)
    raise ValueError(f"Nothing was written to {target}: these expectations failed: {found}")"""
