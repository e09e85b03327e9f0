"""Kill test: whatever the process was doing when it was killed, `resume` ends as if nobody had been.

The whole flow (build, reject, answer, edit, generate, approve with pull request, merge, deployment and first run) runs
in a real process that is killed (SIGKILL) before and after every write to the store, every call of another port, every
move of a git reference and every file put in place; a fresh process then calls `resume` and goes on. Real are store,
repository, jobs, lakehouse and the product; the engine is light (see `world`), so that every point can be tried. The
light engine does not run the notebook: the points inside a real first run are in ``tests/test_trust.py``.
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
POINTS = 20
SEED = 11


class Told:
    """The story without a kill: the home before each chapter, every moment of it, and how it ends."""

    def __init__(self, folder: Path, zygote: Zygote) -> None:
        self.folder = folder
        self.moments: list[list[str]] = []
        present = folder / "chapter-0"
        zygote.value(story.begin, present)
        for chapter in range(len(story.CHAPTERS)):
            counted = story.copy(present, folder / "counted")
            self.moments.append(zygote.value(story.count, counted, chapter))
            present = counted.rename(folder / f"chapter-{chapter + 1}")
        self.end = zygote.value(story.witness, present)

    @property
    def points(self) -> list[tuple[int, int]]:
        """Every (chapter, moment)."""
        return [(chapter, n + 1) for chapter, moments in enumerate(self.moments) for n in range(len(moments))]


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote("tests.trust.story", "deltalake", "pyarrow", "tests.support.duck_engine") as made:
        yield made


@pytest.fixture(scope="module")
def told(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Told:
    return Told(tmp_path_factory.mktemp("told"), zygote)


def chosen(told: Told) -> list[tuple[int, int]]:
    """All points, or some of every chapter by seed."""
    points = told.points
    if FULL:
        return points
    return sorted(random.Random(SEED).sample(points, POINTS))


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
    wrong = [f"`resume` left an approved plan {seen['resumed']}"] if seen["resumed"] not in {"", "deployed"} else []
    return wrong + [
        f"{name}: {_difference(seen[name], expected)}" for name, expected in end.items() if seen[name] != expected
    ]


def _difference(seen: Any, expected: Any) -> str:
    if not (isinstance(seen, list) and isinstance(expected, list)):
        return f"{seen!r}, and would be {expected!r}"
    more, less = ([one for one in a if one not in b] for a, b in ((seen, expected), (expected, seen)))
    return f"{more!r}, and would be {less!r}"


def test_the_story_holds_by_itself(told: Told) -> None:
    """Undisturbed, it ends with one pull request, one merge, one deployment, one first run and a sound audit."""
    end = told.end
    assert end["chain"] == [] and end["merges"] == 1
    assert end["deployment"][0] == "deployed"
    assert [len(end[name]) for name in ("requests", "jobs", "run keys")] == [1, 1, 1]
    assert all(line.startswith("1 x ") for line in end["audit"]), end["audit"]
    assert all(one.endswith(" done") for one in end["effects"])


@pytest.mark.timeout(3000)
def test_killed_anywhere_it_ends_the_same(told: Told, zygote: Zygote, tmp_path: Path) -> None:
    """Killed at any point and resumed: one pull request, one merge, one deployment, one first run, every audit entry
    once, and the approval that was given is not asked for again."""
    points, wrong = chosen(told), {}
    for pair in (points[at : at + 2] for at in range(0, len(points), 2)):
        for (chapter, moment), found in zip(pair, wrong_at(zygote, told, pair, tmp_path), strict=True):
            if found:
                wrong[f"chapter {chapter}, moment {moment} ({told.moments[chapter][moment - 1]})"] = found
    print(f"kill test: {len(points)} of {len(told.points)} points, {len(wrong)} of them wrong")
    tell(f"kill test: {len(points)} points killed and resumed, {len(wrong)} wrong")
    listed = "\n".join(f"{where}:\n    " + "\n    ".join(found) for where, found in wrong.items())
    assert not wrong, f"{len(wrong)} of {len(points)} points:\n{listed}"
