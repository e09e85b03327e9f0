"""Fixtures every test may use."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

_OURS = ("PIPELINE_MAGIC_", "DATABRICKS_", "GITHUB_", "OPENAI_", "AZURE_OPENAI_")

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # Started in the background, a process ignores Ctrl-C, and so would all that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

if not hasattr(sys.modules["__main__"], "__file__"):
    # A worker of several has a main module of no file; Spark's client takes that for its own doctests.
    sys.modules["__main__"].__file__ = __file__


@pytest.fixture(autouse=True, scope="session")
def _no_settings_from_outside() -> Iterator[None]:
    """No test sees the settings or the secrets of whoever runs it."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(_OURS)}
    for name in ("PIPELINE_MAGIC_TEST_FULL", "PIPELINE_MAGIC_TEST_DELTA", "PIPELINE_MAGIC_SPARK_ENV"):
        if name in kept:
            os.environ[name] = kept[name]
    yield
    os.environ.update(kept)


_FIGURES: list[str] = []
"""What the random tests of a run without bounds have counted, wherever they ran."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker tells the one process that prints what it has counted."""
    counted = sys.modules.get("tests.support.random_runs")
    figures = counted.FIGURES if counted else []
    output = getattr(session.config, "workeroutput", None)
    if output is None:
        _FIGURES.extend(figures)
    else:
        output["figures"] = list(figures)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What a worker has counted."""
    _FIGURES.extend(getattr(node, "workeroutput", {}).get("figures", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures, at the end."""
    for line in _FIGURES:
        terminalreporter.write_line(line)


@pytest.fixture(autouse=True, scope="session")
def _no_real_language_model() -> Iterator[None]:
    """No test asks a model that is not on this machine, whatever it configures."""
    from pipeline_magic.adapters.openai import OpenAIModel

    complete = OpenAIModel.complete

    def guarded(self: OpenAIModel, **request: Any) -> Any:
        assert self.host.partition(":")[0] == "127.0.0.1", f"a test would ask {self.host}"
        return complete(self, **request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OpenAIModel, "complete", guarded)
        yield


@pytest.fixture(autouse=True)
def _no_log_of_another_test() -> Iterator[None]:
    """A test that asks for the log on standard error does not leave it there for the next one."""
    logger = logging.getLogger("pipeline_magic")
    before = list(logger.handlers)
    yield
    for handler in [one for one in logger.handlers if one not in before]:
        logger.removeHandler(handler)
        handler.close()
