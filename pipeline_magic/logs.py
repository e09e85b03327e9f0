"""Logging: standard `logging` under ``pipeline_magic``, the run's id on every line, secrets taken out.

The log file is ``<home>/pipeline_magic.log`` (1 MB, three old ones kept). Nothing is printed unless a program asks.
"""

from __future__ import annotations

import logging
import os
import sys
from contextvars import ContextVar
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from pipeline_magic.redact import RedactingFilter

__all__ = ["current_run", "keep_clean", "log_to_file", "log_to_stderr"]

FORMAT = "%(asctime)s %(levelname)-7s %(run_id)s %(name)s: %(message)s"

current_run: ContextVar[str] = ContextVar("current_run", default="-")
"""Id of the run that this thread works on."""


class _RunId(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.run_id = current_run.get()
        return True


class _Cleaner(logging.Handler):
    """Writes nothing. What it filters is clean for every handler that comes after it: a program's own on the root."""

    def emit(self, record: logging.LogRecord) -> None:
        """Nothing."""


def keep_clean() -> None:
    """Take secrets out of every line before a program's own log sees it; once, however often it is called."""
    logger = logging.getLogger("pipeline_magic")
    if not any(isinstance(handler, _Cleaner) for handler in logger.handlers):
        cleaner = _Cleaner()
        cleaner.addFilter(RedactingFilter())
        logger.handlers.insert(0, cleaner)


def log_to_file(home: Path) -> None:
    """Write the log below `home`; once a file, however often it is called. A file that cannot be opened is left out."""
    path = home / "pipeline_magic.log"
    logger = logging.getLogger("pipeline_magic")
    for handler in logger.handlers:
        if isinstance(handler, RotatingFileHandler) and Path(handler.baseFilename) == path.absolute():
            return
    try:
        handler = _PrivateFile(path, maxBytes=1_000_000, backupCount=3, encoding="utf-8", delay=True)
    except OSError:
        return
    _add(logger, handler)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


class _PrivateFile(RotatingFileHandler):
    """Only the user may read it; on a full or read-only disk the line is left out, and the work goes on."""

    def _open(self) -> Any:
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        if os.name == "posix" and os.fstat(handle).st_mode & 0o077:
            os.fchmod(handle, 0o600)
        return os.fdopen(handle, self.mode, encoding=self.encoding)

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing: `logging` would print a traceback into the notebook for every line."""


class _Console(logging.Handler):
    """Writes to whatever standard error is at the moment: a notebook and a test put another in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
        except Exception:  # noqa: BLE001 - a log that cannot be written never stops the work, and says so as logging does
            self.handleError(record)


def log_to_stderr() -> None:
    """Show the log on standard error, for ``--verbose``; once, however often it is called."""
    logger = logging.getLogger("pipeline_magic")
    if not any(isinstance(handler, _Console) for handler in logger.handlers):
        _add(logger, _Console())


def _add(logger: logging.Logger, handler: logging.Handler) -> None:
    handler.setFormatter(logging.Formatter(FORMAT))
    handler.addFilter(_RunId())
    handler.addFilter(RedactingFilter())
    logger.addHandler(handler)
