"""Expressions: Spark SQL text, parsed, held to an allow-list, typed against columns, and rendered again.

What comes out was never text of somebody else: identifiers are columns of the input in the catalog's spelling, literals
are typed, functions are in the table (`functions`), everything else is refused by its name. The time of the run is
written ``run_time()``; where a date is wanted it becomes ``to_date(run_time())``, which is the date in the trigger's
zone. Dates and times of day of *columns* are taken in UTC, the zone every compiled artefact sets.

An expression stands in one of three places (`Place`): ``row`` (one value a row), ``aggregate`` (a measure: columns
only inside aggregates, or among the group's own) and ``window`` (aggregates and window functions without OVER, which
the step supplies).
"""

from __future__ import annotations

from pipeline_magic.spec.expressions.casts import castable
from pipeline_magic.spec.expressions.checking import Checker, check, with_run_time
from pipeline_magic.spec.expressions.values import Expression, Fault, Place, Value, nearest

__all__ = ["Checker", "Expression", "Fault", "Place", "Value", "castable", "check", "nearest", "with_run_time"]
