"""The whole flow over other people's stand-ins: minilake for Databricks, emulate for GitHub, with public settings only.

What each does otherwise than the real service stands in `DEVIATIONS` and in `emulate_server`, and a proxy before
minilake makes up for it; nothing of the product is changed for either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlglot

from pipeline_magic.adapters.samples import TPCH
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from tests.support.databricks_server import DatabricksServer, Refusal, Request
from tests.support.databricks_server.forward import Forward, MirroredFiles
from tests.support.databricks_server.server import Handler
from tests.support.databricks_site import SEED, sample_rows
from tests.support.databricks_standins import standin
from tests.support.model_answers import seed
from tests.support.model_server import KEY, model_server, says

DEVIATIONS = {
    "JUPYTER": "it imports no notebook in the form JUPYTER (501): folders are those of the strict workspace",
    "dialect": "its SQL is DuckDB's: statements are translated on their way",
    "history": "it has no DESCRIBE HISTORY: a table that is there is answered as one of a single commit",
    "statistics": "it has no DESCRIBE TABLE EXTENDED: tables are answered as without statistics",
    "runs": "its runs have neither `spark` nor `dbutils`: the policy asks for no first run",
    "privileges": "it knows no privileges by REST: whoever asks owns everything",
    "comments": "it makes a schema without a comment",
}
"""What minilake 1.9.0 does otherwise than Databricks, and what is done about it here."""

WRITTEN = (datetime.now(timezone.utc) - timedelta(hours=1)).isoformat()

TOML = "[environments.default]\nfirst_run = false\n"


class Translated:
    """Statements in Spark's SQL, for a stand-in that speaks DuckDB's."""

    def __init__(self, behind: Forward) -> None:
        self.behind = behind

    def routes(self) -> Iterable[tuple[str, str, Handler]]:
        yield "POST", r"2\.0/sql/statements", self.statement

    def statement(self, request: Request) -> Any:
        sql = str(request.body["statement"])
        if sql.startswith("DESCRIBE HISTORY"):
            return self.history(sql.split()[2].replace("`", ""))
        if sql.startswith("DESCRIBE TABLE EXTENDED"):
            return _answer(col_name=("STRING", "Owner"), data_type=("STRING", "minilake-user"), comment=("STRING", ""))
        if sql.startswith(("SELECT", "WITH")):
            [sql] = sqlglot.transpile(sql, read="databricks", write="duckdb")
            sql = sql.replace("XXHASH64(", "HASH(")
        passed = Request((), {}, {**request.body, "statement": sql}, request.user)
        return self.behind.ask("POST", "2.0/sql/statements", passed)

    def history(self, table: str) -> Any:
        """One commit of a table that is there."""
        try:
            self.behind.ask("GET", f"2.1/unity-catalog/tables/{table}", Request((), {}, {}, ""))
        except Refusal:
            raise Refusal(400, "BAD_REQUEST", "[TABLE_OR_VIEW_NOT_FOUND] There is no such table.") from None
        return _answer(version=("BIGINT", "0"), timestamp=("TIMESTAMP", WRITTEN), operation=("STRING", "WRITE"))


def _answer(**row: tuple[str, str]) -> Any:
    """A statement's answer of one row: type and text of each column."""
    columns = [{"name": name, "position": at, "type_text": kind} for at, (name, (kind, _)) in enumerate(row.items())]
    schema = {"column_count": len(columns), "columns": columns}
    data = [[text for _, text in row.values()]]
    return {
        "statement_id": "made-up",
        "status": {"state": "SUCCEEDED"},
        "manifest": {"format": "JSON_ARRAY", "schema": schema, "total_chunk_count": 1, "total_row_count": 1},
        "result": {"chunk_index": 0, "row_offset": 0, "row_count": 1, "data_array": data},
    }


class Owned:
    """Privileges of a workspace in which the caller owns everything."""

    def routes(self) -> Iterable[tuple[str, str, Handler]]:
        yield "GET", r"2\.1/unity-catalog/effective-permissions/(\w+)/(.+)", self.everything

    def everything(self, request: Request) -> Any:
        held = [{"privilege": "ALL_PRIVILEGES"}]
        return {"privilege_assignments": [{"principal": "account users", "privileges": held}]}


