"""The environment of Apache Spark: why it is not there is said, and half of one is never taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import spark_environment

pytestmark = pytest.mark.spark


def test_a_machine_without_java_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Java the reason to skip names it; continuous integration does not skip."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(spark_environment, "_IN_CI", False)
    assert "needs Java 17" in (spark_environment.why_not() or "")
    monkeypatch.setattr(spark_environment, "_IN_CI", True)
    assert spark_environment.why_not() is None


def test_an_old_java_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Java 11 is not enough, and the reason says which was found."""
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n", "utf-8")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(spark_environment, "_IN_CI", False)
    assert (spark_environment.why_not() or "").endswith("is 11")


def test_a_failed_installation_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """When pip fails, the error says what to do, and the cache is as it was."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setattr(spark_environment, "_NAMED", "")
    with pytest.raises(RuntimeError, match="PIPELINE_MAGIC_SPARK_ENV"):
        spark_environment.environment()
    assert [one for one in (tmp_path / "pipeline_magic").iterdir() if one.suffix != ".lock"] == []


def test_a_named_folder_without_spark_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder that was named and holds no Apache Spark is neither used nor written to."""
    monkeypatch.setattr(spark_environment, "_NAMED", str(tmp_path))
    with pytest.raises(RuntimeError, match="holds no Apache Spark"):
        spark_environment.environment()
    assert list(tmp_path.iterdir()) == []
