"""The main job, end to end, on the local lakehouse: rows equal to queries written by hand, and nothing done twice."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline_magic.demo import STATEMENT
from pipeline_magic.errors import ApprovalRefused, NotFound, SpecError, StatementError, UsageError
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.runs import StageEvent
from pipeline_magic.spec.paths import Edit

pytestmark = pytest.mark.engine

EXAMPLES = Path(__file__).parents[1] / "examples" / "statements"


@dataclass
class Job:
    """A statement that was built, approved and deployed, with every stage event in order."""

    orchestrator: PipelineBuilderOrchestrator
    planned: Any
    deployed: Any
    events: list[StageEvent]

    @property
    def home(self) -> Path:
        return self.orchestrator.settings.home


def _do(home: Path, statement: str) -> Job:
    orchestrator = PipelineBuilderOrchestrator(home=home, local=True)
    events: list[StageEvent] = []
    planned = orchestrator.build_pipeline(statement, progress=events.append)
    deployed = orchestrator.approve_pipeline(planned.approval_id, "John Doe", "Looks good!", progress=events.append)
    return Job(orchestrator, planned.snapshot, deployed.snapshot, events)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def seed(home: Path) -> Iterator[Job]:
    job = _do(home, STATEMENT)
    yield job
    job.orchestrator.close()


@pytest.fixture(scope="module")
def flights(home: Path, seed: Job) -> Iterator[Job]:
    job = _do(home, (EXAMPLES / "flights.txt").read_text())
    yield job
    job.orchestrator.close()


def by_hand(home: Path, query: str) -> list[dict[str, Any]]:
    """Rows of a query over the lakehouse's own Parquet files, in an engine that shares nothing with ours."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone='UTC'")
    for folder in sorted((home / "lakehouse" / "samples").glob("*/*")):
        if (folder / "_delta_log").is_dir():
            connection.execute(f"CREATE VIEW {folder.name} AS SELECT * FROM read_parquet('{folder}/*.parquet')")
    result = connection.execute(query)
    names = [item[0] for item in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def table(job: Job, name: str) -> list[dict[str, Any]]:
    """Rows of a deployed Delta table, read without our engine."""
    from deltalake import DeltaTable

    catalog, schema, table_name = name.split(".")
    return DeltaTable(str(job.home / "lakehouse" / catalog / schema / table_name)).to_pyarrow_table().to_pylist()


def same(left: Any, right: Any) -> bool:
    """Equal values; floating point to twelve digits. An average of decimals has six digits, and Sail cuts the rest
    off where Spark rounds: at most one unit in the last of them."""
    if left is None or right is None:
        return left is right
    if isinstance(left, Decimal) and isinstance(right, float):
        return abs(left - Decimal(right)) < Decimal("0.000001")
    if isinstance(left, float) or isinstance(right, float):
        return math.isclose(float(left), float(right), rel_tol=1e-12, abs_tol=1e-12)
    return bool(left == right)


def assert_same_rows(found: list[dict[str, Any]], wanted: list[dict[str, Any]], key: tuple[str, ...]) -> None:
    """Every wanted column of every row is there, value for value."""
    assert len(found) == len(wanted)
    indexed = {tuple(row[name] for name in key): row for row in found}
    assert len(indexed) == len(found), "the key does not identify a row"
    for row in wanted:
        mine = indexed[tuple(row[name] for name in key)]
        for name, value in row.items():
            assert same(mine[name], value), (name, row, mine)


def test_seed_rows_equal_a_query_by_hand(seed: Job) -> None:
    """The target holds, value for value, what a query written by hand gives."""
    wanted = by_hand(
        seed.home,
        """
        WITH revenue AS (
          SELECT c_custkey, sum(o_totalprice) AS revenue, count(o_orderkey) AS order_count,
                 avg(o_totalprice) AS average_order_value
          FROM customer LEFT JOIN orders ON o_custkey = c_custkey
          GROUP BY c_custkey
        )
        SELECT *, CASE WHEN revenue IS NOT NULL
                        AND (rank() OVER (ORDER BY revenue DESC NULLS LAST) - 1.0) / (count(*) OVER () - 1) < 0.2
                       THEN 'high_value' ELSE 'standard' END AS customer_segment
        FROM revenue
        """,
    )
    assert len(wanted) == 1500
    assert_same_rows(table(seed, "analytics.default.customer_revenue"), wanted, ("c_custkey",))


def test_seed_defaults_and_questions(seed: Job) -> None:
    """The defaults are the documented ones; join, threshold and target name are the questions, none must-answer."""
    spec = seed.planned.validated.spec
    assert spec.target.table == "analytics.default.customer_revenue"
    assert (spec.target.mode, spec.trigger.cron, spec.trigger.timezone) == ("overwrite", "0 0 6 * * ?", "UTC")
    questions = {question.id.split(":")[0]: question for question in seed.planned.questions}
    assert set(questions) == {"join", "threshold", "target"}
    assert not any(question.must_answer for question in seed.planned.questions)
    counted = {option.id: option.rows for option in questions["join"].options}
    assert sorted(counted.values()) == [1000, 1500]


def test_seed_everything_happened_once(seed: Job) -> None:
    """One merged pull request, one deployment, the table's comment set, the audit chained."""
    snapshot = seed.deployed
    assert snapshot.pull_request.state == "merged"
    assert snapshot.deployment.state == "deployed"
    assert snapshot.deployment.rows == 1500
    log = subprocess.run(
        ["git", "-C", str(seed.home / "repo.git"), "log", "--oneline", "--merges", "main"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(log.stdout.splitlines()) >= 1
    kinds = [entry.event for entry in snapshot.audit]
    for event in ("pull_request.open", "pull_request.merge", "job.deploy", "job.run"):
        assert kinds.count(event) == 1, (event, kinds)
    from pipeline_magic.agents.approval import audit

    assert not audit.verify(seed.orchestrator.ports.store.audit())


def test_deployed_bytes_are_the_approved_ones(seed: Job) -> None:
    """The deployed notebook, the merged one and the approved one have the same bytes."""
    approved = seed.planned.generated.file(seed.planned.generated.notebook).content
    merged = seed.orchestrator.ports.code_host.read(seed.planned.generated.notebook)
    assert merged == approved
    deployed = [path for path in (seed.home / "jobs").rglob("*.ipynb") if path.read_text() == approved]
    assert deployed


def test_same_cell_again_changes_nothing(seed: Job) -> None:
    """A second run of the same statement recomputes no stage, opens nothing, and says so."""
    requests_before = len(list((seed.home / "repo.git").rglob("*")))
    events: list[StageEvent] = []
    again = seed.orchestrator.build_pipeline(STATEMENT, progress=events.append)
    assert again.snapshot.unchanged
    assert again.run_id == seed.deployed.run.id
    assert {event.stage: event.state for event in events if event.stage != "approval"} == dict.fromkeys(
        ("parse", "validate", "generate", "quality", "pull_request"), "unchanged"
    )
    assert again.approval_id == seed.planned.approval_id
    assert len(list((seed.home / "repo.git").rglob("*"))) == requests_before
    assert "Nothing changed" in repr(again)


def test_approving_again_does_nothing_more(seed: Job) -> None:
    """A second press of the button repeats no effect."""
    before = seed.orchestrator.snapshot(seed.deployed.run.id)
    seed.orchestrator.approve_pipeline(seed.planned.approval_id, "Jane", "again")
    after = seed.orchestrator.snapshot(seed.deployed.run.id)
    assert [entry.event for entry in after.audit] == [entry.event for entry in before.audit]
    assert after.deployment == before.deployment


def test_a_changed_plan_refuses_the_old_approval(seed: Job) -> None:
    """An edit leaves the approval behind: it can no longer be given, and a new plan has another one."""
    orchestrator = seed.orchestrator
    statement = "Count the orders per o_orderstatus into analytics.ops.status_counts"
    first = orchestrator.build_pipeline(statement)
    orchestrator.edit(first.run_id, [Edit(path="target.comment", value="Orders by status")])
    with pytest.raises(ApprovalRefused, match="edited after this plan"):
        orchestrator.approve_pipeline(first.approval_id, "John Doe")
    second = orchestrator.build_pipeline(statement)
    assert second.approval_id not in {"", first.approval_id}
    orchestrator.reject_pipeline(second.approval_id, "John Doe", "Not needed")
    assert orchestrator.snapshot(first.run_id).approval.state == "rejected"
    assert not (seed.home / "lakehouse" / "analytics" / "ops" / "status_counts").exists()


def test_an_edit_that_does_not_fit_changes_nothing(seed: Job) -> None:
    """The field is named, what is available is offered, and the run stays as it was."""
    orchestrator = seed.orchestrator
    run_id = seed.deployed.run.id
    before = orchestrator.snapshot(run_id)
    for path, value in (
        ("target.table", "nonsense"),
        ("target.mode", "sometimes"),
        ("no.such.field", 1),
        ("target.input", "no_step"),
    ):
        with pytest.raises(SpecError, match=path.split(".")[0]):
            orchestrator.edit(run_id, [Edit(path=path, value=value)])
    assert orchestrator.snapshot(run_id) == before


@pytest.mark.parametrize(
    ("statement", "error", "says"),
    [
        ("   \n ", StatementError, "empty"),
        ("x" * 20_001, StatementError, "20,000"),
        ("Bake a chocolate cake with three eggs", StatementError, "catalog"),
    ],
)
def test_a_statement_that_cannot_be_used(seed: Job, statement: str, error: type[Exception], says: str) -> None:
    """An empty statement, one that is too long, and one about nothing in the catalog say what to do."""
    with pytest.raises(error, match=says) as caught:
        seed.orchestrator.build_pipeline(statement)
    assert getattr(caught.value, "hint", "")


def test_a_cut_off_audit_is_found_by_the_heads_outside(seed: Job) -> None:
    """The job's tag and the pull request's comment hold the audit's head: a tail that is cut off shows by either."""
    from pipeline_magic.agents.approval import audit, heads
    from pipeline_magic.agents.operations.deploy import HEAD_TAG

    ports = seed.orchestrator.ports
    known, unreadable = heads.gather(ports.store, ports.deployer, ports.code_host, HEAD_TAG)
    entries = ports.store.audit()
    assert not unreadable and not audit.verify(entries, known)
    for place in ("a tag of job-", "a comment of pull request "):
        outside = [head for head in known if head.where.startswith(place)]
        assert outside
        cut = [entry for entry in entries if entry.seq < min(head.seq for head in outside)]
        assert audit.verify(cut, outside)


def test_an_unknown_id_is_said(seed: Job) -> None:
    """An id that is none raises NotFound."""
    with pytest.raises(NotFound):
        seed.orchestrator.snapshot("r-nosuch")
    with pytest.raises(NotFound):
        seed.orchestrator.approve_pipeline("a-nosuch", "John Doe")


def test_a_rejection_needs_a_reason(seed: Job) -> None:
    """An empty reason is refused before anything is decided."""
    with pytest.raises(UsageError, match="reason"):
        seed.orchestrator.reject_pipeline(seed.planned.approval_id, "John Doe", "  ")


def test_flights_rows_equal_a_query_by_hand(flights: Job) -> None:
    """Average and exact percentile of departed flights, share of all flights cancelled, the flag: value for value."""
    wanted = by_hand(
        flights.home,
        """
        SELECT f.carrier, f.month,
               avg(dep_delay) FILTER (dep_time IS NOT NULL) AS average,
               quantile_cont(dep_delay, 0.9) FILTER (dep_time IS NOT NULL) AS p90,
               count(*) FILTER (dep_time IS NULL) / count(*)::DOUBLE AS share
        FROM flights f JOIN airlines a ON a.carrier = f.carrier LEFT JOIN planes p ON p.tailnum = f.tailnum
        GROUP BY f.carrier, f.month
        """,
    )
    found = table(flights, "analytics.ops.carrier_delays")
    spec = flights.planned.validated.spec
    assert (spec.trigger.cron, spec.trigger.timezone) == ("0 0 6 * * ?", "America/New_York")
    assert len(found) == len(wanted) == 185
    names = list(found[0])
    renamed = {
        "average": next(n for n in names if ("avg" in n or "average" in n) and "delay" in n),
        "p90": next(n for n in names if "90" in n),
        "share": next(n for n in names if "cancel" in n),
    }
    flag = next(n for n in names if isinstance(found[0][n], bool))
    for row in wanted:
        row[flag] = row["average"] is not None and row["average"] > 20
    assert_same_rows(
        found, [{renamed.get(name, name): value for name, value in row.items()} for row in wanted], ("carrier", "month")
    )


def test_flights_reconciliation_names_the_unknown_planes(flights: Job) -> None:
    """52,606 flights have no plane: 2,512 without a tail number, the others with one that is not registered."""
    report = flights.planned.quality
    joins = [step for step in report.reconciliation.steps if step.kind == "join" and "planes" in step.rows_in]
    assert [step.unmatched_left for step in joins] == [52606]
    assert "52,606" in joins[0].note and "plane" in joins[0].note
