"""Tab Schemas: the tables the spec rests on, and the target as it is and as it will be."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline_magic.runs import Snapshot
from pipeline_magic.spec.schema import Column, TableSchema
from pipeline_magic.ui.markup import Html, code, data, details, note, number, plain, prose, table, tag, when

__all__ = ["ColumnView", "SchemasView", "TableView", "schemas_html", "schemas_text", "schemas_view"]

_MOST_COLUMNS = 3000
_HEAD = ("Column", "Type", "NULL", "Key", "Comment")


@dataclass(frozen=True)
class ColumnView:
    """One column; `key` says which keys it is in, in words."""

    name: str
    type: str
    nullable: bool
    key: str
    comment: str


@dataclass(frozen=True)
class TableView:
    """One table."""

    role: str
    table: str
    comment: str
    facts: tuple[str, ...]
    columns: tuple[ColumnView, ...]


@dataclass(frozen=True)
class SchemasView:
    """The tab; `creates` are schemas and catalogs that do not exist yet."""

    tables: tuple[TableView, ...]
    creates: tuple[str, ...]


def schemas_view(snapshot: Snapshot) -> SchemasView:
    """Sources by alias, then the target as it is now, then the rows it will get."""
    validated = snapshot.validated
    if validated is None:
        return SchemasView((), ())
    views = [_table(f"source {alias}", schema) for alias, schema in validated.tables.items()]
    if validated.target is not None:
        views.append(_table("target, as it is now", validated.target))
    typed = validated.typed
    if typed is not None:
        node = next((node for node in typed.nodes if node.id == typed.spec.target.input), None)
        if node is not None:
            views.append(
                TableView(
                    "target, as it will be",
                    typed.spec.target.table,
                    typed.spec.target.comment,
                    _key_facts(node.keys),
                    tuple(_column(column, "key" if _in(column, node.keys) else "") for column in node.columns),
                )
            )
    return SchemasView(tuple(views), validated.creates)


def _in(column: Column, keys: tuple[tuple[str, ...], ...]) -> bool:
    return any(column.name in key for key in keys[:1])


def _key_facts(keys: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    return tuple(f"one row for each {', '.join(key)}" for key in keys[:1])


def _column(column: Column, key: str) -> ColumnView:
    return ColumnView(column.name, column.type, column.nullable, key, column.comment)


def _table(role: str, schema: TableSchema) -> TableView:
    facts = [f"{schema.rows:,} rows"] if schema.rows is not None else []
    if schema.bytes is not None:
        facts.append(f"{schema.bytes / 1e6:,.1f} MB")
    facts += [f"version {schema.version}"] if schema.version else []
    facts += [f"last written {when(schema.last_modified)}"] if schema.last_modified else []
    facts += [f"owner {schema.owner}"] if schema.owner else []
    if not (schema.primary_key or schema.unique_keys or schema.foreign_keys):
        facts.append("declares no keys")
    columns = tuple(_column(column, _keys_of(schema, column.name)) for column in schema.columns)
    return TableView(role, schema.table, schema.comment, tuple(facts), columns)


def _keys_of(schema: TableSchema, name: str) -> str:
    words = ["primary key"] if name in schema.primary_key else []
    words += ["unique" for key in schema.unique_keys if name in key][:1]
    words += [f"refers to {key.to_table}" for key in schema.foreign_keys if name in key.columns]
    return ", ".join(words)


def schemas_html(view: SchemasView) -> Html:
    """The tab as HTML; columns past 3,000 in all are counted, not drawn."""
    if not view.tables:
        return note("The tables of the statement are looked up in the catalog after parsing; they appear here.")
    drawn: list[Html] = []
    left = _MOST_COLUMNS
    for shown in view.tables:
        rows = (
            (code(c.name), code(c.type), "may be NULL" if c.nullable else "never NULL", data(c.key), data(c.comment))
            for c in shown.columns
        )
        limit = max(left, 0)
        left -= len(shown.columns)
        head = tag("span", tag("strong", data(shown.table)), " · ", data(shown.role), class_="pm-table-name")
        facts = " · ".join((f"{number(len(shown.columns))} columns", *shown.facts))
        drawn.append(
            details(
                head,
                tag("div", data(shown.comment)) if shown.comment else None,
                tag("div", data(facts), class_="pm-quiet"),
                table(_HEAD, rows, label=f"Columns of {shown.table}", limit=limit),
                open_=len(view.tables) <= 4,
            )
        )
    creates = [note("Does not exist yet, created after approval: ", prose(name)) for name in view.creates]
    return tag("div", *creates, *drawn, class_="pm-tab pm-tab-schemas")


def schemas_text(view: SchemasView) -> str:
    """The tab as plain text: one line a table."""
    lines = [f"{shown.table} ({shown.role}): {'; '.join(shown.facts)}" for shown in view.tables]
    return plain("\n".join([*lines, *(f"will be created: {name}" for name in view.creates)]))
