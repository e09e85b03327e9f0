"""Linking: which table or column a run of words names.

Scores are of words only: an exact name beats all words of a name, which beat a part of a name. What is in scope (the
tables a statement names) is tried before the rest of the catalog. Two columns that fit equally well are a tie; a tie is
reported, never broken by chance. Not here: what is then done with a column; the readers ask for the kind they need.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline_magic.agents.specification.planner.entities import ColumnInfo, Kind, Ref, TableInfo
from pipeline_magic.agents.specification.planner.lexicon import ABBREVIATIONS, FILLER, GENERAL, STOP, SYNONYMS, UNITS
from pipeline_magic.agents.specification.planner.text import Token, stem, words_of

__all__ = ["ColumnLink", "Linker", "TableLink"]

_GOOD = 0.8
_LONGEST = 4
_VAGUE = {"number", "id", "key", "count", "code", "flag", "text"}
"""Words that, alone, name no column of which they are only a part."""
_KIND_WORDS = {"address", "number", "value", "column", "field"}
"""Words that may stand behind the name of a column: ``email address``, ``phone number``."""
_NAMING = {"full", "display", "long", "short", "legal", "company"}
_SAID = {
    "is", "was", "has", "counts", "that", "which", "whose", "when", "where", "if", "as", ",", ".", "and", "or", "in",
    "on", "with", "since", "before", "after", "from", "ever", "yet", "at", "during", "", "exists", "had", "were",
}  # fmt: skip
_DETERMINERS = {"the", "a", "an", "each", "every", "their", "all", "any", "these", "those"}


@dataclass(frozen=True)
class TableLink:
    """Words from token `start` to before `end` name `table`; `others` fit as well."""

    start: int
    end: int
    table: TableInfo
    score: float
    others: tuple[TableInfo, ...] = ()
    by_synonym: bool = False


@dataclass(frozen=True)
class ColumnLink:
    """Words from token `start` to before `end` name `column`; `others` fit as well."""

    start: int
    end: int
    column: ColumnInfo
    score: float
    others: tuple[ColumnInfo, ...] = ()
    by_synonym: bool = False

    @property
    def ref(self) -> Ref:
        return self.column.ref


class Linker:
    """Finds tables and columns in the tokens of one statement.

    Args:
        tokens: Of the statement; stems may already be corrected for typing errors.
        tables: Tables that may be meant, by full name.
        scope: Full names of the tables the statement names, in that order; see `table_links`.
    """

    def __init__(self, tokens: Sequence[Token], tables: Mapping[str, TableInfo], scope: Sequence[str] = ()) -> None:
        self.tokens = tokens
        self.tables = tables
        self.scope = tuple(scope)
        self.near = tuple(tables)
        self.roles: dict[str, str] = {}
        self._fits: dict[tuple[str, ...], tuple[tuple[float, ColumnInfo], ...]] = {}
        self._named: dict[tuple[tuple[str, ...], bool], tuple[float, tuple[TableInfo, ...]]] = {}
        self._seen: dict[int, TableLink | None] = {}
        self._owners: dict[str, set[str]] = {}
        for table in tables.values():
            for column in table.columns:
                for word in {*column.words, *column.said, stem(column.name)}:
                    self._owners.setdefault(word, set()).add(table.name)

    def with_scope(self, scope: Sequence[str], near: Sequence[str], roles: Mapping[str, str] | None = None) -> Linker:
        """The same with tables in scope; of the others only `near` ones, which can be joined to it, are looked at.

        `roles` are words for a table by what its rows are to others (``captain`` of flights), by their stems.
        """
        made = Linker.__new__(Linker)
        made.__dict__.update(self.__dict__)
        made.scope, made.near = tuple(scope), tuple(near)
        made.roles = dict(roles or {})
        made._seen = {}
        return made

    # --- tables ------------------------------------------------------------------------------------------------

    def table_at(self, start: int) -> TableLink | None:
        """The table that the words from `start` on name; the longest run of words wins.

        A synonym is tried where the words themselves name nothing; a part of a name where one table in scope has it.
        """
        if start not in self._seen:
            self._seen[start] = self._table_at(start)
        return self._seen[start]

    def _table_at(self, start: int) -> TableLink | None:
        for size in range(_LONGEST, 0, -1):
            window = self._window(start, size)
            if window is None:
                continue
            for synonyms in (False, True):
                found = self._table(start, size, window, synonyms)
                if found is not None:
                    return found
        window = self._window(start, 1)
        inside = [self.tables[name] for name in self.scope]
        parts = [
            table for table in inside if window is not None and len(table.words) > 1 and table.words[0] == window[0]
        ]
        plural = start < len(self.tokens) and self.tokens[start].low != self.tokens[start].stem
        if len(parts) == 1 and (plural or self._one_of_many(start)):
            return TableLink(start, start + 1, parts[0], 0.8)
        if window is not None and (self.tokens[start].low != self.tokens[start].stem or self._one_of_many(start)):
            first = [table for table in self.tables.values() if len(table.words) > 1 and table.words[0] == window[0]]
            if not inside and len(first) == 1 and not self._is_column(window[0]):
                return TableLink(start, start + 1, first[0], 0.8)
            last = [table for table in self.tables.values() if len(table.words) > 1 and table.words[-1] == window[0]]
            if len(last) == 1 and not self._is_column(window[0]):
                return TableLink(start, start + 1, last[0], 0.8)  # `payments` of `loan_payments`, where no other is
            called = self._called(start, window[0])
            if called is not None:
                return called
        if window is not None and window[0] in self.roles:
            return TableLink(start, start + 1, self.tables[self.roles[window[0]]], 0.8)
        return None

    def _one_of_many(self, start: int) -> bool:
        """``a line is late when``: one row, with an article before it and no noun behind it."""
        before = self.tokens[start - 1].low if start else ""
        behind = self.tokens[start + 1].low if start + 1 < len(self.tokens) else ""
        if behind in {"rows", "row", "records", "record", "data", "entries", "table"} and start:
            return True
        return before in {"a", "an", "each", "every", "one", "no", "any", "per"} and behind in _SAID

    def _called(self, start: int, word: str) -> TableLink | None:
        """``visits`` where the comment of one table begins so: ``Visits of technicians``."""
        fitting = [table for table in self.tables.values() if table.called == word]
        if len(fitting) != 1 or self._owners.get(word, set()) - {fitting[0].name} or word in STOP | FILLER | GENERAL:
            return None
        return TableLink(start, start + 1, fitting[0], 0.8)

    def _is_column(self, word: str) -> bool:
        """Some column is called so, wholly."""
        return any(column.words == (word,) for table in self.tables.values() for column in table.columns)

    def _table(self, start: int, size: int, window: tuple[str, ...], synonyms: bool) -> TableLink | None:
        key = (window, synonyms)
        if key not in self._named:
            scored = sorted(
                ((_table_fit(window, table, synonyms), table) for table in self.tables.values()),
                key=lambda item: (-item[0], item[1].name),
            )
            best = scored[0][0] if scored else 0.0
            self._named[key] = (best, tuple(table for score, table in scored if score == best) if best >= _GOOD else ())
        best, same = self._named[key]
        if not same:
            return None
        chosen = [table for table in same if table.name in self.scope] or list(same)
        return TableLink(start, start + size, chosen[0], best, tuple(chosen[1:]), synonyms)

    # --- columns -----------------------------------------------------------------------------------------------

    def column_at(
        self,
        start: int,
        *,
        kinds: Iterable[Kind] = (),
        tables: Sequence[str] = (),
        least: float = 0.5,
        longest: int = _LONGEST,
    ) -> ColumnLink | None:
        """The column that the words from `start` on name.

        Args:
            start: Index of the first token.
            kinds: Only columns of these kinds; any when empty.
            tables: Only columns of these tables; otherwise those in scope first, then the others.
            least: Score below which nothing is said: 0.8 asks for a whole name, 0.5 takes the last word of one.
            longest: Most tokens taken.
        """
        wanted = frozenset(kinds)
        turned = self._turned(start, wanted, tables) if longest > 1 else None
        if turned is not None:
            return turned
        rounds: tuple[Sequence[str], ...] = (tables,) if tables else (self.scope, self.near)
        for names in rounds:
            found = self._best(start, frozenset(names), wanted, least, longest)
            if found is not None and names is self.near and self.scope and self._too_general(found):
                continue
            if found is not None and names is self.scope and found.score < _GOOD:
                whole = self._best(start, frozenset(self.near), wanted, 0.95, longest)
                if whole is not None and whole.end > found.end:
                    found = whole  # `minutes watched` is a column elsewhere, and no half of one here
            if found is not None:
                return self._of_table(found, wanted)
        return None

    def _turned(self, start: int, kinds: frozenset[Kind], tables: Sequence[str]) -> ColumnLink | None:
        """``date of birth``, ``name of the drug``: the words of one column, turned around."""
        if start + 2 >= len(self.tokens) or self.tokens[start + 1].low != "of":
            return None
        at = start + 2
        while at + 1 < len(self.tokens) and self.tokens[at].low in _DETERMINERS:
            at += 1
        head, noun = self.tokens[start], self.tokens[at]
        if head.kind != "word" or noun.kind != "word" or head.low in STOP or noun.low in STOP:
            return None
        fits = [
            column
            for score, column in self._fit((noun.stem, head.stem))
            if score >= 1.0
            and column.words == (noun.stem, head.stem)
            and (not kinds or column.kind in kinds)
            and (column.ref.table in tables if tables else column.ref.table in self.near)
        ]
        fits.sort(key=lambda column: (self._rank(column.ref.table), column.name))
        return ColumnLink(start, at + 1, fits[0], 1.0, tuple(fits[1:])) if fits else None

    def column_of(self, window: tuple[str, ...], least: float = 0.8) -> ColumnInfo | None:
        """The column in scope that these stems name, which need not stand beside each other."""
        fits = [
            (score, column) for score, column in self._fit(window) if column.ref.table in self.scope and score >= least
        ]
        return fits[0][1] if fits else None

    def _best(
        self, start: int, names: frozenset[str], kinds: frozenset[Kind], least: float, longest: int
    ) -> ColumnLink | None:
        best: ColumnLink | None = None
        for size in range(longest, 0, -1):
            window = self._window(start, size)
            if window is None:
                continue
            fits = [
                (score, column)
                for score, column in self._fit(window)
                if column.ref.table in names and (not kinds or column.kind in kinds) and score >= least
            ]
            if not fits:
                continue
            top = fits[0][0]
            same = [column for score, column in fits if score >= top - 1e-9]
            same.sort(key=lambda column: (self._rank(column.ref.table), column.name))
            link = ColumnLink(start, start + size, same[0], top, tuple(same[1:]))
            if top >= _GOOD:
                return link
            if best is None or top > best.score:
                best = link
        return best

    def _of_table(self, link: ColumnLink, kinds: frozenset[Kind]) -> ColumnLink:
        """``name (and theme) of all concerts``: the table that follows decides, where it has such a column."""
        owner = self._owner_after(link.end)
        if owner is None or owner.others:
            return link
        window = tuple(token.stem for token in self.tokens[link.start : link.end])
        fits = [
            (score, column)
            for score, column in self._fit(window)
            if column.ref.table == owner.table.name and (not kinds or column.kind in kinds)
        ]
        if not fits or fits[0][0] < (0.5 if link.others or link.ref.table == owner.table.name else _GOOD):
            return link
        same = tuple(column for score, column in fits if score >= fits[0][0] - 1e-9)
        end = owner.end if self.tokens[link.end].low in {"of", "for", "in"} else link.end
        return ColumnLink(link.start, end, same[0], max(link.score, fits[0][0]), same[1:])

    def _too_general(self, link: ColumnLink) -> bool:
        """``name`` alone never brings in a table that the statement does not name."""
        words = {token.stem for token in self.tokens[link.start : link.end]}
        return words <= GENERAL

    def _owner_after(self, at: int) -> TableLink | None:
        """The table behind ``of the``, ``for all``; further columns of the same list may stand between."""
        for _ in range(4):
            if at >= len(self.tokens):
                return None
            if self.tokens[at].low in {"of", "for", "in"}:
                at += 1
                while at < len(self.tokens) and self.tokens[at].low in _DETERMINERS:
                    at += 1
                return self.table_at(at) if at < len(self.tokens) else None
            if self.tokens[at].low not in {"and", ","}:
                return None
            at += 1
            while at < len(self.tokens) and self.tokens[at].low in {"and", "the"}:
                at += 1
            further = self._best(at, frozenset(self.scope), frozenset(), _GOOD, _LONGEST)
            if further is None:
                return None
            at = further.end
        return None

    def _rank(self, table: str) -> int:
        return self.scope.index(table) if table in self.scope else len(self.scope)

    def _window(self, start: int, size: int) -> tuple[str, ...] | None:
        if start + size > len(self.tokens):
            return None
        part = self.tokens[start : start + size]
        if any(token.kind not in {"word", "quoted", "number"} for token in part) or part[0].kind == "number":
            return None
        if size == 1:
            token = part[0]
            if token.kind == "quoted" and token.text[0] != "`":
                return None
            return None if token.low in STOP and token.kind == "word" and len(token.low) < 4 else (token.stem,)
        if part[0].low in STOP or part[-1].low in STOP or any(token.kind == "quoted" for token in part):
            return None
        return tuple(token.stem for token in part)

    def _fit(self, window: tuple[str, ...]) -> tuple[tuple[float, ColumnInfo], ...]:
        if window not in self._fits:
            forms = {form for word in window for form in (word, ABBREVIATIONS.get(word, word), *_cut(word))}
            owners = {name for form in forms for name in self._owners.get(form, ())}
            scored = []
            for name in owners:
                table = self.tables[name]
                for column in table.columns:
                    score = _column_fit(window, column, table)
                    if score > 0:
                        scored.append((score, column))
            scored.sort(key=lambda item: (-item[0], item[1].ref))
            self._fits[window] = tuple(scored)
        return self._fits[window]


def _cut(word: str) -> tuple[str, ...]:
    """Stems of an identifier's parts: ``orders.o_totalprice`` finds by ``o_totalprice``."""
    parts = [part for part in word.replace("`", "").split(".") if part]
    return tuple(stem(part) for part in parts) + tuple(
        stem(ABBREVIATIONS.get(w, w)) for part in parts for w in words_of(part)
    )


