"""One byte changed anywhere between plan and deployment: it is refused, or found, each for the right reason."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline_magic import verbs
from pipeline_magic.agents.approval.digest import plan_digest
from pipeline_magic.digests import GENESIS, chain_hash
from pipeline_magic.errors import ApprovalRefused, PipelineMagicError
from pipeline_magic.runs import Answer, Plan
from pipeline_magic.spec.paths import Edit
from tests.support.bound import Desk, at_desk, planned_home
from tests.trust import world

NOTEBOOK = "pipelines/city_orders/city_orders.ipynb"


class Rows:
    """The store's rows, for whoever may write to its database."""

    def __init__(self, home: Path) -> None:
        self._engine = sa.create_engine(f"sqlite:///{home / 'state.db'}")

    def read(self, table: str, column: str, where: str) -> str:
        with self._engine.begin() as connection:
            rows = connection.execute(sa.text(f"SELECT {column} FROM pm_{table} WHERE {where}"))
            return str(rows.scalars().all()[-1])

    def write(self, table: str, column: str, where: str, value: str) -> None:
        with self._engine.begin() as connection:
            done = connection.execute(sa.text(f"UPDATE pm_{table} SET {column} = :v WHERE {where}"), {"v": value})
            assert done.rowcount >= 1

    def edit(self, table: str, column: str, where: str, change: Callable[[Any], None]) -> None:
        """Change the JSON of a row."""
        value = json.loads(self.read(table, column, where))
        change(value)
        self.write(table, column, where, json.dumps(value))

    def drop(self, table: str, where: str) -> None:
        with self._engine.begin() as connection:
            assert connection.execute(sa.text(f"DELETE FROM pm_{table} WHERE {where}")).rowcount == 1

    def close(self) -> None:
        self._engine.dispose()


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answered, edited and planned."""
    home = planned_home(tmp_path_factory.mktemp("planned"))
    with at_desk(home, tmp_path_factory.mktemp("answered")) as desk:
        desk.it.answer(desk.run_id, [Answer(question="join:customers", value="left")])
        desk.it.edit(desk.run_id, [Edit(path="target.comment", value="Orders of a city")])
        desk.generate()
        return desk.home


@pytest.fixture(scope="module")
def deployed(planned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with at_desk(planned, tmp_path_factory.mktemp("deployed")) as desk:
        desk.it.approve(desk.asked, "Ada", "Fine")
        return desk.home


@pytest.fixture
def desk(planned: Path, tmp_path: Path) -> Iterator[Desk]:
    with at_desk(planned, tmp_path) as made:
        yield made


def verified(desk: Desk) -> list[str]:
    """What `audit verify` finds."""
    verb = next(one for one in verbs.VERBS if one.name == "audit")
    given: Any = SimpleNamespace(id="verify", export=None, file=None, limit=10)
    return [str(one) for one in verb.run(desk.it, given, lambda event: None).data["problems"]]


def _stage(stage: str, change: Callable[[Any], None]) -> Callable[[Rows], None]:
    return lambda rows: rows.edit("stages", "result", f"stage = '{stage}'", lambda made: change(made["result"]))


def _spec(made: Any) -> None:
    made["spec"]["target"]["comment"] += "."


def _file(ending: str) -> Callable[[Any], None]:
    def change(made: Any) -> None:
        file = next(one for one in made["files"] if one["path"].endswith(ending))
        file["content"] += "\n"

    return change


def _report(made: Any) -> None:
    made["reconciliation"]["steps"][0]["rows_out"] += 1


def _prepared(made: Any) -> None:
    made["change"]["body"] += "."


def _plan(change: Callable[[Any], None]) -> Callable[[Rows], None]:
    return lambda rows: rows.edit("plans", "plan", "1 = 1", change)


def _run(change: Callable[[Any], None]) -> Callable[[Rows], None]:
    return lambda rows: rows.edit("runs", "body", "1 = 1", change)


def _approval(change: Callable[[Any], None]) -> Callable[[Rows], None]:
    return lambda rows: rows.edit("approvals", "body", "state = 'pending'", change)


def _set(**values: Any) -> Callable[[Any], None]:
    return lambda made: made.update(values)


def _forged(made: Any) -> None:
    made["state"] = "approved"
    made["decisions"] = [
        {"verb": "approve", "identity": "bob", "name": "Bob", "at": made["created"], "digest": made["digest"]}
    ]


def _plan_and_digest(rows: Rows) -> None:
    """Whoever knows how it works: plan, digest, approval, run and stage, all rewritten to fit."""
    made = json.loads(rows.read("plans", "plan", "1 = 1"))
    made["parameters"]["target"] = "shop.reports.stolen"
    digest = plan_digest(Plan.model_validate(made))
    rows.write("plans", "plan", "1 = 1", json.dumps(made))
    rows.edit("approvals", "body", "state = 'pending'", _set(digest=digest))
    rows.edit("runs", "body", "1 = 1", _set(digest=digest))
    _stage("pull_request", lambda kept: kept.update(plan=made, digest=digest))(rows)


def _with_the_entry(rows: Rows) -> None:
    """The same, with the entry of the audit rewritten and hashed anew."""
    _plan_and_digest(rows)
    digest = json.loads(rows.read("approvals", "body", "state = 'pending'"))["digest"]
    where = "event = 'approval.request' AND seq = (SELECT max(seq) FROM pm_audit WHERE event = 'approval.request')"
    names = ("seq", "at", "run_id", "event", "identity", "name", "detail", "previous")
    entry: dict[str, Any] = {name: rows.read("audit", name, where) for name in names}
    kept = [rows.read("stages", column, "stage = 'pull_request'") for column in ("inputs_digest", "result")]
    fresh = hashlib.sha256("\n".join(kept).encode()).hexdigest()
    rows.edit("audit", "detail", where, lambda made: made["stages"].update(pull_request=fresh))
    entry["detail"] = json.loads(rows.read("audit", "detail", where))
    fields = {**entry, "seq": int(entry["seq"]), "digest": digest}
    rows.write("audit", "digest", where, digest)
    rows.write("audit", "hash", where, chain_hash(entry["previous"], fields))


STAGE = "the stored result of the stage `{}` was changed"

PLANNED: dict[str, tuple[Callable[[Rows], None], str]] = {
    "the parsed draft": (_stage("parse", lambda made: made["draft"].update(name="x")), STAGE.format("parse")),
    "the spec": (_stage("validate", _spec), STAGE.format("validate")),
    "the notebook": (_stage("generate", _file(".ipynb")), STAGE.format("generate")),
    "the bundle": (_stage("generate", _file("databricks.yml")), STAGE.format("generate")),
    "the report": (_stage("quality", _report), STAGE.format("quality")),
    "the pull request": (_stage("pull_request", _prepared), STAGE.format("pull_request")),
    "a finding of the catalog": (_stage("validate", lambda made: made.update(creates=[])), STAGE.format("validate")),
    "the spec of the plan": (_plan(_spec), "the stored plan is not the one this approval was asked for"),
    "a file of the plan": (_plan(_file(".ipynb")), "the stored plan is not the one"),
    "the policy of the plan": (_plan(lambda made: made["policy"].update(merge=False)), "the stored plan"),
    "plan and digest": (_plan_and_digest, "the stored plan is not the one this approval was asked for"),
    "the answers": (
        _run(lambda made: made["answers"][0].update(value="inner")),
        "Answer to `join:customers` is 'left'|Answer to `join:customers` is 'inner', and was 'left'",
    ),
    "a waiver": (
        _run(_set(waivers=[{"finding": "loss", "by": "ada", "reason": "x"}])),
        "Waiver of `loss` was added",
    ),
    "what was shown": (
        lambda rows: rows.edit("plans", "evidence", "1 = 1", _set(author="bob")),
        "what was shown beside the plan was changed",
    ),
    "the digest asked for": (_approval(_set(digest="0" * 64)), "edited after this plan was made|digest is not the one"),
    "who is needed": (_approval(_set(needed=2)), "the number of people needed was changed"),
    "when it expires": (_approval(_set(expires="2999-01-01T00:00:00+00:00")), "the time it expires at was changed"),
    "a decision nobody made": (_approval(_forged), "the store holds 1 decisions, and the audit 0"),
    "the audit of the request": (
        lambda rows: rows.edit("audit", "detail", "event = 'approval.request'", _set(expires="")),
        r"entry \d+ of the audit was edited",
    ),
}


@pytest.mark.parametrize("what", sorted(PLANNED))
def test_between_plan_and_approval(desk: Desk, what: str) -> None:
    """Whatever is changed in the store after planning: approving refuses for that reason, and nothing is done."""
    change, reason = PLANNED[what]
    rows = Rows(desk.home)
    change(rows)
    rows.close()
    found = verified(desk)
    with pytest.raises(ApprovalRefused) as raised:
        desk.it.approve(desk.asked, "Ada")
    assert re.search(reason, raised.value.message), raised.value.message
    assert desk.it.ports.store.deployment(desk.run_id) is None
    assert desk.it.ports.store.effects(desk.run_id) == ()
    assert found, "`audit verify` finds nothing"


def test_with_the_audit_rewritten_to_fit(desk: Desk) -> None:
    """Rows and their entry rewritten and hashed anew: what comes after it does not follow, or a head does not fit."""
    rows = Rows(desk.home)
    _with_the_entry(rows)
    rows.close()
    found = " ".join(verified(desk))
    assert "its head is not" in found or "does not follow" in found or "hashed anew" in found, found


# --- approved, and not done yet -------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["the notebook", "the pull request", "a file of the plan", "plan and digest"])
def test_between_approval_and_deployment(desk: Desk, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Approved, and stopped before anything was done: what is changed then is refused by `resume`."""

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pipeline_magic.agents.github.agent.GitHubAgent.open", stopped)
        with pytest.raises(PipelineMagicError, match="stopped"):
            desk.it.approve(desk.asked, "Ada")
    change, reason = PLANNED[what]
    rows = Rows(desk.home)
    if what == "plan and digest":
        rows.edit("approvals", "body", "state = 'approved'", lambda made: made.update(state="approved"))
        made = json.loads(rows.read("plans", "plan", "1 = 1"))
        made["parameters"]["target"] = "shop.reports.stolen"
        digest = plan_digest(Plan.model_validate(made))
        rows.write("plans", "plan", "1 = 1", json.dumps(made))
        for table in ("approvals", "runs"):
            rows.edit(table, "body", "state IN ('approved', 'planned')", _set(digest=digest))
        _stage("pull_request", lambda kept: kept.update(plan=made, digest=digest))(rows)
    else:
        change(rows)
    rows.close()
    with pytest.raises(ApprovalRefused, match=reason):
        desk.it.resume(desk.run_id)
    host = desk.it.ports.code_host
    assert host.read(NOTEBOOK) is None and desk.it.ports.deployer.find("city_orders", "default") is None


