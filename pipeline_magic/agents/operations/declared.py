"""What undoing can do about the table of a Lakeflow pipeline, in words that are true before anything is touched. Pure.

    materialized view   has no versions to go back to; it is computed anew by the next update of its pipeline
    streaming table     takes each row of its sources once, and cannot be put back; its old rows can be read as long as
                        Delta keeps them; a full refresh makes it anew from what its sources still hold

Nobody but its pipeline can write either. A rollback removes a pipeline without its table, and starts no update. Not
here: what becomes of the settings (`rollback_plan`).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from pipeline_magic.ports import DeployRequest
from pipeline_magic.spec.model import PipelineSpec

__all__ = ["Settings", "said_of_table"]

Settings: TypeAlias = "DeployRequest | Literal['removed', 'kept']"
"""What becomes of the pipeline's settings: those that are put back; removed with the pipeline; or kept as deployed."""


def said_of_table(table: str, spec: PipelineSpec, settings: Settings, *, before: str | None, asked: bool) -> str:
    """What becomes of the pipeline's table, and what cannot be undone.

    Args:
        table: Its name in the environment.
        spec: As it was deployed.
        settings: What the rollback does with the pipeline.
        before: Newest version of a streaming table before the deployment; None where there was none, or none is known.
        asked: Whether the tables are to be undone too.
    """
    view = spec.target.mode == "overwrite"
    kind = "a materialized view" if view else "a streaming table"
    if settings == "removed":
        drop = f"DROP {'MATERIALIZED VIEW' if view else 'TABLE'} {table}"
        return (
            f"`{table}` is {kind} of the Lakeflow pipeline that is removed: what an update has written stays and can "
            f"be read, but nothing updates it any more. To remove it too: {drop}."
        )
    if settings == "kept":
        return (
            f"`{table}` is {kind} of a Lakeflow pipeline that stays as it is deployed: its rows are not put back, and "
            "its next update goes on with them."
        )
    if settings.spec.deployment != "declarative":
        return (
            f"`{table}` is {kind} of a Lakeflow pipeline, which alone can write it: the settings before run a "
            f"notebook, which fails until pipeline and `{table}` are removed by hand."
        )
    if view != (settings.spec.target.mode == "overwrite"):
        other = "a streaming table" if view else "a materialized view"
        return (
            f"`{table}` is {kind} of a Lakeflow pipeline, and {other} by the settings before: Databricks does not turn "
            f"one into the other, so that updates fail until `{table}` is dropped by hand."
        )
    return _view(table, asked) if view else _stream(table, spec, before, asked)


def _view(table: str, asked: bool) -> str:
    head = "is not put back" if asked else "does not stay as it is, though you asked for that"
    return (
        f"`{table}` is a materialized view of a Lakeflow pipeline and {head}: it has no version to go back to. Its "
        "rows stay until the next update, which computes it anew with the settings before, from its sources as they "
        "are then."
    )


_TAKEN = {
    "append": "rows that were read into it stay, and are not read again",
    "scd1": "changes that were applied to it stay, and are not applied again",
    "scd2": "versions that were added to it stay, and their changes are not applied again",
}


def _stream(table: str, spec: PipelineSpec, before: str | None, asked: bool) -> str:
    if not asked:
        return f"`{table}` stays as it is, as you asked; its next update goes on with the settings before."
    look = ""
    if before is not None:
        look = f" Its rows from before can be read as `{table}` VERSION AS OF {before}, as long as Delta keeps them."
    return (
        f"`{table}` is a streaming table of a Lakeflow pipeline, and cannot be put back: {_TAKEN[spec.target.mode]}."
        f"{look} A full refresh with the settings before makes it anew from what its sources still hold; what they "
        "hold no longer is lost by it."
    )
