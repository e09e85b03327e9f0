"""ModelParser: ask, check, send back, ground. What comes out types, or nothing does.

The same statement, tables, model and address give the same request (temperature 0, a seed); its digest is the key under
which stage 1 keeps the answer, so that a model is not asked twice for the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from pipeline_magic.agents.catalog.index import CatalogIndex
from pipeline_magic.agents.specification.llm import check, prompt, trace
from pipeline_magic.agents.specification.llm.answer import SCHEMA_VERSION, Answer, answer_schema
from pipeline_magic.agents.specification.llm.conversation import Conversation
from pipeline_magic.agents.specification.llm.ground import Grounded, ground
from pipeline_magic.agents.specification.llm.prices import Budget, price_of
from pipeline_magic.agents.specification.llm.questions import asked_questions
from pipeline_magic.agents.specification.planner.refusals import refuse
from pipeline_magic.agents.specification.planner.unknown import require_known
from pipeline_magic.digests import digest_of
from pipeline_magic.errors import LanguageModelError, StatementError
from pipeline_magic.ports import LanguageModel, Ledger
from pipeline_magic.redact import redact
from pipeline_magic.runs import Parsed
from pipeline_magic.spec.model import Draft
from pipeline_magic.spec.names import slug, split_table
from pipeline_magic.spec.provenance import Origin, Provenance
from pipeline_magic.spec.schema import TableSchema

__all__ = ["MOST_REPAIRS", "ModelParser"]

MOST_REPAIRS = 3
_REPAIRABLE = frozenset({"unreadable", "cut_off"})
_GROUNDING_VERSION = 1

Samples = Mapping[str, Mapping[str, Sequence[str]]]


class ModelParser:
    """Reads statements with a language model.

    Args:
        model: Proposes.
        budget_tokens: The most one reading may read and write.
        budget_usd: The most one reading may cost, where the price is known.
        price: Dollars for a million tokens read and written, in place of the table's.
        timeout: Seconds for one request.
        samples: Values of the given tables' columns; only where sending them is switched on.
        sleep: Waits between repeats; replaced in tests.
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        budget_tokens: int = 200_000,
        budget_usd: float = 1.0,
        price: tuple[float, float] | None = None,
        timeout: float = 60.0,
        samples: Callable[[Sequence[TableSchema]], Samples] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._model = model
        self._budget = (budget_tokens, budget_usd, price_of(model.model, price))
        self._timeout = timeout
        self._samples = samples
        self._sleep = sleep
        self._schema = answer_schema()

    @property
    def version(self) -> str:
        """Changes when the same request could give another draft: versions of form and rules, the model, its host."""
        return (
            f"llm-{SCHEMA_VERSION}.{prompt.PROMPT_VERSION}.{_GROUNDING_VERSION}:{self._model.model}@{self._model.host}"
        )

    def key(self, statement: str, catalog: CatalogIndex) -> str:
        """Digest of all that the reading rests on; sample values aside, which are drawn by the reading itself."""
        tables = prompt.retrieved(statement, catalog)
        shown = prompt.user_text(statement, tables)
        # Not every column is shown to the model, and the draft is checked against all of them.
        schemas = [
            table.model_dump_json(exclude={"rows", "bytes", "version", "last_modified"}) for table in tables.values()
        ]
        return digest_of([self.version, prompt.system_text(), shown, schemas, self._schema, self._samples is not None])

    def parse(
        self,
        statement: str,
        *,
        catalog: CatalogIndex,
        ledger: Ledger | None = None,
        say: Callable[[str], None] = lambda message: None,
        check_stop: Callable[[], None] = lambda: None,
    ) -> Parsed:
        """Read one statement.

        Args:
            statement: As typed.
            catalog: Where tables are found.
            ledger: Where every request is written before it leaves.
            say: Told what is waited for.
            check_stop: Called while waiting; raises to stop.

        Raises:
            StatementError: It is no description of a pipeline, speaks of nothing in the catalog, or cannot be read.
            TableNotFound: It reads a full name that the catalog does not have.
            LanguageModelError: No answer, or none that is right after three repairs; `--planner embedded` is left.
        """
        if not statement.strip():
            raise StatementError("The statement is empty.", hint="Say what the pipeline should do.")
        refuse(statement)
        require_known(statement, catalog)
        tables = prompt.retrieved(statement, catalog)
        if not tables:
            raise StatementError(
                "The statement names no table or column that the catalog has.", hint="`%pipeline doctor` lists them."
            )
        budget = Budget(*self._budget)
        conversation = Conversation(
            self._model,
            self._schema,
            budget,
            ledger,
            timeout=self._timeout,
            say=say,
            check=check_stop,
            sleep=self._sleep,
        )
        samples = self._samples(list(tables.values())) if self._samples else None
        say(f"Asking {self._model.name}")
        answer, draft = self._asked(conversation, statement, tables, prompt.user_text(statement, tables, samples), say)
        return self._parsed(statement, answer, draft, catalog, tables, budget)

    def _asked(
        self,
        conversation: Conversation,
        statement: str,
        tables: Mapping[str, TableSchema],
        user: str,
        say: Callable[[str], None],
    ) -> tuple[Answer, Draft]:
        """An answer that is right in form, names and types, after at most three repairs."""
        request, system = user, prompt.system_text()
        problems: tuple[str, ...] = ()
        for attempt in range(MOST_REPAIRS + 1):
            if attempt:
                say(f"Sending back what is wrong with the answer ({attempt} of {MOST_REPAIRS})")
            try:
                completion = conversation.ask(system, request)
            except LanguageModelError as error:
                if error.kind not in _REPAIRABLE or attempt == MOST_REPAIRS:
                    raise
                problems = (error.message,)
                request = prompt.with_problems(user, error.answer, problems)
                continue
            answer, problems = check.read_answer(completion.data)
            if answer is not None:
                if answer.cannot:
                    raise _cannot(answer.cannot, self._model.name)
                draft, found = check.draft_of(answer, tables)
                if draft is not None:
                    found = check.problems_of_draft(draft, tables)
                problems = (*(str(problem) for problem in found), *trace.missing_quotes(answer, statement))
                if draft is not None and not found and (not problems or attempt == MOST_REPAIRS):
                    return answer, draft
            request = prompt.with_problems(user, completion.text, problems)
        listed = "; ".join(_line(problem) for problem in problems[:5])
        raise LanguageModelError(
            f"The language model gave no right draft in {MOST_REPAIRS + 1} answers. Wrong in the last one: {listed}",
            where=self._model.name,
            hint="Name tables and columns as the catalog has them; `--planner embedded` reads without a model.",
            kind="unusable",
        )

    def _parsed(
        self,
        statement: str,
        answer: Answer,
        draft: Draft,
        catalog: CatalogIndex,
        tables: Mapping[str, TableSchema],
        budget: Budget,
    ) -> Parsed:
        clauses, by_quote = trace.find_clauses(answer.clauses, statement)
        origins, clauses = trace.trace(answer, draft, clauses, by_quote, statement)
        made = ground(draft, origins, statement, catalog, tables)
        made.draft = _named(made.draft)
        problems = check.problems_of_draft(made.draft, tables)
        if problems:
            listed = "; ".join(_line(str(problem)) for problem in problems[:5])
            raise LanguageModelError(
                f"Without what the statement does not ask for, the draft of the model is not right: {listed}",
                where=self._model.name,
                hint="Say more of it in the statement; `--planner embedded` reads without a model.",
                kind="unusable",
            )
        made.origins["name"] = Origin(kind="assumption", reason="called after its target")
        taken = {question.path: question for question in made.questions if question.path}
        own, notes = asked_questions(answer.questions, made.draft, tables, made.origins, taken)
        origins = _known(made)
        return Parsed(
            draft=made.draft,
            provenance=Provenance(statements=(statement,), clauses=clauses, origins=origins),
            questions=tuple({question.id: question for question in (*made.questions, *own)}.values()),
            parser=f"language-model ({self._model.name})",
            notes=(*made.notes, *notes, f"Read by {self._model.name}: {budget.in_words()}."),
        )


def _named(draft: Draft) -> Draft:
    table = draft.target.table
    return draft.model_copy(update={"name": slug(split_table(table)[2])}) if table else draft


def _known(made: Grounded) -> dict[str, Origin]:
    """Origins whose question is asked; the others without one."""
    asked = {question.id for question in made.questions}
    return {
        path: origin if not origin.question or origin.question in asked else origin.model_copy(update={"question": ""})
        for path, origin in made.origins.items()
    }


def _cannot(reason: str, name: str) -> StatementError:
    return StatementError(
        f"The language model finds no pipeline in the statement: {_line(reason)}",
        where=name,
        hint="Say it in other words, naming tables and columns; or use `--planner embedded`.",
    )


def _line(text: str) -> str:
    clean = "".join(char if char.isprintable() else " " for char in redact(text))
    return " ".join(clean.split())[:300]
