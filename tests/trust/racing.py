"""What each of many processes does to one run at the same moment, and what is there afterwards."""

from __future__ import annotations

import contextlib
import html
import io
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline_magic.agents.approval import audit
from pipeline_magic.errors import PipelineMagicError
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.runs import Answer, AuditEntry, Change, File
from pipeline_magic.spec.paths import Edit
from tests.trust import killing, world

__all__ = ["VERBS", "on_the_command_line", "outcome", "plan", "plan_for_two", "press", "stop_after_approval"]

Orchestrator = PipelineBuilderOrchestrator

VERBS: dict[str, Callable[[Orchestrator, str, str, str], Any]] = {
    "approve": lambda it, run, approval, who: it.approve_pipeline(approval, who, "Looks good"),
    "reject": lambda it, run, approval, who: it.reject_pipeline(approval, who, f"{who} says no"),
    "edit": lambda it, run, approval, who: it.edit(run, [Edit(path="target.comment", value=f"By {who}")]),
    "deploy": lambda it, run, approval, who: it.resume(run),
    "answer": lambda it, run, approval, who: it.answer(run, [Answer(question="join:customers", value="left")]),
    "generate": lambda it, run, approval, who: it.generate(run),
}


def plan(home: str, store: str) -> list[str]:
    """A planned run: its id and its approval's. The answer is given, so that the same rows are counted everywhere."""
    world.build_home(Path(home))
    it = world.open_world(Path(home), store=store)
    made = it.build_pipeline(world.STATEMENT, answers={"join:customers": "left"})
    it.close()
    return [made.run_id, made.approval_id]


def press(home: str, store: str, run: str, approval: str, verb: str, who: str) -> str:
    """Do it; "" when it was done, else the kind of the refusal and its words."""
    it = world.open_world(Path(home), store=store, who=who)
    try:
        VERBS[verb](it, run, approval, who)
    except PipelineMagicError as error:
        return f"{type(error).__name__}: {error}"
    finally:
        it.close()
    return ""


def stop_after_approval(home: str, store: str, approval: str) -> None:
    """Approve, and be killed when the decision is written and nothing else is."""
    counter = _Stops()
    ports = killing.counting(world.ports_at(Path(home), store=store), counter)
    world.open_world(Path(home), ports).approve_pipeline(approval, "Ada", "Looks good")


class _Stops(killing.Counter):
    def reached(self, moment: str) -> None:
        super().reached(moment)
        if moment == "before code_host.open_pull_request":
            self._kill_at = len(self.moments) + 1
            super().reached(moment)


def outcome(home: str, store: str, run_id: str) -> dict[str, Any]:
    """What is there after the race."""
    at = Path(home)
    ports = world.ports_at(at, store=store)
    entries = list(ports.store.audit())
    run, deployment = ports.store.run(run_id), ports.store.deployment(run_id)
    approvals = {
        one.id: (one.state, [d.verb for d in one.decisions], one.digest) for one in ports.store.approvals(run_id)
    }
    requests = ports.code_host.pull_requests()  # type: ignore[attr-defined]  (the local one has it)
    seen = {
        "run": [run.state, run.worker, run.message],
        "comment": [edit.value for edit in run.edits],
        "approvals": approvals,
        "decisions": [[e.event, e.identity] for e in entries if e.event in ("approval.approve", "approval.reject")],
        "edits": [e.identity for e in entries if e.event == "spec.edit"],
        "effects": sorted(_effect(e) for e in entries if re.match(r"(pull_request|job|schema|table)", e.event)),
        "requests": [[one.number, one.state] for one in requests],
        "merges": len(ports.code_host._git.text("log", "--merges", "--format=%H", "main").split()),  # type: ignore[attr-defined]
        "jobs": len(list((at / "jobs").glob("job-*/job.json"))),
        "runs of jobs": len(list((at / "jobs").glob("job-*/runs/*"))),
        "asked to run": len(world.ran(at)),
        "deployment": deployment and [deployment.state, deployment.digest],
        "chain": list(audit.verify(entries)),
    }
    ports.close()
    return seen


def _effect(entry: AuditEntry) -> str:
    """Its kind, of which there may be one; of what is said on the commit, one for each standing."""
    return f"{entry.event} {entry.detail['subject']}" if entry.event == "pull_request.report" else entry.event


# --- one after the other, each in a process of their own --------------------------------------------------------------


def plan_for_two(home: str, store: str, policy: str) -> list[str]:
    """Ada, in a program: a planned run under that policy, and its approval."""
    world.build_home(Path(home))
    it = world.open_world(Path(home), store=store)
    host = it.ports.code_host
    file = File(path="pipeline_magic.toml", content=policy)
    change = Change(branch="policy", base="main", title="Policy", body="", files=(file,))
    host.merge(host.open_pull_request(change).number, message="Policy")
    made = it.build_pipeline(world.STATEMENT, answers={"join:customers": "left"})
    it.close()
    return [made.run_id, made.approval_id]


def on_the_command_line(home: str, store: str, who: str, words: list[str]) -> list[Any]:
    """Somebody in a terminal: the exit status, and what is printed."""
    from pipeline_magic import cli, wiring

    wiring.wire = lambda settings: world.ports_at(Path(home), store=store, who=who)
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        status = cli.main(["--home", home, "--local", *words])
    return [status, out.getvalue()]


# --- panels ----------------------------------------------------------------------------------------------------------


def press_panel(home: str, store: str, run: str, button: str, who: str, meeting: str, people: int) -> list[str]:
    """Open the panel of a run in a kernel of its own, wait until everybody has, and press; what the panel then says."""
    it = world.open_world(Path(home), store=store, who=who)
    try:
        panel = open_panel(it, run, who)
        (Path(meeting) / who).touch()
        until = time.monotonic() + 60
        while len(list(Path(meeting).iterdir())) < people and time.monotonic() < until:
            time.sleep(0.002)
        return press_button(panel, button)
    finally:
        it.close()


def open_panel(it: Orchestrator, run: str, who: str) -> Any:
    """The panel as it is drawn now, with the Approval tab in front and a comment typed."""
    from pipeline_magic.ui.panel import Panel

    panel = Panel(it, it.snapshot(run), approver=who)
    panel._tabbed.selected_index = list(panel._tabbed.titles).index("Approval")
    panel._approval.comment.value = f"{who} has looked"
    return panel


def press_button(panel: Any, button: str, *, wait: bool = True) -> list[str]:
    """Press it; what the panel says, and the state of the approval it then draws."""
    found = panel._generate if button == "generate" else getattr(panel._approval, button)
    assert not found.disabled, button
    found.click()
    assert not wait or panel.wait(60)
    return said(panel)


def said(panel: Any) -> list[str]:
    """The panel's message in plain words, and the state of the approval it draws."""
    approval = panel.snapshot.approval
    return [
        html.unescape(re.sub(r"<[^>]+>", " ", panel._message.value)),
        approval.state if approval else "",
        panel.html(),
    ]


def two_panels(home: str, store: str, run: str, first: str, second: str, together: bool) -> list[list[str]]:
    """Two panels over two orchestrators in one process; pressed together, or one after the other."""
    its = [world.open_world(Path(home), store=store, who=who) for who in ("p0", "p1")]
    panels = [open_panel(it, run, who) for it, who in zip(its, ("p0", "p1"), strict=True)]
    for panel, button in zip(panels, (first, second), strict=True):
        press_button(panel, button, wait=not together)
    for panel in panels:
        assert panel.wait(60)
    found = [said(panel) for panel in panels]
    for it in its:
        it.close()
    return found