@pytest.fixture
def minilake(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Address of a workspace with `samples.tpch` and the catalog `analytics`, and the id of its warehouse."""
    folder = tmp_path / "minilake"
    folder.mkdir()
    with standin("minilake", folder) as url:
        behind = Forward(url)

        def do(path: str, **body: Any) -> Any:
            return behind.ask("POST", path, Request((), {}, body, ""))

        warehouse = do("2.0/sql/warehouses", name="w", cluster_size="2X-Small", warehouse_type="PRO")["id"]
        for catalog in ("samples", "analytics"):
            do("2.1/unity-catalog/catalogs", name=catalog)
        do("2.1/unity-catalog/schemas", name="tpch", catalog_name="samples")
        for table in TPCH:
            file = sample_rows() / f"{table.table.rpartition('.')[2]}.parquet"
            sql = f"CREATE TABLE {table.table} AS SELECT * FROM read_parquet('{file}')"
            told = do("2.0/sql/statements", statement=sql, warehouse_id=warehouse, wait_timeout="50s")
            assert told["status"]["state"] == "SUCCEEDED", told
        server = DatabricksServer()
        server.users = {"good-token": "minilake-user"}
        for room in (MirroredFiles(server, behind), Translated(behind), Owned(), behind):
            server.add(room)
        yield server.url, str(warehouse)
        server.close()


@pytest.fixture
def emulate() -> Iterator[str]:
    from tests.support.emulate_server import Emulate

    try:
        made = Emulate()
    except RuntimeError as error:
        pytest.skip(str(error))
    yield made.url
    made.close()


@pytest.fixture(params=["embedded", "llm"])
def planner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Who reads the statement: with a key set, a language model that knows the example."""
    if request.param == "llm":
        with model_server() as model:
            model.will(says(seed()))
            monkeypatch.setenv("OPENAI_API_KEY", KEY)
            monkeypatch.setenv("OPENAI_BASE_URL", model.url)
            yield "llm"
            assert len(model.requests) == 1
    else:
        yield "embedded"


def test_from_the_seeds_statement_to_a_job(
    minilake: tuple[str, str], emulate: str, planner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words, plan, pull request, merge and job, with environment variables alone; the second time nothing changes."""
    url, warehouse = minilake
    _commit(emulate, "pipeline_magic.toml", TOML)
    variables = {
        "PIPELINE_MAGIC_HOME": str(tmp_path / "home"), "PIPELINE_MAGIC_ONE_OFF_RUNS": "false",
        "DATABRICKS_HOST": url, "DATABRICKS_TOKEN": "good-token", "DATABRICKS_WAREHOUSE_ID": warehouse,
        "GITHUB_API_URL": emulate, "GITHUB_REPO": "acme/pipelines", "GITHUB_TOKEN": "good-token",
    }  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    orchestrator = PipelineBuilderOrchestrator()
    try:
        assert orchestrator.ports.planner == planner
        result = orchestrator.build_pipeline(SEED)
        assert result.snapshot.quality.verdict == "green", result.snapshot.quality.findings
        done = orchestrator.approve_pipeline(result.approval_id, "John Doe", "Looks good!")
        assert done.deployment.state == "deployed" and done.pull_request.state == "merged"
        found = orchestrator.ports.deployer.find(result.snapshot.run.name, "default")
        assert found is not None and found.digest == done.snapshot.run.digest
        assert orchestrator.ports.deployer.settings(found.id)["schedule"]["pause_status"] == "UNPAUSED"  # type: ignore[index,call-overload]
        again = orchestrator.build_pipeline(SEED)
        assert again.run_id == result.run_id and "Nothing changed" in str(again)
    finally:
        orchestrator.close()


def _commit(url: str, path: str, text: str) -> None:
    """A file on the base branch, as a person would commit it on GitHub's page."""
    import base64
    import json
    import urllib.request

    body = {"message": "Say where", "content": base64.b64encode(text.encode()).decode(), "branch": "main"}
    asked = urllib.request.Request(
        f"{url}/repos/acme/pipelines/contents/{path}",
        method="PUT",
        data=json.dumps(body).encode(),
        headers={"Authorization": "Bearer good-token", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=20) as answer:
        assert answer.status in (200, 201)
