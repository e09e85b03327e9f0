"""The command line: the same verbs, exit codes by the kind of error, `--json`, and a person's own data."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic.cli import main
from pipeline_magic.demo import STATEMENT

pytestmark = pytest.mark.engine

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run one command on the module's home; gives exit status, standard output, standard error."""
    monkeypatch.setenv("PIPELINE_MAGIC_SAMPLE_SCALE", "0.001")

    def command(*words: str, stdin: str | None = None) -> tuple[int, str, str]:
        if stdin is not None:
            monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        status = main(["--home", str(home), "--local", *words])
        out, err = capsys.readouterr()
        return status, out, err

    return command


@pytest.fixture
def data(run: Run) -> Callable[..., Any]:
    def command(*words: str) -> Any:
        status, out, _ = run("--json", *words)
        assert status == 0, out
        return json.loads(out)

    return command


def test_the_demo_statement_is_the_example() -> None:
    """`demo` and `examples/statements/seed.txt` hold the same words."""
    example = Path(__file__).parents[1] / "examples" / "statements" / "seed.txt"
    assert example.read_text().strip() == STATEMENT.strip()


def test_the_demo_goes_to_a_deployed_table(run: Run, data: Callable[..., Any], tmp_path: Path) -> None:
    """`demo --yes` runs the main job to its rows, and a second call shows them again without doing anything twice."""
    home = ("--home", str(tmp_path / "demo"))
    status, out, err = run(*home, "demo", "--yes")
    assert status == 0, err
    assert "6/6 Approval" in err and "the first 5:" in out and "(merged)" in out
    audited = data(*home, "audit")
    assert [entry["event"] for entry in audited].count("job.deploy") == 1
    status, out, _ = run(*home, "demo", "--yes")
    assert status == 0 and "the first 5:" in out
    assert data(*home, "audit") == audited


def test_from_a_file_to_a_deployed_table(run: Run, data: Callable[..., Any], tmp_path: Path) -> None:
    """build, status, approve, rows, audit, list: the whole job by commands, results on standard output."""
    file = tmp_path / "statement.txt"
    file.write_text("Count the orders per o_orderstatus into analytics.ops.status_counts")
    status, out, err = run("build", str(file))
    assert status == 0 and "Next: approve" in out and "4/6 Quality" in err
    assert data("status")["approval"]["state"] == "pending"
    status, out, err = run("approve", "--comment", "fine")
    assert status == 0 and "is merged" in out
    rows = data("rows", "analytics.ops.status_counts")
    assert sum(row["order_count"] for row in rows) == 1500 and len(rows) == 3
    events = [entry["event"] for entry in data("audit")]
    assert events.count("pull_request.merge") == 1
    verified = data("audit", "verify")
    assert (verified["problems"], verified["entries"], verified["heads"]) == ([], len(events), 2)
    status, out, err = run("audit", "export")
    assert status == 0 and [json.loads(line)["event"] for line in out.splitlines()] == events
    status, out, err = run("audit", "--export", str(tmp_path / "audit.csv"))
    assert status == 0 and f"Wrote {len(events)} entries" in out
    assert [entry["event"] for entry in data("audit", "--limit", "2")] == events[-2:]
    assert [item["state"] for item in data("list")] == ["planned"]
    status, out, err = run("build", str(file))
    assert status == 0 and out.startswith("Nothing changed since the last build.")


def test_an_open_question_is_exit_status_12(run: Run) -> None:
    """A must-answer question stops the build with a status of its own, and answering it goes on."""
    words = "Count the orders per o_orderstatus into analytics.x.one and save the result as analytics.x.two"
    status, out, _ = run("build", "-", stdin=words)
    assert status == 12 and "Next: answer" in out
    status, out, _ = run("--json", "build", "-", stdin=words)
    asked = [question for question in json.loads(out)["validated"]["questions"] if question["default"] is None]
    assert status == 12 and len(asked) == 1
    option = next(item["id"] for item in asked[0]["options"] if item["label"] == "analytics.x.two")
    status, out, _ = run("build", "-", "--answer", f"{asked[0]['id']}={option}", stdin=words)
    assert status == 0 and "analytics.x.two" in out


