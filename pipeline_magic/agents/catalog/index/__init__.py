"""Tables found by the words people use for them.

    selection.py   CatalogIndex: some tables with their schemas, searched in memory; what a parser is given
    stored.py      StoredIndex: the names of a whole catalog in a file, for 100,000 tables and more
    terms.py       the words of a table's name, columns and comments
    query.py       words as typed -> the words of the catalog they may be: plurals, abbreviations, typing errors
    ranking.py     how well a found table fits

Not here: which of the found tables a statement means; that is linking, in the planner.
"""

from __future__ import annotations

from pipeline_magic.agents.catalog.index.selection import CatalogIndex, Hit
from pipeline_magic.english import split_compound

__all__ = ["CatalogIndex", "Hit", "split_compound"]
