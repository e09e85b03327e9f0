"""No credential passes on to the processes we start."""

from __future__ import annotations

import pytest

from pipeline_magic.adapters.scrub import scrubbed_environment


@pytest.mark.parametrize(
    "name",
    [
        "DATABRICKS_TOKEN", "DATABRICKS_HOST", "UNITY_CATALOG_URI", "UC_HOST", "OPENAI_API_KEY",
        "AZURE_OPENAI_ENDPOINT",
        "GITHUB_TOKEN", "GH_TOKEN", "AWS_SECRET_ACCESS_KEY", "MY_DB_PASSWORD", "my_secret", "SOMETHING_TOKEN_FILE",
        "PGPASSWORD",
        "SSH_AUTH_SOCK", "SAIL_CATALOG__LIST", "SPARK_REMOTE", "SENTRY_DSN", "PIPELINE_MAGIC_STORE_URL",
        "SLACK_WEBHOOK",
    ],
)  # fmt: skip
def test_names(name: str) -> None:
    """A variable whose name speaks of a credential or a service is left out."""
    assert scrubbed_environment({name: "x", "HOME": "/h"}) == {"HOME": "/h"}


@pytest.mark.parametrize(
    "value",
    ["postgresql://me:pw@host/db", "https://token@github.com/x", "dapi" + "0123456789abcdef" * 2, "ghp_" + "a" * 36,
     "sk-" + "x" * 40, "eyJ" + "a" * 30 + ".b.c"],
)  # fmt: skip
def test_values(value: str) -> None:
    """A value that looks like a credential is left out, whatever it is called."""
    assert scrubbed_environment({"INNOCENT": value}) == {}


def test_kept() -> None:
    """What programs need stays: paths, language, our own settings."""
    kept = {"PATH": "/bin", "HOME": "/h", "LANG": "C", "VIRTUAL_ENV": "/v", "PIPELINE_MAGIC_HOME": "/p", "TMPDIR": "/t"}
    assert scrubbed_environment(kept) == kept
