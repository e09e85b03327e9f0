"""A process that goes through everything with secrets and personal values at hand, and gives back all it showed."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import logging
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ipywidgets import Widget

from pipeline_magic import cli, redact
from pipeline_magic.adapters.database import Database
from pipeline_magic.config import load_settings
from pipeline_magic.doctor import examine
from pipeline_magic.errors import PipelineMagicError
from pipeline_magic.logs import log_to_file, log_to_stderr
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.runs import Answer
from pipeline_magic.spec.paths import Edit
from pipeline_magic.verbs import VERBS, parser_of
from pipeline_magic.wiring import Ports, with_model
from tests.trust import world

__all__ = ["build_with", "show_everything"]

Orchestrator = PipelineBuilderOrchestrator


def build_with(home: str, described: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]]) -> None:
    """A home with these tables, and with these words in their descriptions, by table."""
    world.build_home(Path(home), {"customers": world.CUSTOMERS, "orders": world.ORDERS, **tables})
    for table, words in described.items():
        path = Path(home) / "lakehouse" / "shop" / "sales" / table / "_described.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **words}))


def show_everything(home: str, told: Mapping[str, Any]) -> list[str]:
    """Go through the whole flow, and through what fails; everything that a caller or a reader is given.

    Args:
        home: With tables.
        told: ``env``: variables to set; ``statement``; ``edit``: a comment of the target; ``written``: what the run of
            the job writes, as SQL; ``library``: the text of an error that a library raises; ``comment``, ``reason``:
            what people type.
    """
    os.environ.update(told.get("env", {}))
    settings = load_settings(
        {"home": home, "measure_questions": True, "sample_run": False, "planner": "embedded"}, folder=Path(home)
    )
    redact.register(settings.secrets())
    logging.basicConfig(filename=Path(home) / "program.log", level=logging.DEBUG, force=True)  # all any library says
    log_to_file(Path(home))
    log_to_stderr()
    ports = with_model(world.ports_at(Path(home), store=told.get("store", "")), settings)
    if told.get("written"):
        ports.engine.written = told["written"]  # type: ignore[attr-defined]  (the light engine has it)
    it = world.open_world(Path(home), ports, settings)
    shown = list(_flow(it, ports, told))
    shown += list(_failures(Path(home), ports, settings, told))
    shown += [repr(settings), str(settings), repr(settings.model_dump()), repr(ports), repr(ports.store), repr(it)]
    shown += [repr(ports.language_model), repr(vars(ports.language_model)) if ports.language_model else ""]
    shown += [f"{one.subject}: {one.found} {one.hint}" for one in examine(it)]
    shown.append(json.dumps(Widget.get_manager_state(), default=str))  # what the metadata of a saved notebook hold
    logging.getLogger("pipeline_magic.ui.panel").error("A call failed: %s", told["library"])
    it.close()
    return shown


def _flow(it: Orchestrator, ports: Ports, told: Mapping[str, Any]) -> Iterator[str]:
    result = it.build_pipeline(told["statement"])
    yield from _views(result)
    run = result.run_id
    open_questions = [one for one in result.questions if one.options]
    given = [Answer(question=one.id, value=one.options[0].id) for one in open_questions]
    if given:
        yield from _said(lambda: it.answer(run, given))
    yield from _said(lambda: it.edit(run, [Edit(path="target.comment", value=told["edit"])]))
    yield from _said(lambda: it.generate(run))
    yield from _views(result.refresh())
    yield from _said(lambda: it.reject_pipeline(result.approval_id, told["comment"], told["comment"]))
    yield from _said(lambda: it.edit(run, [Edit(path="name", value="city_orders")]))
    yield from _said(lambda: it.edit(run, [Edit(path="target.comment", value=told["edit"] + " again")]))
    yield from _said(lambda: it.generate(run))
    result.refresh()
    clauses = result.snapshot.parsed.provenance.unmatched if result.snapshot.parsed else ()
    confirm = [clause.id for clause in clauses]
    yield from _said(lambda: it.approve_pipeline(result.approval_id, told["comment"], told["comment"]))
    yield from _said(lambda: it.approve_pipeline(result.approval_id, "Ada", told["comment"], confirm=confirm))
    yield from _views(result.refresh())
    state = result.deployment.state if result.deployment else "not there"
    assert state == "deployed", (state, result.snapshot.run.message, result.snapshot.approval)
    yield from _verbs(it, run, told["comment"])
    yield from _said(lambda: it.rollback(run, told["comment"], told["reason"]))
    yield from _views(result.refresh())
    if ports.language_model is not None:
        yield from _said(lambda: it.start(told["statement"], new=True, planner="llm"))


def _failures(home: Path, ports: Ports, settings: Any, told: Mapping[str, Any]) -> Iterator[str]:
    """Every port fails with the library's words, in the middle of the work."""
    words = told["library"]

    def fail(*arguments: Any, **named: Any) -> Any:
        raise RuntimeError(words)

    def broken(port: str, method: str) -> Orchestrator:
        return world.open_world(home, replace(ports, **{port: _Broken(getattr(ports, port), method, fail)}), settings)

    for port, method in (("engine", "query"), ("catalog", "table"), ("code_host", "read")):
        it, statement = broken(port, method), f"{told['statement']}, {port}"
        yield from _said(functools.partial(it.build_pipeline, statement))
    it = broken("deployer", "deploy")
    result = it.build_pipeline(f"{told['statement']} again")
    clauses = result.snapshot.parsed.provenance.unmatched if result.snapshot.parsed else ()
    yield from _said(lambda: it.approve(result.approval_id, "Ada", confirm=[one.id for one in clauses]))
    yield it.snapshot(result.run_id).model_dump_json()
    yield from _said(lambda: Database("postgresql://ada:" + told["password"] + "@127.0.0.1:1/none").runs())
    logging.getLogger("pipeline_magic").error("A call failed: %s", words, extra={"detail": words})


