"""A run made again from what the store holds: no engine, catalog, code host or model; what differs is said.

    parsed draft, tables, answers, edits  ->  spec  ->  files  ->  plan, digest, branch  ->  pull request

What was measured (the quality report, the questions' effects) and what was observed (the base branch, settings) is
evidence: it is taken as the store has it, and the audit says whether it is what was stored. Everything that is made of
it is made again and compared with every copy that the store has. Not here: the deployed state of the world.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline_magic.agents.approval.attest import attested_stages, stage_digests, unsound
from pipeline_magic.agents.approval.decisions import Evidence
from pipeline_magic.agents.approval.digest import plan_digest
from pipeline_magic.digests import canonical_json
from pipeline_magic.errors import NotFound, PipelineMagicError, TableNotFound
from pipeline_magic.flow.snapshots import stage_result
from pipeline_magic.ports import Privileges, Store
from pipeline_magic.runs import (
    Approval,
    Deployment,
    File,
    Generated,
    Parsed,
    Plan,
    Prepared,
    QualityReport,
    Run,
    Validated,
)
from pipeline_magic.spec.schema import Model, TableSchema
from pipeline_magic.spec.typed import TypedSpec

if TYPE_CHECKING:
    from pipeline_magic.compiler.environments import Environments

T = TypeVar("T")

__all__ = ["Artefact", "Replay", "replay"]


class Artefact(Model):
    """One thing that a run made.

    Attributes:
        name: What it is: ``file pipelines/daily/daily.ipynb``.
        copy: Which of the store's copies it was compared with.
        stored: SHA-256 of that copy; empty where there is none.
        rebuilt: SHA-256 of what was made again; empty where it could not be made.
        said: Where they part, or why it was not made again.
    """

    name: str
    kept_in: str
    stored: str
    rebuilt: str
    said: str = ""

    @property
    def same(self) -> bool:
        """Byte for byte."""
        return bool(self.stored) and self.stored == self.rebuilt


class Replay(Model):
    """What came of it.

    Attributes:
        compiler: Version that the plan was made with, and the one that it was made again with.
        artefacts: In the order they are made.
        reasons: Why something may differ: another compiler, a store that was changed.
    """

    run_id: str
    compiler: tuple[str, str] = ("", "")
    artefacts: tuple[Artefact, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def differing(self) -> tuple[Artefact, ...]:
        """Those that are not the same."""
        return tuple(one for one in self.artefacts if not one.same)

    @property
    def same(self) -> bool:
        """Everything was made again byte for byte, and nothing speaks against the store."""
        return not self.differing and not self.reasons


def replay(store: Store, run_id: str) -> Replay:
    """Make every artefact of a run again from the store alone.

    Raises:
        NotFound: There is no such run, or it was never read.
    """
    run = store.run(run_id)
    kept = _Kept(store, run)
    made = _Made(kept)
    artefacts = tuple(made.artefacts())
    from pipeline_magic.compiler import VERSION

    before = kept.plan.compiler_version if kept.plan is not None else VERSION
    reasons = [*kept.problems]
    if before != VERSION:
        reasons.append(f"The plan was made with compiler {before}; this is {VERSION}.")
    return Replay(run_id=run_id, compiler=(before, VERSION), artefacts=artefacts, reasons=tuple(reasons))


class _Kept:
    """What the store holds of a run, and what the audit says against it."""

    def __init__(self, store: Store, run: Run) -> None:
        parsed = stage_result(store, run.id, "parse", Parsed)
        validated = stage_result(store, run.id, "validate", Validated)
        if parsed is None or validated is None:
            raise NotFound(f"Run `{run.id}` was never read.", hint=f"`%pipeline resume {run.id}` goes on with it.")
        self.run, self.parsed, self.validated = run, parsed, validated
        current = run.state == "planned"
        self.generated = stage_result(store, run.id, "generate", Generated) if current else None
        self.quality = stage_result(store, run.id, "quality", QualityReport) if current else None
        self.prepared = stage_result(store, run.id, "pull_request", Prepared) if current else None
        self.deployment: Deployment | None = store.deployment(run.id)
        self.approval: Approval | None = None
        self.plan: Plan | None = self.prepared.plan if self.prepared else None
        self.problems: list[str] = []
        self.changed: set[str] = set()
        if current and run.approval_id:
            self._read_approval(store)

    def _read_approval(self, store: Store) -> None:
        run = self.run
        self.approval = store.approval(run.approval_id)
        self.plan, evidence = store.plan(run.approval_id)
        entries = store.audit(run.id)
        now = stage_digests(store, run.id)
        attested = attested_stages(entries, run.approval_id) or {}
        self.changed = {stage for stage, digest in attested.items() if now.get(stage) != digest}
        wrong = unsound(self.approval, self.plan, Evidence.model_validate(evidence), entries, now)
        self.problems = [f"The store was changed: {clause}." for clause in wrong]


class _Made:
    """What is made again of it."""

    def __init__(self, kept: _Kept) -> None:
        self._kept = kept
        self._noted = ""

    def artefacts(self) -> Iterator[Artefact]:
        kept = self._kept
        typed = self._typed()
        stored = kept.validated.spec
        if stored is not None:
            copies = {"stage validate": canonical_json(stored)}
            copies |= {} if kept.plan is None else {"plan": canonical_json(kept.plan.spec)}
            yield from _compared("spec", copies, None if typed is None else canonical_json(typed.spec), self._noted)
        if kept.generated is None:
            return
        files = None if typed is None else _attempt(lambda: self._files(typed))
        yield from self._of_files(files or ())
        if kept.prepared is None or kept.plan is None or typed is None or files is None:
            return
        plan = self._plan(typed, files)
        digest = plan_digest(plan)
        copies = {"stage pull_request": kept.prepared.digest, "run": kept.run.digest}
        copies |= {} if kept.approval is None else {"approval": kept.approval.digest}
        yield from _compared("plan digest", copies, digest)
        if kept.deployment is not None and kept.deployment.notebook_path and kept.deployment.digest == digest:
            from pipeline_magic.agents.operations.deploy import notebook_path

            notebook = next(file.content for file in files if file.path.endswith(".ipynb"))
            deployed = {"deployment": kept.deployment.notebook_path}
            yield from _compared("path of the deployed notebook", deployed, notebook_path(plan.spec.name, notebook))
        yield from self._of_change(plan, digest)

    def _of_files(self, files: Sequence[File]) -> Iterator[Artefact]:
        kept = self._kept
        assert kept.generated is not None
        held: dict[str, Sequence[File]] = {"stage generate": kept.generated.files}
        if kept.prepared is not None:
            held |= {"stage pull_request": kept.prepared.plan.files, "change": kept.prepared.change.files}
        if kept.approval is not None and kept.plan is not None:
            held["plan of the approval"] = kept.plan.files
        made = {file.path: file.content for file in files}
        for path in sorted({*made, *(file.path for copy in held.values() for file in copy)}):
            copies = {name: next((f.content for f in copy if f.path == path), None) for name, copy in held.items()}
            yield from _compared(f"file {path}", copies, made.get(path))

    def _of_change(self, plan: Plan, digest: str) -> Iterator[Artefact]:
        kept = self._kept
        assert kept.prepared is not None
        change = _attempt(lambda: self._prepared(plan).change)
        stored = kept.prepared.change
        for part in ("branch", "base", "title", "body"):
            made = None if change is None else str(getattr(change, part))
            yield from _compared(f"pull request, {part}", {"stage pull_request": str(getattr(stored, part))}, made)

    def _typed(self) -> TypedSpec | None:
        """The typed spec from the parsed draft, the stored tables, answers and edits."""
        from pipeline_magic.agents.catalog import UnityCatalogAgent
        from pipeline_magic.agents.catalog.validate import typed_with_checks
        from pipeline_magic.spec.paths import draft_of

        kept, stored = self._kept, self._kept.validated
        run, spec = kept.run, stored.spec
        if spec is None:
            return None
        agent = UnityCatalogAgent(_Tables(stored.tables, stored.target))  # type: ignore[arg-type]  # what is asked of it
        made = _attempt(lambda: agent.validate(kept.parsed, run.answers, run.edits, run_time=_ANY_TIME).typed)
        if made is not None and made.spec == spec:
            return made
        if made is not None:
            known = {check.id for check in made.spec.expectations}
            watched = tuple(one for one in spec.expectations if one.automatic and one.id not in known)
            own = tuple(one for one in made.spec.expectations if not one.automatic)
            draft = draft_of(made.spec.model_copy(update={"expectations": own}))
            again = _attempt(lambda: typed_with_checks(draft, stored.tables, stored.target, run.edits, watched))
            if again is not None and again.spec == spec:
                self._noted = "with checks that rest on what was measured, as stored"
                return again
        if "validate" in kept.changed or "parse" in kept.changed:
            return made
        # Answers that only the data show are read with a look at the data, which is not made again.
        self._noted = "as stored: it rests on a look at the data, and the audit attests it"
        return stored.typed

    def _files(self, typed: TypedSpec) -> tuple[File, ...]:
        from pipeline_magic.agents.notebook import NotebookGeneratorAgent

        kept = self._kept
        writer = NotebookGeneratorAgent(self._host())  # type: ignore[arg-type]  # what is asked of it
        return (*writer.files(typed, kept.validated.provenance, _environments(kept.generated)), *_custom(kept))

    def _plan(self, typed: TypedSpec, files: tuple[File, ...]) -> Plan:
        """The plan of what was made again, upon the world as it was observed then."""
        from pipeline_magic.compiler import VERSION
        from pipeline_magic.flow.observing import environment_of, parameters_of

        kept = self._kept
        assert kept.plan is not None and kept.quality is not None
        environment = environment_of(_environments(kept.generated), kept.run.environment)
        return kept.plan.model_copy(
            update={
                "spec": typed.spec,
                "files": files,
                "parameters": parameters_of(typed, environment),
                "environment": kept.run.environment,
                "answers": kept.run.answers,
                "waivers": kept.run.waivers,
                "compiler_version": VERSION,
                "verdict": kept.quality.verdict,
            }
        )

    def _prepared(self, plan: Plan) -> Prepared:
        from pipeline_magic.agents.github import GitHubAgent
        from pipeline_magic.flow.planning import prepare

        kept = self._kept
        assert kept.generated is not None and kept.quality is not None
        host: Any = self._host()
        return prepare(GitHubAgent(host), host, plan, kept.validated, kept.generated, kept.quality)

    def _host(self) -> _Base:
        assert self._kept.generated is not None
        return _Base(self._kept.generated)


_ANY_TIME = "1970-01-01T00:00:00Z"


class _Tables:
    """The tables of a run as they were stored, asked like a catalog."""

    name = "the store"

    def __init__(self, sources: Mapping[str, TableSchema], target: TableSchema | None) -> None:
        every = [*sources.values(), *([] if target is None else [target])]
        self._known = {table.table: table for table in every}

    def table(self, name: str) -> TableSchema:
        if name not in self._known:
            raise TableNotFound(f"The store holds no table `{name}` of this run.")
        return self._known[name]

    def has_catalog(self, catalog: str) -> bool:
        return True

    def has_schema(self, catalog: str, schema: str) -> bool:
        return True

    def privileges(self, sources: Sequence[str], target: str) -> Privileges:
        return Privileges()


class _Base:
    """The base branch at the paths of a plan as it was stored, asked like a code host."""

    name = "the store"

    def __init__(self, generated: Generated) -> None:
        self.base = generated.base
        self.repository = generated.repository
        self._old = {diff.path: diff.old for diff in generated.diffs}
        self._planned = {file.path for file in generated.files}

    def read(self, path: str, *, ref: str = "") -> str | None:
        """A file that all share and that the plan leaves out was there by hand; its text is not the compiler's."""
        from pipeline_magic.compiler.bundle import SHARED

        if path in SHARED:
            return None if path in self._planned else "kept by hand"
        return self._old.get(path)

    def last_generated(self, path: str) -> str | None:
        return None


