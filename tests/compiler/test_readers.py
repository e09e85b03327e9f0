"""Who reads a table: every column a pipeline can take is found in its spec, without asking a catalog."""

from __future__ import annotations

from typing import Any

from pipeline_magic.compiler.readers import readers_by_column, readers_of
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.schema import Column
from tests.support.compiled import cases

TABLE = "main.sales.orders"


def reader(name: str, *steps: dict[str, Any], table: str = TABLE) -> PipelineSpec:
    """A pipeline over orders and people."""
    return PipelineSpec.model_validate(
        {
            "name": name,
            "sources": [{"alias": "orders", "table": table}, {"alias": "people", "table": "main.sales.people"}],
            "steps": steps,
            "target": {"table": f"main.marts.{name}", "input": steps[-1]["id"] if steps else "orders"},
        }
    )


def test_columns_and_those_who_pass_all_on() -> None:
    """A pipeline that aggregates reads what it names; one that only filters reads everything; others read nothing."""
    sums = {"id": "s", "kind": "aggregate", "input": "orders", "group_by": ["region"],
            "measures": [{"name": "revenue", "expression": "sum(CASE WHEN `Paid` THEN price END)"}]}  # fmt: skip
    keep = {"id": "f", "kind": "filter", "input": "orders", "condition": "price > 1"}
    query = {"id": "q", "kind": "sql", "inputs": ["orders"], "query": "SELECT o.note AS n FROM orders o"}
    semi = {"id": "j", "kind": "join", "left": "people", "right": "orders", "how": "semi",
            "keys": [{"left": "id", "right": "person"}]}  # fmt: skip
    specs = [reader("sums", sums), reader("keep", keep), reader("query", query), reader("semi", semi)]
    specs.append(reader("other", keep, table="main.sales.orders_old"))
    found = readers_of("MAIN.sales.`orders`", specs)
    assert [(item.pipeline, item.everything) for item in found] == [
        ("keep", True),
        ("query", False),
        ("semi", False),
        ("sums", False),
    ]
    columns = [Column(name=name, type="int") for name in ("Region", "PRICE", "paid", "note", "person", "unused")]
    assert readers_by_column(found, columns) == {
        "Region": ("keep", "sums"),
        "PRICE": ("keep", "sums"),
        "paid": ("keep", "sums"),
        "note": ("keep", "query"),
        "person": ("keep", "semi"),
        "unused": ("keep",),
    }


def test_nothing_a_pipeline_reads_is_missed() -> None:
    """In every golden case each source column whose values lineage finds in the target is found here too."""
    from pipeline_magic.compiler.lineage import TARGET, column_lineage

    for case in cases():
        lineage = column_lineage(case.typed())
        used = {place for name in lineage.columns[TARGET] for place in lineage.sources_of(name)}
        for source in case.spec.sources:
            [found] = readers_of(source.table, [case.spec])
            for alias, column in used:
                assert alias != source.alias or found.reads(column), (case.name, column)
