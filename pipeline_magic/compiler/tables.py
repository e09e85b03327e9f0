"""The tables that a notebook writes beside its target: staging, gone when it ends, and quarantine, which stays.

Their names are made here, for whoever passes them on (the job's parameters, a sample run) or describes them. Not here:
when something is staged (`staging`), the code that writes them (`staging`, `quarantine`).
"""

from __future__ import annotations

from pipeline_magic.compiler.steps.frames import checks_of
from pipeline_magic.spec.names import split_table
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["STAGING", "quarantine_parameters", "suffix"]

STAGING = "_pipeline_magic_staging"
"""What is put behind the target's name; long enough that it is no table of anybody else's."""


def quarantine_parameters(typed: TypedSpec) -> dict[str, str]:
    """For each expectation whose dropped rows are kept: the notebook's parameter, and the table that is its default.

    The parameter of the expectation ``low`` is called ``quarantine_low``.
    """
    return {
        f"quarantine_{item.id}": item.quarantine
        for item in checks_of(typed)
        if item.action == "drop" and item.quarantine is not None
    }


def suffix(typed: TypedSpec, more: str = "") -> str:
    """What is put behind the target's name to name a staging table that the spec names nowhere.

    Tables are told apart by their last name alone: environments and sample runs move them to other schemas.

    Args:
        more: What tells a second staging table from the first.
    """
    named = [*(source.table for source in typed.spec.sources), *quarantine_parameters(typed).values()]
    taken = {split_table(table)[2].casefold() for table in named}
    target = split_table(typed.spec.target.table)[2].casefold()
    made, number = STAGING + more, 2
    while target + made in taken:
        made, number = f"{STAGING}{more}_{number}", number + 1
    return made