# --- done ------------------------------------------------------------------------------------------------------------


def _approved(change: Callable[[Any], None]) -> Callable[[Rows], None]:
    return lambda rows: rows.edit("approvals", "body", "state = 'approved'", change)


def _effect(kind: str, change: Callable[[Any], None]) -> Callable[[Rows], None]:
    where = f"key LIKE '%/{kind}/%'"
    return lambda rows: rows.edit("effects", "body", where, change)


DEPLOYED: dict[str, tuple[Callable[[Rows], None], str]] = {
    "the result of an effect": (_effect("job.run", lambda made: made["result"].update(rows=9)), "was changed"),
    "a decision": (
        _approved(lambda made: made["decisions"][0].update(name="Eve")),
        "decision 1 is not the one that the audit holds",
    ),
    "a rejection turned": (
        _approved(_set(state="rejected")),
        "it is `rejected` in the store, and `approved` by the audit",
    ),
    "the deployment": (
        lambda rows: rows.edit("deployments", "body", "1 = 1", _set(id="job-other")),
        "names the job `job-other`, which it did not make",
    ),
    "the deployed plan": (
        lambda rows: rows.edit("deployments", "body", "1 = 1", _set(digest="1" * 64)),
        "the audit knows of no deployment of that plan",
    ),
    "the answers": (_run(_set(answers=[])), "its answers are not those that were given last"),
    "the edits": (
        _run(lambda made: made["edits"][0].update(value="Orders")),
        "its edits are not those that were made last",
    ),
    "the statement": (_run(_set(statement="Drop all tables")), "its statement is not the one that was read"),
    "the report": (PLANNED["the report"][0], STAGE.format("quality")),
    "an entry of the audit": (
        lambda rows: rows.write("audit", "identity", "event = 'approval.approve'", "eve"),
        "was edited",
    ),
    "an entry removed": (lambda rows: rows.drop("audit", "event = 'pull_request.merge'"), "missing: removed"),
    "an approval removed": (
        lambda rows: rows.drop("approvals", "state = 'approved'"),
        "There is no approval|not in the store",
    ),
}


