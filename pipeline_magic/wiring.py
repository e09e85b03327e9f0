"""Settings -> adapters. The only room that imports adapters.

What is not configured is local: a lakehouse, store, repository and jobs in one folder, with no account of any kind.
A Databricks host makes catalog, engine and deployer Databricks, all three (`workspace`); code host, store and language
model are chosen each alone. What is configured and cannot be used is refused, never quietly replaced by a local one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline_magic import redact
from pipeline_magic.config import Settings
from pipeline_magic.errors import ConfigurationError, EngineUnavailable
from pipeline_magic.ports import Catalog, Clock, CodeHost, Deployer, Engine, LanguageModel, Store

if TYPE_CHECKING:
    from pipeline_magic.adapters.databricks.examination import Look

__all__ = ["Ports", "language_model", "wire", "with_model"]

log = logging.getLogger("pipeline_magic")

_THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Ports:
    """One adapter for each port, and what a person should know of them.

    Attributes:
        place: Where pipelines run: ``local`` or ``databricks``.
        describe: Name of each port's adapter, for the panel's header and `doctor`.
        leaves_machine: What goes elsewhere, as sentences; empty when all is local.
        leaves_otherwise: The same for a run that the embedded planner reads.
        language_model: Reads statements where it is asked to; None without one.
        planner: Who reads a statement where nobody says: ``embedded`` or ``llm``.
        warnings: What is not as it should be, though the work can go on.
        prepare: Makes what must be there before stage 1 (the sample tables); told what it does.
        host: Address of the Databricks workspace; empty where there is none.
        no_engine: Why nothing can run SQL, where that is so: the work stops after parsing.
        holds: Whether what lies at a path of the workspace is this text; None where nothing lies there.
        examine: Looks at the workspace for `doctor`, given the catalogs that are written to.
    """

    catalog: Catalog
    engine: Engine
    code_host: CodeHost
    deployer: Deployer
    store: Store
    clock: Clock
    language_model: LanguageModel | None = None
    planner: str = "embedded"
    place: str = "local"
    describe: dict[str, str] = field(default_factory=dict)
    leaves_machine: tuple[str, ...] = ()
    leaves_otherwise: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    prepare: Callable[[Callable[[str], None]], None] = lambda say: None
    host: str = ""
    no_engine: EngineUnavailable | None = None
    holds: Callable[[str, str], bool | None] = lambda path, text: None
    examine: Callable[[Sequence[str]], Iterable[Look]] = lambda catalogs: ()

    def cancel(self) -> None:
        """Stop what runs in the world; it raises Cancelled in its own thread."""
        self.catalog.cancel()
        self.engine.cancel()
        self.deployer.cancel()

    def close(self) -> None:
        """Let go of the engine and the store."""
        self.engine.close()
        self.store.close()


def wire(settings: Settings) -> Ports:
    """The adapters the settings ask for.

    Raises:
        ConfigurationError: A service is configured that this version cannot speak to, or the home cannot be written.
    """
    redact.register(settings.secrets())
    ports = _on_databricks(settings) if settings.on_databricks else _local(settings)
    if settings.github_repo and not settings.local:
        ports = _on_github(ports, settings, settings.github_repo)
    return with_model(ports, settings)


def with_model(ports: Ports, settings: Settings) -> Ports:
    """The ports with the language model that the settings name, and with what then leaves the machine.

    Raises:
        ConfigurationError: The settings ask for a model and name none, or name one that cannot be used.
    """
    model = None if settings.local else language_model(settings)
    if settings.planner == "llm" and model is None:
        raise ConfigurationError(
            "The planner is to be a language model, and "
            + ("`local` keeps everything on this machine." if settings.local else "none is configured."),
            where=settings.sources.get("planner", "planner"),
            hint="Set OPENAI_API_KEY, AZURE_OPENAI_* or OPENAI_BASE_URL, and take `local` out; or set the planner to "
            "`embedded`.",
        )
    ports = replace(
        ports, warnings=(*ports.warnings, *_half_configured(settings)), leaves_otherwise=ports.leaves_machine
    )
    if model is None:
        return ports
    planner = "embedded" if settings.planner == "embedded" else "llm"
    return replace(
        ports,
        language_model=model,
        planner=planner,
        describe={**ports.describe, "parser": f"{model.name}" if planner == "llm" else "embedded planner"},
        leaves_machine=(*ports.leaves_machine, *_leaves(model, planner, settings)),
    )


def language_model(settings: Settings) -> LanguageModel | None:
    """The adapter of the model that is configured: Databricks by name, then Azure, then OpenAI and its like."""
    from pydantic import SecretStr

    from pipeline_magic.adapters.openai import Endpoint, OpenAIModel, databricks_endpoint

    if settings.databricks_model and settings.databricks_host and settings.databricks_token:
        made = databricks_endpoint(settings.databricks_host, settings.databricks_model, settings.databricks_token)
    elif settings.azure_openai_endpoint and settings.azure_openai_api_key and settings.azure_openai_deployment:
        made = Endpoint(
            "azure",
            settings.azure_openai_deployment,
            settings.azure_openai_api_key,
            settings.azure_openai_endpoint,
            settings.azure_openai_api_version,
        )
    elif settings.openai_api_key or settings.openai_base_url:
        # A server on one's own machine often asks for no key, and the client for some.
        key = settings.openai_api_key or SecretStr("none")
        made = Endpoint("openai", settings.openai_model, key, settings.openai_base_url or "https://api.openai.com/v1")
    else:
        return None
    return OpenAIModel(made)


def _half_configured(settings: Settings) -> Iterator[str]:
    """What is set of a language model and leads to none, or to one that is spoken to in the clear."""
    if settings.local:
        return
    if settings.github_token and not settings.github_repo:
        yield "`github_token` is set and `github_repo` (owner/name) is not: changes go to the local repository."
    azure = ("azure_openai_endpoint", "azure_openai_api_key", "azure_openai_deployment")
    for names in (azure, ("databricks_model", "databricks_host", "databricks_token")):
        missing = [name for name in names if not getattr(settings, name)]
        if getattr(settings, names[0]) and missing:
            listed = " and ".join(f"`{name}`" for name in missing)
            yield f"`{names[0]}` is set and {listed} is not: this language model is not used."
    for name in ("openai_base_url", "azure_openai_endpoint", "github_url"):
        address = getattr(settings, name) or ""
        if address.startswith("http://") and urlsplit(address).hostname not in _THIS_MACHINE:
            yield f"`{name}` begins with http: keys and all else are sent in the clear."


def _leaves(model: LanguageModel, planner: str, settings: Settings) -> tuple[str, ...]:
    host = model.host.rpartition(":")[0] or model.host
    if host in _THIS_MACHINE:
        return ()
    when = "" if planner == "llm" else " when a run is read with `--planner llm`"
    values = (
        "a few values of their text columns, none of personal ones"
        if settings.send_sample_values
        else "no value of any row"
    )
    return (
        f"To {model.name}{when}: the statement, and names, types, keys and comments of the tables found for it; "
        f"{values}. `%pipeline ledger` shows every request.",
    )


def _on_github(ports: Ports, settings: Settings, repository: str) -> Ports:
    """The ports with GitHub as code host. Who acts there is asked when it is first needed."""
    from pipeline_magic.adapters.github import GitHub
    from pipeline_magic.adapters.github.auth import app_of, token_of

    address = settings.github_url or "https://api.github.com"
    app = ""
    if settings.github_app_id and settings.github_app_private_key:
        key = settings.github_app_private_key.get_secret_value()
        auth, app = app_of(repository, settings.github_app_id, key, base_url=address)
    elif settings.github_token:
        auth = token_of(settings.github_token.get_secret_value())
    else:
        raise ConfigurationError(
            f"The settings name the repository {repository}, and no token that may write to it.",
            where=settings.sources.get("github_repo", "github_repo"),
            hint="Set GITHUB_TOKEN (contents and pull requests: write), or GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY.",
        )
    host = GitHub(
        repository,
        auth,
        base_url=address,
        base=settings.github_base,
        method=settings.github_merge_method,
        labels=settings.github_labels,
        reviewers=settings.github_reviewers,
        delete_branch=settings.github_delete_branch,
        app=app,
    )
    server = urlsplit(address).hostname or address
    leaves = f"To GitHub ({server}), after Approve: the files and the text of the pull request; no row of any table."
    if settings.open_pull_request == "build":
        leaves = leaves.replace("after Approve", "when a plan is built")
    return replace(
        ports,
        code_host=host,
        describe={**ports.describe, "code host": host.name},
        leaves_machine=(*ports.leaves_machine, leaves),
    )


def _local(settings: Settings) -> Ports:
    from pipeline_magic.adapters.clock import SystemClock
    from pipeline_magic.adapters.lakehouse import Lakehouse
    from pipeline_magic.adapters.localjobs import LocalJobs
    from pipeline_magic.adapters.sail import SailServer
    from pipeline_magic.adapters.sail_engine import SailEngine

    _make_private(settings.home)
    clock = SystemClock()
    lakehouse = Lakehouse(settings.home, sample_scale=settings.sample_scale)
    engine = SailEngine(SailServer(settings.home, lakehouse), lakehouse)
    return _named(
        Ports(
            catalog=lakehouse,
            engine=engine,
            code_host=_local_repository(settings),
            deployer=LocalJobs(settings.home, engine, lakehouse, clock),
            store=_store(settings),
            clock=clock,
            prepare=lambda say: lakehouse.ensure_samples(say),
        )
    )


def _on_databricks(settings: Settings) -> Ports:
    """Catalog, engine and deployer of the workspace; who acts is whom it knows, until GitHub knows better."""
    from pipeline_magic.adapters.clock import SystemClock
    from pipeline_magic.workspace import clock_warning, workspace_of

    _make_private(settings.home)
    clock = SystemClock()
    made = workspace_of(settings, clock)
    compared: list[str] = []

    def prepare(say: Callable[[str], None]) -> None:
        """Compare the clocks, once."""
        if not compared:
            compared.append(clock_warning(made.skew()))
            if compared[0]:
                log.warning("%s", compared[0])
                say(compared[0])

    bounds = (
        "counts, keys and at most a few rows to look at come back" if made.no_engine is None else "no query can be run"
    )
    leaves = (
        f"To Databricks ({made.server}): table names and the SQL of checks and readings, which runs there; {bounds}.",
        f"To Databricks ({made.server}), after Approve: the notebook, the job's settings, and the target's comment and "
        "tags.",
    )
    return _named(
        Ports(
            catalog=made.catalog,
            engine=made.engine,
            code_host=_local_repository(settings, made.identity),
            deployer=made.deployer,
            store=_store(settings),
            clock=clock,
            place="databricks",
            leaves_machine=leaves,
            warnings=tuple(_lost_with_the_cluster(settings)),
            host=made.host,
            no_engine=made.no_engine,
            holds=made.holds,
            examine=made.examine,
            prepare=prepare,
        )
    )


def _lost_with_the_cluster(settings: Settings) -> Iterator[str]:
    """A driver's disk ends with its cluster, and with it runs, approvals and the audit."""
    lost = "is on the driver's disk, which is lost with the cluster"
    if settings.databricks_runtime and settings.store_url is None:
        yield f"The store {lost}: set PIPELINE_MAGIC_STORE_URL to a PostgreSQL database (Lakebase is one)."
    if settings.databricks_runtime and not settings.github_repo:
        yield f"The repository {lost}: set GITHUB_REPO and GITHUB_TOKEN."


def _local_repository(settings: Settings, identity: Callable[[], str] | None = None) -> CodeHost:
    from pipeline_magic.adapters.localgit import LocalGit, system_user

    return LocalGit(settings.home / "repo.git", author=system_user(), identity=identity)


def _store(settings: Settings) -> Store:
    from pipeline_magic.adapters.database import Database

    url = settings.store_url.get_secret_value() if settings.store_url else f"sqlite:///{settings.home / 'state.db'}"
    return Database(url)


def _named(ports: Ports) -> Ports:
    names = {
        "parser": "embedded planner",
        "catalog": ports.catalog.name,
        "engine": ports.engine.name,
        "code host": ports.code_host.name,
        "deployer": ports.deployer.name,
        "store": ports.store.name,
    }
    return replace(ports, describe=names)


def _make_private(home: Path) -> None:
    try:
        # `parents=True` would give the folders between only what the umask leaves.
        for folder in reversed([one for one in (home, *home.parents) if not one.exists()]):
            folder.mkdir(mode=0o700, exist_ok=True)
        probe = home / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigurationError(
            f"The home folder cannot be written: {error.strerror or error}.",
            where=str(home),
            hint="Give another folder by PIPELINE_MAGIC_HOME, or ask for write permission on this one.",
        ) from None
