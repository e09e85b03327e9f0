"""What every port is, whether it answers, what leaves the machine, and what is amiss, with what to do."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline_magic.errors import PipelineMagicError

if TYPE_CHECKING:
    from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
    from pipeline_magic.wiring import Ports

__all__ = ["Examined", "examine"]


@dataclass(frozen=True)
class Examined:
    """One thing that was looked at."""

    subject: str
    found: str
    ok: bool = True
    hint: str = ""

    @property
    def mark(self) -> str:
        """A word rather than a colour: ``ok`` or ``amiss``."""
        return "ok" if self.ok else "amiss"


def examine(orchestrator: PipelineBuilderOrchestrator) -> tuple[Examined, ...]:
    """Look at the installation, the settings and every port. Starts the engine; changes nothing else."""
    return (*_installation(orchestrator), *_settings(orchestrator), *_ports(orchestrator))


def _installation(orchestrator: PipelineBuilderOrchestrator) -> Iterator[Examined]:
    yield Examined("Python", sys.version.split()[0])
    yield Examined("pipeline_magic", importlib.metadata.version("pipeline-magic"))
    found = [name for name in ("pyspark-client", "databricks-connect", "pyspark") if _version(name)]
    versions = ", ".join(f"{name} {_version(name)}" for name in found)
    # A SQL warehouse is spoken to without any.
    enough = len(found) == 1 or (not found and orchestrator.settings.on_databricks)
    yield Examined(
        "Spark client",
        versions or "none",
        ok=enough,
        hint=""
        if enough
        else "Install `pipeline-magic[local]` or `pipeline-magic[databricks]`, each in an environment of its own: both "
        "ship pyspark, and what is installed last overwrites the other.",
    )
    git = shutil.which("git")
    yield Examined("git", git or "not found", ok=git is not None, hint="" if git else "Install git.")


def _settings(orchestrator: PipelineBuilderOrchestrator) -> Iterator[Examined]:
    settings = orchestrator.settings
    yield Examined("home", str(settings.home))
    yield Examined("environment", settings.environment)
    for name, source in sorted(settings.sources.items()):
        yield Examined(f"setting {name}", f"from {source}")


def _ports(orchestrator: PipelineBuilderOrchestrator) -> Iterator[Examined]:
    try:
        ports = orchestrator.ports
    except PipelineMagicError as error:
        yield Examined("ports", error.message, ok=False, hint=error.hint)
        return
    for port, name in ports.describe.items():
        yield Examined(port, name)
    model = ports.language_model
    if model is not None:
        yield Examined("language model", f"{model.name} (not asked: a request costs money)")
    looks = [Examined(*look) for look in ports.examine(_written_to(ports))] if ports.host else []
    yield from looks
    if all(look.ok for look in looks if look.subject in ("host", "token")):  # else it would be said of each again
        yield from _asked(ports)
    yield _tried("store answers", lambda: f"{len(ports.store.runs(limit=1000)):,} runs")
    yield _tried("code host identity", ports.code_host.identity)
    yield Examined("leaves this machine", "; ".join(ports.leaves_machine) or "nothing")
    for warning in ports.warnings:
        yield Examined("warning", warning, ok=False)


def _asked(ports: Ports) -> Iterator[Examined]:
    """Catalog and engine, by asking each."""
    yield _tried("tables", lambda: f"{sum(1 for _ in ports.catalog.tables()):,} in the catalog")
    if ports.no_engine is not None:
        yield Examined("engine answers", ports.no_engine.message, ok=False, hint=ports.no_engine.hint)
    else:
        yield _tried("engine answers", lambda: f"SELECT 1 gave {ports.engine.query('SELECT 1 AS one').rows[0][0]}")


def _written_to(ports: Ports) -> tuple[str, ...]:
    """The catalogs that environments map others to; none where the environments cannot be read, which is said later."""
    from pipeline_magic.flow.observing import environments_of

    try:
        environments = environments_of(ports).environments
    except PipelineMagicError:
        return ()
    return tuple(dict.fromkeys(name for one in environments for name in one.catalogs.values()))


def _tried(subject: str, ask: Callable[[], str]) -> Examined:
    try:
        return Examined(subject, ask())
    except PipelineMagicError as error:
        return Examined(subject, error.message, ok=False, hint=error.hint)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
