"""Canary: what is planted as a secret is found nowhere, and what is planted as personal only where it belongs.

A process with every kind of token in its hands goes through the whole flow, and through failures of every port; then
every byte it wrote and every word it showed is searched: files of the home, the store, the repository's objects
unpacked, the requests that a language model got, panels, reprs, errors, standard output and error.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.model_server import KEY, ModelServer, fails, model_server
from tests.trust import spilling, world
from tests.trust.zygote import Zygote

TOKENS = {
    "DATABRICKS_TOKEN": "canaryDatabricksTokenWithoutAnyShape77",
    "OPENAI_API_KEY": KEY,
    "GITHUB_TOKEN": "canaryGithubTokenWithoutAnyShape77",
    "AZURE_OPENAI_API_KEY": "canaryAzureKeyWithoutAnyShape77",
    "password": "canaryPasswordOfPostgres77",
    "statement": "dapi0123456789abcdef0123456789abcdef",
    "comment": "ghp_CanaryInACommentOfATable0123456789",
    "column": "github_pat_CanaryInAColumn0123456789abcdef",
    "typed": "sk-canaryTypedByAPerson0123456789abcdef",
    "library": "AKIACANARYLIBRARY777",
}
PERSONAL = {"e-mail": "zoe.canary@people.example", "name": "Zoe Canarytree", "phone": "+49 170 5550199"}
SAID = {"e-mail": "yan.canary@people.example", "name": "Yan Canarybush", "phone": "+49 170 5550188"}


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote("tests.trust.spilling", "deltalake", "pyarrow", "psycopg", "tests.support.duck_engine") as made:
        yield made


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with model_server() as made:
        made.otherwise = lambda request: fails(400, f"We do not like {KEY} or {TOKENS['library']}")
        yield made


class Spilled:
    """Everything a process wrote and showed, by where it was."""

    def __init__(self, zygote: Zygote, home: Path, told: Mapping[str, Any], model: ModelServer | None = None) -> None:
        ended = zygote.one(spilling.show_everything, home, told, timeout=180)
        assert not ended.error and not ended.killed, ended.output[-6000:]
        self.home = home
        self.places: dict[str, bytes] = {
            "standard output and error": ended.output.encode(),
            "what callers and readers are shown": "\n".join(ended.value).encode(),
            "requests to the model": repr(model.requests if model else "").encode(),
            "objects of the repository": self._objects(home / "repo.git"),
        }
        for path in sorted(home.rglob("*")):
            if path.is_file():
                self.places[str(path.relative_to(home))] = path.read_bytes()

    @staticmethod
    def _objects(repository: Path) -> bytes:
        command = ["git", "cat-file", "--batch-all-objects", "--batch"]
        return subprocess.run(command, cwd=repository, capture_output=True, check=True, timeout=60).stdout

    def found(self, value: str, *, but: tuple[str, ...] = ()) -> list[str]:
        """Where a value is, with some of what is around it; not at the start of these paths."""
        wrong = []
        for place, content in self.places.items():
            at = content.find(value.encode())
            if at >= 0 and not place.startswith(but):
                wrong.append(f"{place}: …{content[max(0, at - 60) : at + 40]!r}…")
        return wrong


def told_with_tokens(model: ModelServer) -> dict[str, Any]:
    env = {name: value for name, value in TOKENS.items() if name.isupper()}
    typed = TOKENS["typed"]
    return {
        "env": {
            **env, "OPENAI_BASE_URL": model.url, "DATABRICKS_HOST": "https://none.example",
            "PIPELINE_MAGIC_STORE_URL": f"postgresql://ada:{TOKENS['password']}@127.0.0.1:1/none",
        },
        "statement": f"{world.STATEMENT}. The key is {TOKENS['statement']}",
        "edit": f"Counted with {typed}",
        "comment": f"Looks good, {typed}",
        "reason": f"Because of {typed}",
        "library": f"the driver said: {TOKENS['library']} was refused with {TOKENS['DATABRICKS_TOKEN']}",
        "password": TOKENS["password"],
    }  # fmt: skip


def test_tokens_are_found_nowhere(zygote: Zygote, model: ModelServer, tmp_path: Path) -> None:
    """Of ten secrets, known ones without a shape and unknown ones with one, none is anywhere but in its source."""
    home = tmp_path / "home"
    described = {"orders": {"comment": f"Orders. {TOKENS['comment']}", "columns": {"amount": f"In {TOKENS['column']}"}}}
    zygote.value(spilling.build_with, home, described, {})
    spilled = Spilled(zygote, home, told_with_tokens(model), model)
    assert model.requests, "the model was never asked"
    assert b"openai" in spilled.places["program.log"] and b"pipeline_magic" in spilled.places["program.log"]
    wrong = {name: spilled.found(value, but=("lakehouse/shop/sales/",)) for name, value in TOKENS.items()}
    assert not any(wrong.values()), _listed(wrong)


_WITHIN = ("lakehouse/", "scratch/")
"""Where the tables are: source, target, quarantine, and those of a run for itself."""


def told_of_people(**changes: Any) -> dict[str, Any]:
    return {
        "statement": world.STATEMENT, "edit": "Counted", "comment": "Looks good", "reason": "Undo it",
        "library": "the driver failed", "password": "canaryPasswordOfPostgres77", **changes,
    }  # fmt: skip


def people(values: Mapping[str, str]) -> dict[str, Any]:
    """Customers, all of them this person."""
    rows = len(world.CUSTOMERS["id"])
    return {
        **{name: list(column) for name, column in world.CUSTOMERS.items() if name != "email"},
        "email": [values["e-mail"]] * rows, "name": [values["name"]] * rows, "phone": [values["phone"]] * rows,
    }  # fmt: skip


CONTACTS = "List the customers with id, city, email, name and phone into shop.reports.city_orders"


def test_personal_values_of_the_data_stay_in_tables(zygote: Zygote, tmp_path: Path) -> None:
    """Read, checked, previewed and written to the target, they are in no log, store, file, notebook or pull request."""
    home = tmp_path / "home"
    zygote.value(spilling.build_with, home, {}, {"customers": people(PERSONAL)})
    told = told_of_people(statement=CONTACTS, written="SELECT id, city, email, name, phone FROM shop.sales.customers")
    spilled = Spilled(zygote, home, told)
    wrong = {
        name: spilled.found(value, but=(*_WITHIN, "what callers and readers are shown"))
        for name, value in PERSONAL.items()
    }
    assert not any(wrong.values()), _listed(wrong)


def test_personal_words_of_the_statement_stay_with_the_run(zygote: Zygote, tmp_path: Path) -> None:
    """They are in the run's record, and what the run's author is shown; in no log, file, notebook or pull request."""
    home = tmp_path / "home"
    zygote.value(spilling.build_with, home, {}, {})
    asked = f"Ask {SAID['name']} at {SAID['e-mail']} or {SAID['phone']} where it is unclear"
    spilled = Spilled(zygote, home, told_of_people(statement=f"{world.STATEMENT}. {asked}"))
    but = ("state.db", "what callers and readers are shown")
    wrong = {name: spilled.found(value, but=but) for name, value in SAID.items()}
    assert all(spilled.found(value, but=()) for value in SAID.values()), "the statement is not in the run's record"
    assert not any(wrong.values()), _listed(wrong)


def _listed(wrong: Mapping[str, list[str]]) -> str:
    lines = []
    for name, found in wrong.items():
        if found:
            lines += [f"{name} is in {len(found)} places:", *(f"    {one}" for one in found[:12])]
    return "\n".join(lines)
