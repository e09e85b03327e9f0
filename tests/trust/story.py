"""The whole flow as a person goes through it, in chapters; each can be told again after its process was killed.

A chapter asks for one thing, unless the run shows that it is done: a person who finds their answer missing after a
crash gives it again, and gives nothing twice.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline_magic.agents.approval import audit
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.runs import Answer, Snapshot
from pipeline_magic.spec.paths import Edit
from tests.trust import killing, world

__all__ = ["CHAPTERS", "count", "finish", "tell_killed", "witness"]

Orchestrator = PipelineBuilderOrchestrator


def _build(it: Orchestrator) -> None:
    snapshot = _latest(it)
    if snapshot is None or snapshot.approval is None:
        it.build_pipeline(world.STATEMENT)


def _reject(it: Orchestrator) -> None:
    snapshot = _sure(it)
    if snapshot.approval is not None and snapshot.approval.state == "pending":
        it.reject_pipeline(snapshot.approval.id, "Ada", "Customers without orders are missing")


def _answer(it: Orchestrator) -> None:
    run = _sure(it).run
    if not run.answers:
        it.answer(run.id, [Answer(question="join:customers", value="left")])


def _edit(it: Orchestrator) -> None:
    run = _sure(it).run
    if not run.edits:
        it.edit(run.id, [Edit(path="target.comment", value="How many orders a city has")])


def _generate(it: Orchestrator) -> None:
    run = _sure(it).run
    if run.state != "planned":
        it.generate(run.id)


def _approve(it: Orchestrator) -> None:
    snapshot = _sure(it)
    assert snapshot.approval is not None
    if snapshot.approval.state != "approved":
        it.approve_pipeline(snapshot.approval.id, "Ada", "Looks good")


def _roll_back(it: Orchestrator) -> None:
    snapshot = _sure(it)
    assert snapshot.deployment is not None
    if snapshot.deployment.state != "rolled_back":
        it.rollback(snapshot.run.id, "Ada", "Too many rows")


CHAPTERS: tuple[Callable[[Orchestrator], None], ...] = (
    _build,
    _reject,
    _answer,
    _edit,
    _generate,
    _approve,
    _roll_back,
)


# --- what the processes do -----------------------------------------------------------------------------------------


def tell(home: str, chapter: int) -> None:
    """One chapter, undisturbed."""
    with _closing(world.open_world(Path(home))) as it:
        CHAPTERS[chapter](it)


def count(home: str, chapter: int) -> list[str]:
    """Every moment of a chapter."""
    counter = killing.Counter()
    _counted(home, counter, chapter)
    return counter.moments


def tell_killed(home: str, chapter: int, moment: int) -> None:
    """A chapter, killed at a moment."""
    _counted(home, killing.Counter(moment), chapter)


def _counted(home: str, counter: killing.Counter, chapter: int) -> None:
    ports = killing.counting(world.ports_at(Path(home)), counter)
    with _closing(world.open_world(Path(home), ports)) as it:
        CHAPTERS[chapter](it)


def finish(home: str, chapter: int) -> dict[str, Any]:
    """What a fresh process does after the kill: `resume`, then this chapter and the rest; what it then sees."""
    with _closing(world.open_world(Path(home))) as it:
        snapshot = _latest(it)
        left = ""
        if snapshot is not None:
            approved = snapshot.approval is not None and snapshot.approval.state == "approved"
            undoing = snapshot.deployment is not None and snapshot.deployment.state == "rolling_back"
            after = it.resume(snapshot.run.id)
            state = after.deployment.state if after.deployment is not None else ""
            if approved and not undoing and state != "deployed":
                left = f"`resume` left an approved plan {state or 'without a deployment'}"
            if undoing and state != "rolled_back":
                left = f"`resume` left a rollback {state}"
        for one in CHAPTERS[chapter:]:
            one(it)
    return {"left": left, **witness(home)}


def witness(home: str) -> dict[str, Any]:
    """Everything that must be the same whether somebody was killed or not."""
    at = Path(home)
    ports = world.ports_at(at)
    entries = ports.store.audit()
    (run,) = ports.store.runs()
    deployment = ports.store.deployment(run.id)
    every = ports.store.approvals(run.id)
    # `resume` of a plan that an answer or edit took back plans anew, before the person says what else is to change.
    dropped = {one.digest for one in every if one.state == "void" and not one.decisions}
    pairs = Counter(one.event for one in entries if one.digest in dropped)
    assert pairs == dict.fromkeys(("approval.request", "approval.void") if dropped else (), len(dropped)), pairs
    jobs = sorted((at / "jobs").glob("job-*/job.json"))
    seen = {
        "runs": [(run.state, bool(run.worker))],
        "approvals": sorted((one.state, one.digest, len(one.decisions)) for one in every if one.digest not in dropped),
        "requests": [
            (one.number, one.state, one.reverts, sorted(comment.key.partition(":")[0] for comment in one.comments))
            for one in reversed(ports.code_host.pull_requests())  # type: ignore[attr-defined]  (the local one has it)
        ],
        "merges": len(ports.code_host._git.text("log", "--merges", "--format=%H", "main").split()),  # type: ignore[attr-defined]
        "branches": sorted(ports.code_host._git.references("refs/heads/")),  # type: ignore[attr-defined]
        "deployment": deployment and (deployment.state, deployment.digest, deployment.rows),
        "jobs": [(path.parent.name, len(ports.deployer._entries(path.parent.name))) for path in jobs],  # type: ignore[attr-defined]
        "job runs": [len(list((path.parent / "runs").iterdir())) for path in jobs if (path.parent / "runs").exists()],
        "first runs": len({one["run_key"] for one in world.ran(at)}),
        "effects": sorted(f"{_named(one.key.partition('/')[2])} {one.status}" for one in ports.store.effects(run.id)),
        "chain": audit.verify(entries),
        "audit": sorted(
            f"{times} x {told}"
            for told, times in Counter(
                f"{one.event} {_named(str(one.detail.get('subject', '')))} {one.digest[:8]}"
                for one in entries
                if one.digest not in dropped
            ).items()
        ),
        "rows": _rows(ports) if ports.catalog.has_schema("shop", "reports") else None,
    }
    ports.close()
    return seen


def _named(subject: str) -> str:
    """A subject without what is new each time."""
    return re.sub(r"\ba-[a-z0-9]{8}\b", "a-…", subject)


def _rows(ports: Any) -> list[list[Any]] | None:
    if not ports.engine.history(world.TARGET):
        return None
    return [list(row) for row in ports.engine.query(f"SELECT * FROM {world.TARGET} ORDER BY city").rows]


# --- homes -----------------------------------------------------------------------------------------------------------


def begin(home: str) -> None:
    """A home with tables and a repository."""
    world.build_home(Path(home))
    world.ports_at(Path(home)).code_host.read("README.md")


def begin_again(home: str) -> None:
    """A home where the pipeline is deployed, and a changed plan of it waits for approval."""
    begin(home)
    with _closing(world.open_world(Path(home))) as it:
        for one in (_build, _answer, _generate, _approve):
            one(it)
        _edit(it)
        it.generate(_sure(it).run.id)


def copy(home: Path, to: Path) -> Path:
    """A home as it is now, elsewhere."""
    shutil.copytree(home, to, symlinks=True)
    return to


# --- inside ----------------------------------------------------------------------------------------------------------


class _closing:
    def __init__(self, it: Orchestrator) -> None:
        self._it = it

    def __enter__(self) -> Orchestrator:
        return self._it

    def __exit__(self, *error: object) -> None:
        self._it.close()


def _latest(it: Orchestrator) -> Snapshot | None:
    runs = it.runs()
    assert len(runs) <= 1, "the statement has two runs"
    return it.snapshot(runs[0].id) if runs else None


def _sure(it: Orchestrator) -> Snapshot:
    snapshot = _latest(it)
    assert snapshot is not None
    return snapshot
