"""Where and as whom a pipeline runs: beside the typed spec the compiler's only input for jobs, pipelines and bundles.

Read from ``pipeline_magic.toml`` by whoever configures; here are only the frozen models, so that the compiler stays
pure. Nothing in them is a secret: a run identity is a name, never a token.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline_magic.spec.schema import Model

__all__ = ["DEFAULT", "Environment", "Environments", "Permission"]


class Permission(Model):
    """What a user, a group or a service principal may do with the job or pipeline."""

    kind: Literal["user_name", "group_name", "service_principal_name"]
    name: str
    level: Literal["CAN_VIEW", "CAN_RUN", "CAN_MANAGE_RUN", "CAN_MANAGE", "IS_OWNER"]


class Environment(Model):
    """One place a pipeline is deployed to.

    Attributes:
        name: ``dev``, ``staging``, ``prod`` or ``default``.
        catalogs: Logical catalog of the spec -> physical one here; others keep their name.
        paused: The schedule is kept but does not fire.
        run_as: Service principal (application id) or user; empty: whoever deploys.
        run_as_kind: Which of the two `run_as` is.
        serverless: Without a cluster of one's own; `cluster_key` names a job cluster definition otherwise.
        notify: Addresses that hear of failures.
        timeout_seconds: The run is stopped after it; 0 never.
        retries: Attempts after a failed one.
    """

    name: str
    catalogs: dict[str, str] = Field(default_factory=dict)
    host: str = ""
    paused: bool = False
    run_as: str = ""
    run_as_kind: Literal["user_name", "service_principal_name"] = "service_principal_name"
    serverless: bool = True
    node_type: str = ""
    spark_version: str = ""
    workers: int = 1
    notify: tuple[str, ...] = ()
    permissions: tuple[Permission, ...] = ()
    timeout_seconds: int = 0
    retries: int = 1
    mode: Literal["development", "production"] = "production"


class Environments(Model):
    """Every environment of a repository, in the order of promotion."""

    environments: tuple[Environment, ...] = Field(min_length=1)

    def get(self, name: str) -> Environment:
        """The environment of that name."""
        return next(item for item in self.environments if item.name == name)


DEFAULT = Environments(environments=(Environment(name="default"),))
"""What there is without any configuration: one environment, schedules live, serverless."""