def _expanded(window: Sequence[str]) -> tuple[str, ...]:
    parts = [part for word in window for part in (words_of(word) if "_" in word.strip("_") else (word,))]
    return tuple(stem(ABBREVIATIONS.get(part, part)) for part in parts)


def _table_fit(window: tuple[str, ...], table: TableInfo, synonyms: bool) -> float:
    if len(window) == 1:
        word = window[0].replace("`", "")
        full = table.name.casefold()
        if word in {full, stem(full)}:
            return 1.3
        parts = full.split(".")
        if "." in word and (full.endswith("." + word) or stem(full).endswith("." + word)):
            return 1.25
        if word in {parts[-1], stem(parts[-1])}:
            return 1.2
    words = _expanded(window)
    if synonyms:
        words = tuple(SYNONYMS.get(word, word) for word in words)
    if words == table.words:
        return 1.0
    if sorted(words) == sorted(table.words):
        return 0.95
    return 0.0


def _column_fit(window: tuple[str, ...], column: ColumnInfo, table: TableInfo) -> float:
    if len(window) == 1:
        word = window[0]
        name = column.name.casefold()
        if word in {name, stem(name)}:
            return 1.1 if "_" in name or column.words != (word,) else 1.0
        if word.endswith((f".{name}", f".{stem(name)}")) and word.split(".")[-2] in {
            table.short.casefold(),
            table.words[0],
        }:
            return 1.25
    words = _expanded(window)
    have, wanted, owner = set(words), set(column.words), set(table.words)
    if words == column.words or (len(words) > 1 and have == wanted):
        return 1.0
    if wanted < have and have - wanted <= owner:
        return 1.05
    if have & owner and have - owner == {"name"} and wanted - _NAMING == {"name"} and column.kind == "text":
        return 0.95
    if have < wanted and wanted - have <= owner and have - owner and not have <= _VAGUE:
        return 0.9
    if column.said and len(column.said) > 1 and have == set(column.said):
        return 0.85
    if have < wanted and wanted - have == {"name"} and column.kind == "text" and not have & owner:
        return 0.85
    if have < wanted and wanted - have <= {"amount", "value"} and column.kind == "number" and not have <= owner:
        return 0.85
    if wanted < have and have - wanted <= _KIND_WORDS and not column.is_key_like:
        return 0.85
    if (
        words == column.words[: len(words)]
        and set(column.words[len(words) :]) <= UNITS
        and column.kind == "number"
        and len(words) < len(column.words)
        and not have <= owner | _VAGUE
    ):
        return 0.95
    if len(have) == 1 and have <= _VAGUE:
        return 0.45 if have < wanted else 0.0
    if have < wanted and column.words[-1] == words[-1]:
        return 0.6
    if column.said and have == set(column.said):
        return 0.55
    if have < wanted and len(have) > 1:
        return 0.5
    return 0.45 if have < wanted and column.words[0] == words[0] else 0.0
