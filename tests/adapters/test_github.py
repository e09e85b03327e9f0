"""GitHub's adapter: what the contract suite cannot ask of every code host. The server is strict, and git is real."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_magic.errors import CodeHostError, MergeConflict, NotFound, PipelineMagicError
from pipeline_magic.runs import File, PlanReport, PullRequest
from tests.support.github_server import Fault, GitHubServer, github_at
from tests.support.trust import change

SHARDS = 5
NOTEBOOK = "pipelines/daily/daily.ipynb"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitHubServer]:
    made = GitHubServer(tmp_path)
    yield made
    made.close()


def files(content: str, path: str = NOTEBOOK) -> tuple[File, ...]:
    return (File(path=path, content=content),)


# --- who asks --------------------------------------------------------------------------------------------------------


def test_a_wrong_token(server: GitHubServer) -> None:
    """401 says that the token is not accepted and what to do, and does not hold the token."""
    host = github_at(server, "ghp_wrongwrongwrong")
    with pytest.raises(CodeHostError, match=r"does not accept the token.*\n.*\n.*GITHUB_TOKEN") as raised:
        host.read("README.md")
    shown = "".join(traceback.format_exception(raised.value)) + repr(host) + repr(vars(host))
    assert "ghp_wrong" not in shown


def test_a_token_that_may_only_read(server: GitHubServer) -> None:
    """It reads; what it may not write is said with the permissions that GitHub names, and nothing was written."""
    host = github_at(server, "read-token")
    assert host.read("README.md") == "# Pipelines\n"
    with pytest.raises(CodeHostError, match="pull_requests=write"):
        host.open_pull_request(change())
    assert server.pulls == {} and server.resolve("pipeline/daily/abc") is None


def test_no_such_repository(server: GitHubServer) -> None:
    """A repository that the token cannot see is an error, and never a file that is not there."""
    from github import Auth

    from pipeline_magic.adapters.github import GitHub

    host = GitHub("acme/elsewhere", Auth.Token("good-token"), base_url=server.url, sleep=lambda seconds: None)
    with pytest.raises(NotFound, match="GITHUB_REPO"):
        host.read("README.md")


@pytest.mark.parametrize("name", ["pipelines", "a/b/c", "/x", "x/", ""])
def test_a_repository_is_owner_and_name(server: GitHubServer, name: str) -> None:
    """Anything else is refused before anything is asked."""
    from github import Auth

    from pipeline_magic.adapters.github import GitHub

    with pytest.raises(CodeHostError, match="owner/name"):
        GitHub(name, Auth.Token("t"), base_url=server.url)


def test_identity_is_the_user_of_the_token(server: GitHubServer) -> None:
    """Two tokens are two people; an app is itself."""
    assert (github_at(server).identity(), github_at(server, "other-token").identity()) == ("ada", "bob")
    assert github_at(server, app="our-app[bot]").identity() == "our-app[bot]"


def test_nobody_there(server: GitHubServer) -> None:
    """A server that does not answer is said with its address, after a bounded number of attempts."""
    waits: list[float] = []
    host = github_at(server, sleep=waits.append)
    server.close()
    with pytest.raises(CodeHostError, match="could not be reached") as raised:
        host.read("README.md")
    assert server.url in str(raised.value) and len(waits) == 4


def test_an_enterprise_address(tmp_path: Path) -> None:
    """The address of an Enterprise Server has a path before every call, GraphQL's among them."""
    server = GitHubServer(tmp_path, enterprise=True)
    host = github_at(server)
    opened = host.open_pull_request(change(), draft=True)
    assert host.mark_ready(opened.number).state == "open"
    assert host.merge(opened.number, message="m").state == "merged"
    server.close()


# --- what stands there -----------------------------------------------------------------------------------------------


def test_big_files_and_many(server: GitHubServer) -> None:
    """Files over a megabyte come whole, and lists come with all their pages."""
    big = "x" * 1_500_000
    server.push("main", {"big.txt": big.encode(), **{f"many/{n:03}.txt": b"1" for n in range(7)}})
    server.page = 2
    host = github_at(server)
    assert host.read("big.txt") == big and len(host.paths("many")) == 7
    for number in range(5):
        host.open_pull_request(change(f"b/{number}", files=files(str(number), f"{number}.txt")))
    found = host.find_pull_request("b/0")
    assert found is not None and found.number == 1
    for number in range(5):
        host.comment(1, f"comment {number}", key=f"k{number}")
    host.comment(1, "comment 0", key="k0")
    assert len(server.comments[1]) == 5 and host.comments(1)[4] == "comment 4"


