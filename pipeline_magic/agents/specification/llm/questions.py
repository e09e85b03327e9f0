"""The model's own questions: kept where every choice is a value of an existing field and gives a spec that types.

A choice is an edit that a person makes by a click, so it is as hostile as the draft: it may set a plain value of a
step, a check or a source's condition, never a target, a table, a whole step or another kind of one. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline_magic.agents.specification.llm.answer import Asked
from pipeline_magic.agents.specification.llm.check import problems_of_draft
from pipeline_magic.errors import SpecError
from pipeline_magic.redact import redact
from pipeline_magic.runs import Option, Question
from pipeline_magic.spec.model import Draft
from pipeline_magic.spec.names import slug
from pipeline_magic.spec.paths import Edit, apply_edits, fields
from pipeline_magic.spec.provenance import Origin
from pipeline_magic.spec.schema import TableSchema

__all__ = ["asked_questions"]

_FIXED = frozenset({"id", "alias", "kind", "input", "left", "right", "inputs", "table", "on", "to"})


def asked_questions(
    asked: tuple[Asked, ...],
    draft: Draft,
    tables: Mapping[str, TableSchema],
    origins: Mapping[str, Origin],
    taken: Mapping[str, Question],
) -> tuple[tuple[Question, ...], tuple[str, ...]]:
    """The questions that can be asked, and those that cannot as notes.

    Args:
        asked: As the model put them.
        draft: The draft they are about.
        tables: Those the model was given.
        origins: For the clauses of a question's field.
        taken: Questions that are asked already, by the path of their field.
    """
    paths = {path for path, _ in fields(draft)}
    made: list[Question] = []
    notes: list[str] = []
    for number, item in enumerate(asked, start=1):
        text = _line(item.text)
        if item.path in taken:
            continue
        options = _options(item, draft, tables) if item.path in paths and _settable(item.path) else ()
        if not options:
            notes.append(f"The model asks: {text}")
            continue
        default = item.default if item.default is not None and item.default < len(item.choices) else None
        chosen = next((option.id for option in options if default is not None and option.id == f"o{default + 1}"), None)
        origin = origins.get(item.path)
        made.append(
            Question(
                id=f"model:{number}_{slug(item.path.rpartition('.')[2], 'field')}"[:80],
                text=text,
                why=_line(item.why),
                options=options,
                default=chosen,
                path=item.path,
                clauses=origin.clauses if origin else (),
            )
        )
    return tuple(made), tuple(notes)


def _settable(path: str) -> bool:
    parts = path.split(".")
    return (
        len(parts) > 2
        and parts[0] in {"steps", "expectations", "sources"}
        and parts[-1] not in _FIXED
        and (parts[0] != "sources" or parts[-1] == "filter")
        and (parts[0] != "expectations" or parts[-1] not in {"quarantine", "automatic"})
    )


def _options(item: Asked, draft: Draft, tables: Mapping[str, TableSchema]) -> tuple[Option, ...]:
    """The choices that give a right spec; none unless there are two of them, or one that must be confirmed."""
    found = []
    for number, choice in enumerate(item.choices, start=1):
        value = list(choice.value) if isinstance(choice.value, tuple) else choice.value
        edit = Edit(path=item.path, value=value)
        try:
            edited = apply_edits(draft, [edit])
        except SpecError:
            continue
        if not problems_of_draft(edited, tables):
            found.append(Option(id=f"o{number}", label=_line(choice.label), edits=(edit,)))
    return tuple(found) if len(found) > 1 or (found and item.default is None) else ()


def _line(text: str) -> str:
    clean = "".join(char if char.isprintable() else " " for char in redact(text))
    return " ".join(clean.split())[:300]
