"""The PySpark form of the steps: DataFrame code as an engineer writes it by hand.

Here: sources, steps, and the rows that `drop` expectations leave out, as cells. Not here: the quality gate (`gate`),
the write (`write`), the notebook around them (`ipynb`). No UDF, no action before the gate, no cache (serverless
has none).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from pipeline_magic.compiler.columns import carried, in_order, needs
from pipeline_magic.compiler.describe import describe, describe_source
from pipeline_magic.compiler.expectations import failing_condition, node_of
from pipeline_magic.compiler.fragments import (
    case_of_segment,
    equal_keys,
    framed,
    free_name,
    over,
    pivot_measure,
    ranked,
    stack_of,
)
from pipeline_magic.compiler.python import assign, call, column, listing, literal, sql_argument, variables
from pipeline_magic.compiler.sql import checked_columns, unchecked
from pipeline_magic.spec.dialect import identifier, parse
from pipeline_magic.spec.functions import FUNCTIONS
from pipeline_magic.spec.literals import sql_literal
from pipeline_magic.spec.model import (
    Aggregate,
    Cast,
    Deduplicate,
    Derive,
    Expectation,
    Explode,
    Fill,
    Filter,
    Join,
    Order,
    Pivot,
    Referential,
    Rename,
    Segment,
    Select,
    Source,
    Sql,
    Step,
    Top,
    Union,
    Unpivot,
    Window,
)
from pipeline_magic.spec.typed import Node, TypedSpec
from pipeline_magic.spec.types import parse_type
from pipeline_magic.spec.typing.groups import pivot_names, tie_breakers
from pipeline_magic.spec.typing.sets import join_columns

__all__ = ["Cell", "Program", "checks_of", "measure", "orphans", "program", "sort_key"]


@dataclass(frozen=True)
class Cell:
    """One cell: a stable id, what it does in a sentence, and its Python source."""

    id: str
    title: str
    source: str
    markdown: bool = False


@dataclass(frozen=True)
class Program:
    """The transformation as cells, and what the cells after it need to know.

    Attributes:
        names: DataFrame of each node that is computed.
        unchecked: DataFrame of its rows before `drop` expectations, where it has any.
        columns: Columns that each of these DataFrames has, in their order.
    """

    cells: tuple[Cell, ...]
    names: Mapping[str, str]
    unchecked: Mapping[str, str]
    columns: Mapping[str, tuple[str, ...]]


def checks_of(typed: TypedSpec) -> tuple[Expectation, ...]:
    """Expectations that are run, with drops before the others of the same rows."""
    return tuple(item for item in typed.spec.expectations if item.enabled)


def program(typed: TypedSpec, *, drops: bool = True, selects: bool = False) -> Program:
    """Sources and steps as cells, pruned to what target and expectations read.

    Args:
        drops: Leave out the rows that fail `drop` expectations; False where the platform does that itself.
        selects: Leave columns out by naming those that stay, where `drop` is resolved before its input is known.
    """
    return _Emitter(typed, drops, selects).program()


class _Emitter:
    def __init__(self, typed: TypedSpec, drops: bool, selects: bool) -> None:
        self.typed = typed
        self.dropping = drops
        self.selecting = selects
        self.names = variables(typed)
        self.steps: dict[str, Step] = {step.id: step for step in typed.spec.steps}
        self.sources = {source.alias: source for source in typed.spec.sources}
        roots: dict[str, set[str]] = {}
        roots[typed.spec.target.input] = {column.name for column in typed.node(typed.spec.target.input).columns}
        for item in checks_of(typed):
            name = node_of(item, typed)
            wanted = {c.name for c in typed.node(name).columns} if item.quarantine else checked_columns(item, typed)
            roots.setdefault(name, set()).update(wanted)
            if isinstance(item, Referential):
                roots.setdefault(item.to, set()).update(item.to_columns)
        self.have = carried(typed, needs(typed, roots))
        self.unchecked: dict[str, str] = {}

    def program(self) -> Program:
        cells = []
        for node in in_order(self.typed, self.have, [i for i in checks_of(self.typed) if i.action == "drop"]):
            source = self.sources.get(node.id)
            title = describe_source(source) if source is not None else describe(self.steps[node.id])
            lines = self.source(source) if source is not None else self.step(self.steps[node.id])
            lines += self.drops(node) if self.dropping else []
            cells.append(Cell(node.id, title, "\n".join(lines)))
        return Program(tuple(cells), {name: self.names[name] for name in self.have}, self.unchecked, self.have)

    # -- sources and drops

    def source(self, source: Source) -> list[str]:
        name, calls, lines = self.names[source.alias], [], []
        if source.filter is not None:
            calls.append(f"where({sql_argument(source.filter)})")
        have = self.have[source.alias]
        whole = tuple(column.name for column in self.typed.node(source.alias).columns)
        pruned = [call("select", [column(item) for item in have])] if have != whole else []
        base = f"spark.read.table(source_{source.alias})"
        if source.watermark is None:
            return [assign(name, base, [*calls, *pruned])]
        kind = next(c.type for c in self.typed.node(source.alias).columns if c.name == source.watermark)
        mark, own = f"F.col({column(source.watermark)})", literal(f"_watermark_{source.alias}")
        seen, newest = f"seen_{source.alias}", f"newest_{source.alias}"
        lines.append(assign(name, base, calls))
        lines += [
            f'{newest} = {name}.agg(F.max({column(source.watermark)}).cast("string")).first()[0]',
            f"{seen} = None",
            "if spark.catalog.tableExists(target):",
            f'    {seen} = spark.read.table(target).agg(F.max({own}).cast("string")).first()[0]',
            f"{name} = {name}.where({mark} <= F.lit({newest}).cast({literal(kind)}))",
            f"if {seen} is not None:",
            f"    {name} = {name}.where({mark} > F.lit({seen}).cast({literal(kind)}))",
        ]
        if pruned:
            lines.append(f"{name} = {name}.{pruned[0]}")
        return lines

    def drops(self, node: Node) -> list[str]:
        items = [i for i in checks_of(self.typed) if i.action == "drop" and node_of(i, self.typed) == node.id]
        if not items:
            return []
        name = self.names[node.id]
        before = unchecked(name, self.typed)
        self.unchecked[node.id] = before
        lines = ["", f"{before} = {name}"]
        for item in items:
            lines.append(f"# Leave out the rows that fail {item.id}")
            if isinstance(item, Referential):
                lines.append(self.with_parent(name, item))
            else:
                text = failing_condition(item, self.typed)
                assert text is not None
                lines.append(f"{name} = {name}.where({sql_argument(f'NOT coalesce({text}, FALSE)')})")
        return lines

    def with_parent(self, name: str, item: Referential) -> str:
        """Rows whose columns are NULL somewhere, or that have a parent."""
        names = [(one, two, f"_parent_{two}") for one, two in zip(item.columns, item.to_columns, strict=True)]
        parents = f"{self.names[item.to]}.select({', '.join(_alias(two, own) for _, two, own in names)}).distinct()"
        tests = [f"F.col({column(one)}) == F.col({column(own)})" for one, _, own in names]
        on = tests[0] if len(tests) == 1 else " & ".join(f"({test})" for test in tests)
        kept = " OR ".join(
            [f"{identifier(names[0][2])} IS NOT NULL", *(f"{identifier(one)} IS NULL" for one in item.columns)]
        )
        calls = [call("join", [parents, on, literal("left")]), f"where({literal(kept)})"]
        return assign(name, name, [*calls, f"drop({', '.join(literal(own) for _, _, own in names)})"])

    # -- steps

    def step(self, step: Step) -> list[str]:
        emitter: Any = _STEPS[step.kind]
        lines: str | list[str] = emitter(self, step)
        return [lines] if isinstance(lines, str) else lines

    def one(self, step: Step, calls: Sequence[str]) -> str:
        return assign(self.names[step.id], self.names[step.input], calls)  # type: ignore[union-attr]  # steps of one input

    def filter_(self, step: Filter) -> str:
        return self.one(step, [f"where({sql_argument(step.condition)})"])

    def derive(self, step: Derive) -> str:
        return self.one(step, [self.with_columns({item.name: self.row(item.expression) for item in step.columns})])

    def with_columns(self, new: Mapping[str, str]) -> str:
        if len(new) == 1:
            [(name, text)] = new.items()
            return call("withColumn", [literal(name), text])
        return call("withColumns", ["{" + "".join(f"\n    {literal(n)}: {t}," for n, t in new.items()) + "\n}"])

    def row(self, text: str) -> str:
        tree = parse(text)
        plain = isinstance(tree, exp.Column) and not tree.table
        return f"F.col({column(tree.name)})" if plain else f"F.expr({sql_argument(text)})"

    def cast(self, step: Cast) -> str:
        word = "try_cast" if step.on_error == "null" else "cast"
        new = {
            item.column: f"F.col({column(item.column)}).{word}({literal(item.type)})"
            if word == "cast"
            else f"F.expr({literal(f'TRY_CAST({identifier(item.column)} AS {item.type.upper()})')})"
            for item in step.columns
        }
        return self.one(step, [self.with_columns(new)])

    def fill(self, step: Fill) -> str:
        kinds = {c.name: parse_type(c.type) for c in self.typed.node(step.input).columns}
        new = {}
        for item in step.columns:
            value = sql_literal(item.value, kinds[item.column])
            new[item.column] = f"F.coalesce(F.col({column(item.column)}), F.expr({literal(value)}))"
        return self.one(step, [self.with_columns(new)])

    def rename(self, step: Rename) -> str:
        if len(step.columns) == 1:
            [item] = step.columns
            return self.one(step, [f"withColumnRenamed({literal(item.column)}, {literal(item.name)})"])
        calls = {item.column: item.name for item in step.columns}
        pairs = ", ".join(f"{literal(old)}: {literal(new)}" for old, new in calls.items())
        return self.one(step, [call("withColumnsRenamed", [f"{{{pairs}}}"])])

    def select(self, step: Select) -> str:
        return self.one(step, [call("select", [column(name) for name in step.columns])])

    def aggregate(self, step: Aggregate) -> str:
        measures = [f"{measure(item.expression)}.alias({literal(item.name)})" for item in step.measures]
        groups = [f"groupBy({listing(step.group_by)})"] if step.group_by else []
        return self.one(step, [*groups, self.agg(measures)])

    def agg(self, measures: Sequence[str]) -> str:
        """Several measures stand one a line."""
        if len(measures) == 1:
            return call("agg", measures)
        return "agg(" + "".join(f"\n    {text}," for text in measures) + "\n)"

    def pivot(self, step: Pivot) -> str:
        kind = parse_type(next(c.type for c in self.typed.node(step.input).columns if c.name == step.column))
        measures = []
        for name, value, text in pivot_names(step):
            made = pivot_measure(text, f"{identifier(step.column)} = {sql_literal(value, kind)}")
            measures.append(f"F.expr({sql_argument(made)}).alias({literal(name)})")
        return self.one(step, [f"groupBy({listing(step.group_by)})", self.agg(measures)])

    def unpivot(self, step: Unpivot) -> str:
        kept = [column(name) for name in self.have[step.input] if name not in step.columns]
        stack = stack_of(step, self.typed.node(step.input), self.typed.node(step.id))
        names = f"{identifier(step.name_column)}, {identifier(step.value_column)}"
        calls = [call("select", [*kept, f"F.expr({literal(f'{stack} AS ({names})')})"])]
        if not step.keep_nulls:
            calls.append(f"where(F.col({column(step.value_column)}).isNotNull())")
        return self.one(step, calls)

    def explode(self, step: Explode) -> str:
        kept = [column(name) for name in self.have[step.input] if name != step.name]
        word = ("posexplode" if step.position else "explode") + ("_outer" if step.outer else "")
        names = ", ".join(literal(name) for name in (step.position, step.name) if name)
        return self.one(step, [call("select", [*kept, f"F.{word}({column(step.column)}).alias({names})"])])

    def join(self, step: Join) -> list[str]:
        left, right = self.names[step.left], self.names[step.right]
        shared = equal_keys(step)
        same = len(shared) == len(step.keys) and all(key.left == key.right for key in step.keys)
        if step.how in {"semi", "anti"}:
            return self.semi(step, left, right)
        columns = [
            pair
            for pair in join_columns(step, self.typed.node(step.left).columns, self.typed.node(step.right).columns)
            if pair[1] in self.have[step.id]
        ]
        brought = dict(columns)
        lefts = {name.casefold() for name in self.have[step.left]}
        keys = {key.right: key.right for key in step.keys}
        select, drop, on = [], [], []
        for name in self.have[step.right]:
            if name in brought:
                select.append(column(name) if brought[name] == name else _alias(name, brought[name]))
            elif name in keys:
                keys[name] = name if same or name.casefold() not in lefts else f"_right_{name}"
                select.append(column(name) if keys[name] == name else _alias(name, keys[name]))
                drop += [] if same else [keys[name]]
        for key in step.keys:
            own = brought.get(key.right, keys[key.right])
            on.append(f"F.col({column(key.left)}) == F.col({column(own)})")
        plain = select == [column(name) for name in self.have[step.right]]
        other = right if plain else f"{right}.{call('select', select, 8)}"
        if same:
            on_text = using(key.left for key in step.keys)
        else:
            on_text = on[0] if len(on) == 1 else " & ".join(f"({item})" for item in on)
        calls = [call("join", [other, on_text, literal(step.how)])]
        return [assign(self.names[step.id], left, [*calls, *self.merged_keys(step, keys, same, drop)])]

    def merged_keys(self, step: Join, keys: Mapping[str, str], same: bool, drop: Sequence[str]) -> list[str]:
        """After a join by condition: a key of one name holds whichever side is there; the right one's copy leaves."""
        calls = []
        if not same and step.how in {"right", "full"}:
            for key in equal_keys(step):
                both = f"F.coalesce({listing([key.left, keys[key.right]])})"
                calls.append(f"withColumn({literal(key.left)}, {both})")
        if drop:
            calls.append(self.without(step, drop))
        return calls

    def without(self, step: Step, names: Sequence[str]) -> str:
        """The call that leaves out columns which only the step itself needed."""
        if self.selecting:
            return call("select", [column(name) for name in self.have[step.id]])
        return f"drop({', '.join(literal(name) for name in names)})"

    def semi(self, step: Join, left: str, right: str) -> list[str]:
        same = all(key.left == key.right for key in step.keys)
        if same:
            on = using(key.left for key in step.keys)
            other = f"{right}.select({listing(key.right for key in step.keys)})"
        else:
            names = {key.right: f"_right_{key.right}" for key in step.keys}
            other = f"{right}.select({', '.join(_alias(old, new) for old, new in names.items())})"
            tests = [f"F.col({column(key.left)}) == F.col({column(names[key.right])})" for key in step.keys]
            on = tests[0] if len(tests) == 1 else " & ".join(f"({item})" for item in tests)
        return [assign(self.names[step.id], left, [call("join", [other, on, literal(f"left_{step.how}")])])]

    def union(self, step: Union) -> str:
        parts = []
        for name in step.inputs:
            spelled = {c.name.casefold(): c.name for c in self.typed.node(name).columns}
            wanted = tuple(spelled[item.casefold()] for item in self.have[step.id])
            exact = set(self.have[name]) == set(wanted)
            parts.append(self.names[name] if exact else f"{self.names[name]}.select({listing(wanted)})")
        calls = [f"unionByName({part})" for part in parts[1:]]
        return assign(self.names[step.id], parts[0], [*calls, *(["distinct()"] if step.distinct else [])])

    # -- windows

    def spec(self, partition_by: Sequence[str], orders: Sequence[Order], frame: str = "") -> str:
        made = f"Window.partitionBy({listing(partition_by)})" if partition_by or not orders else "Window"
        if orders:
            made += f".{call('orderBy', [sort_key(order) for order in orders])}"
        return made + frame

    def window(self, step: Window) -> list[str]:
        node = self.typed.node(step.input)
        lines: list[str] = []
        specs: dict[str, str] = {}
        new = {}
        for item in step.columns:
            native = window_call(item.expression)
            if native is None:
                new[item.name] = f"F.expr({sql_argument(over(item.expression, step, node))})"
                continue
            function, text = native
            orders = step.order_by
            if orders and ranked(function, step):
                orders = (*orders, *tie_breakers(node, step.partition_by, orders))
            frame = ""
            if step.frame is not None and framed(function, step):
                frame = f".{step.frame.kind}Between({_bound(step.frame.start, True)}, {_bound(step.frame.end, False)})"
            made = self.spec(step.partition_by, orders, frame)
            name = specs.setdefault(made, f"{self.names[step.id]}_window" + (str(len(specs) + 1) if specs else ""))
            new[item.name] = f"{text}.over({name})"
        lines += [f"{name} = {made}" for made, name in specs.items()]
        return [*lines, self.one(step, [self.with_columns(new)])]

    def segment(self, step: Segment) -> str:
        text = case_of_segment(step)
        made = " ".join(line.strip() for line in text.split("\n"))
        if len(made) <= 90:
            return self.one(step, [call("withColumn", [literal(step.column), f"F.expr({sql_argument(made)})"])])
        parts = [sql_argument(line.strip() + (" " if line != "END" else "")) for line in text.split("\n")]
        body = "\n".join("    " + part for part in parts)
        return self.one(step, [call("withColumn", [literal(step.column), f"F.expr(\n{body}\n)"])])

    def deduplicate(self, step: Deduplicate) -> list[str]:
        node = self.typed.node(step.input)
        orders = (*step.order_by, *tie_breakers(node, step.keys, step.order_by))
        return self.first_rows(step, step.keys, orders, "row_number", 1)

    def top(self, step: Top) -> list[str]:
        node = self.typed.node(step.input)
        if step.ties:
            return self.first_rows(step, step.partition_by, step.order_by, "rank", step.n)
        orders = (*step.order_by, *tie_breakers(node, step.partition_by, step.order_by))
        if step.partition_by:
            return self.first_rows(step, step.partition_by, orders, "row_number", step.n)
        return [self.one(step, [call("orderBy", [sort_key(order) for order in orders]), f"limit({step.n})"])]

    def first_rows(
        self, step: Deduplicate | Top, by: Sequence[str], orders: Sequence[Order], function: str, n: int
    ) -> list[str]:
        rank = free_name("_rank" if function == "rank" else "_row", self.typed.node(step.input))
        name = f"{self.names[step.id]}_window"
        spec = self.spec(by, orders or (Order(column=by[0]),))
        test = f"{rank} = 1" if n == 1 else f"{rank} <= {n}"
        calls = [f"withColumn({literal(rank)}, F.{function}().over({name}))", f"where({literal(test)})"]
        return [f"{name} = {spec}", self.one(step, [*calls, self.without(step, [rank])])]

    def sql(self, step: Sql) -> list[str]:
        lines = [f"{self.names[name]}.createOrReplaceTempView({literal(name)})" for name in step.inputs]
        if "\n" not in step.query:
            return [*lines, f"{self.names[step.id]} = spark.sql({sql_argument(step.query)})"]
        parts = [sql_argument(line + " ") for line in step.query.split("\n")]
        body = "\n".join("    " + part for part in parts)
        return [*lines, f"{self.names[step.id]} = spark.sql(\n{body}\n)"]


