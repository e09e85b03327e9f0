"""Stage 2: answers and edits applied to the draft, the spec completed, checked and given its automatic checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from pipeline_magic.agents.catalog.answering import ANY_TABLE, AUTOMATIC, Answered, Answering, edits_of_answers, plain
from pipeline_magic.agents.catalog.effects import measure
from pipeline_magic.agents.catalog.measuring import Measured, look_with, measured
from pipeline_magic.agents.catalog.readings import Reading, find_readings
from pipeline_magic.agents.catalog.readings.reading import Scene
from pipeline_magic.agents.catalog.readings.states import whole
from pipeline_magic.agents.catalog.resolve import missing_places, privilege_findings, source_tables, target_table
from pipeline_magic.errors import PipelineMagicError, Problem, SpecError
from pipeline_magic.ports import Catalog, Engine
from pipeline_magic.runs import Answer, Finding, Parsed, Question, Validated
from pipeline_magic.spec.automatic import automatic_expectations
from pipeline_magic.spec.legality import illegal
from pipeline_magic.spec.model import Draft, Expectation, PipelineSpec
from pipeline_magic.spec.paths import Edit, apply_edits, complete, draft_of
from pipeline_magic.spec.provenance import Clause, Origin, Provenance
from pipeline_magic.spec.schema import TableSchema
from pipeline_magic.spec.typed import TypedSpec, type_spec

__all__ = ["UnityCatalogAgent", "edits_of_answers"]


ANY = ""
"""The time where nothing is measured."""


class UnityCatalogAgent:
    """Checks a draft against the catalog, and measures what open questions would do.

    Args:
        catalog: Where tables are looked up.
        engine: Runs the readings of a question; None leaves questions unmeasured.
        place: Where the pipeline would run, ``local`` or ``databricks``; what cannot run there is a problem.
        zone: IANA zone of who reads the result; where no schedule names one, days may be meant in it.
    """

    def __init__(self, catalog: Catalog, engine: Engine | None = None, *, place: str = "any", zone: str = "") -> None:
        self._catalog = catalog
        self._engine = engine
        self._place = place
        self._zone = zone

    def tables(self, parsed: Parsed, answers: Sequence[Answer], edits: Sequence[Edit]) -> dict[str, TableSchema | None]:
        """The tables stage 2 rests on, by alias, and the target's under an empty alias: what its digest covers."""
        draft = self._answering(ANY).apply(parsed, answers, edits).draft
        found, _ = source_tables(self._catalog, draft)
        return {**found, "": target_table(self._catalog, draft)}

    def missing(self, parsed: Parsed, answers: Sequence[Answer], edits: Sequence[Edit]) -> tuple[str, ...]:
        """What the caller may not do, in words: a grant that was given is seen, though no table has changed."""
        draft = self._answering(ANY).apply(parsed, answers, edits).draft
        return tuple(finding.message for finding in privilege_findings(self._catalog, draft))

    def validate(
        self,
        parsed: Parsed,
        answers: Sequence[Answer] = (),
        edits: Sequence[Edit] = (),
        *,
        run_time: str,
        others: Callable[[], Sequence[PipelineSpec]] = tuple,
        say: Callable[[str], None] = lambda message: None,
    ) -> Validated:
        """Complete and check the draft.

        Args:
            parsed: Stage 1's result.
            answers: To its questions; those whose option carries edits are applied here.
            edits: The person's own, applied after the answers, in order.
            run_time: The time that relative dates are measured from, ISO 8601.
            others: Gives the specs of the other pipelines; asked for who reads a table that is there already.
            say: Told what is being done, for the progress.

        Returns:
            With `typed` set when all is well; otherwise with `problems` or a must-answer question.

        Raises:
            SpecError: An edit leads nowhere or its value does not fit. Nothing else is raised for a wrong spec.
        """
        answering = self._answering(run_time)
        answered = answering.apply(parsed, answers, edits)
        draft = answered.draft
        provenance = _with_people(parsed, answered, edits)
        given = {answer.question for answer in answers}
        questions = tuple(
            question
            for question in answered.questions
            if question.id not in given and not _settled(question, parsed.draft, draft, edits)
        )
        tables, problems = source_tables(self._catalog, draft)
        result = Validated(
            draft=draft,
            provenance=provenance,
            tables=tables,
            questions=questions,
            problems=problems,
            answered=tuple(question for question, _ in answered.taken),
        )
        if problems:
            return result
        if any(question.must_answer for question in questions):
            return result.model_copy(update={"questions": self._as_far(questions, draft, tables, run_time)})
        edits = (*answered.waiting, *edits)
        target = target_table(self._catalog, draft)
        try:
            typed = typed_with_checks(draft, tables, target, edits, readers=_readers(target, others))
        except SpecError as error:
            return result.model_copy(update={"target": target, "problems": _findings(error.problems)})
        spec = typed.spec
        misplaced = [Problem(path, f"{reason}.") for path, reason in illegal(spec, engine=self._place)]
        if misplaced:
            return result.model_copy(update={"target": target, "problems": _findings(misplaced)})
        readings = self._open(parsed, answered, typed, given, edits)
        found = self._measured(questions, readings, draft, typed, tables, target, edits, run_time, say)
        if found.checks:
            typed = typed_with_checks(draft, tables, target, edits, tuple(found.checks))
            spec = typed.spec
        return Validated(
            draft=draft_of(spec),
            provenance=_watched(_with_automatic(provenance, spec), found),
            spec=spec,
            typed=typed,
            tables=tables,
            target=target,
            questions=tuple(found.questions),
            findings=(
                *privilege_findings(self._catalog, draft),
                *(
                    Finding(id=f"typing:{item.path}", severity="amber", message=item.message, where=item.path)
                    for item in typed.warnings
                ),
                *found.findings,
            ),
            creates=missing_places(self._catalog, spec.target.table),
            answered=result.answered,
        )

    def _answering(self, run_time: str) -> Answering:
        def tables(draft: Draft) -> dict[str, TableSchema]:
            found, _ = source_tables(self._catalog, draft)
            return found

        look = look_with(self._engine) if run_time != ANY else None
        return Answering(tables, look, run_time, self._zone)

    def effects(self, questions: Sequence[Question], validated: Validated, run_time: str) -> tuple[Question, ...]:
        """Further questions about a spec that is right, with what each answer would do to the rows."""
        return self._as_far(tuple(questions), validated.draft, validated.tables, run_time, alone=False)

    def _as_far(
        self,
        questions: tuple[Question, ...],
        draft: Draft,
        tables: dict[str, TableSchema],
        run_time: str,
        *,
        alone: bool = True,
    ) -> tuple[Question, ...]:
        """The questions with the effects of those answers that leave nothing else open."""
        if self._engine is None or (alone and sum(question.must_answer for question in questions) > 1):
            return questions
        if draft.target.table is None:
            draft = draft.model_copy(update={"target": draft.target.model_copy(update={"table": ANY_TABLE})})

        def typed_for(option_edits: tuple[Edit, ...]) -> TypedSpec:
            changed = complete(apply_edits(draft, plain(option_edits)))
            known = {table.table: table for table in tables.values()}
            try:
                read = {one.alias: known.get(one.table) or self._catalog.table(one.table) for one in changed.sources}
            except PipelineMagicError as error:
                raise SpecError([Problem("sources", error.message)]) from None
            return type_spec(changed, read)

        engine = self._engine
        return tuple(
            measure(question, typed_for, engine, run_time) if question.must_answer else question
            for question in questions
        )

    def _open(
        self, parsed: Parsed, answered: Answered, typed: TypedSpec, given: set[str], edits: Sequence[Edit]
    ) -> tuple[Reading, ...]:
        """Readings that nobody has answered, or settled by an edit of the field."""
        scene = Scene(typed, parsed.provenance, self._zone)
        set_by_hand = {edit.path for edit in edits}
        stands = {reading.question.id for reading in answered.stands}
        return (
            *answered.stands,
            *(
                reading
                for reading in find_readings(scene)
                if reading.question.id not in given | stands and reading.question.path not in set_by_hand
            ),
        )

    def _measured(
        self,
        questions: tuple[Question, ...],
        readings: tuple[Reading, ...],
        draft: Draft,
        typed: TypedSpec,
        tables: dict[str, TableSchema],
        target: TableSchema | None,
        edits: Sequence[Edit],
        run_time: str,
        say: Callable[[str], None],
    ) -> Measured:
        """What is asked, with effects, and what is assumed and watched."""
        if self._engine is None:
            return Measured(questions=[*questions, *(reading.question for reading in readings if reading.instead)])

        def typed_for(option_edits: tuple[Edit, ...]) -> TypedSpec:
            late = tuple(edit for edit in option_edits if edit.path.startswith(AUTOMATIC))
            return typed_with_checks(apply_edits(draft, plain(option_edits)), tables, target, (*late, *edits))

        if questions or readings:
            say("Measuring what the open questions would change")
        return measured(
            questions, readings, draft=draft, typed=typed, typed_for=typed_for, engine=self._engine, run_time=run_time
        )


