"""What the agents need of the world, as Protocols. Adapters fulfil them; agents are given them.

Every method may raise the errors of its port (`errors`), and nothing of a vendor's. Every call has a timeout inside
its adapter. Implementations: see `adapters`; each port has one contract suite in ``tests/contract``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from pydantic import Field, JsonValue

from pipeline_magic.runs import (
    Approval,
    AuditDraft,
    AuditEntry,
    Change,
    Deployment,
    Effect,
    Exchange,
    NotebookRun,
    Plan,
    PlanReport,
    PullRequest,
    Run,
    Stage,
    StageEvent,
)
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.schema import Column, Model, TableSchema

__all__ = [
    "Catalog",
    "Clock",
    "CodeHost",
    "Completion",
    "Deployer",
    "DeployRequest",
    "DryRun",
    "Engine",
    "LanguageModel",
    "Ledger",
    "Privileges",
    "Progress",
    "Rows",
    "Store",
    "TableVersion",
    "ValidatesPipelines",
    "WorkingData",
]


class Clock(Protocol):
    """The time and fresh ids, so that everything else can be pure."""

    def now(self) -> datetime:
        """Now, in UTC, with the zone set."""
        ...

    def new_id(self, prefix: str) -> str:
        """A short id that was never given before: ``r-7f3k2m``."""
        ...


class Progress(Protocol):
    """Where stages say how far they are. Called from any thread; must return at once."""

    def __call__(self, event: StageEvent) -> None: ...


class Privileges(Model):
    """What the caller may do; None where the catalog cannot say.

    Attributes:
        can_read: By table name.
        can_create: In the target's schema (or may create the schema).
        missing: Human sentences, each naming privilege and object.
    """

    can_read: dict[str, bool] = Field(default_factory=dict)
    can_create: bool | None = None
    missing: tuple[str, ...] = ()


class Catalog(Protocol):
    """Tables, their columns, comments and keys."""

    @property
    def name(self) -> str:
        """For a person: ``local lakehouse at …``, ``Unity Catalog at host``."""
        ...

    def tables(self) -> Iterable[TableSchema]:
        """Every table the caller can see, with columns and comments; statistics may be left out."""
        ...

    def digest(self) -> str:
        """A token that changes when `tables` would give something else; cheap."""
        ...

    def table(self, name: str) -> TableSchema:
        """One table, with statistics and version.

        Raises:
            TableNotFound: With the nearest names.
        """
        ...

    def has_schema(self, catalog: str, schema: str) -> bool: ...

    def has_catalog(self, catalog: str) -> bool: ...

    def create_schema(self, catalog: str, schema: str, *, with_catalog: bool = False) -> None:
        """Create the schema (locally its catalog too, elsewhere only `with_catalog`); nothing happens when it exists."""
        ...

    def privileges(self, sources: Sequence[str], target: str) -> Privileges: ...

    def describe(self, name: str, *, comment: str, columns: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Set the comments of a table and of its columns, and its tags."""
        ...

    def cancel(self) -> None:
        """Stop what is being listed; it raises Cancelled in its own thread."""
        ...


