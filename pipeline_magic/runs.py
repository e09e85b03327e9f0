"""A run: everything between a statement and a deployed pipeline, as frozen models.

    statement -> Parsed -> Validated -> Generated -> QualityReport -> Change -> Approval -> Deployment

Here: what stages hand to each other, and what the store keeps. Not here: which state may follow which (`states`),
and how any of it is made; that is the agents' work. Times are ISO 8601 in UTC. Ids and times are passed in, never made
here.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field, JsonValue

from pipeline_magic.spec.model import Draft, PipelineSpec
from pipeline_magic.spec.paths import Edit
from pipeline_magic.spec.provenance import Provenance
from pipeline_magic.spec.schema import Model, TableSchema
from pipeline_magic.spec.typed import TypedSpec

__all__ = [
    "STAGES",
    "STAGE_TITLES",
    "Answer",
    "Approval",
    "AuditDraft",
    "AuditEntry",
    "Change",
    "CheckResult",
    "Decision",
    "Deployment",
    "Effect",
    "Exchange",
    "File",
    "FileDiff",
    "Finding",
    "Generated",
    "HandEdit",
    "NotebookRun",
    "Option",
    "Parsed",
    "Plan",
    "PlanReport",
    "Prepared",
    "PullRequest",
    "QualityReport",
    "Question",
    "ROLLBACK_PARTS",
    "Reconciliation",
    "RollbackPart",
    "RollbackPlan",
    "RollbackStep",
    "Run",
    "SampleRun",
    "Snapshot",
    "Stage",
    "StageEvent",
    "StageState",
    "StepRows",
    "Validated",
    "Waiver",
]

Stage: TypeAlias = Literal["parse", "validate", "generate", "quality", "pull_request", "approval"]
STAGES: tuple[Stage, ...] = ("parse", "validate", "generate", "quality", "pull_request", "approval")
STAGE_TITLES: dict[Stage, str] = {
    "parse": "Parse",
    "validate": "Validate",
    "generate": "Generate",
    "quality": "Quality",
    "pull_request": "Pull request",
    "approval": "Approval",
}

StageState: TypeAlias = Literal["pending", "running", "waiting", "done", "unchanged", "failed", "cancelled"]


class StageEvent(Model):
    """What a stage says of itself while it works.

    Attributes:
        state: ``unchanged`` means: the inputs have the digest of the last time, so the stored result stands.
        message: One short sentence for a person, no secrets.
        done: Fraction of the stage, 0 to 1, where it is known.
        seconds: Wall time of the stage, when it ended.
    """

    stage: Stage
    state: StageState
    message: str = ""
    done: float | None = None
    seconds: float | None = None


# --- stage 1 and 2: questions, schemas ---------------------------------------------------------------------------


class Option(Model):
    """One answer to a question.

    Attributes:
        id: Stable within its question; what `answers` hold.
        label: As a person would say it.
        edits: What it sets in the draft. With none, the statement is read again with this answer known.
        rows: Rows the target would hold, measured; None when it was not measured.
        effect: What it does, in words and numbers ("1,500 rows; keeps 500 customers without orders").
    """

    id: str
    label: str
    edits: tuple[Edit, ...] = ()
    rows: int | None = None
    effect: str = ""


class Question(Model):
    """Something the statement leaves open, where the readings differ in data.

    Attributes:
        id: Stable for the same statement and catalog ("join:orders", "target:table").
        text: The question, one sentence.
        why: What in the statement or the catalog raises it.
        options: The readings, likeliest first.
        default: Id of the option that stands when nobody answers; None makes it a must-answer question.
        path: The field it is about; with `free`, a typed answer is set there.
        free: A typed answer is allowed.
        clauses: Ids of the clauses it comes from.
    """

    id: str
    text: str
    why: str = ""
    options: tuple[Option, ...] = ()
    default: str | None = None
    path: str = ""
    free: bool = False
    clauses: tuple[str, ...] = ()

    @property
    def must_answer(self) -> bool:
        """No default would be a reading of the words."""
        return self.default is None


class Answer(Model):
    """A person's answer: the id of an option, or with `free` questions any text."""

    question: str
    value: str


class Finding(Model):
    """Something a person should know before approving.

    Attributes:
        id: Stable; waivers name it.
        severity: ``red`` blocks Approve until repaired or waived; ``amber`` is shown; ``info`` is said.
        where: Path of a field, a table, a file or a check.
    """

    id: str
    severity: Literal["red", "amber", "info"]
    message: str
    where: str = ""
    hint: str = ""


