"""A generated file that somebody edited in the repository: taken into the spec, kept as a custom file, or discarded.

Over the local repository, and once over GitHub's adapter.
"""

from __future__ import annotations

import json
import subprocess
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic.adapters.database import Database
from pipeline_magic.agents.approval.records import verify_records
from pipeline_magic.agents.github.hand_edits import WAYS
from pipeline_magic.errors import ApprovalRefused, NotFound, PipelineMagicError, SpecError, StaleState, UsageError
from pipeline_magic.runs import Finding, Snapshot
from pipeline_magic.spec.paths import Edit
from pipeline_magic.verbs import VERBS
from tests.support.bound import POLICY, Desk, at_desk, planned_home
from tests.support.github_server import GitHubServer, github_at
from tests.trust import world

NAME = "city_orders"
ROOT = f"pipelines/{NAME}"
SPEC, NOTEBOOK, CUSTOM = f"{ROOT}/spec.yml", f"{ROOT}/{NAME}.ipynb", f"{ROOT}/custom/{NAME}_by_hand.ipynb"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a pipeline that is deployed."""
    folder = tmp_path_factory.mktemp("deployed")
    home = planned_home(folder)
    desk = Desk(home)
    desk.it.approve(desk.asked, "Ada")
    desk.it.close()
    return home


@pytest.fixture
def desk(template: Path, tmp_path: Path) -> Iterator[Desk]:
    with at_desk(template, tmp_path) as made:
        yield made


def by_hand(desk: Desk, path: str, content: bytes | str | None) -> None:
    """Somebody commits with git alone; None removes the file."""
    clone = desk.home.parent / "clone"
    who = ["-c", "user.name=Eve", "-c", "user.email=eve@example.org"]

    def git(*words: str) -> None:
        subprocess.run(["git", "-C", str(clone), *who, *words], check=True, capture_output=True, timeout=60)

    if not clone.exists():
        subprocess.run(["git", "clone", "-q", str(desk.home / "repo.git"), str(clone)], check=True, timeout=60)
    git("pull", "-q", "--ff-only")
    file = clone / path
    file.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    git("add", "-A")
    git("commit", "-qm", "By hand")
    git("push", "-q", "origin", "main")


def base(desk: Desk, path: str) -> str:
    found = desk.it.ports.code_host.read(path)
    assert found is not None, path
    return found


def edited(desk: Desk, path: str, old: str, new: str) -> str:
    """An edit of a file, and the plan that finds it."""
    text = base(desk, path)
    assert old in text
    by_hand(desk, path, text.replace(old, new))
    desk.generate()
    return text.replace(old, new)


def reds(snapshot: Snapshot) -> list[Finding]:
    waived = {waiver.finding for waiver in snapshot.run.waivers}
    found = snapshot.quality.findings if snapshot.quality else ()
    return [one for one in found if one.severity == "red" and one.id not in waived]


def file(snapshot: Snapshot, path: str) -> str:
    assert snapshot.generated is not None
    return snapshot.generated.file(path).content


def verb(desk: Desk, **given: Any) -> Any:
    found = next(one for one in VERBS if one.name == "hand-edits")
    values = {"id": desk.run_id, "take": "", "keep": "", "discard": "", "reason": "", **given}
    return found.run(desk.it, Namespace(**values), lambda event: None)


def last(desk: Desk, event: str) -> Any:
    return [entry for entry in desk.it.ports.store.audit(desk.run_id) if entry.event == event][-1]


# --- taken -----------------------------------------------------------------------------------------------------------


def test_a_spec_is_taken(desk: Desk) -> None:
    """What the edited spec says becomes edits of the run by whoever decides, is shown, approved, and deployed; rows and
    audit agree, also after an edit of another field."""
    desk.it.edit(desk.run_id, [Edit(path="target.comment", value="Orders of a city")])
    text = edited(desk, SPEC, "how: inner", "how: left")
    shown = verb(desk)
    assert "-  how: inner" in shown.text and "+  how: left" in shown.text and f"--take {SPEC}" in shown.text
    taken = verb(desk, take=SPEC, reason="right so")
    assert "join_customers" in taken.text.splitlines()[0]
    snapshot = desk.it.snapshot(desk.run_id)
    assert snapshot.validated is not None and snapshot.validated.spec is not None
    (edit,) = [one for one in snapshot.run.edits if one.path.endswith(".how")]
    assert edit.value == "left" and snapshot.validated.provenance.origins[edit.path].kind == "edit"
    assert not reds(snapshot) and file(snapshot, SPEC) == text
    said = last(desk, "hand_edit.take")
    assert (said.identity, said.detail["path"], said.detail["reason"]) == ("ada", SPEC, "right so")
    assert list(verify_records(desk.it.ports.store)) == []
    done = desk.it.approve(snapshot.approval_id, "Ada")
    assert done.deployment is not None and done.deployment.state == "deployed"
    assert base(desk, SPEC) == text and '"left",' in json.dumps(json.loads(base(desk, NOTEBOOK))["cells"]).replace(
        "\\", ""
    )


@pytest.mark.full
def test_a_spec_with_other_bytes_is_taken(desk: Desk) -> None:
    """Comments and order are the person's: the meaning is taken, and the file is generated again."""
    text = base(desk, SPEC)
    by_hand(desk, SPEC, "# mine\n" + text.replace("how: inner", "how: left   # better"))
    desk.generate()
    snapshot = desk.it.resolve_hand_edit(desk.run_id, SPEC, "take")
    assert not reds(snapshot) and file(snapshot, SPEC) == text.replace("how: inner", "how: left")
    assert any(
        one.severity == "info" and "taken into the spec (ada)" in one.message for one in snapshot.quality.findings
    )
    desk.it.approve(snapshot.approval_id, "Ada")
    assert base(desk, SPEC) == file(snapshot, SPEC)
    assert desk.it.generate(desk.run_id).approval_id == snapshot.approval_id


