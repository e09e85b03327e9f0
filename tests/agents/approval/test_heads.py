"""The audit's head outside the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic.adapters.database import Database
from pipeline_magic.agents.approval import heads as heads_module
from pipeline_magic.agents.approval.audit import verify
from pipeline_magic.agents.approval.heads import gather
from pipeline_magic.errors import NotFound
from pipeline_magic.runs import PullRequest
from tests.support.trust import AT, deployment

TAG = "head"


class World:
    """A deployer and a code host with these tags and comments."""

    def __init__(self, tags: dict[str, Any], comments: dict[int, list[str]]) -> None:
        self.tags, self.said = tags, comments

    def settings(self, deployment_id: str) -> dict[str, Any]:
        if deployment_id not in self.tags:
            raise NotFound("no such job")
        return {"tags": {TAG: self.tags[deployment_id]}}

    def comments(self, number: int) -> Sequence[str]:
        if number not in self.said:
            raise NotFound("no such pull request")
        return self.said[number]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    opened = Database(str(tmp_path / "s.db"))
    for number in range(6):
        opened.append_audit(at=AT, run_id="r-1", event=f"e{number}", identity="ada")
    for number in (1, 2, 3):
        request = PullRequest(number=number, url="u", branch="b", state="merged")
        made = deployment(id=f"job-{number}", run_id=f"r-{number}", pull_request=request)
        opened.save_deployment(made, expected_state=None)
    yield opened
    opened.close()


def _found(store: Database, world: World) -> tuple[str, ...]:
    heads, unreadable = gather(store, world, world, TAG)  # type: ignore[arg-type]
    return (*unreadable, *verify(store.audit_stream(), heads))


def test_heads_of_jobs_and_pull_requests(store: Database) -> None:
    """Tags and comments are read, each once; a job or pull request that is gone takes its head with it."""
    entries = store.audit()
    world = World(
        {"job-1": f"3:{entries[2].hash}", "job-2": "3:zz"},
        {1: ["Fine.", f"Approved.\n\nAudit head `4:{entries[3].hash}`"], 2: ["Audit head `x`", "see Audit head `9:9`"]},
    )
    heads, unreadable = gather(store, world, world, TAG)  # type: ignore[arg-type]
    assert [(head.seq, head.where) for head in heads[1:]] == [
        (3, "a tag of job-1"),
        (4, "a comment of pull request 1"),
    ]
    assert [text.partition(":")[0] for text in unreadable] == ["A tag of job-2", "A comment of pull request 2"]
    assert verify(entries, heads) == ()


@pytest.mark.parametrize("where", ["tag", "comment"])
def test_what_the_store_alone_cannot_show(store: Database, where: str) -> None:
    """Who cuts off the tail, or hashes the chain anew, and mends the store's own note too, is found by either head."""
    last = store.audit()[-1]
    head = f"{last.seq}:{last.hash}"
    world = World({"job-1": head}, {}) if where == "tag" else World({}, {1: [f"Audit head `{head}`"]})
    assert _found(store, world) == ()
    with store._db.write() as connection:
        connection.exec_driver_sql("DELETE FROM pm_audit WHERE seq > 4")
        row = connection.exec_driver_sql("SELECT seq, hash FROM pm_audit WHERE seq = 4").one()
        connection.exec_driver_sql(f"UPDATE pm_audit_head SET seq = {row.seq}, hash = '{row.hash}'")
    (problem,) = _found(store, world)
    assert problem.startswith("The audit ends at entry 4, and a ") and problem.endswith("its tail was cut off.")
    for _ in range(2):
        store.append_audit(at=AT, run_id="r-1", event="forged", identity="eve")
    (problem,) = _found(store, world)
    assert problem.startswith("Entry 6 is not the one that a ") and problem.endswith("hashed anew.")


def test_of_very_many_pull_requests_the_newest_are_read(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest head speaks for all before it; a code host is not asked for thousands of pull requests."""
    monkeypatch.setattr(heads_module, "PULL_REQUESTS", 2)
    asked: list[int] = []

    class Asked(World):
        def comments(self, number: int) -> Sequence[str]:
            asked.append(number)
            return super().comments(number)

    last = store.audit()[-1]
    world = Asked({}, {3: [f"Audit head `{last.seq}:{last.hash}`"]})
    heads, _ = gather(store, world, world, TAG)  # type: ignore[arg-type]
    assert asked == [3, 2] and [head.seq for head in heads] == [6, 6]