class _Broken:
    def __init__(self, port: Any, method: str, fail: Callable[..., Any]) -> None:
        self._port, self._method, self._fail = port, method, fail

    def __getattr__(self, name: str) -> Any:
        return self._fail if name == self._method else getattr(self._port, name)


def _views(result: Any) -> Iterator[str]:
    """A result in every form it is drawn in."""
    panel = result.panel
    for index in range(len(panel._tabs)):
        panel._tabbed.selected_index = index
        for widget in _widgets(panel.widget):
            yield str(getattr(widget, "value", ""))
    yield from (panel.html(), panel.text(), repr(result), json.dumps(result._repr_mimebundle_(), default=str))


def _widgets(widget: Any) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _widgets(child)


def _said(call: Callable[[], Any]) -> Iterator[str]:
    """What a call gives, or what its error shows: words, form in a notebook, repr."""
    try:
        yield repr(call())
    except PipelineMagicError as error:
        yield from (str(error), repr(error), *error._render_traceback_())
    except Exception as error:  # noqa: BLE001  (an error of a library, as planted: what we add to it is looked at)
        yield redact.redact_exception(error, trace=True)


def _verbs(it: Orchestrator, run: str, typed: str) -> Iterator[str]:
    """Every verb that only shows."""
    asked = [("audit", []), ("audit", ["verify"]), ("audit", ["export"]), ("doctor", []), ("list", [])]
    asked += [(name, [run]) for name in ("review", "status", "ledger", "replay")]
    verbs = {verb.name: verb for verb in VERBS}
    for name, words in asked:
        verb = verbs[name]
        with contextlib.suppress(SystemExit):
            given = parser_of(verb, "%pipeline").parse_args(words)
            yield from _said(functools.partial(verb.run, it, given, _quiet))
    out, err = io.StringIO(), io.StringIO()
    asked = [("review", [run]), ("status", [run]), ("ledger", [run]), ("audit", [run]), ("list", []), ("replay", [run])]
    asked += [("waive", [typed, "--reason", typed]), ("edit", [f"target.comment={typed}"]), ("review", [typed])]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.suppress(SystemExit):
        cli.main(["--verbose", "review", run])
        for name, words in asked:
            cli.main(["--json", "--local", "--home", str(it.settings.home), name, *words])
    yield out.getvalue() + err.getvalue()


def _quiet(event: Any) -> None:
    """No progress."""


def traced(error: BaseException) -> str:
    """A traceback as Python prints it."""
    return "".join(traceback.format_exception(error))
