"""The one place that removes secrets from text that leaves a function: logs, errors, prompts, files, pull requests.

Two ways at once: values that are known to be secret (`register`, fed from the settings) in the forms they travel in,
and shapes that only a secret has. Not here: personal data; what may be shown of it is decided where it is read.

The known values are the one piece of module state in the package, on purpose: a log line or an error is written in
places that nobody hands anything to, and a forgotten argument must not print a token. Standard library only.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import threading
import traceback
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus, unquote

__all__ = ["MASK", "RedactingFilter", "Redactor", "holds_token", "redact", "redact_exception", "register"]

MASK = "[redacted]"
_SHORTEST = 6
"""A registered value shorter than this is left alone: it would tear holes into ordinary words."""

# Each pattern is linear: one class, one bounded or greedy repeat, no nesting that could backtrack.
_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,40}-----|\Z)", re.DOTALL), MASK),
    # URL with a password: the user stays, it helps to see which login failed. The last @ before the path ends it.
    (re.compile(r"(?<=://)([^\s/:@'\"<>]{0,256}):[^\s/'\"<>]{1,1024}@"), rf"\1:{MASK}@"),
    (
        re.compile(r"\b(authorization\s*[:=]\s*['\"]?(?:basic|token|bearer)|bearer)\s+[^\s'\",;]{8,}", re.I),
        rf"\1 {MASK}",
    ),
    (re.compile(r"(?<![A-Za-z0-9])d(?:api|ose|kea)[0-9a-f]{20,}(?:-\d{1,3})?", re.I), MASK),
    (re.compile(r"(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{16,}"), MASK),
    (re.compile(r"(?<![A-Za-z0-9])github_pat_[A-Za-z0-9_]{16,}"), MASK),
    (re.compile(r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_\-]{16,}"), MASK),
    (re.compile(r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_\-]{6,}\.[A-Za-z0-9_\-]{4,}(?:\.[A-Za-z0-9_\-]*)?"), MASK),
    (re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"), MASK),
    (re.compile(r"(?<![A-Za-z0-9])xox[abeprs]-[A-Za-z0-9\-]{10,}"), MASK),
    (
        re.compile(
            r"(?<![A-Za-z0-9])((?:access|refresh|auth|id|api|github|databricks|openai)[_-]?(?:token|key)|client[_-]?secret|passw(?:or)?d"
            r"|pwd|sig|accountkey)(['\"]?\s{0,4}[=:]\s{0,4}['\"]?)(?!\[redacted\])[^\s'\"&;,<>{}()\[\]]{6,}",
            re.I,
        ),
        rf"\1\2{MASK}",
    ),
)


class Redactor:
    """Removes the values it was told and everything that has the shape of a secret.

    Args:
        values: Secrets that are known.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._known: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self.register(values)

    def __repr__(self) -> str:
        return f"Redactor({len(self._known)} known forms)"

    def register(self, values: Iterable[str | None]) -> None:
        """Remember secrets; None, empty and very short ones are passed over. Of a URL its password counts too."""
        known = {value for value in values if value}
        known |= {unquote(match[1]) for value in known for match in re.finditer(r"://[^\s/:@]*:([^\s/]+)@", value)}
        forms = {form for value in known if len(value) >= _SHORTEST for form in _forms(value)}
        with self._lock:
            together = self._known | forms
            if together != self._known:
                # Longest first: a secret that holds another one must go as a whole.
                ordered = sorted(together, key=lambda form: (-len(form), form))
                self._pattern = re.compile("|".join(re.escape(form) for form in ordered))
                self._known = together

    def holds_token(self, value: Any) -> bool:
        """Whether a JSON value holds a known secret, or the shape of a token; `password = 'x'` is none."""
        if isinstance(value, dict):
            return any(self.holds_token(inner) for pair in value.items() for inner in pair)
        if isinstance(value, (list, tuple)):
            return any(self.holds_token(inner) for inner in value)
        if not isinstance(value, str):
            return False
        pattern = self._pattern
        known = pattern is not None and pattern.search(value) is not None
        return known or any(shape.search(value) for shape, _ in _SHAPES[:-1])

    def redact(self, text: str) -> str:
        """The text with every secret replaced by `MASK`; redacting twice changes nothing more."""
        pattern = self._pattern
        if pattern is not None:
            text = pattern.sub(MASK, text)
        for shape, replacement in _SHAPES:
            text = shape.sub(replacement, text)
        return text


def _forms(value: str) -> set[str]:
    """The spellings in which a secret turns up: as it is, in a URL, in JSON, in Python's repr, in base64."""
    forms = {value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1], repr(value)[1:-1]}
    encoded = base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()
    forms.add(encoded.rstrip("="))
    forms.add(encoded.rstrip("=").replace("+", "-").replace("/", "_"))
    stripped = value.strip()
    return {form for form in forms | {stripped} if len(form) >= _SHORTEST}


_shared = Redactor()


def register(values: Iterable[str | None]) -> None:
    """Tell this process's redactor secrets, once, when the settings are read."""
    _shared.register(values)


def redact(text: str) -> str:
    """The text without secrets: registered values and well-known shapes.

    >>> redact("using token ghp_abcdefghijklmnopqrstuvwxyz0123456789")
    'using token [redacted]'
    >>> redact("postgresql://ada:s3cret@db/pipelines")
    'postgresql://ada:[redacted]@db/pipelines'
    """
    return _shared.redact(text)


def holds_token(value: Any) -> bool:
    """Whether a JSON value holds a registered secret or the shape of a token.

    >>> holds_token({"comment": ["by ghp_abcdefghijklmnopqrstuvwxyz0123456789"]}), holds_token("password = 'unknown'")
    (True, False)
    """
    return _shared.holds_token(value)


def redact_exception(error: BaseException, *, trace: bool = False) -> str:
    """An exception's name and message without secrets; with `trace` its whole traceback and causes."""
    lines = traceback.format_exception(type(error), error, error.__traceback__) if trace else None
    return redact("".join(lines).rstrip() if lines else f"{type(error).__name__}: {error}")


class RedactingFilter(logging.Filter):
    """Put on a handler: no record passes with a secret in its message, arguments, traceback or extras."""

    def __init__(self, redactor: Redactor | None = None) -> None:
        super().__init__()
        self._redactor = redactor or _shared

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean the record; it always passes."""
        clean = self._redactor.redact
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            # A call with arguments that do not fit its format; the handler must not print them raw.
            message = f"{record.msg} {record.args!r}"
        record.msg, record.args = clean(message), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = clean(record.exc_text)
        record.exc_info = None
        if record.stack_info:
            record.stack_info = clean(record.stack_info)
        for name, value in list(record.__dict__.items()):
            if isinstance(value, str) and name not in ("msg", "exc_text", "stack_info", "levelname"):
                record.__dict__[name] = clean(value)
        return True
