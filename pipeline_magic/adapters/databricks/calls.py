"""How Databricks is asked: a REST call with a bounded number of attempts, and its refusals in words.

The SDK gives authentication, transport and the reading of errors; addresses and fields are those of the documented REST
API, so that a page is one call: it can be repeated, counted and stopped by itself, which the SDK's iterators do not
allow. A call is repeated after 429 and 503 (as long as they ask), after other 5xx, and after a connection that broke or
gave half an answer. A call that must not be done twice says `again=False`: it is repeated only where Databricks says
that it did not take it. Not here: which calls are made; the SDK's own repeating, which `client` switches off.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote as percent

import requests
from databricks.sdk import errors as vendor
from databricks.sdk.errors.base import DatabricksError

from pipeline_magic.errors import CatalogError, NotFound, PermissionDenied, PipelineMagicError
from pipeline_magic.redact import redact

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

__all__ = ["Calls", "Refusal", "may_be_done", "says", "segment", "status_of"]

_T = TypeVar("_T")

_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (vendor.TooManyRequests, 429),
    (vendor.Unauthenticated, 401),
    (vendor.PermissionDenied, 403),
    (vendor.NotFound, 404),
    (vendor.ResourceConflict, 409),
    (vendor.BadRequest, 400),
    (vendor.NotImplemented, 501),
    (vendor.TemporarilyUnavailable, 503),
    (vendor.DeadlineExceeded, 504),
    (vendor.InternalError, 500),
)
_FAILURES = (DatabricksError, TimeoutError, requests.RequestException, ValueError, RuntimeError)
_LOOK_FIRST = "look first whether it was done"
_NOT_TAKEN = frozenset({429, 503})
_AGAIN = frozenset({429, 500, 502, 503, 504})
_UNREAD = re.compile(r"unable to parse response.*?< (\d{3}) ?([^<\n`]*)", re.DOTALL)
"""What the SDK says of a proxy's page: the request and the whole answer, of which the status and its words are kept."""
_DEBUG = re.compile(r"\.?\s*(Config: |Env: ).*\Z", re.DOTALL)
_TOKEN = re.compile(r"invalid access token|token (is|has|was) (expired|invalid|revoked)|expired token", re.I)
_QUOTA = re.compile(r"quota|LIMIT_EXCEEDED|exceed\w* the (maximum|limit)|limit of \d", re.I)


class Refusal(Exception):
    """A 400 or 409, which mean something else for every call: the caller says what.

    Attributes:
        status: 400 or 409.
        code: Databricks' word for it: ``SCHEMA_ALREADY_EXISTS``.
        said: What Databricks said, in one line.
    """

    def __init__(self, status: int, code: str, said: str) -> None:
        super().__init__(said)
        self.status, self.code, self.said = status, code, said