def test_labels_and_reviewers(server: GitHubServer) -> None:
    """They are asked for; one who cannot be asked is said in a comment, and stops nothing."""
    host = github_at(server, labels=("pipeline",), reviewers=("bob", "team/data", "ada"))
    host.open_pull_request(change())
    assert server.labels[1] == ["pipeline"] and server.asked[1] == ["bob", "team/data"]
    github_at(server, reviewers=("nobody",)).open_pull_request(change("b/two", files=files("2\n")))
    assert "collaborators" in server.comments[2][0]["body"]


def test_the_text_is_brought_up_to_date(server: GitHubServer) -> None:
    """The same change with another body is the same pull request with that body."""
    host = github_at(server)
    first = host.open_pull_request(change())
    assert host.open_pull_request(change(body="other")) == first
    assert server.pulls[1]["body"] == "other" and len(server.pulls) == 1


def test_no_drafts_here(server: GitHubServer) -> None:
    """A repository without draft pull requests is said with the setting that helps."""
    server.drafts = False
    with pytest.raises(CodeHostError, match=r"(?s)not supported.*open_pull_request"):
        github_at(server).open_pull_request(change(), draft=True)


def test_a_closed_one_whose_branch_is_gone(server: GitHubServer) -> None:
    """The branch comes back to the commit that was reviewed, and the pull request is opened again."""
    host = github_at(server)
    opened = host.open_pull_request(change())
    host.close_pull_request(opened.number, reason="r")
    server.git("update-ref", "-d", f"refs/heads/{opened.branch}")
    assert host.open_pull_request(change()) == opened
    assert server.resolve(opened.branch) == opened.commit


# --- merging ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_methods_of_merging(server: GitHubServer, method: str) -> None:
    """By each, what we wrote is found again, and undoing it gives back what was there."""
    host = github_at(server, method=method)
    host.merge(host.open_pull_request(change("b/one", files=files("1\n"))).number, message="one")
    two = host.open_pull_request(change("b/two", files=(*files("2\n"), *files("new\n", "new.txt"))))
    host.merge(two.number, message="two")
    assert host.last_generated(NOTEBOOK) == "2\n"
    server.push("main", {"by-hand.txt": b"kept\n"})
    assert host.revert_conflicts(two.number) == ()
    host.merge(host.revert(two.number, title="Undo").number, message="undo")
    assert (host.read(NOTEBOOK), host.read("new.txt"), host.read("by-hand.txt")) == ("1\n", None, "kept\n")


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_what_an_undoing_brings_back_need_not_be_ours(server: GitHubServer, method: str) -> None:
    """An edit by hand that was overwritten and comes back is still by hand; what we wrote before is ours again."""
    host = github_at(server, method=method)
    host.merge(host.open_pull_request(change("b/one", files=files("1\n"))).number, message="one")
    server.push("main", {NOTEBOOK: b"by hand\n"})
    two = host.open_pull_request(change("b/two", files=files("2\n")))
    host.merge(two.number, message="two")
    host.merge(host.revert(two.number, title="Undo").number, message="undo")
    assert (host.read(NOTEBOOK), host.last_generated(NOTEBOOK)) == ("by hand\n", "2\n")
    three = host.open_pull_request(change("b/three", files=files("1\n")))
    host.merge(three.number, message="three")
    assert host.last_generated(NOTEBOOK) == "1\n"


def test_a_method_that_is_not_allowed(server: GitHubServer) -> None:
    """It is said, with the method."""
    server.methods = {"squash"}
    host = github_at(server)
    opened = host.open_pull_request(change())
    with pytest.raises(CodeHostError, match=r"(?s)not allowed.*`merge`"):
        host.merge(opened.number, message="m")


