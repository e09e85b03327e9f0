"""The three state machines as tables: closed, reachable, with ends, and what must never be possible is not."""

from __future__ import annotations

import pytest

from pipeline_magic.states import APPROVAL_STATES, DEPLOYMENT_STATES, RUN_STATES, TRANSITIONS, allowed

MACHINES = {"run": RUN_STATES, "approval": APPROVAL_STATES, "deployment": DEPLOYMENT_STATES}
START = {"run": "parsing", "approval": "pending", "deployment": "waiting"}
FINAL = {
    "run": {"superseded"},
    "approval": {"rejected", "void", "expired"},
    "deployment": set[str](),
}


def moves(machine: str) -> set[tuple[str, str]]:
    return {(t.source, t.target) for t in TRANSITIONS if t.machine == machine}


def reachable(machine: str, start: str, without: frozenset[str] = frozenset()) -> set[str]:
    found, queue = {start}, [start]
    while queue:
        state = queue.pop()
        for source, target in moves(machine):
            if source == state and target not in found | without:
                found.add(target)
                queue.append(target)
    return found


def test_every_row_is_of_a_machine() -> None:
    """Every row names a machine and states it has, a verb and one of three who may."""
    for row in TRANSITIONS:
        assert {row.source, row.target} <= set(MACHINES[row.machine]), row
        assert row.who in {"system", "approver", "anyone"}
        assert row.verb


def test_no_row_twice() -> None:
    """A move stands once for each verb."""
    rows = [(t.machine, t.source, t.target, t.verb) for t in TRANSITIONS]
    assert len(rows) == len(set(rows))


@pytest.mark.parametrize("machine", sorted(MACHINES))
def test_every_state_can_be_reached(machine: str) -> None:
    """From the first state every other is reached by some way."""
    assert reachable(machine, START[machine]) == set(MACHINES[machine])


@pytest.mark.parametrize("machine", sorted(MACHINES))
def test_ends(machine: str) -> None:
    """Exactly the final states have no way out."""
    assert {state for state in MACHINES[machine] if not any(a == state for a, _ in moves(machine))} == FINAL[machine]


@pytest.mark.parametrize("machine", sorted(MACHINES))
def test_allowed_is_the_table(machine: str) -> None:
    """`allowed` says yes to the rows and to nothing else, of another machine neither."""
    for source in MACHINES[machine]:
        for target in MACHINES[machine]:
            assert allowed(machine, source, target) == ((source, target) in moves(machine))
    assert not allowed("nothing", "pending", "approved")
    assert not allowed("run", "pending", "approved")


def test_over_is_over() -> None:
    """A rejected, void or expired approval never becomes approved; an approved one can only become void."""
    for state in ("rejected", "void", "expired"):
        assert reachable("approval", state) == {state}
    assert reachable("approval", "approved") == {"approved", "void"}


def test_nothing_is_deployed_without_deploying() -> None:
    """`deployed` is reached through `deploying` alone, and `rolled_back` through `rolling_back` alone."""
    assert {a for a, b in moves("deployment") if b == "deployed"} == {"deploying"}
    assert {a for a, b in moves("deployment") if b == "rolled_back"} == {"rolling_back"}


def test_only_approvers_decide() -> None:
    """Approving, rejecting and rolling back are an approver's; no row lets anybody else do it."""
    for row in TRANSITIONS:
        if row.verb in {"approve", "reject", "rollback"}:
            assert row.who == "approver", row
        if row.machine == "approval" and row.target in {"approved", "partly_approved", "rejected"}:
            assert row.verb in {"approve", "reject"}, row


def test_a_plan_is_only_made_by_generating() -> None:
    """A run is `planned` after `generating` and in no other way; every edit and answer goes back before that."""
    assert {a for a, b in moves("run") if b == "planned"} == {"generating"}
    back = {
        t.target for t in TRANSITIONS if t.machine == "run" and t.source == "planned" and t.verb in {"edit", "answer"}
    }
    assert back <= {"generating", "parsing", "awaiting_input"}


def test_what_failed_can_be_resumed() -> None:
    """From every failure there is a way back to a plan, and to a deployment."""
    assert "planned" in reachable("run", "failed") and "planned" in reachable("run", "cancelled")
    assert "deployed" in reachable("deployment", "failed")
    assert "rolled_back" in reachable("deployment", "rollback_failed")
