"""No clause of a statement is dropped silently: each has a field, a question, a note, or is shown as not understood."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from pipeline_magic.agents.catalog.index import CatalogIndex
from pipeline_magic.agents.specification import SpecificationParserAgent
from pipeline_magic.agents.specification.planner.scan import is_filler
from pipeline_magic.agents.specification.planner.text import tokenise
from pipeline_magic.errors import PipelineMagicError
from pipeline_magic.runs import Parsed
from pipeline_magic.spec.provenance import Clause
from pipeline_magic.spec.schema import Column, TableSchema
from tests.support.statements import STATEMENTS, parse, statement

CORPUS = Path(__file__).parents[2] / "statements" / "transform_eval.jsonl"
WEAK: set[str] = set()
ITEMS = [json.loads(line) for line in CORPUS.read_text("utf-8").splitlines()]
PARAMETERS = [
    pytest.param(item, id=item["id"], marks=[pytest.mark.xfail(reason="a word is lost")] if item["id"] in WEAK else [])
    for item in ITEMS
]
EXAMPLES = sorted(path.stem for path in STATEMENTS.glob("*.txt"))


def read(item: dict[str, object], statement: str) -> Parsed | None:
    """A statement of the corpus over its tables; None where it is refused."""
    tables = [
        TableSchema(
            table=f"corpus.main.{table['name']}",
            columns=tuple(Column(name=c["name"], type=c["type"], comment=c["comment"] or "") for c in table["columns"]),
            comment=table["comment"] or "",
            primary_key=tuple(table["primary_key"]),
        )
        for table in item["tables"]  # type: ignore[attr-defined]  # a list in every item
    ]
    now = datetime(2025, 6, 30, 12, tzinfo=timezone.utc)
    try:
        return SpecificationParserAgent().parse(statement, catalog=CatalogIndex(tables), now=now)
    except PipelineMagicError:
        return None


def content(text: str) -> set[str]:
    """The stems of the words that carry content."""
    return {
        token.stem for token in tokenise(text) if token.kind in {"word", "number", "quoted"} and not is_filler(token)
    }


def unexplained(parsed: Parsed) -> list[tuple[str, str]]:
    """Clauses that were read, and of which nothing can be found in what was made of the statement."""
    provenance = parsed.provenance
    traced = {clause for origin in provenance.origins.values() for clause in origin.clauses}
    traced |= {clause for question in parsed.questions for clause in question.clauses}
    told = parsed.draft.model_dump_json().casefold()
    lost = []
    for clause in provenance.clauses:
        words = content(provenance.text(clause))
        if clause.id in traced or clause.kind == "unmatched" or not words:
            continue
        if clause.kind == "check" and words <= {"4", "validate", "validates", "quality", "check"}:
            continue  # asks for the automatic checks, which stage 2 adds
        if clause.kind == "comment" or _again(parsed, clause, words, traced):
            continue
        if clause.kind == "source" and any(word[:4] in told for word in words):
            continue
        lost.append((clause.kind, provenance.text(clause)))
    return lost


def _again(parsed: Parsed, clause: Clause, words: set[str], traced: set[str]) -> bool:
    """It says again what stands in the draft, or what another clause says that has a field."""
    provenance = parsed.provenance
    elsewhere = [content(provenance.text(other)) for other in provenance.clauses if other.id in traced]
    told = parsed.draft.model_dump_json().casefold()
    return all(word.casefold()[:5] in told or any(word in other for other in elsewhere) for word in words)


@pytest.mark.parametrize("item", PARAMETERS)
def test_every_clause_of_the_corpus_is_explained(item: dict[str, str]) -> None:
    """As given and framed as a question, every clause has an effect or is shown as not understood."""
    for text in (item["statement"], f"Build a table that answers: {item['statement']}"):
        parsed = read(item, text)
        if parsed is not None:
            assert unexplained(parsed) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_clause_of_the_examples_is_explained(name: str) -> None:
    """The statements that the project shows are explained wholly."""
    assert unexplained(parse(statement(name))) == []


@pytest.mark.parametrize("item", PARAMETERS)
def test_words_that_were_not_read_are_shown(item: dict[str, str]) -> None:
    """A word without meaning put into a statement never disappears: it is in an unmatched clause, or is asked about."""
    words = item["statement"].split()
    for place in (1, len(words) // 2, len(words)):
        text = " ".join([*words[:place], "zorblify", *words[place:]])
        parsed = read(item, text)
        if parsed is None:
            continue
        shown = [parsed.provenance.text(clause) for clause in parsed.provenance.unmatched]
        kept = json.dumps(parsed.draft.model_dump(mode="json"))
        assert any("zorblify" in clause for clause in shown) or "zorblify" in kept, text


def test_unmatched_clauses_must_be_confirmed() -> None:
    """A sentence of its own that was not understood leaves the draft whole, and stays to be confirmed."""
    parsed = parse("Count orders per clerk into a.b.c. Sprinkle it with stardust.")
    assert [parsed.provenance.text(clause) for clause in parsed.provenance.unmatched] == ["Sprinkle it with stardust."]
    assert not [question for question in parsed.questions if question.must_answer]
