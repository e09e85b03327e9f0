"""Which queries the expectations need, and how their rows become results. Pure.

All row-level expectations of one dataset (a source, a step, what feeds the target) stand in one aggregation over one
scan, with row counts and the freshness of columns; each uniqueness check is one grouped pass more, each referential
check one join. The freshness of a table's last commit needs no query. Not here: asking the engine (`agent`), what a
failure means for the plan (`report`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from fractions import Fraction
from typing import Any

from pipeline_magic.agents.quality.describe import age, counted, described, listed, share
from pipeline_magic.compiler.expectations import failing_condition, node_of
from pipeline_magic.compiler.sql import query, target_query
from pipeline_magic.runs import CheckResult
from pipeline_magic.spec.model import Expectation, Freshness, NotNull, Referential, RowCount, Unique
from pipeline_magic.spec.names import quote
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["MOST", "Pass", "commit_result", "dataset", "errored", "passes", "switched_off"]

MOST = 100
"""Aggregates in one query; beyond that an engine's cost per aggregate jumps."""


@dataclass(frozen=True)
class Pass:
    """One query, and the expectations that its single row answers.

    Attributes:
        kind: ``rows`` (fused), ``unique`` or ``referential``.
        data: The dataset's own query, which `sql` reads.
        run_time: Time of the run.
    """

    kind: str
    data: str
    sql: str
    expectations: tuple[Expectation, ...]
    conditions: tuple[str | None, ...]
    run_time: str

    def results(self, row: Sequence[Any]) -> tuple[CheckResult, ...]:
        """Results from the query's one row."""
        if self.kind == "unique":
            return (_unique(self.expectations[0], row),)
        if self.kind == "referential":
            return (_referential(self.expectations[0], row),)
        rows, values = int(row[0]), iter(row[1:])
        return tuple(_fused(item, rows, values, self.run_time) for item in self.expectations)

    def halves(self) -> tuple[Pass, ...]:
        """The same work in two queries, to find what one of them cannot run; nothing for a single check."""
        middle = len(self.expectations) // 2
        if not middle:
            return ()
        return tuple(
            _pass(self.data, self.expectations[part], self.conditions[part], self.run_time)
            for part in (slice(None, middle), slice(middle, None))
        )


def passes(typed: TypedSpec, *, run_time: str) -> tuple[Pass, ...]:
    """Every query that the enabled expectations need, datasets in the order in which they are first named."""
    groups: dict[str, list[Expectation]] = {}
    for expectation in typed.spec.expectations:
        if expectation.enabled and not _of_commit(expectation):
            groups.setdefault(dataset(typed, expectation, run_time=run_time), []).append(expectation)
    made: list[Pass] = []
    for data, expectations in groups.items():
        fused: list[tuple[Expectation, str | None]] = []
        for expectation in expectations:
            if isinstance(expectation, Unique):
                made.append(Pass("unique", data, _unique_sql(expectation, data), (expectation,), (None,), run_time))
            elif isinstance(expectation, Referential):
                other = _after_drops(typed, expectation.to, run_time)
                text = _referential_sql(expectation, data, other)
                made.append(Pass("referential", data, text, (expectation,), (None,), run_time))
            else:
                fused.append((expectation, failing_condition(expectation, typed, run_time=run_time)))
        for start in range(0, len(fused), MOST - 1):
            part = fused[start : start + MOST - 1]
            made.append(_pass(data, tuple(e for e, _ in part), tuple(c for _, c in part), run_time))
    return tuple(made)


def dataset(typed: TypedSpec, expectation: Expectation, *, run_time: str) -> str:
    """The rows an expectation is about: of its node, before that node's own drops, as the notebook sees them."""
    return query(typed, node_of(expectation, typed), run_time=run_time, drops=True)


