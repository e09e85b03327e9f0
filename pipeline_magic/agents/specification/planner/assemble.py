"""From items to steps, always in the same order: filters on one table, joins, conditions over several tables, new
columns, grouping, conditions on groups, flags, segments, top, columns. Not here: reading words; target and trigger.
"""

from __future__ import annotations

from pipeline_magic.agents.specification.planner.draft import Assembly, Plan
from pipeline_magic.agents.specification.planner.existing import add_exists
from pipeline_magic.agents.specification.planner.expecting import add_checks
from pipeline_magic.agents.specification.planner.groups import add_groups
from pipeline_magic.agents.specification.planner.joining import (
    add_joins,
    add_sources,
    base_table,
    decide_how,
    fixed_links,
)
from pipeline_magic.agents.specification.planner.layout import lay_out
from pipeline_magic.agents.specification.planner.shaping import add_rest, add_row_steps
from pipeline_magic.runs import Question

__all__ = ["assemble"]


def assemble(plan: Plan) -> Assembly:
    """The steps of a draft; no sources where the items name no table, and the caller says so."""
    made = Assembly()
    wanted = plan.wanted()
    if not wanted:
        return made
    base = base_table(plan, wanted)
    wanted = tuple(dict.fromkeys([base, *wanted]))
    layout = lay_out(base, wanted, plan.tables, plan.graph, fixed_links(plan))
    decide_how(plan, layout)
    made.joined = layout.columns(plan.tables)
    heads = add_sources(made, plan, layout)
    add_joins(made, plan, layout, heads)
    for name in layout.unreachable:
        short = plan.tables[name].short
        made.questions.append(
            Question(
                id=f"keys:{short}",
                text=f"On which columns does {short} join the other tables?",
                why=(
                    f"No key is declared, and no names and types of columns fit; {short} is left out until "
                    f"this is said."
                ),
                path="steps",
                free=True,
            )
        )
    add_exists(made, plan, layout)
    add_row_steps(made, plan, layout)
    add_groups(made, plan, layout)
    add_rest(made, plan, layout)
    add_checks(made, plan, layout)
    for step in made.steps:
        made.trace_step(str(step["id"]))
    return made
