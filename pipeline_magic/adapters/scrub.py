"""The environment of the processes we start: what they need, and nothing that opens a door elsewhere.

The engine's own Unity Catalog provider reads ``UNITY_*`` and ``DATABRICKS_*``, and a generated notebook is code that
nobody has approved yet when its sample run starts: neither gets a credential.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

__all__ = ["scrubbed_environment"]

_PREFIXES = (
    "DATABRICKS_", "UNITY_", "UC_", "SAIL_", "SPARK_", "AWS_", "AZURE_", "ARM_", "GOOGLE_", "GCP_", "OPENAI_",
    "ANTHROPIC_", "GITHUB_", "GH_", "GITLAB_", "CI_JOB_", "LANGSMITH_", "LANGCHAIN_", "HF_", "HUGGING",
    "SNOWFLAKE_", "PG", "MYSQL_", "KUBE", "VAULT_", "NPM_", "PIP_", "TWINE_", "DOCKER_", "PIPELINE_MAGIC_STORE",
)  # fmt: skip
_WORDS = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIAL|COOKIE|AUTH|DSN\Z|WEBHOOK|BEARER|_PAT\Z",
    re.IGNORECASE,
)
_LOGIN_IN_URL = re.compile(r"://[^/\s@]+@")
_KEY_SHAPED = re.compile(r"(?:dapi[0-9a-f]{30,}|gh[pousr]_\w{30,}|github_pat_\w{20,}|sk-[\w-]{20,}|eyJ[\w-]{20,}\.)")


def scrubbed_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without credentials: by name, and by values that look like one.

    Args:
        environment: The one of this process when None.

    >>> scrubbed_environment({"PATH": "/bin", "GITHUB_TOKEN": "x", "STORE": "postgresql://me:pw@db/x"})
    {'PATH': '/bin'}
    """
    given = os.environ if environment is None else environment
    return {name: value for name, value in given.items() if not _is_secret(name, value)}


def _is_secret(name: str, value: str) -> bool:
    if name.upper().startswith(_PREFIXES) or _WORDS.search(name):
        return True
    return bool(_LOGIN_IN_URL.search(value) or _KEY_SHAPED.search(value))
