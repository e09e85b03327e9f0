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

_LAST = "Apache Spark's own catalog keeps partition columns last, and then finds its table corrupted"
PIPELINES_FAIL: dict[str, str] = {"layout_partition": _LAST}
"""Golden cases whose Lakeflow form stops the pipeline on Apache Spark, with the reason."""
