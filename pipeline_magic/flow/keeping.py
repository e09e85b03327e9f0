"""Cleaning up: what a person asks for with `clean`, and what the setting `retention` does by itself.

Here: settings and ports put together, and one go of it. Not here: what may be removed (`agents.operations.retention`).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pipeline_magic.agents.operations.retention import Leftovers, Removed, Retention, age
from pipeline_magic.errors import PipelineMagicError, UsageError
from pipeline_magic.flow.workers import beating, this_worker, worker_alive

if TYPE_CHECKING:
    from pipeline_magic.config import Settings
    from pipeline_magic.wiring import Ports

__all__ = ["clean", "tidy"]

log = logging.getLogger("pipeline_magic")


def clean(
    ports: Ports, settings: Settings, older_than: str = "", *, failed: bool = False, remove: bool = False
) -> tuple[Leftovers, Removed | None]:
    """What nobody needs any more, and what of it was removed; None where nothing was to be.

    Args:
        older_than: ``90d`` or the like; the setting `retention` when empty.
        failed: Failed runs too.
        remove: Remove it; else it is only said what would go.

    Raises:
        UsageError: Neither an age nor a setting, or the age cannot be read.
    """
    bound = older_than or settings.retention
    if not bound:
        raise UsageError(
            "It is not said how old a run must be to be cleaned up.",
            hint="Give `--older-than 90d`, or set `retention` in pipeline_magic.toml.",
        )
    retention = Retention(
        ports.store,
        ports.engine,
        ports.deployer,
        ports.clock,
        identity=ports.code_host.identity(),
        alive=lambda worker: worker_alive(worker, ports.store),
        worker=this_worker(),
        texts=settings.retention_texts,
    )
    found = retention.find(age(bound), failed=failed)
    if not remove:
        return found, None
    with beating(ports.store):
        removed = retention.remove(found, failed=failed)
    if removed.runs:
        ports.store.compact()
    return found, removed


def tidy(ports: Ports, settings: Settings) -> None:
    """Clean up as the setting says, where there is one; a failure is logged and nothing else."""
    if not settings.retention:
        return
    try:
        _, removed = clean(ports, settings, remove=True)
    except PipelineMagicError as error:
        log.warning("retention: %s", error)
        return
    if removed and (removed.runs or removed.scratch):
        log.info("retention: removed the working data of %s", ", ".join((*removed.runs, *removed.scratch)))
