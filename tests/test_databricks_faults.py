"""One fault at any request to Databricks: the flow ends in one of everything, or in an error that `resume` ends."""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic.adapters.databricks import client
from pipeline_magic.errors import PipelineMagicError
from tests.support.databricks_server import Fault
from tests.support.databricks_site import Site, site

COUNT = "Count the orders per o_orderstatus into analytics.ops.status_counts every day at 6am"
TARGET = "analytics.ops.status_counts"
SEED = 20261123
SAMPLE = 2

PLANNING = (
    r"scim/v2/Me", r"GET unity-catalog/catalogs$", r"GET unity-catalog/catalogs/", r"GET unity-catalog/schemas$",
    r"GET unity-catalog/schemas/", r"unity-catalog/tables$", r"unity-catalog/tables/[^/]+$", r"/tags$",
    r"effective-permissions", r"POST sql/statements", r"jobs/list",
)  # fmt: skip
"""Requests of the stages before Approve."""

APPROVING = (
    r"jobs/list", r"unity-catalog/tables/", r"GET unity-catalog/schemas/", r"GET unity-catalog/catalogs/",
    r"POST unity-catalog/schemas", r"POST sql/statements", r"scim/v2/Me", r"workspace/export", r"workspace/import",
    r"workspace/mkdirs", r"jobs/create", r"jobs/get", r"permissions/jobs/", r"jobs/run-now", r"runs/get$",
    r"runs/get-output", r"runs/export", r"POST unity-catalog/entity-tag", r"/tags$",
)  # fmt: skip
"""Requests of what follows Approve: every call that the product makes there."""

_ALL = [(stage, call, kind) for stage, calls in (("plan", PLANNING), ("approve", APPROVING)) for call in calls
        for kind in Fault.KINDS]  # fmt: skip
_SAMPLE = random.Random(SEED).sample(_ALL, SAMPLE)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Both services, and a client that does not wait for long."""
    quick = functools.partial(client.workspace_client, http_timeout=0.8)
    monkeypatch.setattr(client, "workspace_client", quick)
    made = site(tmp_path)
    made.databricks.late = 1.0
    yield made
    made.close()


class _Named(Fault):
    """A fault at a request that is named with its verb: ``POST jobs/create``."""

    def __init__(self, kind: str, call: str, after: int = 1) -> None:
        super().__init__(kind, after=after)
        verb, _, path = call.rpartition(" ")
        self.verb = verb
        self.path = re.compile(path)


def _arm(where: Site, kind: str, call: str) -> None:
    """Let the first request of that name fail."""
    fault = _Named(kind, call)
    if fault.verb:  # the server looks at paths alone
        kept = where.databricks.fault

        def choose(verb: str, path: str) -> str:
            if fault.after > 0 and verb == fault.verb and fault.path.search(path):
                fault.after = 0
                where.databricks.requests.append((verb, path))
                return kind
            return kept(verb, path)

        where.databricks.fault = choose  # type: ignore[method-assign]
    else:
        where.databricks.faults.append(fault)


def _go(where: Site, stage: str, call: str, kind: str) -> None:
    orchestrator = where.open()
    run_id = ""
    try:
        if stage == "plan":
            _arm(where, kind, call)
        run_id = orchestrator.open(COUNT).id
        result = orchestrator.build_pipeline(COUNT)
        where.runs(result.snapshot.validated.typed)
        if stage == "approve":
            _arm(where, kind, call)
        orchestrator.approve_pipeline(result.approval_id, "Ada")
    except PipelineMagicError as error:
        assert error.hint and "Traceback" not in str(error), error
    finally:
        orchestrator.close()
    _finish(where, run_id)


def _finish(where: Site, run_id: str) -> None:
    orchestrator = where.open()
    try:
        done: Any = orchestrator.resume(run_id)
        if done.deployment is None:
            if done.run.state != "planned":
                done = orchestrator.generate(run_id)
            where.runs(done.validated.typed)
            done = orchestrator.approve(done.approval_id, "Ada")
        assert done.deployment.state == "deployed", done.run.message
        assert (len(where.github.pulls), len(where.jobs.jobs), len(where.jobs.runs)) == (1, 1, 1)
        assert where.github.pulls[1]["merged_at"] and len(where.world.tables[TARGET].versions) == 1
        events = [entry.event for entry in orchestrator.ports.store.audit(run_id)]
        assert events.count("deployment.done") == 1
    finally:
        orchestrator.close()


@pytest.mark.parametrize(("stage", "call", "kind"), _SAMPLE)
def test_one_fault(here: Site, stage: str, call: str, kind: str) -> None:
    """A sample of all faults: one pull request, one job, one run, one write, whatever happened."""
    _go(here, stage, call, kind)


@pytest.mark.full
@pytest.mark.parametrize("kind", Fault.KINDS)
@pytest.mark.parametrize(("stage", "call"), sorted({(stage, call) for stage, call, _ in _ALL}))
def test_every_fault(here: Site, stage: str, call: str, kind: str) -> None:
    """Each kind of fault at each call that the product makes."""
    _go(here, stage, call, kind)


def test_every_call_is_named(here: Site) -> None:
    """The list of calls is whole: a clean run asks for nothing that no fault is tried at, and for all of them."""
    orchestrator = here.open()
    try:
        result = orchestrator.build_pipeline(COUNT)
        before = list(here.databricks.requests)
        here.runs(result.snapshot.validated.typed)
        orchestrator.approve_pipeline(result.approval_id, "Ada")
    finally:
        orchestrator.close()
    after = here.databricks.requests[len(before) :]
    for requests, calls in ((before, PLANNING), (after, APPROVING)):
        named = [_Named("500", call) for call in calls]
        unnamed = {
            (verb, path)
            for verb, path in requests
            if not any(one.path.search(path) and one.verb in ("", verb) for one in named)
        }
        assert {one for one in unnamed if "/.well-known/" not in one[1]} == set()
        idle = [
            call
            for call, one in zip(calls, named, strict=True)
            if not any(one.path.search(path) and one.verb in ("", verb) for verb, path in requests)
        ]
        assert idle == []
