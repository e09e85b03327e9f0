"""Put an approved plan in place: create what is missing, deploy, run once, set the comments."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from pipeline_magic.agents.operations.effects import Effects
from pipeline_magic.compiler.deployed import resource_of
from pipeline_magic.errors import CatalogError, DeploymentError, PipelineMagicError
from pipeline_magic.ports import Catalog, Clock, Deployer, DeployRequest, Engine, Store
from pipeline_magic.runs import Deployment, NotebookRun, Plan, Prepared, PullRequest
from pipeline_magic.spec.names import split_table

__all__ = ["BY_CI", "HEAD_TAG", "OUR_TAGS", "PipelineOperator", "approved_resource", "kept_tables", "notebook_path"]

HEAD_TAG = "pipeline_magic_audit_head"
"""Tag of the job that holds the audit's last entry when it was deployed, outside the store."""


OUR_TAGS = ("pipeline_magic.pipeline", "pipeline_magic.digest")
"""Tags of a target: the pipeline that writes it, and the plan by which that was deployed."""


BY_CI = "the repository's CI deployed it, and deploys what was before when the revert is merged"
"""Why we do not put back the settings of a job that a bundle deployed."""


class PipelineOperator:
    """Deploys approved plans.

    Args:
        run_timeout: Seconds that the first run may take.
    """

    def __init__(
        self,
        *,
        deployer: Deployer,
        catalog: Catalog,
        engine: Engine,
        store: Store,
        clock: Clock,
        run_timeout: float,
    ) -> None:
        self._deployer = deployer
        self._catalog = catalog
        self._engine = engine
        self._store = store
        self._clock = clock
        self._run_timeout = run_timeout

    def deploy(
        self,
        run_id: str,
        prepared: Prepared,
        notebook: str,
        effects: Effects,
        *,
        approval_id: str,
        first_run: bool,
        pull_request: PullRequest | None,
        say: Callable[[str], None],
        arrived: Deployment | None = None,
    ) -> Deployment:
        """Bring the deployment of this plan to ``deployed``; a call after a crash goes on where it stopped.

        All that is put in place comes from the approved plan; nothing is read from settings or the base branch here.

        Args:
            run_id: Run whose deployment this is.
            prepared: The approved plan.
            notebook: Text of the notebook, from the plan's files.
            effects: Records each external effect.
            approval_id: The approval it is deployed by.
            first_run: Run it once after deploying.
            pull_request: Kept with the deployment.
            say: Told what is being done.
            arrived: The job as somebody else deployed it, and as it was compared with the plan; None: we deploy it.

        Raises:
            DeploymentError: The job could not be created or its first run failed; the deployment is then ``failed``.
        """
        record = self.begin(run_id, prepared, approval_id, pull_request)
        if record.state == "deployed":
            return record
        if record.state in {"waiting", "failed"}:
            going = {"state": "deploying", "message": "", "pull_request": pull_request}
            record = self._store.save_deployment(record.model_copy(update=going), expected_state=record.state)
        try:
            return self._steps(record, prepared, notebook, effects, first_run=first_run, say=say, arrived=arrived)
        except PipelineMagicError as error:
            # The error's words may hold values of the data, which are no part of an audit.
            said = effects.draft("deployment.fail", {"error": type(error).__name__})
            failed = record.model_copy(update={"state": "failed", "message": str(error)})
            self._store.save_deployment(failed, expected_state="deploying", audit=said)
            raise

    def begin(self, run_id: str, prepared: Prepared, approval_id: str, pull_request: PullRequest | None) -> Deployment:
        """The deployment of this approval, as it stands; ``waiting`` where none was begun under it."""
        known = self._store.deployment(run_id)
        fresh = Deployment(
            id="",
            run_id=run_id,
            state="waiting",
            digest=prepared.digest,
            name=prepared.plan.spec.name,
            pull_request=pull_request,
            approval_id=approval_id,
        )
        if known is None:
            return self._store.save_deployment(fresh, expected_state=None)
        if (known.digest, known.approval_id) != (prepared.digest, approval_id):
            return self._store.save_deployment(fresh, expected_state=known.state)
        return known

    def _steps(
        self,
        record: Deployment,
        prepared: Prepared,
        notebook: str,
        effects: Effects,
        *,
        first_run: bool,
        say: Callable[[str], None],
        arrived: Deployment | None,
    ) -> Deployment:
        spec, digest = prepared.plan.spec, prepared.digest
        target = _target(prepared)
        self._make_schema(prepared, effects, say)
        say("Deploying the job" if arrived is None else "Taking the job that was deployed")
        path = notebook_path(spec.name, notebook)
        request = DeployRequest(
            pipeline=spec.name,
            environment=prepared.plan.environment,
            spec=spec,
            notebook=notebook,
            notebook_path=path,
            parameters=prepared.plan.parameters,
            digest=digest,
            key=f"deploy-{record.approval_id}",
            paused=_paused(prepared),
            tags={HEAD_TAG: "{}:{}".format(*self._store.audit_head())},
            resource=approved_resource(prepared.plan),
            files=_sources(prepared.plan),
        )
        before = _mapping(effects.once("tables.before", digest, lambda: self._tables(prepared)))
        placed = _mapping(
            effects.once("job.deploy", digest, lambda: self._place(request) if arrived is None else self._take(arrived))
        )
        made = Deployment.model_validate(
            {
                **{name: value for name, value in placed.items() if name in Deployment.model_fields},
                "run_id": record.run_id,
            }
        )
        rows: int | None = None
        if first_run:
            say("Running it once")
            rows = self._first_run(made.id, record, target, effects)
            effects.once("table.describe", digest, lambda: self._describe(prepared))
        after = self._newest(prepared, target)
        return self._store.save_deployment(
            record.model_copy(
                update={
                    "id": made.id,
                    "state": "deployed",
                    "notebook_path": path,
                    "url": made.url,
                    "next_run": made.next_run,
                    "rows": rows,
                    "target_version_before": _mapping(before.get(target)).get("version"),
                    "target_version_after": after,
                    "message": "",
                }
            ),
            expected_state="deploying",
            audit=effects.draft("deployment.done", {"job": made.id, "rows": rows}),
        )

    def expect(self, prepared: Prepared, effects: Effects, say: Callable[[str], None]) -> None:
        """What must be there, and be known, before somebody else deploys the job."""
        self._make_schema(prepared, effects, say)
        effects.once("tables.before", prepared.digest, lambda: self._tables(prepared))
        effects.begin("job.deploy", prepared.digest)

    def _make_schema(self, prepared: Prepared, effects: Effects, say: Callable[[str], None]) -> None:
        catalog, schema, _ = split_table(_target(prepared))
        # Killed between the creation and its record, the schema is there, and the record is still owed.
        owed = effects.begun("schema.create", f"{catalog}.{schema}")
        if owed or not self._catalog.has_schema(catalog, schema):
            say(f"Creating schema {catalog}.{schema}")
            with_catalog = _environment(prepared.plan).get("create_catalog") is True
            effects.once("schema.create", f"{catalog}.{schema}", lambda: self._create(catalog, schema, with_catalog))

    def _take(self, arrived: Deployment) -> dict[str, Any]:
        """As `_place`, of a job that the repository's CI deployed: it puts back what was there before, not we."""
        kept = {**arrived.model_dump(mode="json"), "settings": self._deployer.settings(arrived.id)}
        return {**kept, "previous": None, "previous_lost": BY_CI}

    def _first_run(self, deployment_id: str, record: Deployment, target: str, effects: Effects) -> int | None:
        failed = [result for (kind, _), result in effects.finished().items() if kind == "job.run" and _failed(result)]
        attempt = f"{record.approval_id}-{len(failed) + 1}"

        def go() -> dict[str, Any]:
            outcome = self._deployer.run_now(deployment_id, key=f"run-{attempt}", timeout=self._run_timeout)
            result = {"succeeded": outcome.succeeded, "error": outcome.error, "rows": _rows(outcome)}
            page = {"url": outcome.url} if outcome.url else {}
            return {**result, **page, "shape": self._shape(target)}

        result = _mapping(effects.once("job.run", attempt, go))
        if not result.get("succeeded"):
            raise DeploymentError(
                f"The job was deployed, and its first run failed: {result.get('error') or 'no message'}",
                where=str(result.get("url") or deployment_id),
                hint=f"Look at the run's notebook, then `%pipeline resume {record.run_id}` runs it again, or "
                f"`%pipeline rollback {record.run_id}` undoes the deployment.",
            )
        rows = result.get("rows")
        return rows if isinstance(rows, int) else None

    def _place(self, request: DeployRequest) -> dict[str, Any]:
        """The deployment; its settings as they then are, which a later plan finds unchanged; and what was there before.

        What was there before is kept here: later it is not what the deployer calls previous, once something else was
        deployed and undone.
        """
        made = self._deployer.deploy(request)
        kept = {**made.model_dump(mode="json"), "settings": self._deployer.settings(made.id)}
        try:
            before = self._deployer.previous(made.id)
        except DeploymentError as error:  # its notebook was changed or is gone
            return {**kept, "previous": None, "previous_lost": error.message}
        return {**kept, "previous": before and before.model_dump(mode="json")}

    def _tables(self, prepared: Prepared) -> dict[str, Any]:
        """Version of each table that the pipeline writes, and the target's comment and tags, before its first write."""
        found: dict[str, Any] = {}
        for table in kept_tables(prepared.plan):
            found[table] = {"version": self._newest(prepared, table)}
        target = _target(prepared)
        if found[target]["version"] is not None:
            schema = self._catalog.table(target)
            tags = {name: schema.tags[name] for name in OUR_TAGS if name in schema.tags}
            found[target].update(comment=schema.comment or "", tags=tags)
        return found

    def _newest(self, prepared: Prepared, table: str) -> str | None:
        """Newest version of a table; None where there is none, and of a materialized view, which has no history."""
        spec = prepared.plan.spec
        if spec.deployment == "declarative" and spec.target.mode == "overwrite":
            return None
        return next((item.version for item in self._engine.history(table)[:1]), None)

    def _create(self, catalog: str, schema: str, with_catalog: bool) -> None:
        if with_catalog:
            self._catalog.create_schema(catalog, schema, with_catalog=True)
        else:
            self._catalog.create_schema(catalog, schema)

    def _shape(self, target: str) -> dict[str, Any] | None:
        """What the run left of the target: a later plan finds it unchanged."""
        try:
            return self._catalog.table(target).shape()
        except CatalogError:
            return None

    def _describe(self, prepared: Prepared) -> None:
        spec = prepared.plan.spec
        self._catalog.describe(
            _target(prepared),
            comment=spec.target.comment or spec.description,
            columns={},
            tags=dict(zip(OUR_TAGS, (spec.name, prepared.digest[:12]), strict=True)),
        )