def _custom(kept: _Kept) -> tuple[File, ...]:
    """Custom files are a person's: as kept, where they are what was decided."""
    from pipeline_magic.agents.github.hand_edits import sha256

    wanted = {one.custom: one.custom_sha256 for one in kept.run.hand_edits if one.how == "keep"}
    files = kept.generated.files if kept.generated else ()
    return tuple(file for file in files if wanted.get(file.path) == sha256(file.content))


def _environments(generated: Generated | None) -> Environments:
    from pipeline_magic.compiler.environments import DEFAULT, Environments

    return Environments.model_validate(generated.environments) if generated and generated.environments else DEFAULT


def _attempt(make: Callable[[], T]) -> T | None:
    """What is made; None where the stored inputs do not allow it any more."""
    try:
        return make()
    except (PipelineMagicError, ValueError, KeyError, StopIteration, AssertionError):
        return None


def _compared(name: str, copies: Mapping[str, str | None], made: str | None, noted: str = "") -> Iterator[Artefact]:
    for copy, stored in copies.items():
        yield Artefact(
            name=name,
            kept_in=copy,
            stored="" if stored is None else _sha(stored),
            rebuilt="" if made is None else _sha(made),
            said=noted if stored == made else _parts(stored, made),
        )


def _parts(stored: str | None, made: str | None) -> str:
    """Where two texts part, in words."""
    if made is None:
        return "It cannot be made again from what the store holds."
    if stored is None:
        return "The store does not have it."
    shorter = min(len(stored), len(made))
    place = next((at for at in range(shorter) if stored[at] != made[at]), shorter)
    line = stored.count("\n", 0, place) + 1
    was, now = (text[place : place + 30] for text in (stored, made))
    return f"They part at character {place + 1:,}, line {line:,}: {was!r} is stored, and {now!r} is made."


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