def using(names: Iterable[str]) -> str:
    """The names that a join is by; `join` takes them as they are, without backticks."""
    shown = [literal(name) for name in names]
    return shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"


def orphans(name: str, parent: str, item: Referential) -> str:
    """Rows of `name` with values in all of the columns that `parent` does not have."""
    names = [(one, two, f"_parent_{two}") for one, two in zip(item.columns, item.to_columns, strict=True)]
    select = ", ".join(_alias(two, own) for _, two, own in names)
    tests = [f"F.col({column(one)}) == F.col({column(own)})" for one, _, own in names]
    on = tests[0] if len(tests) == 1 else " & ".join(f"({test})" for test in tests)
    filled = " AND ".join(f"{identifier(one)} IS NOT NULL" for one in item.columns)
    return f'{name}.where({literal(filled)}).join({parent}.select({select}), {on}, "left_anti")'


def _alias(old: str, new: str) -> str:
    return f"F.col({column(old)}).alias({literal(new)})"


def _bound(value: int | None, start: bool) -> str:
    if value is None:
        return "Window.unboundedPreceding" if start else "Window.unboundedFollowing"
    return "Window.currentRow" if value == 0 else str(value)


def sort_key(order: Order) -> str:
    """A sort key that says where NULLs go."""
    word = "desc" if order.descending else "asc"
    return f"F.col({column(order.column)}).{word}_nulls_{'first' if order.nulls_first else 'last'}()"


