"""GitHub Agent: stage 5, a plan as a pull request; and what follows a decision, on whichever code host there is.

    markdown.py      text of others made harmless in Markdown
    body.py          what stands in a pull request: pure
    hand_edits.py    generated files that somebody changed in the repository
    taking.py        what such an edit means for the spec
    agent.py         GitHubAgent: prepares the change, opens, merges, undoes

Here: words and order. Not here: branches, commits and the code host's interface (`ports.CodeHost` and its adapters).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline_magic.agents.github.agent import GitHubAgent as GitHubAgent

__all__ = ["GitHubAgent"]


def __getattr__(name: str) -> object:
    if name == "GitHubAgent":
        from pipeline_magic.agents.github.agent import GitHubAgent

        return GitHubAgent
    raise AttributeError(name)
