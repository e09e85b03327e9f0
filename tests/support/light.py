"""A world in memory to deploy into and roll back: tables with versions, jobs, comments; store and repository are real.

Ports raise `Crash` at a chosen call, before or after its effect: what a kill does to one process, in milliseconds.
"""

from __future__ import annotations

import copy
import functools
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline_magic.adapters.database import Database
from pipeline_magic.adapters.localgit import LocalGit
from pipeline_magic.agents.approval import ApprovalOrchestrator
from pipeline_magic.agents.approval.digest import plan_digest
from pipeline_magic.agents.github import GitHubAgent
from pipeline_magic.agents.operations.deploy import PipelineOperator
from pipeline_magic.agents.operations.effects import Effects
from pipeline_magic.errors import ForeignWrite, NotFound, TableNotFound
from pipeline_magic.flow.stages import Work
from pipeline_magic.flow.undoing import Rollback
from pipeline_magic.ports import DeployRequest, TableVersion
from pipeline_magic.runs import Deployment, File, NotebookRun, Plan, Prepared, PullRequest, Run
from pipeline_magic.spec.schema import Column, TableSchema
from tests.support import trust

POLICY = {"environment": "default"}


class Crash(BaseException):
    """The process ended here."""


class Tables:
    """Engine and catalog: each table is a list of commits, and the rows as of each."""

    def __init__(self) -> None:
        self.commits: dict[str, list[TableVersion]] = {}
        self.rows: dict[str, list[tuple[Any, ...]]] = {}
        self.comments: dict[str, tuple[str, dict[str, str]]] = {}

    def write(self, table: str, *rows: Any, by: str = "somebody", job: str = "", note: str = "") -> None:
        """One commit that leaves these rows."""
        commits = self.commits.setdefault(table, [])
        at = f"2026-11-22T09:00:{len(commits):02}Z"
        commits.append(TableVersion(version=str(len(commits)), at=at, operation="WRITE", by=by, job=job, note=note))
        self.rows.setdefault(table, []).append(rows)
        self.comments.setdefault(table, ("", {}))

    def history(self, table: str) -> Sequence[TableVersion]:
        return tuple(reversed(self.commits.get(table, ())))

    def restore(self, table: str, version: str, *, seen: str = "", key: str = "") -> None:
        newest = self.commits[table][-1]
        if newest.note == key or newest.version == version:
            return
        self._look(table, seen)
        self.write(table, *self.rows[table][int(version)], note=key)

    def drop(self, table: str, *, seen: str = "") -> None:
        if table in self.commits:
            self._look(table, seen)
            for kept in (self.commits, self.rows, self.comments):
                kept.pop(table)

    def _look(self, table: str, seen: str) -> None:
        if seen and self.commits[table][-1].version != seen:
            raise ForeignWrite(f"`{table}` was written meanwhile.", where=table)

    def has_schema(self, catalog: str, schema: str) -> bool:
        return True

    def table(self, name: str) -> TableSchema:
        if name not in self.comments:
            raise TableNotFound(name, ())
        comment, tags = self.comments[name]
        return TableSchema(table=name, columns=(Column(name="id", type="bigint"),), comment=comment, tags=tags)

    def describe(self, name: str, *, comment: str, columns: Any, tags: Any) -> None:
        self.comments[name] = (comment, {**self.comments[name][1], **tags})


class Jobs:
    """A deployer: each job is the list of what was deployed to it. A run writes the tables of its parameters."""

    def __init__(self, tables: Tables) -> None:
        self.jobs: dict[str, list[DeployRequest]] = {}
        self.runs: dict[str, NotebookRun] = {}
        self.fails = False
        self._tables = tables

    def deploy(self, request: DeployRequest) -> Deployment:
        entries = self.jobs.setdefault(f"job-{request.pipeline}", [])
        if not entries or entries[-1].key != request.key:
            entries.append(request)
        return Deployment(
            id=f"job-{request.pipeline}", run_id="", state="deployed", digest=request.digest, name=request.pipeline
        )

    def find(self, pipeline: str, environment: str) -> Deployment | None:
        entries = self.jobs.get(f"job-{pipeline}")
        return None if not entries else Jobs.deploy(self, entries[-1])

    def settings(self, deployment_id: str) -> dict[str, Any]:
        present = self._entries(deployment_id)[-1]
        return {"digest": present.digest, "tags": present.tags, "notebook": present.notebook}

    def previous(self, deployment_id: str) -> DeployRequest | None:
        entries = self._entries(deployment_id)
        return entries[-2] if len(entries) > 1 else None

    def delete(self, deployment_id: str) -> None:
        self.jobs.pop(deployment_id, None)

    def run_now(self, deployment_id: str, *, key: str, timeout: float = 0.0) -> NotebookRun:
        if key not in self.runs:
            request = self._entries(deployment_id)[-1]
            for name, table in request.parameters.items():
                if name == "target" or name.startswith("quarantine_"):
                    self._tables.write(table, request.notebook, key, by="us", job=deployment_id)
            self.runs[key] = NotebookRun(succeeded=not self.fails, exit_value='{"rows": 1}', error="bad rows")
        return self.runs[key]

    def written(self, deployment_id: str, table: str, commits: Sequence[TableVersion]) -> frozenset[str]:
        there = deployment_id in self.jobs
        return frozenset(one.version for one in commits if there and one.job == deployment_id)

    def _entries(self, deployment_id: str) -> list[DeployRequest]:
        if deployment_id not in self.jobs:
            raise NotFound(f"There is no job `{deployment_id}`.")
        return self.jobs[deployment_id]


