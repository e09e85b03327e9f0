"""Random well-typed specs, for hypothesis: each step is drawn from what the columns before it allow.

Every kind of step, every way to join, branches that meet again, source filters, and `drop` expectations on any node.
Only specs that typing accepts come out: a step that it refuses (most often two columns would have one name) is left
out. The data are `random_data`'s; `features` says what a spec has, so that a run can be held to have met everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from hypothesis import strategies as st

from pipeline_magic.errors import SpecError
from pipeline_magic.spec.model import (
    Aggregate,
    Cast,
    CastColumn,
    Deduplicate,
    Derive,
    Explode,
    Fill,
    FillColumn,
    Filter,
    Frame,
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
    Sql,
    Target,
    Top,
    Union,
    Unpivot,
    Window,
)
from pipeline_magic.spec.schema import Column
from pipeline_magic.spec.typed import TypedSpec, type_spec
from tests.support.compiled import make_table
from tests.support.random_data import COLUMNS, Draw, tables
from tests.support.random_expressions import conditions, measures, quoted, row_expressions

__all__ = ["CHECKS", "HOWS", "WANTED", "Draw", "features", "spec", "tables"]

Columns = Sequence[Column]
SCHEMAS = {alias: make_table(f"dev.default.{alias}", columns, ()).schema for alias, columns in COLUMNS.items()}
HOWS = ("inner", "left", "right", "full", "semi", "anti")
CHECKS = ("not_null", "range", "accepted_values", "pattern", "expression", "referential")
"""Expectations that can drop rows."""


def spec(draw: Draw, wanted: str = "", check: str = "") -> TypedSpec:
    """A typed spec of one to five steps and what they join, with up to two `drop` expectations.

    Args:
        draw: Draws a value of a strategy.
        wanted: What the first step is, one of `WANTED`; any where empty. Left to itself, hypothesis likes some kinds
            far better than others.
        check: Kind of the first expectation, one of `CHECKS`; any, or none at all, where empty.
    """
    steps: list[Any] = []
    last = "orders"
    sources = _sources(draw)
    typed = _typed(sources, steps, last)
    for number in range(draw(st.integers(1, 5))):
        kind = wanted if wanted and not number else draw(st.sampled_from(WANTED))
        columns = typed.node(last).columns
        made = _STEPS[kind](draw, f"s{number}", last, columns) if _scalars(columns) else None
        if made is None:
            continue
        more = made if isinstance(made, list) else [made]
        try:
            typed = _typed(sources, [*steps, *more], more[-1].id)
        except SpecError:
            continue  # a name that two columns would have, most often
        steps += more
        last = steps[-1].id
    kinds = [check] if check else []
    kinds += [_one(draw, CHECKS) for _ in range(draw(st.integers(0, 2 - len(kinds))))]
    checks: list[Any] = []
    for number, kind in enumerate(kinds):
        item = _check(draw, f"check_{number}", kind, typed)
        if item is not None:
            with suppress(SpecError):  # a table cannot be looked up in itself
                typed = _typed(sources, steps, last, [*checks, item])
                checks.append(item)
    return typed


def _sources(draw: Draw) -> tuple[Source, ...]:
    made = []
    for alias, schema in SCHEMAS.items():
        filtered = draw(st.integers(0, 4)) == 4
        condition = _one(draw, conditions(_one(draw, schema.columns))) if filtered else None
        made.append(Source(alias=alias, table=f"dev.default.{alias}", filter=condition))
    return tuple(made)


def _typed(sources: Any, steps: list[Any], last: str, checks: Sequence[Any] = ()) -> TypedSpec:
    made = PipelineSpec(
        name="random",
        sources=sources,
        steps=tuple(steps),
        expectations=tuple(checks),
        target=Target(table="dev.default.random_target", input=last),
        trigger=Schedule(cron="0 0 6 * * ?", timezone="America/New_York"),
    )
    return type_spec(made, SCHEMAS)


def features(typed: TypedSpec) -> Iterator[str]:
    """What a spec has: kinds of steps, ways to join, kinds of checks, and how its columns are used."""
    for step in typed.spec.steps:
        yield f"join {step.how}" if isinstance(step, Join) else step.kind
    for item in typed.spec.expectations:
        yield f"drop {item.kind}"
    if any(source.filter for source in typed.spec.sources):
        yield "source filter"
    used = [name for node in typed.nodes for name in node.inputs]
    if len(used) > len(set(used)):
        yield "branches"


# --- steps -------------------------------------------------------------------------------------------------------

_SCALARS = ("bigint", "int", "decimal", "double", "string", "date", "timestamp", "boolean")


def _some(draw: Draw, items: Any, most: int = 3) -> list[Any]:
    return draw(st.lists(st.sampled_from(list(items)), min_size=1, max_size=most, unique=True))


def _one(draw: Draw, items: Any) -> Any:
    return draw(st.sampled_from(list(items)))


def _scalars(columns: Columns) -> list[Column]:
    """Columns that can be grouped, compared and ordered on every engine."""
    return [column for column in columns if column.type.split("(")[0] in _SCALARS]


def _order(draw: Draw, columns: Columns) -> tuple[Order, ...]:
    return tuple(
        Order(column=c.name, descending=draw(st.booleans()), nulls_first=draw(st.booleans()))
        for c in _some(draw, _scalars(columns), 2)
    )


def _groups(draw: Draw, columns: Columns, most: int) -> tuple[str, ...]:
    return tuple(column.name for column in _some(draw, _scalars(columns), most))


def _filter(draw: Draw, name: str, last: str, columns: Columns) -> Any:
    texts = [_one(draw, conditions(column)) for column in _some(draw, columns, 2)]
    return Filter(id=name, input=last, condition=_one(draw, (" AND ", " OR ")).join(texts))


def _derive(draw: Draw, name: str, last: str, columns: Columns) -> Any:
    made = []
    for index, column in enumerate(_some(draw, columns)):
        new = column.name if draw(st.integers(0, 3)) == 0 else f"{name}_d{index}"
        made.append(NamedExpression(name=new, expression=_one(draw, row_expressions(column))))
    return Derive(id=name, input=last, columns=tuple(made))


def _aggregate(draw: Draw, name: str, last: str, columns: Columns) -> Any:
    groups = _groups(draw, columns, 2) if draw(st.integers(0, 4)) else ()
    texts = [_one(draw, measures(column)) for column in _some(draw, columns)]
    if not groups:  # over all rows Sail counts one distinct value where every value is NULL
        texts = [text for text in texts if "DISTINCT" not in text]
    made = [NamedExpression(name=f"{name}_m{i}", expression=text) for i, text in enumerate(texts)]
    count = NamedExpression(name=f"{name}_n", expression="count(*)")
    return Aggregate(id=name, input=last, group_by=groups, measures=(*made, count))


def _join(how: str, draw: Draw, name: str, last: str, columns: Columns) -> Any:
    """With a table, with a branch of it, or with the rows themselves before this step."""
    before: list[Any] = []
    right, other = _one(draw, (("people", SCHEMAS["people"].columns), (last, columns)))
    if draw(st.booleans()):
        branch = f"{name}_b"
        before = [_one(draw, (_filter, _deduplicate))(draw, branch, right, other)]
        right = branch
    elif right == last:
        return None
    pairs = [
        JoinKey(left=one.name, right=two.name)
        for one in columns
        for two in other
        if one.type == two.type and one.type in {"int", "string", "date", "bigint"}
    ]
    if not pairs:
        return None
    keys = _some(draw, pairs, 2)
    if len({key.right for key in keys}) < len(keys) or len({key.left for key in keys}) < len(keys):
        keys = keys[:1]
    bring = tuple(column.name for column in _some(draw, other)) if draw(st.booleans()) else None
    return [*before, Join(id=name, left=last, right=right, how=how, keys=tuple(keys), columns=bring, prefix=f"{name}_")]


def _window(draw: Draw, name: str, last: str, columns: Columns) -> Any:
    orders = _order(draw, columns)
    first = _one(draw, _scalars(columns))
    value = quoted(first)
    ranks = ("row_number()", "rank()", "dense_rank()", "percent_rank()", "cume_dist()", "ntile(2)", "count(*)")
    moves = () if first.type == "boolean" else (f"lag({value})", f"lead({value}, 2)", f"max({value})")
    groups = _groups(draw, columns, 1) if draw(st.booleans()) else ()
    frame = None
    if draw(st.integers(0, 3)) == 0:
        frame = Frame(start=_one(draw, (None, -2, -1)), end=_one(draw, (None, 0, 1)))
        texts = _some(draw, ("count(*)", f"count({value})", *(moves[2:])))
    else:
        texts = _some(draw, (*ranks, *moves))
    made = tuple(NamedExpression(name=f"{name}_w{i}", expression=text) for i, text in enumerate(texts))
    return Window(id=name, input=last, partition_by=groups, order_by=orders, frame=frame, columns=made)


def _segment(draw: Draw, name: str, last: str, columns: Columns) -> Any:
    by = _one(draw, _scalars(columns))
    rules = [SegmentRule(label="it's top", top=_one(draw, (0.1, 0.5, 1.0)))]
    rules.append(SegmentRule(label="other", condition=_one(draw, conditions(_one(draw, columns)))))
    return Segment(
        id=name,
        input=last,
        column=f"{name}_class",
        by=by.name,
        partition_by=_groups(draw, columns, 1) if draw(st.integers(0, 3)) == 0 else (),
        rules=tuple(rules),
        otherwise=_one(draw, (None, "rest {0} ä")),
    )


def _deduplicate(draw: Draw, name: str, last: str, columns: Columns) -> Any:
    keys = _groups(draw, columns, 2)
    return Deduplicate(id=name, input=last, keys=keys, order_by=_order(draw, columns) if draw(st.booleans()) else ())


def _top(draw: Draw, name: str, last: str, columns: Columns) -> Any:
    groups = _groups(draw, columns, 1) if draw(st.booleans()) else ()
    n, ties = draw(st.integers(1, 3)), draw(st.booleans())
    return Top(id=name, input=last, n=n, partition_by=groups, order_by=_order(draw, columns), ties=ties)


def _select(draw: Draw, name: str, last: str, columns: Columns) -> Any:
    return Select(id=name, input=last, columns=tuple(column.name for column in _some(draw, columns, 6)))


def _rename(draw: Draw, name: str, last: str, columns: Columns) -> Any:
    names = [f"{name}_r0", _one(draw, (f"{name} r'1", f"{name}.r", "order", f"{name}_größe"))]
    made = tuple(RenameColumn(column=c.name, name=new) for c, new in zip(_some(draw, columns, 2), names, strict=False))
    return Rename(id=name, input=last, columns=made)


def _cast(draw: Draw, name: str, last: str, columns: Columns) -> Any:
    wider = {"int": "bigint", "bigint": "decimal(20,0)", "date": "timestamp", "boolean": "int", "timestamp": "date"}
    wider["decimal(10,2)"] = "decimal(20,4)"
    made = [CastColumn(column=c.name, type=wider[c.type]) for c in columns if c.type in wider]
    if draw(st.integers(0, 3)) == 0:
        made = [CastColumn(column=c.name, type="int") for c in columns if c.type == "string"]
        return Cast(id=name, input=last, columns=tuple(_some(draw, made, 2)), on_error="null") if made else None
    return Cast(id=name, input=last, columns=tuple(_some(draw, made, 2))) if made else None


def _fill(draw: Draw, name: str, last: str, columns: Columns) -> Any:
    values: dict[str, Any] = {
        "int": 7,
        "string": "it's {none}",
        "date": "2000-01-01",
        "timestamp": "2024-03-10 02:30:00+00:00",
        "decimal(10,2)": "0.50",
        "double": 0.5,
        "boolean": True,
        "bigint": -1,
    }
    made = [FillColumn(column=c.name, value=values[c.type]) for c in columns if c.type in values]
    return Fill(id=name, input=last, columns=tuple(_some(draw, made, 2))) if made else None


def _union(draw: Draw, name: str, last: str, columns: Columns) -> Any:
    if draw(st.booleans()):
        return Union(id=name, inputs=(last, last), distinct=draw(st.booleans()))
    branch = _filter(draw, f"{name}_b", last, columns)
    return [branch, Union(id=name, inputs=(last, branch.id), distinct=draw(st.booleans()))]


def _pivot(draw: Draw, name: str, last: str, columns: Columns) -> Any:
    by = [column for column in columns if column.type in {"int", "string", "boolean"}]
    if not by:
        return None
    column = _one(draw, by)
    values: dict[str, tuple[Any, ...]] = {"int": (0, 1), "string": ("a", "it's"), "boolean": (True,)}
    texts = [_one(draw, measures(_one(draw, columns))) for _ in range(draw(st.integers(1, 2)))]
    if any(" FILTER " in text for text in texts):
        return None
    made = tuple(NamedExpression(name=f"n{i}", expression=text) for i, text in enumerate(texts))
    groups = _groups(draw, columns, 1)
    return Pivot(id=name, input=last, group_by=groups, column=column.name, values=values[column.type], measures=made)


def _unpivot(draw: Draw, name: str, last: str, columns: Columns) -> Any:
    kinds = _one(draw, ({"int", "double"}, {"string"}, {"date"}))
    chosen = [column.name for column in columns if column.type in kinds]
    if not chosen:
        return None
    return Unpivot(
        id=name,
        input=last,
        columns=tuple(chosen),
        name_column=f"{name}_what",
        value_column=f"{name}_much",
        keep_nulls=draw(st.booleans()),
    )


def _explode(draw: Draw, name: str, last: str, columns: Columns) -> Any:
    lists = [column for column in columns if column.type.startswith("array<")]
    before: list[Any] = []
    if not lists:  # a list is made of a text
        texts = [column for column in columns if column.type == "string"]
        if not texts:
            return None
        made = NamedExpression(name=f"{name}_list", expression=f"split({quoted(_one(draw, texts))}, ' ')")
        before, last = [Derive(id=f"{name}_b", input=last, columns=(made,))], f"{name}_b"
        lists = [Column(name=made.name, type="array<string>")]
    column = _one(draw, lists)
    new = column.name if draw(st.integers(0, 3)) == 0 else f"{name}_item"
    position = f"{name}_at" if draw(st.booleans()) else None
    return [
        *before,
        Explode(id=name, input=last, column=column.name, name=new, position=position, outer=draw(st.booleans())),
    ]


def _sql(draw: Draw, name: str, last: str, columns: Columns) -> Any:
    """A person's own query: filtered, aggregated, joined, unioned or ranked."""
    plain = _scalars(columns)
    one, condition = _one(draw, plain), _one(draw, conditions(_one(draw, columns)))
    other = _one(draw, plain)
    matching = {"int": "customer", "string": "name", "date": "joined"}.get(one.type)
    key = quoted(one)
    forms = [
        f"SELECT * FROM {last} WHERE {condition}",
        f"SELECT {key}, count(*) AS {name}_n, max({quoted(other)}) AS {name}_most FROM {last} GROUP BY {key}",
        f"WITH some AS (SELECT {key} AS {name}_k FROM {last} WHERE {condition}) "
        f"SELECT {name}_k FROM some UNION ALL SELECT {key} FROM {last}",
        f"SELECT DISTINCT {key} AS {name}_k FROM {last}",
        f"SELECT {key}, rank() OVER (PARTITION BY {key} ORDER BY {quoted(other)}) AS {name}_rank FROM {last}",
    ]
    if matching:
        forms.append(
            f"SELECT l.{key} AS {name}_l, p.rank AS {name}_p FROM {last} AS l LEFT JOIN people AS p"
            f" ON l.{key} = p.{matching}"
        )
    text = _one(draw, forms)
    return Sql(id=name, inputs=(last, "people") if " JOIN " in text else (last,), query=text)


