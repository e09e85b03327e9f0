"""What every code host must do. A new adapter adds its name to the fixture `host` and fulfils the same suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_magic.adapters.localgit import LocalGit
from pipeline_magic.errors import CodeHostError, MergeConflict, NotFound
from pipeline_magic.ports import CodeHost
from pipeline_magic.runs import File, PlanReport, PullRequest
from tests.support.emulate_server import DEVIATIONS, Emulate
from tests.support.github_server import GitHubServer, github_at
from tests.support.trust import change

NOTEBOOK = "pipelines/daily/daily.ipynb"


@pytest.fixture(params=["localgit", "github", "emulate"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CodeHost]:
    """The local repository, and GitHub's adapter over a strict server with real git behind it."""
    if request.param == "localgit":
        yield LocalGit(tmp_path / "repo.git", author="Ada <ada@example.org>")
        return
    if request.param == "emulate":
        name = request.node.originalname
        if name in DEVIATIONS:
            request.applymarker(pytest.mark.xfail(reason=DEVIATIONS[name], strict=True))
        emulate: Emulate = request.getfixturevalue("emulate")
        emulate.reset()
        yield github_at(emulate)
        return
    server = GitHubServer(tmp_path)
    yield github_at(server)
    server.close()


@pytest.fixture(scope="module")
def emulate() -> Iterator[Emulate]:
    """A third party's GitHub, for the whole module."""
    made = Emulate()
    yield made
    made.close()


def files(content: str, path: str = NOTEBOOK) -> tuple[File, ...]:
    return (File(path=path, content=content),)


def merged(host: CodeHost, branch: str, content: str, path: str = NOTEBOOK) -> int:
    number = host.open_pull_request(change(branch, files=files(content, path))).number
    host.merge(number, message=f"Merge {branch}")
    return number


def test_nothing_there(host: CodeHost) -> None:
    """On a fresh repository what does not exist is None, and never an error."""
    assert host.read("a/b.txt") is None
    assert host.read("README.md", ref="no-such-branch") is None
    assert host.last_generated("a/b.txt") is None
    assert host.find_pull_request("no-such-branch") is None
    assert host.identity()


def test_open_writes_one_branch_and_leaves_the_base(host: CodeHost) -> None:
    """Opening puts every byte on the branch, in one pull request, and nothing on the base branch."""
    content = "first\r\nsecond\ttab \u2028 ü 💥\n\n"
    opened = host.open_pull_request(change(files=files(content)))
    assert (opened.state, opened.branch) == ("open", "pipeline/daily/abc")
    assert host.read(NOTEBOOK, ref=opened.branch) == content
    assert host.read(NOTEBOOK) is None
    assert host.find_pull_request(opened.branch) == opened


def test_open_is_idempotent(host: CodeHost) -> None:
    """The same change twice is one pull request."""
    first = host.open_pull_request(change())
    assert host.open_pull_request(change()) == first
    assert host.open_pull_request(change("pipeline/daily/other")).number != first.number


def test_branch_with_other_content_is_refused(host: CodeHost) -> None:
    """A branch that holds something else is neither overwritten nor taken for the change."""
    host.open_pull_request(change())
    with pytest.raises(CodeHostError, match="holds something else"):
        host.open_pull_request(change(files=files("other")))


def test_draft_ready_merge(host: CodeHost) -> None:
    """A draft cannot be merged; ready it can, once, and merging again gives the same commit."""
    opened = host.open_pull_request(change(), draft=True)
    assert opened.state == "draft"
    with pytest.raises(CodeHostError, match="draft"):
        host.merge(opened.number, message="m")
    assert host.mark_ready(opened.number).state == "open"
    done = host.merge(opened.number, message="m")
    assert (done.state, bool(done.merge_commit)) == ("merged", True)
    assert host.merge(opened.number, message="again") == done
    assert host.mark_ready(opened.number) == done
    assert host.read("pipelines/daily/spec.yml") == "name: daily\n"


def test_close_and_open_again(host: CodeHost) -> None:
    """Closed is not mergeable; the same change opened again is the same pull request."""
    opened = host.open_pull_request(change())
    assert host.close_pull_request(opened.number, reason="no").state == "closed"
    assert host.close_pull_request(opened.number, reason="no").state == "closed"
    with pytest.raises(CodeHostError, match="closed"):
        host.merge(opened.number, message="m")
    assert host.open_pull_request(change()) == opened
    host.merge(opened.number, message="m")
    assert host.close_pull_request(opened.number, reason="late").state == "merged"


def test_comments(host: CodeHost) -> None:
    """Comments come back as they were written, oldest first, each key once."""
    number = host.open_pull_request(change()).number
    assert list(host.comments(number)) == []
    for key, body in (("a", "first `1:f`\n\né"), ("b", "second"), ("a", "again")):
        host.comment(number, body, key=key)
    assert list(host.comments(number)) == ["first `1:f`\n\né", "second"]


def said(host: CodeHost, opened: PullRequest, state: str, summary: str, verdict: str = "green") -> PlanReport:
    made = PlanReport(commit=opened.commit, state=state, digest="d" * 64, verdict=verdict, summary=summary)
    assert host.report(opened.number, made) == ""
    return made


