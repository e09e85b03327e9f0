"""Race test: many people press at once; one decision wins, and everybody else is told whose and what became of theirs.

Each presser is a process of its own with an identity of its own, on one store (SQLite, and a real PostgreSQL server),
one repository and one lakehouse; see `world` for what is real.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgres import postgres_url  # noqa: F401  (a fixture)
from tests.support.random_runs import tell
from tests.trust import racing
from tests.trust.zygote import Zygote

FULL = bool(os.environ.get("PIPELINE_MAGIC_TEST_FULL"))
PRESSERS = 20 if FULL else 6
SEEDS = range(6 if FULL else 1)
BUTTONS = [("approve", "reject"), ("approve", "approve"), ("reject", "approve"), ("approve", "generate")]

_REFUSALS = ("ApprovalRefused", "StaleState", "UsageError")


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote("tests.trust.racing", "deltalake", "pyarrow", "psycopg", "tests.support.duck_engine") as made:
        yield made


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "state.db") if request.param == "sqlite" else request.getfixturevalue("postgres_url")


class Race:
    """One race: what each presser was told, and what is there afterwards."""

    def __init__(self, zygote: Zygote, home: Path, store: str, verbs: list[str], *, killed: bool = False) -> None:
        run, approval = zygote.value(racing.plan, home, store)
        if killed:
            assert zygote.one(racing.stop_after_approval, home, store, approval).killed
        calls = [(racing.press, home, store, run, approval, verb, f"p{n}") for n, verb in enumerate(verbs)]
        ended = zygote.all(calls)
        self.broken = [one.output for one in ended if one.error or one.killed]
        self.told = [(verb, f"p{n}", one.value) for n, (verb, one) in enumerate(zip(verbs, ended, strict=True))]
        self.approval = approval
        self.run = run
        self.seen: dict[str, Any] = zygote.value(racing.outcome, home, store, run)

    def won(self, verb: str) -> list[str]:
        """Who was told that it was done."""
        return [who for one, who, said in self.told if one == verb and said == ""]

    def problems(self) -> list[str]:
        """What is not as it must be after any race."""
        seen, found = self.seen, list(self.broken)
        found += [f"{verb} of {who}: {said}" for verb, who, said in self.told if said and not self._clear(said)]
        found += seen["chain"]
        for verb in ("approve", "reject"):
            written = sorted(who for event, who in seen["decisions"] if event == f"approval.{verb}")
            # Whoever approves what is approved already sees the deployment through, and is told that it is done.
            if (verb == "reject" and written != sorted(self.won(verb))) or not set(written) <= set(self.won(verb)):
                found.append(f"{verb}: written for {written}, told to {self.won(verb)}")
        if len(seen["decisions"]) > 1:
            found.append(f"{len(seen['decisions'])} decisions were written")
        if sorted(seen["edits"]) != sorted(self.won("edit")):
            found.append(f"edits: written for {seen['edits']}, told to {self.won('edit')}")
        return found + self._effects()

    def _clear(self, said: str) -> bool:
        return said.startswith(_REFUSALS) and (self.run in said or self.approval in said)

    def _effects(self) -> list[str]:
        seen = self.seen
        state, _, digest = seen["approvals"][self.approval]
        once = len(set(seen["effects"])) == len(seen["effects"])
        counts = [seen[name] for name in ("merges", "jobs", "runs of jobs", "asked to run")]
        requests = [state for _, state in seen["requests"]]
        if any(event == "approval.approve" for event, _ in seen["decisions"]):
            whole = (requests, counts, seen["deployment"]) == (["merged"], [1, 1, 1, 1], ["deployed", digest]) and once
            return [] if whole else [f"approved, and there is: {seen}"]
        nothing = not requests and not any(counts) and seen["deployment"] is None and not seen["effects"]
        return [] if nothing and state != "approved" else [f"not approved, and there is: {seen}"]


@pytest.mark.parametrize("seed", SEEDS)
def test_one_decision_wins(zygote: Zygote, store: str, tmp_path: Path, seed: int) -> None:
    """Approve, reject, edit and deploy at once: at most one decision, one pull request, one deployment."""
    verbs = [("approve", "reject", "edit", "deploy")[n % 4] for n in range(PRESSERS)]
    random.Random(seed).shuffle(verbs)
    race = Race(zygote, tmp_path / "home", store, verbs)
    listed = "\n".join(f"{who} {verb}: {said or 'done'}" for verb, who, said in race.told)
    assert not race.problems(), "\n".join([*race.problems(), listed])
    tell(f"race of {PRESSERS}: {race.seen['decisions'] or 'an edit won'}")


def test_one_process_deploys_what_was_approved(zygote: Zygote, store: str, tmp_path: Path) -> None:
    """Everybody resumes a run whose process was killed after the approval: one deployment, and the others are told."""
    race = Race(zygote, tmp_path / "home", store, ["deploy"] * PRESSERS, killed=True)
    done, refused = race.won("deploy"), [said for _, _, said in race.told if said]
    assert not race.broken and not race.seen["chain"]
    assert done and all(race._clear(said) for said in refused), refused
    assert race._effects() == []


TWO_OF_THREE = '[environments.default]\napprovers = ["bob", "cy", "dee"]\nneeded = 2\nnot_author = true\n'


def test_three_people_in_three_processes(zygote: Zygote, store: str, tmp_path: Path) -> None:
    """Planned in a program by one, approved in another notebook's panel by a second, and on a command line by a third:
    each is known by who they are, whatever name they type; a guest and the author are refused in between."""
    home, meeting = tmp_path / "home", tmp_path / "meeting"
    meeting.mkdir()
    run, approval = zygote.value(racing.plan_for_two, home, store, TWO_OF_THREE)
    refused = zygote.value(racing.press, home, store, run, approval, "approve", "ada")
    assert refused.startswith("ApprovalRefused") and "somebody else must approve it" in refused
    _, state, _ = zygote.value(racing.press_panel, home, store, run, "approve", "bob", meeting, 1)
    assert state == "partly_approved"
    approve = ["approve", approval, "--name", "Bob", "--comment", "Fine"]
    status, said = zygote.value(racing.on_the_command_line, home, store, "eve", approve)
    assert status == 10 and "`eve` is not among the approvers" in said
    status, said = zygote.value(racing.on_the_command_line, home, store, "cy", approve)
    seen = zygote.value(racing.outcome, home, store, run)
    assert status == 0 and seen["deployment"][0] == "deployed", said
    assert seen["decisions"] == [["approval.approve", "bob"], ["approval.approve", "cy"]]
    assert seen["chain"] == [] and seen["approvals"][approval][:2] == ["approved", ["approve", "approve"]]
    status, said = zygote.value(racing.on_the_command_line, home, store, "eve", ["audit", approval])
    assert status == 0 and [line.split()[4:6] for line in said.splitlines() if "approval.approve" in line] == [
        ["bob", "bob"],
        ["cy", "Bob"],
    ], said


def told_by_panels(found: list[list[str]], buttons: tuple[str, str], seen: dict[str, Any]) -> list[str]:
    """What is wrong about what panels say, when at most one decision was written."""
    wrong = []
    (decision,) = seen["decisions"] or [["nothing", "nobody"]]
    for number, (message, _, drawn) in enumerate(found):
        if f"p{number}" == decision[1]:
            wrong += [f"the winner is told: {message}"] if "Next:" in message else []
        elif not message.strip() and buttons[number] != "generate":
            wrong.append(f"the loser p{number} is told nothing")
        wrong += [f"p{number}: {message}"] if "unexpected" in message or "Traceback" in drawn else []
    return wrong


@pytest.mark.parametrize(("first", "second"), BUTTONS if FULL else BUTTONS[:1])
def test_two_kernels_with_open_panels(zygote: Zygote, store: str, tmp_path: Path, first: str, second: str) -> None:
    """Two people press in two kernels at once: one decision stands, the other panel says so, one deployment at most."""
    home, meeting = tmp_path / "home", tmp_path / "meeting"
    meeting.mkdir()
    run, approval = zygote.value(racing.plan, home, store)
    pressed = [
        (racing.press_panel, home, store, run, one, f"p{n}", meeting, 2) for n, one in enumerate((first, second))
    ]
    ended = zygote.all(pressed)
    assert [one.error for one in ended] == ["", ""], "\n".join(one.output for one in ended)
    buttons = (first, second)
    _check_panels([one.value for one in ended], buttons, zygote.value(racing.outcome, home, store, run), approval)


@pytest.mark.parametrize("together", [True, False], ids=["together", "one after the other"])
@pytest.mark.parametrize(("first", "second"), BUTTONS if FULL else BUTTONS[:2])
def test_two_panels_in_one_kernel(zygote: Zygote, tmp_path: Path, first: str, second: str, together: bool) -> None:
    """The same with two orchestrators in one process; and pressed in a panel that has not heard of the first press."""
    home, store = tmp_path / "home", str(tmp_path / "state.db")
    run, approval = zygote.value(racing.plan, home, store)
    found = zygote.value(racing.two_panels, home, store, run, first, second, together)
    _check_panels(found, (first, second), zygote.value(racing.outcome, home, store, run), approval)


def _check_panels(found: list[list[str]], buttons: tuple[str, str], seen: dict[str, Any], approval: str) -> None:
    said = "\n".join(f"p{number}: {message}" for number, (message, _, _) in enumerate(found))
    assert seen["chain"] == []
    assert len(seen["decisions"]) <= 1, said
    assert told_by_panels(found, buttons, seen) == [], said
    assert seen["run"][1] == "", "somebody still holds the run"
    counts = [seen[name] for name in ("merges", "jobs", "runs of jobs", "asked to run")]
    if [event for event, _ in seen["decisions"]] == ["approval.approve"]:
        assert counts == [1, 1, 1, 1] and seen["deployment"][0] == "deployed", (seen, said)
        assert len(set(seen["effects"])) == len(seen["effects"])
    else:
        assert counts == [0, 0, 0, 0] and seen["approvals"][approval][0] != "approved", (seen, said)
