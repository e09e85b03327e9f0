"""A strict workspace with Lakeflow Jobs, a deployer over it that waits for nothing, and requests for it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pipeline_magic.adapters.databricks.client import workspace_client
from pipeline_magic.adapters.databricks.deployer import LakeflowDeployer
from pipeline_magic.compiler.bundle import resource
from pipeline_magic.compiler.environments import Environment
from pipeline_magic.ports import DeployRequest
from pipeline_magic.spec.schema import Column, TableSchema
from pipeline_magic.spec.typed import type_spec
from tests.support.databricks_server import DatabricksServer, Fault
from tests.support.databricks_server.jobs import Job, Jobs
from tests.support.databricks_server.server import Handler
from tests.support.databricks_server.workspace_files import Files
from tests.support.trust import StepClock

__all__ = ["ADA", "ROOT", "JobSite", "job_site", "with_resource"]

ADA = "ada@acme.test"
ROOT = f"/Workspace/Users/{ADA}/.pipeline_magic"

_ORDERS = TableSchema(
    table="own.data.orders", columns=(Column(name="id", type="bigint"), Column(name="name", type="string"))
)


def with_resource(request: DeployRequest, **environment: Any) -> DeployRequest:
    """The request with the settings that the compiler makes for its spec, and with its parameters.

    Args:
        environment: Fields of the environment.
    """
    typed = type_spec(request.spec, {source.alias: _ORDERS for source in request.spec.sources})
    given = {"paused": request.paused, **environment}
    made: dict[str, Any] = resource(typed, Environment(name=request.environment, **given))
    for job in made["jobs"].values():
        own = [one for one in job.get("parameters", ()) if one["name"].startswith("run_")]
        job["parameters"] = own + [{"name": name, "default": value} for name, value in request.parameters.items()]
    return request.model_copy(update={"resource": made})


@dataclass
class JobSite:
    """The workspace, and what the adapters waited for."""

    server: DatabricksServer
    files: Files
    jobs: Jobs
    slept: list[float] = field(default_factory=list)

    def deployer(self, token: str = "good-token", **options: Any) -> LakeflowDeployer:
        def wait(event: threading.Event, seconds: float) -> None:
            self.slept.append(seconds)
            event.wait(min(seconds, 0.01))

        client = workspace_client(self.server.url, token, http_timeout=options.pop("http_timeout", 5.0))
        given: dict[str, Any] = {"clock": StepClock(), "sleep": self.slept.append, "wait": wait, **options}
        return LakeflowDeployer(client, **given)

    def fault(self, kind: str, *, after: int = 1, path: str = "") -> None:
        self.server.faults.append(Fault(kind, after=after, path=path))

    def asked(self, path: str) -> int:
        """How many requests had that in their path."""
        return sum(path in one for _, one in self.server.requests)

    @property
    def job(self) -> Job:
        """The only job."""
        [job] = self.jobs.jobs.values()
        return job


class _Who:
    """Who is asking; no catalog is behind it, so that a workspace costs nothing."""

    def routes(self) -> Iterable[tuple[str, str, Handler]]:
        yield "GET", r"2\.0/preview/scim/v2/Me", lambda request: {"id": "7", "userName": request.user}


@contextlib.contextmanager
def job_site(*, page: int = 50) -> Iterator[JobSite]:
    """A workspace without jobs."""
    server = DatabricksServer(page=page)
    files = Files(server)
    jobs = Jobs(server, files)
    for room in (_Who(), files, jobs):
        server.add(room)
    try:
        yield JobSite(server, files, jobs)
    finally:
        server.close()
