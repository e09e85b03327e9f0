"""From a merged pull request to the job that the repository's own CI deployed: found by its tags, then compared.

    waiting -> deploying        the job has the settings that were approved
    waiting                     there is no such job yet, or it has others; what differs is said

We never deploy here and never call the bundle's CLI. A deployment that waits is left, and any process looks again
later. Not here: how settings are compared (`agents.operations.arrived`), what follows (the operator).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pipeline_magic.agents.operations.arrived import differences
from pipeline_magic.agents.operations.deploy import approved_resource
from pipeline_magic.flow.stages import Work
from pipeline_magic.redact import redact
from pipeline_magic.runs import AuditDraft, Deployment, Plan, Prepared, PullRequest

if TYPE_CHECKING:
    from pipeline_magic.wiring import Ports

__all__ = ["Arrival", "by_bundle"]

_LINES = 20
"""Differences that are shown."""


def by_bundle(plan: Plan) -> bool:
    """Whether the plan's environment is deployed by the repository's CI."""
    return _environment(plan).get("deploy_via") == "bundle"


class Arrival:
    """Looks whether the CI has deployed what was merged."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def look(self, work: Work, prepared: Prepared, deployment: Deployment, request: PullRequest) -> Deployment | None:
        """The job as it was found, when it is what was approved; None while that is waited for.

        Args:
            work: The work on the run.
            prepared: The approved plan.
            deployment: As it stands.
            request: Merged.
        """
        plan = prepared.plan
        name, environment = plan.spec.name, plan.environment
        found = self._ports.deployer.find(name, environment)
        if found is None:
            tags = f"`pipeline_magic` = `{name}` and `pipeline_magic_environment` = `{environment}`"
            self._wait(
                work, deployment, request,
                f"Pull request {request.number} is merged. Waits until the repository's CI has deployed it: there is "
                f"no job with the tags {tags} yet. `resume {work.run.id}` looks again.",
            )  # fmt: skip
            return None
        seen = self._ports.deployer.settings(found.id)
        differing = self._differences(plan, seen)
        if not differing:
            return found
        shown = list(differing[:_LINES])
        if differing[_LINES:]:
            shown.append(f"and {len(differing) - _LINES} more")
        said = [
            f"Pull request {request.number} is merged. Waits until the repository's CI has deployed it: the job "
            f"{found.url or found.id} has other settings than those that were approved:",
            *(f"  - {line}" for line in shown),
        ]
        self._wait(work, deployment, request, "\n".join(said))
        return None

    def _differences(self, plan: Plan, seen: dict[str, Any]) -> tuple[str, ...]:
        [approved] = approved_resource(plan).get("jobs", {}).values()
        settings = seen.get("settings")
        development = _environment(plan).get("mode") == "development"
        seen = settings if isinstance(settings, dict) else seen
        return (*differences(approved, seen, development=development), *self._other_notebooks(plan, seen))

    def _other_notebooks(self, plan: Plan, seen: Mapping[str, Any]) -> Iterator[str]:
        """Notebooks that the job runs and that are not the approved one; a declarative pipeline runs none."""
        if plan.spec.deployment != "job":
            return
        approved = next(file.content for file in plan.files if file.path.endswith(".ipynb"))
        tasks = seen.get("tasks")
        for task in tasks if isinstance(tasks, list) else ():
            path = str((task.get("notebook_task") or {}).get("notebook_path") or "")
            same = self._ports.holds(path, approved) if path else True
            if not same:
                yield f"`{path}` is not there." if same is None else f"`{path}` is not the notebook that was approved."

    def _wait(self, work: Work, deployment: Deployment, request: PullRequest, message: str) -> None:
        message = redact(message)
        said = None
        if deployment.message != message:
            said = AuditDraft(
                at=self._ports.clock.now().isoformat(),
                run_id=deployment.run_id,
                event="deployment.wait",
                identity=self._ports.code_host.identity(),
                digest=deployment.digest,
                detail={"approval": deployment.approval_id, "message": message},
            )
        waiting = deployment.model_copy(update={"pull_request": request, "message": message})
        self._ports.store.save_deployment(waiting, expected_state=deployment.state, audit=said)
        work.update(message=message)
        work.say(message.splitlines()[0], state="waiting", stage="approval")


def _environment(plan: Plan) -> dict[str, Any]:
    written = plan.settings.get("written")
    environment = written.get("environment") if isinstance(written, dict) else None
    return environment if isinstance(environment, dict) else {}