@pytest.mark.parametrize("what", sorted(DEPLOYED))
def test_after_the_deployment(deployed: Path, tmp_path: Path, what: str) -> None:
    """Whatever is changed in the store of a deployed run, `audit verify` names it."""
    change, reason = DEPLOYED[what]
    with at_desk(deployed, tmp_path) as desk:
        assert verified(desk) == []
        rows = Rows(desk.home)
        change(rows)
        rows.close()
        found = verified(desk)
        assert any(re.search(reason, one) for one in found), found


def test_a_deployment_taken_out_with_every_trace(deployed: Path, tmp_path: Path) -> None:
    """The tail of the audit, its note and every row of the run are gone, so that what is left holds together: the job
    that still stands is named, since where to look is the base branch and not the store."""
    with at_desk(deployed, tmp_path) as desk:
        rows = Rows(desk.home)
        for table in ("runs", "stages", "approvals", "plans", "deployments", "effects", "audit"):
            with rows._engine.begin() as connection:
                connection.execute(sa.text(f"DELETE FROM pm_{table}"))
        rows.write("audit_head", "seq", "1 = 1", "0")
        rows.write("audit_head", "hash", "1 = 1", GENESIS)
        rows.close()
        verb = next(one for one in verbs.VERBS if one.name == "audit")
        given: Any = SimpleNamespace(id="verify", export=None, file=None, limit=10)
        outcome = verb.run(desk.it, given, lambda event: None)
        (said,) = outcome.data["unknown"]
        assert said in outcome.text and "of `city_orders` in `default` was deployed by a plan" in said
        assert "nothing of: by another store, or it was taken out of this one." in said


