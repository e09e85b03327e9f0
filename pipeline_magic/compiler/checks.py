"""What a Lakeflow expectation cannot say of a row, as datasets of one row with an expectation on it.

The pattern is Databricks' own: keys are validated by a materialized view that counts them, with an expectation on the
counts. Counted here: keys that occur twice, rows, orphans, the newest value of a column, failing rows where some may
fail. Not here: how a dataset is declared (`declarative`), and which views it reads (`flows`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from pipeline_magic.compiler.describe import describe_expectation
from pipeline_magic.compiler.expectations import failing_condition, node_of
from pipeline_magic.compiler.flows import Flows, Place
from pipeline_magic.compiler.pyspark import orphans
from pipeline_magic.compiler.python import assign, column, listing, literal, sql_argument
from pipeline_magic.spec.dialect import identifier
from pipeline_magic.spec.model import Expectation, ExpressionCheck, Freshness, NotNull, Referential, RowCount, Unique
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["Check", "checks", "holds"]

_ROWS, _FAILING = "_rows", "_failing"


class Check(NamedTuple):
    """One such dataset.

    Attributes:
        says: What it checks, a sentence each.
        places: What its function reads or computes before `code`.
        of_target: Variable of the target's rows, where it reads them.
        expected: Name, action and condition of each expectation.
        code: Its last lines; they return the row.
    """

    name: str
    says: tuple[str, ...]
    places: tuple[Place, ...]
    of_target: str | None
    expected: tuple[tuple[str, str, str], ...]
    code: str


def holds(item: Expectation, typed: TypedSpec) -> str:
    """The condition that a row meets, for an expectation that stands on rows; it is never NULL."""
    if isinstance(item, NotNull):
        return " AND ".join(f"{identifier(name)} IS NOT NULL" for name in item.columns)
    if isinstance(item, ExpressionCheck):
        return f"coalesce({item.condition}, FALSE)"
    if isinstance(item, Referential):
        unknown = "".join(f" OR {identifier(name)} IS NULL" for name in item.columns)
        return f"{identifier(f'_{item.id}_1')} IS NOT NULL{unknown}"
    return f"NOT coalesce({failing_condition(item, typed)}, FALSE)"


def checks(typed: TypedSpec, flows: Flows, names: Mapping[str, str]) -> Iterator[Check]:
    """The checks of a pipeline, those of one dataset together where one pass counts them all."""
    by_node: dict[str, list[Expectation]] = {}
    for item in flows.measured:
        by_node.setdefault(node_of(item, typed), []).append(item)
    for node in typed.nodes:
        items = by_node.get(node.id, [])
        counted = [item for item in items if not isinstance(item, (Unique, Referential))]
        if counted:
            yield _counted(typed, flows, names, node.id, counted)
        for item in items:
            if isinstance(item, Unique):
                yield _unique(typed, flows, names, item)
            elif isinstance(item, Referential):
                yield _referential(typed, flows, names, item)


def _says(item: Expectation) -> str:
    return f"{item.id}: {describe_expectation(item).rsplit('; failures', 1)[0]}"


def _check(
    flows: Flows,
    names: Mapping[str, str],
    name: str,
    items: Sequence[Expectation],
    expected: Sequence[tuple[str, str, str]],
    code: str,
) -> Check:
    places = dict.fromkeys(other for item in items for place in flows.read_by(item) for other in flows.reached(place))
    touched = {node_of(item, flows.typed) for item in items}
    touched |= {item.to for item in items if isinstance(item, Referential)}
    target = names[flows.root.node] if flows.root.node in touched else None
    return Check(name, tuple(_says(item) for item in items), tuple(places), target, tuple(expected), code)


def _within(failing: str, tolerance: float, rows: str = _ROWS) -> str:
    """That no more than a share of the rows fails, in whole numbers.

    >>> _within("_failing", 0.0), _within("_failing", 0.29)
    ('_failing = 0', '100 * _failing <= 29 * _rows')
    """
    share = Fraction(repr(tolerance))
    if not share:
        return f"{failing} = 0"
    many = rows if share.numerator == 1 else f"{share.numerator} * {rows}"
    return f"{share.denominator} * {failing} <= {many}"


def _counted(
    typed: TypedSpec, flows: Flows, names: Mapping[str, str], node: str, items: Sequence[Expectation]
) -> Check:
    measures, expected = [f'F.count("*").alias("{_ROWS}")'], []
    for item in items:
        name = identifier(item.id)
        if isinstance(item, RowCount):
            bounds = [f"{_ROWS} >= {item.minimum}"] if item.minimum is not None else []
            bounds += [f"{_ROWS} <= {item.maximum}"] if item.maximum is not None else []
            text = " AND ".join(bounds)
        elif isinstance(item, Freshness):
            measures.append(f"F.max({column(item.column or '')}).alias({literal(item.id)})")
            limit = f"run_time() - INTERVAL '{round(item.max_age_hours * 60)}' MINUTES"
            text = f"coalesce({name} >= {limit}, FALSE)"  # no value at all is not fresh
        else:
            counts = sql_argument(f"count_if({failing_condition(item, typed)})")
            measures.append(f"F.expr({counts}).alias({literal(item.id)})")
            text = _within(name, item.tolerance)
        expected.append((item.id, item.action, text))
    code = f"return {names[node]}.agg({', '.join(measures)})"
    if len(measures) > 1:
        code = f"return {names[node]}.agg(\n" + "".join(f"    {text},\n" for text in measures) + ")"
    name = items[0].id if len(items) == 1 else f"checks_of_{'target' if node == flows.root.node else node}"
    return _check(flows, names, name, items, expected, code)


def _unique(typed: TypedSpec, flows: Flows, names: Mapping[str, str], item: Unique) -> Check:
    calls = [f"groupBy({listing(item.columns)})", 'agg(F.count("*").alias("_copies"))']
    if item.tolerance:
        twice = f'F.expr("count_if(_copies > 1)").alias("{_FAILING}")'
        calls.append(f'agg(F.sum("_copies").alias("{_ROWS}"), {twice})')
    else:
        calls += ['where("_copies > 1")', f'agg(F.count("*").alias("{_FAILING}"))']
    code = _return(names[node_of(item, typed)], calls)
    expected = [(item.id, item.action, _within(_FAILING, item.tolerance, f"coalesce({_ROWS}, 0)"))]
    return _check(flows, names, item.id, [item], expected, code)


def _referential(typed: TypedSpec, flows: Flows, names: Mapping[str, str], item: Referential) -> Check:
    variable, parent = names[node_of(item, typed)], names[item.to]
    expected = [(item.id, item.action, _within(_FAILING, item.tolerance))]
    lost = assign("lost", *orphans(variable, parent, item))
    if not item.tolerance:
        code = f'{lost}\nreturn lost.agg(F.count("*").alias("{_FAILING}"))'
        return _check(flows, names, item.id, [item], expected, code)
    code = "\n".join(
        [
            f'total = {variable}.agg(F.count("*").alias("{_ROWS}"))',
            lost,
            f'return lost.agg(F.count("*").alias("{_FAILING}")).crossJoin(total)',
        ]
    )
    return _check(flows, names, item.id, [item], expected, code)


def _return(base: str, calls: Sequence[str]) -> str:
    return assign("_", base, calls).replace("_ = ", "return ", 1)