def test_rules_of_the_base_branch(server: GitHubServer) -> None:
    """What is missing is said: the check and the review by name; once there, it is merged."""
    server.required_checks, server.required_reviews = ("tests",), 1
    host = github_at(server)
    opened = host.open_pull_request(change())
    server.checks[opened.commit] = [{"id": 1, "name": "tests", "status": "in_progress", "conclusion": None}]
    with pytest.raises(CodeHostError, match=r"check `tests` is in_progress; nobody has approved it"):
        host.merge(opened.number, message="m")
    assert host.find_pull_request(opened.branch).checks == "pending"
    server.checks[opened.commit][0].update(status="completed", conclusion="failure")
    assert host.find_pull_request(opened.branch).checks == "failed"
    server.checks[opened.commit][0].update(status="completed", conclusion="success")
    server.reviews[1] = [{"id": 1, "state": "APPROVED", "user": {"login": "bob"}}]
    assert host.merge(opened.number, message="m").state == "merged"


def test_somebody_pushed_on_the_branch(server: GitHubServer) -> None:
    """What was not reviewed is not merged."""
    host = github_at(server)
    opened = host.open_pull_request(change())
    server.push(opened.branch, {"evil.py": b"import os\n"})
    with pytest.raises(CodeHostError, match="not what was reviewed"):
        host.merge(opened.number, message="m")
    assert host.read("evil.py") is None


def test_a_branch_is_removed_after_merging(server: GitHubServer) -> None:
    """Where that is asked for; again is no error, and the pull request can still be undone."""
    host = github_at(server, delete_branch=True)
    opened = host.open_pull_request(change())
    merged = host.merge(opened.number, message="m")
    assert server.git("for-each-ref", "refs/heads/pipeline") == ""
    assert host.merge(opened.number, message="m") == merged
    assert host.revert(opened.number, title="Undo").state == "open"


def test_a_conflict_of_undoing_is_known_before(server: GitHubServer) -> None:
    """The paths are named without anything being written."""
    host = github_at(server)
    one = host.open_pull_request(change("b/one", files=files("1\n")))
    host.merge(one.number, message="one")
    server.push("main", {NOTEBOOK: b"by hand\n"})
    assert host.revert_conflicts(one.number) == (NOTEBOOK,)
    with pytest.raises(MergeConflict, match=NOTEBOOK):
        host.revert(one.number, title="Undo")
    assert len(server.pulls) == 1


# --- what is said of a plan ------------------------------------------------------------------------------------------


def report_of(opened: PullRequest, state: str, summary: str = "Waits for approval.") -> PlanReport:
    return PlanReport(commit=opened.commit, state=state, digest="d" * 64, verdict="green", summary=summary)


def test_a_status_is_written_once(server: GitHubServer) -> None:
    """A token writes commit statuses of one context; the same words again write nothing."""
    host = github_at(server)
    opened = host.open_pull_request(change())
    for state in ("pending", "pending", "success", "success"):
        assert host.report(opened.number, report_of(opened, state)) == ""
    assert [one["state"] for one in server.said] == ["pending", "success"]
    assert {one["context"] for one in server.said} == {"pipeline_magic/plan"} and server.checks == {}


def test_an_app_writes_a_check_run(server: GitHubServer) -> None:
    """An App writes check runs: one that goes on is changed, one that has ended is followed by a new one."""
    host = github_at(server, "app-token", app="our-app[bot]")
    opened = host.open_pull_request(change())
    for state in ("pending", "pending", "success", "failure", "failure", "pending", "success"):
        assert host.report(opened.number, report_of(opened, state)) == ""
        assert host.reported(opened.number).startswith(f"{state}: ")
    runs = server.checks[opened.commit]
    assert [run["conclusion"] for run in runs] == ["failure", "success"] and server.said == []
    assert {(run["name"], run["external_id"]) for run in runs} == {("pipeline_magic/plan", "d" * 64)}
    assert [one.name for one in host._access.repo.get_commit(opened.commit).get_check_runs()] == ["pipeline_magic/plan"]


@pytest.mark.parametrize(
    ("token", "app", "part", "needed"),
    [
        ("good-token", "", "statuses", "Commit statuses: read and write"),
        ("app-token", "our-app[bot]", "check-runs", "Checks: read and write"),
    ],
)
def test_a_missing_scope_is_said(server: GitHubServer, token: str, app: str, part: str, needed: str) -> None:
    """Who may not write it is told which permission is missing; nothing else is refused for it."""
    host = github_at(server, token, app=app)
    server.lacking[server.users[token]] = part
    opened = host.open_pull_request(change())
    assert needed in host.report(opened.number, report_of(opened, "success"))
    assert host.reported(opened.number) == "" and host.merge(opened.number, message="m").state == "merged"