def typed_with_checks(
    draft: Draft,
    tables: dict[str, TableSchema],
    target: TableSchema | None,
    edits: Sequence[Edit],
    more: tuple[Expectation, ...] = (),
    *,
    readers: Mapping[str, Sequence[str]] | None = None,
) -> TypedSpec:
    """The draft as a typed spec with its automatic checks and `more`, which edits may have changed or switched off."""
    spec = complete(draft)
    typed = type_spec(spec, tables, target=target, readers=readers)
    automatic = (*automatic_expectations(typed), *more)
    if not automatic:
        return typed
    full = draft_of(spec.model_copy(update={"expectations": (*spec.expectations, *automatic)}))
    held = {AUTOMATIC + item.id.removeprefix("auto_") for item in automatic}
    mine = [edit for edit in edits if any(edit.path == path or edit.path.startswith(path + ".") for path in held)]
    return type_spec(complete(apply_edits(full, mine)), tables, target=target, readers=readers)


def _readers(
    target: TableSchema | None, others: Callable[[], Sequence[PipelineSpec]]
) -> dict[str, tuple[str, ...]] | None:
    """Which other pipelines read which column of the table that is to be written."""
    if target is None:
        return None
    from pipeline_magic.compiler.readers import readers_by_column, readers_of

    return readers_by_column(readers_of(target.table, others()), target.columns)