class Parsed(Model):
    """Stage 1. The statement as a draft, with the origin of every field."""

    draft: Draft
    provenance: Provenance
    questions: tuple[Question, ...] = ()
    parser: str = "embedded"
    notes: tuple[str, ...] = ()


class Validated(Model):
    """Stage 2. The draft, completed and checked against the catalog.

    Attributes:
        spec: The complete spec; None while a must-answer question is open or problems stand.
        typed: The spec with the schema and keys of every step; None with `spec`.
        tables: Schemas of the sources, by alias.
        target: Schema of the target as it is now; None when it does not exist.
        problems: Why there is no typed spec, as (path, message) in the order of the spec.
        findings: Privileges, missing schemas to be created, warnings of typing.
        answered: Questions that were answered, as they were asked: they are shown, and can be answered otherwise.
        creates: Schemas and catalogs that do not exist and would be created after approval.
    """

    draft: Draft
    provenance: Provenance
    spec: PipelineSpec | None = None
    typed: TypedSpec | None = None
    tables: dict[str, TableSchema] = Field(default_factory=dict)
    target: TableSchema | None = None
    questions: tuple[Question, ...] = ()
    problems: tuple[Finding, ...] = ()
    findings: tuple[Finding, ...] = ()
    creates: tuple[str, ...] = ()
    answered: tuple[Question, ...] = ()


# --- stage 3: files ----------------------------------------------------------------------------------------------


class File(Model):
    """A text file of the plan; `path` is relative to the repository's root, with forward slashes."""

    path: str
    content: str


class FileDiff(Model):
    """A file of the plan beside what the base branch has at its path (`old` None: nothing)."""

    path: str
    status: Literal["added", "changed", "unchanged"]
    old: str | None = None
    new: str


class Generated(Model):
    """Stage 3. The files of a plan, and their difference from the base branch.

    Attributes:
        notebook: Path of the file among `files` that runs.
        base: Name of the base branch.
        lines: For each step id, the first and last line of its cell in the notebook's Python source (1-based).
        environments: What the compiler was given of the environments (`compiler.environments.Environments`).
        repository: Name of the repository, which stands in the files.
    """

    files: tuple[File, ...]
    notebook: str
    diffs: tuple[FileDiff, ...] = ()
    base: str = "main"
    environments: dict[str, JsonValue] = Field(default_factory=dict)
    repository: str = ""
    findings: tuple[Finding, ...] = ()

    def file(self, path: str) -> File:
        """The file at that path."""
        return next(file for file in self.files if file.path == path)


class HandEdit(Model):
    """What was decided of a file that somebody edited in the repository; discarding is a waiver of its finding.

    Attributes:
        path: The generated file.
        sha256: Of what stood there, so that no other edit is meant.
        how: ``take``: its meaning went into the spec. ``keep``: its text went into `custom`.
        by: Authenticated identity of who decided.
        custom: Path of the custom file; empty when it was taken.
        custom_sha256: Of the custom file as it was written.
    """

    path: str
    sha256: str
    how: Literal["take", "keep"]
    by: str
    custom: str = ""
    custom_sha256: str = ""


# --- stage 4: quality --------------------------------------------------------------------------------------------


class CheckResult(Model):
    """What one expectation found.

    Attributes:
        status: ``passed``; ``failed`` (more failing rows than tolerated); ``error`` (could not run, counts as red);
            ``off``.
        rows: Rows looked at; None where the check is not about rows.
        failing: Rows, or groups for uniqueness, that break it.
        observed: What was seen, in words ("newest commit 3 hours ago").
    """

    expectation: str
    kind: str
    on: str
    description: str
    action: Literal["warn", "drop", "fail"]
    automatic: bool = False
    status: Literal["passed", "failed", "error", "off"]
    rows: int | None = None
    failing: int | None = None
    observed: str = ""


class StepRows(Model):
    """Rows through one step.

    Attributes:
        rows_in: Rows of each input, by its id.
        rows_out: Rows of the step.
        unmatched_left: For joins: left rows without a partner; `unmatched_right` likewise.
        widest_match: For joins: partners of the left row that has most (1 = no fan-out).
    """

    step: str
    kind: str
    rows_in: dict[str, int] = Field(default_factory=dict)
    rows_out: int
    unmatched_left: int | None = None
    unmatched_right: int | None = None
    widest_match: int | None = None
    note: str = ""