def test_a_hostile_spec_is_refused(desk: Desk) -> None:
    """What is no spec, or none that a file may bring in, is refused in words; nothing is changed.

    More of them are in `tests/agents/github/test_taking.py`; these are found out by the catalog and the compiler.
    """
    text, before = base(desk, SPEC), desk.it.ports.store.run(desk.run_id)
    evil = "steps:\n- id: evil\n  kind: sql\n  inputs: [orders]\n  query: SELECT 1 AS x\n"
    for changed, said in (
        (text.replace("steps:\n", evil), "taken from no file"),
        (text.replace("count(id)", "reflect('java.lang.System', 'exit', 1)"), "reflect"),
        (text.replace("shop.sales.orders", "shop.sales.nowhere"), "nowhere"),
    ):
        assert changed != text
        by_hand(desk, SPEC, changed)
        desk.generate()
        with pytest.raises(SpecError, match=said):
            desk.it.resolve_hand_edit(desk.run_id, SPEC, "take")
        after = desk.it.ports.store.run(desk.run_id)
        assert (after.edits, after.hand_edits, after.state) == (before.edits, before.hand_edits, "planned")
        assert reds(desk.it.snapshot(desk.run_id)) and base(desk, SPEC) == changed


@pytest.mark.full
def test_a_notebook_is_taken_where_a_spec_says_the_same(desk: Desk) -> None:
    """A number that was replaced all through the notebook is that of the spec; an edit no spec says is refused."""
    desk.it.edit(desk.run_id, [Edit(path="sources.orders.filter", value="amount < 1901")])
    desk.it.approve(desk.generate().id, "Ada")
    edited(desk, NOTEBOOK, "1901", "1905")
    snapshot = desk.it.resolve_hand_edit(desk.run_id, NOTEBOOK, "take")
    assert not reds(snapshot) and file(snapshot, NOTEBOOK) == base(desk, NOTEBOOK)
    assert "filter: amount < 1905" in file(snapshot, SPEC)
    edited(desk, NOTEBOOK, "1905", "1905 * 2")
    with pytest.raises(UsageError, match="No spec is found"):
        desk.it.resolve_hand_edit(desk.run_id, NOTEBOOK, "take")


