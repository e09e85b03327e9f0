"""Secrets in objects: what a debugger, a pickle, a log of everything or a chain of errors shows of a port holds none.

What is written and sent in the whole flow is searched in `trust/test_canary`. Here the adapters that hold a token
speak to servers that know it, succeed, are refused and break, while every library logs all it can to a plain handler.
"""

from __future__ import annotations

import copy
import io
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline_magic import redact
from pipeline_magic.adapters import database_engine
from pipeline_magic.adapters.database import Database
from pipeline_magic.adapters.databricks.catalog import UnityCatalog
from pipeline_magic.adapters.databricks.client import workspace_client
from pipeline_magic.adapters.openai import Endpoint, OpenAIModel
from pipeline_magic.config import Settings, load_settings
from pipeline_magic.errors import PipelineMagicError
from tests.support.databricks_server import Fault as DatabricksFault
from tests.support.databricks_server import workspace
from tests.support.github_server import Fault as GitHubFault
from tests.support.github_server import GitHubServer, github_at
from tests.support.model_server import KEY, calls, fails, model_server

TOKENS = {
    "databricks_token": "canaryDatabricksTokenWithoutAnyShape88",
    "openai_api_key": KEY,
    "azure_openai_api_key": "canaryAzureKeyWithoutAnyShape88",
    "github_token": "canaryGithubTokenWithoutAnyShape88",
    "github_app_private_key": "canaryPrivateKeyWithoutAnyShape88",
    "store_url": "postgresql://ada:canaryPasswordOfPostgres88@127.0.0.1:1/none",
}
PLANTED = (*(token for name, token in TOKENS.items() if name != "store_url"), "canaryPasswordOfPostgres88")
WRONG = "canaryOfAnotherAccountWithoutShape88"


