"""Expressions over one column, by its type, for random specs: values, conditions and measures."""

from __future__ import annotations

from pipeline_magic.spec.schema import Column

__all__ = ["conditions", "measures", "quoted", "row_expressions"]


def quoted(column: Column) -> str:
    """The column's name as a person may always write it."""
    return "`" + column.name.replace("`", "``") + "`"


def _kind(column: Column) -> str:
    return column.type.split("(")[0]


def row_expressions(column: Column) -> list[str]:
    """Row expressions over one column."""
    name = quoted(column)
    return {
        "bigint": [f"{name} % 7", f"coalesce({name}, 0)", f"CASE WHEN {name} > 1 THEN 'big' ELSE 'small' END"],
        "int": [f"{name} + 1", f"{name} * 2", f"{name} / 4", f"abs({name})", f"nullif({name}, 1)"],
        "decimal": [
            f"coalesce({name}, 0)", f"round({name}, 1)", f"-{name}", f"greatest({name}, 1.5)", f"floor({name})",
        ],
        "double": [f"{name} * 2", f"sign({name})", f"if({name} > 1, {name}, NULL)", f"round({name}, 1)"],
        "string": [
            f"length({name})", f"concat({name}, '\\'x')", f"substring({name}, 1, 1)", f"coalesce({name}, '?')",
            f"replace({name}, 'a', '{{b}}')", f"regexp_replace({name}, '[ab]+', '_')", f"split({name}, ' ')",
            f"lpad({name}, 3, '*')", f"md5({name})", f"{name} || '🙂'",
        ],
        "date": [
            f"year({name})", f"date_add({name}, 3)", f"datediff(run_time(), {name})", f"trunc({name}, 'MONTH')",
            f"last_day({name})", f"add_months({name}, 1)", f"dayofweek({name})",
        ],
        "timestamp": [
            f"to_date({name})", f"hour({name})", f"date_trunc('DAY', {name})", f"{name} + INTERVAL 1 HOUR",
            f"date_format({name}, 'yyyy-MM-dd HH:mm')",
        ],
        "boolean": [f"NOT {name}", f"coalesce({name}, FALSE)"],
        "array<string>": [
            f"array_contains({name}, 'a')", f"array_join({name}, '+')", f"try_element_at({name}, 1)",
            f"array_distinct({name})", f"size({name})",
        ],
        "struct<sku:string,qty:int>": [f"{name}.sku", f"{name}.qty + 1", f"{name}.qty IS NULL"],
        "map<string,int>": [f"{name}['k']", f"try_element_at({name}, 'z')"],
    }.get(_kind(column), [f"{name} IS NULL"])  # fmt: skip


def conditions(column: Column) -> list[str]:
    """Conditions over one column."""
    name = quoted(column)
    own = {
        "bigint": [f"{name} > 0", f"{name} BETWEEN -1 AND 2"],
        "int": [f"{name} IN (0, 1, 2)", f"{name} NOT IN (1, 3)", f"{name} <=> 1"],
        "decimal": [f"{name} >= 1.5"],
        "double": [f"{name} <> 5"],
        "string": [f"{name} LIKE '%a%'", f"{name} = 'it\\'s'", f"{name} < 'b'", f"{name} RLIKE '^[ab]'"],
        "date": [f"{name} >= date_sub(run_time(), 30)", f"{name} < '2024-01-01'"],
        "timestamp": [f"{name} <= run_time()", f"{name} > run_time() - INTERVAL 1 DAY"],
        "boolean": [name, f"NOT {name}"],
        "array<string>": [f"array_contains({name}, 'a')"],
        "struct<sku:string,qty:int>": [f"{name}.qty > 0"],
    }.get(_kind(column), [])
    return [*own, f"{name} IS NULL", f"{name} IS NOT NULL"]


def measures(column: Column) -> list[str]:
    """Measures over one column, independent of the order of rows."""
    name = quoted(column)
    kind = _kind(column)
    nested = "<" in kind
    plain = [f"count({name})", f"count_if({name} IS NULL)", *([] if nested else [f"count(DISTINCT {name})"])]
    ordered = [f"min({name})", f"max({name})"]
    numbers = [f"sum({name})", f"avg({name})", f"sum({name}) FILTER (WHERE {name} > 0)"]
    return {
        "int": [*plain, *ordered, *numbers, f"percentile({name}, 0.5)"],
        "decimal": [*plain, *ordered, f"sum({name})"],
        "double": [*plain, *ordered, *numbers],
        "boolean": [*plain, f"bool_or({name})", f"every({name})"],
    }.get(kind, plain if nested else [*plain, *ordered])
