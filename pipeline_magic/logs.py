"""Logging: standard `logging` under ``pipeline_magic``, the run's id on every line, secrets taken out.

The log file is ``<home>/pipeline_magic.log`` (1 MB, three old ones kept). Nothing is printed unless a program asks.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from logging.handlers import RotatingFileHandler
from pathlib import Path

from pipeline_magic.redact import RedactingFilter

__all__ = ["current_run", "log_to_file", "log_to_stderr"]

FORMAT = "%(asctime)s %(levelname)-7s %(run_id)s %(name)s: %(message)s"

current_run: ContextVar[str] = ContextVar("current_run", default="-")
"""Id of the run that this thread works on."""


class _RunId(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.run_id = current_run.get()
        return True


def log_to_file(home: Path) -> None:
    """Write the log below `home`; once a file, however often it is called. A file that cannot be opened is left out."""
    path = home / "pipeline_magic.log"
    logger = logging.getLogger("pipeline_magic")
    for handler in logger.handlers:
        if isinstance(handler, RotatingFileHandler) and Path(handler.baseFilename) == path.absolute():
            return
    try:
        handler = RotatingFileHandler(path, maxBytes=1_000_000, backupCount=3, encoding="utf-8", delay=True)
    except OSError:
        return
    _add(logger, handler)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


def log_to_stderr() -> None:
    """Show the log on standard error, for ``--verbose``."""
    _add(logging.getLogger("pipeline_magic"), logging.StreamHandler())


def _add(logger: logging.Logger, handler: logging.Handler) -> None:
    handler.setFormatter(logging.Formatter(FORMAT))
    handler.addFilter(_RunId())
    handler.addFilter(RedactingFilter())
    logger.addHandler(handler)
