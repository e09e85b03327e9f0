"""Readings of a spec that differ in data: found in the spec, settled by declared constraints, measured on the rows.

    spec -> find -> Reading (question, what each answer sets, the checks that pass while all readings are the same)
         -> probe -> the same today: assumed, watched by its checks | apart: asked, with the effect of each answer

    nulls.py     a missing value in an average, a group, a negated condition
    zones.py     days that begin at another time in the schedule's zone
    grain.py     rows that joins repeat before they are summed
    states.py    words such as ``active``: which column, which values
    same.py      questions of the parser whose answers give the same rows

A declared constraint is proof, and then there is no reading; equal rows are none, and then there is a check.
"""

from __future__ import annotations

from pipeline_magic.agents.catalog.readings.find import find_readings
from pipeline_magic.agents.catalog.readings.probe import apart, merged
from pipeline_magic.agents.catalog.readings.reading import Reading
from pipeline_magic.agents.catalog.readings.same import same_today, watch

__all__ = ["Reading", "apart", "find_readings", "merged", "same_today", "watch"]
