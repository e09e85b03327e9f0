"""Put an approved plan in place: create what is missing, deploy, run once, set the comments."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from pipeline_magic.agents.operations.effects import Effects
from pipeline_magic.errors import CatalogError, DeploymentError, PipelineMagicError
from pipeline_magic.ports import Catalog, Clock, Deployer, DeployRequest, Engine, Store
from pipeline_magic.runs import Deployment, NotebookRun, Prepared, PullRequest
from pipeline_magic.spec.names import split_table

__all__ = ["HEAD_TAG", "PipelineOperator", "notebook_path"]

HEAD_TAG = "pipeline_magic_audit_head"
"""Tag of the job that holds the audit's last entry when it was deployed, outside the store."""


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
        first_run: bool,
        pull_request: PullRequest | None,
        say: Callable[[str], None],
    ) -> Deployment:
        """Bring the deployment of this plan to ``deployed``; a call after a crash goes on where it stopped.

        Args:
            run_id: Run whose deployment this is.
            prepared: The approved plan.
            notebook: Text of the notebook, from the plan's files.
            effects: Records each external effect.
            first_run: Run it once after deploying.
            pull_request: Kept with the deployment.
            say: Told what is being done.

        Raises:
            DeploymentError: The job could not be created or its first run failed; the deployment is then ``failed``.
        """
        record = self._begin(run_id, prepared, pull_request)
        if record.state == "deployed":
            return record
        try:
            return self._steps(record, prepared, notebook, effects, first_run=first_run, say=say)
        except PipelineMagicError as error:
            self._store.save_deployment(
                record.model_copy(update={"state": "failed", "message": str(error)}), expected_state="deploying"
            )
            raise

    def _begin(self, run_id: str, prepared: Prepared, pull_request: PullRequest | None) -> Deployment:
        known = self._store.deployment(run_id)
        fresh = Deployment(
            id="",
            run_id=run_id,
            state="waiting",
            digest=prepared.digest,
            name=prepared.plan.spec.name,
            pull_request=pull_request,
        )
        if known is None:
            known = self._store.save_deployment(fresh, expected_state=None)
        elif known.digest != prepared.digest:
            known = self._store.save_deployment(fresh, expected_state=known.state)
        if known.state in {"waiting", "failed"}:
            known = self._store.save_deployment(
                known.model_copy(update={"state": "deploying", "message": "", "pull_request": pull_request}),
                expected_state=known.state,
            )
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
    ) -> Deployment:
        spec, digest = prepared.plan.spec, prepared.digest
        target = _target(prepared)
        catalog, schema, _ = split_table(target)
        if not self._catalog.has_schema(catalog, schema):
            say(f"Creating schema {catalog}.{schema}")
            effects.once("schema.create", f"{catalog}.{schema}", lambda: self._create(catalog, schema))
        say("Deploying the job")
        path = notebook_path(spec.name, notebook)
        request = DeployRequest(
            pipeline=spec.name,
            environment=prepared.plan.environment,
            spec=spec,
            notebook=notebook,
            notebook_path=path,
            parameters=prepared.plan.parameters,
            digest=digest,
            key=f"deploy-{digest[:24]}",
            paused=_paused(prepared),
            tags={HEAD_TAG: "{}:{}".format(*self._store.audit_head())},
        )
        versions = [item.version for item in self._engine.history(target)[:1]]
        before = effects.once("target.version", digest, lambda: versions[0] if versions else None)
        placed = _mapping(effects.once("job.deploy", digest, lambda: self._place(request)))
        made = Deployment.model_validate(
            {**{name: value for name, value in placed.items() if name != "settings"}, "run_id": record.run_id}
        )
        rows: int | None = None
        if first_run:
            say("Running it once")
            rows = self._first_run(made.id, record.run_id, digest, target, effects)
            effects.once("table.describe", digest, lambda: self._describe(prepared))
        after = [item.version for item in self._engine.history(target)[:1]]
        return self._store.save_deployment(
            record.model_copy(
                update={
                    "id": made.id,
                    "state": "deployed",
                    "notebook_path": path,
                    "url": made.url,
                    "next_run": made.next_run,
                    "rows": rows,
                    "target_version_before": before,
                    "target_version_after": after[0] if after else None,
                    "message": "",
                }
            ),
            expected_state="deploying",
        )

    def _first_run(self, deployment_id: str, run_id: str, digest: str, target: str, effects: Effects) -> int | None:
        failed = [item for item in self._store.effects(run_id) if item.kind == "job.run" and _failed(item.result)]
        attempt = f"{digest[:24]}-{len(failed) + 1}"

        def go() -> dict[str, Any]:
            outcome = self._deployer.run_now(deployment_id, key=f"run-{attempt}", timeout=self._run_timeout)
            result = {"succeeded": outcome.succeeded, "error": outcome.error, "rows": _rows(outcome)}
            return {**result, "shape": self._shape(target)}

        result = _mapping(effects.once("job.run", attempt, go))
        if not result.get("succeeded"):
            raise DeploymentError(
                f"The job was deployed, and its first run failed: {result.get('error') or 'no message'}",
                where=deployment_id,
                hint=f"Look at the run's notebook, then `%pipeline resume {run_id}` runs it again.",
            )
        rows = result.get("rows")
        return rows if isinstance(rows, int) else None

    def _place(self, request: DeployRequest) -> dict[str, Any]:
        """The deployment, and its settings as they then are: what a later plan finds unchanged."""
        made = self._deployer.deploy(request)
        return {**made.model_dump(mode="json"), "settings": self._deployer.settings(made.id)}

    def _create(self, catalog: str, schema: str) -> None:
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
            tags={"pipeline_magic.pipeline": spec.name, "pipeline_magic.digest": prepared.digest[:12]},
        )


def notebook_path(pipeline: str, notebook: str) -> str:
    """Where the notebook is deployed: its path holds the SHA-256 of its bytes, so that approved bytes are what runs."""
    return f"pipelines/{pipeline}/{hashlib.sha256(notebook.encode()).hexdigest()}/{pipeline}.ipynb"


def _target(prepared: Prepared) -> str:
    """The table that the deployed job writes: the spec's, with the catalog of the environment."""
    return prepared.plan.parameters.get("target") or prepared.plan.spec.target.table


def _paused(prepared: Prepared) -> bool:
    """Whether the plan says that the schedule is kept and does not fire."""
    written = prepared.plan.settings.get("written")
    return isinstance(written, dict) and written.get("paused") is True


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
