"""SpecificationParserAgent: a statement becomes a draft in which every field knows the words it came from.

Here: the agent. The embedded planner is in `planner`. Imports stay light: no model, no network.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline_magic.agents.catalog.index import CatalogIndex
    from pipeline_magic.runs import Parsed

__all__ = ["SpecificationParserAgent"]


class SpecificationParserAgent:
    """Stage 1: reads a statement."""

    version = "embedded-1"
    """Changes when the same statement could give another draft; stored results of other versions are not reused."""

    def parse(
        self,
        statement: str,
        *,
        catalog: CatalogIndex,
        now: datetime,
        answers: Mapping[str, str] | None = None,
    ) -> Parsed:
        """Read one statement as far as its words go.

        Args:
            statement: As a person typed it.
            catalog: Index of the tables that may be meant.
            now: The present time, with a zone.
            answers: Answers to questions that cannot be made by an edit, by question id.

        Returns:
            A draft with the origin of every field, the open questions, and notes.

        Raises:
            StatementError: The statement is empty, too long, or speaks of nothing in the catalog.
        """
        from pipeline_magic.agents.specification.planner.plan import parse_statement

        return parse_statement(statement, catalog=catalog, now=now, answers=answers)
