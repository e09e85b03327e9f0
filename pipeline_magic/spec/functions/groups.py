"""Aggregates, none of which depends on the order of rows, and functions that only stand over a window."""

from __future__ import annotations

from pipeline_magic.spec.functions.model import Function, aggregates, windows
from pipeline_magic.spec.functions.rules import average_of, bits, gives, same, sum_of
from pipeline_magic.spec.types import BIGINT, BOOLEAN, DOUBLE, INT, array

__all__ = ["GROUPS", "SORTED_ONLY", "SORTS"]

SORTED_ONLY = frozenset({"collect_list", "collect_set", "array_agg"})
"""Aggregates that give their items in any order: they stand directly inside one of `SORTS`."""

SORTS = frozenset({"sort_array", "array_sort"})

GROUPS: tuple[Function, ...] = (
    *aggregates("count", "any", gives(BIGINT), least=1, most=10, nulls="never", distinct=True),
    *aggregates("count_if", "boolean", gives(BIGINT), nulls="never"),
    *aggregates("sum", "number", sum_of, distinct=True),
    *aggregates("try_sum", "number", sum_of),
    *aggregates("avg mean", "number", average_of, distinct=True),
    *aggregates("try_avg", "number", average_of),
    *aggregates("min max", "orderable", same()),
    *aggregates("min_by max_by", "any, orderable", same()),
    *aggregates("percentile", "number, constant number", gives(DOUBLE)),
    *aggregates("median", "number", gives(DOUBLE)),
    *aggregates(
        "stddev stddev_samp stddev_pop std variance var_samp var_pop skewness kurtosis", "number", gives(DOUBLE)
    ),
    *aggregates("corr covar_pop covar_samp", "number, number", gives(DOUBLE)),
    *aggregates("regr_slope regr_intercept regr_r2", "number, number", gives(DOUBLE)),
    *aggregates("regr_count", "number, number", gives(BIGINT), nulls="never"),
    *aggregates("approx_count_distinct", "any", gives(BIGINT), nulls="never"),
    *aggregates("bool_and every bool_or some", "boolean", gives(BOOLEAN)),
    *aggregates("bit_and bit_or bit_xor", "integer", bits),
    *aggregates("collect_list collect_set array_agg", "orderable", lambda a: array(a[0]), nulls="never"),
    # over a window
    *windows("row_number rank dense_rank", "", gives(INT)),
    *windows("percent_rank cume_dist", "", gives(DOUBLE)),
    *windows("ntile", "constant integer", gives(INT)),
    *windows("lag lead", "any, constant integer, any", same(), least=1, nulls="always"),
    *windows("first_value last_value", "any", same(), nulls="always"),
    *windows("nth_value", "any, constant integer", same(), nulls="always"),
)
