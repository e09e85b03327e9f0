"""Words: what a statement says, so that a proposal can be held against it. Pure.

Support is lexical on purpose: it cannot be talked into anything. A table is spoken of by a word of its name or of one
of its columns' names; a condition by a literal that stands in the statement, or by a word of a column that is not
just the table's. Comments never count: whoever can write one could write anything into it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pipeline_magic.english import ABBREVIATIONS, DATA_WORDS, split_compound, stem, words_of
from pipeline_magic.spec.schema import TableSchema

__all__ = ["Words", "names_as_target"]

_GENERIC = frozenset(
    {"key", "id", "name", "date", "time", "type", "code", "number", "num", "value", "data", "table", "row", "column"}
    | {"is", "the", "a", "of", "in", "on", "to", "and", "or", "not"}
)
"""Words that many columns share, or that are grammar: alone they speak of nothing."""
_TIMES = (
    r"\b(?:last|past|recent\w*|since|previous|this|current|yesterday|today|ago|old\w*|within|after|before"
    r"|year|month|week|day|quarter)s?\b"
)
_WRITE = re.compile(
    r"\b(?:into|to|as|at|in|onto|target|called|named|outputs?|(?:updat|overwrit|upsert|merg|append|refresh|populat|creat|"
    r"build|maintain|load|writ|publish|materiali[sz]|produc|fill|replac|sav|stor|mak)(?:e|es|s|ing|ed|t)?)"
    r"(?:\s+(?:the|a|an|new|delta|table|called|named|it|them|result|results|everything|is))*[\s:=`'\"“”(*-]*$",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^\s*\d+[.)]\s", re.MULTILINE)
_NO_PLACE = frozenset({"unity", "the", "a", "same", "new", "called", "named", "and", "as", "this", "that", "which"})
_MEASURES = frozenset(
    {"count", "total", "sum", "average", "avg", "share", "rate", "rank", "top", "result", "summary", "report", "metric"}
    | {"daily", "weekly", "monthly", "per", "by", "with", "for", "stat", "statistic", "list", "person", "day", "month"}
)
"""Words of names for results; they say what was done, not to what."""
_ONE = r"(?:more|fewer|less|other) than (?:one|1)\b|(?:at least|at most|exactly|only|just) (?:one|1)\b|\bonce\b"
_EMPTY = r"\b(?:without|missing|empty|null|blank|no|not|never|unknown|known|filled|given)\b"
_DAYS = r"week-?(?:end|day)|(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_SMALL = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


class Words:
    """The words of a statement, and their singulars.

    Args:
        statement: As typed.
    """

    def __init__(self, statement: str) -> None:
        self.text = statement
        self._low = statement.casefold()
        self._tokens = set(re.findall(r"\w+", self._low))
        self._stems = {part for word in words_of(statement) for part in _forms(word)}

    def has(self, word: str) -> bool:
        """The word stands in the statement as a whole."""
        return bool(word) and re.search(rf"(?<!\w){re.escape(word.casefold())}(?!\w)", self._low) is not None

    def match(self, pattern: str) -> bool:
        """The pattern stands somewhere in the statement."""
        return re.search(pattern, self._low, re.IGNORECASE) is not None

    def number(self, value: int) -> bool:
        """The number stands in the statement, in digits or as a small word."""
        plain = _BULLET.sub(" ", self._low).replace(",", "")
        word = _SMALL[value] if value < len(_SMALL) else ""
        return re.search(rf"(?<!\d){value}(?!\d)", plain) is not None or (bool(word) and word in self._tokens)

    def place(self, kind: str) -> str:
        """The catalog or schema that is written to: ``outputs to analytics catalog``; empty where none is said.

        Args:
            kind: ``catalog`` or ``schema``.
        """
        word = r"`?([a-z_]\w*)`?"
        behind = rf"\b(?:to|into|in|on)\s+(?:the\s+|our\s+|my\s+)?{word}\s+{kind}\b"
        before = rf"\b(?:to|into|in|on)\s+(?:the\s+)?{kind}\s+(?:called\s+|named\s+)?{word}"
        for pattern in (behind, before):
            for match in re.finditer(pattern, self._low):
                if match[1] not in _NO_PLACE:
                    return match[1]
        return ""

    def made_of(self, name: str) -> bool:
        """Every word of a name stands in the statement, in one form or another, or tells of a measure."""
        parts = [word for word in words_of(name) if len(word) > 1 and stem(word) not in _GENERIC | _MEASURES]
        return bool(parts) and all(stem(word) in self._stems or self.has(word) for word in parts)

    def speaks_of(self, table: TableSchema) -> bool:
        """A word of the table's name, or a telling word of one of its columns' names."""
        names = [table.table.split(".")[-1], *(column.name for column in table.columns)]
        return any(form in self._stems for name in names for word in words_of(name) for form in _forms(word))

    def supports(self, condition: str, tables: Iterable[TableSchema]) -> bool:
        """A literal of the condition stands in the statement, or a telling word of one of its columns does."""
        for text in re.findall(r"'((?:[^'\\]|\\.)*)'", condition):
            if len(text) > 1 and self.has(text):
                return True
            date = re.match(r"(\d{4})-(\d\d)-\d\d", text)
            # The end of a year is written as the first day of the next one.
            if date and (self.has(date[1]) or (date[2] == "01" and self.has(str(int(date[1]) - 1)))):
                return True
        bare = re.sub(r"'(?:[^'\\]|\\.)*'", " ", condition)
        if any(
            self.number(int(number)) for number in re.findall(r"(?<![\w.])\d{1,9}(?![\w.])", bare) if int(number) > 1
        ):
            return True
        if re.search(r"\bIS (?:NOT )?NULL", bare, re.IGNORECASE) and self.match(_EMPTY):
            return True
        if re.search(r"(?<![\w.])1(?![\w.])", bare) and self.match(_ONE):
            return True
        if "run_time()" in bare and self.match(_TIMES):
            return True
        if re.search(r"\b(?:dayofweek|weekday)\(", bare) and self.match(_DAYS):
            return True
        of_tables = {form for table in tables for word in words_of(table.table) for form in _forms(word)}
        names = re.findall(r"[A-Za-z_]\w*|`[^`]+`", bare)
        told = {form for name in names for word in words_of(name.strip("`")) for form in _forms(word)}
        return bool((told - of_tables - _GENERIC) & self._stems)


def names_as_target(statement: str, parts: Sequence[str]) -> bool:
    """The name, of so many parts, stands in the statement as a whole, behind a word of writing."""
    pattern = r"`?\.`?".join(re.escape(part) for part in parts)
    for match in re.finditer(rf"(?<![\w.])`?{pattern}`?(?![\w`]|\.\w)", statement, re.IGNORECASE):
        if _WRITE.search(statement[max(0, match.start() - 80) : match.start()]):
            return True
    return False


def _forms(word: str) -> set[str]:
    """The stem of a word, its parts where it is written together, and what it abbreviates."""
    low = word.casefold()
    parts = {low, *split_compound(low, DATA_WORDS)}
    found = {form for part in parts for form in (stem(part), stem(ABBREVIATIONS.get(part, part)))}
    return {form for form in found if len(form) > 1} - _GENERIC
