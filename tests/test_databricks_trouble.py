"""What goes wrong on Databricks and GitHub: the message names the permission or the step, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipeline_magic.errors import PipelineMagicError
from tests.support.databricks_server import Refusal
from tests.support.databricks_site import ADA, Site, site

COUNT = "Count the orders per o_orderstatus into analytics.ops.status_counts every day at 6am"
TARGET = "analytics.ops.status_counts"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Site]:
    made = site(tmp_path)
    yield made
    made.close()


class Trouble(NamedTuple):
    """What is wrong, which words say so, and how it is mended."""

    wrong: Callable[[Site], object]
    words: tuple[str, ...]
    mended: Callable[[Site], object]


def _no_token(where: Site) -> None:
    del where.databricks.users["good-token"]


def _token(where: Site) -> None:
    where.databricks.users["good-token"] = ADA


def _skewed(where: Site) -> None:
    _no_token(where)
    where.databricks.date = "Mon, 02 Nov 2026 06:00:00 GMT"


def _right(where: Site) -> None:
    _token(where)
    where.databricks.date = ""


def _refuse(verb: str, path: str, refusal: Refusal) -> Callable[[Site], None]:
    return lambda where: where.databricks.refuse.update({(verb, path): refusal})


def _allow(where: Site) -> None:
    where.databricks.refuse.clear()


def _github(user: str, scope: str) -> Callable[[Site], None]:
    def change(where: Site) -> None:
        where.github.users = {"good-token": user} if user else {}
        where.github.scopes = {"good-token": scope}

    return change


_SCOPE = Refusal(403, "PERMISSION_DENIED", "Provided OAuth token does not have required scopes: unity-catalog")
_NO_JOBS = Refusal(403, "PERMISSION_DENIED", "User ada@acme.test is not allowed to create jobs.")
_FOLDER = Refusal(403, "PERMISSION_DENIED", "ada@acme.test does not have Manage permissions on /Users/ada@acme.test.")

BEFORE = {
    "wrong token": Trouble(_no_token, ("does not accept the credentials", "DATABRICKS_TOKEN"), _token),
    "clock skew": Trouble(_skewed, ("clock", "minutes ahead of"), _right),
    "missing scope": Trouble(_refuse("GET", "unity-catalog", _SCOPE), ("scopes", "unity-catalog"), _allow),
    "warehouse deleted": Trouble(
        lambda where: setattr(where.sql, "state", "DELETED"),
        ("wh1", "DATABRICKS_WAREHOUSE_ID"),
        lambda where: setattr(where.sql, "state", "RUNNING"),
    ),
    "wrong GitHub token": Trouble(_github("", ""), ("GITHUB_TOKEN",), _github("ada", "write")),
}
"""Found out while a plan is made."""

AFTER = {
    "expired token": Trouble(_no_token, ("DATABRICKS_TOKEN",), _token),
    "GitHub may only be read": Trouble(_github("ada", "read"), ("write",), _github("ada", "write")),
    "warehouse deleted": Trouble(
        lambda where: setattr(where.sql, "state", "DELETED"),
        ("wh1", "DATABRICKS_WAREHOUSE_ID"),
        lambda where: setattr(where.sql, "state", "RUNNING"),
    ),
    "no CREATE SCHEMA": Trouble(
        lambda where: (
            where.world.revoke("catalog", "analytics", ADA),
            where.world.grant("catalog", "analytics", ADA, "USE_CATALOG"),
        ),
        ("CREATE SCHEMA",),
        lambda where: where.world.grant(
            "catalog", "analytics", ADA, "USE_SCHEMA", "CREATE_SCHEMA", "CREATE_TABLE", "SELECT"
        ),
    ),
    "quota of jobs": Trouble(
        lambda where: setattr(where.jobs, "most", 0), ("quota",), lambda where: setattr(where.jobs, "most", 9)
    ),
    "quota of schemas": Trouble(
        lambda where: setattr(where.world, "most_schemas", 0),
        ("quota",),
        lambda where: setattr(where.world, "most_schemas", 99),
    ),
    "may not create jobs": Trouble(_refuse("POST", "jobs/create", _NO_JOBS), ("create jobs",), _allow),
    "may not write the folder": Trouble(_refuse("POST", "workspace/", _FOLDER), ("Manage permissions",), _allow),
}
"""Found out after Approve was pressed."""


_BOUNDED = {"clock skew", "warehouse deleted", "GitHub may only be read", "quota of jobs"}


def _named(troubles: dict[str, Trouble]) -> list[Any]:
    """All of them without bounds, some of them otherwise."""
    return [pytest.param(name, marks=() if name in _BOUNDED else pytest.mark.full) for name in sorted(troubles)]


def _said(error: PipelineMagicError, words: tuple[str, ...]) -> None:
    text = str(error)
    assert all(word in text for word in words), text
    assert "Next:" in text and "Traceback" not in text and "good-token" not in text
    assert error._render_traceback_() is not None  # type: ignore[attr-defined]  # in a notebook it is a few lines


def _one_of_each(where: Site) -> None:
    assert (len(where.github.pulls), len(where.jobs.jobs), len(where.jobs.runs)) == (1, 1, 1)
    assert where.github.pulls[1]["merged_at"] and len(where.world.tables[TARGET].versions) == 1


@pytest.mark.parametrize("name", _named(BEFORE))
def test_trouble_before_a_plan(here: Site, name: str) -> None:
    """It is said with the step to take; once mended, the same run goes on to the end."""
    trouble = BEFORE[name]
    trouble.wrong(here)
    orchestrator = here.open()
    try:
        with pytest.raises(PipelineMagicError) as raised:
            orchestrator.build_pipeline(COUNT)
        _said(raised.value, trouble.words)
    finally:
        orchestrator.close()
    trouble.mended(here)
    again = here.open()
    try:
        result = again.build_pipeline(COUNT)
        here.runs(result.snapshot.validated.typed)
        assert again.approve_pipeline(result.approval_id, "Ada").deployment.state == "deployed"
        _one_of_each(here)
    finally:
        again.close()


@pytest.mark.parametrize("name", _named(AFTER))
def test_trouble_after_approve(here: Site, name: str) -> None:
    """It is said with the step to take; once mended, `resume` (or Approve, where it was refused) ends well."""
    trouble = AFTER[name]
    orchestrator = here.open()
    try:
        result = orchestrator.build_pipeline(COUNT)
        here.runs(result.snapshot.validated.typed)
        trouble.wrong(here)
        with pytest.raises(PipelineMagicError) as raised:
            orchestrator.approve_pipeline(result.approval_id, "Ada")
        _said(raised.value, trouble.words)
    finally:
        orchestrator.close()
    trouble.mended(here)
    _finish(here, result.run_id)
    _one_of_each(here)


def _finish(where: Site, run_id: str) -> None:
    """What a person does after it was mended."""
    orchestrator = where.open()
    try:
        done: Any = orchestrator.resume(run_id)
        if done.deployment is None:
            if done.approval is None or done.approval.state not in ("pending", "approved"):
                done = orchestrator.generate(run_id)
            done = orchestrator.approve(done.approval_id, "Ada")
        assert done.deployment.state == "deployed", done.run.message
    finally:
        orchestrator.close()


def test_a_stopped_warehouse_starts(here: Site) -> None:
    """A warehouse that was stopped is started by the first statement; nothing is asked of anybody."""
    here.sql.state = "STOPPED"
    orchestrator = here.open()
    try:
        assert orchestrator.build_pipeline(COUNT).approval_id
    finally:
        orchestrator.close()


@pytest.mark.parametrize("privilege", ["USE_CATALOG", "SELECT"])
def test_a_source_that_may_not_be_read(here: Site, privilege: str) -> None:
    """The privilege that is missing is named, with the object; nothing can be approved."""
    here.world.revoke("catalog", "samples", "account users")
    rest = {"USE_CATALOG", "USE_SCHEMA", "SELECT", "BROWSE"} - {privilege}
    here.world.grant("catalog", "samples", "account users", *rest)
    orchestrator = here.open()
    try:
        try:
            result = orchestrator.build_pipeline(
                "Count samples.tpch.orders per o_orderstatus into analytics.ops.status_counts"
            )
        except PipelineMagicError as error:
            said = str(error)
        else:
            assert not result.approval_id or result.snapshot.quality.verdict == "red"
            found = result.snapshot.validated
            said = " ".join(item.message + item.hint for item in (*found.problems, *found.findings))
            said += " ".join(question.text for question in found.questions)
        assert privilege.replace("_", " ") in said or "samples.tpch.orders" in said, said
    finally:
        orchestrator.close()


@pytest.mark.parametrize("how", ["renamed", "column dropped"])
def test_a_source_that_changed_since_the_plan(here: Site, how: str) -> None:
    """A table that was renamed or altered between plan and Approve refuses, with its name, and writes nothing."""
    orchestrator = here.open()
    try:
        result = orchestrator.build_pipeline(COUNT)
        table = here.world.tables["samples.tpch.orders"]
        if how == "renamed":
            here.world.tables["samples.tpch.orders_new"] = here.world.tables.pop("samples.tpch.orders")
        else:
            table.columns.pop()
        with pytest.raises(PipelineMagicError, match="orders") as raised:
            orchestrator.approve_pipeline(result.approval_id, "Ada")
        assert "generate" in raised.value.hint
        assert not here.github.pulls and not here.jobs.jobs
    finally:
        orchestrator.close()


def test_a_job_that_was_deleted_by_hand(here: Site) -> None:
    """The next build sees it and asks for an approval; approved, there is one job again."""
    orchestrator = here.open()
    try:
        result = orchestrator.build_pipeline(COUNT)
        here.runs(result.snapshot.validated.typed)
        orchestrator.approve_pipeline(result.approval_id, "Ada")
        here.jobs.jobs.clear()
        again = orchestrator.build_pipeline(COUNT)
        assert again.approval_id != result.approval_id
        done = orchestrator.approve_pipeline(again.approval_id, "Ada")
        assert done.deployment.state == "deployed" and len(here.jobs.jobs) == 1
    finally:
        orchestrator.close()


def test_no_such_repository(here: Site) -> None:
    """A repository that is not there, or hidden, is said with the setting."""
    orchestrator = here.open(github_repo="acme/other")
    try:
        with pytest.raises(PipelineMagicError) as raised:
            orchestrator.build_pipeline(COUNT)
        assert "acme/other" in str(raised.value)
    finally:
        orchestrator.close()


def test_a_protected_branch(here: Site) -> None:
    """Where the base branch asks for a review, the deployment waits for it and nothing is deployed before."""
    here.github.required_reviews = 1
    orchestrator = here.open()
    try:
        result = orchestrator.build_pipeline(COUNT)
        done = orchestrator.approve_pipeline(result.approval_id, "Ada")
        assert done.deployment.state == "waiting" and not here.jobs.jobs, done.deployment.message
    finally:
        orchestrator.close()
