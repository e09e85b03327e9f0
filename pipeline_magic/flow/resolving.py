"""What becomes of a file that somebody edited in the repository: taken into the spec, kept, or discarded.

A decision is for the very bytes that stood on the base branch when the plan was made, and is refused where they are
others now; it makes a new plan, which is approved like any other, and is void like any other when a file moves again.

    take       edits of the spec, made by whoever decides; nothing where no spec says what the file says
    keep       the file's text as a custom file of the plan; the generated file is the compiler's again
    discard    a waiver of the finding, where the policy allows waivers

Not here: what counts as an edit and how files are marked (`agents.github.hand_edits`), what an edit means for the spec
(`agents.github.taking`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from pipeline_magic.agents.catalog import UnityCatalogAgent
from pipeline_magic.agents.github.hand_edits import (
    PREFIX,
    Way,
    custom_path,
    finding_id,
    hand_edit_diff,
    marked,
    sha256,
    ways_of,
)
from pipeline_magic.agents.github.taking import edits_between, guesses, own_part, read_foreign_spec, require_takeable
from pipeline_magic.compiler.diff import diff_specs
from pipeline_magic.errors import NotFound, Problem, SpecError, StaleState, UsageError
from pipeline_magic.flow.planning import ANY_TIME, require_complete, said_of
from pipeline_magic.flow.snapshots import stage_result
from pipeline_magic.redact import redact
from pipeline_magic.runs import AuditDraft, File, Finding, Generated, HandEdit, Parsed, Run, Validated
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.paths import Edit
from pipeline_magic.spec.typed import TypedSpec

if TYPE_CHECKING:
    from pipeline_magic.ports import CodeHost
    from pipeline_magic.wiring import Ports

    Compile = Callable[[TypedSpec, Validated], Sequence[File]]

__all__ = ["Found", "Taken", "decided", "found_in", "found_text", "kept_files", "require_seen", "taken"]


@dataclass(frozen=True)
class Found:
    """An edit that the plan of a run found.

    Attributes:
        id: Of the finding.
        diff: What the hand changed, against what was generated last.
        ways: The ways out that there are.
        changed: It is not on the base branch any more as the plan found it.
    """

    id: str
    path: str
    message: str
    diff: str
    ways: tuple[Way, ...]
    changed: bool = False


@dataclass(frozen=True)
class Taken:
    """What an edit means for the spec: the edits, and what they change, a sentence each."""

    edits: tuple[Edit, ...]
    changes: tuple[str, ...]


def found_in(ports: Ports, run: Run) -> tuple[Found, ...]:
    """The hand edits that the run's plan found and nobody has decided, with what they changed."""
    host = ports.code_host
    made = []
    for finding in _findings(ports, run):
        now, last = host.read(finding.where), host.last_generated(finding.where)
        diff = redact(hand_edit_diff(finding.where, now, last, lines=400))
        changed = finding_id(finding.where, now) != finding.id
        made.append(Found(finding.id, finding.where, finding.message, diff, ways_of(finding.where, now), changed))
    return tuple(made)


def require_seen(ports: Ports, run: Run, path: str, way: Way) -> str | None:
    """What stands at the path on the base branch, which is what the run's plan found there.

    Raises:
        NotFound: The plan found no edit there.
        StaleState: It was edited again since.
        UsageError: This way is not open to it.
    """
    finding = next((one for one in _findings(ports, run) if one.where == path), None)
    if finding is None:
        raise NotFound(
            f"The plan of run `{run.id}` found no edit by hand at `{path}`.",
            hint=f"`generate {run.id}` looks again; `hand-edits {run.id}` lists what was found.",
        )
    now = ports.code_host.read(path)
    if finding_id(path, now) != finding.id:
        raise StaleState(
            f"`{path}` was edited again since the plan was made; nothing was decided.",
            where=run.id,
            hint=f"`generate {run.id}` shows it as it is now.",
        )
    if way not in ways_of(path, now):
        why = "it was removed" if now is None else "it is no text, or no file of one pipeline alone"
        raise UsageError(
            f"`{path}` cannot be {'taken into the spec' if way == 'take' else 'kept'}: {why}.",
            hint="Discard the edit with a reason, or mend the file in the repository.",
        )
    return now