@pytest.mark.full
def test_a_fresh_home_takes_no_sql_either(desk: Desk, tmp_path: Path) -> None:
    """Where no run is known, the pipeline stands as its spec on the base branch; a `sql` step by hand is refused."""
    text = base(desk, SPEC)
    evil = "steps:\n- id: evil\n  kind: sql\n  inputs: [orders]\n  query: SELECT 1 AS x\n"
    fresh = replace(desk.it.ports, store=Database(f"sqlite:///{tmp_path / 'fresh.db'}"))
    it = world.open_world(desk.home, fresh)
    by_hand(desk, SPEC, text.replace("steps:\n", evil))
    with pytest.raises(SpecError, match="taken from no file"):
        it.open_change(NAME, "make it weekly")
    by_hand(desk, SPEC, "# mine\n" + text)
    assert it.open_change(NAME, "make it weekly").name == NAME


# --- kept ------------------------------------------------------------------------------------------------------------


def test_an_edit_is_kept_as_a_custom_file(desk: Desk) -> None:
    """The edit is in the plan as a marked file, the generated one is the compiler's again; later plans leave it."""
    generated = base(desk, NOTEBOOK)
    text = edited(desk, NOTEBOOK, "order_count", "my_count")
    snapshot = desk.it.resolve_hand_edit(desk.run_id, NOTEBOOK, "keep", "for later")
    assert not reds(snapshot) and file(snapshot, NOTEBOOK) == generated
    made = json.loads(file(snapshot, CUSTOM))
    assert made["cells"][1:] == json.loads(text)["cells"] and made["metadata"]["pipeline_magic_custom"]
    assert "Custom file" in made["cells"][0]["source"][0]
    assert any(diff.path == CUSTOM and diff.status == "added" for diff in snapshot.generated.diffs)
    assert CUSTOM in [one.path for one in desk.it.ports.store.plan(snapshot.approval_id)[0].files]
    assert last(desk, "hand_edit.keep").detail["custom"] == CUSTOM
    desk.it.approve(snapshot.approval_id, "Ada")
    assert base(desk, NOTEBOOK) == generated and base(desk, CUSTOM) == file(snapshot, CUSTOM)
    assert desk.it.generate(desk.run_id).approval_id == snapshot.approval_id
    assert desk.it.replay(desk.run_id).same


@pytest.mark.full
def test_a_custom_file_is_its_owners(desk: Desk) -> None:
    """Once it is merged it is changed by hand alone; a second edit of the generated file is kept beside it."""
    edited(desk, NOTEBOOK, "order_count", "my_count")
    desk.it.approve(desk.it.resolve_hand_edit(desk.run_id, NOTEBOOK, "keep").approval_id, "Ada")
    by_hand(desk, CUSTOM, "mine\n")
    again = desk.it.generate(desk.run_id)
    assert not reds(again) and all(one.path != CUSTOM for one in again.generated.files)
    edited(desk, NOTEBOOK, "order_count", "your_count")
    beside = desk.it.resolve_hand_edit(desk.run_id, NOTEBOOK, "keep")
    desk.it.approve(beside.approval_id, "Ada")
    assert base(desk, CUSTOM) == "mine\n" and "your_count" in base(desk, CUSTOM.replace("_by_hand", "_by_hand_2"))


