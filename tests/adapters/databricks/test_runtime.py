"""Knowing a notebook of Databricks, and what its namespace holds."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pipeline_magic.adapters.databricks.runtime import detect

SHELL = SimpleNamespace(user_ns={"spark": "a session", "dbutils": "utilities", "display": print})


def test_a_notebook_of_databricks() -> None:
    """The runtime's version, and what is in the shell's namespace."""
    found = detect(SHELL, {"DATABRICKS_RUNTIME_VERSION": "14.3"})
    assert found is not None and tuple(found) == ("14.3", "a session", "utilities", print)


def test_elsewhere() -> None:
    """A name `spark` alone makes no notebook of Databricks."""
    assert detect(SHELL, {}) is None


@pytest.mark.parametrize("shell", [None, SimpleNamespace(), SimpleNamespace(user_ns={})])
def test_without_a_session(shell: object) -> None:
    """A task that is no notebook has no session to give."""
    found = detect(shell, {"DATABRICKS_RUNTIME_VERSION": "16.4"})
    assert found is not None and (found.version, found.spark) == ("16.4", None)
