"""The difference of two values of a group: ``the difference between the highest and the lowest salary``."""

from __future__ import annotations

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.counts import said
from pipeline_magic.agents.specification.planner.intent import Measure, refs_in
from pipeline_magic.agents.specification.planner.measures import functions_of
from pipeline_magic.spec.names import slug

__all__ = ["read_spread"]

_OPENED = (
    "difference between|the difference between|difference of|the difference of|gap between|the gap between|"
    "range between|the range between|spread between|the spread between|the range from|range from"
)


def read_spread(c: Context, i: int) -> Found | None:
    """The largest value less the smallest of the same column, in whatever order they are said."""
    at = c.match(i, _OPENED)
    if at is None:
        return None
    first = functions_of(c, at, formulas=False)
    if first is None:
        return None
    made = [item for item in first.items if isinstance(item, Measure)]
    end, items = first.end, [item for item in first.items if not isinstance(item, Measure)]
    if len(made) == 1:
        joined = c.match(end, "and|to")
        second = functions_of(c, joined, formulas=False) if joined is not None else None
        made += [item for item in second.items if isinstance(item, Measure)] if second is not None else []
        end = second.end if second is not None else end
    if len(made) != 2 or refs_in(made[0].expression) != refs_in(made[1].expression):
        return None
    by = {item.expression.partition("(")[0]: item.expression for item in made}
    if set(by) != {"max", "min"}:
        return None
    refs = refs_in(by["max"])
    column = c.linker.tables[refs[0].table].column(refs[0].column) if refs else None
    if column is None:
        return None
    if column.kind != "number":
        return None  # how far two moments are apart needs a unit
    name = slug(f"{refs[0].column}_range")
    measure = Measure(i, end, name, f"{by['max']} - {by['min']}", made[0].table, said(c, i, end))
    return Found(end, "measure", (*items, measure))
