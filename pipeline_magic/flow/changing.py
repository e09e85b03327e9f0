"""A pipeline changed in words: what stands now, the run with the change on top, and what it changes.

A pipeline stands as its latest run has it. Where the store knows none of that name (another machine, a fresh home), it
stands as its spec on the base branch says; the run then says that it comes from there, and nobody reads a statement.

Not here: what the words mean (`agents.specification.editing`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline_magic.agents.catalog import UnityCatalogAgent
from pipeline_magic.agents.github.taking import read_foreign_spec, require_takeable
from pipeline_magic.digests import digest_of
from pipeline_magic.errors import NotFound, SpecError, UsageError
from pipeline_magic.flow.planning import ANY_TIME, new_run, run_named, said_of, spec_at, tried
from pipeline_magic.flow.snapshots import stage_result
from pipeline_magic.runs import Answer, Parsed, Run, StageEvent, Validated
from pipeline_magic.spec.names import slug
from pipeline_magic.spec.paths import Edit, draft_of, fields
from pipeline_magic.spec.provenance import Clause, Origin, Provenance

if TYPE_CHECKING:
    from pipeline_magic.spec.model import PipelineSpec
    from pipeline_magic.wiring import Ports

__all__ = [
    "FROM_REPOSITORY",
    "Present",
    "differences",
    "from_repository",
    "present_of",
    "successor",
    "try_change",
]

FROM_REPOSITORY = "repository"
"""Who read a run whose draft is a spec of the base branch."""


@dataclass(frozen=True)
class Present:
    """A pipeline as it stands, to be changed.

    Attributes:
        run: Its latest run; None where only the repository has it.
    """

    run: Run | None
    parsed: Parsed
    validated: Validated
    answers: tuple[Answer, ...]
    edits: tuple[Edit, ...]


def present_of(ports: Ports, given: str) -> Present:
    """A pipeline as it stands: its latest run; else its spec on the base branch, where no run of it is known.

    Raises:
        NotFound: Neither is there.
        UsageError: The run was never read.
    """
    try:
        run = run_named(ports.store, given)
    except NotFound:
        found = _of_repository(ports, given)
        if found is None:
            raise
        return found
    parsed = stage_result(ports.store, run.id, "parse", Parsed)
    validated = stage_result(ports.store, run.id, "validate", Validated)
    if parsed is None or validated is None:
        raise UsageError(f"Run `{run.id}` was never read.", hint=f"`%pipeline resume {run.id}` goes on with it.")
    return Present(run, parsed, validated, run.answers, run.edits)


def _of_repository(ports: Ports, name: str) -> Present | None:
    """The spec of the base branch as a draft; what was changed of its automatic checks stays as edits."""
    if name != slug(name):
        return None
    ports.prepare(lambda message: None)
    path = f"pipelines/{name}/spec.yml"
    spec = spec_at(ports.code_host, path)
    if spec is None:
        return None
    _require_harmless(ports, path, spec)
    statement = f"The pipeline `{name}` as `{path}` on the base branch says it."
    own = tuple(check for check in spec.expectations if not check.automatic)
    draft = draft_of(spec.model_copy(update={"expectations": own}))
    clause = Clause(id="c1", start=0, end=len(statement), kind="source")
    origins = {path: Origin(kind="clause", clauses=("c1",)) for path, _ in fields(draft)}
    provenance = Provenance(statements=(statement,), clauses=(clause,), origins=origins)
    parsed = Parsed(draft=draft, provenance=provenance, parser=FROM_REPOSITORY)
    agent = UnityCatalogAgent(ports.catalog, place=ports.place)
    plain = agent.validate(parsed, run_time=ANY_TIME)
    made = {check.id: check for check in plain.spec.expectations if check.automatic} if plain.spec else {}
    edits = tuple(
        Edit(path=f"expectations.{check.id}.{field}", value=check.model_dump(mode="json")[field])
        for check in spec.expectations
        if check.automatic and check.id in made
        for field in ("enabled", "action", "tolerance", "quarantine")
        if getattr(check, field) != getattr(made[check.id], field)
    )
    return Present(None, parsed, agent.validate(parsed, (), edits, run_time=ANY_TIME), (), edits)


def _require_harmless(ports: Ports, path: str, spec: PipelineSpec) -> None:
    """Of a spec that was edited by hand, what no file may bring in is refused here too.

    Raises:
        SpecError: A `sql` step that we did not write, or a file that nobody should read.
    """
    text, last = ports.code_host.read(path) or "", ports.code_host.last_generated(path)
    if text == last:
        return
    read_foreign_spec(text)
    try:
        before = read_foreign_spec(last or "")
    except SpecError:
        before = spec.model_copy(update={"steps": tuple(step for step in spec.steps if step.kind != "sql")})
    require_takeable(before, spec)


def successor(ports: Ports, present: Present, edits: Sequence[Edit], environment: str, wish: str = "") -> Run:
    """A fresh run of the same statement as it was read, with the answers and edits so far and further edits.

    A `wish` is what is still to be asked about; no edit of it is made yet, and nothing is said in the audit.
    """
    run, store, now = present.run, ports.store, ports.clock.now().isoformat()
    new, edits = edits, (*present.edits, *edits)
    if run is None:
        statement = present.parsed.provenance.statements[0]
        made = new_run(ports, statement, environment)
        event = StageEvent(stage="parse", state="done", message=f"Taken from the repository: {statement}")
        kept = {"event": event.model_dump(mode="json"), "result": present.parsed.model_dump(mode="json")}
        store.save_stage(made.id, "parse", digest_of(from_repository(statement)), json.dumps(kept), now)
        said = None if wish else said_of(ports, made, "spec.edit", {"edits": new})
        name = present.parsed.draft.name or ""
        return store.update_run(made, name=name, planner=FROM_REPOSITORY, edits=edits, wish=wish, audit=said)
    made = new_run(ports, run.statement, run.environment)
    read = store.stage(run.id, "parse")
    if read is not None:
        store.save_stage(made.id, "parse", *read, now)
    return store.update_run(
        made,
        name=run.name,
        planner=run.planner,
        answers=run.answers,
        edits=edits,
        changes=run.id,
        wish=wish,
        audit=None if wish else said_of(ports, made, "spec.edit", {"edits": new}),
    )


def from_repository(statement: str) -> dict[str, Any]:
    """What the draft of a run from the repository rests on: it is kept as it was when the run was opened."""
    return {"statement": statement, "parser": FROM_REPOSITORY}


def differences(ports: Ports, run: Run) -> tuple[str, ...]:
    """What the words that opened a run changed, a sentence each; and what that means to readers where it breaks them.

    Checks that every pipeline gets are left out where they only follow from the rest.
    """
    from pipeline_magic.compiler.pull_request import pull_request_parts

    after = stage_result(ports.store, run.id, "validate", Validated)
    parsed = stage_result(ports.store, run.id, "parse", Parsed)
    if after is None or after.typed is None or parsed is None:
        return ()
    if run.changes:
        before = stage_result(ports.store, run.changes, "validate", Validated)
    else:
        kept = tuple(edit for edit in run.edits if not edit.said)
        agent = UnityCatalogAgent(ports.catalog, place=ports.place)
        before = agent.validate(parsed, run.answers, kept, run_time=ANY_TIME)
    if before is None or before.spec is None:
        return ()
    both = {check.id for check in before.spec.expectations} & {check.id for check in after.typed.spec.expectations}
    old, new = (
        spec.model_copy(update={"expectations": tuple(c for c in spec.expectations if not c.automatic or c.id in both)})
        for spec in (before.spec, after.typed.spec)
    )
    parts = pull_request_parts(after.typed.model_copy(update={"spec": new}), old)
    breaks = parts.impact is not None and parts.impact.severity == "breaking"
    if not breaks or parts.impact is None:
        return parts.changes
    broken = (f"The column {c.column}: {c.reason}" for c in parts.impact.columns if c.severity == "breaking")
    return (*parts.changes, *(f"Readers of the table: {said}" for said in (*parts.impact.meaning, *broken)))


def try_change(ports: Ports, present: Present, edits: Sequence[Edit]) -> None:
    """As `try_out`, for further edits of a pipeline as it stands."""
    tried(ports, present.parsed, present.validated, present.answers, (*present.edits, *edits))
