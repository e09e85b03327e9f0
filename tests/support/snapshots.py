"""Runs of the seed's statement at every phase, made by hand: customers joined to orders, revenue, the top fifth.

Pure data, so that the panel can be drawn without an engine, a store or a compiler.
"""

from __future__ import annotations

import json
from typing import Any

from pipeline_magic import runs
from pipeline_magic.adapters.samples import TPCH
from pipeline_magic.spec.model import Draft, PipelineSpec
from pipeline_magic.spec.paths import Edit, draft_of
from pipeline_magic.spec.provenance import Clause, Origin, Provenance
from pipeline_magic.spec.schema import Column, TableSchema
from pipeline_magic.spec.typed import Node, TypedSpec

STATEMENT = """Create a daily pipeline that:
1. Reads customer and order data from Unity Catalog
2. Joins them and calculates revenue metrics
3. Segments high-value customers
4. Validates data quality
5. Outputs to analytics catalog
"""
_WORDS = (
    ("c1", "daily", "schedule"),
    ("c2", "Reads customer and order data from Unity Catalog", "source"),
    ("c3", "Joins them", "join"),
    ("c4", "calculates revenue metrics", "measure"),
    ("c5", "Segments high-value customers", "segment"),
    ("c6", "Validates data quality", "check"),
    ("c7", "Outputs to analytics catalog", "target"),
)
RUN_ID = "r-7f3k2m"
DIGEST = "3f7a9c2e41b05d68" * 4


def spec() -> PipelineSpec:
    """The seed's spec with its defaults."""
    return PipelineSpec.model_validate(
        {
            "name": "customer_revenue",
            "description": "Revenue metrics of each customer, and who is of high value",
            "sources": [
                {"alias": "customers", "table": "samples.tpch.customer"},
                {"alias": "orders", "table": "samples.tpch.orders"},
            ],
            "steps": [
                {
                    "id": "join_orders",
                    "kind": "join",
                    "left": "customers",
                    "right": "orders",
                    "how": "left",
                    "keys": [{"left": "c_custkey", "right": "o_custkey"}],
                },
                {
                    "id": "metrics",
                    "kind": "aggregate",
                    "input": "join_orders",
                    "group_by": ["c_custkey", "c_name"],
                    "measures": [
                        {"name": "revenue", "expression": "coalesce(sum(o_totalprice), 0)"},
                        {"name": "order_count", "expression": "count(o_orderkey)"},
                        {"name": "average_order_value", "expression": "avg(o_totalprice)"},
                    ],
                },
                {
                    "id": "segment",
                    "kind": "segment",
                    "input": "metrics",
                    "column": "customer_segment",
                    "by": "revenue",
                    "rules": [{"label": "high_value", "top": 0.2}],
                    "otherwise": "standard",
                },
            ],
            "expectations": [
                {**common, "automatic": True}
                for common in (
                    _check("auto_key_not_null", "not_null", "target", "fail", columns=["c_custkey"]),
                    _check("auto_key_unique", "unique", "target", "fail", columns=["c_custkey"]),
                    _check("auto_rows", "row_count", "target", "fail", minimum=1),
                    _check("auto_orders_key", "not_null", "orders", "warn", columns=["o_custkey"]),
                    _check("auto_orders_fresh", "freshness", "orders", "warn", max_age_hours=48),
                )
            ],
            "target": {
                "table": "analytics.default.customer_revenue",
                "input": "segment",
                "comment": "One row for each customer",
            },
            "trigger": {"kind": "schedule", "cron": "0 0 6 * * ?", "timezone": "UTC"},
        }
    )


def _check(name: str, kind: str, on: str, action: str, **rest: Any) -> dict[str, Any]:
    return {"id": name, "kind": kind, "on": on, "action": action, **rest}