class Reconciliation(Model):
    """Rows in and out of every step, and what became of every source column."""

    steps: tuple[StepRows, ...] = ()
    unused_columns: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


class NotebookRun(Model):
    """A notebook that was really run.

    Attributes:
        executed: The notebook with its outputs, as JSON text; empty when it did not start.
        error: Name and message of the first failing cell's error; empty when all went well.
        seconds: Wall time.
        exit_value: What the notebook gave to ``dbutils.notebook.exit``; empty when it did not.
        trace: Where the error came from, shortened; empty where `executed` shows it.
        url: Page of the run, where it has one.
    """

    succeeded: bool
    executed: str = ""
    error: str = ""
    exit_value: str = ""
    seconds: float = 0.0
    trace: str = ""
    url: str = ""


class SampleRun(Model):
    """The notebook, run before approval into a scratch schema.

    Attributes:
        status: ``passed`` | ``failed`` | ``not_executed`` (with the reason in `message`).
        rows: Rows the scratch target held.
        sampled: Fraction of the source rows that were read (1 = all).
        repeatable: A second run gave the same rows; None when it was not tried.
    """

    status: Literal["passed", "failed", "not_executed"]
    message: str = ""
    rows: int | None = None
    sampled: float = 1.0
    repeatable: bool | None = None
    seconds: float = 0.0


class QualityReport(Model):
    """Stage 4. What the data and the artefact showed before approval."""

    checks: tuple[CheckResult, ...] = ()
    reconciliation: Reconciliation = Reconciliation()
    sample_run: SampleRun | None = None
    findings: tuple[Finding, ...] = ()
    preview_columns: tuple[str, ...] = ()
    preview_rows: tuple[tuple[str | None, ...], ...] = ()
    engine: str = ""

    @property
    def verdict(self) -> Literal["green", "amber", "red"]:
        """Red when a red finding stands (waivers are counted by the approval), amber when an amber one does."""
        severities = {finding.severity for finding in self.findings}
        return "red" if "red" in severities else "amber" if "amber" in severities else "green"


# --- stage 5: the change -----------------------------------------------------------------------------------------


class Change(Model):
    """Stage 5. A pull request, prepared: nothing is written to the code host yet.

    Attributes:
        branch: Derived from the pipeline's name and the plan digest.
        base: Branch it goes into.
        body: Markdown.
    """

    branch: str
    base: str
    title: str
    body: str
    files: tuple[File, ...]


class PullRequest(Model):
    """A pull request as the code host knows it.

    Attributes:
        commit: Head of its branch; of a merged one, the head that was merged.
        checks: How the checks stand that the base branch requires; ``none`` where it requires none.
        report: What was said last of its plan on its head commit; empty where nothing was.
    """

    number: int
    url: str
    branch: str
    state: Literal["draft", "open", "merged", "closed"]
    commit: str = ""
    merge_commit: str = ""
    checks: Literal["none", "pending", "passed", "failed"] = "none"
    report: str = ""


class PlanReport(Model):
    """What is said of a plan on the head commit of its pull request: a commit status or a check run on GitHub.

    Attributes:
        commit: The commit that holds the plan; one that somebody pushed on top of it is not spoken of.
        state: ``pending`` until the plan is approved; ``failure`` where it must not be merged, or was taken back.
        digest: Of the plan, 64 hexadecimal digits.
        summary: How it stands, one short sentence.
        url: Where a person reads more; empty: nowhere.
    """

    commit: str
    state: Literal["pending", "success", "failure"]
    digest: str
    verdict: Literal["green", "amber", "red"]
    summary: str
    url: str = ""

    @property
    def text(self) -> str:
        """All of it in one line of at most 140 characters, which is what GitHub shows of a status.

        >>> PlanReport(commit="c", state="pending", digest="d1", verdict="green", summary="Waits for approval.").text
        'Waits for approval. Quality green. Plan d1'
        """
        rest = f" Quality {self.verdict}. Plan {self.digest}"
        return self.summary[: 140 - len(rest)] + rest


# --- plan, approval, deployment ----------------------------------------------------------------------------------


class Waiver(Model):
    """A red finding accepted by name, with a reason."""

    finding: str
    by: str
    reason: str