def _after_drops(typed: TypedSpec, node: str, run_time: str) -> str:
    """The rows of a node after its own drops: what a target fed by it would take."""
    named = tuple(item.model_copy(update={"on": node_of(item, typed)}) for item in typed.spec.expectations)
    if not any(item.enabled and item.action == "drop" and item.on == node for item in named):
        return query(typed, node, run_time=run_time, drops=True)
    target = typed.spec.target.model_copy(update={"input": node})
    spec = typed.spec.model_copy(update={"target": target, "expectations": named})
    return target_query(typed.model_copy(update={"spec": spec}), run_time=run_time)


def _of_commit(expectation: Expectation) -> bool:
    return isinstance(expectation, Freshness) and expectation.column is None


# --- queries -----------------------------------------------------------------------------------------------------


def _pass(data: str, expectations: tuple[Expectation, ...], conditions: tuple[str | None, ...], run_time: str) -> Pass:
    slots = ["count(*) AS n"]
    for expectation, condition in zip(expectations, conditions, strict=True):
        if condition is not None:
            slots.append(f"count(CASE WHEN {condition} THEN 1 END) AS c{len(slots)}")
        elif isinstance(expectation, Freshness) and expectation.column is not None:
            slots.append(f"max({quote(expectation.column)}) AS c{len(slots)}")
    text = f"SELECT {', '.join(slots)} FROM ({data}) AS t"
    return Pass("rows", data, text, expectations, conditions, run_time)


def _unique_sql(expectation: Unique, data: str) -> str:
    names = ", ".join(map(quote, expectation.columns))
    # sum(1) and not count(*): Sail cannot count groups of columns that it wrote itself as NOT NULL
    groups = f"SELECT sum(1) AS n FROM ({data}) AS t GROUP BY {names}"
    return (
        "SELECT coalesce(sum(n), 0) AS n, count(CASE WHEN n > 1 THEN 1 END) AS c1, "
        f"coalesce(sum(n - 1), 0) AS c2, coalesce(max(n), 0) AS c3 FROM ({groups}) AS g"
    )


def _referential_sql(expectation: Referential, data: str, other: str) -> str:
    pairs = list(zip(expectation.columns, expectation.to_columns, strict=True))
    left = ", ".join(f"{quote(name)} AS k{at}" for at, (name, _) in enumerate(pairs))
    right = ", ".join(f"{quote(name)} AS k{at}" for at, (_, name) in enumerate(pairs))
    on = " AND ".join(f"t.k{at} = o.k{at}" for at in range(len(pairs)))
    known = " AND ".join(f"t.k{at} IS NOT NULL" for at in range(len(pairs)))
    there = f"SELECT DISTINCT 1 AS found, {right} FROM ({other}) AS p"
    return (
        f"SELECT count(*) AS n, count(CASE WHEN {known} THEN 1 END) AS c1, "
        f"count(CASE WHEN {known} AND o.found IS NULL THEN 1 END) AS c2 "
        f"FROM (SELECT {left} FROM ({data}) AS s) AS t LEFT JOIN ({there}) AS o ON {on}"
    )


# --- results -----------------------------------------------------------------------------------------------------


def _result(expectation: Expectation, status: str, **seen: Any) -> CheckResult:
    return CheckResult.model_validate(
        {
            "expectation": expectation.id,
            "kind": expectation.kind,
            "on": expectation.on,
            "description": described(expectation),
            "action": expectation.action,
            "automatic": expectation.automatic,
            "status": status,
            **seen,
        }
    )


def switched_off(expectation: Expectation) -> CheckResult:
    """The result of a check that is off."""
    return _result(expectation, "off")


def errored(expectation: Expectation, message: str) -> CheckResult:
    """The result of a check that could not run."""
    return _result(expectation, "error", observed=f"could not run: {message}")


def within(failing: int, rows: int, tolerance: float) -> bool:
    """Whether that many failing rows are tolerated; exactly at the tolerance they are.

    >>> within(29, 100, 0.29), within(30, 100, 0.29)
    (True, False)
    """
    return failing <= Fraction(str(tolerance)) * rows


