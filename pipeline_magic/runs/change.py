"""Stage 5: the change and its pull request."""

from __future__ import annotations

from typing import Literal

from pipeline_magic.runs.files import File
from pipeline_magic.spec.schema import Model

__all__ = ["Change", "PlanReport", "PullRequest"]


class Change(Model):
    """Stage 5. A pull request, prepared: nothing is written to the code host yet.

    Attributes:
        branch: Derived from the pipeline's name and the plan digest.
        base: Branch it goes into.
        body: Markdown.
    """

    branch: str
    base: str
    title: str
    body: str
    files: tuple[File, ...]


class PullRequest(Model):
    """A pull request as the code host knows it.

    Attributes:
        commit: Head of its branch; of a merged one, the head that was merged.
        checks: How the checks stand that the base branch requires; ``none`` where it requires none.
        report: What was said last of its plan on its head commit; empty where nothing was.
    """

    number: int
    url: str
    branch: str
    state: Literal["draft", "open", "merged", "closed"]
    commit: str = ""
    merge_commit: str = ""
    checks: Literal["none", "pending", "passed", "failed"] = "none"
    report: str = ""


class PlanReport(Model):
    """What is said of a plan on the head commit of its pull request: a commit status or a check run on GitHub.

    Attributes:
        commit: The commit that holds the plan; one that somebody pushed on top of it is not spoken of.
        state: ``pending`` until the plan is approved; ``failure`` where it must not be merged, or was taken back.
        digest: Of the plan, 64 hexadecimal digits.
        summary: How it stands, one short sentence.
        url: Where a person reads more; empty: nowhere.
    """

    commit: str
    state: Literal["pending", "success", "failure"]
    digest: str
    verdict: Literal["green", "amber", "red"]
    summary: str
    url: str = ""

    @property
    def text(self) -> str:
        """All of it in one line of at most 140 characters, which is what GitHub shows of a status.

        >>> PlanReport(commit="c", state="pending", digest="d1", verdict="green", summary="Waits for approval.").text
        'Waits for approval. Quality green. Plan d1'
        """
        rest = f" Quality {self.verdict}. Plan {self.digest}"
        return self.summary[: 140 - len(rest)] + rest
