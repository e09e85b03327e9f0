"""The log on standard error: once, and on the standard error of the moment."""

from __future__ import annotations

import io
import logging

import pytest

from pipeline_magic.logs import keep_clean, log_to_stderr


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


def test_a_programs_own_log_is_clean() -> None:
    """A handler of a program's own on the root, with none of ours, sees a line of any of our modules without secrets,
    its traceback and its extras too; it is there once, however many orchestrators there are."""
    token = "ghp_ownLogOfAProgram0123456789abcdef"
    text, root, ours = io.StringIO(), logging.getLogger(), logging.getLogger("pipeline_magic")
    handler, before, level = logging.StreamHandler(text), list(ours.handlers), ours.level
    ours.handlers.clear()
    root.addHandler(handler)
    ours.setLevel(logging.DEBUG)
    try:
        keep_clean()
        keep_clean()
        assert len(ours.handlers) == 1
        try:
            raise RuntimeError(f"refused with {token}")
        except RuntimeError:
            logging.getLogger("pipeline_magic.ui.panel").exception("A call failed: %s", token)
        log_line = text.getvalue()
    finally:
        root.removeHandler(handler)
        ours.handlers[:], _ = before, ours.setLevel(level)
    assert "A call failed" in log_line and "RuntimeError: refused with" in log_line and token not in log_line
