"""Held against the words: what the statement supports stays as it is, what it does not is asked or taken back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline_magic.adapters.samples import SAMPLES, TPCH
from pipeline_magic.agents.catalog.index import CatalogIndex
from pipeline_magic.agents.specification.llm import ModelParser
from pipeline_magic.agents.specification.llm.support import Words, names_as_target
from pipeline_magic.runs import Parsed
from tests.support.model_answers import Scripted, seed
from tests.support.statements import STATEMENTS, parse

INDEX = CatalogIndex(SAMPLES)
FILES = sorted(Path(__file__).parents[3].glob("examples/statements/*.txt"))


def answer_of(parsed: Parsed) -> dict[str, Any]:
    """A draft of the embedded planner, as a model would have answered it."""
    draft = parsed.draft.model_dump(mode="json")
    for step in draft["steps"]:
        for name in ("columns", "prefix") if step["kind"] == "join" else ("position",):
            step.pop(name, None)
        for order in step.get("order_by", ()):
            order.pop("nulls_first")
    for item in draft["expectations"]:
        for name in ("automatic", "enabled", "quarantine"):
            item.pop(name, None)
    trigger = draft["trigger"] or {"kind": "manual"}
    said = [clause for clause in parsed.provenance.clauses if clause.kind != "filler"]
    return {
        "version": 1,
        "clauses": [{"id": clause.id, "quote": parsed.provenance.text(clause), "kind": clause.kind} for clause in said],
        **{name: draft[name] for name in ("sources", "steps", "expectations", "target", "deployment")},
        "trigger": {"kind": trigger["kind"], "cron": trigger.get("cron"), "timezone": trigger.get("timezone")},
        "origins": [
            {"path": path, "clauses": list(origin.clauses)[:10], "reason": origin.reason[:200]}
            for path, origin in parsed.provenance.origins.items()
        ],
    }


def read(answer: dict[str, Any], statement: str) -> Parsed:
    return ModelParser(Scripted(answer), sleep=lambda seconds: None).parse(statement, catalog=INDEX)


def test_there_are_statements() -> None:
    """The folder of the examples is found."""
    assert len(FILES) >= 15 and STATEMENTS


ASKED = {"large_open_orders": ["Keep only rows with `o_orderstatus = 'O'`?"]}
"""That O means open stands in a comment alone, and comments support nothing."""


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_a_right_answer_is_not_taken_apart(file: Path) -> None:
    """What the words support stays: the same draft, nothing that must be answered, no clause left over."""
    statement = file.read_text("utf-8")
    wanted = parse(statement)
    found = read(answer_of(wanted), statement)
    assert found.draft == wanted.draft
    assert [question.text for question in found.questions if question.must_answer] == ASKED.get(file.stem, [])
    left = {found.provenance.text(clause) for clause in found.provenance.unmatched}
    assert left <= {wanted.provenance.text(clause) for clause in wanted.provenance.unmatched} | {"for manufacturers"}


ORDERS = seed(
    lambda a: a.update(
        clauses=[],
        sources=a["sources"][1:],
        steps=[{"kind": "aggregate", "id": "metrics", "input": "orders", "group_by": ["o_orderpriority"],
                "measures": [{"name": "orders", "expression": "count(o_orderkey)"}]}],
        expectations=[],
        questions=[],
        origins=[],
        trigger={"kind": "manual", "cron": None, "timezone": None},
    )
)  # fmt: skip
COUNT = "Count the orders by order priority"


def orders(**target: Any) -> dict[str, Any]:
    return {**ORDERS, "target": {**ORDERS["target"], "input": "metrics", **target}}


@pytest.mark.parametrize(
    ("statement", "proposed", "wanted", "must"),
    [
        (f"{COUNT} into sales.eu.counts.", "sales.eu.counts", "sales.eu.counts", False),
        (f"{COUNT}; save them as `sales`.`eu`.`counts`.", "sales.eu.counts", "sales.eu.counts", False),
        (f"{COUNT}. Output to the sales catalog.", "sales.default.order_count", "sales.default.order_count", False),
        (f"{COUNT} into eu.order_count.", "main.eu.order_count", "main.eu.order_count", False),
        (f"{COUNT}.", "main.default.order_count", "main.default.order_count", False),
        (f"{COUNT}.", "main.default.pwned", "main.default.orders_result", False),
        (f"{COUNT}.", "evil.public.order_count", "main.default.order_count", True),
        (f"{COUNT}.", None, "main.default.orders_result", False),
        (f"{COUNT} and compare with samples.tpch.customer", "samples.tpch.customer", "main.default.customer", True),
    ],
)
def test_targets(statement: str, proposed: str | None, wanted: str, must: bool) -> None:
    """A name that is said stays; what is not said gets its default; another place is asked."""
    parsed = read(orders(table=proposed), statement)
    assert parsed.draft.target.table == wanted
    assert any(question.must_answer for question in parsed.questions) is must


@pytest.mark.parametrize(
    ("statement", "kind", "cron", "wanted"),
    [
        (f"{COUNT}, every day at 7am.", "schedule", "0 0 3 * * ?", "0 0 7 * * ?"),
        (f"{COUNT}. Run it daily.", "manual", None, "0 0 6 * * ?"),
        (f"{COUNT}.", "schedule", "* * * * * ?", None),
        ("Monthly orders by order priority", "manual", None, None),
    ],
)
def test_schedules(statement: str, kind: str, cron: str | None, wanted: str | None) -> None:
    """The words say when it runs, not the model; where they say nothing it is started by hand."""
    parsed = read({**orders(), "trigger": {"kind": kind, "cron": cron, "timezone": "UTC"}}, statement)
    trigger = parsed.draft.trigger
    assert trigger is not None and getattr(trigger, "cron", None) == wanted


@pytest.mark.parametrize(
    ("statement", "condition", "supported"),
    [
        ("orders above 1,000", "o_totalprice > 1000", True),
        ("urgent orders", "o_orderpriority = '1-URGENT'", False),
        ("orders with priority 1-URGENT", "o_orderpriority = '1-URGENT'", True),
        ("orders of 1997", "o_orderdate >= DATE '1997-01-01'", True),
        ("orders of 1997", "o_orderdate < DATE '1998-01-01'", True),
        ("orders of 1997", "o_orderdate < DATE '1970-01-01'", False),
        ("orders of the last 30 days", "o_orderdate >= date_sub(to_date(run_time()), 30)", True),
        ("orders", "o_orderdate >= date_sub(to_date(run_time()), 1)", False),
        ("orders without a clerk", "o_clerk IS NULL", True),
        ("orders", "o_orderkey < 0", False),
        ("orders", "1 = 0", False),
        ("orders", "o_comment LIKE '%x%'", False),
        ("orders placed on weekends", "dayofweek(o_orderdate) IN (1, 7)", True),
        ("customers with more than one order", "order_count > 1", True),
        ("customers with orders", "order_count > 1", False),
    ],
)
def test_conditions(statement: str, condition: str, supported: bool) -> None:
    """A literal, a telling word of a column, a time, an emptiness; never the table's own words alone."""
    assert Words(statement).supports(condition, TPCH) is supported


def test_numbers_of_a_list_are_no_numbers() -> None:
    """``3.`` before a list item supports no three."""
    assert not Words("1. a\n2. b\n3. c").number(3)
    assert Words("the top three").number(3) and Words("the top 3.").number(3)


@pytest.mark.parametrize(
    ("statement", "is_target"),
    [
        ("Write the result to a.b.c", True),
        ("Create table a.b.c from x.y.z", True),
        ("Read a.b.c", False),
        ("Join a.b.c with x.y.z and write to d.e.f", False),
        ("Write to a.b.cd", False),
        ("Write to xa.b.c", False),
    ],
)
def test_names_behind_words_of_writing(statement: str, is_target: bool) -> None:
    """A table that is only read is no target."""
    assert names_as_target(statement, ("a", "b", "c")) is is_target
