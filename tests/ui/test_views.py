"""What every part of the panel shows of a run, at every phase, and with hostile text in every field."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest
from pydantic import BaseModel

from pipeline_magic import runs
from pipeline_magic.runs import StageEvent
from pipeline_magic.ui.approval import approval_html, approval_text, approval_view
from pipeline_magic.ui.document import static_html, static_text
from pipeline_magic.ui.header import header_view
from pipeline_magic.ui.lineage import lineage_html, lineage_view
from pipeline_magic.ui.notebook import notebook_view
from pipeline_magic.ui.quality import quality_view
from pipeline_magic.ui.questions import questions_view
from pipeline_magic.ui.schemas import schemas_view
from pipeline_magic.ui.statement import statement_view, trace_data
from tests.support import snapshots

_EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'`</style>\u202e שלום"


class _Safe(HTMLParser):
    """Refuses what our views never make; collects text."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "img", "iframe", "object", "link"}, tag
        assert not any(name.startswith("on") for name, _ in attrs), attrs
        if tag not in {"br", "hr"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


def _parsed(markup: str) -> str:
    parser = _Safe()
    parser.feed(markup)
    parser.close()
    assert parser.open == []
    return " ".join(parser.words)


@pytest.mark.parametrize("phase", sorted(snapshots.PHASES))
def test_every_phase_is_well_formed_html_and_text(phase: str) -> None:
    """Static HTML closes what it opens at every phase, and the text names the run and how to go on."""
    snapshot = snapshots.PHASES[phase]()
    words = _parsed(static_html(snapshot))
    assert snapshots.RUN_ID in words
    assert f"%pipeline review {snapshots.RUN_ID}" in static_text(snapshot)


def _poisoned(value: Any, evil: str) -> Any:
    """The same data with free text replaced: comments, messages, names, statements, contents."""
    free = {"message", "comment", "reason", "hint", "text", "why", "label", "effect", "observed", "description", "note"}
    free |= {"title", "body", "name", "identity", "content", "new", "old", "url", "error", "engine", "event", "expires"}
    free |= {"branch", "parser", "author", "where", "next_run", "owner", "source"}
    if isinstance(value, BaseModel):
        made = {}
        for key in type(value).model_fields:
            inner = getattr(value, key)
            if key == "spec":
                made[key] = inner
            elif isinstance(inner, str) and key in free:
                made[key] = evil
            else:
                made[key] = _poisoned(inner, evil)
        return value.model_copy(update=made)
    if isinstance(value, tuple):
        return tuple(_poisoned(item, evil) for item in value)
    if isinstance(value, dict):
        return {key: evil if isinstance(item, str) else _poisoned(item, evil) for key, item in value.items()}
    return value


@pytest.mark.parametrize("phase", sorted(snapshots.PHASES))
def test_hostile_text_stays_text(phase: str) -> None:
    """Comments, data, statements, errors and names full of markup make no element in any tab, at any phase."""
    poisoned = _poisoned(snapshots.PHASES[phase](), _EVIL)
    provenance = None
    if poisoned.validated is not None:
        provenance = snapshots.provenance(_EVIL + snapshots.STATEMENT + _EVIL)
        validated = poisoned.validated.model_copy(update={"provenance": provenance})
        poisoned = poisoned.model_copy(update={"validated": validated})
    markup = static_html(poisoned)
    words = _parsed(markup)
    assert "alert(1)" in words
    assert "\u202e" not in markup
    assert "\u202e" not in static_text(poisoned)
    assert "\u202e" not in json.dumps(trace_data(statement_view(poisoned)), ensure_ascii=False)


def test_a_hostile_notebook_stays_text() -> None:
    """Code is coloured and still cannot become markup."""
    cells = [
        {"cell_type": kind, "id": kind, "source": f'x = """{_EVIL}"""', "metadata": {}} for kind in ("code", "markdown")
    ]
    book = runs.FileDiff(path="a.ipynb", status="added", new=json.dumps({"cells": cells}))
    other = runs.FileDiff(path="b.yml", status="changed", old="a: 1", new=f"a: {_EVIL}")
    made = runs.Generated(files=(), notebook="a.ipynb", diffs=(book, other))
    words = _parsed(static_html(snapshots.planned().model_copy(update={"generated": made})))
    assert "alert" in words


def test_stages_show_the_newest_event_and_pend_after_the_running_one() -> None:
    """While a stage runs again, the results after it count no more."""
    live: dict[runs.Stage, StageEvent] = {"generate": StageEvent(stage="generate", state="running", done=0.5)}
    view = header_view(snapshots.planned(), live)
    assert [stage.state for stage in view.stages] == ["done", "done", "running", "pending", "pending", "pending"]
    assert view.stages[2].word == "running 50%"


def test_the_header_says_what_leaves_the_machine() -> None:
    """Nothing where all is local; each sentence where it is not."""
    assert "nothing leaves this machine" in static_html(snapshots.planned())
    sent = snapshots.planned().model_copy(update={"leaves_machine": ("The statement goes to example.com",)})
    assert "The statement goes to example.com" in static_html(sent)


def test_the_statement_shows_what_each_clause_became() -> None:
    """Fields with their values before Generate; the cell and its lines after it."""
    before = {clause.id: clause for clause in statement_view(snapshots.awaiting_input()).clauses}
    assert [(f.path, f.value) for f in before["c1"].fields] == [("trigger.cron", "0 0 6 * * ?")]
    assert before["c3"].code == ()
    after = {clause.id: clause for clause in statement_view(snapshots.planned()).clauses}
    place, source = after["c3"].code[0]
    assert place.startswith("join_orders: cell 4, lines ")
    assert "customers.join" in source
    assert "".join(part.text for part in statement_view(snapshots.planned()).statements[0]) == snapshots.STATEMENT


def test_unmatched_clauses_are_said_and_must_be_confirmed() -> None:
    """They stand in the statement, and in the approval by their id."""
    snapshot = snapshots.planned(unmatched="Create a")
    assert [clause.words for clause in statement_view(snapshot).unmatched] == ["Create a"]
    assert approval_view(snapshot).unmatched == (("c8", "Create a"),)


def test_questions_carry_effect_default_and_must_answer() -> None:
    """An option says what it does; must-answer questions come first and have no default."""
    views = questions_view(snapshots.must_answer())
    assert views[0].must_answer
    assert views[0].options[0].label == "samples.tpch.orders — 15,000 rows"
    assert [option.is_default for option in views[1].options] == [True, False]
    assert views[1].words == ("Joins them",)


def test_schemas_show_sources_and_the_target_to_be() -> None:
    """Columns with type and NULL, keys, rows; and the target's columns as typed."""
    views = schemas_view(snapshots.planned()).tables
    assert [view.role for view in views] == ["source customers", "source orders", "target, as it will be"]
    assert views[0].facts == ("1,500 rows", "version 0", "declares no keys")
    assert [column.name for column in views[2].columns][-1] == "customer_segment"


def test_a_red_finding_blocks_until_it_is_waived() -> None:
    """The verdict, what is missing, and what a waiver does to both."""
    red = snapshots.red()
    assert quality_view(red).verdict == "red"
    assert approval_view(red).blocked
    waiver = runs.Waiver(finding=snapshots.RED.id, by="ada", reason="known")
    waived = red.model_copy(update={"run": red.run.model_copy(update={"waivers": (waiver,)})})
    assert quality_view(waived).verdict == "amber"
    assert not approval_view(waived).blocked
    assert "waived by ada: known" in static_text(waived)


def test_the_approval_lists_effects_in_order_and_what_it_accepts() -> None:
    """Pull request, merge, schema, deployment, first run, staging; then the questions that stand at their default."""
    view = approval_view(snapshots.planned())
    starts = [
        "Open the pull request",
        "Merge it into main",
        "Create schema",
        "Deploy the pipeline",
        "Run it once: create",
        "Each run keeps rows in analytics.default.customer_revenue_pipeline_magic_staging",
    ]
    assert len(view.effects) == len(starts)
    assert all(effect.startswith(start) for effect, start in zip(view.effects, starts, strict=True))
    assert "scheduled at 06:00 (UTC), in Quartz 0 0 6 * * ?" in view.effects[3]
    assert len(view.accepts) == 3
    prod = snapshots.planned().model_copy(update={"policy": {"merge": False, "first_run": False, "not_author": True}})
    assert any("until a person has merged" in effect for effect in approval_view(prod).effects)
    assert any("No first run now" in effect for effect in approval_view(prod).effects)
    assert "The author (ada) may not approve" in approval_view(prod).policy


def test_changes_made_by_hand_are_said_before_they_are_overwritten() -> None:
    """Each stands among the effects, before the deployment that overwrites it, as text and as HTML."""
    line = '`schedule.pause_status` is "PAUSED", and was deployed as "UNPAUSED"'
    view = approval_view(snapshots.planned().model_copy(update={"changed_by_hand": (line, "<b>x</b> was added")}))
    said = [place for place, effect in enumerate(view.effects) if "changed by hand" in effect]
    [deploys] = [place for place, effect in enumerate(view.effects) if effect.startswith("Deploy the pipeline")]
    assert said == [deploys - 2, deploys - 1]
    assert line in approval_text(view)
    assert "pause_status" in approval_html(view)
    assert "<b>x</b>" not in approval_html(view)
    assert not any("by hand in" in effect for effect in approval_view(snapshots.planned()).effects)


def test_a_draft_is_made_ready() -> None:
    """Where a draft is open already, approving makes it ready instead of opening another."""
    draft = runs.PullRequest(number=3, url="", branch="b", state="draft")
    view = approval_view(snapshots.planned().model_copy(update={"pull_request": draft}))
    assert view.effects[0].startswith("Make the draft #3 ready, the pull request")


def test_a_budget_without_a_forecast_blocks() -> None:
    """What the plan cannot be held to stands among what is missing, and Approve cannot be pressed."""
    said = "a budget of 20 a month is set, and there is no forecast of the cost"
    held = snapshots.planned().model_copy(update={"blocked": (said,)})
    view = approval_view(held)
    assert view.blocked and said in view.missing
    assert said in static_text(held) and said in static_html(held)


def test_a_superseded_run_says_what_to_do() -> None:
    """Nothing can be decided any more; where the pipeline went is said."""
    run = snapshots.run("superseded", message="Run r-2 stands in its place: `%pipeline review r-2` shows that.")
    shown = snapshots.planned().model_copy(update={"run": run, "approval": None})
    assert not approval_view(shown).open
    for text in (static_text(shown), static_html(shown)):
        assert "was superseded" in text and "%pipeline review r-2" in text


def test_after_the_decision_the_outcome_is_shown() -> None:
    """Pull request, deployment with its link, rows of the target, audit."""
    view = approval_view(snapshots.deployed())
    assert not view.open
    assert [outcome.title for outcome in view.outcomes] == ["Pull request", "Deployment", "Target", "Next run"]
    assert view.outcomes[2].text == "analytics.default.customer_revenue: 1,500 rows, version 0"
    markup = static_html(snapshots.deployed())
    assert "2026-11-22 09:02:00 UTC" in markup
    assert 'href="https://example.cloud.databricks.com/#job/1"' in markup
    assert "file:///" in markup and 'href="file' not in markup


def test_a_changed_notebook_is_shown_cell_by_cell() -> None:
    """Cells are aligned; the one that changed shows both lines, the others are unchanged."""
    book = notebook_view(snapshots.planned(changed=True)).files[0]
    assert [block.status for block in book.blocks] == ["unchanged"] * 5 + ["changed", "unchanged"]
    assert (book.added, book.removed) == (1, 1)
    changed = [(line.sign, line.text.strip()) for line in book.blocks[5].lines if line.sign in "+-"]
    assert changed == [("-", 'F.expr("percent_rank() < 0.1"),'), ("+", 'F.expr("percent_rank() < 0.2"),')]


def test_lineage_follows_every_target_column() -> None:
    """Each target column is listed with the source columns it is made of, and with what decides the rows."""
    view = lineage_view(snapshots.planned())
    made = {name: sources for name, sources, _ in view.columns}
    assert made["revenue"] == "orders.o_totalprice"
    assert "orders.o_custkey" in view.deciding
    text = lineage_html(view)
    assert all(f"<code><bdi>{name}</bdi></code>" in text for name in made)
