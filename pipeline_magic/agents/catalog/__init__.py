"""Unity Catalog Agent: stage 2, a draft against the catalog it speaks of.

    resolve.py    tables of the draft, as the catalog knows them
    validate.py   answers and edits applied, the spec completed, typed, given its automatic checks
    effects.py    what each answer to an open question would do to the rows
    index.py      names of tables and columns, found by words

Here: reads only. What the target needs (a schema, a catalog) is listed as an effect and created after approval.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline_magic.agents.catalog.validate import UnityCatalogAgent as UnityCatalogAgent

__all__ = ["UnityCatalogAgent"]


def __getattr__(name: str) -> object:
    if name == "UnityCatalogAgent":
        from pipeline_magic.agents.catalog.validate import UnityCatalogAgent

        return UnityCatalogAgent
    raise AttributeError(name)