def decided(
    ports: Ports, run: Run, path: str, text: str, way: Way, reason: str, compile_: Compile
) -> tuple[dict[str, Any], AuditDraft]:
    """What changes in the run, and what the audit says of it: for `take` and `keep`.

    Raises:
        SpecError: What the file says cannot be taken into the spec.
        UsageError: No spec says what the file says; or it is no text.
    """
    detail: dict[str, JsonValue] = {"path": path, "sha256": sha256(text), "reason": redact(reason.strip())[:2000]}
    changes, new = dict[str, Any](), tuple[Edit, ...]()
    if way == "keep":
        one = _kept(ports, run, path, text)
        detail["custom"] = one.custom
    else:
        found = taken(ports, run, path, text, compile_)
        paths, new = {edit.path for edit in found.edits}, found.edits
        one = HandEdit(path=path, sha256=sha256(text), how="take", by=ports.code_host.identity())
        changes["edits"] = (*(edit for edit in run.edits if edit.path not in paths), *new)
        detail["changes"] = list(found.changes)
    others = (known for known in run.hand_edits if (known.path, known.sha256) != (one.path, one.sha256))
    changes["hand_edits"] = (*others, one)
    draft = said_of(ports, run, f"hand_edit.{way}", {"edits": new} if new else {})
    return changes, draft.model_copy(update={"digest": run.digest, "detail": {**draft.detail, **detail}})


def found_text(run_id: str, found: Sequence[Found]) -> str:
    """The edits for a terminal: each with its difference and the ways out."""
    if not found:
        return f"The plan of run {run_id} found no file that was edited by hand and is not decided."
    lines = []
    for one in found:
        lines += [one.message, *(f"  {line}" for line in one.diff.splitlines()), ""]
        if one.changed:
            lines += [f"  It was edited again since: `generate {run_id}` looks at it as it is now.", ""]
            continue
        for way in one.ways:
            end = ' --reason "…"' if way == "discard" else ""
            lines.append(f"  hand-edits {run_id} --{way} {one.path}{end}")
        lines.append("")
    return "\n".join("".join(char for char in line if char.isprintable()) for line in lines).rstrip()


def _kept(ports: Ports, run: Run, path: str, text: str) -> HandEdit:
    """The decision to keep an edit as a custom file."""
    host = ports.code_host
    folder = f"pipelines/{run.name}/custom"
    planned = {one.custom for one in run.hand_edits if one.how == "keep"}
    custom = custom_path(path, run.name, {*host.paths(folder), *planned})
    made = marked(path, text)
    return HandEdit(
        path=path, sha256=sha256(text), how="keep", by=host.identity(), custom=custom, custom_sha256=sha256(made)
    )


def kept_files(host: CodeHost, decided: Sequence[HandEdit]) -> tuple[File, ...]:
    """The custom files of a plan: of edits that still stand, and of those that were merged and nobody touched since."""
    made = []
    for one in decided:
        if one.how != "keep":
            continue
        text = host.read(one.path)
        if text is not None and sha256(text) == one.sha256:
            made.append(File(path=one.custom, content=marked(one.path, text)))
            continue
        there = host.read(one.custom)
        if there is not None and sha256(there) == one.custom_sha256:
            made.append(File(path=one.custom, content=there))
    return tuple(made)