def kept_tables(plan: Plan) -> tuple[str, ...]:
    """The tables that a run of the deployed pipeline writes and keeps: the target, then quarantine."""
    given = plan.parameters
    kept = [given.get("target") or plan.spec.target.table]
    kept += [
        given.get(f"quarantine_{item.id}") or item.quarantine
        for item in plan.spec.expectations
        if item.enabled and item.action == "drop" and item.quarantine is not None
    ]
    return tuple(dict.fromkeys(kept))


def notebook_path(pipeline: str, notebook: str) -> str:
    """Where the notebook is deployed: its path holds the SHA-256 of its bytes, so that approved bytes are what runs."""
    return f"pipelines/{pipeline}/{hashlib.sha256(notebook.encode()).hexdigest()}/{pipeline}.ipynb"


def _target(prepared: Prepared) -> str:
    """The table that the deployed job writes: the spec's, with the catalog of the environment."""
    return prepared.plan.parameters.get("target") or prepared.plan.spec.target.table


def approved_resource(plan: Plan) -> dict[str, Any]:
    """Settings of the job in this environment, from the plan's own files; none where it has no resource file."""
    files = {file.path: file.content for file in plan.files}
    if not any(path.startswith("resources/") for path in files):
        return {}
    return resource_of(files, plan.spec.name, plan.environment)


def _sources(plan: Plan) -> dict[str, str]:
    """Sources of a declarative pipeline, by path; the notebook is only the form that a sample run executes."""
    if plan.spec.deployment != "declarative":
        return {}
    path = f"pipelines/{plan.spec.name}/{plan.spec.name}_pipeline.py"
    return {file.path: file.content for file in plan.files if file.path == path}


def _paused(prepared: Prepared) -> bool:
    """Whether the plan says that the schedule is kept and does not fire."""
    written = prepared.plan.settings.get("written")
    return isinstance(written, dict) and written.get("paused") is True


def _environment(plan: Plan) -> dict[str, Any]:
    """The environment as the plan holds it."""
    return _mapping(_mapping(plan.settings.get("written")).get("environment"))


def _failed(result: object) -> bool:
    return isinstance(result, dict) and result.get("succeeded") is False


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _rows(outcome: NotebookRun) -> int | None:
    try:
        value = json.loads(outcome.exit_value)
    except ValueError:
        return None
    rows = value.get("rows") if isinstance(value, dict) else None
    return rows if isinstance(rows, int) else None
