"""Where and as whom a pipeline runs: beside the typed spec the compiler's only input for jobs, pipelines and bundles.

Here are only the frozen models, so that the compiler stays pure; `pipeline_magic.environments` reads them from
``pipeline_magic.toml``. Nothing in them is a secret: a run identity is a name, never a token.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from pipeline_magic.spec.schema import Model

__all__ = ["DEFAULT", "Environment", "Environments", "Permission"]


def _word(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be a text of one line")
    if "${" in text or "{{" in text:
        raise ValueError("must not hold `${` or `{{`, which Databricks and GitHub read as references")
    return text


Word: TypeAlias = Annotated[str, AfterValidator(_word)]
"""A text that no bundle, job or workflow takes for a reference."""


class Permission(Model):
    """What a user, a group or a service principal may do with the job or pipeline.

    Jobs say CAN_MANAGE_RUN where pipelines say CAN_RUN: either word is written as the resource knows it.
    """

    kind: Literal["user_name", "group_name", "service_principal_name"]
    name: Word
    level: Literal["CAN_VIEW", "CAN_RUN", "CAN_MANAGE_RUN", "CAN_MANAGE", "IS_OWNER"]


class Environment(Model):
    """One place a pipeline is deployed to.

    Attributes:
        name: ``dev``, ``staging``, ``prod`` or ``default``; the bundle's target has the same.
        catalogs: Logical catalog of the spec -> physical one here; others keep their name.
        host: Address of the workspace; empty: the one that is configured.
        paused: The schedule is kept but does not fire.
        run_as: Service principal (application id) or user; empty: whoever deploys.
        run_as_kind: Which of the two `run_as` is.
        serverless: Without a cluster of one's own; a job cluster of `workers` x `node_type` otherwise.
        performance: What serverless compute is tuned for; empty: what the workspace does by default.
        notify: Addresses that hear of failures, and of runs longer than `slow_seconds`.
        webhooks: Ids of notification destinations that hear of the same.
        tags: Further tags of the job or pipeline.
        timeout_seconds: The run is stopped after it; 0 never.
        slow_seconds: A run that takes longer is unhealthy, and those above hear of it; 0 never.
        retries: Attempts after a failed one.
        mode: Of the bundle's target; ``development`` gives everybody a copy of their own.
        deploy_via: Who deploys: we, by the SDK, or the repository's own CI, by the bundle.
        create_catalog: A missing catalog of the target is created after Approve; else it keeps the plan from it.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
    catalogs: dict[Word, Word] = Field(default_factory=dict)
    host: Word = ""
    paused: bool = False
    run_as: Word = ""
    run_as_kind: Literal["user_name", "service_principal_name"] = "service_principal_name"
    serverless: bool = True
    performance: Literal["", "STANDARD", "PERFORMANCE_OPTIMIZED"] = ""
    node_type: Word = ""
    spark_version: Word = ""
    workers: int = 1
    notify: tuple[Word, ...] = ()
    webhooks: tuple[Word, ...] = ()
    permissions: tuple[Permission, ...] = ()
    tags: dict[Word, Word] = Field(default_factory=dict)
    timeout_seconds: int = 0
    slow_seconds: int = 0
    retries: int = 1
    mode: Literal["development", "production"] = "production"
    deploy_via: Literal["sdk", "bundle"] = "sdk"
    create_catalog: bool = False


class Environments(Model):
    """Every environment of a repository, in the order of promotion."""

    environments: tuple[Environment, ...] = Field(min_length=1)

    def get(self, name: str) -> Environment:
        """The environment of that name."""
        return next(item for item in self.environments if item.name == name)


DEFAULT = Environments(environments=(Environment(name="default"),))
"""What there is without any configuration: one environment, schedules live, serverless."""