class Calls:
    """Asks one workspace.

    Args:
        client: Authenticated; does not repeat anything itself.
        host: Address of the workspace, for errors.
        error: What a failed call is raised as.
        denied: What a missing permission is raised as.
        attempts: How often one call is tried in all.
        longest: Seconds that are waited for one call in all.
        sleep: Waits.
        skew: Seconds by which this machine's clock is ahead of the workspace's; None when it cannot be told.
    """

    def __init__(
        self,
        client: WorkspaceClient,
        host: str,
        *,
        error: type[PipelineMagicError] = CatalogError,
        denied: type[PipelineMagicError] = PermissionDenied,
        attempts: int = 5,
        longest: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
        skew: Callable[[], float | None] = lambda: None,
    ) -> None:
        self.client = client
        self.host = host
        self._error = error
        self._denied = denied
        self._attempts = attempts
        self._longest = longest
        self._sleep = sleep
        self._skew = skew

    def __repr__(self) -> str:
        return f"Calls({self.host!r})"

    # --- REST --------------------------------------------------------------------------------------------------------

    def get(self, what: str, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One GET; see `__call__`."""
        return self(what, lambda: self._do("GET", path, query=dict(query or {})))

    def send(
        self, what: str, method: str, path: str, body: Mapping[str, Any], *, again: bool = True, **query: str
    ) -> dict[str, Any]:
        """One POST, PATCH, PUT or DELETE; see `__call__`."""
        return self(what, lambda: self._do(method, path, query=query, body=dict(body)), again=again)

    def pages(
        self,
        what: str,
        path: str,
        query: Mapping[str, Any],
        key: str,
        *,
        stop: Callable[[], None] = lambda: None,
    ) -> Iterator[dict[str, Any]]:
        """The items of every page.

        Args:
            key: Field of a page that holds its items. A page may hold none and still not be the last.
            stop: Called before each page; may raise.
        """
        token = ""
        while True:
            stop()
            page = self.get(what, path, {**query, "page_token": token} if token else query)
            yield from page.get(key) or ()
            following = page.get("next_page_token") or ""
            if not following:
                return
            if following == token:
                raise self._error(f"Databricks gives the same page again and again, while {what}.", where=self.host)
            token = following

    def _do(self, method: str, path: str, *, query: dict[str, Any], body: dict[str, Any] | None = None) -> Any:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        workspace = getattr(self.client.config, "workspace_id", None)
        if workspace:  # one host for several workspaces
            headers["X-Databricks-Workspace-Id"] = str(workspace)
        return self.client.api_client.do(method, path, query=query or None, headers=headers, body=body)

    # --- attempts ----------------------------------------------------------------------------------------------------

    def __call__(self, what: str, action: Callable[[], _T], *, again: bool = True) -> _T:
        """The result of `action`.

        Args:
            what: What is being done, to end "... while ": ``listing the tables of `a.b```.
            action: Asks Databricks; may be done several times.
            again: Whether it may be done twice; otherwise it is repeated only where it was surely not taken.

        Raises:
            NotFound: 404.
            Refusal: 400 and 409.
            PipelineMagicError: Of the class given, for anything else, or no usable answer after the last attempt.
        """
        waited = 0.0
        for attempt in range(1, self._attempts + 1):
            try:
                return action()
            except _FAILURES as raised:
                error = _cause(raised)
                wait, failed = self._after(error, what, attempt, again=again)
                if failed is None:
                    raise
            if wait is None or attempt == self._attempts or waited + wait > self._longest:
                raise failed from None
            self._sleep(wait)
            waited += wait
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    def _after(
        self, error: BaseException, what: str, attempt: int, *, again: bool
    ) -> tuple[float | None, Exception | None]:
        """Seconds until the same call may succeed (None: never), and the error otherwise (None: not Databricks')."""
        if isinstance(error, DatabricksError):
            status = status_of(error)
            repeat = status in _AGAIN and (again or status in _NOT_TAKEN) and not _is_quota(error, status)
            wait = _asked(error, attempt) if repeat else None
            return wait, self._refused(error, status, what, again=again)
        if type(error) is ValueError:  # from the log-in, which the client does before each call
            said = f"Databricks cannot be logged in to, while {what}: {says(error)}."
            return None, self._error(said, **self._renew())
        if isinstance(error, (requests.RequestException, TimeoutError, ValueError)):
            # A JSONDecodeError is JSON that was cut off: the client reads the whole body before it parses it.
            never_there = isinstance(error, requests.exceptions.ConnectTimeout)
            return (_backoff(attempt) if again or never_there else None), self._broken(error, what, again=again)
        return None, None

    def _refused(self, error: DatabricksError, status: int, what: str, *, again: bool) -> Exception:
        said = says(error)
        if status == 401 or (status == 403 and _TOKEN.search(said)):
            return self._error(f"Databricks does not accept the credentials, while {what}: {said}.", **self._renew())
        if _is_quota(error, status):
            return self._error(
                f"A quota of Databricks is reached, while {what}: {said}.",
                where=self.host,
                hint="Remove what is no longer needed, or ask an administrator to raise the quota; then resume.",
            )
        if status == 403:
            return self._denied(
                f"Databricks does not allow this, while {what}: {said}.", where=self.host, hint=_hint_for(said)
            )
        if status == 404:
            return NotFound(
                f"Databricks has no such thing, while {what}: {said}.",
                where=self.host,
                hint="Check the address and the names; what the caller may not see is hidden in the same way.",
            )
        if status in (400, 409):
            return Refusal(status, str(error.error_code or ""), said)
        if status == 429:
            return self._error(
                f"Databricks asks to slow down, while {what}: {said}.",
                where=self.host,
                hint="Resume the run in a minute; nothing is lost and nothing is done twice.",
            )
        if status in _AGAIN:
            sure = again or status in _NOT_TAKEN
            return self._error(
                f"Databricks answered {status}{' each time' if sure else ''}, while {what}: {said}.",
                where=self.host,
                hint=f"Resume the run later; {'nothing is done twice' if sure else _LOOK_FIRST}.",
            )
        return self._error(f"Databricks refuses, while {what}: {said}.", where=self.host)

    def _renew(self) -> dict[str, str]:
        hint = "They are wrong, expired or of another workspace: set a new DATABRICKS_TOKEN, or log in anew."
        ahead = self._skew()
        if ahead is not None and abs(ahead) > 120:
            way = "ahead of" if ahead > 0 else "behind"
            hint = (
                f"This machine's clock is {abs(ahead) / 60:.0f} minutes {way} the workspace's, so that tokens seem "
                "expired or not yet valid: set the clock, then resume."
            )
        return {"where": self.host, "hint": hint}

    def _broken(self, error: BaseException, what: str, *, again: bool) -> PipelineMagicError:
        late = isinstance(error, (requests.Timeout, TimeoutError))
        kind = "did not answer in time" if late else "could not be reached"
        if isinstance(error, (ValueError, requests.exceptions.ChunkedEncodingError)) and not isinstance(
            error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)
        ):
            kind = "gave half an answer"
        tail = "nothing is done twice" if again else _LOOK_FIRST
        return self._error(
            f"Databricks {kind}, while {what}.",
            where=self.host,
            hint=f"Check the network and DATABRICKS_HOST, then resume the run; {tail}.",
        )


def may_be_done(error: PipelineMagicError) -> bool:
    """Whether a call that must not be done twice failed in such a way that nobody knows whether it was done."""
    return _LOOK_FIRST in error.hint


def says(error: BaseException) -> str:
    """What Databricks said, in one line, without secrets and without the SDK's words about its configuration."""
    unread = _UNREAD.search(str(error))
    text = unread[2] if unread else _DEBUG.sub("", str(error))
    text = " ".join(text.split()) or str(getattr(error, "error_code", None) or type(error).__name__)
    return redact(text)[:400].rstrip(". ")


def status_of(error: BaseException) -> int:
    """The HTTP status of a refusal, as far as the SDK keeps it."""
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return status
    unread = _UNREAD.search(str(error))
    return int(unread[1]) if unread else 0


def segment(name: str) -> str:
    """A name as one segment of an address."""
    return percent(name, safe="")


def _cause(error: BaseException) -> BaseException:
    """What made the SDK give up: it hides the last failure in a TimeoutError or RuntimeError of its own."""
    if type(error) in (TimeoutError, RuntimeError) and error.__cause__ is not None:
        return error.__cause__
    return error


def _asked(error: DatabricksError, attempt: int) -> float:
    asked = getattr(error, "retry_after_secs", None)
    return float(asked) if asked is not None and asked >= 0 else _backoff(attempt)


def _is_quota(error: DatabricksError, status: int) -> bool:
    code = str(error.error_code or "")
    if status == 429:  # otherwise a limit of requests a second, which ends by itself
        return "QUOTA" in code or "quota" in str(error).casefold()
    return status in (400, 403, 409) and bool(_QUOTA.search(f"{code} {says(error)}"))


def _hint_for(said: str) -> str:
    if re.search(r"IP (ACL|access list)|blocked by", said, re.I):
        return "This network is not on the workspace's IP access list: ask an administrator, or use another network."
    if re.search(r"scope", said, re.I):
        return "Make a token with the scopes that are named, and set DATABRICKS_TOKEN."
    return "Ask the owner of the object or an administrator for the permission that is named, then resume."


def _backoff(attempt: int) -> float:
    """Twice as long each time, and not for everybody at the same moment."""
    return float(2 ** (attempt - 1)) * random.uniform(0.25, 0.5)  # no secret depends on it