class Rows(Model):
    """Rows of a query: values as Python objects (int, float, Decimal, str, bool, date, datetime, None, …)."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool = False


class TableVersion(Model):
    """One commit of a Delta table.

    Attributes:
        by: Who wrote it, as far as the log says: a user, or an engine.
        note: What its writer put into the commit (Delta's ``userMetadata``); `Engine.restore` puts its key there.
        job: Id of the job whose run wrote it, where the log says so.
    """

    version: str
    at: str
    operation: str
    by: str = ""
    note: str = ""
    job: str = ""


class Engine(Protocol):
    """Runs Spark SQL and notebooks where the data lives."""

    @property
    def name(self) -> str:
        """For a person."""
        ...

    @property
    def no_notebooks(self) -> str:
        """Why `run_notebook` cannot be used here, to end "The notebook was not executed: "; empty where it can be."""
        ...

    def query(self, sql: str, *, limit: int = 1000, timeout: float = 600.0) -> Rows:
        """Run one SELECT (or WITH … SELECT) and return at most `limit` rows.

        Raises:
            QueryFailed: With the engine's message, shortened.
            EngineUnavailable: No engine; the message names the ways to give one.
            Cancelled: `cancel` was called meanwhile.
        """
        ...

    def run_notebook(self, notebook: str, parameters: Mapping[str, str], *, timeout: float = 3600.0) -> NotebookRun:
        """Run a notebook (JSON text) in a fresh process that has `spark` and `dbutils` as on Databricks."""
        ...

    def create_scratch(self, run_id: str) -> str:
        """A schema nobody else uses, as ``catalog.schema``; the same for the same run."""
        ...

    def drop_scratch(self, run_id: str) -> None:
        """Remove it and everything in it; nothing happens when it is not there."""
        ...

    def left_scratch(self, run_ids: Sequence[str]) -> Sequence[str]:
        """Of these runs, those whose scratch schema is there."""
        ...

    def history(self, table: str) -> Sequence[TableVersion]:
        """Commits of a Delta table, newest first; empty when the table does not exist."""
        ...

    def restore(self, table: str, version: str, *, seen: str = "", key: str = "") -> None:
        """Put a Delta table back to a version (a new commit; nothing is lost).

        Args:
            version: What comes back.
            seen: The table's newest version as the caller knows it; any when empty.
            key: Kept as the note of the new commit; when the newest commit has it, the table is back already.

        Raises:
            ForeignWrite: Somebody has written since `seen`; nothing was touched.
        """
        ...

    def drop(self, table: str, *, seen: str = "") -> None:
        """Remove a table with its rows; nothing happens when it is not there.

        Raises:
            ForeignWrite: Somebody has written since `seen`; nothing was touched.
        """
        ...

    def cancel(self) -> None:
        """Stop what is running; it raises Cancelled in its own thread."""
        ...

    def close(self) -> None: ...


class DryRun(Model):
    """What Lakeflow says of a declarative pipeline that it was only to validate: nothing was computed or written.

    Attributes:
        valid: It found no error.
        errors: What it found, the first cause first, each in one line.
        seconds: Wall time.
    """

    valid: bool
    errors: tuple[str, ...] = ()
    seconds: float = 0.0


@runtime_checkable
class ValidatesPipelines(Protocol):
    """What an engine may offer beside `Engine`: to have Lakeflow validate a declarative pipeline."""

    @property
    def no_dry_runs(self) -> str:
        """Why `validate_pipeline` cannot be used here, to end "Lakeflow did not validate the pipeline: "; or empty."""
        ...

    def validate_pipeline(
        self, run_id: str, sources: Mapping[str, str], settings: Mapping[str, JsonValue], *, timeout: float = 1800.0
    ) -> DryRun:
        """Validate a pipeline by a temporary one, which `Engine.drop_scratch` removes too where a crash left it.

        Args:
            run_id: Whose scratch schema, already created, the pipeline is said to publish to.
            sources: Text of each source file by its name.
            settings: In the words of the Pipelines API, with the paths of the sources by their names.
            timeout: Seconds, the start of the compute among them.

        Raises:
            EngineUnavailable: It may not be done here; `no_dry_runs` says why from then on.
            EngineError: It was not found out.
            Cancelled: `cancel` was called meanwhile.
        """
        ...


class CodeHost(Protocol):
    """A repository with pull requests. Every write is idempotent by branch name."""

    @property
    def name(self) -> str:
        """For a person."""
        ...

    @property
    def repository(self) -> str:
        """Short name of the repository, without its owner."""
        ...

    @property
    def base(self) -> str:
        """The branch that changes go into."""
        ...

    def read(self, path: str, *, ref: str = "") -> str | None:
        """Text of a file on a branch (the base branch when empty); None when it is not there."""
        ...

    def paths(self, folder: str) -> Sequence[str]:
        """Paths of the files below a folder of the base branch, sorted; empty when it is not there."""
        ...

    def last_generated(self, path: str) -> str | None:
        """Text of a file as we wrote it last, found by our commits; None when we never wrote it."""
        ...

    def open_pull_request(self, change: Change, *, draft: bool = False) -> PullRequest:
        """One commit on a new branch, and a pull request; the existing one when the branch has it already."""
        ...

    def find_pull_request(self, branch: str) -> PullRequest | None:
        """The newest pull request of a branch as it stands, however it was merged or closed."""
        ...

    def changed(self, number: int) -> Sequence[str]:
        """Paths of the files that a pull request changes, as its branch is now, sorted."""
        ...

    def mark_ready(self, number: int) -> PullRequest: ...

    def comment(self, number: int, body: str, *, key: str) -> None:
        """Add a comment once: a second call with the same key changes nothing."""
        ...

    def comments(self, number: int) -> Sequence[str]:
        """Texts of the comments, oldest first."""
        ...

    def report(self, number: int, report: PlanReport) -> str:
        """Say on the plan's commit how the plan stands, in place of what was said before; the same twice changes
        nothing.

        Returns:
            What is missing, where the code host does not let us say it; empty otherwise. Nothing depends on it.
        """
        ...

    def reported(self, number: int) -> str:
        """What stands on the head commit of a pull request, as ``state: text``; empty where nothing does."""
        ...

    def merge(self, number: int, *, message: str) -> PullRequest:
        """Merge into the base branch; returns the merged one when it already is.

        Raises:
            MergeConflict: With the paths.
        """
        ...

    def close_pull_request(self, number: int, *, reason: str) -> PullRequest: ...

    def revert(self, number: int, *, title: str) -> PullRequest:
        """A pull request that undoes a merged one; idempotent."""
        ...

    def revert_conflicts(self, number: int) -> Sequence[str]:
        """Paths at which `revert` would fail, since they were changed again; empty when it would work."""
        ...

    def identity(self) -> str:
        """The authenticated user."""
        ...


class DeployRequest(Model):
    """What is put in place after approval.

    Attributes:
        pipeline: Name; with `environment` it is the tag the deployment is found by.
        notebook_path: Where the notebook goes; holds the SHA-256 of its bytes.
        key: Idempotency key.
        resource: Settings of the job, and of the pipeline it runs, in this environment (`compiler.deployed`); empty
            where the plan's files hold none: then there is nothing that Databricks could be given.
        files: Sources of a declarative pipeline, by path in the repository.
    """

    pipeline: str
    environment: str
    spec: PipelineSpec
    notebook: str
    notebook_path: str
    parameters: dict[str, str]
    digest: str
    key: str
    paused: bool = False
    tags: dict[str, str] = Field(default_factory=dict)
    resource: dict[str, JsonValue] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)


class Deployer(Protocol):
    """Jobs and pipelines."""

    @property
    def name(self) -> str:
        """For a person."""
        ...

    def deploy(self, request: DeployRequest) -> Deployment:
        """Create, or reset to these settings, the job found by its tags; the same key twice is one deployment."""
        ...

    def run_now(self, deployment_id: str, *, key: str, timeout: float = 3600.0) -> NotebookRun:
        """Run it once and follow it to the end; the same key twice is one run."""
        ...

    def find(self, pipeline: str, environment: str) -> Deployment | None: ...

    def settings(self, deployment_id: str) -> dict[str, JsonValue]:
        """Settings as they are now."""
        ...

    def previous(self, deployment_id: str) -> DeployRequest | None:
        """What was deployed before the present settings."""
        ...

    def written(self, deployment_id: str, table: str, commits: Sequence[TableVersion]) -> frozenset[str]:
        """Of these commits of a table, the versions that runs of this job wrote for certain; none when it is gone."""
        ...

    def delete(self, deployment_id: str) -> None: ...

    def cancel(self) -> None: ...


class WorkingData(Model):
    """What a run worked with and nobody needs once it has ended.

    Attributes:
        stages: Stored results of stages.
        measured: Plans with evidence beside them.
        exchanges: Requests to language models whose texts are there.
        size: Characters of all of it.
    """

    stages: int = 0
    measured: int = 0
    exchanges: int = 0
    size: int = 0


class Store(Protocol):
    """Runs, stage results, approvals, effects, the audit. Every change of state is a compare-and-set."""

    @property
    def name(self) -> str:
        """For a person."""
        ...

    def create_run(self, run: Run) -> Run: ...

    def run(self, run_id: str) -> Run:
        """Raises NotFound."""
        ...

    def runs(self, *, limit: int = 50, statement: str | None = None, name: str | None = None) -> Sequence[Run]:
        """Newest first."""
        ...

    def every_run(self) -> Iterator[Run]:
        """All runs, oldest first, a page at a time."""
        ...

    def update_run(self, run: Run, *, audit: AuditDraft | None = None, **changes: Any) -> Run:
        """Write changes if nobody else did since `run` was read, and say so in the audit: both or neither.

        Raises:
            StaleState: Somebody did, or the state machine has no such move.
        """
        ...

    def save_stage(self, run_id: str, stage: Stage, inputs_digest: str, result: str, at: str) -> None: ...

    def stage(self, run_id: str, stage: Stage) -> tuple[str, str] | None:
        """(digest of the inputs, result as JSON) of the last time, or None."""
        ...

    def save_approval(
        self, approval: Approval, *, expected_state: str | None, audit: AuditDraft | None = None
    ) -> Approval:
        """Insert (expected None) or move it, and say so in the audit: both or neither.

        Raises:
            StaleState: It is not in the expected state, or holds decisions this one does not know.
        """
        ...

    def approval(self, approval_id: str) -> Approval: ...

    def approvals(self, run_id: str) -> Sequence[Approval]:
        """Every approval the run ever asked for, newest first."""
        ...

    def save_plan(self, approval_id: str, plan: Plan, evidence: dict[str, JsonValue]) -> None:
        """Keep what an approval is asked for; the plan of an approval never changes, its evidence may."""
        ...

    def plan(self, approval_id: str) -> tuple[Plan, dict[str, JsonValue]]:
        """The plan of an approval and the evidence beside it. Raises NotFound."""
        ...

    def save_deployment(
        self, deployment: Deployment, *, expected_state: str | None, audit: AuditDraft | None = None
    ) -> Deployment:
        """Insert (expected None) or move the run's deployment, and say so in the audit: both or neither."""
        ...

    def deployment(self, run_id: str) -> Deployment | None: ...

    def deployments(self) -> Sequence[Deployment]:
        """The deployment of every run that has one."""
        ...

    def begin_effect(self, key: str, run_id: str, kind: str, at: str) -> Effect:
        """The effect of that key: newly started, or as it stands."""
        ...

    def finish_effect(self, key: str, result: JsonValue, at: str, *, audit: AuditDraft | None = None) -> Effect:
        """Write the result, and say so in the audit: both or neither. The first result stays, and is said once."""
        ...

    def effects(self, run_id: str) -> Sequence[Effect]: ...

    def append_audit(
        self,
        *,
        at: str,
        run_id: str,
        event: str,
        identity: str,
        name: str = "",
        digest: str = "",
        detail: dict[str, JsonValue] | None = None,
    ) -> AuditEntry: ...

    def audit(self, run_id: str | None = None) -> Sequence[AuditEntry]:
        """Oldest first; of all runs when None, and then all in memory: `audit_stream` is for those."""
        ...

    def audit_stream(self, run_id: str | None = None, *, after: int | None = None) -> Iterator[AuditEntry]:
        """Oldest first, a page at a time, so that memory does not grow with the audit.

        Args:
            run_id: Of one run; of all when None.
            after: Entries with greater numbers only.
        """
        ...

    def audit_head(self) -> tuple[int, str]:
        """Number and hash of the last audit entry, as the store remembers them beside the chain."""
        ...

    def save_exchange(self, exchange: Exchange, *, audit: AuditDraft | None = None) -> None:
        """Insert an exchange with a language model, or replace it by its id; with its audit entry or not at all."""
        ...

    def exchanges(self, run_id: str) -> Sequence[Exchange]:
        """What a run exchanged with language models, in the order it was sent."""
        ...

    def working_data(self, run_id: str, *, texts: bool = False) -> WorkingData:
        """What `clean_run` would remove."""
        ...

    def clean_run(self, run: Run, *, texts: bool, message: str, audit: AuditDraft) -> Run:
        """Remove the working data of a run if nobody changed it since it was read, and say so: all or nothing.

        Args:
            texts: Those of the exchanges with language models too; their hashes stay.
            message: Stands in the run from now on.

        Raises:
            StaleState: Somebody changed it.
        """
        ...

    def beat(self, worker: str) -> None:
        """Remember that a worker lives at this moment, by the store's own clock."""
        ...

    def last_beat(self, worker: str) -> float | None:
        """Seconds since it was last said to live, by the store's own clock; None where it never was."""
        ...

    def compact(self) -> None:
        """Give the space of what was removed back to the disk, and leave nothing of it there; as far as possible."""
        ...

    def close(self) -> None: ...


class Completion(Model):
    """What a model answered. Hostile input: whoever asked validates it.

    Attributes:
        data: The JSON object of the answer.
        text: The answer as it came, for the ledger.
        tokens_in: Tokens of the request as the service counted them; None where it did not. `tokens_out` likewise.
    """

    data: dict[str, Any]
    text: str
    tokens_in: int | None = None
    tokens_out: int | None = None


class LanguageModel(Protocol):
    """A model that fills in a bounded schema. One call is one request: repeating is the caller's, so that every request
    can be counted and written down."""

    @property
    def name(self) -> str:
        """For a person: ``gpt-4.1 at api.openai.com``."""
        ...

    @property
    def model(self) -> str:
        """Its name at the service."""
        ...

    @property
    def host(self) -> str:
        """Where requests go: host, and port where one is named."""
        ...

    def complete(
        self, *, system: str, user: str, schema: Mapping[str, Any], max_tokens: int = 8000, timeout: float = 60.0
    ) -> Completion:
        """An object that claims to fit `schema`; the caller validates it.

        Args:
            system: What the model is told to do.
            user: What it is to work on.
            schema: JSON schema of the answer, with `title`.
            max_tokens: The longest answer.
            timeout: Seconds for the whole request.

        Raises:
            LanguageModelError: Timeout, refusal, cut-off or unusable answer, named; `retry_after` says whether the
                same request may succeed later.
        """
        ...


class Ledger(Protocol):
    """Where every request to a language model is written before it is sent, and what came back after it."""

    def sent(self, *, model: str, host: str, attempt: int, request: str) -> str:
        """Write a request that is about to leave; returns its id."""
        ...

    def answered(
        self, exchange: str, *, answer: str, tokens: tuple[int | None, int | None], cost_usd: float | None
    ) -> None:
        """Write what came back."""
        ...

    def failed(
        self, exchange: str, *, error: str, answer: str, tokens: tuple[int | None, int | None], cost_usd: float | None
    ) -> None:
        """Write that no usable answer came, and why."""
        ...
