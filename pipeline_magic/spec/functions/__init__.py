"""The functions an expression may call: one table; what is not in it is refused by its name.

Each entry says how many arguments, of which types, and what comes out. Left out on purpose: whatever reads the clock,
the session, files, secrets or the network, draws random numbers, calls a model, or gives another answer on another
engine (``percentile_approx``). The order of rows never matters to an aggregate here: ``first`` and ``last`` are refused
as measures, and ``collect_list`` stands only inside ``sort_array``, for else their result would change from run to run.
"""

from __future__ import annotations

from pipeline_magic.spec.functions.groups import GROUPS, SORTED_ONLY, SORTS
from pipeline_magic.spec.functions.model import UNITS, Function, Kind
from pipeline_magic.spec.functions.nested import NESTED
from pipeline_magic.spec.functions.refused import REFUSED, why_refused
from pipeline_magic.spec.functions.rows import ROWS

__all__ = ["FUNCTIONS", "REFUSED", "SORTED_ONLY", "SORTS", "UNITS", "Function", "Kind", "why_refused"]

FUNCTIONS: dict[str, Function] = {function.name: function for function in (*ROWS, *NESTED, *GROUPS)}