def _settled(question: Question, before: Draft, after: Draft, edits: Sequence[Edit]) -> bool:
    """Whether edits took out the element that a question is about, or words said what it asks."""
    if any(edit.said and edit.path == question.path for edit in edits):
        return True
    room, _, rest = question.path.partition(".")
    name = rest.partition(".")[0]
    if not name or room not in {"sources", "steps", "expectations"}:
        return False
    held = [
        {str(getattr(item, "alias", "") or getattr(item, "id", "")) for item in getattr(draft, room)}
        for draft in (before, after)
    ]
    return name in held[0] and name not in held[1]


def _findings(problems: Iterable[Problem]) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            id=f"spec:{problem.path}",
            severity="red",
            message=problem.message,
            where=problem.path,
            hint="Available: " + ", ".join(f"`{name}`" for name in problem.available[:12]) if problem.available else "",
        )
        for problem in problems
    )


def _with_people(parsed: Parsed, answered: Answered, edits: Sequence[Edit]) -> Provenance:
    """The provenance, with answers and edits as the origin of what they set.

    An edit that was asked for in words is traced to them: they stand behind the statement, each as a clause. Words that
    an answer gave a condition for are understood by it.
    """
    origins = dict(parsed.provenance.origins)
    statements, clauses = list(parsed.provenance.statements), list(parsed.provenance.clauses)
    for question, made in answered.taken:
        for edit in made:
            _replace(origins, edit.path, Origin(kind="answer", question=question.id))
        if made and question.id.startswith("words:"):
            words = " ".join(parsed.provenance.text(clause) for clause in clauses if clause.id in question.clauses)
            heard = set(question.clauses) if whole(words, answered.given[question.id]) else set[str]()
            clauses = [c.model_copy(update={"kind": "filter"}) if c.id in heard else c for c in clauses]
    for reading in answered.stands:
        default = next(option for option in reading.question.options if option.id == reading.question.default)
        for edit in default.edits:
            _replace(origins, edit.path, Origin(kind="assumption", reason=reading.reason, question=reading.question.id))
    said: dict[str, str] = {}
    for edit in edits:
        if edit.said and edit.said not in said:
            said[edit.said] = f"e{len(said) + 1}"
            clauses.append(
                Clause(id=said[edit.said], statement=len(statements), start=0, end=len(edit.said), kind="change")
            )
            statements.append(edit.said)
        origin = Origin(kind="clause", clauses=(said[edit.said],)) if edit.said else Origin(kind="edit")
        _replace(origins, edit.path, origin)
    changed = {"statements": tuple(statements), "clauses": tuple(clauses), "origins": origins}
    return parsed.provenance.model_copy(update=changed)


def _replace(origins: dict[str, Origin], path: str, origin: Origin) -> None:
    for known in [known for known in origins if known.startswith(path + ".")]:
        del origins[known]
    origins[path] = origin


def _with_automatic(provenance: Provenance, spec: PipelineSpec) -> Provenance:
    origins = dict(provenance.origins)
    for expectation in spec.expectations:
        path = f"expectations.{expectation.id}"
        if expectation.automatic and not any(known == path or known.startswith(path + ".") for known in origins):
            origins[path] = Origin(
                kind="assumption",
                reason=_why(expectation),
                alternatives=("switch it off", *(word for word in ("warn", "fail") if word != expectation.action)),
            )
    return provenance.model_copy(update={"origins": origins})


def _watched(provenance: Provenance, found: Measured) -> Provenance:
    """The choice between readings that are the same today is an assumption that says so."""
    origins = {**provenance.origins, **found.assumed}
    for path, checks in found.watched.items():
        old = origins.get(path, Origin(kind="assumption"))
        named = " and ".join(f"`{check.id}`" for check in checks)
        tells = f"the check {named} tells" if len(checks) == 1 else f"the checks {named} tell"
        reason = f"{old.reason}; every reading gives the same rows today, and {tells} when they part"
        origins[path] = old.model_copy(update={"kind": "assumption", "reason": reason.lstrip("; "), "question": ""})
    return provenance.model_copy(update={"origins": origins})


def _why(expectation: Expectation) -> str:
    if expectation.kind in {"not_null", "unique"} and expectation.on == "target":
        return "These columns identify a row of the target."
    if expectation.kind == "not_null":
        return "A NULL in a join key never finds a partner."
    if expectation.kind == "unique":
        return "A key that is there twice is where the readings of a duplicate part."
    if expectation.kind == "referential":
        return "A row without a partner is where a left and an inner join part."
    if expectation.kind == "row_count":
        return "An empty target is seldom meant."
    if expectation.kind == "freshness":
        return "A source that is no longer written gives yesterday's answer."
    return "A check every pipeline gets."
