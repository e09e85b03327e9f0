"""Tab Approval: what Approve will do, in order; what is missing for it; what it accepts; what became of it."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline_magic.runs import AuditEntry, Decision, Snapshot
from pipeline_magic.spec.model import PipelineSpec, Schedule
from pipeline_magic.spec.schedule import describe
from pipeline_magic.ui.markup import Html, code, data, details, items, link, mark, note, plain, prose, table, tag, when
from pipeline_magic.ui.quality import findings_of

__all__ = ["ApprovalView", "Outcome", "approval_html", "approval_text", "approval_view", "plan_html", "state_html"]

_OPEN = ("pending", "partly_approved")
_STATES = {
    "pending": ("‖", "waiting for approval", "waiting"),
    "partly_approved": ("‖", "waiting for more approvals", "waiting"),
    "approved": ("✓", "approved", "done"),
    "rejected": ("✗", "rejected", "failed"),
    "void": ("⊘", "void: the plan changed", "cancelled"),
    "expired": ("⊘", "expired", "cancelled"),
}
_DEPLOYED = {
    "deployed": ("✓", "done"),
    "failed": ("✗", "failed"),
    "rollback_failed": ("✗", "failed"),
    "rolled_back": ("↺", "cancelled"),
}


@dataclass(frozen=True)
class Outcome:
    """One fact of what became of an approved plan; `url` where there is something to open."""

    title: str
    text: str
    url: str = ""
    icon: str = ""
    kind: str = "pending"


@dataclass(frozen=True)
class ApprovalView:
    """The tab.

    Attributes:
        open: Approve and Reject can be pressed (when nothing is missing).
        missing: Why Approve cannot be pressed yet; unmatched clauses are asked for beside it.
        accepts: Questions whose default is accepted by approving, as (question, default).
        unmatched: Clauses to be confirmed, as (id, words).
        blocks: Open must-answer questions, red findings, and a budget that the plan cannot be held to.
        superseded: What to do where another run stands in this one's place; empty otherwise.
    """

    approval_id: str
    state: str
    digest: str
    effects: tuple[str, ...]
    policy: tuple[str, ...]
    missing: tuple[str, ...]
    accepts: tuple[tuple[str, str], ...]
    unmatched: tuple[tuple[str, str], ...]
    decisions: tuple[Decision, ...]
    outcomes: tuple[Outcome, ...]
    audit: tuple[AuditEntry, ...]
    reason: str = ""
    blocks: int = 0
    superseded: str = ""

    @property
    def open(self) -> bool:
        """Somebody may still decide."""
        return self.state in _OPEN

    @property
    def blocked(self) -> bool:
        """Approve would be refused, whoever pressed it."""
        return self.blocks > 0


def approval_view(snapshot: Snapshot) -> ApprovalView:
    """The tab of a run."""
    approval = snapshot.approval
    read = snapshot.validated or snapshot.parsed
    unmatched = tuple((c.id, read.provenance.text(c).strip()) for c in read.provenance.unmatched) if read else ()
    return ApprovalView(
        approval_id=snapshot.approval_id,
        state=approval.state if approval else "",
        digest=approval.digest if approval else "",
        effects=_effects(snapshot),
        policy=_policy(snapshot),
        missing=_missing(snapshot),
        accepts=tuple(
            (q.text, next((o.label for o in q.options if o.id == q.default), q.default or ""))
            for q in snapshot.questions
            if q.default is not None
        ),
        unmatched=unmatched,
        decisions=approval.decisions if approval else (),
        outcomes=_outcomes(snapshot),
        audit=snapshot.audit,
        reason=approval.reason if approval else "",
        blocks=sum(q.must_answer for q in snapshot.questions)
        + sum(v.blocks for v in findings_of(snapshot))
        + len(snapshot.blocked),
        superseded=_superseded(snapshot),
    )


def _superseded(snapshot: Snapshot) -> str:
    run = snapshot.run
    if run.state != "superseded":
        return ""
    where = run.message or f"`%pipeline review {run.name}` shows the newest run of the pipeline."
    return f"This run was superseded: nothing of it can be approved or generated any more. {where}"


def _effects(snapshot: Snapshot) -> tuple[str, ...]:
    validated, change = snapshot.validated, snapshot.change
    spec = validated.spec if validated else None
    if spec is None or validated is None:
        return ()
    said = []
    if change is not None:
        count = len(change.files)
        files = f"{count} file{'s' if count != 1 else ''}"
        draft = snapshot.pull_request if snapshot.deployment is None else None
        verb = f"Make the draft #{draft.number} ready," if draft is not None and draft.state == "draft" else "Open"
        said.append(f"{verb} the pull request “{change.title}”: {files} on branch {change.branch}")
        if snapshot.policy.get("merge", True):
            said.append(f"Merge it into {change.base}")
        else:
            said.append(f"Wait until a person has merged it into {change.base}")
    said += [f"Create {name}" for name in validated.creates]
    said += [f"Overwrite what was changed by hand in the deployed job: {what}" for what in snapshot.changed_by_hand]
    said.append(f"Deploy the pipeline {spec.name} as a {_deployment(spec)}, {_trigger(spec)}")
    if snapshot.policy.get("first_run", True):
        said.append(f"Run it once: {_write(spec, validated.target is not None)}")
    else:
        said.append(f"No first run now; each run will {_write(spec, validated.target is not None)}")
    said += _staging(snapshot)
    return tuple(said)


def _staging(snapshot: Snapshot) -> list[str]:
    """The tables beside the target that every run makes and drops."""
    from pipeline_magic.compiler.staging import staging_names

    typed = snapshot.validated.typed if snapshot.validated else None
    if typed is None or typed.spec.deployment != "job":
        return []
    names = [f"{typed.spec.target.table}{end}" for end in staging_names(typed).values()]
    return [f"Each run keeps rows in {' and '.join(names)} while it works, and drops that again"] if names else []


def _deployment(spec: PipelineSpec) -> str:
    return "Lakeflow pipeline (declarative)" if spec.deployment == "declarative" else "job that runs the notebook"


def _trigger(spec: PipelineSpec) -> str:
    trigger = spec.trigger
    if isinstance(trigger, Schedule):
        words = describe(trigger.cron, trigger.timezone)
        return f"scheduled {words[:1].lower()}{words[1:]}, in Quartz {trigger.cron}"
    return {
        "table_update": "started when its tables are written",
        "continuous": "always running",
        "manual": "started by hand",
    }[trigger.kind]


def _write(spec: PipelineSpec, exists: bool) -> str:
    table_ = spec.target.table
    if not exists:
        return f"create the table {table_} and write its rows"
    words = {
        "overwrite": f"replace all rows of {table_}",
        "append": f"add rows to {table_}",
        "merge": f"update and insert rows of {table_} by {', '.join(spec.target.keys)}",
        "scd1": f"update and insert rows of {table_} by {', '.join(spec.target.keys)}",
        "scd2": f"add new versions of rows to {table_} by {', '.join(spec.target.keys)}",
    }
    return words[spec.target.mode]


def _policy(snapshot: Snapshot) -> tuple[str, ...]:
    approval = snapshot.approval
    if approval is None:
        return ()
    count = approval.needed
    lines = [f"Environment {snapshot.run.environment}: {count} approval{'s' if count != 1 else ''} needed"]
    approvers = snapshot.policy.get("approvers")
    if isinstance(approvers, list) and approvers:
        lines[0] += f" from {', '.join(map(str, approvers))}"
    if snapshot.policy.get("not_author"):
        lines.append(f"The author ({snapshot.run.author}) may not approve")
    if snapshot.policy.get("waivers_allowed") is False:
        lines.append("Red findings may not be waived here")
    if approval.expires:
        lines.append(f"Expires {when(approval.expires)}")
    return tuple(lines)


def _missing(snapshot: Snapshot) -> tuple[str, ...]:
    approval = snapshot.approval
    lines = [f"an answer to: {q.text}" for q in snapshot.questions if q.must_answer]
    lines += [
        f"a repair or waiver of the finding {view.finding.id} (see Quality)"
        for view in findings_of(snapshot)
        if view.blocks
    ]
    lines += snapshot.blocked
    if approval is not None and approval.state == "partly_approved":
        given = len({d.identity for d in approval.decisions if d.verb == "approve"})
        lines.append(f"{max(0, approval.needed - given)} more approval(s), each by another person")
    return tuple(lines)


def _outcomes(snapshot: Snapshot) -> tuple[Outcome, ...]:
    made = []
    pull, deployment = snapshot.pull_request, snapshot.deployment
    if pull is None and deployment is not None:
        pull = deployment.pull_request
    if pull is not None:
        commit = pull.merge_commit or pull.commit
        text = f"#{pull.number} {pull.state}, branch {pull.branch}" + (f", commit {commit[:10]}" if commit else "")
        text += f" · {pull.report}" if pull.report else ""
        made.append(Outcome("Pull request", text, pull.url, "✓" if pull.state == "merged" else "◐", "done"))
    if deployment is not None:
        icon, kind = _DEPLOYED.get(deployment.state, ("◐", "waiting"))
        text = f"{deployment.name or deployment.id}: {deployment.state.replace('_', ' ')}"
        text += f" · {deployment.message}" if deployment.message else ""
        made.append(Outcome("Deployment", text, deployment.url, icon, kind))
        if deployment.rows is not None:
            spec = snapshot.validated.spec if snapshot.validated else None
            version = f", version {deployment.target_version_after}" if deployment.target_version_after else ""
            where = spec.target.table if spec else ""
            made.append(Outcome("Target", f"{where}: {deployment.rows:,} rows{version}", "", "✓", "done"))
        if deployment.next_run:
            made.append(Outcome("Next run", when(deployment.next_run)))
    return tuple(made)


def approval_html(view: ApprovalView) -> Html:
    """The whole tab as static HTML."""
    return tag("div", plan_html(view), _asks_html(view), state_html(view), class_="pm-tab pm-tab-approval")


def plan_html(view: ApprovalView) -> Html:
    """What will happen, policy and what is missing, what is accepted by default."""
    if view.superseded:
        return note(prose(view.superseded), kind="warn")
    if not view.approval_id:
        return note(
            "There is no plan to approve yet. Answer and edit, then press Generate; what Approve would do appears here."
        )
    parts: list[object] = [
        tag("p", mark(*_STATES.get(view.state, ("○", view.state, "pending"))), " ", data(view.reason)),
        tag("p", "approval ", code(view.approval_id), " · plan ", code(view.digest[:12]), class_="pm-quiet"),
    ]
    if view.open:
        parts += [tag("h4", "Approve will, in this order"), items(map(prose, view.effects), ordered=True)]
        parts.append(tag("p", prose(". ".join(view.policy)), ".", class_="pm-quiet"))
    if view.missing:
        parts.append(note(tag("strong", "Missing: "), items(map(prose, view.missing)), kind="warn"))
    if view.open and view.accepts:
        lines = [tag("span", prose(text), " ", tag("strong", prose(answer))) for text, answer in view.accepts]
        parts += [tag("h4", "Approving accepts these answers"), items(lines)]
    return tag("div", *parts)


def _asks_html(view: ApprovalView) -> Html:
    if not (view.open and view.unmatched):
        return Html("")
    lines = [tag("q", data(words)) for _, words in view.unmatched]
    return tag("div", tag("h4", "Not understood; each must be confirmed"), items(lines))


def state_html(view: ApprovalView) -> Html:
    """Decisions, what became of the plan, and the audit."""
    parts: list[object] = []
    if view.decisions:
        rows = (
            (
                mark("✓", "approved", "done") if d.verb == "approve" else mark("✗", "rejected", "failed"),
                data(d.name),
                data(d.identity),
                data(d.comment),
                when(d.at),
                code(d.digest[:12]),
            )
            for d in view.decisions
        )
        head = ("Decision", "Name", "Signed in as", "Comment", "At", "Plan")
        parts += [tag("h4", "Decisions"), table(head, rows, label="Decisions")]
    if view.outcomes:
        lines = [_outcome(outcome) for outcome in view.outcomes]
        parts += [tag("h4", "What became of it"), tag("div", *lines, class_="pm-outcomes")]
    if view.audit:
        rows_ = (
            (str(a.seq), when(a.at), data(a.event), data(a.identity), data(a.name), code(a.hash[:10]))
            for a in view.audit
        )
        drawn = table(("#", "At", "What", "Who", "Name", "Hash"), rows_, label="Audit", limit=200)
        parts.append(details(f"Audit ({len(view.audit)})", drawn))
    return tag("div", *parts)


def _outcome(outcome: Outcome) -> Html:
    shown = link(outcome.url, outcome.text) if outcome.url else data(outcome.text)
    icon = tag("span", outcome.icon or "·", aria_hidden="true", class_=f"pm-is-{outcome.kind}")
    path = tag("div", code(outcome.url), class_="pm-quiet") if outcome.url and "<a " not in shown else None
    return tag("div", icon, " ", tag("strong", outcome.title), " ", shown, path, class_="pm-outcome")


def approval_text(view: ApprovalView) -> str:
    """The tab as plain text."""
    if view.superseded:
        return plain(view.superseded)
    if not view.approval_id:
        return ""
    lines = [f"Approval {view.approval_id}: {view.state.replace('_', ' ')}, plan {view.digest[:12]}"]
    if view.open:
        lines += [f"  {number}. {effect}" for number, effect in enumerate(view.effects, start=1)]
        lines += [f"  accepts: {text} {answer}" for text, answer in view.accepts]
        lines += [f'  to be confirmed: "{words}"' for _, words in view.unmatched]
    lines += [f"  missing: {what}" for what in view.missing]
    lines += [f"  {d.verb} by {d.name} ({d.identity}) {d.comment}".rstrip() for d in view.decisions]
    lines += [f"  {o.title}: {o.text}" + (f" {o.url}" if o.url else "") for o in view.outcomes]
    return plain("\n".join(lines))
