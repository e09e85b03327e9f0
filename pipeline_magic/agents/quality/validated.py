"""A declarative pipeline before it is approved: Lakeflow validates its source, and nothing of it is executed.

What the report says is just that: where an engine can have it done, the source was read and every table and column
resolved; rows, checks and counts rest on the SQL form alone. Not here: how it is done (`ports.ValidatesPipelines`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import PurePosixPath

from pipeline_magic.agents.quality.sample_run import message_of, not_executed, one_line
from pipeline_magic.compiler.environments import DEFAULT, Environments
from pipeline_magic.compiler.jobs import pipeline_settings
from pipeline_magic.errors import EngineError, EngineUnavailable
from pipeline_magic.ports import DryRun, Engine, ValidatesPipelines
from pipeline_magic.runs import Finding, Generated, SampleRun
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["validate_declared"]

_SHORTEST_S = 900.0
"""Seconds that a validation is given at least: the start of its compute takes minutes."""


def validate_declared(
    engine: Engine,
    typed: TypedSpec,
    generated: Generated,
    *,
    run_id: str,
    timeout: float,
    say: Callable[[str], None],
) -> tuple[SampleRun, tuple[Finding, ...]]:
    """Have Lakeflow validate the pipeline's source, where the engine can.

    Args:
        timeout: Seconds for each query; a validation is given some minutes in any case.
        say: Told what happens; may raise Cancelled.

    Returns:
        What is to be said in place of a sample run, and findings: red where Lakeflow found an error, or where it could
        not be found out though it may be asked.

    Raises:
        Cancelled: The person stopped the work.
    """
    if not isinstance(engine, ValidatesPipelines):
        return not_executed("a declarative pipeline runs on Databricks only")
    if engine.no_dry_runs:
        return _not_validated(engine.no_dry_runs)
    say("Letting Lakeflow validate the pipeline")
    try:
        engine.create_scratch(run_id)
        try:
            return _told(_asked(engine, typed, generated, run_id, max(timeout, _SHORTEST_S)))
        finally:
            # What stopped the work must come through, whatever becomes of the scratch schema.
            with suppress(EngineError):
                engine.drop_scratch(run_id)
    except EngineUnavailable as error:
        return _not_validated(engine.no_dry_runs or message_of(error).rstrip("."))
    except EngineError as error:
        said = f"Lakeflow could not be asked whether it takes the pipeline: {message_of(error)}"
        return SampleRun(status="failed", message=said), (_red(said, error.hint or "Press Generate again."),)


def _asked(engine: ValidatesPipelines, typed: TypedSpec, generated: Generated, run_id: str, timeout: float) -> DryRun:
    """What Lakeflow says of the source, with the compute of the first environment and the spec's own tables."""
    given = Environments.model_validate(generated.environments) if generated.environments else DEFAULT
    environment = given.environments[0].model_copy(update={"catalogs": {}})
    name = f"{typed.spec.name}_pipeline.py"
    sources = {
        PurePosixPath(file.path).name: file.content for file in generated.files if PurePosixPath(file.path).name == name
    }
    settings = pipeline_settings(typed, environment, name)
    return engine.validate_pipeline(run_id, sources, settings, timeout=timeout)


def _told(found: DryRun) -> tuple[SampleRun, tuple[Finding, ...]]:
    if found.valid:
        said = "Lakeflow validated the pipeline instead, which computes no rows, and found no error"
        sample, findings = not_executed(said)
        return sample.model_copy(update={"seconds": found.seconds}), findings
    said = f"Lakeflow does not take the pipeline: {one_line('; '.join(found.errors), 900)}"
    sample = SampleRun(status="failed", message=said, seconds=found.seconds)
    return sample, (_red(said, "Repair the step that is named, then press Generate again."),)


def _not_validated(reason: str) -> tuple[SampleRun, tuple[Finding, ...]]:
    """Neither executed nor validated, and why."""
    return not_executed(f"Lakeflow would validate the pipeline instead, and did not: {one_line(reason)}")


def _red(message: str, hint: str) -> Finding:
    return Finding(id="dry_run", severity="red", message=message, where="pipeline", hint=hint)
