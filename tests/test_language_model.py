"""Planner and language model together: the whole job with a model, what it leaves behind, and what it never shows."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic import cli, doctor
from pipeline_magic.agents.approval.audit import verify
from pipeline_magic.agents.approval.ledger import verify_exchanges
from pipeline_magic.config import load_settings
from pipeline_magic.demo import STATEMENT
from pipeline_magic.errors import ConfigurationError, LanguageModelError
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.runs import Answer
from pipeline_magic.spec.paths import Edit
from pipeline_magic.verbs import VERBS, Outcome, parser_of
from pipeline_magic.wiring import wire
from tests.support.model_answers import seed
from tests.support.model_server import KEY, ModelServer, fails, model_server, says


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with model_server() as made:
        yield made


def verb(orchestrator: PipelineBuilderOrchestrator, name: str, *words: str) -> Outcome:
    found = next(item for item in VERBS if item.name == name)
    return found.run(orchestrator, parser_of(found, "%pipeline").parse_args(list(words)), lambda event: None)


# --- which planner -----------------------------------------------------------------------------------------------


def ports_of(tmp_path: Path, **settings: Any) -> Any:
    return wire(load_settings({"home": tmp_path, **settings}, environ={}, folder=tmp_path))


@pytest.mark.parametrize(
    ("settings", "planner", "parser"),
    [
        ({}, "embedded", "embedded planner"),
        ({"openai_api_key": KEY}, "llm", "gpt-4.1 at api.openai.com"),
        ({"openai_api_key": KEY, "planner": "embedded"}, "embedded", "embedded planner"),
        ({"openai_api_key": KEY, "local": True}, "embedded", "embedded planner"),
        ({"openai_base_url": "http://127.0.0.1:11434/v1", "openai_model": "qwen"}, "llm", "qwen at 127.0.0.1:11434"),
        (
            {
                "azure_openai_endpoint": "https://mine.openai.azure.com",
                "azure_openai_api_key": KEY,
                "azure_openai_deployment": "mine",
            },
            "llm",
            "mine at mine.openai.azure.com",
        ),
    ],
)
def test_a_key_makes_the_model_the_planner(tmp_path: Path, settings: dict[str, Any], planner: str, parser: str) -> None:
    """The model reads where one is configured and nobody says otherwise; the header names model and host."""
    ports = ports_of(tmp_path, **settings)
    assert (ports.planner, ports.describe["parser"]) == (planner, parser)
    ports.close()


def test_what_leaves_the_machine_is_said(tmp_path: Path) -> None:
    """To whom, what, when; nothing where the model is on this machine; values only where they are switched on."""
    [line] = ports_of(tmp_path, openai_api_key=KEY).leaves_machine
    assert line.startswith("To gpt-4.1 at api.openai.com: the statement, and names, types, keys and comments")
    assert "no value of any row" in line
    [line] = ports_of(tmp_path, openai_api_key=KEY, planner="embedded", send_sample_values=True).leaves_machine
    assert "when a run is read with `--planner llm`" in line and "a few values" in line
    assert ports_of(tmp_path, openai_base_url="http://localhost:1/v1").leaves_machine == ()
    assert ports_of(tmp_path).leaves_machine == ()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"azure_openai_endpoint": "https://x"}, "`azure_openai_api_key` and `azure_openai_deployment` is not"),
        ({"databricks_model": "m"}, "`databricks_host` and `databricks_token` is not"),
        ({"openai_base_url": "http://models.example/v1", "openai_api_key": KEY}, "sent in the clear"),
    ],
)
def test_half_a_configuration_is_said(tmp_path: Path, settings: dict[str, Any], says: str) -> None:
    """A model that is named and cannot be used, or is spoken to in the clear, is a warning in header and doctor."""
    [warning] = ports_of(tmp_path, **settings).warnings
    assert says in warning


@pytest.mark.parametrize("settings", [{}, {"local": True, "openai_api_key": KEY}])
def test_a_model_that_is_asked_for_and_not_there(tmp_path: Path, settings: dict[str, Any]) -> None:
    """`planner=llm` without a model, or with everything local, is refused with what to set."""
    with pytest.raises(ConfigurationError, match=r"none is configured|keeps everything"):
        ports_of(tmp_path, planner="llm", **settings)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('openai_api_key = "sk-1"', "OPENAI_API_KEY"),
        ('azure_openai_api_key = "sk-1"', "AZURE_OPENAI_API_KEY"),
        ('openai_base_url = "https://evil.example/v1"', "OPENAI_BASE_URL"),
        ('azure_openai_endpoint = "https://evil.example"', "AZURE_OPENAI_ENDPOINT"),
    ],
)
def test_a_file_says_neither_a_key_nor_where_one_is_sent(tmp_path: Path, text: str, says: str) -> None:
    """A settings file that came with a repository must not carry a key off."""
    (tmp_path / "pipeline_magic.toml").write_text(text + "\n")
    with pytest.raises(ConfigurationError, match=says):
        load_settings(environ={"OPENAI_API_KEY": KEY}, folder=tmp_path)


def test_prices_and_budgets_are_settings(tmp_path: Path) -> None:
    """They may stand in the file."""
    (tmp_path / "pipeline_magic.toml").write_text("model_price = [1.0, 2.0]\nmodel_budget_usd = 0.5\n")
    settings = load_settings(environ={}, folder=tmp_path)
    assert (settings.model_price, settings.model_budget_usd) == ((1.0, 2.0), 0.5)


# --- the whole job -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def job(server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    home = tmp_path_factory.mktemp("home")
    wrong = seed(lambda answer: answer["steps"][1]["measures"][0].update(expression="sum(o_revenue)"))
    server.will(fails(429, "wait", retry_after="0.1"), says(wrong), says(seed()))
    made = PipelineBuilderOrchestrator(home=home, openai_api_key=KEY, openai_base_url=server.url)
    heard = io.StringIO()
    with contextlib.redirect_stdout(heard), contextlib.redirect_stderr(heard):
        result = made.build_pipeline(STATEMENT)
        deployed = made.approve_pipeline(result.approval_id, "Ada")
    yield made, result.snapshot, deployed.snapshot, home, heard.getvalue()
    made.close()


@pytest.mark.engine
class TestTheWholeJob:
    """From the statement to the deployed table, with a model that fails twice before it is right."""

    def test_it_is_planned_and_deployed(self, job: Any) -> None:
        """Stages 1 to 6 go through; what the notebook wrote passed its checks."""
        _, planned, deployed, _, _ = job
        assert planned.quality.verdict == "green"
        assert deployed.deployment.state == "deployed"
        assert planned.parsed.parser.startswith("language-model (gpt-4.1 at 127.0.0.1")
        assert planned.run.planner == ""

    def test_every_request_is_in_the_ledger(self, job: Any, server: ModelServer) -> None:
        """Three requests, as the server got them; ledger and audit agree, and the audit holds."""
        made, planned, *_ = job
        store = made.ports.store
        exchanges = store.exchanges(planned.run.id)
        assert [item.status for item in exchanges] == ["failed", "answered", "answered"]
        for item, request in zip(exchanges, server.requests, strict=True):
            assert json.loads(item.request)["messages"] == request["messages"]
        assert verify_exchanges(exchanges, store.audit()) == ()
        assert verify(store.audit()) == ()
        events = [entry.event for entry in store.audit(planned.run.id) if entry.event.startswith("model.")]
        assert events == [
            "model.request",
            "model.failure",
            "model.request",
            "model.answer",
            "model.request",
            "model.answer",
        ]

    def test_the_ledger_is_shown(self, job: Any) -> None:
        """As a table with tokens, cost and hashes; one exchange in full; as data."""
        made, planned, *_ = job
        shown = verb(made, "ledger", planned.run.id)
        assert "gpt-4.1" in shown.text and "$0.0028" in shown.text
        assert shown.table is not None and len(shown.table[1]) == 3
        full = verb(made, "ledger", planned.run.id, "--show", "3").text
        assert "Segments high-value customers" in full and '"segment_customers"' in full
        assert [item["status"] for item in shown.data["exchanges"]] == ["failed", "answered", "answered"]

    def test_nothing_is_asked_twice(self, job: Any, server: ModelServer) -> None:
        """The same statement again, answers and edits need no further request."""
        made, *_ = job
        before = len(server.requests)
        run_id = made.start(STATEMENT).run.id
        snapshot = made.answer(run_id, [Answer(question="join:orders", value="inner")])
        assert snapshot.validated.spec.steps[0].how == "inner"
        made.edit(run_id, [Edit(path="steps.segment_customers.otherwise", value="others")])
        assert len(server.requests) == before

    def test_doctor_names_model_and_host(self, job: Any) -> None:
        """Which model, where, and that it was not asked."""
        made, *_ = job
        found = {item.subject: item.found for item in doctor.examine(made)}
        assert found["language model"].startswith("gpt-4.1 at 127.0.0.1:")
        assert found["parser"].startswith("gpt-4.1 at 127.0.0.1:")

    def test_the_key_is_nowhere(self, job: Any) -> None:
        """Not in any file of the home, not in what was printed, not in any text or picture of the run."""
        made, planned, deployed, home, heard = job
        from pipeline_magic.ui.document import static_text

        for path in home.rglob("*"):
            if path.is_file():
                assert KEY.encode() not in path.read_bytes(), path
        texts = [
            heard,
            planned.model_dump_json(),
            deployed.model_dump_json(),
            static_text(deployed),
            repr(made.settings),
        ]
        texts += [verb(made, name).text for name in ("ledger", "audit", "doctor", "status", "review")]
        for text in texts:
            assert KEY not in text


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.mark.engine
class TestWhenTheModelFails:
    """The embedded planner is offered, and takes over when a person says so."""

    def test_the_failure_is_clear_and_the_embedded_planner_takes_over(self, server: ModelServer, home: Path) -> None:
        """A wrong key ends the run with what to do; the same statement read by the embedded planner goes on."""
        wrong = "sk-wrong-canary-55555555555"
        made = PipelineBuilderOrchestrator(home=home, openai_api_key=wrong, openai_base_url=server.url)
        with pytest.raises(LanguageModelError, match="refused the key") as caught:
            made.start(STATEMENT)
        assert "--planner embedded" in caught.value.hint
        run = made.runs(limit=1)[0]
        assert (run.state, "--planner embedded" in run.message) == ("failed", True)
        snapshot = made.start(STATEMENT, planner="embedded")
        assert (snapshot.run.id, snapshot.run.planner, snapshot.parsed.parser) == (run.id, "embedded", "embedded")
        assert snapshot.run.state == "awaiting_input"
        assert (snapshot.ports["parser"], snapshot.leaves_machine) == ("embedded planner", ())
        made.close()
        for path in home.rglob("*"):
            if path.is_file():
                assert wrong.encode() not in path.read_bytes(), path

    def test_on_the_command_line(self, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """`build --planner llm` without a model says what to set; nothing is computed, and there is no traceback."""
        file = tmp_path / "statement.txt"
        file.write_text(STATEMENT)
        status = cli.main(["--home", str(home), "--local", "build", str(file), "--planner", "llm", "--pause"])
        said = capsys.readouterr()
        assert status == 2
        assert "No language model is configured" in said.err and "Traceback" not in said.err

    def test_the_ledger_on_the_command_line(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The request that was refused stands there, as a table and as JSON; a number that is none is said."""
        assert cli.main(["--home", str(home), "ledger"]) == 0
        assert "refused the key" in capsys.readouterr().out
        assert cli.main(["--home", str(home), "--json", "ledger"]) == 0
        [exchange] = json.loads(capsys.readouterr().out)["exchanges"]
        assert (exchange["status"], exchange["answer"], exchange["cost_usd"]) == ("failed", "", None)
        assert STATEMENT.splitlines()[1] in json.loads(exchange["request"])["messages"][1]["content"]
        assert cli.main(["--home", str(home), "ledger", "--show", "2"]) == 11
        assert "has no request 2" in capsys.readouterr().err