def taken(ports: Ports, run: Run, path: str, text: str, compile_: Compile) -> Taken:
    """What an edit means for the spec.

    Args:
        compile_: Gives the files of a spec, to see whether one says what the file says.

    Raises:
        SpecError: The file says something that is no spec, or not one that may be taken; nothing is changed.
        UsageError: No spec that is found compiles to what the file says.
    """
    parsed = stage_result(ports.store, run.id, "parse", Parsed)
    validated = stage_result(ports.store, run.id, "validate", Validated)
    if parsed is None or validated is None:
        raise NotFound(f"Run `{run.id}` was never read.", hint=f"`resume {run.id}` goes on with it.")
    old = require_complete(validated).spec
    tried = _Tried(ports, run, parsed, old)
    if path == f"pipelines/{run.name}/spec.yml":
        return tried.spec(read_foreign_spec(text))
    generated = next(
        (file.content for file in compile_(require_complete(validated), validated) if file.path == path), ""
    )
    for edits in _candidates(ports.code_host, run, old, generated, text):
        try:
            made = tried.edits(edits)
        except SpecError:
            continue
        if made.typed is not None and any(file == File(path=path, content=text) for file in compile_(made.typed, made)):
            return tried.shown(edits, made)
    raise UsageError(
        f"No spec is found that compiles to what `{path}` says now.",
        where=run.id,
        hint="Make the change in the spec, keep the file as a custom file, or discard the edit.",
    )


def _candidates(host: CodeHost, run: Run, old: PipelineSpec, generated: str, text: str) -> Iterator[tuple[Edit, ...]]:
    """Edits that may stand behind an edit of a file: the spec beside it, then what was replaced in it."""
    beside = host.read(f"pipelines/{run.name}/spec.yml")
    try:
        new = read_foreign_spec(beside or "")
        require_takeable(old, new)
        yield edits_between(old, new)
    except SpecError:
        pass
    yield from guesses(old, generated, text)


class _Tried:
    """Edits of a run's spec, tried without keeping them."""

    def __init__(self, ports: Ports, run: Run, parsed: Parsed, old: PipelineSpec) -> None:
        self._agent = UnityCatalogAgent(ports.catalog, place=ports.place)
        self._run, self._parsed, self._old = run, parsed, old

    def spec(self, new: PipelineSpec) -> Taken:
        """The edits that make the run's spec this one.

        Raises:
            SpecError: It is wrong, may not be taken, or comes out as another.
        """
        require_takeable(self._old, new)
        edits = edits_between(self._old, new)
        made = self.edits(edits)
        if made.spec is None:
            found = [Problem(one.where, one.message) for one in made.problems]
            found += [Problem(one.path or one.id, one.text) for one in made.questions if one.must_answer]
            raise SpecError(found or [Problem("spec.yml", "it cannot be checked")])
        if own_part(made.spec) != own_part(new):
            said = diff_specs(own_part(made.spec), own_part(new))
            raise SpecError([Problem(one.path, f"cannot be taken over: {one.text}") for one in said])
        return self.shown(edits, made)

    def edits(self, edits: Sequence[Edit]) -> Validated:
        """The run with these edits on top, checked.

        Raises:
            SpecError: One does not fit.
        """
        changed = {edit.path for edit in edits}
        every = (*(one for one in self._run.edits if one.path not in changed), *edits)
        return self._agent.validate(self._parsed, self._run.answers, every, run_time=ANY_TIME)

    def shown(self, edits: tuple[Edit, ...], made: Validated) -> Taken:
        """The edits with what they change."""
        new = made.spec or self._old
        return Taken(edits, tuple(one.text for one in diff_specs(self._old, new)))


def _findings(ports: Ports, run: Run) -> Iterator[Finding]:
    generated = stage_result(ports.store, run.id, "generate", Generated)
    if generated is None or run.state != "planned":
        raise UsageError(
            f"Run `{run.id}` has no plan, so that nothing was compared with the repository.",
            hint=f"`generate {run.id}` makes one.",
        )
    waived = {waiver.finding for waiver in run.waivers}
    return (one for one in generated.findings if one.id.startswith(PREFIX) and one.id not in waived)
