"""The start of an update is done once, whatever becomes of its answer; whose update goes on is told apart."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from pipeline_magic.adapters.databricks.calls import Calls
from pipeline_magic.adapters.databricks.updates import NotAllowed, Updates
from pipeline_magic.errors import Cancelled, DeploymentError
from tests.adapters.databricks.conftest import Site
from tests.support.databricks_server import Refusal
from tests.support.databricks_server.pipelines import Outcome, Pipeline, Pipelines


@dataclass
class Lake:
    """One pipeline, and what happens at each pause."""

    site: Site
    room: Pipelines
    made: Pipeline
    stop: threading.Event = field(default_factory=threading.Event)
    pause: Callable[[], object] = lambda: None

    def updates(self, token: str = "good-token") -> Updates:
        def sleep(seconds: float) -> None:
            self.pause()

        def wait(event: threading.Event, seconds: float) -> None:
            self.pause()

        client = self.site.client(token)
        calls = Calls(client, "here", error=DeploymentError, denied=NotAllowed, sleep=sleep)
        return Updates(calls, wait=wait, clock=lambda: 0.0)

    def start(self, before: str = "", token: str = "good-token") -> str:
        return self.updates(token).start(self.made.id, before=before, stop=self.stop, deadline=60.0)

    def finish(self) -> None:
        """Let what goes on come to its end."""
        while self.made.active:
            self.room._go_on(self.made)


@pytest.fixture
def lake(site: Site) -> Iterator[Lake]:
    room = Pipelines(site.world)
    site.server.add(room)
    site.client().pipelines.create(name="p", catalog="shop", schema="sales")
    [made] = room.pipelines.values()
    yield Lake(site, room, made)


def test_a_start_whose_answer_is_lost(lake: Lake) -> None:
    """It is found again, also where its update has ended meanwhile, and is not done twice."""
    for kind in ("lost", "truncated"):
        before = lake.updates().newest(lake.made.id)
        count = len(lake.made.updates)
        lake.pause = lake.finish
        lake.site.fault(kind, path="/updates$", after=1)
        assert lake.start(before) == lake.made.updates[0].id
        assert len(lake.made.updates) == count + 1 and lake.made.updates[0].state == "COMPLETED"


def test_a_start_that_is_delivered_twice(lake: Lake) -> None:
    """The second is refused since the first goes on; that is ours, and it is not waited for."""
    lake.site.fault("twice", path="/updates$")
    assert lake.start() == lake.made.updates[0].id and len(lake.made.updates) == 1
    assert lake.made.active is not None


def test_a_start_that_was_not_taken(lake: Lake) -> None:
    """Where no update is there it is started again; after the third failure the error stands."""
    lake.site.fault("500", path="/updates$")
    assert lake.start() == lake.made.updates[0].id
    lake.finish()
    lake.site.server.refuse["POST", "/updates$"] = Refusal(500, "INTERNAL_ERROR", "down")
    with pytest.raises(DeploymentError, match="500"):
        lake.start(lake.made.updates[0].id)
    assert len(lake.made.updates) == 1


def test_an_update_of_somebody_else(lake: Lake) -> None:
    """One that goes on already is waited for, and is not taken for ours; nor is one that a person begins meanwhile."""
    theirs = lake.room._begin(lake.made, "USER_ACTION", {})
    mine = lake.start()
    assert theirs.state == "COMPLETED" and mine == lake.made.updates[0].id != theirs.id
    lake.finish()
    lake.room._begin(lake.made, "JOB_TASK", {})
    lake.site.fault("lost", path="/updates$")
    again = lake.start(mine)
    assert [one.cause for one in lake.made.updates] == ["API_CALL", "JOB_TASK", "API_CALL", "USER_ACTION"]
    assert again == lake.made.updates[0].id


def test_an_update_of_somebody_else_is_not_stopped(lake: Lake) -> None:
    """Who stops waiting for another's update leaves it alone."""
    lake.room.does = lambda pipeline, update: Outcome(endless=True)
    theirs = lake.room._begin(lake.made, "USER_ACTION", {})
    lake.pause = lake.stop.set
    with pytest.raises(Cancelled):
        lake.start()
    assert not theirs.stopping and len(lake.made.updates) == 1


def test_not_allowed(lake: Lake) -> None:
    """A missing permission is told at once, and not tried again."""
    lake.made.grants["user_name", "eve@acme.test"] = "CAN_VIEW"
    with pytest.raises(NotAllowed, match="CAN_RUN"):
        lake.start(token="eve-token")
    assert lake.site.asked("/updates") == 1


def test_refused(lake: Lake) -> None:
    """A start that is refused for another reason says which."""
    lake.site.server.refuse["POST", "/updates$"] = Refusal(400, "INVALID_PARAMETER_VALUE", "No libraries.")
    with pytest.raises(DeploymentError, match=r"cannot be started: No libraries\."):
        lake.start()


def test_gone_while_it_is_followed(lake: Lake) -> None:
    """An update whose pipeline was removed is told as such."""
    update = lake.start()
    lake.pause = lake.room.pipelines.clear
    with pytest.raises(DeploymentError, match="is gone"):
        lake.updates().follow(lake.made.id, update, stop=lake.stop, deadline=60.0)


def test_newest_and_newer(lake: Lake) -> None:
    """Updates are told newest first, over as many pages as there are."""
    for _ in range(7):
        lake.room._begin(lake.made, "JOB_TASK", {})
        lake.finish()
    ids = [one.id for one in lake.made.updates]
    updates = lake.updates()
    assert updates.newest(lake.made.id) == ids[0]
    assert [one["update_id"] for one in updates.newer(lake.made.id, ids[5])] == ids[:5]
    assert [one["update_id"] for one in updates.newer(lake.made.id, "")] == ids


def test_counted_only_where_it_is_known(lake: Lake) -> None:
    """Rows of the target are told where one event tells them; of several nobody says what they add up to."""
    lake.room.does = lambda pipeline, update: Outcome(rows=7, expectations={"a": (5, 2)}, publishes=("shop.sales.t",))
    update = lake.start()
    lake.finish()
    updates = lake.updates()
    assert updates.counted(lake.made.id, update, "T") == '{"failing": {"a": 2}, "rows": 7}'
    assert updates.counted(lake.made.id, update, "other") == '{"failing": {"a": 2}}'
    assert updates.counted(lake.made.id, "up-none", "t") == ""
    lake.made.events.append(next(one for one in lake.made.events if "flow_name" in one["origin"]))
    assert updates.counted(lake.made.id, update, "t") == '{"failing": {"a": 4}}'