def _judged(expectation: Expectation, failing: int, rows: int, *, seen: str) -> CheckResult:
    passed = within(failing, rows, expectation.tolerance)
    if passed and failing:
        seen += f", within the tolerance of {100 * expectation.tolerance:g} %"
    return _result(expectation, "passed" if passed else "failed", rows=rows, failing=failing, observed=seen)


def _fused(expectation: Expectation, rows: int, values: Iterator[Any], run_time: str) -> CheckResult:
    if isinstance(expectation, RowCount):
        fits = (expectation.minimum is None or rows >= expectation.minimum) and (
            expectation.maximum is None or rows <= expectation.maximum
        )
        return _result(expectation, "passed" if fits else "failed", rows=rows, observed=counted(rows))
    if isinstance(expectation, Freshness):
        newest = _moment(next(values))
        missing = f"no value of {expectation.column} in {counted(rows)}"
        return _fresh(expectation, newest, run_time, f"newest {expectation.column}", missing, rows=rows)
    failing = int(next(values))
    if not failing:
        seen = f"all {counted(rows)} pass" if rows else "there are no rows"
    elif isinstance(expectation, NotNull):
        seen = f"{_part(failing, rows)} {'holds' if failing == 1 else 'hold'} a NULL there"
    else:
        seen = f"{_part(failing, rows)} {'fails' if failing == 1 else 'fail'}"
    return _judged(expectation, failing, rows, seen=seen)


def _part(failing: int, rows: int) -> str:
    return f"{failing:,} of {counted(rows)} ({share(failing, rows)})"


def _unique(expectation: Expectation, row: Sequence[Any]) -> CheckResult:
    rows, groups, extra, widest = (int(value) for value in row)
    if not groups:
        return _judged(expectation, 0, rows, seen=f"{counted(rows)}, {counted(rows, 'key')}")
    keys = listed(getattr(expectation, "columns", ()))
    seen = f"{counted(groups, 'value')} of {keys} {'occurs' if groups == 1 else 'occur'} more than once, " + (
        f"up to {widest:,} times; {counted(extra, 'row')} of {rows:,} too many"
    )
    return _judged(expectation, groups, rows, seen=seen)


def _referential(expectation: Expectation, row: Sequence[Any]) -> CheckResult:
    rows, known, missing = (int(value) for value in row)
    to = getattr(expectation, "to", "")
    seen = f"{_part(missing, rows)} {'points' if missing == 1 else 'point'} at nothing in {to}"
    if rows > known:
        seen += f"; {counted(rows - known)} without a key {'is' if rows - known == 1 else 'are'} not counted"
    return _judged(expectation, missing, rows, seen=seen)


def _fresh(
    expectation: Expectation,
    newest: datetime | None,
    run_time: str,
    what: str,
    missing: str,
    *,
    rows: int | None = None,
) -> CheckResult:
    assert isinstance(expectation, Freshness)
    if newest is None:
        return _result(expectation, "failed", rows=rows, observed=missing)
    seconds = (_instant(run_time) - newest).total_seconds()
    fits = seconds <= expectation.max_age_hours * 3600
    ago = f"{age(seconds)} old" if seconds >= 0 else f"{age(-seconds)} ahead of the run"
    seen = f"{what} is {newest.strftime('%Y-%m-%d %H:%M')} UTC, {ago}"
    return _result(expectation, "passed" if fits else "failed", rows=rows, observed=seen)


def commit_result(expectation: Freshness, last_modified: str | None, run_time: str) -> CheckResult:
    """The result of a check on a table's last commit, as the catalog tells it."""
    if last_modified is None:
        return errored(expectation, "the catalog does not say when the table was last written")
    return _fresh(expectation, _instant(last_modified), run_time, "last commit", "no commit")


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)


def _moment(value: Any) -> datetime | None:
    """A value of a date or timestamp column as a moment; one without a zone is taken in UTC, as the engine is set."""
    if value is None:
        return None
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=timezone.utc)
    if isinstance(value, date):
        return datetime.combine(value, time(), tzinfo=timezone.utc)
    return _instant(str(value))
