"""A change in words, cut into wishes, and each wish read by the first reader that understands all of it."""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.editing.parts import READERS
from pipeline_magic.agents.specification.editing.present import Present, Unclear
from pipeline_magic.errors import StatementError
from pipeline_magic.spec.paths import Edit
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["read_change"]

_LONGEST = 2000
_POLITE = re.compile(
    r"^(?:(?:please|also|and|then|now|but|just|could you|can you|let's|it should|the pipeline should)\b[\s,]*)+",
    re.IGNORECASE,
)
_CUT = re.compile(r"\s*[;\n]+\s*|\.\s+|,\s+(?:and\s+|then\s+|also\s+)?|\s+and\s+(?:then\s+|also\s+)?", re.IGNORECASE)
_UNDERSTOOD = (
    "A schedule (“make it weekly”), a target (“write to gold.x”, “append instead”), a join (“use left join”), a number "
    "(“top 5 instead of 10”), a column (“drop the segment”, “add c_phone”, “also group by region”, “rename a to b”), "
    "a condition (“only 1997 on”, “only where quantity > 5”)."
)


def read_change(words: str, typed: TypedSpec) -> tuple[Edit, ...]:
    """The edits that a change in words asks for, each with the words it came from.

    Args:
        words: As a person typed them.
        typed: The spec as it stands.

    Raises:
        StatementError: Some of it is not understood or could mean two things; all of that at once, and no edits.
    """
    text = words.strip().rstrip(".!")
    if not text:
        raise StatementError("The change is empty.", hint=f"Say what should be different. {_UNDERSTOOD}")
    if len(text) > _LONGEST:
        raise StatementError(
            f"The change has {len(text):,} characters; {_LONGEST:,} are the most.", hint="Make it in several steps."
        )
    present = Present(typed)
    edits: list[Edit] = []
    unclear: list[str] = []
    for wish in _wishes(text, present):
        try:
            made = _read(wish, present)
        except Unclear as reason:
            unclear.append(f"“{wish}”: {reason}")
            continue
        if made is None:
            unclear.append(f"“{wish}” was not understood.")
        else:
            edits += [edit.model_copy(update={"said": wish}) for edit in made]
    unclear += _contradictions(edits)
    if unclear:
        raise StatementError("Nothing was changed. " + " ".join(unclear), hint=f"What can be said: {_UNDERSTOOD}")
    return tuple(edits)


def _read(wish: str, present: Present) -> list[Edit] | None:
    plain = _POLITE.sub("", wish).strip()
    for reader in READERS:
        made = reader(plain, present)
        if made is not None:
            return made
    return None


def _wishes(text: str, present: Present) -> list[str]:
    """The change cut at commas and ``and``, where both sides are wishes; a wish that holds them stays whole."""
    parts = [part for part in _CUT.split(text) if part and _POLITE.sub("", part + " ").strip()]
    made: list[str] = []
    at = 0
    while at < len(parts):
        for end in range(len(parts), at, -1):
            first, last = text.find(parts[at]), text.find(parts[end - 1])
            whole = text[first : last + len(parts[end - 1])]
            if end == at + 1 or _understood(whole, present):
                made.append(whole)
                at = end
                break
    return made


def _understood(wish: str, present: Present) -> bool:
    try:
        return _read(wish, present) is not None
    except Unclear:
        return False


def _contradictions(edits: list[Edit]) -> list[str]:
    said: dict[str, Edit] = {}
    found = []
    for edit in edits:
        before = said.setdefault(edit.path, edit)
        if before.value != edit.value:
            found.append(f"“{before.said}” and “{edit.said}” both set `{edit.path}`.")
    return found
