"""Conditions on a new column: ``keep the plays with a watched_share of at least 0.5``."""

from __future__ import annotations

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.formulas import derived_at
from pipeline_magic.agents.specification.planner.intent import Derive, Filter, Measure, measure_ref, measures_in
from pipeline_magic.agents.specification.planner.values import comparison_at, value_at

__all__ = ["read_new_bound"]

_OPENS = "with a|with an|with the|with|where the|where|whose|having a|having|which have a|that have a|if the|if|when"


def read_new_bound(c: Context, i: int) -> Found | None:
    """A column that was made before, compared with a value."""
    if not c.of(Derive):
        return None
    opened = c.match(i, _OPENS)
    new = derived_at(c, opened) if opened is not None else None
    at = c.skip(new[0], "of|is|are|was|that is|being|value") if new is not None else None
    compared = comparison_at(c, at) if at is not None else None
    value = value_at(c, compared[0], None) if compared is not None else None
    if new is None or compared is None or value is None:
        return None
    over = [item.name for item in c.of(Measure) if new[1].name in measures_in(item.expression)]
    name = over[-1] if over else new[1].name  # summed before, the groups are meant
    made = Filter(i, value[0], f"{measure_ref(name)} {compared[1]} {value[1]}")
    return Found(value[0], "filter", (made,))
