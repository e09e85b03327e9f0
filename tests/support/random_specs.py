"""Random well-typed specs over random data, for hypothesis: each step is drawn from what the columns before it allow.

Left out on purpose, because engines rightly differ there or refuse: overflow, division by zero, sums of floats that
have no exact binary form (every float here is a multiple of a quarter), and letters whose capital is another length.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from pipeline_magic.errors import SpecError
from pipeline_magic.spec.model import (
    Aggregate,
    Cast,
    CastColumn,
    Deduplicate,
    Derive,
    Fill,
    FillColumn,
    Filter,
    Join,
    JoinKey,
    NamedExpression,
    Order,
    PipelineSpec,
    Pivot,
    Rename,
    RenameColumn,
    Schedule,
    Segment,
    SegmentRule,
    Select,
    Source,
    Target,
    Top,
    Union,
    Unpivot,
    Window,
)
from pipeline_magic.spec.schema import Column
from pipeline_magic.spec.typed import TypedSpec, type_spec
from tests.support.compiled import RUN_TIME, Table, make_table

Draw = Callable[[Any], Any]

ORDERS = (
    "id bigint, customer int, price decimal(10,2), weight double, name string, day date, at timestamp, open boolean"
)
PEOPLE = "customer int, name string, rank decimal(38,4), joined date, größe string"

_TEXT = st.sampled_from(["a", "b", "", "it's", "ä🙂", 'q"', "a b", "{x}", "\\", "%_", "Ωmega", "NULL"])
_DAYS = st.sampled_from(["2024-03-10", "2024-02-29", "1970-01-01", "2023-12-31", "2024-03-09", "2024-11-03"])
_TIMES = st.sampled_from(
    [
        "2024-03-10 06:59:59+00:00",  # the last second before New York loses an hour
        "2024-03-10 07:00:00+00:00",
        "2024-11-03 05:30:00+00:00",
        "2024-11-03 06:30:00+00:00",  # both are half past one in New York
        "1969-12-31 23:59:59+00:00",
        RUN_TIME,
    ]
)
_VALUES: dict[str, Any] = {
    "bigint": st.sampled_from([0, 1, 2, 3, -1, 2**53 + 1, -(2**60)]),
    "int": st.integers(-1, 4),
    "decimal(10,2)": st.sampled_from(["0.00", "1.50", "-3.25", "99999999.99", "10.00"]),
    "decimal(38,4)": st.sampled_from(["0.0000", "12345678901234567890123456.7891", "-1.0001"]),
    "double": st.sampled_from([0.0, 1.25, -2.5, 1048576.0]),
    "string": _TEXT,
    "date": _DAYS,
    "timestamp": _TIMES,
    "boolean": st.booleans(),
}


def tables(draw: Draw) -> dict[str, Table]:
    """Two tables with NULLs, duplicates and orphans; either may be empty."""
    made = {}
    for alias, columns in (("orders", ORDERS), ("people", PEOPLE)):
        schema = make_table(f"dev.default.{alias}", columns, ()).schema
        row = st.tuples(*(st.none() | _VALUES[column.type] for column in schema.columns))
        rows = draw(st.lists(row, max_size=6))
        if rows and draw(st.booleans()):
            rows.append(rows[0])
        made[alias] = make_table(f"dev.default.{alias}", columns, rows)
    return made


def spec(draw: Draw) -> TypedSpec:
    """A typed spec of one to five steps."""
    sources = (Source(alias="orders", table="dev.default.orders"), Source(alias="people", table="dev.default.people"))
    schemas = {alias: make_table(f"dev.default.{alias}", columns, ()).schema for alias, columns in _SCHEMAS}
    steps: list[Any] = []
    last = "orders"
    typed = _typed(sources, steps, last, schemas)
    for number in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(sorted(_STEPS)))
        step = _STEPS[kind](draw, f"s{number}", last, typed.node(last).columns)
        if step is None:
            continue
        try:
            typed = _typed(sources, [*steps, step], step.id, schemas)
        except SpecError:
            continue  # a name that two columns would have, most often
        steps.append(step)
        last = step.id
    return typed


_SCHEMAS = (("orders", ORDERS), ("people", PEOPLE))


def _typed(sources: Any, steps: list[Any], last: str, schemas: Any) -> TypedSpec:
    made = PipelineSpec(
        name="random",
        sources=sources,
        steps=tuple(steps),
        target=Target(table="dev.default.random_target", input=last),
        trigger=Schedule(cron="0 0 6 * * ?", timezone="America/New_York"),
    )
    return type_spec(made, schemas)


# --- expressions -------------------------------------------------------------------------------------------------


def _q(column: Column) -> str:
    return f"`{column.name}`"


def _rows(column: Column) -> list[str]:
    """Row expressions over one column, by its type."""
    name = _q(column)
    kind = column.type.split("(")[0]
    return {
        "bigint": [f"{name} % 7", f"coalesce({name}, 0)", f"CASE WHEN {name} > 1 THEN 'big' ELSE 'small' END"],
        "int": [f"{name} + 1", f"{name} * 2", f"{name} / 4", f"abs({name})", f"nullif({name}, 1)"],
        "decimal": [f"coalesce({name}, 0)", f"round({name}, 1)", f"-{name}", f"greatest({name}, 1.5)"],
        "double": [f"{name} * 2", f"floor({name})", f"if({name} > 1, {name}, NULL)"],
        "string": [f"length({name})", f"concat({name}, '\\'x')", f"substring({name}, 1, 1)", f"coalesce({name}, '?')"],
        "date": [f"year({name})", f"date_add({name}, 3)", f"datediff(run_time(), {name})", f"trunc({name}, 'MONTH')"],
        "timestamp": [f"to_date({name})", f"hour({name})", f"date_trunc('DAY', {name})"],
        "boolean": [f"NOT {name}", f"coalesce({name}, FALSE)"],
    }.get(kind, [f"{name} IS NULL"])


def _conditions(column: Column) -> list[str]:
    name = _q(column)
    kind = column.type.split("(")[0]
    own = {
        "bigint": [f"{name} > 0", f"{name} BETWEEN -1 AND 2"],
        "int": [f"{name} IN (0, 1, 2)", f"{name} NOT IN (1, 3)"],
        "decimal": [f"{name} >= 1.5"],
        "double": [f"{name} <> 1.25"],
        "string": [f"{name} LIKE '%a%'", f"{name} = 'it\\'s'", f"{name} < 'b'"],
        "date": [f"{name} >= date_sub(run_time(), 30)", f"{name} < '2024-01-01'"],
        "timestamp": [f"{name} <= run_time()", f"{name} > run_time() - INTERVAL 1 DAY"],
        "boolean": [name, f"NOT {name}"],
    }.get(kind, [])
    return [*own, f"{name} IS NULL", f"{name} IS NOT NULL"]


def _measures(column: Column) -> list[str]:
    name = _q(column)
    kind = column.type.split("(")[0]
    plain = [f"count({name})", f"count(DISTINCT {name})", f"count_if({name} IS NULL)"]
    ordered = [f"min({name})", f"max({name})"]
    numbers = [f"sum({name})", f"avg({name})", f"sum({name}) FILTER (WHERE {name} > 0)"]
    return {
        "int": [*plain, *ordered, *numbers, f"percentile({name}, 0.5)"],
        "decimal": [*plain, *ordered, f"sum({name})"],
        "double": [*plain, *ordered, *numbers],
        "boolean": plain,
    }.get(kind, [*plain, *ordered])


# --- steps -------------------------------------------------------------------------------------------------------


def _some(draw: Draw, items: Any, most: int = 3) -> list[Any]:
    return draw(st.lists(st.sampled_from(list(items)), min_size=1, max_size=most, unique=True))


def _one(draw: Draw, items: Any) -> Any:
    return draw(st.sampled_from(list(items)))


def _order(draw: Draw, columns: Any) -> tuple[Order, ...]:
    return tuple(
        Order(column=c.name, descending=draw(st.booleans()), nulls_first=draw(st.booleans()))
        for c in _some(draw, columns, 2)
    )


def _filter(draw: Draw, name: str, last: str, columns: Any) -> Any:
    texts = [_one(draw, _conditions(column)) for column in _some(draw, columns, 2)]
    return Filter(id=name, input=last, condition=_one(draw, (" AND ", " OR ")).join(texts))


def _derive(draw: Draw, name: str, last: str, columns: Any) -> Any:
    made = []
    for index, column in enumerate(_some(draw, columns)):
        new = column.name if draw(st.integers(0, 3)) == 0 else f"{name}_d{index}"
        made.append(NamedExpression(name=new, expression=_one(draw, _rows(column))))
    return Derive(id=name, input=last, columns=tuple(made))


def _aggregate(draw: Draw, name: str, last: str, columns: Any) -> Any:
    groups = tuple(column.name for column in _some(draw, columns, 2)) if draw(st.integers(0, 4)) else ()
    texts = [_one(draw, _measures(column)) for column in _some(draw, columns)]
    if not groups:  # over all rows Sail counts one distinct value where every value is NULL
        texts = [text for text in texts if "DISTINCT" not in text]
    measures = [NamedExpression(name=f"{name}_m{i}", expression=text) for i, text in enumerate(texts)]
    return Aggregate(id=name, input=last, group_by=groups, measures=(*measures, _count(name)))


def _count(name: str) -> NamedExpression:
    return NamedExpression(name=f"{name}_n", expression="count(*)")


def _join(draw: Draw, name: str, last: str, columns: Any) -> Any:
    if last == "people":
        return None
    pairs = [
        JoinKey(left=column.name, right=right)
        for column in columns
        for right, kind in (("customer", "int"), ("name", "string"), ("joined", "date"))
        if column.type == kind
    ]
    if not pairs:
        return None
    keys = _some(draw, pairs, 2)
    if len({key.right for key in keys}) < len(keys):
        keys = keys[:1]
    how = _one(draw, ("inner", "left", "right", "full", "semi", "anti"))
    bring = tuple(_some(draw, ("name", "rank", "joined", "größe"))) if draw(st.booleans()) else None
    return Join(id=name, left=last, right="people", how=how, keys=tuple(keys), columns=bring, prefix=f"{name}_")


def _window(draw: Draw, name: str, last: str, columns: Any) -> Any:
    orders = _order(draw, columns)
    first = _one(draw, columns)
    texts = _some(
        draw,
        (
            "row_number()",
            "rank()",
            "dense_rank()",
            f"lag({_q(first)})",
            f"lead({_q(first)}, 2)",
            f"max({_q(first)})",
            "count(*)",
        )
        if first.type != "boolean"
        else ("row_number()", "percent_rank()", "ntile(2)", "count(*)"),
    )
    made = tuple(NamedExpression(name=f"{name}_w{i}", expression=text) for i, text in enumerate(texts))
    groups = tuple(column.name for column in _some(draw, columns, 1)) if draw(st.booleans()) else ()
    return Window(id=name, input=last, partition_by=groups, order_by=orders, columns=made)


def _segment(draw: Draw, name: str, last: str, columns: Any) -> Any:
    by = _one(draw, columns)
    rules = [SegmentRule(label="it's top", top=_one(draw, (0.1, 0.5, 1.0)))]
    rules.append(SegmentRule(label="other", condition=_one(draw, _conditions(_one(draw, columns)))))
    return Segment(
        id=name,
        input=last,
        column=f"{name}_class",
        by=by.name,
        rules=tuple(rules),
        otherwise=_one(draw, (None, "rest")),
    )


def _deduplicate(draw: Draw, name: str, last: str, columns: Any) -> Any:
    keys = tuple(column.name for column in _some(draw, columns, 2))
    return Deduplicate(id=name, input=last, keys=keys, order_by=_order(draw, columns) if draw(st.booleans()) else ())


def _top(draw: Draw, name: str, last: str, columns: Any) -> Any:
    groups = tuple(column.name for column in _some(draw, columns, 1)) if draw(st.booleans()) else ()
    n, ties = draw(st.integers(1, 3)), draw(st.booleans())
    return Top(id=name, input=last, n=n, partition_by=groups, order_by=_order(draw, columns), ties=ties)


def _select(draw: Draw, name: str, last: str, columns: Any) -> Any:
    return Select(id=name, input=last, columns=tuple(column.name for column in _some(draw, columns, 6)))


def _rename(draw: Draw, name: str, last: str, columns: Any) -> Any:
    made = tuple(RenameColumn(column=c.name, name=f"{name}_r{i}") for i, c in enumerate(_some(draw, columns, 2)))
    return Rename(id=name, input=last, columns=made)


def _cast(draw: Draw, name: str, last: str, columns: Any) -> Any:
    wider = {"int": "bigint", "bigint": "decimal(20,0)", "date": "timestamp", "boolean": "int", "timestamp": "date"}
    made = [CastColumn(column=c.name, type=wider[c.type]) for c in columns if c.type in wider]
    return Cast(id=name, input=last, columns=tuple(_some(draw, made, 2))) if made else None


def _fill(draw: Draw, name: str, last: str, columns: Any) -> Any:
    values: dict[str, Any] = {
        "int": 7,
        "string": "it's {none}",
        "date": "2000-01-01",
        "double": 0.5,
        "boolean": True,
        "bigint": -1,
    }
    made = [FillColumn(column=c.name, value=values[c.type]) for c in columns if c.type in values]
    return Fill(id=name, input=last, columns=tuple(_some(draw, made, 2))) if made else None


def _union(draw: Draw, name: str, last: str, columns: Any) -> Any:
    return None if last == "people" else Union(id=name, inputs=(last, last), distinct=draw(st.booleans()))


def _pivot(draw: Draw, name: str, last: str, columns: Any) -> Any:
    by = [column for column in columns if column.type in {"int", "string", "boolean"}]
    if not by:
        return None
    column = _one(draw, by)
    values: dict[str, tuple[Any, ...]] = {"int": (0, 1), "string": ("a", "it's"), "boolean": (True,)}
    measures = (NamedExpression(name="n", expression=_one(draw, _measures(_one(draw, columns)))),)
    if " FILTER " in measures[0].expression:
        return None
    groups = tuple(item.name for item in _some(draw, columns, 1))
    return Pivot(
        id=name, input=last, group_by=groups, column=column.name, values=values[column.type], measures=measures
    )


def _unpivot(draw: Draw, name: str, last: str, columns: Any) -> Any:
    numbers = [column.name for column in columns if column.type in {"int", "double"}]
    if not numbers:
        return None
    return Unpivot(
        id=name,
        input=last,
        columns=tuple(numbers),
        name_column=f"{name}_what",
        value_column=f"{name}_much",
        keep_nulls=draw(st.booleans()),
    )


_STEPS: dict[str, Callable[[Draw, str, str, Any], Any]] = {
    "filter": _filter,
    "derive": _derive,
    "aggregate": _aggregate,
    "join": _join,
    "window": _window,
    "segment": _segment,
    "deduplicate": _deduplicate,
    "top": _top,
    "select": _select,
    "rename": _rename,
    "cast": _cast,
    "fill": _fill,
    "union": _union,
    "pivot": _pivot,
    "unpivot": _unpivot,
}
