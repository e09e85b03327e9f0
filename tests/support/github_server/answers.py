"""What every answer is made of: the repository's name, a date, and refusals."""

from __future__ import annotations

from typing import Any

__all__ = ["DATE", "FULL", "NAME", "OWNER", "Refusal", "invalid"]

OWNER, NAME = "acme", "pipelines"
FULL = f"{OWNER}/{NAME}"
DATE = "2026-11-02T06:00:00Z"


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str, *, errors: list[Any] | None = None, **headers: str) -> None:
        super().__init__(message)
        self.status, self.message, self.errors = status, message, errors
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def invalid(field: str, code: str, message: str = "") -> Refusal:
    """Refused for one field, as GitHub says it."""
    error = {"resource": "PullRequest", "field": field, "code": code} | ({"message": message} if message else {})
    return Refusal(422, "Validation Failed", errors=[error])