@pytest.mark.full
def test_a_shared_file_is_kept(desk: Desk) -> None:
    """An edit of a file that all pipelines share goes to this one's folder; no spec says what it says."""
    generated = base(desk, "databricks.yml")
    by_hand(desk, "databricks.yml", generated + "# mine\n")
    desk.generate()
    with pytest.raises(UsageError, match="no file of one pipeline alone"):
        desk.it.resolve_hand_edit(desk.run_id, "databricks.yml", "take")
    snapshot = desk.it.resolve_hand_edit(desk.run_id, "databricks.yml", "keep")
    desk.it.approve(snapshot.approval_id, "Ada")
    assert base(desk, "databricks.yml") == generated
    assert base(desk, f"{ROOT}/custom/databricks_by_hand.yml").endswith(generated + "# mine\n")


# --- discarded -------------------------------------------------------------------------------------------------------


def test_an_edit_is_discarded_with_a_reason(desk: Desk) -> None:
    """Without a reason it is not; with one it is in the audit, and the file is written again after the approval."""
    generated = base(desk, NOTEBOOK)
    edited(desk, NOTEBOOK, "order_count", "my_count")
    with pytest.raises(ApprovalRefused, match="reason"):
        verb(desk, discard=NOTEBOOK)
    verb(desk, discard=NOTEBOOK, reason="a slip")
    snapshot = desk.it.snapshot(desk.run_id)
    assert not reds(snapshot) and "my_count" in base(desk, NOTEBOOK)
    said = last(desk, "finding.waive")
    assert said.detail["reason"] == "a slip" and NOTEBOOK in said.detail["finding"] and said.identity == "ada"
    desk.it.approve(snapshot.approval_id, "Ada")
    assert base(desk, NOTEBOOK) == generated


def test_a_removed_file_is_written_again(desk: Desk) -> None:
    """Of a file that was removed there is nothing to take or keep."""
    by_hand(desk, SPEC, None)
    desk.it.edit(desk.run_id, [Edit(path="description", value="Orders of each city")])
    generated = file(desk.it.generate(desk.run_id), SPEC)
    for way in ("take", "keep"):
        with pytest.raises(UsageError, match="was removed"):
            desk.it.resolve_hand_edit(desk.run_id, SPEC, way)
    assert "--take" not in verb(desk).text and f"--discard {SPEC}" in verb(desk).text
    snapshot = desk.it.resolve_hand_edit(desk.run_id, SPEC, "discard", "it belongs there")
    desk.it.approve(snapshot.approval_id, "Ada")
    assert base(desk, SPEC) == generated


def test_rubbish_can_be_discarded_alone(desk: Desk) -> None:
    """Bytes that are no text are neither read as a spec nor kept as text that they are not."""
    by_hand(desk, SPEC, bytes(range(256)) * 40)
    desk.generate()
    assert all(char.isprintable() or char == "\n" for char in verb(desk).text)
    for way in ("take", "keep"):
        with pytest.raises(UsageError, match="no text"):
            desk.it.resolve_hand_edit(desk.run_id, SPEC, way)
    assert not reds(desk.it.resolve_hand_edit(desk.run_id, SPEC, "discard", "rubbish"))


@pytest.mark.full
def test_a_policy_without_waivers(desk: Desk) -> None:
    """Where the environment allows no waivers, nothing is discarded; what was edited can still be kept."""
    desk.merge(POLICY, "[environments.default]\nwaivers_allowed = false\n")
    edited(desk, NOTEBOOK, "order_count", "my_count")
    with pytest.raises(ApprovalRefused, match="allows no waivers"):
        desk.it.resolve_hand_edit(desk.run_id, NOTEBOOK, "discard", "a slip")
    assert not reds(desk.it.resolve_hand_edit(desk.run_id, NOTEBOOK, "keep"))


# --- on GitHub -------------------------------------------------------------------------------------------------------


