"""Small runs, plans and approvals for the tests of the store, the code host and the approval."""

from __future__ import annotations

import datetime
import itertools
from typing import Any

from pipeline_magic.runs import Approval, Change, Deployment, File, Plan, Run
from pipeline_magic.spec.model import PipelineSpec

AT = "2026-11-02T06:00:00+00:00"


class StepClock:
    """A clock that moves one second a look, and ids that count."""

    def __init__(self, start: str = AT) -> None:
        self.time = datetime.datetime.fromisoformat(start)
        self._ids = itertools.count(1)

    def now(self) -> datetime.datetime:
        self.time += datetime.timedelta(seconds=1)
        return self.time

    def new_id(self, prefix: str) -> str:
        return f"{prefix}-{next(self._ids)}"


def spec(**changes: Any) -> PipelineSpec:
    """A pipeline that copies one table."""
    data: dict[str, Any] = {
        "name": "daily",
        "sources": [{"alias": "orders", "table": "samples.tpch.orders"}],
        "target": {"table": "analytics.default.daily", "input": "orders"},
    }
    return PipelineSpec.model_validate({**data, **changes})


def run(run_id: str = "r-1", **changes: Any) -> Run:
    return Run(**{"id": run_id, "statement": "copy orders", "created": AT, "updated": AT, "author": "ada", **changes})


def plan(**changes: Any) -> Plan:
    data: dict[str, Any] = {
        "spec": spec(),
        "files": (File(path="pipelines/daily/daily.ipynb", content="{}\n"),),
        "base_files": {"pipelines/daily/daily.ipynb": None},
        "schemas": {"orders": {"columns": [["o_orderkey", "bigint"]]}},
        "parameters": {"run_time": ""},
        "settings": {},
        "environment": "default",
        "policy": {},
        "answers": (),
        "waivers": (),
        "compiler_version": "1",
        "verdict": "green",
    }
    return Plan(**{**data, **changes})


def approval(approval_id: str = "a-1", **changes: Any) -> Approval:
    return Approval(**{"id": approval_id, "run_id": "r-1", "digest": "d" * 64, "created": AT, **changes})


def deployment(**changes: Any) -> Deployment:
    return Deployment(**{"id": "job-1", "run_id": "r-1", "state": "waiting", "digest": "d" * 64, **changes})


def change(branch: str = "pipeline/daily/abc", **changes: Any) -> Change:
    data: dict[str, Any] = {
        "branch": branch,
        "base": "main",
        "title": "Add pipeline daily",
        "body": "What it does.",
        "files": (
            File(path="pipelines/daily/daily.ipynb", content='{"cells": []}\n'),
            File(path="pipelines/daily/spec.yml", content="name: daily\n"),
        ),
    }
    return Change(**{**data, **changes})
