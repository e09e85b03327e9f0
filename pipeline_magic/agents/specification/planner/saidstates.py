"""What a person answered that a word means: ``completed/c.s.orders/is:status:Completed|completed``.

The answers are made in stage 2, which sees the values; here they stand like states that the statement explains.
"""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.intent import col
from pipeline_magic.agents.specification.planner.values import literal

__all__ = ["said_states"]

_STATE = re.compile(r"(?P<word>[^/]+)/(?P<table>[^/]+)/is:(?P<column>[^:]+):(?P<values>.+)", re.DOTALL)


def said_states(c: Context) -> dict[str, str]:
    """Words with their condition, of answers about words that were not understood."""
    found: dict[str, str] = {}
    for question, answer in c.answers.items():
        said = _STATE.fullmatch(answer) if question.startswith("words:") else None
        table = c.linker.tables.get(said["table"]) if said is not None else None
        column = table.column(said["column"]) if said is not None and table is not None else None
        if said is None or column is None:
            continue
        values = [literal(value) for value in said["values"].split("|")]
        if column.kind == "boolean":
            found[said["word"]] = col(column.ref) if values == ["'true'"] else f"NOT {col(column.ref)}"
        elif len(values) == 1:
            found[said["word"]] = f"{col(column.ref)} = {values[0]}"
        else:
            found[said["word"]] = f"{col(column.ref)} IN ({', '.join(values)})"
    return found
