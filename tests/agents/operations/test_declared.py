"""What is said of the table of a Lakeflow pipeline before a deployment is undone."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_magic.agents.operations.declared import Settings, said_of_table
from pipeline_magic.ports import DeployRequest
from pipeline_magic.spec.model import PipelineSpec
from tests.support.local import notebook, request

TABLE = "out.ops.t"


def spec(mode: str = "overwrite", deployment: str = "declarative") -> PipelineSpec:
    made: Any = request(notebook("1")).spec
    target = made.target.model_copy(update={"mode": mode})
    return made.model_copy(update={"deployment": deployment, "target": target})  # type: ignore[no-any-return]


def earlier(mode: str = "overwrite", deployment: str = "declarative") -> DeployRequest:
    return request(notebook("1")).model_copy(update={"spec": spec(mode, deployment)})


def said(mode: str, settings: Settings, *, before: str | None = None, asked: bool = True) -> str:
    return said_of_table(TABLE, spec(mode), settings, before=before, asked=asked)


def test_a_materialized_view() -> None:
    """It has no version: its next update computes it anew, from the sources as they are then."""
    text = said("overwrite", earlier())
    assert "materialized view" in text and "is not put back: it has no version" in text
    assert "next update, which computes it anew with the settings before, from its sources as they are then" in text


def test_a_view_cannot_be_kept() -> None:
    """Who asks that the tables stay is told that this one does not, once its settings are put back."""
    assert "does not stay as it is, though you asked for that" in said("overwrite", earlier(), asked=False)


@pytest.mark.parametrize(
    ("mode", "taken"),
    [
        ("append", "rows that were read into it stay, and are not read again"),
        ("scd1", "changes that were applied to it stay"),
        ("scd2", "versions that were added to it stay"),
    ],
)
def test_a_streaming_table(mode: str, taken: str) -> None:
    """It cannot be put back; where its old rows can be read, and what a full refresh loses, is said."""
    text = said(mode, earlier(mode), before="41")
    assert "streaming table" in text and taken in text
    assert f"`{TABLE}` VERSION AS OF 41, as long as Delta keeps them" in text
    assert text.endswith("what they hold no longer is lost by it.")
    assert "VERSION AS OF" not in said(mode, earlier(mode))
    assert said(mode, earlier(mode), asked=False).startswith(f"`{TABLE}` stays as it is, as you asked;")


@pytest.mark.parametrize(("mode", "drop"), [("overwrite", "DROP MATERIALIZED VIEW"), ("append", "DROP TABLE")])
@pytest.mark.parametrize("asked", [True, False])
def test_a_pipeline_that_is_removed(mode: str, drop: str, asked: bool) -> None:
    """Its table stays, nothing updates it, and how it is removed is said."""
    text = said(mode, "removed", before="41", asked=asked)
    assert "stays and can be read, but nothing updates it any more" in text and f"{drop} {TABLE}." in text


@pytest.mark.parametrize("mode", ["overwrite", "append"])
def test_a_pipeline_that_stays(mode: str) -> None:
    """With the settings kept the next update goes on with them."""
    assert "its rows are not put back, and its next update goes on" in said(mode, "kept")


@pytest.mark.parametrize("mode", ["overwrite", "append"])
def test_a_notebook_before(mode: str) -> None:
    """A notebook cannot write what belongs to a pipeline; that its runs will fail is said."""
    assert "run a notebook, which fails until" in said(mode, earlier(mode, "job"))


@pytest.mark.parametrize(("mode", "other"), [("overwrite", "append"), ("append", "overwrite")])
def test_another_kind_before(mode: str, other: str) -> None:
    """A view is not turned into a streaming table, nor the other way."""
    assert "does not turn one into the other" in said(mode, earlier(other))
    assert "does not turn one" not in said("append", earlier("scd1"))
