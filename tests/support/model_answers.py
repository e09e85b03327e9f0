"""Answers a language model could give, and a model that gives them: in form, and easily bent out of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

from pipeline_magic.errors import LanguageModelError
from pipeline_magic.ports import Completion

SEED: dict[str, Any] = {
    "version": 1,
    "cannot": None,
    "clauses": [
        {"id": "c1", "quote": "Create a daily pipeline", "kind": "schedule"},
        {"id": "c2", "quote": "Reads customer and order data from Unity Catalog", "kind": "source"},
        {"id": "c3", "quote": "Joins them", "kind": "join"},
        {"id": "c4", "quote": "calculates revenue metrics", "kind": "measure"},
        {"id": "c5", "quote": "Segments high-value customers", "kind": "segment"},
        {"id": "c6", "quote": "Validates data quality", "kind": "check"},
        {"id": "c7", "quote": "Outputs to analytics catalog", "kind": "target"},
    ],
    "sources": [
        {"alias": "customer", "table": "samples.tpch.customer", "filter": None, "watermark": None},
        {"alias": "orders", "table": "samples.tpch.orders", "filter": None, "watermark": None},
    ],
    "steps": [
        {
            "kind": "join",
            "id": "join_orders",
            "left": "customer",
            "right": "orders",
            "how": "left",
            "keys": [{"left": "c_custkey", "right": "o_custkey"}],
        },
        {
            "kind": "aggregate",
            "id": "metrics",
            "input": "join_orders",
            "group_by": ["c_custkey", "c_name"],
            "measures": [
                {"name": "revenue", "expression": "sum(o_totalprice)"},
                {"name": "order_count", "expression": "count(o_orderkey)"},
            ],
        },
        {
            "kind": "segment",
            "id": "segment_customers",
            "input": "metrics",
            "column": "customer_segment",
            "by": "revenue",
            "partition_by": [],
            "rules": [{"label": "high_value", "condition": None, "top": 0.2}],
            "otherwise": "standard",
        },
    ],
    "expectations": [
        {
            "kind": "range",
            "id": "revenue_not_negative",
            "on": "metrics",
            "action": "warn",
            "tolerance": 0.0,
            "column": "revenue",
            "minimum": 0,
            "maximum": None,
        }
    ],
    "target": {
        "table": "analytics.default.customer_revenue",
        "input": "segment_customers",
        "mode": "overwrite",
        "keys": [],
        "sequence_by": None,
        "partition_by": [],
        "cluster_by": [],
    },
    "trigger": {"kind": "schedule", "cron": "0 0 6 * * ?", "timezone": "UTC"},
    "deployment": "job",
    "origins": [
        {"path": "sources.customer.table", "clauses": ["c2"], "reason": "", "alternatives": []},
        {"path": "sources.orders.table", "clauses": ["c2"], "reason": "", "alternatives": []},
        {"path": "steps.join_orders", "clauses": ["c3"], "reason": "", "alternatives": []},
        {"path": "steps.metrics", "clauses": ["c4"], "reason": "", "alternatives": []},
        {
            "path": "steps.metrics.measures.revenue",
            "clauses": ["c4"],
            "reason": "revenue is read from o_totalprice",
            "alternatives": ["net of discounts, from lineitem"],
        },
        {"path": "steps.segment_customers", "clauses": ["c5"], "reason": "", "alternatives": []},
        {"path": "expectations.revenue_not_negative", "clauses": ["c6"], "reason": "", "alternatives": []},
        {"path": "target.table", "clauses": ["c7"], "reason": "", "alternatives": []},
        {"path": "trigger.kind", "clauses": ["c1"], "reason": "", "alternatives": []},
    ],
    "questions": [
        {
            "text": "Who counts as high value?",
            "why": "The statement names no threshold.",
            "path": "steps.segment_customers.rules.high_value.top",
            "choices": [{"label": "The top 20 %", "value": 0.2}, {"label": "The top 10 %", "value": 0.1}],
            "default": 0,
        }
    ],
}
"""A right answer to the demo's statement."""

Change = Callable[[dict[str, Any]], object]


def seed(*changes: Change) -> dict[str, Any]:
    """The right answer, changed."""
    made = copy.deepcopy(SEED)
    for change in changes:
        change(made)
    return made


class Scripted:
    """A `ports.LanguageModel` that gives these answers in order, and the last one for ever.

    An answer is data, or an error that is raised; `asked` keeps what each request held.
    """

    def __init__(self, *answers: Mapping[str, Any] | Exception, model: str = "gpt-4.1") -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []
        self.model, self.host = model, "model.example"
        self.name = f"{model} at model.example"

    def complete(
        self, *, system: str, user: str, schema: Mapping[str, Any], max_tokens: int = 8000, timeout: float = 60.0
    ) -> Completion:
        """The next answer."""
        self.asked.append({"system": system, "user": json.loads(user), "schema": dict(schema)})
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return Completion(data=dict(answer), text=json.dumps(answer), tokens_in=1000, tokens_out=100)


class Kept:
    """A `ports.Ledger` in a list."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def sent(self, *, model: str, host: str, attempt: int, request: str) -> str:
        self.lines.append({"attempt": attempt, "request": request, "status": "sent"})
        return str(len(self.lines) - 1)

    def answered(
        self, exchange: str, *, answer: str, tokens: tuple[int | None, int | None], cost_usd: float | None
    ) -> None:
        self.lines[int(exchange)] |= {"status": "answered", "answer": answer, "tokens": tokens, "cost": cost_usd}

    def failed(
        self, exchange: str, *, error: str, answer: str, tokens: tuple[int | None, int | None], cost_usd: float | None
    ) -> None:
        self.lines[int(exchange)] |= {"status": "failed", "error": error, "answer": answer, "cost": cost_usd}


def error(kind: str, retry_after: float | None = None, answer: str = "") -> LanguageModelError:
    """An error of the adapter's."""
    return LanguageModelError(f"It failed: {kind}.", where="model", kind=kind, retry_after=retry_after, answer=answer)
