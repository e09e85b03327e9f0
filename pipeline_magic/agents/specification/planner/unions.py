"""Unions in words: ``union the online sales and the store sales``, ``combine customers and suppliers into one list``.

The tables that are put under each other become one table of the planner, with the columns that all of them have, and a
column that tells them apart where the words ask for one. From there on it is a table like any other; `joining` makes
its steps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.draft import Assembly, Plan
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, Kind, Ref, TableInfo
from pipeline_magic.agents.specification.planner.intent import Note, Use
from pipeline_magic.agents.specification.planner.layout import aliases
from pipeline_magic.agents.specification.planner.linking import Linker
from pipeline_magic.agents.specification.planner.text import Token
from pipeline_magic.agents.specification.planner.values import literal
from pipeline_magic.spec.names import slug
from pipeline_magic.spec.schema import Column, TableSchema

__all__ = ["Together", "add_together", "find_together", "read_together"]

_VERBS = {
    "union", "unions", "stack", "stacks", "combine", "combines", "append", "concatenate", "unioning", "combining",
    "unite", "pool", "merge",
}  # fmt: skip
_SURE = {"union", "unions", "stack", "stacks", "unioning", "concatenate", "unite", "pool"}
_ONE = re.compile(r"\b(?:into|as|in|to) (?:one|a single|a combined|a common|a unified|the same)\b|\bunder each other\b")


@dataclass(frozen=True)
class Together:
    """Tables under each other.

    Attributes:
        columns: For each column of the result, the column of each part in the order of `parts`.
        tag: Column that tells the parts apart, with the label of each part; empty where none is asked for.
        start, end: The tokens that say it; `tag_span` those that ask for the tag.
    """

    name: str
    parts: tuple[str, ...]
    columns: tuple[tuple[str, tuple[str, ...]], ...]
    tag: str
    labels: tuple[str, ...]
    start: int
    end: int
    tag_span: tuple[int, int]
    distinct: bool = False


def find_together(
    tokens: Sequence[Token], linker: Linker, statement: str
) -> tuple[Together, TableInfo, dict[str, TableInfo]] | None:
    """The union a statement asks for, the table it makes, and the tables without its parts."""
    for i, token in enumerate(tokens):
        if token.low not in _VERBS:
            continue
        parts, end = _parts(tokens, linker, i + 1)
        text = statement[token.start : token.start + 300].casefold()
        if len(parts) < 2 or not (token.low in _SURE or _ONE.search(text)):
            continue
        tables = [linker.tables[name] for name in parts]
        columns = _common(tables)
        if not columns:
            continue
        tag, labels, span = _tag(tokens, end, tables)
        if tag and tag.casefold() in {name.casefold() for name, _ in columns}:
            return None
        end = _into_one(tokens, end)
        made = Together(
            _name(tables), tuple(parts), columns, tag, labels, i, end, span,
            distinct="distinct" in text.split(".")[0].split() or "without duplicates" in text,
        )  # fmt: skip
        table = _table(made, tables)
        rest = {name: other for name, other in linker.tables.items() if name not in parts}
        return made, table, rest
    return None


def _into_one(tokens: Sequence[Token], end: int) -> int:
    """``into one list of partners``: the words that say what they become."""
    at = end
    words = [token.low for token in tokens[at : at + 8]]
    if words[:1] not in (["into"], ["as"], ["in"], ["to"]):
        return end
    size = 1
    while size < len(words) and words[size] in {
        "one",
        "a",
        "an",
        "single",
        "combined",
        "common",
        "unified",
        "the",
        "same",
    }:
        size += 1
    if size < len(words) and tokens[at + size].kind == "word":
        size += 1
        if words[size : size + 1] == ["of"] and at + size + 1 < len(tokens) and tokens[at + size + 1].kind == "word":
            size += 2
    return at + size


def _parts(tokens: Sequence[Token], linker: Linker, at: int) -> tuple[list[str], int]:
    parts: list[str] = []
    end = at
    while at < len(tokens):
        if tokens[at].low in {
            "the",
            "and",
            ",",
            "with",
            "all",
            "both",
            "of",
            "tables",
            "table",
            "together",
            "rows",
            "from",
        }:
            at += 1
            continue
        link = linker.table_at(at)
        if link is None or link.others:
            break
        if link.table.name not in parts:
            parts.append(link.table.name)
        end = at = link.end
    return parts, end


def _common(tables: Sequence[TableInfo]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Columns that every table has, by name or by the words of its name without the table's prefix."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for column in tables[0].columns:
        row = [column.name]
        for other in tables[1:]:
            same = [
                each
                for each in other.columns
                if each.kind == column.kind
                and (each.name.casefold() == column.name.casefold() or _alike(each, column, other, tables[0]))
            ]
            if len(same) != 1:
                break
            row.append(same[0].name)
        if len(row) == len(tables):
            name = (
                column.name
                if len({each.casefold() for each in row}) == 1
                else slug("_".join(_plain(column, tables[0])))
            )
            found.append((name, tuple(row)))
    return tuple(found)


def _plain(column: ColumnInfo, table: TableInfo) -> tuple[str, ...]:
    rest = tuple(word for word in column.words if word not in table.words)
    return rest or column.words


def _alike(a: ColumnInfo, b: ColumnInfo, of_a: TableInfo, of_b: TableInfo) -> bool:
    return a.words == b.words or (_plain(a, of_a) == _plain(b, of_b) and bool(_plain(a, of_a)))


_TAGGED = re.compile(
    r"(?:tag|label|mark|with|add|and|including|plus|keep|show)\s+(?:each\s+(?:row|one|record)\s+)?(?:with\s+|by\s+|as\s+)?"
    r"(?:a\s+|an\s+|its\s+|the\s+|new\s+|extra\s+)*(?:column\s+|field\s+)?(?:called\s+|named\s+)?(?P<name>[a-z_]\w*)\s+"
    r"(?:column\s+|field\s+)?(?:\(|that says|which says|saying|being|with|as|=|that is|is|set to|holding|"
    r"with the value)"
)


def _tag(
    tokens: Sequence[Token], end: int, tables: Sequence[TableInfo]
) -> tuple[str, tuple[str, ...], tuple[int, int]]:
    """``tag each row with its channel ('online' or 'store')``: the column, a label for each part, and its tokens."""
    quoted = [
        j for j in range(end, min(len(tokens), end + 40)) if tokens[j].kind == "quoted" and tokens[j].text[0] in "'\"“"
    ]
    if len(quoted) < len(tables):
        return "", (), (0, 0)
    labels = _in_order([tokens[j].low for j in quoted[: len(tables)]], tables)
    for start in range(end, quoted[0]):
        text = " ".join(token.low for token in tokens[start : quoted[0]])
        match = _TAGGED.match(text + " ")
        if match and match["name"] not in {"row", "each", "column"}:
            last = quoted[len(tables) - 1] + 1
            if last < len(tokens) and tokens[last].low == ")":
                last += 1
            return slug(match["name"]), labels, (start, last)
    return "", (), (0, 0)


def _in_order(labels: list[str], tables: Sequence[TableInfo]) -> tuple[str, ...]:
    """Labels beside the tables whose names hold their words, else in the order they are said."""
    found = []
    for table in tables:
        fitting = [label for label in labels if set(label.casefold().split()) & {*table.words, table.short.casefold()}]
        if len(fitting) != 1 or fitting[0] in found:
            return tuple(labels)
        found.append(fitting[0])
    return tuple(found)


def _name(tables: Sequence[TableInfo]) -> str:
    head = tables[0].name.rpartition(".")[0]
    shared = [word for word in tables[0].words if all(word in table.words for table in tables)]
    return f"{head}.all_{'_'.join(shared) or 'rows'}"


def _table(made: Together, tables: Sequence[TableInfo]) -> TableInfo:
    first = tables[0]
    columns: list[ColumnInfo] = []
    for name, names in made.columns:
        old = first.column(names[0])
        assert old is not None
        words = old.words if name == old.name else _plain(old, first)
        columns.append(replace(old, ref=Ref(made.name, name), words=words))
    if made.tag:
        values = tuple((label.casefold(), label) for label in made.labels)
        kind: Kind = "text"
        columns.append(
            ColumnInfo(Ref(made.name, made.tag), "string", kind, False, tuple(made.tag.split("_")), values=values)
        )
    schema = TableSchema(
        table=made.name, columns=tuple(Column(name=column.name, type=column.type) for column in columns)
    )
    shared = tuple(word for word in first.words if all(word in table.words for table in tables))
    return TableInfo(made.name, shared or ("row",), tuple(columns), (), False, schema)


def read_together(c: Context, i: int) -> Found | None:
    """The words that ask for the union, or for the column that tells its parts apart."""
    made = c.together
    if made is None:
        return None
    if i == made.start:
        return Found(made.end, "source", (Use(i, made.end, made.name, read=False),))
    if made.tag and i == made.tag_span[0]:
        return Found(made.tag_span[1], "source", (Note(i, made.tag_span[1]),))
    return None


def add_together(made: Assembly, plan: Plan, union: Together) -> str:
    """Sources, a step each that names the columns alike, and the union; returns its id."""
    short = aliases([plan.parts[name] for name in union.parts])
    clauses = plan.clauses(*[use for use in plan.uses if use.table == union.name])
    heads = []
    for place, name in enumerate(union.parts):
        alias = short[name]
        made.sources.append({"alias": alias, "table": name})
        made.said(f"sources.{alias}.table", clauses)
        made.last = alias
        renamed = [(names[place], new) for new, names in union.columns if names[place] != new]
        columns = [names[place] for _, names in union.columns]
        if union.tag:
            column = {"name": union.tag, "expression": literal(union.labels[place])}
            identity = made.step({"id": f"tag_{alias}"[:63], "kind": "derive", "columns": [column]})
            made.said(f"steps.{identity}.columns.{union.tag}", clauses)
        identity = made.step(
            {"id": f"pick_{alias}"[:63], "kind": "select", "columns": [*columns, *([union.tag] if union.tag else [])]}
        )
        made.assumed(f"steps.{identity}.columns", "the columns that all of the tables have", clauses=clauses)
        if renamed:
            names = [{"column": old, "name": new} for old, new in renamed]
            identity = made.step({"id": f"name_{alias}"[:63], "kind": "rename", "columns": names})
            made.assumed(f"steps.{identity}.columns", "columns are called alike before the union", clauses=clauses)
        heads.append(made.last)
    identity = made.step(
        {"id": f"{short[union.parts[0]]}_and_more"[:63], "kind": "union", "inputs": heads, "distinct": union.distinct}
    )
    made.said(f"steps.{identity}.inputs", clauses)
    if not union.distinct:
        made.assumed(f"steps.{identity}.distinct", "rows that are equal stay", ("equal rows once",), clauses)
    return identity
