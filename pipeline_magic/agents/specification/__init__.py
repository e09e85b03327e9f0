"""SpecificationParserAgent: a statement becomes a draft in which every field knows the words it came from.

Here: the agent, and which of the two parsers reads. The embedded planner is in `planner`, the one that asks a language
model in `llm`. Imports stay light: a parser is loaded by the first statement it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline_magic.errors import ConfigurationError

if TYPE_CHECKING:
    from pipeline_magic.agents.catalog.index import CatalogIndex
    from pipeline_magic.agents.specification.llm import ModelParser
    from pipeline_magic.agents.specification.values import Data
    from pipeline_magic.ports import Ledger
    from pipeline_magic.runs import Parsed

__all__ = ["SpecificationParserAgent"]


class SpecificationParserAgent:
    """Stage 1: reads a statement.

    Args:
        model: Makes the parser that asks a language model; None where none is configured.
        planner: Who reads where nobody says: ``embedded`` or ``llm``.
        data: What the embedded planner may ask of the data; None leaves them alone.
    """

    version = "embedded-4"
    """Changes when the same statement could give another draft; stored results of other versions are not reused."""

    def __init__(
        self,
        model: Callable[[], ModelParser] | None = None,
        *,
        planner: str = "embedded",
        data: Data | None = None,
    ) -> None:
        self._make = model
        self._planner = planner
        self._data = data
        self._made: ModelParser | None = None

    def inputs(
        self, statement: str, *, catalog: CatalogIndex, answers: Mapping[str, str], planner: str = ""
    ) -> dict[str, Any]:
        """What the reading rests on: the same inputs give the same draft, so it need not be read again.

        For the embedded planner that is the whole index, and answers that have the statement read again; what the data
        held of its words when it was read stands in the draft as an assumption, and is no input. A language
        model's questions are all answered by edits; its reading rests on the request alone.
        """
        if self._chosen(planner) == "llm":
            return {"statement": statement, "request": self._model().key(statement, catalog)}
        made = {"statement": statement, "answers": dict(answers), "index": catalog.digest, "parser": self.version}
        return {**made, "data": "looked at"} if self._data is not None else made

    def parse(
        self,
        statement: str,
        *,
        catalog: CatalogIndex,
        now: datetime,
        answers: Mapping[str, str] | None = None,
        planner: str = "",
        ledger: Ledger | None = None,
        say: Callable[[str], None] = lambda message: None,
        check: Callable[[], None] = lambda: None,
    ) -> Parsed:
        """Read one statement as far as its words go.

        Args:
            statement: As a person typed it.
            catalog: Index of the tables that may be meant.
            now: The present time, with a zone.
            answers: Answers to questions that cannot be made by an edit, by question id.
            planner: Who reads; as the agent was told when empty.
            ledger: Where requests to a language model are written.
            say: Told what is waited for.
            check: Called while a language model is waited for; raises to stop.

        Returns:
            A draft with the origin of every field, the open questions, and notes.

        Raises:
            StatementError: The statement is empty, too long, or speaks of nothing in the catalog.
            LanguageModelError: The model gave no right draft; the embedded planner is left.
            ConfigurationError: No language model is configured.
        """
        if self._chosen(planner) == "llm":
            return self._model().parse(statement, catalog=catalog, ledger=ledger, say=say, check_stop=check)
        from pipeline_magic.agents.specification.planner.plan import parse_statement

        return parse_statement(statement, catalog=catalog, now=now, answers=answers, data=self._data)

    def _chosen(self, planner: str) -> str:
        return planner or self._planner

    def _model(self) -> ModelParser:
        if self._make is None:
            raise ConfigurationError(
                "No language model is configured, so it cannot read the statement.",
                hint="Set OPENAI_API_KEY, AZURE_OPENAI_* or OPENAI_BASE_URL; or use `--planner embedded`.",
            )
        if self._made is None:
            self._made = self._make()
        return self._made