def test_a_required_report(server: GitHubServer) -> None:
    """A rule of the branch may ask for it: then nobody merges what is not approved."""
    server.required_checks = ("pipeline_magic/plan",)
    host = github_at(server)
    opened = host.open_pull_request(change())
    host.report(opened.number, report_of(opened, "pending"))
    with pytest.raises(CodeHostError, match=r"status `pipeline_magic/plan` is pending"):
        host.merge(opened.number, message="m")
    host.report(opened.number, report_of(opened, "success", "Approved."))
    assert host.merge(opened.number, message="m").state == "merged"


def test_a_commit_of_somebody_else_is_not_reported(server: GitHubServer) -> None:
    """What is pushed on top of the plan has no report: a rule that asks for it then lets nobody merge it."""
    server.required_checks = ("pipeline_magic/plan",)
    host = github_at(server)
    opened = host.open_pull_request(change())
    head = server.push(opened.branch, {"evil.py": b"import os\n"})
    host.report(opened.number, report_of(opened, "success", "Approved."))
    assert host.reported(opened.number) == "" and head not in server.statuses
    assert server._missing({**server.pulls[1], "sha": head})


# --- faults ----------------------------------------------------------------------------------------------------------


def flow(server: GitHubServer) -> None:
    """Everything the product asks for, from a draft to the merged undoing."""
    host = github_at(server, labels=("pipeline",), reviewers=("bob",), timeout=1.0)
    assert host.read(NOTEBOOK) is None and host.paths("pipelines") == ()
    wanted = change(files=files("1\n"))
    opened = host.open_pull_request(wanted, draft=True)
    host.mark_ready(opened.number)
    host.comment(opened.number, "approved", key="decision")
    assert host.report(opened.number, report_of(opened, "success", "Approved.")) == ""
    host.merge(opened.number, message="merge it")
    assert host.last_generated(NOTEBOOK) == "1\n"
    undo = host.revert(opened.number, title="Undo")
    host.merge(undo.number, message="undo it")
    assert host.read(NOTEBOOK) is None


def expect_once(server: GitHubServer) -> None:
    """One pull request and one undoing, both merged; one comment; the base branch moved twice."""
    assert [(one["head"], bool(one["merged_at"])) for one in server.pulls.values()] == [
        ("pipeline/daily/abc", True),
        ("revert-1-pipeline/daily/abc", True),
    ]
    assert {one["state"] for one in server.said} == {"success"} and len(server.statuses) == 1
    assert len(server.comments[1]) == 1 and server.labels[1] == ["pipeline"]
    assert server.git("rev-list", "--count", "--first-parent", "main") == "3"


def _requests_of_the_flow(folder: Path) -> int:
    server = GitHubServer(folder)
    try:
        flow(server)
        return len(server.requests)
    finally:
        server.close()


@pytest.mark.parametrize("kind", Fault.KINDS)
@pytest.mark.parametrize("part", [0.1, 0.35, 0.55, 0.8])
def test_one_fault(server: GitHubServer, tmp_path: Path, kind: str, part: float) -> None:
    """Whatever goes wrong with one request, the flow ends with everything done once."""
    run_with_fault(server, kind, 1 + round(part * 79))


@pytest.mark.full
@pytest.mark.parametrize("kind", Fault.KINDS)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_fault(tmp_path: Path, kind: str, shard: int) -> None:
    """The same for every request of the flow, one after the other; a part of them in each test."""
    (tmp_path / "count").mkdir()
    count = _requests_of_the_flow(tmp_path / "count")
    for after in range(1 + shard, count + 1, SHARDS):
        folder = tmp_path / str(after)
        folder.mkdir()
        server = GitHubServer(folder)
        try:
            run_with_fault(server, kind, after)
        finally:
            server.close()
    print(f"{count} requests, {kind} at each")


def run_with_fault(server: GitHubServer, kind: str, after: int) -> None:
    server.late = 1.2
    server.faults.append(Fault(kind, after=after))
    flow(server)
    expect_once(server)


def test_a_limit_that_lasts_is_said(server: GitHubServer) -> None:
    """Seven answers of 429: the call gives up in bounded time, says so, and another call ends the work."""
    server.faults += [Fault("429", after=10) for _ in range(7)]
    with pytest.raises(PipelineMagicError, match=r"rate limit|answered 429"):
        flow(server)
    flow(server)
    expect_once(server)