@pytest.fixture(autouse=True)
def known() -> None:
    redact.register([*TOKENS.values(), WRONG])


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that any library logs, as a program that is looked into at DEBUG prints it: without our filter."""
    text, root = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(text)
    handler.setFormatter(_Everything())
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.setLevel(before)
    root.removeHandler(handler)


class _Everything(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{super().format(record)} {record.__dict__!r}"


def shown_of(error: BaseException, seen: set[int] | None = None) -> Iterator[str]:
    """Every word of an error and of those it was raised from, or in the middle of."""
    seen = set() if seen is None else seen
    if id(error) in seen:
        return
    seen.add(id(error))
    yield from (str(error), repr(error), repr(error.args), repr(vars(error)))
    yield "".join(traceback.format_exception(error))
    for one in (error.__cause__, error.__context__):
        if one is not None:
            yield from shown_of(one, seen)


def refused(call: Callable[[], Any]) -> list[str]:
    """What is shown of the error that the call must end with."""
    with pytest.raises(PipelineMagicError) as raised:
        call()
    return list(shown_of(raised.value))


def looked_at(made: Any) -> Iterator[str]:
    """An object as a debugger and a pickle show it; one that refuses to be pickled shows what it says."""
    yield from (repr(made), str(made), repr(vars(made)), f"{made!r:.2000}")
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        try:
            got = way(made)
            yield got.decode("latin-1") if isinstance(got, bytes) else repr(got)
        except Exception as error:  # noqa: BLE001  (whatever a library says of it)
            yield from shown_of(error)


def leaks(shown: list[str]) -> list[str]:
    """Where a planted value is, with some of what is around it."""
    found = []
    for text in shown:
        for value in (*PLANTED, WRONG):
            at = text.find(value)
            if at >= 0:
                found.append(f"{value[:22]}: …{text[max(0, at - 200) : at + 10]}…")
    return found


def test_settings() -> None:
    """Settings show stars in every form, are not pickled, and can still be copied."""
    settings = Settings(**{name: SecretStr(token) for name, token in TOKENS.items()})  # type: ignore[arg-type]
    shown = [*looked_at(settings), settings.model_dump_json(), repr(settings.model_dump()), repr(dict(settings))]
    assert leaks(shown) == []
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(settings)
    assert copy.deepcopy(settings) == settings == copy.copy(settings)
    assert len(set(settings.secrets())) == len(TOKENS)


@pytest.mark.parametrize("name", sorted(TOKENS))
def test_settings_that_are_refused(name: str) -> None:
    """A wrong setting beside a token, and a token where none belongs: the error names the setting alone."""
    shown = refused(lambda: load_settings({name: TOKENS[name], "planner": "nobody"}, environ={}))
    shown += refused(lambda: load_settings({"model_timeout": TOKENS[name]}, environ={}))
    shown += refused(lambda: load_settings({name: [TOKENS[name]]}, environ={}))
    assert leaks(shown) == []


def test_a_language_model(logged: io.StringIO) -> None:
    """Answering, refusing with the key in its words, and gone."""
    with model_server() as server:
        endpoint = Endpoint("openai", "m", SecretStr(KEY), server.url)
        made = OpenAIModel(endpoint)
        asked = {"system": "s", "user": "u", "schema": {"title": "a", "type": "object", "properties": {}}}
        server.will(calls({}), fails(400, f"We do not like {KEY}"), fails(500, f"{KEY} again"))
        shown = refused(lambda: made.complete(**asked)) + refused(lambda: made.complete(**asked))
        other = OpenAIModel(Endpoint("openai", "m", SecretStr(WRONG), server.url))
        shown += refused(lambda: other.complete(**asked))
    shown += refused(lambda: made.complete(**asked))
    shown += [*looked_at(made), *looked_at(endpoint), logged.getvalue()]
    assert "openai" in logged.getvalue() and leaks(shown) == []


def test_github(logged: io.StringIO, tmp_path: Path) -> None:
    """Answering, refusing the token, answering with an error, and gone."""
    server = GitHubServer(tmp_path)
    token = TOKENS["github_token"]
    server.users[token], server.scopes[token] = "ada", "write"
    made, other = github_at(server, token), github_at(server, WRONG)
    assert made.identity() == "ada" and made.read("none") is None
    shown = refused(other.identity) + refused(lambda: other.read("README.md"))
    server.faults += [GitHubFault("500", after=1) for _ in range(20)]
    shown += refused(lambda: made.read("README.md"))
    shown += refused(lambda: made.comments(99))
    server.close()
    shown += refused(lambda: made.read("README.md"))
    shown += [*looked_at(made), *looked_at(made._access), logged.getvalue()]
    assert "urllib3" in logged.getvalue() and leaks(shown) == []


def test_databricks(logged: io.StringIO) -> None:
    """Answering, refusing the token, answering with an error, and gone."""
    server, world, _ = workspace()
    token = TOKENS["databricks_token"]
    server.users[token] = "ada@acme.test"
    world.add_catalog("shop", "ada@acme.test")

    def catalog(token: str) -> UnityCatalog:
        return UnityCatalog(workspace_client(server.url, token, http_timeout=0.8), sleep=lambda _: None, fresh=0.0)

    made = catalog(token)
    made.has_schema("shop", "sales")
    shown = refused(lambda: catalog(WRONG).has_schema("shop", "sales"))
    server.faults += [DatabricksFault("500") for _ in range(20)]
    shown += refused(lambda: made.has_schema("shop", "sales"))
    server.close()
    shown += refused(lambda: made.has_schema("shop", "sales"))
    shown += [*looked_at(made), *looked_at(workspace_client(server.url, token)), logged.getvalue()]
    assert "databricks" in logged.getvalue() and leaks(shown) == []


def test_a_store(logged: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database whose password is in its address, away; and one whose rows an error of the library would quote."""
    monkeypatch.setattr(database_engine, "RETRY_SECONDS", (0.01,))
    made = Database(TOKENS["store_url"])
    shown = refused(made.runs) + refused(made.audit_head)
    kept = Database(str(tmp_path / "state.db"))
    kept.append_audit(at="2026-01-01T00:00:00+00:00", run_id="r", event="e", identity="ada")
    with kept._db.write() as connection:
        connection.exec_driver_sql("DROP TABLE pm_workers")
    shown += refused(lambda: kept.beat(WRONG))
    kept.close()
    shown += [*looked_at(made), *looked_at(made._db), logged.getvalue()]
    assert leaks(shown) == []