class Plan(Model):
    """Everything an approval binds to. Its digest is `agents.approval.digest.plan_digest`.

    Attributes:
        base_files: SHA-256 of the base branch's content of exactly the paths the plan writes; None where absent.
        schemas: The catalog's schemas the plan rests on, without row counts and times.
        settings: Settings found when planning and to be written (never secrets).
    """

    spec: PipelineSpec
    files: tuple[File, ...]
    base_files: dict[str, str | None]
    schemas: dict[str, JsonValue]
    parameters: dict[str, str]
    settings: dict[str, JsonValue]
    environment: str
    policy: dict[str, JsonValue]
    answers: tuple[Answer, ...]
    waivers: tuple[Waiver, ...]
    compiler_version: str
    verdict: Literal["green", "amber", "red"]


class Prepared(Model):
    """Stage 5's result: the plan, its digest, and the pull request that is ready to be opened."""

    plan: Plan
    digest: str
    change: Change


class Decision(Model):
    """One person's word on a plan: the authenticated identity decides, the typed name is a label."""

    verb: Literal["approve", "reject"]
    identity: str
    name: str
    comment: str = ""
    at: str
    digest: str
    confirmed: tuple[str, ...] = ()


class Approval(Model):
    """Stage 6. A plan waiting for, or holding, its decisions."""

    id: str
    run_id: str
    digest: str
    state: str = "pending"
    needed: int = 1
    decisions: tuple[Decision, ...] = ()
    reason: str = ""
    created: str = ""
    expires: str = ""


class Deployment(Model):
    """A pipeline as the deployer knows it.

    Attributes:
        id: Of the job or pipeline at the deployer.
        target_version_before: Version of the target before this deployment's first write; None when it did not exist.
        approval_id: The approval it was deployed by.
        revert: The pull request that undoes its files, once it is rolled back.
    """

    id: str
    run_id: str
    state: str
    digest: str
    name: str = ""
    notebook_path: str = ""
    url: str = ""
    next_run: str = ""
    rows: int | None = None
    target_version_before: str | None = None
    target_version_after: str | None = None
    pull_request: PullRequest | None = None
    message: str = ""
    approval_id: str = ""
    revert: PullRequest | None = None


RollbackPart: TypeAlias = Literal["job", "tables", "files"]
ROLLBACK_PARTS: tuple[RollbackPart, ...] = ("job", "tables", "files")


class RollbackStep(Model):
    """One thing that a rollback does.

    Attributes:
        action: ``put_back`` the settings before, ``remove`` the job; ``restore`` or ``drop`` a table; ``revert`` files.
        subject: The job, the table, or the pull request's number.
        text: What it does, one sentence.
        version: For ``restore``: the version that comes back.
        seen: Newest version of the table when this was planned; nobody may have written since.
    """

    part: RollbackPart
    action: Literal["put_back", "remove", "restore", "drop", "revert"]
    subject: str
    text: str
    version: str = ""
    seen: str = ""


class RollbackPlan(Model):
    """What a rollback would do, said before anything is touched.

    Attributes:
        approval_id: The approval whose deployment is undone.
        steps: What is undone, in this order.
        left: What stays as it is, and why, as sentences.
        refused: Why nothing at all is touched, as sentences; empty when it can go on.
    """

    run_id: str
    approval_id: str
    name: str
    environment: str
    parts: tuple[RollbackPart, ...] = ROLLBACK_PARTS
    steps: tuple[RollbackStep, ...] = ()
    left: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


