"""Kill test: whatever the process was doing when it was killed, `resume` ends as if nobody had been.

The whole flow (build, reject, answer, edit, generate, approve with pull request, merge, deployment and first run, roll
back) runs in a real process that is killed (SIGKILL) before and after every write to the store, every call of another
port, every move of a git reference and every file put in place; a fresh process then calls `resume` and goes on. Real
are store, repository, jobs, lakehouse and the product; the engine is light (see `world`), so that every point can be
tried. It does not run the notebook: the points inside a real first run are in ``tests/test_trust.py``.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.random_runs import tell
from tests.trust import story
from tests.trust.zygote import Ended, Zygote

FULL = bool(os.environ.get("PIPELINE_MAGIC_TEST_FULL"))
SEED = 11
STORIES = {"first": (story.begin, 0, 14), "again": (story.begin_again, len(story.CHAPTERS) - 2, 6)}
"""How a story begins, the chapter it begins with, and points to try of it in a bounded run. The first deploys a new
pipeline and removes it again; the other deploys a changed one and goes back to the one before."""


class Told:
    """A story without a kill: the home before each chapter, every moment of it, and how it ends."""

    def __init__(self, folder: Path, zygote: Zygote, name: str) -> None:
        begin, first, self.bound = STORIES[name]
        self.folder = folder
        self.moments: dict[int, list[str]] = {}
        present = folder / f"chapter-{first}"
        zygote.value(begin, present)
        for chapter in range(first, len(story.CHAPTERS)):
            counted = story.copy(present, folder / "counted")
            self.moments[chapter] = zygote.value(story.count, counted, chapter)
            present = counted.rename(folder / f"chapter-{chapter + 1}")
        self.end = zygote.value(story.witness, present)

    @property
    def points(self) -> list[tuple[int, int]]:
        """Every (chapter, moment), but only one where a call follows another: after the one is before the other."""
        return [
            (chapter, number)
            for chapter, moments in self.moments.items()
            for number, (moment, following) in enumerate(zip(moments, [*moments[1:], ""], strict=True), start=1)
            if not (moment.startswith("after") and following.startswith("before"))
        ]

    def chosen(self) -> list[tuple[int, int]]:
        """All points, or some by seed."""
        return self.points if FULL else sorted(random.Random(SEED).sample(self.points, self.bound))


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote("tests.trust.story", "deltalake", "pyarrow", "tests.support.duck_engine") as made:
        yield made


@pytest.fixture(scope="module", params=list(STORIES))
def told(request: pytest.FixtureRequest, zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Told:
    return Told(tmp_path_factory.mktemp("told"), zygote, request.param)


def wrong_at(zygote: Zygote, told: Told, points: list[tuple[int, int]], folder: Path) -> list[list[str]]:
    """For each of these points, what is not as it would be had nobody been killed there. All at once."""
    homes = [story.copy(told.folder / f"chapter-{point[0]}", folder / "-".join(map(str, point))) for point in points]
    kills = zygote.all([(story.tell_killed, home, *point) for home, point in zip(homes, points, strict=True)])
    ends = zygote.all([(story.finish, home, point[0]) for home, point in zip(homes, points, strict=True)])
    for home in homes:
        shutil.rmtree(home)
    return [_wrong(*each, told.end) for each in zip(kills, ends, strict=True)]


def _wrong(killed: Ended, ended: Ended, end: dict[str, Any]) -> list[str]:
    if not killed.killed:
        return [f"was not killed: {killed.error or 'no such moment'}"]
    if ended.error:
        return [f"the resuming process failed: {ended.output}"]
    seen: dict[str, Any] = ended.value
    wrong = [seen["left"]] if seen["left"] else []
    return wrong + [
        f"{name}: {_difference(seen[name], expected)}" for name, expected in end.items() if seen[name] != expected
    ]


def _difference(seen: Any, expected: Any) -> str:
    if not (isinstance(seen, list) and isinstance(expected, list)):
        return f"{seen!r}, and would be {expected!r}"
    more, less = ([one for one in a if one not in b] for a, b in ((seen, expected), (expected, seen)))
    return f"{more!r}, and would be {less!r}"


def test_the_story_holds_by_itself(told: Told) -> None:
    """Undisturbed: a pull request, a merge and a revert of it; one deployment, one first run, a sound audit."""
    end, deployments = told.end, 1 + (min(told.moments) > 0)
    assert end["chain"] == [] and end["deployment"][0] == "rolled_back"
    states = [(state, reverts) for _, state, reverts, _ in end["requests"]]
    assert states == [("merged", None)] * deployments + [("merged", deployments)]
    assert (end["first runs"], end["merges"]) == (deployments, deployments + 1)
    assert all(line.startswith("1 x ") for line in end["audit"]), end["audit"]
    assert all(line.endswith(" done") for line in end["effects"])


@pytest.mark.timeout(3000)
def test_killed_anywhere_it_ends_the_same(told: Told, zygote: Zygote, tmp_path: Path) -> None:
    """Killed at any point and resumed: one pull request, one merge, one deployment, one first run, every audit entry
    once; what was approved is deployed, and what was to be undone is undone, without being asked for again."""
    points, wrong = told.chosen(), {}
    for pair in (points[at : at + 2] for at in range(0, len(points), 2)):
        for (chapter, moment), found in zip(pair, wrong_at(zygote, told, pair, tmp_path), strict=True):
            if found:
                wrong[f"chapter {chapter}, moment {moment} ({told.moments[chapter][moment - 1]})"] = found
    moments = sum(map(len, told.moments.values()))
    said = f"{len(points)} of {len(told.points)} points ({moments} moments before or after a call), {len(wrong)} wrong"
    print(f"kill test: {said}")
    tell(f"kill test: {said}")
    listed = "\n".join(f"{where}:\n    " + "\n    ".join(found) for where, found in wrong.items())
    assert not wrong, f"{len(wrong)} of {len(points)} points:\n{listed}"
