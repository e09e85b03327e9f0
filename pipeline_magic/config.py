"""Settings, and which of several places wins.

    argument  >  environment variable  >  pipeline_magic.toml (the nearest one upward)  >  default

Here: names, types, precedence. Not here: what is built from them (`wiring`), and approval policy, which is read only
from the base branch of the code host (`agents.approval.policy`), never from a place one person controls.
Secrets are accepted as arguments and environment variables only, and are held as `SecretStr`: a file that names
one is refused, so that a token cannot be committed by accident.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from pipeline_magic.errors import ConfigurationError

__all__ = ["ENVIRONMENT", "FILE_NAME", "Settings", "find_file", "load_settings"]

FILE_NAME = "pipeline_magic.toml"

ENVIRONMENT: dict[str, str] = {
    "home": "PIPELINE_MAGIC_HOME",
    "environment": "PIPELINE_MAGIC_ENVIRONMENT",
    "local": "PIPELINE_MAGIC_LOCAL",
    "store_url": "PIPELINE_MAGIC_STORE_URL",
    "retention": "PIPELINE_MAGIC_RETENTION",
    "sample_scale": "PIPELINE_MAGIC_SAMPLE_SCALE",
    "databricks_host": "DATABRICKS_HOST",
    "databricks_token": "DATABRICKS_TOKEN",
    "databricks_warehouse_id": "DATABRICKS_WAREHOUSE_ID",
    "databricks_profile": "DATABRICKS_CONFIG_PROFILE",
    "databricks_cluster_id": "DATABRICKS_CLUSTER_ID",
    "databricks_serverless": "DATABRICKS_SERVERLESS_COMPUTE_ID",
    "databricks_runtime": "DATABRICKS_RUNTIME_VERSION",
    "databricks_scratch_catalog": "PIPELINE_MAGIC_SCRATCH_CATALOG",
    "databricks_workspace_root": "PIPELINE_MAGIC_WORKSPACE_ROOT",
    "one_off_runs": "PIPELINE_MAGIC_ONE_OFF_RUNS",
    "planner": "PIPELINE_MAGIC_PLANNER",
    "send_sample_values": "PIPELINE_MAGIC_SEND_SAMPLE_VALUES",
    "openai_api_key": "OPENAI_API_KEY",
    "openai_base_url": "OPENAI_BASE_URL",
    "openai_model": "OPENAI_MODEL",
    "azure_openai_endpoint": "AZURE_OPENAI_ENDPOINT",
    "azure_openai_api_key": "AZURE_OPENAI_API_KEY",
    "azure_openai_deployment": "AZURE_OPENAI_DEPLOYMENT",
    "azure_openai_api_version": "AZURE_OPENAI_API_VERSION",
    "databricks_model": "DATABRICKS_MODEL",
    "github_token": "GITHUB_TOKEN",
    "github_repo": "GITHUB_REPO",
    "github_url": "GITHUB_API_URL",
    "github_app_id": "GITHUB_APP_ID",
    "github_app_private_key": "GITHUB_APP_PRIVATE_KEY",
}
"""Environment variable of each setting that has one."""

_SECRETS = frozenset(
    {"databricks_token", "openai_api_key", "azure_openai_api_key", "github_token", "github_app_private_key"}
)
_ADDRESSES = frozenset({"databricks_host", "openai_base_url", "azure_openai_endpoint", "github_url"})
"""Where a key is sent to: a file in a folder that somebody else wrote must not say it."""


class Settings(BaseModel):
    """Everything that can be set.

    Attributes:
        home: Folder of the local lakehouse, store and repository; ``.pipeline_magic`` beside the notebook, and in the
            user's home on the driver's disk in a notebook of Databricks.
        environment: Which of the environments in `pipeline_magic.toml` a run is for.
        local: Use the local adapters for every port, whatever else is set.
        planner: Which parser reads the statement; ``auto`` takes the embedded one unless a model is configured.
        databricks_host: Address of a workspace: catalog, engine and deployer are then Databricks, all three.
        databricks_profile: A profile of ``~/.databrickscfg`` in place of host and token.
        databricks_warehouse_id: SQL warehouse that runs SQL where there is no session.
        databricks_cluster_id: Cluster that Databricks Connect speaks to.
        databricks_serverless: ``auto``: Databricks Connect speaks to serverless compute.
        databricks_runtime: Version of the runtime this process is in; set by Databricks, not by people.
        databricks_scratch_catalog: Where the scratch schema of a run is made; the engine's own default when empty.
        databricks_workspace_root: Workspace folder that notebooks are deployed below; the deployer's own when empty.
        one_off_runs: Before approval the notebook may be run once in the workspace, as a one-off run that is removed;
            a declarative pipeline may be validated by a temporary pipeline.
        openai_base_url: Any address that speaks OpenAI's API; OpenAI's own when None.
        databricks_model: Name of a model serving endpoint of the workspace.
        model_timeout: Seconds for one request to a language model.
        model_budget_tokens: The most one reading of a statement may read and write.
        model_budget_usd: The most one reading may cost, where the model's price is known.
        model_price: Dollars for a million tokens read and written, in place of the list's.
        send_sample_values: A language model is shown a few values of text columns, never of personal ones.
        store_url: SQLAlchemy URL of the store; SQLite in `home` when None.
        open_pull_request: ``approval``: the button opens it; ``build``: stage 5 opens a draft at once.
        retention: Age (``90d``, ``12w``) after which the working data of ended runs are removed; never when None.
        retention_texts: What was exchanged with language models for them goes too; its hashes stay.
        github_repo: ``owner/name``; the local repository when None.
        github_url: Address of GitHub's API; github.com's when None, ``https://HOST/api/v3`` of an Enterprise Server.
        github_app_id: Of a GitHub App that writes instead of a token's user; with `github_app_private_key` (PEM).
        github_base: Branch that changes go into; the repository's default branch when empty.
        github_merge_method: How a pull request is merged.
        github_labels: Given to every pull request.
        github_reviewers: Asked for a review; ``team/NAME`` is a team of the owner.
        github_delete_branch: Remove the branch of a merged pull request.
        sample_scale: TPC-H scale factor of the sample tables (0.01 is about 3 MB).
        measure_questions: Run the readings of a question on the data to show what each gives.
        sample_run: Run the notebook into a scratch schema before approval.
        query_timeout: Seconds for one query.
        run_timeout: Seconds for one run of a notebook.
    """

    # Some names begin with `model_`, which pydantic before 2.10 warns of.
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    home: Path = Path(".pipeline_magic")
    environment: str = Field(default="default", pattern=r"^[a-z][a-z0-9_]{0,30}$")
    local: bool = False
    planner: Literal["auto", "embedded", "llm"] = "auto"
    store_url: SecretStr | None = None
    open_pull_request: Literal["approval", "build"] = "approval"
    retention: str | None = Field(default=None, pattern=r"^\d{1,6}[hdw]$")
    retention_texts: bool = False
    sample_scale: float = Field(default=0.01, gt=0, le=100)
    measure_questions: bool = True
    sample_run: bool = True
    query_timeout: float = Field(default=600.0, gt=0)
    run_timeout: float = Field(default=3600.0, gt=0)
    databricks_host: str | None = None
    databricks_token: SecretStr | None = None
    databricks_warehouse_id: str | None = Field(default=None, max_length=100)
    databricks_profile: str | None = Field(default=None, max_length=200)
    databricks_cluster_id: str | None = Field(default=None, max_length=100)
    databricks_serverless: str | None = Field(default=None, max_length=100)
    databricks_runtime: str | None = None
    databricks_scratch_catalog: str = Field(default="", max_length=255)
    databricks_workspace_root: str = Field(default="", max_length=500)
    one_off_runs: bool = True
    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    openai_model: str = Field(default="gpt-4.1", min_length=1, max_length=200)
    azure_openai_endpoint: str | None = None
    azure_openai_api_key: SecretStr | None = None
    azure_openai_deployment: str | None = None
    azure_openai_api_version: str = "2024-10-21"
    databricks_model: str | None = None
    model_timeout: float = Field(default=60.0, gt=0, le=600)
    model_budget_tokens: int = Field(default=200_000, gt=0)
    model_budget_usd: float = Field(default=1.0, gt=0)
    model_price: tuple[float, float] | None = None
    send_sample_values: bool = False
    github_token: SecretStr | None = None
    github_repo: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$")
    github_url: str | None = None
    github_app_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9.]{1,40}$")
    github_app_private_key: SecretStr | None = None
    github_base: str = Field(default="", max_length=200)
    github_merge_method: Literal["merge", "squash", "rebase"] = "merge"
    github_labels: tuple[str, ...] = Field(default=(), max_length=20)
    github_reviewers: tuple[str, ...] = Field(default=(), max_length=15)
    github_delete_branch: bool = False
    sources: dict[str, str] = Field(default_factory=dict)
    """Where each setting that is not a default came from, in words."""

    @property
    def on_databricks(self) -> bool:
        """Whether catalog, engine and deployer are those of a workspace."""
        return not self.local and bool(self.databricks_host or self.databricks_profile or self.databricks_runtime)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """A pickle would hold every token in the clear, in a file or on its way to another machine."""
        raise TypeError("Settings hold tokens and cannot be pickled: load them where they are needed.")

    def secrets(self) -> tuple[str, ...]:
        """Every secret value, for `redact`."""
        keys = (self.openai_api_key, self.azure_openai_api_key)
        held = (self.databricks_token, *keys, self.github_token, self.github_app_private_key, self.store_url)
        return tuple(secret.get_secret_value() for secret in held if secret is not None)


def find_file(start: Path) -> Path | None:
    """The nearest `pipeline_magic.toml` in `start` or a folder above it."""
    for folder in (start, *start.parents):
        candidate = folder / FILE_NAME
        if candidate.is_file():
            return candidate
    return None


def load_settings(
    arguments: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """Settings by precedence.

    Args:
        arguments: Settings given in code; None values count as not given.
        environ: Environment variables (`os.environ` when None).
        folder: Where the search for `pipeline_magic.toml` starts, and what `home` is relative to (the working
            directory when None).

    Raises:
        ConfigurationError: An unknown name, a value that does not fit, a file that cannot be read or holds a secret.
    """
    environ = os.environ if environ is None else environ
    folder = (folder or Path.cwd()).absolute()
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    file = find_file(folder)
    if file is not None:
        for name, value in _read_file(file).items():
            values[name], sources[name] = value, str(file)
    for name, variable in ENVIRONMENT.items():
        if environ.get(variable):
            values[name], sources[name] = environ[variable], variable
    for name, value in (arguments or {}).items():
        if value is not None:
            values[name], sources[name] = value, "argument"
    if isinstance(values.get("databricks_host"), str):
        host = values["databricks_host"].strip().rstrip("/")
        values["databricks_host"] = host if host.startswith(("https://", "http://")) else f"https://{host}"
    try:
        settings = Settings.model_validate({**values, "sources": sources})
    except ValidationError as error:
        raise _explain(error, sources) from None
    home = settings.home.expanduser()
    if settings.databricks_runtime and "home" not in sources:
        # The folder of a notebook is one of the workspace there, whose files cannot be locked, which a store needs.
        folder = Path.home()
    return settings.model_copy(update={"home": home if home.is_absolute() else folder / home})


def _read_file(file: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    content: dict[str, Any]
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(
            f"The settings file cannot be read: {error}.", where=str(file), hint="Mend the file, or move it away."
        ) from None
    content.pop("environments", None)  # policy: read from the base branch only
    held = sorted(_SECRETS & set(content))
    if held:
        raise ConfigurationError(
            f"`{held[0]}` stands in a settings file.",
            where=str(file),
            hint=f"Take it out, and set the environment variable {ENVIRONMENT[held[0]]} instead.",
        )
    sent_to = sorted(_ADDRESSES & set(content))
    if sent_to:
        raise ConfigurationError(
            f"`{sent_to[0]}` stands in a settings file, and says where a key is sent.",
            where=str(file),
            hint=f"Take it out, and set the environment variable {ENVIRONMENT[sent_to[0]]} instead.",
        )
    return content


def _explain(error: ValidationError, sources: Mapping[str, str]) -> ConfigurationError:
    item = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = str(item["loc"][0]) if item["loc"] else "settings"
    if item["type"] == "extra_forbidden":
        known = ", ".join(f"`{field}`" for field in Settings.model_fields if field != "sources")
        return ConfigurationError(
            f"There is no setting `{name}`.", where=sources.get(name, ""), hint=f"The settings are {known}."
        )
    message = item["msg"][:1].lower() + item["msg"][1:]
    return ConfigurationError(
        f"The setting `{name}` cannot be used: {message}.",
        where=sources.get(name, ""),
        hint="Give another value, or leave it out for the default.",
    )
