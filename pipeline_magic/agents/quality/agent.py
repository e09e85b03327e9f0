"""DataQualityAgent: asks the engine what the other modules of this room say to ask, in order, and makes the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from pipeline_magic.agents.quality.checks import Pass, commit_result, errored, passes, switched_off
from pipeline_magic.agents.quality.columns import unused_columns
from pipeline_magic.agents.quality.describe import counted
from pipeline_magic.agents.quality.losses import findings as loss_findings
from pipeline_magic.agents.quality.notes import notes
from pipeline_magic.agents.quality.personal import masked
from pipeline_magic.agents.quality.reconcile import (
    JoinKeys,
    count_queries,
    counts_query,
    join_query,
    read_join,
    rows_of,
    step_rows,
)
from pipeline_magic.agents.quality.report import PREVIEW_ROWS, check_findings, preview_query, shown_row
from pipeline_magic.agents.quality.sample_run import message_of, not_executed, run_sample
from pipeline_magic.agents.quality.totals import totals
from pipeline_magic.agents.quality.validated import validate_declared
from pipeline_magic.errors import CatalogError, QueryFailed, TableNotFound
from pipeline_magic.ports import Catalog, Engine
from pipeline_magic.runs import CheckResult, Finding, Generated, QualityReport, Reconciliation
from pipeline_magic.spec.model import Freshness, Join
from pipeline_magic.spec.schema import TableSchema
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["DataQualityAgent"]


class DataQualityAgent:
    """Stage 4: checks, reconciliation, sample run, rows to look at.

    Args:
        engine: Where the data lives.
        catalog: Tells when a table was last written.
    """

    def __init__(self, engine: Engine, catalog: Catalog) -> None:
        self._engine = engine
        self._catalog = catalog

    def check(
        self,
        typed: TypedSpec,
        generated: Generated,
        *,
        run_id: str,
        run_time: str,
        sample_run: bool,
        timeout: float,
        say: Callable[[str], None],
    ) -> QualityReport:
        """Everything the data and the artefact show; writes nothing but one scratch schema, which it removes.

        Args:
            typed: The typed spec.
            generated: The files of the plan.
            run_id: Names the scratch schema.
            run_time: ISO 8601; what `run_time()` stands for, everywhere alike.
            sample_run: Whether the notebook is run; a declarative pipeline is validated instead.
            timeout: Seconds for each query and each run of the notebook.
            say: Told what happens, one sentence each; may raise Cancelled.

        Returns:
            The report. What could not be found out is a red finding in it, not an error.

        Raises:
            EngineUnavailable: There is no engine.
            Cancelled: The person stopped the work.
        """
        enabled = sum(item.enabled for item in typed.spec.expectations)
        say(f"Running {counted(enabled, 'check')}")
        results = self._checks(typed, run_time, timeout, say)
        say("Counting the rows through every step")
        reconciliation = self._reconcile(typed, run_time, timeout, say)
        if sample_run and typed.spec.deployment == "declarative":
            sample, found = validate_declared(self._engine, typed, generated, run_id=run_id, timeout=timeout, say=say)
        elif sample_run:
            sample, found = run_sample(
                self._engine,
                typed,
                generated,
                run_id=run_id,
                run_time=run_time,
                timeout=timeout,
                say=say,
                held=self._held(typed),
                checks=results,
            )
        else:
            sample, found = not_executed("sample runs are switched off in the settings")
        if sample.status == "failed":
            found = (*found, *self._written_meanwhile(typed))
        say("Reading rows to look at")
        columns, rows, unread = self._preview(typed, run_time, timeout)
        return QualityReport(
            checks=results,
            reconciliation=reconciliation,
            sample_run=sample,
            findings=(*check_findings(results), *reconciliation.findings, *found, *unread),
            preview_columns=columns,
            preview_rows=rows,
            engine=self._engine.name,
        )

    # --- checks --------------------------------------------------------------------------------------------------

    def _checks(
        self, typed: TypedSpec, run_time: str, timeout: float, say: Callable[[str], None]
    ) -> tuple[CheckResult, ...]:
        found: dict[str, CheckResult] = {}
        for expectation in typed.spec.expectations:
            if not expectation.enabled:
                found[expectation.id] = switched_off(expectation)
            elif isinstance(expectation, Freshness) and expectation.column is None:
                found[expectation.id] = self._last_commit(typed, expectation, run_time)
        wanted = passes(typed, run_time=run_time)
        for at, one in enumerate(wanted):
            say(f"Checking {one.expectations[0].on} ({at + 1} of {len(wanted)})")
            for result in self._results(one, timeout):
                found[result.expectation] = result
        return tuple(found[expectation.id] for expectation in typed.spec.expectations)

    def _results(self, one: Pass, timeout: float) -> Iterator[CheckResult]:
        """Results of a query; when it fails, of its halves, so that one bad check does not take the others along."""
        try:
            row = self._engine.query(one.sql, limit=1, timeout=timeout).rows[0]
        except QueryFailed as error:
            halves = one.halves()
            for half in halves:
                yield from self._results(half, timeout)
            if not halves:
                yield from (errored(expectation, message_of(error)) for expectation in one.expectations)
            return
        yield from one.results(row)

    def _last_commit(self, typed: TypedSpec, expectation: Freshness, run_time: str) -> CheckResult:
        table = typed.tables[expectation.on].table
        try:
            known = self._catalog.table(table)
        except CatalogError as error:
            return errored(expectation, message_of(error))
        return commit_result(expectation, known.last_modified, run_time)

    def _held(self, typed: TypedSpec) -> TableSchema | None:
        """The target as it is now; None when there is none."""
        try:
            return self._catalog.table(typed.spec.target.table)
        except TableNotFound:
            return None

    def _written_meanwhile(self, typed: TypedSpec) -> Iterator[Finding]:
        """Sources that changed since the spec was typed: a difference may come from there."""
        for alias, known in typed.tables.items():
            with suppress(CatalogError):
                now = self._catalog.table(known.table).version
                if None not in (known.version, now) and known.version != now:
                    yield Finding(
                        id=f"moved:{alias}",
                        severity="info",
                        message=f"`{known.table}` was written while this report was made; numbers may differ for that.",
                        where=f"sources.{alias}.table",
                        hint="Press Generate again once it rests.",
                    )

    # --- reconciliation ------------------------------------------------------------------------------------------

    def _reconcile(self, typed: TypedSpec, run_time: str, timeout: float, say: Callable[[str], None]) -> Reconciliation:
        counts, failed = self._counts(count_queries(typed, run_time=run_time), timeout)
        joins: dict[str, JoinKeys] = {}
        for step in typed.spec.steps:
            if not isinstance(step, Join) or step.id not in counts:
                continue
            say(f"Matching the keys of {step.id}")
            sums = totals(typed, step)
            text = join_query(typed, step, run_time=run_time, totals=sums)
            try:
                joins[step.id] = read_join(self._engine.query(text, limit=1, timeout=timeout).rows[0], sums)
            except QueryFailed as error:
                failed.append(_uncounted(step.id, message_of(error)))
        known = rows_of(typed, counts)
        said = notes(typed, known, joins)
        return Reconciliation(
            steps=step_rows(typed, known, joins, said),
            unused_columns={alias: names for alias, names in unused_columns(typed).items() if names},
            findings=(*failed, *loss_findings(typed, known, joins)),
        )

    def _counts(self, queries: Mapping[str, str], timeout: float) -> tuple[dict[str, int], list[Finding]]:
        """Rows by name, in one query; when that fails, one by one, so that the step that cannot run is named."""
        try:
            result = self._engine.query(counts_query(queries), limit=len(queries), timeout=timeout)
            return {str(name): int(rows) for name, rows in result.rows}, []
        except QueryFailed:
            counts: dict[str, int] = {}
            failed: list[Finding] = []
            for name, text in queries.items():
                try:
                    result = self._engine.query(counts_query({name: text}), limit=1, timeout=timeout)
                    counts[name] = int(result.rows[0][1])
                except QueryFailed as error:
                    failed.append(_uncounted(name, message_of(error)))
            return counts, failed

    # --- rows to look at -----------------------------------------------------------------------------------------

    def _preview(
        self, typed: TypedSpec, run_time: str, timeout: float
    ) -> tuple[tuple[str, ...], tuple[tuple[str | None, ...], ...], tuple[Finding, ...]]:
        text = preview_query(typed, run_time=run_time)
        try:
            result = self._engine.query(text, limit=PREVIEW_ROWS, timeout=timeout)
        except QueryFailed as error:
            finding = Finding(
                id="preview", severity="red", message=f"The target's rows cannot be read: {message_of(error)}"
            )
            return (), (), (finding,)
        names = tuple(column.name for column in result.columns)
        return names, tuple(shown_row(masked(names, row)) for row in result.rows), ()


def _uncounted(name: str, message: str) -> Finding:
    return Finding(
        id=f"count:{name}",
        severity="red",
        message=f"The rows of `{name}` could not be counted: {message}",
        where=f"steps.{name}",
        hint="The step itself may not run; look at its expressions.",
    )
