"""Where the local engine does not do what Apache Spark does: each is expected to fail for as long as it stands here."""

from __future__ import annotations

ROWS: dict[str, str] = {
    "derive_numbers": "a quotient of decimals: Sail cuts off after the last digit (20.00 / 3 is 6.666666), Apache Spark"
    " rounds half up (6.666667)",
    "window_share": "a quotient of decimal(12,2) and decimal(22,2): Sail gives decimal(18,6), Apache Spark"
    " decimal(37,25)",
}
"""Golden cases whose rows differ between Sail and Apache Spark, with the reason. Typing follows Apache Spark."""

TYPES: dict[str, str] = {}
"""Golden cases where typing does not say what Apache Spark computes, with the reason."""

NOTEBOOKS: dict[str, str] = {}
"""Golden cases whose notebook and SQL form differ on Apache Spark, with the reason."""

_VIEWS = "the Lakeflow form of a `sql` step calls createOrReplaceTempView, which a declarative pipeline refuses"
_DROP = "Apache Spark resolves drop() while a flow is declared, and does not know the pipeline's views by then"
PIPELINES_FAIL: dict[str, str] = {"seed_customer_revenue": _DROP, "sql_join_window": _VIEWS}
"""Golden cases whose Lakeflow form stops the pipeline on Apache Spark, with the reason."""

PIPELINES_DIFFER: dict[str, str] = {
    "expect_drop_referential": "the Lakeflow form keeps the rows that a `drop` of kind referential must leave out; only"
    " its head says so",
}
"""Golden cases whose Lakeflow form makes other rows than the SQL form, with the reason."""

RANDOM: dict[str, str] = {}
"""Texts in a random spec's query that explain other rows on Sail than on Apache Spark, with the reason."""
