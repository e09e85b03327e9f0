"""Answers and edits applied to a draft: to the parser's questions first, then to readings of the spec, then edits.

A reading is found in the spec as it stands by then, so its answer says what it said when it was given: each is applied
before the next is looked for. What a person sets by hand comes last and wins. Answers to questions that are no longer
asked change nothing, and stay with the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline_magic.agents.catalog.readings import Reading, apart, find_readings
from pipeline_magic.agents.catalog.readings.reading import Look, Scene
from pipeline_magic.agents.catalog.readings.states import with_words
from pipeline_magic.errors import Problem, SpecError
from pipeline_magic.runs import Answer, Parsed, Question
from pipeline_magic.spec.model import Draft
from pipeline_magic.spec.paths import Edit, apply_edits, complete
from pipeline_magic.spec.schema import TableSchema
from pipeline_magic.spec.typed import type_spec

__all__ = ["ANY_TABLE", "AUTOMATIC", "Answered", "Answering", "edits_of_answers", "plain"]

AUTOMATIC = "expectations.auto_"
"""Paths of checks that are added once the spec is complete; edits of them wait until then."""

ANY_TABLE = "any.any.any"
"""Stands in for a target that is not named yet."""


@dataclass
class Answered:
    """A draft with answers and edits.

    Attributes:
        questions: Of the parser, with the options that only the data show.
        taken: Each question that was answered, with what its answer set.
        given: The answers by question.
        stands: Readings whose default is not what the parser made: it was made, and is still to be asked about.
    """

    draft: Draft
    questions: tuple[Question, ...]
    taken: list[tuple[Question, tuple[Edit, ...]]] = field(default_factory=list)
    stands: list[Reading] = field(default_factory=list)
    given: dict[str, str] = field(default_factory=dict)

    @property
    def waiting(self) -> tuple[Edit, ...]:
        """Edits of automatic checks that answers asked for."""
        return tuple(edit for _, edits in self.taken for edit in edits if edit.path.startswith(AUTOMATIC))


@dataclass(frozen=True)
class Answering:
    """What answers are read with.

    Attributes:
        tables: Gives the sources of a draft, by alias, as far as the catalog has them.
        look: Runs a query; None leaves the data alone.
        zone: IANA zone of who reads the result, where no schedule names one.
    """

    tables: Callable[[Draft], dict[str, TableSchema]]
    look: Look | None
    run_time: str
    zone: str = ""

    def apply(self, parsed: Parsed, answers: Sequence[Answer], edits: Sequence[Edit]) -> Answered:
        """The draft with answers and edits.

        Raises:
            SpecError: An answer that is none of the options, or an edit that does not fit.
        """
        made = self._direct(parsed, answers)
        held = {question.id for question, _ in made.taken}
        self._readings(parsed, made, [answer for answer in answers if answer.question not in held])
        made.draft = apply_edits(made.draft, plain(edits))
        held = {question.id for question, _ in made.taken}
        later = [answer for answer in answers if answer.question not in held]
        if later and edits:
            self._readings(parsed, made, later)
        return made

    def scene(self, parsed: Parsed, draft: Draft, given: Mapping[str, str]) -> Scene | None:
        """The draft as readings are found in it; None where it is not right yet."""
        if draft.target.table is None:
            draft = draft.model_copy(update={"target": draft.target.model_copy(update={"table": ANY_TABLE})})
        try:
            typed = type_spec(complete(draft), self.tables(draft))
        except (SpecError, KeyError):
            return None
        chosen = given.get("zone:days", "")
        return Scene(typed, parsed.provenance, self.zone, parsed.questions, "" if chosen == "utc" else chosen)

    def _direct(self, parsed: Parsed, answers: Sequence[Answer]) -> Answered:
        """Answers to the parser's own questions."""
        questions = parsed.questions
        if any(question.id.startswith("words:") for question in questions):
            said = {clause.id: parsed.provenance.text(clause) for clause in parsed.provenance.clauses}
            given = {answer.question: answer.value for answer in answers}
            questions = with_words(questions, said, parsed.draft, self.tables(parsed.draft), given, self.look)
        asked = {question.id: question for question in questions if not _of_reading(question)}
        made = Answered(parsed.draft, questions, given={answer.question: answer.value for answer in answers})
        for answer in answers:
            if answer.question in asked:
                question = asked[answer.question]
                made.taken.append((question, edits_of_answers([question], [answer])))
        edits = [edit for _, each in made.taken for edit in each]
        made.draft = apply_edits(parsed.draft, plain(edits))
        return made

    def _readings(self, parsed: Parsed, made: Answered, answers: list[Answer]) -> None:
        """Answers to readings, one after the other; then what stands where nobody answers."""
        tried = {reading.question.id for reading in made.stands}
        while answers or any(_of_reading(question) and question.id not in tried for question in made.questions):
            scene = self.scene(parsed, made.draft, made.given)
            found = {reading.question.id: reading for reading in find_readings(scene)} if scene is not None else {}
            answer = next((answer for answer in answers if answer.question in found), None)
            if answer is not None:
                reading = found[answer.question].with_answer(answer.value)
                edits = edits_of_answers([reading.question], [answer])
                made.taken.append((reading.question, edits))
                answers = [other for other in answers if other.question != answer.question]
            else:
                unsaid = [r for r in found.values() if r.instead and r.question.id not in tried]
                if scene is None or not unsaid:
                    break
                reading = unsaid[0]
                if not self._sound(scene, reading):
                    tried.add(reading.question.id)
                    continue
                made.stands.append(reading)
                edits = next(o.edits for o in reading.question.options if o.id == reading.question.default)
            tried.add(reading.question.id)
            made.draft = apply_edits(made.draft, plain(edits))
        done = {question.id for question, _ in made.taken} | {reading.question.id for reading in made.stands}
        made.questions = tuple(
            question for question in made.questions if not (_of_reading(question) and question.id in done)
        )

    def _sound(self, scene: Scene, reading: Reading) -> bool:
        """Whether the checks hold without which the default makes no sense."""
        if not reading.needs or self.look is None:
            return not reading.needs
        return not any(apart(scene.typed, reading.needs, self.look, self.run_time).values())


def _of_reading(question: Question) -> bool:
    """A question of the parser for which the spec itself gives the answers."""
    return question.must_answer and question.id.startswith("grain:")


def plain(edits: Iterable[Edit]) -> list[Edit]:
    """Edits of the draft itself."""
    return [edit for edit in edits if not edit.path.startswith(AUTOMATIC)]


def edits_of_answers(questions: Iterable[Question], answers: Iterable[Answer]) -> tuple[Edit, ...]:
    """What the answers set in the draft.

    An answer that names no option of its question is taken as typed text where the question allows it. Answers to
    questions that are no longer asked change nothing.

    Raises:
        SpecError: An answer that is none of the options.
    """
    asked = {question.id: question for question in questions}
    made: list[Edit] = []
    for answer in answers:
        question = asked.get(answer.question)
        if question is None:
            continue
        option = next((option for option in question.options if option.id == answer.value), None)
        if option is not None:
            made.extend(option.edits)
        elif question.free and question.path:
            made.append(Edit(path=question.path, value=answer.value.strip()))
        else:
            labels = tuple(option.id for option in question.options)
            raise SpecError([Problem(question.id, f"`{answer.value}` is no answer to it.", available=labels)])
    return tuple(made)