class Fragile:
    """A port that crashes at the chosen of all calls that pass through ports like it."""

    def __init__(self, port: Any, name: str, world: World) -> None:
        self._port, self._name, self._world = port, name, world

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found) or name in ("identity",):
            return found

        @functools.wraps(found)
        def call(*given: Any, **named: Any) -> Any:
            self._world.reached(f"before {self._name}.{name}")
            result = found(*given, **named)
            self._world.reached(f"after {self._name}.{name}")
            return result

        return call


class World:
    """Store, repository, jobs and tables, and what is done with them: deploy a plan, roll it back."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.tables = Tables()
        self.jobs = Jobs(self.tables)
        self.git = LocalGit(home / "repo.git", author="Ada <ada@example.org>")
        self.clock = trust.StepClock()
        self.moments: list[str] = []
        self.crash_at = 0
        self._armed = False
        self.open()

    def open(self) -> None:
        """As a fresh process does: nothing but store, repository, jobs and tables is left."""
        self.store = Database(f"sqlite:///{self.home / 'state.db'}")
        wrapped = {
            "store": self.store, "code_host": self.git, "deployer": self.jobs, "engine": self.tables,
            "catalog": self.tables,
        }  # fmt: skip
        self.ports: Any = SimpleNamespace(
            clock=self.clock, **{name: Fragile(port, name, self) for name, port in wrapped.items()}
        )
        self.approvals = ApprovalOrchestrator(self.ports.store, self.clock, self.ports.code_host)
        self.github = GitHubAgent(self.ports.code_host)
        self.rollback = Rollback(self.ports, self.approvals, self.github)

    def copy(self, home: Path) -> World:
        """The same world in another place; this one must be closed."""
        shutil.copytree(self.home, home)
        made = World.__new__(World)
        made.home, made.clock, made.moments, made.crash_at, made._armed = home, copy.deepcopy(self.clock), [], 0, False
        made.tables, made.jobs = copy.deepcopy((self.tables, self.jobs))
        made.git = LocalGit(home / "repo.git", author="Ada <ada@example.org>")
        made.open()
        return made

    def reached(self, moment: str) -> None:
        if self._armed:
            self.moments.append(moment)
            if len(self.moments) == self.crash_at:
                self._armed = False
                raise Crash(moment)

    def deploy(self, run_id: str = "r-1", *, notebook: str = "1", first_run: bool = True, **changes: Any) -> Run:
        """Approve and deploy a plan whose notebook writes `notebook`; its files are merged."""
        path = "pipelines/daily/daily.ipynb"
        values = {"files": (File(path=path, content=f"{notebook}\n"),), "policy": POLICY, **changes}
        values.setdefault("parameters", {"target": "analytics.default.daily"})
        plan = Plan.model_validate(trust.plan().model_copy(update=values).model_dump())
        try:
            run = self.store.run(run_id)
        except NotFound:
            run = self.store.create_run(trust.run(run_id, name="daily"))
            for state in ("awaiting_input", "generating", "planned"):
                run = self.store.update_run(run, state=state, name="daily")
        digest = plan_digest(plan)
        change = trust.change(f"pipeline/daily/{digest[:12]}", files=plan.files)
        prepared = Prepared(plan=plan, digest=digest, change=change)
        approval = self.approvals.request(run, prepared)
        if approval.state != "approved":
            approval = self.approvals.approve(approval.id, name="Ada")
        run = self.store.update_run(run, approval_id=approval.id, digest=digest)
        opened = self.git.open_pull_request(change)
        merged = self.git.merge(opened.number, message="Land")
        self._operate(run, prepared, merged, notebook, first_run)
        return run

    def _operate(self, run: Run, prepared: Prepared, merged: PullRequest, notebook: str, first_run: bool) -> None:
        operator = PipelineOperator(
            deployer=self.jobs,
            catalog=self.tables,  # type: ignore[arg-type]  # what deploying asks of it
            engine=self.tables,  # type: ignore[arg-type]  # likewise
            store=self.store,
            clock=self.clock,
            run_timeout=1.0,
        )
        effects = Effects(
            self.store, self.clock, run.id, identity="ada", digest=prepared.digest, approval_id=run.approval_id
        )
        operator.deploy(
            run.id,
            prepared,
            notebook,
            effects,
            approval_id=run.approval_id,
            first_run=first_run,
            pull_request=merged,
            say=lambda message: None,
        )

    def undo(self, run_id: str = "r-1", **given: Any) -> Deployment:
        """Roll a run back, or go on with that."""
        with Work(self.store, self.clock, self.store.run(run_id), lambda event: None, threading.Event()) as work:
            self.rollback.go(work, **{"name": "Ada", **given})
        deployment = self.store.deployment(run_id)
        assert deployment is not None
        return deployment

    def crashing(self, at: int, action: Callable[[], object]) -> bool:
        """Do it, and crash at the n-th moment; False when it ended before."""
        self.moments, self.crash_at, self._armed = [], at, True
        try:
            action()
        except Crash:
            return True
        finally:
            self._armed = False
        return False
