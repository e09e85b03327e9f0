"""Rules of the base branch, and what they look at: commit statuses, check runs, reviews."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.github_server.answers import Refusal, invalid
from tests.support.github_server.objects import Objects

__all__ = ["Protection"]


class Protection(Objects):
    """A repository whose base branch may ask for checks and reviews.

    Attributes:
        required_checks: Status contexts that the base branch asks for.
        required_reviews: Approving reviews that it asks for.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.required_checks: tuple[str, ...] = ()
        self.required_reviews = 0
        self.pulls: dict[int, dict[str, Any]] = {}
        self.reviews: dict[int, list[dict[str, Any]]] = {}
        self.statuses: dict[str, dict[str, dict[str, Any]]] = {}
        self.checks: dict[str, list[dict[str, Any]]] = {}

    def _known(self, number: str) -> int:
        if int(number) not in self.pulls:
            raise Refusal(404, "Not Found")
        return int(number)

    def _missing(self, one: dict[str, Any]) -> str:
        said = self.statuses.get(one["sha"], {})
        checks = {run["name"]: run["conclusion"] for run in self.checks.get(one["sha"], [])}
        for context in self.required_checks:
            if said.get(context, {}).get("state") != "success" and checks.get(context) != "success":
                return f'Required status check "{context}" is expected.'
        approved = {
            item["user"]["login"] for item in self.reviews.get(one["number"], []) if item["state"] == "APPROVED"
        }
        if len(approved) < self.required_reviews:
            return f"At least {self.required_reviews} approving review is required by reviewers with write access."
        return ""

    def list_reviews(self, number: str, **_: Any) -> Any:
        return self.reviews.get(self._known(number), [])

    def create_status(self, sha: str, *, body: Any, **_: Any) -> Any:
        if self.resolve(sha) is None:
            raise Refusal(422, f"No commit found for SHA: {sha}")
        if body["state"] not in ("error", "failure", "pending", "success"):
            raise Refusal(422, "Validation Failed")
        if len(body.get("description") or "") > 140:
            raise invalid("description", "custom", "description is too long (maximum is 140 characters)")
        made = {key: body.get(key) for key in ("state", "description", "context", "target_url")} | {
            "id": next(self._ids)
        }
        self.statuses.setdefault(sha, {})[body.get("context", "default")] = made
        return 201, made

    def combined_status(self, sha: str, **_: Any) -> Any:
        found = list(self.statuses.get(sha, {}).values())
        bad = [one for one in found if one["state"] != "success"]
        return {"sha": sha, "state": "pending" if bad else "success", "statuses": found, "total_count": len(found)}

    def check_runs(self, sha: str, **_: Any) -> Any:
        found = self.checks.get(sha, [])
        return {"total_count": len(found), "check_runs": found}