_STEPS: dict[str, Callable[[Draw, str, str, Columns], Any]] = {
    "filter": _filter,
    "derive": _derive,
    "aggregate": _aggregate,
    **{f"join {how}": partial(_join, how) for how in HOWS},
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
    "explode": _explode,
    "sql": _sql,
}
WANTED = tuple(_STEPS)
"""Kinds of steps, and the ways to join."""


# --- expectations ------------------------------------------------------------------------------------------------


def _check(draw: Draw, name: str, kind: str, typed: TypedSpec) -> Any:
    node = _one(draw, [*typed.nodes, typed.node(typed.spec.target.input)])
    on = "target" if node.id == typed.spec.target.input and draw(st.booleans()) else node.id
    common = {"id": name, "on": on, "action": "drop", "kind": kind}
    column = _one(draw, node.columns)
    if kind == "not_null":
        return common | {"columns": [column.name]}
    if kind == "expression":
        return common | {"condition": _one(draw, conditions(column))}
    wanted = {
        "range": {"int": {"minimum": 0, "maximum": 2}, "date": {"minimum": "2024-01-01", "minimum_inclusive": False}},
        "accepted_values": {"string": {"values": ["a", "it's", "ä🙂"]}, "int": {"values": [0, 1, 2]}},
        "pattern": {"string": {"regex": "^[ab].*|'"}},
        "referential": {
            "int": {"to": "people", "to_columns": ["customer"]},
            "string": {"to": "people", "to_columns": ["name"]},
        },
    }[kind]
    fitting = [column for column in node.columns if column.type in wanted]
    if not fitting:
        return None
    column = _one(draw, fitting)
    named = {"columns": [column.name]} if kind == "referential" else {"column": column.name}
    return common | named | wanted[column.type]