class Run(Model):
    """One statement on its way; what `store` keeps a row of, and what lists show.

    Attributes:
        version: Grows by one with every change; compare-and-set is on it.
        planner: Who reads the statement, ``embedded`` or ``llm``; as the settings say when empty. With
            ``repository`` nobody does: the draft was taken from the spec on the base branch.
        adopted: Questions whose answers were taken from an earlier run of the pipeline of that name.
        anew: Begun without answers of earlier runs.
        wish: Words of a change that may mean several things; it is made once the questions about it are answered.
        changes: Id of the run whose spec this one changes by words; empty for a run of its own.
        message: The last thing a person should know of it: why it failed, what it waits for.
        worker: Name of the process that works on it now (`flow.workers`); empty when none does.
    """

    id: str
    name: str = ""
    statement: str
    environment: str = "default"
    planner: str = ""
    changes: str = ""
    author: str = ""
    state: str = "parsing"
    created: str
    updated: str
    version: int = 1
    answers: tuple[Answer, ...] = ()
    adopted: tuple[str, ...] = ()
    anew: bool = False
    wish: str = ""
    edits: tuple[Edit, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    hand_edits: tuple[HandEdit, ...] = ()
    approval_id: str = ""
    digest: str = ""
    message: str = ""
    worker: str = ""


class Effect(Model):
    """An external effect: its key is written before it, its result after it.

    Attributes:
        key: Idempotency key, derived from what is done; the same effect has the same key after a crash.
        status: ``started`` or ``done``.
    """

    key: str
    run_id: str
    kind: str
    status: Literal["started", "done"]
    result: JsonValue = None
    at: str = ""


class Exchange(Model):
    """One request to a language model and what came back: a line of the egress ledger.

    Attributes:
        attempt: Numbers the requests of one reading, repeated ones included.
        status: ``sent`` until something came back; so a killed process still shows what left the machine.
        request: As sent, secrets taken out before: canonical JSON.
        answer: As received, secrets taken out; empty where there was none.
        request_sha256: Of `request` in UTF-8; `answer_sha256` likewise, empty without an answer.
        cost_usd: Estimate by the price table; None where the model's price is not known.
        removed: When retention removed both texts; the hashes stay. Empty while they are there.
    """

    id: str
    run_id: str
    at: str
    model: str
    host: str
    attempt: int = 1
    status: Literal["sent", "answered", "failed"] = "sent"
    request: str
    request_sha256: str
    answer: str = ""
    answer_sha256: str = ""
    error: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    seconds: float | None = None
    removed: str = ""


class AuditDraft(Model):
    """What is to be said in the audit; the store adds number and hashes."""

    at: str
    run_id: str
    event: str
    identity: str
    name: str = ""
    digest: str = ""
    detail: dict[str, JsonValue] = Field(default_factory=dict)


class AuditEntry(Model):
    """One line of the audit; `hash` covers all of it and the hash of the line before."""

    seq: int
    at: str
    run_id: str
    event: str
    identity: str
    name: str = ""
    digest: str = ""
    detail: dict[str, JsonValue] = Field(default_factory=dict)
    previous: str
    hash: str


class Snapshot(Model):
    """A run as it stands: what the panel draws, what the command line prints, what `%pipeline review` rebuilds.

    Attributes:
        stages: Latest event of each stage, in their order.
        ports: What every port is ("engine": "Sail 0.7 at 127.0.0.1"), for the header.
        leaves_machine: What goes elsewhere, as sentences; empty when all is local.
        policy: What the environment asks for (the fields of `agents.approval.policy.Policy`); empty: default.
        blocked: What keeps the plan from being approved whoever asks, beside findings and questions: the budget.
        changed_by_hand: What somebody changed in the deployed job since it was deployed; approving overwrites it.
        unchanged: The last build found nothing changed and recomputed nothing.
        error: Why the run failed, for a person; empty otherwise.
    """

    run: Run
    stages: tuple[StageEvent, ...] = ()
    parsed: Parsed | None = None
    validated: Validated | None = None
    generated: Generated | None = None
    quality: QualityReport | None = None
    change: Change | None = None
    pull_request: PullRequest | None = None
    approval: Approval | None = None
    deployment: Deployment | None = None
    audit: tuple[AuditEntry, ...] = ()
    ports: dict[str, str] = Field(default_factory=dict)
    leaves_machine: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    policy: dict[str, JsonValue] = Field(default_factory=dict)
    blocked: tuple[str, ...] = ()
    changed_by_hand: tuple[str, ...] = ()
    unchanged: bool = False
    error: str = ""

    @property
    def questions(self) -> tuple[Question, ...]:
        """Questions still open, must-answer ones first."""
        asked = self.validated.questions if self.validated else self.parsed.questions if self.parsed else ()
        answered = {answer.question for answer in self.run.answers}
        return tuple(sorted((q for q in asked if q.id not in answered), key=lambda q: not q.must_answer))

    @property
    def answered(self) -> tuple[tuple[Question, str], ...]:
        """Questions that were answered, each with its answer."""
        given = {answer.question: answer.value for answer in self.run.answers}
        known = self.validated.answered if self.validated else ()
        return tuple((question, given[question.id]) for question in known if question.id in given)

    @property
    def approval_id(self) -> str:
        """Id to approve or reject by; empty while there is no plan."""
        return self.approval.id if self.approval else ""
