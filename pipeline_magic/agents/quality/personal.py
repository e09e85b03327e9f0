"""Which values of the preview are not kept, since they speak of a person. Pure.

The preview is stored with the run and drawn in the panel; a person's address, name or number has no business in either.
A column is masked by what it is called, a text also by what it looks like. A name that gives nothing away (a person's
name in a column `c7`) is not found: whoever needs more leaves the column out of the pipeline. Not here: what a language
model is shown (`agents.specification.llm.values`), which is much less.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pipeline_magic.english import split_compound, words_of

__all__ = ["PERSONAL", "masked"]

PERSONAL = "[personal]"
"""Stands in the preview in place of a value."""


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SAYS = _set(
    """email mail phone mobile fax tel telephone firstname lastname surname forename fullname nickname middlename
    address addr street birth birthday birthdate birthplace dob ssn passport iban bic password username login ip
    religion ethnicity diagnosis"""
)
_THINGS = _set(
    """product part item nation region country city state category brand company supplier store shop branch warehouse
    table column file status month day week segment department team role plan event currency unit channel campaign
    source type kind group class pipeline model vendor carrier airline airport station sensor metric"""
)
_EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@]{1,190}\.[A-Za-z]{2,24}")
_PHONE = re.compile(r"\+\d[\d ()./-]{6,18}\d\Z|0\d{1,5}[ /-]\d[\d -]{4,14}\Z|\(\d{2,5}\) ?\d[\d -]{4,14}\Z")


def masked(columns: Sequence[str], row: Sequence[Any]) -> tuple[Any, ...]:
    """A row with what is personal taken out; NULL stays NULL.

    >>> masked(["id", "email", "note"], [1, "a", "write to zoe@example.org"])
    (1, '[personal]', '[personal]')
    """
    return tuple(
        PERSONAL if value is not None and (_column(name) or _value(value)) else value
        for name, value in zip(columns, row, strict=True)
    )


def _column(name: str) -> bool:
    words = [part for word in words_of(name) for part in (word, *split_compound(word))]
    if _SAYS & {*words, "".join(words_of(name))}:
        return True
    return "name" in words and not _THINGS & set(words)


def _value(value: Any) -> bool:
    if isinstance(value, (dict, list, tuple)):
        return bool(_EMAIL.search(str(value)))
    return isinstance(value, str) and bool(_EMAIL.search(value) or _PHONE.match(value.strip()))
