"""The header: which pipeline, how far each of the six stages is, what every port is, what leaves the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline_magic.runs import STAGE_TITLES, STAGES, Snapshot, Stage, StageEvent, StageState
from pipeline_magic.ui.markup import Html, code, data, details, items, note, plain, prose, tag

__all__ = ["HeaderView", "StageView", "header_html", "header_text", "header_view"]

_ICONS: dict[StageState, tuple[str, str]] = {
    "pending": ("○", "pending"),
    "running": ("◐", "running"),
    "waiting": ("‖", "waiting for you"),
    "done": ("✓", "done"),
    "unchanged": ("=", "unchanged"),
    "failed": ("✗", "failed"),
    "cancelled": ("⊘", "cancelled"),
}

_RUN_WORDS = {
    "parsing": "reading the statement",
    "awaiting_input": "waiting for you: answer, edit, then Generate",
    "generating": "generating",
    "planned": "planned: review, then Approve or Reject",
    "failed": "failed",
    "cancelled": "cancelled",
    "superseded": "superseded by a newer run",
}

_APPROVAL_WORDS = {"approved": "approved", "rejected": "rejected", "expired": "approval expired"}


@dataclass(frozen=True)
class StageView:
    """One stage as it is shown; `done` is its fraction, where it is known."""

    stage: Stage
    title: str
    state: StageState
    icon: str
    word: str
    message: str = ""
    seconds: str = ""
    done: float | None = None


@dataclass(frozen=True)
class HeaderView:
    """What stands above everything else."""

    title: str
    run_id: str
    environment: str
    state: str
    stages: tuple[StageView, ...]
    ports: tuple[tuple[str, str], ...]
    leaves: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    error: str = ""


def header_view(snapshot: Snapshot, live: Mapping[Stage, StageEvent] | None = None) -> HeaderView:
    """The header of a run.

    Args:
        snapshot: The run as stored.
        live: Events newer than the snapshot; stages after the one that runs now are shown as pending.
    """
    events: dict[Stage, StageEvent] = {event.stage: event for event in snapshot.stages}
    newer = dict(live or {})
    events.update(newer)
    running = [STAGES.index(stage) for stage, event in newer.items() if event.state == "running"]
    stages = []
    for position, stage in enumerate(STAGES):
        event = events.get(stage) or StageEvent(stage=stage, state="pending")
        if running and position > max(running) and stage not in newer:
            event = StageEvent(stage=stage, state="pending")
        stages.append(_stage(event))
    run = snapshot.run
    notes = ["Nothing changed since the last build: no stage was computed again."] if snapshot.unchanged else []
    notes += [run.message] if run.message and not snapshot.error else []
    return HeaderView(
        title=run.name or "New pipeline",
        run_id=run.id,
        environment=run.environment,
        state=_state(snapshot),
        stages=tuple(stages),
        ports=tuple(snapshot.ports.items()),
        leaves=snapshot.leaves_machine,
        warnings=snapshot.warnings,
        notes=tuple(notes),
        error=snapshot.error,
    )


def _state(snapshot: Snapshot) -> str:
    deployment, approval = snapshot.deployment, snapshot.approval
    if deployment is not None and approval is not None and approval.state == "approved":
        return deployment.state.replace("_", " ")
    if approval is not None and approval.state in _APPROVAL_WORDS and snapshot.run.state == "planned":
        return _APPROVAL_WORDS[approval.state]
    return _RUN_WORDS.get(snapshot.run.state, snapshot.run.state)


def _stage(event: StageEvent) -> StageView:
    icon, word = _ICONS[event.state]
    if event.state == "running" and event.done is not None:
        word = f"{word} {event.done:.0%}"
    seconds = "" if event.seconds is None else f"{event.seconds:.1f} s"
    return StageView(
        event.stage, STAGE_TITLES[event.stage], event.state, icon, word, event.message, seconds, event.done
    )


def header_html(view: HeaderView) -> Html:
    """The header as HTML."""
    head = tag(
        "div",
        tag("span", data(view.title), class_="pm-title"),
        tag("span", data(view.state), class_="pm-state"),
        tag("span", "run ", code(view.run_id), " · environment ", data(view.environment), class_="pm-quiet"),
        class_="pm-head",
    )
    stages = tag("ol", *(_stage_html(stage) for stage in view.stages), class_="pm-stages", aria_label="Stages")
    says = (
        [note(tag("strong", "Failed: "), tag("span", prose(view.error), class_="pm-lines"), kind="error")]
        if view.error
        else []
    )
    says += [note(prose(line), kind="warn") for line in view.warnings]
    says += [note(prose(line)) for line in view.notes]
    return tag("div", head, stages, *says, _ports_html(view), class_="pm-header")


def _stage_html(stage: StageView) -> Html:
    meta = " · ".join(part for part in (stage.word, stage.seconds) if part)
    bar = stage.state == "running" and stage.done is not None
    return tag(
        "li",
        tag("div", tag("span", stage.icon, aria_hidden="true", class_="pm-icon"), " ", stage.title, class_="pm-step"),
        tag("div", meta, class_="pm-quiet"),
        tag("progress", max="1", value=f"{stage.done:.3f}", aria_label=stage.title) if bar else None,
        tag("div", prose(stage.message), class_="pm-stage-message") if stage.message else None,
        class_=f"pm-stage pm-stage-{stage.stage} pm-is-{stage.state}",
        data_state=stage.state,
        title=stage.message or None,
        aria_current="step" if stage.state in {"running", "waiting"} else None,
    )


def _ports_html(view: HeaderView) -> Html:
    rows = [tag("span", tag("strong", name), " ", data(what), class_="pm-port") for name, what in view.ports]
    if view.leaves:
        summary = tag("span", f"Where this runs · leaves this machine: {len(view.leaves)}")
        leaves: Html = tag("div", tag("strong", "Leaves this machine:"), items(data(line) for line in view.leaves))
    else:
        summary = tag("span", "Where this runs · nothing leaves this machine")
        leaves = tag("div", "Nothing leaves this machine.")
    return details(summary, tag("div", *rows, class_="pm-ports"), leaves, class_="pm-where")


def header_text(view: HeaderView) -> str:
    """The header as plain text."""
    lines = [f"{view.title} ({view.run_id}, {view.environment}): {view.state}"]
    for stage in view.stages:
        tail = " · ".join(part for part in (stage.word, stage.seconds, stage.message) if part)
        lines.append(f"  {stage.icon} {stage.title:<13}{tail}")
    lines += [f"Failed: {view.error}"] if view.error else []
    lines += [f"Warning: {line}" for line in view.warnings]
    lines += [f"Note: {line}" for line in view.notes]
    lines += [f"Leaves this machine: {line}" for line in view.leaves]
    return plain("\n".join(lines))
