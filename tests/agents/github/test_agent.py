"""GitHubAgent over the local code host: prepare, hand edits, open to undo, and the decision under the pull request."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline_magic.adapters.localgit import LocalGit
from pipeline_magic.agents.approval.digest import plan_digest
from pipeline_magic.agents.github import GitHubAgent
from pipeline_magic.agents.github.hand_edits import finding_id
from pipeline_magic.errors import HandEditFound
from pipeline_magic.redact import MASK
from pipeline_magic.runs import Change, Decision, File, Plan, QualityReport
from pipeline_magic.spec.provenance import Provenance
from tests.support.trust import AT, approval, change, plan

PATH = "pipelines/daily/daily.ipynb"
TOKEN = "ghp_" + "a1" * 18


@pytest.fixture
def host(tmp_path: Path) -> LocalGit:
    return LocalGit(tmp_path / "repo.git")


@pytest.fixture
def agent(host: LocalGit) -> GitHubAgent:
    return GitHubAgent(host)


def prepare(agent: GitHubAgent, made: Plan | None = None, summary: str = "Copies orders.") -> Change:
    made = made or plan()
    return agent.prepare(
        made, digest=plan_digest(made), summary=summary, provenance=Provenance(), questions=(), quality=QualityReport()
    )


def put(host: LocalGit, content: str | None, path: str = PATH) -> None:
    """What a person does to the base branch, past us."""
    git = host._git
    base = git.resolve("refs/heads/main")
    assert base is not None
    if content is None:
        listed = [line for line in git.text("ls-tree", "-r", base).splitlines() if not line.endswith(f"\t{path}")]
        tree = git.text("mktree", data=b"") if not listed else git.tree("", {"README.md": b"x"})
    else:
        tree = git.tree(base, {path: content.encode()})
    who = {f"GIT_{role}_{key}": "bob" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
    git.move("refs/heads/main", git.commit(tree, [base], "By hand\n", who), base, "push")


def test_prepare(agent: GitHubAgent, host: LocalGit) -> None:
    """The change carries the plan's files to a branch named by the digest, and nothing is written."""
    made = prepare(agent)
    assert made.branch == f"pipeline/daily/{plan_digest(plan())[:12]}"
    assert (made.base, made.title, made.files) == ("main", "Add pipeline daily", plan().files)
    assert plan_digest(plan()) in made.body
    assert prepare(agent) == made
    assert host.find_pull_request(made.branch) is None
    assert prepare(agent, plan(base_files={PATH: "ff"})).title == "Change pipeline daily"


def test_no_secret_in_the_body(agent: GitHubAgent) -> None:
    """A token in a comment of the catalog does not reach the pull request; the files stay what was approved."""
    files = (File(path=PATH, content=TOKEN),)
    made = prepare(agent, plan(files=files), summary=f"uses {TOKEN} and {TOKEN[:9]}\u200b{TOKEN[9:]}")
    assert "a1a1a1a1" not in made.body and made.body.count("redacted") == 2
    assert made.files == files


def test_whole_way(agent: GitHubAgent, host: LocalGit) -> None:
    """Draft, ready, decided, merged, undone: each once, however often it is asked for."""
    made = prepare(agent)
    for _ in range(2):
        opened = agent.open(made, draft=True)
        assert opened.state == "draft"
    agent.ready(opened.number)
    decision = Decision(verb="approve", identity="bob", name="Bob <b>", comment=f"ok {TOKEN} @all", at=AT, digest="d")
    approved = approval(state="approved", decisions=(decision,))
    for _ in range(2):
        agent.comment_decision(opened.number, approved, audit_head="7:" + "a" * 64)
        merged = agent.merge(agent.ready(opened.number))
    assert merged.state == "merged"
    (record,) = host.pull_requests()
    (comment,) = record.comments
    assert "Approved by `bob` (Bob \\<b\\>)" in comment.body and "Audit head `7:aaaa" in comment.body
    assert "a1a1a1a1" not in comment.body and "@all" not in comment.body and "redacted" in comment.body
    undo = agent.revert(merged.number, "daily")
    agent.merge(undo)
    assert host.read(PATH) is None


def test_nothing_decided_says_nothing(agent: GitHubAgent, host: LocalGit) -> None:
    """Without a decision there is no comment."""
    opened = agent.open(change())
    agent.comment_decision(opened.number, approval())
    assert host.pull_requests()[0].comments == ()


def test_close(agent: GitHubAgent, host: LocalGit) -> None:
    """Closing says why, once, without secrets."""
    opened = agent.open(change())
    for _ in range(2):
        assert agent.close(opened.number, f"Rejected: {TOKEN}").state == "closed"
    (record,) = host.pull_requests()
    assert len(record.comments) == 1
    assert record.closed_because == f"Rejected: {MASK}" and TOKEN not in record.comments[0].body


def write(agent: GitHubAgent, content: str, branch: str = "b/1") -> None:
    agent.merge(agent.open(change(branch, files=(File(path=PATH, content=content),))))


def test_no_hand_edit(agent: GitHubAgent, host: LocalGit) -> None:
    """A new file, our own last one, and what we are about to write anyway are no hand edits."""
    files = (File(path=PATH, content="new\n"),)
    assert agent.hand_edits(files) == ()
    write(agent, "old\n")
    assert agent.hand_edits(files) == ()
    put(host, "new\n")
    assert agent.hand_edits(files) == ()
    agent.require_no_hand_edits(files)


@pytest.mark.parametrize(
    ("content", "said"), [("old\nby hand\n", "edited by hand"), ("", "edited by hand"), (None, "removed by hand")]
)
def test_hand_edit(agent: GitHubAgent, host: LocalGit, content: str | None, said: str) -> None:
    """An edit, an emptied file and a removed one are red findings, and refuse with the difference."""
    write(agent, "old\n")
    put(host, content)
    files = (File(path=PATH, content="new\n"),)
    (finding,) = agent.hand_edits(files)
    assert (finding.id, finding.severity, finding.where) == (finding_id(PATH, host.read(PATH)), "red", PATH)
    assert said in finding.message
    with pytest.raises(HandEditFound) as raised:
        agent.require_no_hand_edits(files)
    assert ("+by hand" if content else "-old") in raised.value.message
    agent.require_no_hand_edits(files, waived=[finding.id])


def test_file_of_others(agent: GitHubAgent, host: LocalGit) -> None:
    """A file at our path that we never wrote is not taken over."""
    host.read(PATH)
    put(host, "theirs\n")
    (finding,) = agent.hand_edits((File(path=PATH, content="new\n"),))
    assert "was not written by pipeline_magic" in finding.message


def test_our_own_undo_is_no_hand_edit(agent: GitHubAgent, host: LocalGit) -> None:
    """After an undo through us the base branch is as we left it."""
    write(agent, "old\n")
    merged = agent.open(change("b/2", files=(File(path=PATH, content="bad\n"),)))
    agent.merge(merged)
    agent.merge(agent.revert(merged.number, "daily"))
    assert host.read(PATH) == "old\n"
    assert agent.hand_edits((File(path=PATH, content="new\n"),)) == ()


def test_long_difference_is_bounded(agent: GitHubAgent, host: LocalGit) -> None:
    """A rewritten file does not make an endless error."""
    write(agent, "old\n" * 1000)
    put(host, "".join(f"{number} {'x' * 500}\n" for number in range(1000)))
    with pytest.raises(HandEditFound) as raised:
        agent.require_no_hand_edits((File(path=PATH, content="new\n"),))
    assert len(raised.value.message) < 10_000 and "more lines" in raised.value.message