def provenance(statement: str = STATEMENT, *, unmatched: str = "") -> Provenance:
    """The seed's clauses and origins; `unmatched` marks these words as not understood."""
    clauses = []
    for name, words, kind in _WORDS:
        start = statement.index(words)
        clauses.append(Clause(id=name, start=start, end=start + len(words), kind=kind))
    if unmatched:
        start = statement.index(unmatched)
        clauses.append(Clause(id="c8", start=start, end=start + len(unmatched), kind="unmatched"))
    said = {
        "trigger.cron": ("c1",),
        "sources.customers.table": ("c2",),
        "sources.orders.table": ("c2",),
        "steps.join_orders": ("c3",),
        "steps.metrics.measures.revenue": ("c4",),
        "steps.segment": ("c5",),
        "target.table": ("c7",),
    }
    origins = {path: Origin(kind="clause", clauses=found) for path, found in said.items()}
    origins["trigger.timezone"] = Origin(kind="assumption", reason="no zone was named", alternatives=("your own zone",))
    origins["steps.segment.rules.high_value.top"] = Origin(
        kind="assumption",
        reason="“high-value” names no threshold",
        alternatives=("top 10 %", "revenue over a fixed sum"),
        question="segment:threshold",
    )
    origins["target.mode"] = Origin(kind="assumption", reason="no mode was named", alternatives=("append", "merge"))
    return Provenance(statements=(statement,), clauses=tuple(clauses), origins=origins)


def questions() -> tuple[runs.Question, ...]:
    """The seed's questions, each with a default."""
    return (
        runs.Question(
            id="join:orders",
            text="Which customers should the result hold?",
            why="“Joins them” does not say whether customers without orders stay.",
            options=(
                runs.Option(id="left", label="All customers", rows=1500, effect="1,500 rows; keeps 500 without orders"),
                runs.Option(
                    id="inner",
                    label="Only customers with orders",
                    edits=(Edit(path="steps.join_orders.how", value="inner"),),
                    rows=1000,
                    effect="1,000 rows; leaves 500 customers out",
                ),
            ),
            default="left",
            path="steps.join_orders.how",
            clauses=("c3",),
        ),
        runs.Question(
            id="segment:threshold",
            text="From which revenue on is a customer of high value?",
            options=(
                runs.Option(id="top20", label="The top 20 % by revenue", effect="300 customers"),
                runs.Option(id="top10", label="The top 10 % by revenue", effect="150 customers"),
            ),
            default="top20",
            path="steps.segment.rules.high_value.top",
            clauses=("c5",),
        ),
        runs.Question(
            id="target:table",
            text="What is the table called?",
            options=(runs.Option(id="customer_revenue", label="analytics.default.customer_revenue"),),
            default="customer_revenue",
            path="target.table",
            free=True,
            clauses=("c7",),
        ),
    )


def tables() -> dict[str, TableSchema]:
    """Schemas of the sources, by alias."""
    return {
        "customers": TPCH[0].model_copy(update={"rows": 1500, "version": "0"}),
        "orders": TPCH[1].model_copy(update={"rows": 15000, "version": "0", "last_modified": "2026-11-22T06:00:00Z"}),
    }


def typed(complete: PipelineSpec | None = None) -> TypedSpec:
    """The seed's spec with the columns of every step."""
    source = tables()
    customers, orders = source["customers"].columns, source["orders"].columns
    metrics = (
        Column(name="c_custkey", type="bigint"),
        Column(name="c_name", type="string"),
        Column(name="revenue", type="decimal(28,2)", nullable=False),
        Column(name="order_count", type="bigint", nullable=False),
        Column(name="average_order_value", type="decimal(22,6)"),
    )
    segment = (*metrics, Column(name="customer_segment", type="string"))
    key = (("c_custkey", "c_name"),)
    return TypedSpec(
        spec=complete or spec(),
        nodes=(
            Node(id="customers", kind="source", inputs=(), columns=customers),
            Node(id="orders", kind="source", inputs=(), columns=orders),
            Node(id="join_orders", kind="join", inputs=("customers", "orders"), columns=(*customers, *orders)),
            Node(id="metrics", kind="aggregate", inputs=("join_orders",), columns=metrics, keys=key),
            Node(id="segment", kind="segment", inputs=("metrics",), columns=segment, keys=key),
        ),
        tables=source,
    )


