"""What keeps a plan from being put in place in its environment, found out before anybody is asked to approve it.

A job runs on the tables of its environment, whose catalogs may be others than those of the spec; so places and
privileges are looked at for those too. Read anew for every plan: a grant that was given counts with the next Generate.
Not here: tables and privileges of the spec itself (`agents.catalog`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline_magic.agents.approval.policy import FILE
from pipeline_magic.agents.catalog.resolve import missing_places
from pipeline_magic.runs import Finding
from pipeline_magic.spec.names import split_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline_magic.compiler.environments import Environment
    from pipeline_magic.spec.model import PipelineSpec
    from pipeline_magic.wiring import Ports

__all__ = ["creates", "for_whom_it_runs", "hindrances", "physical_target"]


def physical_target(spec: PipelineSpec, parameters: Mapping[str, str]) -> str:
    """The table that the environment's job writes."""
    return parameters.get("target") or spec.target.table


def hindrances(
    ports: Ports, spec: PipelineSpec, environment: Environment, parameters: Mapping[str, str]
) -> tuple[Finding, ...]:
    """Findings of the environment: another workspace, a catalog that is not there, privileges that are missing."""
    return (
        *_other_workspace(ports, environment),
        *_missing_catalog(ports, spec, environment, parameters),
        *_missing_privileges(ports, spec, environment, parameters),
    )


def _other_workspace(ports: Ports, environment: Environment) -> Iterator[Finding]:
    wanted, here = _name(environment.host), _name(ports.host)
    if wanted and here and wanted != here:
        yield Finding(
            id="environment:host",
            severity="red",
            message=f"The environment `{environment.name}` is on the workspace {wanted}, and {here} is configured.",
            where=f"environments.{environment.name}.host of {FILE} on the base branch",
            hint=f"Set DATABRICKS_HOST={environment.host} with a token of that workspace, and Generate again.",
        )


def _missing_catalog(
    ports: Ports, spec: PipelineSpec, environment: Environment, parameters: Mapping[str, str]
) -> Iterator[Finding]:
    if ports.place == "local" or environment.create_catalog:
        return
    catalog, _, _ = split_table(physical_target(spec, parameters))
    if ports.catalog.has_catalog(catalog):
        return
    yield Finding(
        id="environment:catalog",
        severity="red",
        message=f"There is no catalog `{catalog}`, or the caller may not see it (USE CATALOG or BROWSE), and none is "
        f"created in the environment `{environment.name}`.",
        where="target.table",
        hint=f"Choose a catalog that is there; or ask for USE CATALOG on it; or merge `create_catalog = true` into "
        f"[environments.{environment.name}] of {FILE}.",
    )


def _missing_privileges(
    ports: Ports, spec: PipelineSpec, environment: Environment, parameters: Mapping[str, str]
) -> Iterator[Finding]:
    """Privileges on tables that the environment maps to others; those of the spec were looked at in stage 2."""
    sources = [parameters.get(f"source_{source.alias}") or source.table for source in spec.sources]
    target = physical_target(spec, parameters)
    if (sources, target) == ([source.table for source in spec.sources], spec.target.table):
        return
    for index, message in enumerate(ports.catalog.privileges(sources, target).missing, start=1):
        if environment.run_as and target in message:
            continue  # whoever it runs as writes it
        yield Finding(
            id=f"environment:privilege:{index}",
            severity="red",
            message=f"In the environment `{environment.name}`: {message}",
            where="target.table" if target in message else "sources",
            hint="Ask the owner for the privilege, then Generate again.",
        )


def creates(
    ports: Ports, spec: PipelineSpec, parameters: Mapping[str, str], planned: tuple[str, ...]
) -> tuple[str, ...]:
    """Catalog and schema that are created after approval: those of the environment's own target.

    Args:
        planned: Those of the spec's target.
    """
    target = physical_target(spec, parameters)
    return planned if target == spec.target.table else missing_places(ports.catalog, target)


def for_whom_it_runs(findings: tuple[Finding, ...], environment: Environment) -> tuple[Finding, ...]:
    """Findings of stage 2, without those of the caller's own writing where somebody else runs the job."""
    if not environment.run_as:
        return findings
    return tuple(one for one in findings if not (one.id.startswith("privilege:") and one.where == "target.table"))


def _name(host: str) -> str:
    """A host as it is compared: without scheme, in lower case."""
    return (urlsplit(host).netloc or host).strip("/").lower()