def test_set_edits_fields(run: Run, data: Callable[..., Any]) -> None:
    """`--set PATH=VALUE` edits the spec before it is generated; a wrong one is named."""
    words = "Count the orders per o_orderpriority into analytics.ops.priorities"
    status, _, _ = run("build", "-", "--set", "target.comment=By priority", "--set", "trigger.cron=x", stdin=words)
    assert status == 3
    status, _, _ = run("build", "-", "--set", "target.comment=By priority", stdin=words)
    assert status == 0
    assert data("review", "priorities")["validated"]["spec"]["target"]["comment"] == "By priority"
    status, _, _ = run("reject", "priorities", "--reason", "no need")
    assert status == 0
    assert data("status", "priorities")["approval"]["state"] == "rejected"


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["dance"], 2, "There is no command `dance`"),
        (["build", "no/such/file"], 3, "cannot be read"),
        (["reject", "r-nosuch"], 2, "--reason"),
        (["review", "nobody"], 11, "called `nobody`"),
        (["rows", "one.two"], 2, "catalog.schema.table"),
        (["rows", "no.such.table"], 4, "no.such.table"),
        (["list", "--limit", "many"], 2, "many"),
        (["answer", "nothing"], 2, "NAME=VALUE"),
    ],
)
def test_wrong_usage_is_said(run: Run, words: list[str], status: int, says: str) -> None:
    """Every wrong command says what is wrong and what to do, on standard error, with its own exit status."""
    found, out, err = run(*words)
    assert (found, out) == (status, "")
    assert says in err and "Next:" in err and "Traceback" not in err


def test_errors_as_json(run: Run) -> None:
    """With `--json` an error is one JSON document too."""
    status, out, _ = run("--json", "build", "-", stdin="  ")
    assert status == 3
    assert json.loads(out)["error"] == "StatementError" and json.loads(out)["next"]


def test_a_configured_service_is_not_replaced_silently(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a Databricks host set, no token and no `--local`, the command refuses rather than working locally."""
    monkeypatch.setenv("DATABRICKS_HOST", "127.0.0.1:1")
    assert main(["--home", str(home), "list"]) == 2
    assert "DATABRICKS_TOKEN" in capsys.readouterr().err


def test_a_persons_own_data(run: Run, data: Callable[..., Any], tmp_path: Path) -> None:
    """A CSV with a description becomes a table with comments and keys, and a statement can speak of it."""
    csv = tmp_path / "visits.csv"
    csv.write_text(
        "visit_id,patient,visited_on,cost\n1,Ann,2026-01-02,10.50\n2,Bob,2026-01-03,\n3,Ann,2026-02-01,7.25\n"
    )
    describe = tmp_path / "visits.yml"
    describe.write_text("comment: Visits to the clinic\ncolumns:\n  cost: Price in euro\nprimary_key: [visit_id]\n")
    status, out, _ = run("lakehouse", "add", "clinic.main.visits", str(csv), "--describe", str(describe))
    assert status == 0 and "3 rows" in out
    shown = data("lakehouse", "show", "clinic.main.visits")
    assert shown["primary_key"] == ["visit_id"] and shown["comment"] == "Visits to the clinic"
    assert "clinic.main.visits" in {table["table"] for table in data("lakehouse", "list")}
    status, out, _ = run("build", "-", stdin="Total cost of visits per patient into clinic.reports.cost_per_patient")
    assert status == 0, out
    assert run("approve", "cost_per_patient")[0] == 0
    rows = {row["patient"]: row for row in data("rows", "clinic.reports.cost_per_patient")}
    assert float(next(value for name, value in rows["Ann"].items() if name != "patient")) == 17.75
    assert run("lakehouse", "add", "clinic.main.visits", str(csv))[0] == 4
    assert run("lakehouse", "add", "clinic.main.more", str(tmp_path / "nothing.csv"))[0] == 4


def test_doctor_says_what_every_port_is(data: Callable[..., Any]) -> None:
    """`doctor` looks at installation and ports, and says that nothing leaves the machine."""
    found = {item["what"]: item for item in data("doctor")}
    assert found["leaves this machine"]["found"] == "nothing"
    assert found["engine answers"]["ok"] and found["store answers"]["ok"]


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` names every command."""
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for command in ("demo", "build", "review", "approve", "reject", "cancel", "resume", "list", "lakehouse", "doctor"):
        assert f"  {command}" in out


def test_a_verbs_own_help(capsys: pytest.CaptureFixture[str]) -> None:
    """`VERB --help` prints its usage and ends well."""
    assert main(["approve", "--help"]) == 0
    assert "--confirm" in capsys.readouterr().out