def test_a_report_stands_on_the_plans_commit(host: CodeHost) -> None:
    """Digest, verdict and state stand on the head commit; the latest alone; and the same twice is the same."""
    opened = host.open_pull_request(change())
    assert host.reported(opened.number) == ""
    for state, summary, verdict in (
        ("pending", "Waits for approval.", "amber"),
        ("pending", "Waits for approval.", "amber"),
        ("success", "Approved.", "amber"),
        ("failure", "Rejected.", "red"),
        ("pending", "Asked for again.", "green"),
    ):
        made = said(host, opened, state, summary, verdict)
        assert host.reported(opened.number) == f"{state}: {summary} Quality {verdict}. Plan {'d' * 64}"
        assert len(made.text) <= 140
    assert host.find_pull_request(opened.branch) == opened
    host.merge(opened.number, message="m")
    said(host, opened, "success", "Deployed.")
    assert host.reported(opened.number).startswith("success: Deployed.")


def test_a_report_of_another_plan_is_its_own(host: CodeHost) -> None:
    """What is said of one plan's commit says nothing of another's; a longer sentence is cut."""
    one = host.open_pull_request(change("b/one", files=files("1\n")))
    two = host.open_pull_request(change("b/two", files=files("2\n")))
    said(host, one, "failure", "x" * 500)
    assert host.reported(two.number) == "" and host.reported(one.number).endswith("d" * 64)


def test_unknown_number(host: CodeHost) -> None:
    """A number nobody gave is NotFound for every verb."""
    for call in (
        lambda: host.mark_ready(99),
        lambda: host.comment(99, "b", key="k"),
        lambda: host.comments(99),
        lambda: host.merge(99, message="m"),
        lambda: host.close_pull_request(99, reason="r"),
        lambda: host.revert(99, title="t"),
        lambda: host.report(99, PlanReport(commit="c", state="pending", digest="d", verdict="green", summary="s")),
        lambda: host.reported(99),
    ):
        with pytest.raises(NotFound):
            call()


def test_merge_is_three_way(host: CodeHost) -> None:
    """Two changes of different files, both made from the same base, are both there after merging."""
    one = host.open_pull_request(change("b/one", files=files("1\n", "one.txt")))
    two = host.open_pull_request(change("b/two", files=files("2\n", "two.txt")))
    host.merge(one.number, message="one")
    host.merge(two.number, message="two")
    assert (host.read("one.txt"), host.read("two.txt")) == ("1\n", "2\n")


def test_conflict_names_the_paths(host: CodeHost) -> None:
    """Of two changes of one file the second conflicts, by name; the base branch keeps the first."""
    one = host.open_pull_request(change("b/one", files=files("1\n")))
    two = host.open_pull_request(change("b/two", files=(*files("2\n"), *files("fine\n", "fine.txt"))))
    host.merge(one.number, message="one")
    with pytest.raises(MergeConflict) as raised:
        host.merge(two.number, message="two")
    assert NOTEBOOK in raised.value.message and "fine.txt" not in raised.value.message
    assert (host.read(NOTEBOOK), host.read("fine.txt")) == ("1\n", None)
    found = host.find_pull_request("b/two")
    assert found is not None and found.state == "open"


def test_paths_of_a_folder(host: CodeHost) -> None:
    """The files below a folder of the base branch, sorted; of no other folder that begins alike; none of no folder."""
    assert host.paths("pipelines") == ()
    merged(host, "b-1", "one", "pipelines/b/spec.yml")
    merged(host, "b-2", "two", "pipelines/a/spec.yml")
    merged(host, "b-3", "three", "pipelines_old/a/spec.yml")
    assert tuple(host.paths("pipelines")) == ("pipelines/a/spec.yml", "pipelines/b/spec.yml")


def test_last_generated(host: CodeHost) -> None:
    """It is what our last merged change wrote; a change that is only open does not count."""
    host.open_pull_request(change("b/open", files=files("open\n")))
    assert host.last_generated(NOTEBOOK) is None
    host.close_pull_request(1, reason="r")
    merged(host, "b/one", "1\n")
    assert host.last_generated(NOTEBOOK) == "1\n"
    merged(host, "b/two", "2\n")
    merged(host, "b/else", "3\n", "else.txt")
    assert host.last_generated(NOTEBOOK) == "2\n"


def test_revert_gives_back_the_file(host: CodeHost) -> None:
    """An undo is a pull request of its own; merged, the base branch holds what it held before."""
    merged(host, "b/one", "1\n")
    number = merged(host, "b/two", "2\n")
    merged(host, "b/later", "kept\n", "later.txt")
    undo = host.revert(number, title="Undo two")
    assert undo.state == "open" and host.read(NOTEBOOK) == "2\n"
    assert host.revert(number, title="Undo two") == undo
    host.merge(undo.number, message="undo")
    assert (host.read(NOTEBOOK), host.read("later.txt")) == ("1\n", "kept\n")
    assert host.last_generated(NOTEBOOK) == "1\n"


