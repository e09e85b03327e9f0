"""Single phrases (a schedule, a write mode, a check, a target) as the statement benchmark scores them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from pipeline_magic.agents.catalog.index import CatalogIndex
from pipeline_magic.agents.specification import SpecificationParserAgent
from pipeline_magic.errors import LanguageModelError, StatementError
from pipeline_magic.runs import Parsed
from pipeline_magic.spec.model import Expectation
from pipeline_magic.spec.schema import Column, TableSchema

__all__ = ["read_phrase", "rules_of"]

_NOW = datetime(2025, 6, 30, 12, tzinfo=timezone.utc)
_NUMBERS = ("amount", "quantity", "price", "discount", "score", "age", "rate", "total", "count", "latitude", "percent")
_CONTEXT = ("order_id", "customer_id", "order_date", "amount", "status", "updated_at", "region")


def _kind(column: str) -> str:
    if column.endswith(("_at", "_ts")):
        return "timestamp"
    if column.endswith("_date") or column == "date":
        return "date"
    return "double" if any(word in column for word in _NUMBERS) else "bigint" if column.endswith("_id") else "string"


def read_phrase(item: dict[str, Any], agent: SpecificationParserAgent | None = None) -> dict[str, Any]:
    """The phrase put behind a plain sentence about one table, and read as a statement."""
    context = item.get("context") or {}
    columns = context.get("columns") or _CONTEXT
    tables = [
        TableSchema(
            table=f"main.sales.{name}", columns=tuple(Column(name=column, type=_kind(column)) for column in columns)
        )
        for name in (context.get("tables") or ["orders"])[:1]
    ]
    phrase = item["phrase"]
    if item["category"] == "adversarial":
        statement = phrase
    else:
        statement = f"Read {tables[0].table}. {phrase[:1].upper() + phrase[1:]}."
    try:
        reader = agent or SpecificationParserAgent()
        parsed = reader.parse(statement, catalog=CatalogIndex(tables), now=_NOW)
    except StatementError as error:
        return {"status": "ask" if "empty" in error.message else "refuse", "why": error.message}
    except LanguageModelError as error:
        return {"status": "error", "why": error.message}
    return {
        **_read(item["category"], parsed),
        "spec": parsed.draft.model_dump(mode="json") if item["category"] == "adversarial" else None,
    }


def _read(category: str, parsed: Parsed) -> dict[str, Any]:
    draft = parsed.draft
    asked = {
        question.id.split(":")[0] + ":" + question.id.split(":")[1]
        for question in parsed.questions
        if question.must_answer
    }
    unread = bool(parsed.provenance.unmatched) or any(name.startswith("words:") for name in asked)
    if category == "schedule":
        if "trigger:schedule" in asked:
            return {"status": "ask"}
        if unread or not any(clause.kind == "schedule" for clause in parsed.provenance.clauses):
            return {"status": "ask"}
        trigger = draft.trigger.model_dump() if draft.trigger else {}
        if trigger.get("kind") == "schedule":
            return {"status": "ok", "cron": trigger["cron"], "timezone": trigger["timezone"]}
        return {"status": "ok", "cron": None, "mode": trigger.get("kind")}
    if category == "write_mode":
        if asked or unread or "target.mode" in parsed.provenance.assumptions():
            return {"status": "ask"}
        return {"status": "ok", "mode": draft.target.mode, "keys": list(draft.target.keys)}
    if category == "quality":
        rules = [rule for expectation in draft.expectations for rule in rules_of(expectation)]
        return {"status": "ok", "rules": rules} if rules and not unread and not asked else {"status": "ask"}
    if category == "target":
        named = draft.target.table and "target.table" not in parsed.provenance.assumptions()
        if not named or asked or unread:
            return {"status": "ask"}
        catalog, schema, table = str(draft.target.table).split(".")
        return {"status": "ok", "catalog": catalog, "schema": schema, "table": table}
    return {"status": "ask" if asked else "flag" if unread else "ok"}


def rules_of(expectation: Expectation) -> list[dict[str, Any]]:
    """An expectation in the scorer's words."""
    data = expectation.model_dump(exclude_none=True)
    kind = data["kind"]
    if kind == "not_null":
        if data["tolerance"]:
            return [
                {"rule": "max_null_fraction", "column": name, "value": data["tolerance"]} for name in data["columns"]
            ]
        return [{"rule": "not_null", "column": name} for name in data["columns"]]
    if kind == "unique":
        columns = data["columns"]
        return (
            [{"rule": "unique", "column": columns[0]}]
            if len(columns) == 1
            else [{"rule": "unique", "columns": list(columns)}]
        )
    if kind == "freshness":
        hours = data["max_age_hours"]
        return [{"rule": "freshness", "max_age_hours": int(hours) if hours == int(hours) else hours}]
    if kind == "range":
        low, high = data.get("minimum"), data.get("maximum")
        if low is not None and high is not None:
            return [{"rule": "between", "column": data["column"], "min": low, "max": high}]
        if low is not None:
            return [{"rule": "ge" if data["minimum_inclusive"] else "gt", "column": data["column"], "value": low}]
        return [{"rule": "le" if data["maximum_inclusive"] else "lt", "column": data["column"], "value": high}]
    if kind == "accepted_values":
        return [{"rule": "in", "column": data["column"], "values": list(data["values"])}]
    return [
        {
            "rule": kind,
            **{name: value for name, value in data.items() if name in {"column", "regex", "minimum", "maximum"}},
        }
    ]