def notebook(threshold: str = "0.2") -> str:
    """A small notebook as JSON text, a cell a step, headed by its id."""
    sources = {
        "customers": 'customers = spark.table(dbutils.widgets.get("source_customers"))',
        "orders": 'orders = spark.table(dbutils.widgets.get("source_orders"))',
        "join_orders": "join_orders = customers.join(\n"
        '    orders, customers["c_custkey"] == orders["o_custkey"], "left"\n)',
        "metrics": 'metrics = join_orders.groupBy("c_custkey", "c_name").agg(\n'
        '    F.expr("coalesce(sum(o_totalprice), 0)").alias("revenue"),\n'
        '    F.expr("count(o_orderkey)").alias("order_count"),\n)',
        "segment": "segment = metrics.withColumn(\n"
        f'    "customer_segment",\n    F.expr("percent_rank() < {threshold}"),\n)',
        "target": 'segment.write.mode("overwrite").saveAsTable(dbutils.widgets.get("target"))',
    }
    cells = [
        {"id": "intro", "cell_type": "markdown", "metadata": {}, "source": "# customer_revenue\n\nMade from a spec."}
    ]
    for name, code in sources.items():
        made = {"id": name, "cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
        cells.append({**made, "source": f"# {name}: made by the compiler\n{code}"})
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def run(state: str, **changes: Any) -> runs.Run:
    """The run in a state."""
    fields = {
        "id": RUN_ID,
        "name": "customer_revenue",
        "statement": STATEMENT,
        "author": "ada",
        "state": state,
        "created": "2026-11-22T09:00:00Z",
        "updated": "2026-11-22T09:00:09Z",
    }
    return runs.Run.model_validate({**fields, **changes})


def stages(*states: str, message: str = "") -> tuple[runs.StageEvent, ...]:
    """Events of the first stages, in order; the last one says `message`."""
    made = []
    for number, (stage, state) in enumerate(zip(runs.STAGES, states, strict=False)):
        seconds = 0.4 if state in {"done", "unchanged", "failed"} else None
        said = message if number == len(states) - 1 else ""
        made.append(
            runs.StageEvent.model_validate({"stage": stage, "state": state, "seconds": seconds, "message": said})
        )
    return tuple(made)


_PORTS = {
    "language model": "none: the embedded planner reads statements",
    "catalog": "local lakehouse",
    "engine": "Sail 0.7.2 at 127.0.0.1",
    "code host": "local git repository",
    "deployer": "local notebook kernel",
    "store": "SQLite",
}


def parsing() -> runs.Snapshot:
    """Stage 1 is running."""
    return runs.Snapshot(run=run("parsing", name=""), stages=stages("running", message="Reading"), ports=_PORTS)


def validated(*, unmatched: str = "", **changes: Any) -> runs.Validated:
    """Stage 2's result."""
    complete = spec()
    fields: dict[str, Any] = {
        "draft": draft_of(complete),
        "provenance": provenance(STATEMENT, unmatched=unmatched),
        "spec": complete,
        "typed": typed(complete),
        "tables": tables(),
        "questions": questions(),
        "creates": ("schema analytics.default",),
    }
    return runs.Validated(**{**fields, **changes})


def awaiting_input(*, unmatched: str = "") -> runs.Snapshot:
    """The pause: a spec, three questions with defaults."""
    result = validated(unmatched=unmatched)
    parsed = runs.Parsed(draft=result.draft, provenance=result.provenance, questions=result.questions)
    return runs.Snapshot(
        run=run("awaiting_input"),
        stages=stages("done", "done", "waiting", message="Answer, edit, then press Generate"),
        parsed=parsed,
        validated=result,
        ports=_PORTS,
    )


def must_answer() -> runs.Snapshot:
    """The pause with an unknown table: no spec until it is answered."""
    ask = runs.Question(
        id="source:revenues",
        text="Which table holds the revenues?",
        why="There is no table `revenues` in the catalog.",
        options=(
            runs.Option(id="samples.tpch.orders", label="samples.tpch.orders", rows=15000),
            runs.Option(id="samples.tpch.lineitem", label="samples.tpch.lineitem", rows=60175),
        ),
        free=True,
        path="sources.orders.table",
    )
    draft = Draft(name="customer_revenue")
    origin = provenance()
    problem = runs.Finding(id="spec:sources", severity="red", message="no table is read", where="sources")
    result = runs.Validated(draft=draft, provenance=origin, questions=(ask, *questions()[:1]), problems=(problem,))
    parsed = runs.Parsed(draft=draft, provenance=origin, questions=result.questions)
    return runs.Snapshot(
        run=run("awaiting_input"), stages=stages("done", "waiting"), parsed=parsed, validated=result, ports=_PORTS
    )


def generated(*, changed: bool = False) -> runs.Generated:
    """Stage 3's result; `changed`: the base branch holds an older notebook."""
    folder = "pipelines/customer_revenue"
    book = runs.File(path=f"{folder}/customer_revenue.ipynb", content=notebook())
    yml = runs.File(
        path=f"{folder}/spec.yml", content="spec_version: 1\nname: customer_revenue\ntarget:\n  mode: overwrite\n"
    )
    readme = runs.File(path=f"{folder}/README.md", content="# customer_revenue\n\nRevenue of each customer.\n")
    old = notebook("0.1") if changed else None
    diffs = (
        runs.FileDiff(path=book.path, status="changed" if changed else "added", old=old, new=book.content),
        runs.FileDiff(path=yml.path, status="added", new=yml.content),
        runs.FileDiff(path=readme.path, status="added", new=readme.content),
    )
    return runs.Generated(files=(book, yml, readme), notebook=book.path, diffs=diffs)


def quality(*findings: runs.Finding) -> runs.QualityReport:
    """Stage 4's result."""
    checks = tuple(
        runs.CheckResult(
            expectation=e.id,
            kind=e.kind,
            on=e.on,
            description=f"{e.kind.replace('_', ' ')} on {e.on}",
            action=e.action,
            automatic=e.automatic,
            status="failed" if e.kind == "freshness" else "passed",
            rows=1500,
            failing=0,
            observed="newest commit 51 hours ago" if e.kind == "freshness" else "",
        )
        for e in spec().expectations
    )
    steps = (
        runs.StepRows(
            step="join_orders",
            kind="join",
            rows_in={"customers": 1500, "orders": 15000},
            rows_out=15500,
            unmatched_left=500,
            unmatched_right=0,
            widest_match=32,
        ),
        runs.StepRows(step="metrics", kind="aggregate", rows_in={"join_orders": 15500}, rows_out=1500),
        runs.StepRows(step="segment", kind="segment", rows_in={"metrics": 1500}, rows_out=1500),
    )
    amber = runs.Finding(
        id="check:auto_orders_fresh",
        severity="amber",
        message="`orders` was last written 51 hours ago; 48 are expected at most",
        where="expectations.auto_orders_fresh",
    )
    return runs.QualityReport(
        checks=checks,
        reconciliation=runs.Reconciliation(steps=steps, unused_columns={"orders": ("o_clerk", "o_comment")}),
        sample_run=runs.SampleRun(status="passed", rows=1500, repeatable=True, seconds=6.2),
        findings=(*findings, amber),
        preview_columns=("c_custkey", "c_name", "revenue", "customer_segment"),
        preview_rows=(("1", "Customer#000000001", "587762.91", "standard"), ("3", "Customer#000000003", None, None)),
        engine="Sail 0.7.2",
    )


def planned(*findings: runs.Finding, unmatched: str = "", changed: bool = False) -> runs.Snapshot:
    """A plan waits for approval."""
    before = awaiting_input(unmatched=unmatched)
    files = generated(changed=changed)
    change = runs.Change(
        branch="pipeline-magic/customer_revenue-3f7a9c2e",
        base="main",
        title="Add pipeline customer_revenue",
        body="…",
        files=files.files,
    )
    approval = runs.Approval(id="a-9d2k1x", run_id=RUN_ID, digest=DIGEST, created="2026-11-22T09:00:20Z")
    return before.model_copy(
        update={
            "run": run("planned", approval_id=approval.id, digest=DIGEST),
            "stages": stages("done", "done", "done", "done", "done", "waiting", message="Review, then Approve"),
            "generated": files,
            "quality": quality(*findings),
            "change": change,
            "approval": approval,
        }
    )


RED = runs.Finding(
    id="reconcile:join_orders",
    severity="red",
    message="500 of 1,500 customers are lost in `join_orders`, and no word of the statement asks for it",
    where="steps.join_orders",
    hint="Make the join a left join, or waive the finding.",
)


def red() -> runs.Snapshot:
    """A plan with a red finding."""
    return planned(RED)


def rollback(**changes: Any) -> runs.RollbackPlan:
    """What a rollback of the deployed seed would do."""
    steps = [("job", "remove", "customer_revenue"), ("tables", "drop", "analytics.default.customer_revenue")]
    made = [
        runs.RollbackStep(part=part, action=action, subject=subject, text=f"{action} {subject}")  # type: ignore[arg-type]
        for part, action, subject in steps
    ]
    plan = runs.RollbackPlan(
        run_id=RUN_ID,
        approval_id="a-1",
        name="customer_revenue",
        environment="default",
        steps=tuple(made),
        left=("What others read <from> it stays.",),
    )
    return plan.model_copy(update=changes)


def deployed() -> runs.Snapshot:
    """Approved, merged, deployed and run once."""
    before = planned()
    assert before.approval is not None
    decision = runs.Decision(
        verb="approve",
        identity="ada",
        name="Ada Lovelace",
        comment="Looks good!",
        at="2026-11-22T09:02:00Z",
        digest=DIGEST,
    )
    pull = runs.PullRequest(
        number=1,
        url="file:///home/ada/repo.git#1",
        branch="pipeline-magic/customer_revenue-3f7a9c2e",
        state="merged",
        commit="4be1f00d" * 5,
        merge_commit="9ac0ffee" * 5,
    )
    deployment = runs.Deployment(
        id="job-1",
        run_id=RUN_ID,
        state="deployed",
        digest=DIGEST,
        name="customer_revenue",
        url="https://example.cloud.databricks.com/#job/1",
        next_run="runs on demand here; the schedule 0 0 6 * * ? UTC is kept",
        rows=1500,
        target_version_after="0",
        pull_request=pull,
    )
    audit = tuple(
        runs.AuditEntry(
            seq=number,
            at="2026-11-22T09:02:00Z",
            run_id=RUN_ID,
            event=event,
            identity="ada",
            name="Ada Lovelace",
            digest=DIGEST,
            previous=f"{number - 1:064x}",
            hash=f"{number:064x}",
        )
        for number, event in enumerate(("approved", "pull request merged", "deployed"), start=1)
    )
    return before.model_copy(
        update={
            "stages": stages("done", "done", "done", "done", "done", "done", message="Deployed"),
            "approval": before.approval.model_copy(update={"state": "approved", "decisions": (decision,)}),
            "pull_request": pull,
            "deployment": deployment,
            "audit": audit,
        }
    )


def failed() -> runs.Snapshot:
    """Stage 2 failed."""
    return awaiting_input().model_copy(
        update={
            "run": run("failed"),
            "stages": stages("done", "failed", message="The catalog did not answer"),
            "error": "The catalog did not answer within 30 seconds.\nNext: start it and press Generate.",
        }
    )


PHASES = {
    "parsing": parsing,
    "awaiting_input": awaiting_input,
    "must_answer": must_answer,
    "planned": planned,
    "red": red,
    "deployed": deployed,
    "failed": failed,
}
