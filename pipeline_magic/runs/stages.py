"""The six stages, and what each says of itself while it works."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pipeline_magic.spec.schema import Model

__all__ = ["STAGES", "STAGE_TITLES", "Stage", "StageEvent", "StageState"]

Stage: TypeAlias = Literal["parse", "validate", "generate", "quality", "pull_request", "approval"]


STAGES: tuple[Stage, ...] = ("parse", "validate", "generate", "quality", "pull_request", "approval")


STAGE_TITLES: dict[Stage, str] = {
    "parse": "Parse",
    "validate": "Validate",
    "generate": "Generate",
    "quality": "Quality",
    "pull_request": "Pull request",
    "approval": "Approval",
}


StageState: TypeAlias = Literal["pending", "running", "waiting", "done", "unchanged", "failed", "cancelled"]


class StageEvent(Model):
    """What a stage says of itself while it works.

    Attributes:
        state: ``unchanged`` means: the inputs have the digest of the last time, so the stored result stands.
        message: One short sentence for a person, no secrets.
        done: Fraction of the stage, 0 to 1, where it is known.
        seconds: Wall time of the stage, when it ended.
    """

    stage: Stage
    state: StageState
    message: str = ""
    done: float | None = None
    seconds: float | None = None
