"""Data Quality Agent: stage 4, what the data and the artefact show before anybody approves.

    checks.py      which queries the expectations need, fused, and how their rows become results
    describe.py    expectations and what was seen of them, in words
    columns.py     which columns of its inputs a column of a step is made of
    reconcile.py   which queries count the rows through every step
    totals.py      what is added up after a join, and from which side
    notes.py       the counts in words
    losses.py      the counts as findings: loss, fan-out, double counting
    compare.py     whether two sets of rows are the same
    sample_run.py  the notebook, run for real into a scratch schema, against its SQL form
    written.py     what it wrote, held against the declared schema and the SQL form
    validated.py   a declarative pipeline, validated by Lakeflow instead
    report.py      the parts as one report; the rows to look at
    agent.py       DataQualityAgent: asks the engine, in order

Here: reads of sources, and one scratch schema that is always removed. Not here: SQL of sources and steps (`compiler`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline_magic.agents.quality.agent import DataQualityAgent as DataQualityAgent

__all__ = ["DataQualityAgent"]


def __getattr__(name: str) -> object:
    if name == "DataQualityAgent":
        from pipeline_magic.agents.quality.agent import DataQualityAgent

        return DataQualityAgent
    raise AttributeError(name)
