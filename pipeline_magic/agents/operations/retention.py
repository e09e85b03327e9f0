"""Retention: which runs nobody needs any more, and the removal of what they worked with.

Removed: results of stages, what was measured beside a plan, and, where the settings say so, the texts of requests to
language models and their answers (their hashes stay). Kept for ever: the run itself with its statement, approvals and
their plans, deployments, effects, the audit. Kept as they are: runs that somebody may go on with, decide on or build
again, those behind a deployed job or the one before it, and every run younger than the bound. A scratch schema whose
run nobody works on was left over by a killed process, and goes whatever its run's age is.

Finding changes nothing. Removing looks again at every run, moves it by compare-and-set and says so in the audit, in one
write. Not here: how rows are removed (the store).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from pydantic import Field

from pipeline_magic.errors import NotFound, PipelineMagicError, StaleState, UsageError
from pipeline_magic.ports import Clock, Deployer, Engine, Store, WorkingData
from pipeline_magic.runs import Approval, AuditDraft, Deployment, Run
from pipeline_magic.spec.schema import Model

__all__ = ["Leftover", "Leftovers", "Removed", "Retention", "age"]

_AGE = re.compile(r"\s*(\d{1,6})\s*(h|d|w|hours?|days?|weeks?)\s*", re.IGNORECASE)
_HOURS = {"h": 1, "d": 24, "w": 168}
_OPEN = ("pending", "partly_approved")
_ENDED = ("cancelled", "superseded")


def age(text: str) -> timedelta:
    """``90d``, ``12w`` or ``48h`` as typed.

    Raises:
        UsageError: It is none.

    >>> age("2w").days
    14
    """
    found = _AGE.fullmatch(text)
    if found is None:
        raise UsageError(f"`{text}` is not an age.", hint="Write a number and h, d or w: `90d`.")
    return timedelta(hours=int(found[1]) * _HOURS[found[2][0].casefold()])


class Leftover(Model):
    """A run nobody needs the working data of.

    Attributes:
        why: What became of it, for a person.
        data: What would be removed.
    """

    run_id: str
    name: str
    updated: str
    why: str
    data: WorkingData


class Leftovers(Model):
    """What could be removed, and what is kept.

    Attributes:
        before: Runs that were changed after this time were not looked at.
        scratch: Runs whose scratch schema was left over.
        kept: How many older runs are kept, by reason.
    """

    before: str
    runs: tuple[Leftover, ...] = ()
    scratch: tuple[str, ...] = ()
    kept: dict[str, int] = Field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of text that would be removed."""
        return sum(item.data.size for item in self.runs)


class Removed(Model):
    """What was removed, and what was passed over since somebody needs it after all.

    Attributes:
        runs: Ids; `scratch` likewise.
        passed: Why, by run id.
    """

    runs: tuple[str, ...] = ()
    scratch: tuple[str, ...] = ()
    passed: dict[str, str] = Field(default_factory=dict)


