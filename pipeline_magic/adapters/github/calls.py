"""How GitHub is asked: with a bounded number of attempts, and with its refusals in words.

A call is repeated after 429, after 5xx, after a rate limit that ends soon, and after a connection that broke or gave
half an answer. So whatever is passed to `Calls` must be right when it is done twice: the adapter looks before it
writes, inside the same call. Not here: which calls are made (`github`), the client's own repeating (it is switched
off: it would wait for up to an hour for a rate limit).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import github
import requests

from pipeline_magic.errors import CodeHostError, NotFound, PipelineMagicError
from pipeline_magic.redact import redact

__all__ = ["Calls", "Forbidden", "says"]

_T = TypeVar("_T")

_AGAIN = frozenset({429, 500, 502, 503, 504})


class Forbidden(CodeHostError):
    """The token or the app lacks a permission."""


class Calls:
    """Does calls, again where that can help.

    Args:
        where: Address and repository, for errors.
        attempts: How often one call is tried in all.
        longest: Seconds that are waited for one call in all.
        sleep: Waits.
        clock: Seconds since the epoch; compared with the end of a rate limit.
    """

    def __init__(
        self,
        where: str,
        *,
        attempts: int = 5,
        longest: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._where = where
        self._attempts = attempts
        self._longest = longest
        self._sleep = sleep
        self._clock = clock

    def __call__(self, what: str, action: Callable[[], _T]) -> _T:
        """The result of `action`.

        Args:
            what: What is being done, to end "GitHub ... while ": ``opening the pull request``.
            action: Asks GitHub; may be done several times.

        Raises:
            NotFound: 404.
            Forbidden: 403, where it is neither a rate limit nor single sign-on.
            CodeHostError: Any other refusal, or no usable answer after the last attempt.
            github.GithubException: 405, 409 and 422, which mean something else for every call: the caller says what.
        """
        waited = 0.0
        for attempt in range(1, self._attempts + 1):
            try:
                return action()
            except github.GithubException as error:
                wait = self._wait_after(error, attempt)
                if wait is None and error.status in (405, 409, 422):
                    raise
                failed = self._refused(error, what)
            except (requests.exceptions.RequestException, ValueError) as error:
                # A ValueError is JSON that was cut off: the client reads the whole body before it parses it.
                wait = _backoff(attempt)
                failed = self._broken(error, what)
            if wait is None or attempt == self._attempts or waited + wait > self._longest:
                raise failed from None
            self._sleep(wait)
            waited += wait
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    def _wait_after(self, error: github.GithubException, attempt: int) -> float | None:
        """Seconds until the same call may succeed; None where repeating it is of no use."""
        headers = _headers(error)
        if error.status in _AGAIN or (error.status == 403 and _limited(error)):
            said = headers.get("retry-after", "")
            if said.isdigit():
                return float(said)
            if headers.get("x-ratelimit-remaining") == "0" and headers.get("x-ratelimit-reset", "").isdigit():
                return max(0.0, float(headers["x-ratelimit-reset"]) - self._clock()) + 1.0
            return _backoff(attempt)
        return None

    def _refused(self, error: github.GithubException, what: str) -> PipelineMagicError:
        status, headers, said = error.status, _headers(error), says(error)
        if status == 401:
            return CodeHostError(
                f"GitHub does not accept the token, while {what}: {said}.",
                where=self._where,
                hint="It is wrong, expired or for another address. Make a new one and set GITHUB_TOKEN.",
            )
        if status == 403 and _limited(error):
            return CodeHostError(
                f"GitHub's rate limit is reached, while {what}: {said}.",
                where=self._where,
                hint="Wait until it ends and resume the run; nothing is lost and nothing is done twice.",
            )
        if status == 403 and "x-github-sso" in headers:
            return CodeHostError(
                f"The organisation asks for single sign-on, while {what}.",
                where=self._where,
                hint="Authorise the token for the organisation in GitHub's token settings.",
            )
        if status == 403:
            needed = headers.get("x-accepted-github-permissions") or headers.get("x-accepted-oauth-scopes") or ""
            lacking = f" It needs: {needed}." if needed else ""
            return Forbidden(
                f"The token may not do this, while {what}: {said}.{lacking}",
                where=self._where,
                hint="Give the token `contents: write` and `pull requests: write` here (classic: `repo`).",
            )
        if status == 404:
            return NotFound(
                f"GitHub has no such thing, or the token may not see it, while {what}.",
                where=self._where,
                hint="Check GITHUB_REPO (owner/name) and that the token may read the repository.",
            )
        if status in _AGAIN:
            return CodeHostError(
                f"GitHub answered {status} each time, while {what}: {said}.",
                where=self._where,
                hint="Resume the run later; nothing is done twice.",
            )
        return CodeHostError(f"GitHub answered {status}, while {what}: {said}.", where=self._where)

    def _broken(self, error: Exception, what: str) -> CodeHostError:
        kind = "did not answer in time" if isinstance(error, requests.exceptions.Timeout) else "could not be reached"
        if isinstance(error, (ValueError, requests.exceptions.ChunkedEncodingError)):
            kind = "gave half an answer"
        return CodeHostError(
            f"GitHub {kind}, while {what}.",
            where=self._where,
            hint="Check the network and the address, then resume the run; nothing is done twice.",
        )


def says(error: github.GithubException) -> str:
    """What GitHub said, in one line and without secrets."""
    data: Any = error.data
    if not isinstance(data, Mapping):
        return f"status {error.status}"
    parts = [str(data.get("message") or f"status {error.status}")]
    for one in data.get("errors") or ():
        text = one.get("message") or one.get("code") if isinstance(one, Mapping) else one
        if text:
            parts.append(str(text))
    return redact(" ".join("; ".join(parts).split()))[:300].rstrip(".")


def _limited(error: github.GithubException) -> bool:
    headers = _headers(error)
    said = says(error).casefold()
    return (
        isinstance(error, github.RateLimitExceededException)
        or "retry-after" in headers
        or headers.get("x-ratelimit-remaining") == "0"
        or "rate limit" in said
    )


def _headers(error: github.GithubException) -> dict[str, str]:
    return {str(name).casefold(): str(value) for name, value in (error.headers or {}).items()}


def _backoff(attempt: int) -> float:
    """Twice as long each time, and not for everybody at the same moment."""
    return float(2 ** (attempt - 1)) * random.uniform(0.5, 1.0)  # no secret depends on it