def test_an_effect_that_nobody_did(deployed: Path, tmp_path: Path) -> None:
    """An effect slipped in as done is named; so is one that is said not to be done."""
    with at_desk(deployed, tmp_path) as desk:
        store = desk.it.ports.store
        store.begin_effect(f"{desk.run_id}/job.delete/x", desk.run_id, "job.delete", "2026-01-01T00:00:00+00:00")
        store.finish_effect(f"{desk.run_id}/job.delete/x", None, "2026-01-01T00:00:00+00:00")
        (found,) = verified(desk)
        assert "job.delete/x` is done in the store, and the audit knows nothing of it" in found


def test_the_deployed_notebook(deployed: Path, tmp_path: Path) -> None:
    """A byte of the notebook in the job's folder: the job refuses to run, and the next plan shows it."""
    with at_desk(deployed, tmp_path) as desk:
        (file,) = (desk.home / "jobs").glob("job-*/notebooks/**/*.ipynb")
        file.write_text(file.read_text() + "\n")
        deployment = desk.it.ports.store.deployment(desk.run_id)
        assert deployment is not None
        with pytest.raises(PipelineMagicError, match="changed by hand"):
            desk.it.ports.deployer.run_now(deployment.id, key="again")
        assert desk.generate().id != desk.asked
        assert "Setting `found.notebook_sha256` was added" in desk.approval().reason


# --- the world -----------------------------------------------------------------------------------------------------


def test_a_column_altered_before_the_approval(desk: Desk) -> None:
    """A column of a source altered between plan and approval refuses, and is named with both types."""
    desk.write("orders", {**world.ORDERS, "customer_id": ["1", "1", "2", "3"]}, schema_mode="overwrite")
    with pytest.raises(ApprovalRefused, match=r"`orders\.columns\.2` is \['customer_id', 'string'"):
        desk.it.approve(desk.asked, "Ada")
    assert desk.approval().state == "void"


def test_a_branch_that_holds_something_else(desk: Desk) -> None:
    """A branch of the plan's name with other bytes, put there before: it is not merged."""
    import subprocess

    branch = f"pipeline/city_orders/{desk.approval().digest[:12]}"
    clone = desk.home.parent / "clone"
    who = ["-c", "user.name=x", "-c", "user.email=x@y"]
    steps: list[tuple[list[str], Path]] = [
        (["clone", "-q", str(desk.home / "repo.git"), str(clone)], desk.home),
        (["checkout", "-q", "-b", branch], clone),
    ]
    for words, at in steps:
        subprocess.run(["git", *words], cwd=at, check=True, timeout=60)
    (clone / NOTEBOOK).parent.mkdir(parents=True)
    (clone / NOTEBOOK).write_text("{}")
    for words in (["add", "-A"], ["commit", "-qm", "x"], ["push", "-q", "origin", branch]):
        subprocess.run(["git", *who, *words], cwd=clone, check=True, timeout=60)
    with pytest.raises(PipelineMagicError, match="holds something else"):
        desk.it.approve(desk.asked, "Ada")
    assert desk.it.ports.code_host.read(NOTEBOOK) is None


@pytest.mark.parametrize("stage", ["generate", "quality", "pull_request"])
def test_a_result_that_was_tampered_with_is_made_anew(desk: Desk, stage: str) -> None:
    """Generate does not use it again: the plan is the same as before, and can be approved."""
    before = desk.it.ports.store.stage(desk.run_id, stage)
    change = {"generate": _file(".ipynb"), "quality": _report, "pull_request": _prepared}[stage]
    rows = Rows(desk.home)
    _stage(stage, change)(rows)
    rows.close()
    with pytest.raises(ApprovalRefused, match=STAGE.format(stage)):
        desk.it.approve(desk.asked, "Ada", confirm=())
    asked = desk.generate()
    after = desk.it.ports.store.stage(desk.run_id, stage)
    assert json.loads(after[1])["result"] == json.loads(before[1])["result"]
    assert desk.it.approve(asked.id, "Ada").deployment.state == "deployed"
