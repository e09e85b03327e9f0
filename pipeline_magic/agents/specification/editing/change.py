"""A change in words, cut into wishes, and each wish read by the first reader that understands all of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from pipeline_magic.agents.specification.editing.parts import READERS
from pipeline_magic.agents.specification.editing.present import Present, Unclear
from pipeline_magic.errors import Problem, SpecError, StatementError
from pipeline_magic.runs import Option, Question
from pipeline_magic.spec.names import slug
from pipeline_magic.spec.paths import Edit, apply_edits, complete, draft_of
from pipeline_magic.spec.schema import TableSchema
from pipeline_magic.spec.typed import TypedSpec, type_spec

__all__ = ["Ambiguous", "read_change"]

_LONGEST = 2000
_MOST_CHOICES = 12
_LONGEST_WISH = 12
"""Parts between commas and ``and`` that one wish may hold."""

_POLITE = re.compile(
    r"^(?:(?:please|also|and|then|now|but|just|could you|can you|let's|it should|the pipeline should)\b[\s,]*)+",
    re.IGNORECASE,
)
_VERB = re.compile(r"(add|include|show|drop|remove|leave out|(?:break it down |split it |group )by)\b", re.IGNORECASE)
_CUT = re.compile(r"\s*[;\n]+\s*|\.\s+|,\s+(?:and\s+|then\s+|also\s+)?|\s+and\s+(?:then\s+|also\s+)?", re.IGNORECASE)
_OPEN_RANGE = re.compile(r"\bbetween \S+$", re.IGNORECASE)
_GROWS = {"input", "left", "right", "inputs", "filter", "group_by", "columns"}
"""Fields that several wishes change one after the other, each on top of the one before."""

_UNDERSTOOD = (
    "A schedule (“make it weekly”), a target (“write to gold.x”, “append instead”), a join (“use left join”), a number "
    "(“top 5 instead of 10”), a column (“drop the segment”, “add region”, “also group by region”, “rename a to b”), a "
    "measure (“add the average price”), a condition (“only 1997 on”, “only where quantity > 5”), a check (“check that "
    "x is unique”, “allow 1% missing x”), the table (“merge on x”, “cluster by x”, “set the comment to …”)."
)


class Ambiguous(StatementError):
    """A change of which some words may mean several things, and all else is understood: nothing is made, it is asked.

    Attributes:
        questions: One for each wish; `read_change` takes the answers.
    """

    questions: tuple[Question, ...] = ()


def read_change(
    words: str,
    typed: TypedSpec,
    catalog: Callable[[], Iterable[TableSchema]] = tuple,
    answers: Mapping[str, str] | None = None,
) -> tuple[Edit, ...]:
    """The edits that a change in words asks for, each with the words it came from.

    Args:
        words: As a person typed them.
        typed: The spec as it stands.
        catalog: Gives the tables that words may mean beside those that are read; asked only where that is needed.
        answers: To questions that were raised before, by question.

    Raises:
        Ambiguous: Some words may mean several things that can be told apart.
        StatementError: Some of it is not understood; all of that at once, and no edits.
    """
    text = words.strip().rstrip(".!")
    if not text:
        raise StatementError("The change is empty.", hint=f"Say what should be different. {_UNDERSTOOD}")
    if len(text) > _LONGEST:
        raise StatementError(
            f"The change has {len(text):,} characters; {_LONGEST:,} are the most.", hint="Make it in several steps."
        )
    present = first = Present(typed, catalog)
    edits: list[Edit] = []
    unclear: list[str] = []
    asked: list[Question] = []
    verb = ""
    for wish in _wishes(text, first):
        try:
            made = _read(wish, present)
            if made is None and verb:  # ``add nation and region``
                made = _read(f"{verb} {wish}", present)
        except Unclear as reason:
            question = _question(wish, reason, present)
            answer = (answers or {}).get(question.id) if question is not None else None
            if question is not None and answer is not None:
                made = list(edits_of(question, answer))
            else:
                unclear.append(f"“{wish}”: {reason}")
                asked += [question] if question is not None else []
                continue
        if made is None:
            unclear.append(f"“{wish}” was not understood.")
        else:
            edits += [edit.model_copy(update={"said": wish}) for edit in made]
            verb = shared[1] if (shared := _VERB.match(_POLITE.sub("", wish).strip())) else verb
            present = _after(present, made)
    unclear += _contradictions(edits)
    if asked and len(asked) == len(unclear):
        ambiguous = Ambiguous("Nothing was changed yet. " + " ".join(unclear), hint="Answer what is meant.")
        ambiguous.questions = tuple(asked)
        raise ambiguous
    if unclear:
        raise StatementError("Nothing was changed. " + " ".join(unclear), hint=f"What can be said: {_UNDERSTOOD}")
    return tuple(edits)


LEAVE = "leave"
"""Answer that takes a wish back."""


def _question(wish: str, unclear: Unclear, present: Present) -> Question | None:
    """What a wish may mean, as a question whose answers are edits; None where that cannot be told apart."""
    options: list[Option] = []
    for choice in unclear.choices[:_MOST_CHOICES]:
        edits = choice.edits
        if not edits:
            again = wish.replace(unclear.words, choice.words or choice.id, 1)
            try:
                edits = tuple(_read(again, present) or ()) if again != wish else ()
            except Unclear:
                continue
        if edits:
            options.append(Option(id=choice.id, label=choice.label, edits=edits))
    if len(options) < 2:
        return None
    return Question(
        id=f"change:{slug(wish)[:48]}",
        text=f"What is meant by “{wish}”?",
        why="The words fit several things alike; nothing is changed before this is answered.",
        options=(*options, Option(id=LEAVE, label="Nothing: leave it as it is")),
    )


def edits_of(question: Question, answer: str) -> tuple[Edit, ...]:
    """What an answer makes of its wish.

    Raises:
        SpecError: It is none of the options.
    """
    for option in question.options:
        if option.id == answer:
            return option.edits
    labels = tuple(option.id for option in question.options)
    raise SpecError([Problem(question.id, f"`{answer}` is no answer to it.", available=labels)])


def _after(present: Present, edits: list[Edit]) -> Present:
    """The spec with the edits of one wish, for the next to be read against; as before where it is not right yet."""
    kept = tuple(edit for edit in edits if not edit.path.startswith("expectations.auto_"))
    own = tuple(check for check in present.spec.expectations if not check.automatic)
    by_name = {table.table: table for table in (*present.catalog_so_far, *present.typed.tables.values())}
    try:
        spec = complete(apply_edits(draft_of(present.spec.model_copy(update={"expectations": own})), kept))
        tables = {source.alias: by_name[source.table] for source in spec.sources}
        return Present(type_spec(spec, tables), present.catalog)
    except (SpecError, KeyError):
        return present


def _read(wish: str, present: Present) -> list[Edit] | None:
    plain = _POLITE.sub("", wish).strip()
    for reader in READERS:
        made = reader(plain, present)
        if made is not None:
            return made
    return None


def _wishes(text: str, present: Present) -> list[str]:
    """The change cut at commas and ``and``, where both sides are wishes; a wish that holds them stays whole."""
    parts = _parts(text)
    made: list[str] = []
    at = 0
    while at < len(parts):
        for end in range(min(len(parts), at + _LONGEST_WISH), at, -1):
            whole = text[parts[at][0] : parts[end - 1][1]]
            if end == at + 1 or _understood(whole, present):
                made.append(whole)
                at = end
                break
    return made


def _parts(text: str) -> list[tuple[int, int]]:
    """Where each part of the change begins and ends; the two ends of a range are one part."""
    cuts = [match.span() for match in _CUT.finditer(text)]
    spans = zip([0, *(end for _, end in cuts)], [*(start for start, _ in cuts), len(text)], strict=True)
    parts: list[tuple[int, int]] = []
    for start, end in spans:
        if not _POLITE.sub("", text[start:end] + " ").strip():
            continue
        if parts and _OPEN_RANGE.search(text[parts[-1][0] : parts[-1][1]]):
            parts[-1] = (parts[-1][0], end)
        else:
            parts.append((start, end))
    return parts


def _understood(wish: str, present: Present) -> bool:
    try:
        return _read(wish, present) is not None
    except Unclear:
        return False


def _contradictions(edits: list[Edit]) -> list[str]:
    said: dict[str, Edit] = {}
    found = []
    for edit in edits:
        if edit.path.rpartition(".")[2] in _GROWS:
            continue
        before = said.setdefault(edit.path, edit)
        if before.value != edit.value:
            found.append(f"“{before.said}” and “{edit.said}” both set `{edit.path}`.")
    return found
