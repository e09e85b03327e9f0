"""The log on standard error: once, and on the standard error of the moment."""

from __future__ import annotations

import io
import logging

import pytest

from pipeline_magic.logs import log_to_stderr


def test_the_log_follows_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that was closed meanwhile is not written to; two calls show a line once."""
    logger = logging.getLogger("pipeline_magic")
    before = list(logger.handlers)
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr("sys.stderr", first)
    try:
        log_to_stderr()
        log_to_stderr()
        first.close()
        monkeypatch.setattr("sys.stderr", second)
        logger.error("something happened")
        assert second.getvalue().count("something happened") == 1
        assert "Traceback" not in second.getvalue()
    finally:
        for handler in [one for one in logger.handlers if one not in before]:
            logger.removeHandler(handler)