def test_the_three_ways_on_github(tmp_path: Path) -> None:
    """Somebody pushes to the base branch there: taken, kept and discarded as in the local repository, each merged."""
    server = GitHubServer(tmp_path)
    home = tmp_path / "home"
    world.build_home(home)
    it = world.open_world(home, replace(world.ports_at(home), code_host=github_at(server)))
    host = it.ports.code_host
    try:
        result = it.build_pipeline(world.STATEMENT)
        it.approve(result.approval_id, "Ada")
        notebook, spec, shared = host.read(NOTEBOOK), host.read(SPEC), host.read("databricks.yml")
        assert notebook and spec and shared
        pushed = {
            SPEC: spec.replace("how: inner", "how: left"),
            NOTEBOOK: notebook.replace("order_count", "my_count"),
            "databricks.yml": shared + "# mine\n",
        }
        server.push("main", {path: text.encode() for path, text in pushed.items()})
        it.generate(result.run_id)
        assert [one.path for one in it.hand_edits(result.run_id)] == [NOTEBOOK, "databricks.yml", SPEC]
        it.resolve_hand_edit(result.run_id, SPEC, "take")
        it.resolve_hand_edit(result.run_id, NOTEBOOK, "keep")
        snapshot = it.resolve_hand_edit(result.run_id, "databricks.yml", "discard", "a slip")
        assert not reds(snapshot)
        server.push("main", {NOTEBOOK: b"meanwhile\n"})
        with pytest.raises(ApprovalRefused, match=NAME):
            it.approve(snapshot.approval_id, "Ada")
        assert host.read(NOTEBOOK) == "meanwhile\n" and len(server.pulls) == 1
        server.push("main", {NOTEBOOK: pushed[NOTEBOOK].encode()})
        snapshot = it.generate(result.run_id)
        assert not reds(snapshot)
        it.approve(snapshot.approval_id, "Ada")
        assert host.read(SPEC) == pushed[SPEC] and host.read("databricks.yml") == shared
        assert "my_count" in str(host.read(CUSTOM)) and "my_count" not in str(host.read(NOTEBOOK))
        assert server.pulls[2]["merged_at"] and server.said[-1]["state"] == "success"
    finally:
        it.close()
        server.close()


# --- another edit meanwhile ------------------------------------------------------------------------------------------


def test_an_edit_between_plan_and_decision(desk: Desk) -> None:
    """What nobody has looked at is not decided: the next plan shows it."""
    text = edited(desk, SPEC, "how: inner", "how: left")
    by_hand(desk, SPEC, text + "# more\n")
    for way in WAYS:
        with pytest.raises(StaleState, match="edited again"):
            desk.it.resolve_hand_edit(desk.run_id, SPEC, way, "reason")
    assert "edited again since" in verb(desk).text and base(desk, SPEC) == text + "# more\n"


@pytest.mark.full
def test_an_edit_between_decision_and_approval(desk: Desk) -> None:
    """It voids the approval; in the next plan the new edit stands red again, whatever was decided of the old one."""
    text = edited(desk, SPEC, "how: inner", "how: left")
    for way in ("keep", "discard", "take"):
        snapshot = desk.it.resolve_hand_edit(desk.run_id, SPEC, way, "reason")
        text += f"# after {way}\n"
        by_hand(desk, SPEC, text)
        with pytest.raises(ApprovalRefused, match=r"spec\.yml"):
            desk.it.approve(snapshot.approval_id, "Ada")
        assert desk.approval(snapshot.approval_id).state == "void"
        desk.generate()
        (red,) = reds(desk.it.snapshot(desk.run_id))
        assert red.where == SPEC and base(desk, SPEC) == text


def test_nothing_to_decide(desk: Desk) -> None:
    """A path nobody edited, two decisions at once, and a run without a plan are refused in words."""
    assert "found no file" in verb(desk).text
    with pytest.raises(NotFound, match="found no edit"):
        verb(desk, keep=NOTEBOOK)
    with pytest.raises(UsageError, match="One file"):
        verb(desk, keep=NOTEBOOK, take=SPEC)
    with pytest.raises(PipelineMagicError):
        desk.it.resolve_hand_edit("r-none", NOTEBOOK, "keep")