class Retention:
    """Finds and removes what is not needed any more.

    Args:
        identity: Authenticated identity that the audit names.
        alive: Whether the worker of that name lives (`Run.worker`).
        worker: Name of this process, to hold a run while its scratch schema goes.
        texts: Remove the texts that were exchanged with language models too.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        deployer: Deployer,
        clock: Clock,
        *,
        identity: str,
        alive: Callable[[str], bool],
        worker: str,
        texts: bool = False,
    ) -> None:
        self._store = store
        self._engine = engine
        self._deployer = deployer
        self._clock = clock
        self._identity = identity
        self._alive = alive
        self._worker = worker
        self._texts = texts
        self._live: dict[str, frozenset[str] | None] = {}

    def find(self, older_than: timedelta, *, failed: bool = False) -> Leftovers:
        """What could be removed now. Changes nothing.

        Args:
            older_than: Since the last change of a run.
            failed: Runs that failed too, though they could be resumed.
        """
        before, self._live = self._clock.now().astimezone(timezone.utc) - older_than, {}
        found, kept, idle = list[Leftover](), Counter[str](), list[str]()
        for run in self._store.every_run():
            if not self._held(run):
                idle.append(run.id)
            if not _older(run, before):
                continue
            why, needed = self._judge(run, failed)
            if needed:
                kept[needed] += 1
                continue
            data = self._store.working_data(run.id, texts=self._texts)
            if data.size:
                found.append(Leftover(run_id=run.id, name=run.name, updated=run.updated, why=why, data=data))
        scratch = tuple(self._engine.left_scratch(idle))
        return Leftovers(before=before.isoformat(), runs=tuple(found), scratch=scratch, kept=dict(sorted(kept.items())))

    def remove(self, found: Leftovers, *, failed: bool = False) -> Removed:
        """Remove what was found, as far as it still holds. May be repeated after a crash."""
        done, scratch, passed, self._live = list[str](), list[str](), dict[str, str](), {}
        before = datetime.fromisoformat(found.before)
        for item in found.runs:
            try:
                run = self._store.run(item.run_id)
                why, needed = self._judge(run, failed)
                if needed or not _older(run, before):
                    passed[run.id] = needed or "it was changed meanwhile"
                    continue
                data = self._store.working_data(run.id, texts=self._texts)
                if data.size:
                    self._clean(run, why, data)
                done.append(run.id)
            except StaleState:
                passed[item.run_id] = "it was changed meanwhile"
        for run_id in found.scratch:
            try:
                self._drop(run_id)
                scratch.append(run_id)
            except StaleState:
                passed[run_id] = "it is being worked on"
        return Removed(runs=tuple(done), scratch=tuple(scratch), passed=passed)

    # --- judging -------------------------------------------------------------------------------------------------

    def _judge(self, run: Run, failed: bool) -> tuple[str, str]:
        """(what became of the run, why its data are needed); the second is empty when nobody needs them."""
        if self._held(run):
            return "", "being worked on"
        deployment = self._store.deployment(run.id)
        if deployment is not None:
            return self._deployed(deployment)
        approvals = self._store.approvals(run.id)
        # The approval of a run that was cancelled can no longer be given.
        if run.state not in _ENDED and any(self._open(approval) for approval in approvals):
            return "", "waiting for an approval"
        if any(approval.state == "approved" for approval in approvals):
            return "", "approved, and not deployed yet"
        if run.state in _ENDED or (run.state == "failed" and failed):
            return run.state, ""
        if run.state == "failed":
            return "", "failed, and can be resumed"
        if run.state == "planned" and approvals:
            state = approvals[0].state
            return ("expired" if state in _OPEN else state), ""
        return "", "not finished"

    def _deployed(self, deployment: Deployment) -> tuple[str, str]:
        if deployment.state not in ("deployed", "rolled_back"):
            return "", "deployment not finished"
        if deployment.id not in self._live:
            self._live[deployment.id] = self._digests(deployment.id)
        live = self._live[deployment.id]
        if live is None:
            return "", "the deployer cannot say what is live"
        if deployment.digest in live:
            return "", "live, or what a rollback goes back to"
        if deployment.state == "rolled_back":
            return "rolled back", ""
        return ("replaced by a later deployment" if live else "its job was deleted"), ""

    def _digests(self, job: str) -> frozenset[str] | None:
        """Digests of the plans behind a job and behind the one before it; none when it is gone, None when not known."""
        try:
            present = self._deployer.settings(job).get("digest")
            previous = self._deployer.previous(job)
        except NotFound:
            return frozenset()
        except PipelineMagicError:
            return None
        if not isinstance(present, str) or not present:
            return None
        return frozenset({present, *([previous.digest] if previous else [])})

    def _open(self, approval: Approval) -> bool:
        if approval.state not in _OPEN:
            return False
        return not approval.expires or approval.expires > self._clock.now().astimezone(timezone.utc).isoformat()

    def _held(self, run: Run) -> bool:
        return bool(run.worker) and self._alive(run.worker)

    # --- removing ------------------------------------------------------------------------------------------------

    def _clean(self, run: Run, why: str, data: WorkingData) -> None:
        now = self._clock.now().isoformat()
        said = self._draft(run, "run.clean", {"why": why, "removed": data.model_dump(mode="json")}, now)
        message = f"Its working data were removed on {now[:10]}: {why}, and not changed since {run.updated[:10]}."
        self._store.clean_run(run, texts=self._texts, message=message, audit=said)

    def _drop(self, run_id: str) -> None:
        run = self._store.run(run_id)
        if self._held(run):
            raise StaleState(f"Run `{run_id}` is being worked on.")
        # Whoever begins to work on the run meanwhile loses the compare-and-set, so that nothing of theirs is dropped.
        said = self._draft(run, "scratch.drop", {}, self._clock.now().isoformat())
        held = self._store.update_run(run, worker=self._worker, audit=said)
        try:
            self._engine.drop_scratch(run_id)
        finally:
            self._store.update_run(held, worker="")

    def _draft(self, run: Run, event: str, detail: dict[str, object], at: str) -> AuditDraft:
        return AuditDraft.model_validate(
            {"at": at, "run_id": run.id, "event": event, "identity": self._identity, "detail": detail}
        )


def _older(run: Run, before: datetime) -> bool:
    """Whether the run was changed last before that time; one whose time cannot be read was not."""
    try:
        return datetime.fromisoformat(run.updated) < before
    except (ValueError, TypeError):
        return False