def test_revert_of_a_new_file_removes_it(host: CodeHost) -> None:
    """Undoing the change that added a file takes it away, and it then counts as not ours any more."""
    number = merged(host, "b/one", "1\n")
    host.merge(host.revert(number, title="Undo").number, message="undo")
    assert (host.read(NOTEBOOK), host.last_generated(NOTEBOOK)) == (None, None)


def test_revert_conflict(host: CodeHost) -> None:
    """What was changed again since cannot be undone silently."""
    number = merged(host, "b/one", "1\n")
    merged(host, "b/two", "2\n")
    with pytest.raises(MergeConflict, match=NOTEBOOK):
        host.revert(number, title="Undo")


def test_conflicts_are_known_beforehand(host: CodeHost) -> None:
    """Where an undo would be refused is said by asking, which opens nothing; nothing stands against it elsewhere."""
    number = merged(host, "b/one", "1\n")
    assert list(host.revert_conflicts(number)) == []
    merged(host, "b/two", "2\n")
    assert list(host.revert_conflicts(number)) == [NOTEBOOK]
    assert host.find_pull_request(f"revert-{number}-b/one") is None


def test_changed_files(host: CodeHost) -> None:
    """What a pull request changes is the same before and after the merge, whatever else was merged meanwhile."""
    both = (*files("1\n"), *files("x\n", "other.txt"))
    number = host.open_pull_request(change("b/one", files=both)).number
    merged(host, "b/else", "2\n", "else.txt")
    assert list(host.changed(number)) == ["other.txt", NOTEBOOK]
    host.merge(number, message="m")
    merged(host, "b/later", "3\n", "later.txt")
    assert list(host.changed(number)) == ["other.txt", NOTEBOOK]


def test_only_merged_can_be_undone(host: CodeHost) -> None:
    """There is nothing to undo before the merge."""
    opened = host.open_pull_request(change())
    with pytest.raises(CodeHostError, match="not merged"):
        host.revert(opened.number, title="Undo")


def test_same_change_after_its_undo(host: CodeHost) -> None:
    """A change that was undone can be made once more, by the same branch; and undone once more."""
    first = host.open_pull_request(change("b/one", files=files("1\n")))
    host.merge(first.number, message="m")
    host.merge(host.revert(first.number, title="Undo").number, message="undo")
    again = host.open_pull_request(change("b/one", files=files("1\n")))
    assert again.number > first.number and again.state == "open"
    assert host.open_pull_request(change("b/one", files=files("1\n"))) == again
    host.merge(again.number, message="again")
    assert host.read(NOTEBOOK) == "1\n"
    host.merge(host.revert(again.number, title="Undo").number, message="undo")
    assert host.read(NOTEBOOK) is None


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a//b", ".git/config", "a/.GIT/x", "a\\b", "a\nb", "", "a/./b"])
def test_paths_stay_inside(host: CodeHost, path: str) -> None:
    """A path that leaves the repository is refused for reading and for writing."""
    with pytest.raises(CodeHostError, match="not a path"):
        host.read(path)
    with pytest.raises(CodeHostError, match="not a path"):
        host.open_pull_request(change(files=files("x", path)))


@pytest.mark.parametrize("branch", ["-x", "a..b", "main", "a b", "a~1", "", "x.lock", "a//b", "a/.b", "a\n"])
def test_branches_are_plain(host: CodeHost, branch: str) -> None:
    """A branch name that git or a shell could misread, or the base branch itself, is refused."""
    with pytest.raises(CodeHostError):
        host.open_pull_request(change(branch))


def test_an_app_is_itself(emulate: Emulate) -> None:
    """A GitHub App finds its installation by the repository, reads, and is known as a bot; a token is made for it.

    What it writes cannot be tried: emulate takes the Git Data API's writes from users alone.
    """
    from pipeline_magic.adapters.github.auth import app_of
    from tests.support.github_server import FULL

    emulate.reset()
    auth, login = app_of(FULL, "12345", emulate.app_key, base_url=emulate.url)
    host = github_at(emulate, auth=auth, app=login)
    assert (login, host.identity()) == ("our-app[bot]", "our-app[bot]")
    assert host.read("README.md")
    with pytest.raises(CodeHostError, match="may not do this"):
        host.open_pull_request(change())


def test_check_runs_over_a_third_party(emulate: Emulate) -> None:
    """Where an App acts, how the plan stands is a check run; later words are in its place.

    emulate takes check runs from users, which GitHub does not, and from no App, which GitHub does.
    """
    emulate.reset()
    host = github_at(emulate, app="our-app[bot]")
    opened = host.open_pull_request(change())
    for state, summary in (("pending", "Waits."), ("pending", "Waits."), ("success", "Approved."), ("pending", "New.")):
        said(host, opened, state, summary)
        assert host.reported(opened.number) == f"{state}: {summary} Quality green. Plan {'d' * 64}"


def test_a_key_that_is_none() -> None:
    """A wrong private key is a clear error that does not hold it."""
    from pipeline_magic.adapters.github.auth import app_of
    from pipeline_magic.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match="private key") as raised:
        app_of("acme/pipelines", "1", "-----BEGIN secret-words-----")
    assert "secret-words" not in str(raised.value)