_NATIVE = {"sum": "sum", "avg": "avg", "mean": "avg", "min": "min", "max": "max", "count": "count", "median": "median"}


def measure(text: str) -> str:
    """An aggregate as DataFrame code: ``F.sum("x")`` for the plain ones, F.expr for the rest."""
    tree = parse(text)
    if isinstance(tree, exp.Anonymous) and len(tree.expressions) == 1:
        name, argument = str(tree.this), tree.expressions[0]
        if name == "count" and isinstance(argument, exp.Star):
            return 'F.count("*")'
        if name == "count" and isinstance(argument, exp.Distinct) and len(argument.expressions) == 1:
            only = argument.expressions[0]
            if isinstance(only, exp.Column) and not only.table:
                return f"F.count_distinct({column(only.name)})"
        if name in _NATIVE and isinstance(argument, exp.Column) and not argument.table:
            return f"F.{_NATIVE[name]}({column(argument.name)})"
    return f"F.expr({sql_argument(text)})"


_RANKS = ("row_number", "rank", "dense_rank", "percent_rank", "cume_dist")


def window_call(text: str) -> tuple[str, str] | None:
    """The function and the DataFrame code of a single window call without OVER; None for anything more."""
    tree = parse(text)
    if not isinstance(tree, exp.Anonymous) or FUNCTIONS[str(tree.this)].kind == "row":
        return None
    name = str(tree.this)
    if name in _RANKS:
        return name, f"F.{name}()"
    if name == "ntile":
        return name, f"F.ntile({tree.expressions[0].name})"
    if name in {"lag", "lead"} and isinstance(tree.expressions[0], exp.Column) and len(tree.expressions) <= 2:
        plain = len(tree.expressions) == 1 or isinstance(tree.expressions[1], exp.Literal)
        if tree.expressions[0].table or not plain:
            return None
        offset = f", {tree.expressions[1].name}" if len(tree.expressions) == 2 else ""
        return name, f"F.{name}({column(tree.expressions[0].name)}{offset})"
    made = measure(text) if FUNCTIONS[name].kind == "aggregate" else ""
    return (name, made) if made.startswith("F.") and not made.startswith("F.expr") else None


_STEPS = {
    "filter": _Emitter.filter_,
    "join": _Emitter.join,
    "derive": _Emitter.derive,
    "aggregate": _Emitter.aggregate,
    "window": _Emitter.window,
    "segment": _Emitter.segment,
    "deduplicate": _Emitter.deduplicate,
    "select": _Emitter.select,
    "rename": _Emitter.rename,
    "cast": _Emitter.cast,
    "fill": _Emitter.fill,
    "union": _Emitter.union,
    "pivot": _Emitter.pivot,
    "unpivot": _Emitter.unpivot,
    "explode": _Emitter.explode,
    "top": _Emitter.top,
    "sql": _Emitter.sql,
}
