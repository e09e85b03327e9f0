"""The functions an expression may call: one table; what is not in it is refused by its name.

Each entry says how many arguments, of which types, and what comes out. Left out on purpose: whatever reads the clock,
the session, files, secrets or the network, draws random numbers, calls a model, or gives another answer on another
engine (``percentile_approx``). The order of rows never matters to an aggregate here: ``first``, ``last`` and
``collect_list`` are refused as measures, for their result would change from run to run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pipeline_magic.spec.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    STRING,
    TIMESTAMP,
    VOID,
    Type,
    array,
    common,
)

__all__ = ["FUNCTIONS", "REFUSED", "UNITS", "Function", "Kind"]

Kind: TypeAlias = Literal["row", "aggregate", "window"]
Nulls: TypeAlias = Literal["any", "all", "never", "always"]
Rule: TypeAlias = Callable[[Sequence[Type]], "Type | None"]
"""Type of the result from those of the arguments; None when they do not fit together."""


@dataclass(frozen=True)
class Function:
    """One function.

    Attributes:
        name: Lower case, as it is rendered.
        kind: ``row``: one value a row; ``aggregate``: one value a group (also over a window); ``window``: only there.
        takes: What each argument must be: ``any``, ``number``, ``integer``, ``string``, ``boolean``, ``date`` (or
            timestamp), ``array``, ``map``, ``orderable``, ``unit`` (a word such as MONTH), ``constant`` before another
            word for a literal. The last one repeats when `most` is larger.
        least: Fewest arguments.
        most: Most arguments.
        gives: Type of the result.
        nulls: When the result can be NULL: ``any`` argument is NULL, ``all`` are, ``never``, or ``always`` possible.
        distinct: DISTINCT may stand before the argument.
    """

    name: str
    kind: Kind
    takes: tuple[str, ...]
    least: int
    most: int
    gives: Rule
    nulls: Nulls = "any"
    distinct: bool = False

    def wants(self, index: int) -> str:
        """What the argument at `index` must be."""
        return self.takes[min(index, len(self.takes) - 1)] if self.takes else "any"


UNITS = ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND")
"""Words that may stand where a function takes a unit."""


def _is(kind: Type) -> Rule:
    return lambda arguments: kind


def _same(index: int = 0) -> Rule:
    return lambda arguments: arguments[index]


def _common(start: int = 0) -> Rule:
    def rule(arguments: Sequence[Type]) -> Type | None:
        found: Type | None = VOID
        for argument in arguments[start:]:
            found = common(found, argument) if found is not None else None
        return found

    return rule


def _sum(arguments: Sequence[Type]) -> Type | None:
    kind = arguments[0]
    if kind.name == "decimal":
        return Type("decimal", min(38, kind.precision + 10), kind.scale)
    return BIGINT if kind.integral else DOUBLE


def _avg(arguments: Sequence[Type]) -> Type | None:
    kind = arguments[0]
    if kind.name == "decimal":
        return Type("decimal", min(38, kind.precision + 4), min(38, kind.scale + 4))
    return DOUBLE


def _whole(arguments: Sequence[Type]) -> Type | None:
    """ceil and floor: bigint, or a decimal with no digits after the point and one more before it."""
    kind = arguments[0]
    if kind.name == "decimal":
        return Type("decimal", min(38, kind.precision - kind.scale + 1), 0)
    return BIGINT


def _element(arguments: Sequence[Type]) -> Type | None:
    kind = arguments[0]
    return kind.parts[0] if kind.name == "array" else kind.parts[1] if kind.name == "map" else None


def _lookup(arguments: Sequence[Type]) -> Type | None:
    kind, key = arguments
    if kind.name == "array":
        return kind.parts[0] if key.integral else None
    return kind.parts[1] if kind.name == "map" and common(kind.parts[0], key) is not None else None


def _of_array(arguments: Sequence[Type]) -> Type | None:
    made = _common()(arguments)
    return array(made) if made is not None else None


def _array_of(index: int, kind: str) -> Rule:
    def rule(arguments: Sequence[Type]) -> Type | None:
        found = arguments[index]
        return array(found.parts[0 if kind == "key" else 1]) if found.name == "map" else None

    return rule


def _contains(arguments: Sequence[Type]) -> Type | None:
    kind, item = arguments
    return BOOLEAN if kind.name == "array" and common(kind.parts[0], item) is not None else None


def _decode(arguments: Sequence[Type]) -> Type | None:
    """if(condition, a, b)."""
    return common(arguments[1], arguments[2])


def _entries(
    kind: Kind, names: str, takes: str, gives: Rule, least: int | None, most: int | None, nulls: Nulls, distinct: bool
) -> Iterator[Function]:
    words = tuple(word.strip() for word in takes.split(",")) if takes else ()
    for name in names.split():
        fewest = len(words) if least is None else least
        yield Function(name, kind, words, fewest, most or len(words), gives, nulls, distinct)


def _row(
    names: str, takes: str, gives: Rule, *, least: int | None = None, most: int | None = None, nulls: Nulls = "any"
) -> Iterator[Function]:
    return _entries("row", names, takes, gives, least, most, nulls, False)


def _aggregate(
    names: str,
    takes: str,
    gives: Rule,
    *,
    least: int | None = None,
    most: int | None = None,
    nulls: Nulls = "always",
    distinct: bool = False,
) -> Iterator[Function]:
    return _entries("aggregate", names, takes, gives, least, most, nulls, distinct)


def _window(
    names: str, takes: str, gives: Rule, *, least: int | None = None, nulls: Nulls = "never"
) -> Iterator[Function]:
    return _entries("window", names, takes, gives, least, None, nulls, False)


_TABLE: tuple[Function, ...] = (
    # the time of the run
    Function("run_time", "row", (), 0, 0, _is(TIMESTAMP), "never"),
    # conditionals
    *_row("coalesce ifnull nvl", "any", _common(), least=2, most=50, nulls="all"),
    *_row("nullif", "any, any", _same(), nulls="always"),
    *_row("nvl2", "any, any, any", lambda a: common(a[1], a[2]), nulls="always"),
    *_row("if iff", "boolean, any, any", _decode),
    *_row("greatest least", "orderable", _common(), least=2, most=50, nulls="all"),
    *_row("isnull isnotnull", "any", _is(BOOLEAN), nulls="never"),
    *_row("isnan", "number", _is(BOOLEAN), nulls="never"),
    # numbers
    *_row("abs negative positive", "number", _same()),
    *_row("sign signum sqrt cbrt exp ln log10 log2 sin cos tan asin acos atan degrees radians", "number", _is(DOUBLE)),
    *_row("log", "number", _is(DOUBLE), least=1, most=2),
    *_row("pow power atan2", "number, number", _is(DOUBLE)),
    *_row("ceil ceiling floor", "number", _whole),
    *_row("mod pmod", "number, number", _common()),
    *_row("round bround", "number, constant integer", _same(), least=1, most=2),
    # strings
    *_row("upper ucase lower lcase trim ltrim rtrim reverse initcap soundex", "string", _is(STRING)),
    *_row("length len char_length character_length octet_length bit_length ascii", "string", _is(INT)),
    *_row("concat", "string", _is(STRING), least=1, most=50),
    *_row("concat_ws", "string", _is(STRING), least=2, most=50, nulls="never"),
    *_row("substring substr", "string, integer, integer", _is(STRING), least=2, most=3),
    *_row("left right repeat", "string, integer", _is(STRING)),
    *_row("lpad rpad", "string, integer, string", _is(STRING), least=2, most=3),
    *_row("replace translate", "string, string, string", _is(STRING)),
    *_row("regexp_replace", "string, constant string, string", _is(STRING)),
    *_row("regexp_extract", "string, constant string, integer", _is(STRING), least=2, most=3),
    *_row("regexp_like rlike", "string, constant string", _is(BOOLEAN)),
    *_row("startswith endswith contains", "string, string", _is(BOOLEAN)),
    *_row("instr", "string, string", _is(INT)),
    *_row("locate", "string, string, integer", _is(INT), least=2, most=3),
    *_row("split", "string, constant string", _is(array(STRING))),
    *_row("split_part", "string, string, integer", _is(STRING)),
    *_row("substring_index", "string, string, integer", _is(STRING)),
    *_row("md5 sha", "string", _is(STRING)),
    *_row("sha2", "string, constant integer", _is(STRING)),
    *_row("xxhash64", "any", _is(BIGINT), least=1, most=50, nulls="never"),
    *_row("levenshtein", "string, string", _is(INT)),
    # dates and times
    *_row("year quarter month day dayofmonth dayofweek dayofyear weekofyear weekday", "date", _is(INT)),
    *_row("hour minute second", "timestamp", _is(INT)),
    *_row("last_day", "date", _is(DATE)),
    *_row("date_add date_sub", "date, integer", _is(DATE)),
    *_row("add_months", "date, integer", _is(DATE)),
    *_row("months_between", "date, date", _is(DOUBLE)),
    *_row("date_diff", "date, date", _is(INT)),
    *_row("datediff", "date, date", _is(INT)),
    *_row("timestampdiff", "unit, date, date", _is(BIGINT)),
    *_row("to_date", "any, constant string", _is(DATE), least=1, most=2),
    *_row("try_to_date", "string, constant string", _is(DATE), least=1, most=2, nulls="always"),
    *_row("to_timestamp", "any, constant string", _is(TIMESTAMP), least=1, most=2),
    *_row("try_to_timestamp", "string, constant string", _is(TIMESTAMP), least=1, most=2, nulls="always"),
    *_row("date_format", "date, constant string", _is(STRING)),
    *_row("date_trunc", "constant string, date", _is(TIMESTAMP)),
    *_row("trunc", "date, constant string", _is(DATE)),
    *_row("make_date", "integer, integer, integer", _is(DATE)),
    *_row("unix_date", "date", _is(INT)),
    *_row("unix_timestamp", "any, constant string", _is(BIGINT), least=1, most=2),
    *_row("from_unixtime", "integer, constant string", _is(STRING), least=1, most=2),
    *_row("timestamp_seconds", "number", _is(TIMESTAMP)),
    *_row("from_utc_timestamp to_utc_timestamp", "date, string", _is(TIMESTAMP)),
    # arrays, maps, structs
    *_row("array", "any", _of_array, least=0, most=100, nulls="never"),
    *_row("size array_size cardinality", "any", _is(INT)),
    *_row("element_at try_element_at", "any, any", _lookup, nulls="always"),
    *_row("array_contains", "array, any", _contains, nulls="always"),
    *_row("array_distinct array_sort array_compact", "array", _same()),
    *_row("array_join", "array, string", _is(STRING)),
    *_row("array_max array_min", "array", _element, nulls="always"),
    *_row("flatten", "array", _element),
    *_row("map_keys", "map", _array_of(0, "key")),
    *_row("map_values", "map", _array_of(0, "value")),
    # aggregates, all independent of the order of rows
    *_aggregate("count", "any", _is(BIGINT), least=1, most=10, nulls="never", distinct=True),
    *_aggregate("count_if", "boolean", _is(BIGINT), nulls="never"),
    *_aggregate("sum", "number", _sum, distinct=True),
    *_aggregate("try_sum", "number", _sum),
    *_aggregate("avg mean", "number", _avg, distinct=True),
    *_aggregate("min max", "orderable", _same()),
    *_aggregate("min_by max_by", "any, orderable", _same()),
    *_aggregate("any_value", "any", _same()),
    *_aggregate("percentile", "number, constant number", _is(DOUBLE)),
    *_aggregate("median", "number", _is(DOUBLE)),
    *_aggregate("stddev stddev_samp stddev_pop std variance var_samp var_pop skewness kurtosis", "number", _is(DOUBLE)),
    *_aggregate("corr covar_pop covar_samp", "number, number", _is(DOUBLE)),
    *_aggregate("approx_count_distinct", "any", _is(BIGINT), nulls="never"),
    *_aggregate("bool_and every bool_or some", "boolean", _is(BOOLEAN)),
    # over a window
    *_window("row_number rank dense_rank", "", _is(INT)),
    *_window("percent_rank cume_dist", "", _is(DOUBLE)),
    *_window("ntile", "constant integer", _is(INT)),
    *_window("lag lead", "any, constant integer, any", _same(), least=1, nulls="always"),
    *_window("first_value last_value", "any", _same(), nulls="always"),
    *_window("nth_value", "any, constant integer", _same(), nulls="always"),
)

FUNCTIONS: dict[str, Function] = {function.name: function for function in _TABLE}


def _refused(words: str, reason: str) -> dict[str, str]:
    return dict.fromkeys(words.split(), reason)


REFUSED: dict[str, str] = {
    **_refused(
        "now current_date current_timestamp curdate getdate localtimestamp current_time sysdate today",
        "reads the clock, so that a retry would see another time; use run_time(), as in to_date(run_time())",
    ),
    **_refused(
        "rand randn random randstr uniform uuid monotonically_increasing_id spark_partition_id shuffle",
        "gives another value on every run",
    ),
    **_refused(
        "current_user user session_user current_database current_schema current_catalog version input_file_name secret",
        "reads the session or the workspace, not the data",
    ),
    **_refused(
        "reflect java_method read_files http_request ai_query ai_gen ai_classify ai_extract ai_summarize",
        "reaches outside the data",
    ),
    **_refused("first last collect_list collect_set array_agg string_agg listagg mode", "depends on the order of rows"),
    **_refused(
        "percentile_approx approx_percentile", "interpolates differently on each engine; use percentile, which is exact"
    ),
    **_refused("explode explode_outer posexplode inline stack", "makes rows; use an explode step"),
    **_refused("identifier", "makes a name from text"),
}
"""Functions people try, and why each is refused."""
