"""Settings and their precedence."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline_magic.config import FILE_NAME, load_settings
from pipeline_magic.errors import ConfigurationError


def test_precedence(tmp_path: Path) -> None:
    """An argument beats the environment, which beats the file, which beats the default."""
    (tmp_path / FILE_NAME).write_text('environment = "staging"\nsample_scale = 0.5\nquery_timeout = 7\n')
    environ = {"PIPELINE_MAGIC_ENVIRONMENT": "dev", "PIPELINE_MAGIC_SAMPLE_SCALE": "0.1"}
    settings = load_settings({"sample_scale": 0.2}, environ=environ, folder=tmp_path)
    assert (settings.sample_scale, settings.environment, settings.query_timeout) == (0.2, "dev", 7.0)
    assert settings.run_timeout == 3600.0
    assert settings.sources["sample_scale"] == "argument"
    assert settings.sources["environment"] == "PIPELINE_MAGIC_ENVIRONMENT"


def test_the_nearest_file_upward_is_read(tmp_path: Path) -> None:
    """The settings file is looked for from the folder upward."""
    (tmp_path / FILE_NAME).write_text('environment = "staging"\n')
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert load_settings(environ={}, folder=inner).environment == "staging"
    assert load_settings(environ={}, folder=inner).home == inner / ".pipeline_magic"


def test_a_secret_in_the_file_is_refused(tmp_path: Path) -> None:
    """A token in a file is refused, and not repeated."""
    (tmp_path / FILE_NAME).write_text('github_token = "ghp_abcdefghij"\n')
    with pytest.raises(ConfigurationError, match="GITHUB_TOKEN") as caught:
        load_settings(environ={}, folder=tmp_path)
    assert "ghp_abcdefghij" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"colour": 1}, "There is no setting `colour`"),
        ({"sample_scale": "much"}, "`sample_scale` cannot be used"),
        ({"planner": "magic"}, "`planner` cannot be used"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, arguments: dict[str, object], says: str) -> None:
    """An unknown name and a value that does not fit are named, with what would fit."""
    with pytest.raises(ConfigurationError, match=says):
        load_settings(arguments, environ={}, folder=tmp_path)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    """A file that is no TOML is named, and no traceback of the parser's is raised."""
    (tmp_path / FILE_NAME).write_text("environment = \n")
    with pytest.raises(ConfigurationError, match="cannot be read") as caught:
        load_settings(environ={}, folder=tmp_path)
    assert caught.value.where.endswith(FILE_NAME)


def test_host_with_and_without_scheme(tmp_path: Path) -> None:
    """A host is accepted with or without `https://`."""
    for host in ("adb-1.azuredatabricks.net", "https://adb-1.azuredatabricks.net/"):
        settings = load_settings({"databricks_host": host}, environ={}, folder=tmp_path)
        assert settings.databricks_host == "https://adb-1.azuredatabricks.net"


def test_secrets_do_not_show(tmp_path: Path) -> None:
    """The `repr` of the settings holds no secret."""
    settings = load_settings({"github_token": "ghp_abcdefghij"}, environ={}, folder=tmp_path)
    assert "ghp_abcdefghij" not in repr(settings)
    assert settings.secrets() == ("ghp_abcdefghij",)


def test_home_on_databricks(tmp_path: Path) -> None:
    """In a notebook of Databricks the home is on the driver's disk, not in the workspace, unless it is said."""
    runtime = {"DATABRICKS_RUNTIME_VERSION": "14.3"}
    assert load_settings(environ=runtime, folder=tmp_path).home == Path.home() / ".pipeline_magic"
    assert load_settings(environ={**runtime, "PIPELINE_MAGIC_HOME": "x"}, folder=tmp_path).home == tmp_path / "x"
    assert load_settings(environ={}, folder=tmp_path).home == tmp_path / ".pipeline_magic"
