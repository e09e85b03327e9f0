"""Draw the three state machines of `pipeline_magic.runs` into ``states.md``: ``python docs/states.py``.

The table is the truth; the diagrams are made from it, and a test compares them.
"""

from __future__ import annotations

from pathlib import Path

from pipeline_magic.states import APPROVAL_STATES, DEPLOYMENT_STATES, RUN_STATES, TRANSITIONS

__all__ = ["PAGE", "page"]

PAGE = Path(__file__).with_name("states.md")

MACHINES = {
    "run": (
        RUN_STATES,
        "From a statement to a plan. An edit or an answer takes a planned run back under the same id; the approval of "
        "its old plan is void as soon as the new one differs.",
    ),
    "approval": (
        APPROVAL_STATES,
        "From a plan to a decision that binds to it. Rejected, void and expired are ends: the next plan asks anew.",
    ),
    "deployment": (
        DEPLOYMENT_STATES,
        "From an approved plan to a pipeline that runs, and back. In `waiting` a person merges, or checks run: any "
        "kernel, or the command line, goes on later with `resume`.",
    ),
}

MEANS = {
    "parsing": "the statement is read, tables and fields are looked up",
    "awaiting_input": "the pause: answers, edits, then Generate",
    "generating": "files, checks and the change are made",
    "planned": "there is a plan, and an approval asked for it",
    "failed": "it stopped with an error, which it names; `resume` goes on",
    "cancelled": "somebody stopped it, or dropped it with its approval; `resume` goes on",
    "superseded": "another run took its place",
    "pending": "nobody has decided",
    "partly_approved": "some have approved, and the policy asks for more people",
    "approved": "it may be merged and deployed, for as long as nothing it binds to changes",
    "rejected": "somebody said no, with a reason",
    "void": "the plan, the world or what was shown has changed; it says in what",
    "expired": "nobody decided in time",
    "waiting": "for the merge, or for checks",
    "deploying": "job or pipeline are put in place, and run once where the policy says so",
    "deployed": "in place",
    "rolling_back": "job, tables and files are put back, each step once",
    "rolled_back": "put back",
    "rollback_failed": "a step of it failed, which it names; `resume` goes on",
}


def page() -> str:
    """The whole of ``states.md``."""
    parts = [
        "# States\n\nMade from the table in `pipeline_magic/states.py` by `python docs/states.py`. An arrow says the "
        "verb and who may; every other move is refused, and every move is a compare-and-set.\n"
    ]
    for machine, (states, said) in MACHINES.items():
        parts.append(
            f"## {machine.capitalize()}\n\n{said}\n\n```mermaid\n{_diagram(machine, states)}\n```\n\n{_list(states)}"
        )
    return "\n".join(parts)


def _diagram(machine: str, states: tuple[str, ...]) -> str:
    rows = [row for row in TRANSITIONS if row.machine == machine]
    lines = ["stateDiagram-v2", f"    [*] --> {states[0]}"]
    arrows: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        arrows.setdefault((row.source, row.target), []).append(f"{row.verb} ({row.who})")
    lines += [f"    {source} --> {target}: {', '.join(verbs)}" for (source, target), verbs in arrows.items()]
    lines += [f"    {state} --> [*]" for state in states if not any(row.source == state for row in rows)]
    return "\n".join(lines)


def _list(states: tuple[str, ...]) -> str:
    return "".join(f"- `{state}`: {MEANS[state]}\n" for state in states)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
