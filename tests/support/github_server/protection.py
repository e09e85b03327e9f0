"""Rules of the base branch, and what they look at: commit statuses, check runs, reviews."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.github_server.answers import FULL, Refusal, invalid
from tests.support.github_server.objects import Objects

__all__ = ["Protection"]

_CONCLUSIONS = (
    "action_required", "cancelled", "failure", "neutral", "success", "skipped", "stale", "timed_out"
)  # fmt: skip


class Protection(Objects):
    """A repository whose base branch may ask for checks and reviews.

    Attributes:
        required_checks: Status contexts that the base branch asks for.
        required_reviews: Approving reviews that it asks for.
        said: Every status that was written, in their order.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.required_checks: tuple[str, ...] = ()
        self.required_reviews = 0
        self.pulls: dict[int, dict[str, Any]] = {}
        self.reviews: dict[int, list[dict[str, Any]]] = {}
        self.statuses: dict[str, dict[str, dict[str, Any]]] = {}
        self.checks: dict[str, list[dict[str, Any]]] = {}
        self.said: list[dict[str, Any]] = []

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
        self.said.append(made)
        return 201, made

    def combined_status(self, sha: str, **_: Any) -> Any:
        found = list(self.statuses.get(sha, {}).values())
        bad = [one for one in found if one["state"] != "success"]
        return {"sha": sha, "state": "pending" if bad else "success", "statuses": found, "total_count": len(found)}

    def check_runs(self, sha: str, *, query: dict[str, str], **_: Any) -> Any:
        """Those of a name alone where one is asked for; of each name the newest, unless all are asked for."""
        found = [run for run in self.checks.get(sha, []) if query.get("check_name", run["name"]) == run["name"]]
        if query.get("filter", "latest") == "latest":
            found = list({run["name"]: run for run in found}.values())
        return {"total_count": len(found), "check_runs": found}

    def create_check_run(self, *, body: Any, login: str, **_: Any) -> Any:
        self._require_app(login)
        if not body.get("name") or self.resolve(body.get("head_sha") or "") is None:
            raise Refusal(422, f"No commit found for SHA: {body.get('head_sha')}")
        made = {
            "id": next(self._ids),
            "status": "queued",
            "conclusion": None,
            "output": {},
            "head_sha": body["head_sha"],
        }
        made |= {"name": body["name"], "url": f"{self.url}/repos/{FULL}/check-runs/{made['id']}"}
        self._write_check_run(made, body)
        self.checks.setdefault(body["head_sha"], []).append(made)
        return 201, made

    def update_check_run(self, number: str, *, body: Any, login: str, **_: Any) -> Any:
        self._require_app(login)
        for run in (run for runs in self.checks.values() for run in runs):
            if run["id"] == int(number):
                if run["status"] == "completed" and body.get("status", "completed") != "completed":
                    raise Refusal(
                        422, "A check run that has ended is not opened again."
                    )  # nothing documents that it is
                self._write_check_run(run, body)
                return run
        raise Refusal(404, "Not Found")

    def _write_check_run(self, run: dict[str, Any], body: Any) -> None:
        if body.get("status") not in (None, "queued", "in_progress", "completed"):
            raise Refusal(422, "Invalid request. status")
        if body.get("status") == "completed" and not body.get("conclusion"):
            raise Refusal(422, "Invalid request. conclusion is needed when the status is completed")
        if body.get("conclusion") not in (None, *_CONCLUSIONS):
            raise Refusal(422, "Invalid request. conclusion")
        output = body.get("output")
        if output is not None and not (output.get("title") and output.get("summary")):
            raise Refusal(422, "Invalid request. output needs title and summary")
        run.update({key: body[key] for key in ("external_id", "details_url", "output", "status") if key in body})
        if body.get("conclusion"):
            run.update(status="completed", conclusion=body["conclusion"])

    def _require_app(self, login: str) -> None:
        if not login.endswith("[bot]"):
            raise Refusal(403, "You must authenticate via a GitHub App.")
