"""One row a key: which columns make two rows the same, and which of them stays.

Which row stays has a default where a date says when rows were changed. What makes two rows the same has none:
duplicates of a thing are seldom equal in everything, key included. Both are questions with edits, so that stage 2
measures them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline_magic.agents.specification.planner.draft import Assembly, Plan
from pipeline_magic.agents.specification.planner.entities import TableInfo
from pipeline_magic.agents.specification.planner.intent import Latest
from pipeline_magic.runs import Option, Question
from pipeline_magic.spec.paths import Edit

__all__ = ["add_one_row"]


def add_one_row(made: Assembly, plan: Plan, latest: Latest, alias: str) -> None:
    """One row a key: the newest. Without a key it is asked; until then rows that are equal in every column are one."""
    table = plan.tables[latest.table]
    said = tuple(key.column for key in latest.keys)
    keys = said or tuple(column.name for column in table.columns if not column.type.startswith(("map", "variant")))
    clauses = plan.clauses(latest)
    order = [{"column": latest.order.column, "descending": latest.descending}] if latest.order and said else []
    rest = [name for name in table.key if name not in keys and (latest.order is None or name != latest.order.column)]
    newest = _newest(table.columns) if latest.order is None and said else None
    order += [{"column": newest, "descending": True}] if newest is not None else []
    order += [{"column": name, "descending": latest.descending} for name in rest if name != newest]
    identity = made.step({"id": f"latest_{alias}"[:63], "kind": "deduplicate", "keys": list(keys), "order_by": order})
    if not said:
        made.questions.append(_which_key(made, identity, table, keys, clauses))
        return
    made.said(f"steps.{identity}.keys", clauses)
    if set(keys) == {column.name for column in table.columns}:
        return  # equal in every column: it does not matter which one stays
    loose = [name for name in keys if (column := table.column(name)) is not None and column.nullable]
    if any(not table.key_declared or name not in table.key for name in loose):
        made.notes.append(f"rows of {table.short} in which {' and '.join(loose)} is NULL count as the same row")
    if latest.order is None:
        made.questions.append(_which_order(identity, table.columns, clauses, newest))
    else:
        made.assumed(
            f"steps.{identity}.order_by",
            f"newest by {latest.order.column}; equal ones by {', '.join(rest) or 'nothing'}",
            clauses=clauses,
        )


_NAMING = {"id", "key", "email", "mail", "name", "phone", "code", "number", "sku", "iban", "ean", "isbn", "address"}
_CHANGED = ({"updated", "modified", "changed"}, {"loaded", "ingested", "valid", "version"}, {"created", "added"})


def _which_key(
    made: Assembly, identity: str, table: TableInfo, keys: Sequence[str], clauses: Sequence[str]
) -> Question:
    """Which columns make two rows the same."""
    path = f"steps.{identity}.keys"
    made.assumed(path, "no key is named", (), clauses, "dedup:key")
    single = [column.name for column in table.columns if set(column.words) & _NAMING or column.is_key_like]
    options = [
        Option(
            id=" and ".join(names), label=f"The same {' and '.join(names)}", edits=(Edit(path=path, value=[*names]),)
        )
        for names in dict.fromkeys([*([table.key] if table.key else []), *((name,) for name in single)])
    ]
    return Question(
        id="dedup:key",
        text=f"Which columns say that two rows of {table.short} are the same?",
        why="The statement asks for duplicates to be removed and names no key.",
        options=(Option(id="all", label="All of them", edits=(Edit(path=path, value=[*keys]),)), *options[:4]),
        path=path,
        clauses=tuple(clauses),
    )


def _newest(columns: Sequence[Any]) -> str | None:
    """The date that tells which of two rows is newer: of a change, of loading, of creation, or the only one."""
    dates = [column for column in columns if column.kind in {"date", "timestamp"}]
    for words in _CHANGED:
        found = [column.name for column in dates if words & set(column.words)]
        if found:
            return str(found[0])
    return str(dates[0].name) if len(dates) == 1 else None


def _which_order(identity: str, columns: Sequence[Any], clauses: Sequence[str], newest: str | None) -> Question:
    path = f"steps.{identity}.order_by"
    fitting = [column for column in columns if column.kind in {"date", "timestamp", "number"}]
    if newest is not None:
        fitting = [column for column in fitting if column.kind != "number"]
        fitting.sort(key=lambda column: column.name != newest)
    return Question(
        id="dedup:order",
        text="By which column is one row newer than another?",
        why="The statement does not say it, and no single date column does.",
        options=tuple(
            Option(
                id=column.name,
                label=column.name,
                edits=(Edit(path=path, value=[{"column": column.name, "descending": True}]),),
            )
            for column in fitting[:20]
        ),
        default=newest,
        path=path,
        clauses=tuple(clauses),
    )
