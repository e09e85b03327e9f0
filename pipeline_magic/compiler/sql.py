"""One SELECT from a typed spec: a common table expression for each source and step, as a person would write it.

Here: the SQL form of every step. Not here: what a write mode does with the rows (`pyspark`) and the checks themselves.
The form is the reference: the notebook and the Lakeflow pipeline must give the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipeline_magic.compiler.columns import carried, in_order, needs, reads, upstream
from pipeline_magic.compiler.expectations import failing_condition, node_of, run_literals
from pipeline_magic.compiler.fragments import (
    case_of_segment,
    equal_keys,
    free_name,
    full_order,
    order_clause,
    over,
    pivot_measure,
    stack_of,
)
from pipeline_magic.spec.dialect import identifier
from pipeline_magic.spec.expressions import with_run_time
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
from pipeline_magic.spec.names import split_table
from pipeline_magic.spec.typed import TypedSpec
from pipeline_magic.spec.types import parse_type
from pipeline_magic.spec.typing.groups import pivot_names
from pipeline_magic.spec.typing.sets import join_columns

__all__ = [
    "checked_columns",
    "kept_query",
    "query",
    "select_list",
    "step_query",
    "table_name",
    "target_query",
    "unchecked",
]

_WIDTH = 100


def query(
    typed: TypedSpec, node_id: str, *, run_time: str, tables: Mapping[str, str] | None = None, drops: bool = False
) -> str:
    """One SELECT that gives the rows of a source or step, with all of its columns in their order.

    Args:
        typed: The typed spec.
        node_id: Alias of a source or id of a step.
        run_time: ISO 8601 with offset: what ``run_time()`` stands for.
        tables: Other tables to read, by source alias.
        drops: Leave out what the `drop` expectations of the nodes before this one leave out.

    Returns:
        Spark SQL, no semicolon at the end.
    """
    return _Writer(typed, run_time, tables or {}, drops).select(node_id, own_drops=False)


def target_query(typed: TypedSpec, *, run_time: str, tables: Mapping[str, str] | None = None) -> str:
    """One SELECT that gives the rows the target takes, with every `drop` expectation applied.

    Args:
        typed: The typed spec.
        run_time: ISO 8601 with offset.
        tables: Other tables to read, by source alias.
    """
    return _Writer(typed, run_time, tables or {}, True).select(typed.spec.target.input, own_drops=True)


def step_query(typed: TypedSpec, node_id: str, *, run_time: str, columns: Mapping[str, Sequence[str]]) -> str:
    """One SELECT for one source or step alone, over its inputs by their ids; a source reads the table of its alias.

    Args:
        typed: The typed spec.
        node_id: Alias of a source or id of a step.
        run_time: ISO 8601 with offset.
        columns: Columns that each node has.
    """
    return _alone(typed, run_time, columns).node(node_id)


def kept_query(
    typed: TypedSpec, node_id: str, items: Sequence[Expectation], *, run_time: str, columns: Mapping[str, Sequence[str]]
) -> str:
    """One SELECT for the rows of a node that fail none of its `drop` expectations, over its unchecked rows."""
    return _alone(typed, run_time, columns).kept(unchecked(node_id, typed), items)


def _alone(typed: TypedSpec, run_time: str, columns: Mapping[str, Sequence[str]]) -> _Writer:
    writer = _Writer(typed, run_time, {}, False)
    writer.have = {name: tuple(have) for name, have in columns.items()}
    return writer


def table_name(table: str) -> str:
    """A full table name as it stands in SQL."""
    return ".".join(identifier(part) for part in split_table(table))


def unchecked(node_id: str, typed: TypedSpec) -> str:
    """Name of a node's rows before its `drop` expectations; no other node is called so."""
    name = f"{node_id}_unchecked"
    while any(node.id == name for node in typed.nodes):
        name += "_"
    return name


def select_list(items: Sequence[str]) -> str:
    """The columns of a SELECT: on one line where they fit, else one a line."""
    line = ", ".join(items)
    if len(line) + len("  SELECT ") <= _WIDTH and not any("\n" in item for item in items):
        return f"SELECT {line}"
    return "SELECT\n  " + ",\n  ".join(item.replace("\n", "\n  ") for item in items)


class _Writer:
    def __init__(self, typed: TypedSpec, run_time: str, tables: Mapping[str, str], drops: bool) -> None:
        self.typed = typed
        self.tables = tables
        self.timestamp, self.date = run_literals(typed, run_time)
        self.dropping = (
            [item for item in typed.spec.expectations if item.enabled and item.action == "drop"] if drops else []
        )
        self.have: dict[str, tuple[str, ...]] = {}

    def select(self, node_id: str, *, own_drops: bool) -> str:
        typed = self.typed
        drops = [item for item in self.dropping if own_drops or node_of(item, typed) != node_id]
        roots: dict[str, set[str]] = {node_id: {column.name for column in typed.node(node_id).columns}}
        self.dropping = []
        while (found := self.reached(drops, roots)) != self.dropping:
            self.dropping = found  # what a row is looked up in may have drops of its own
            for item in found:
                roots.setdefault(node_of(item, typed), set()).update(checked_columns(item, typed))
                if isinstance(item, Referential):
                    roots.setdefault(item.to, set()).update(item.to_columns)
        self.have = carried(typed, needs(typed, roots))
        parts: list[tuple[str, str]] = []
        for node in in_order(typed, self.have, self.dropping):
            mine = [item for item in self.dropping if node_of(item, typed) == node.id]
            name = unchecked(node.id, typed) if mine else node.id
            parts.append((name, self.node(node.id)))
            if mine:
                parts.append((node.id, self.kept(name, mine)))
        exact = tuple(column.name for column in typed.node(node_id).columns)
        last = "*" if self.have[node_id] == exact else ", ".join(identifier(name) for name in exact)
        if len(parts) == 1 and last == "*":
            return parts[0][1]
        body = ",\n".join(f"{identifier(name)} AS (\n{_indent(text)}\n)" for name, text in parts)
        return f"WITH {body}\nSELECT {last}\nFROM {identifier(node_id)}"

    def reached(self, drops: Iterable[Expectation], roots: Iterable[str]) -> list[Expectation]:
        """Those of the expectations whose nodes the roots rest on."""
        nodes = {node.id for node in upstream(self.typed, roots)}
        return [item for item in drops if node_of(item, self.typed) in nodes]

    def kept(self, name: str, items: Sequence[Expectation]) -> str:
        """The rows of `name` that fail none of the expectations."""
        conditions: list[str] = []
        for item in items:
            if isinstance(item, Referential):
                conditions.append(self.has_parent(name, item))
                continue
            text = failing_condition(item, self.typed)
            assert text is not None
            conditions.append(f"NOT coalesce({self.timed(text)}, FALSE)")
        return f"SELECT *\nFROM {identifier(name)}\nWHERE " + "\n  AND ".join(conditions)

    def has_parent(self, name: str, item: Referential) -> str:
        pairs = " AND ".join(
            f"_parent.{identifier(two)} = {identifier(name)}.{identifier(one)}"
            for one, two in zip(item.columns, item.to_columns, strict=True)
        )
        nulls = "".join(f"{identifier(one)} IS NULL OR " for one in item.columns)
        return f"({nulls}EXISTS (SELECT 1 FROM {identifier(item.to)} AS _parent WHERE {pairs}))"

    def timed(self, text: str) -> str:
        return with_run_time(text, self.timestamp, self.date)

    # -- a node

    def node(self, node_id: str) -> str:
        source = next((source for source in self.typed.spec.sources if source.alias == node_id), None)
        if source is not None:
            return self.source(source)
        step = next(step for step in self.typed.spec.steps if step.id == node_id)
        return _STEPS[step.kind](self, step)  # type: ignore[no-any-return, operator]  # one writer a kind

    def source(self, source: Source) -> str:
        columns = select_list([identifier(name) for name in self.have[source.alias]])
        where = f"\nWHERE {self.timed(source.filter)}" if source.filter is not None else ""
        return f"{columns}\nFROM {table_name(self.tables.get(source.alias, source.table))}{where}"

    def filter_(self, step: Filter) -> str:
        return f"SELECT *\nFROM {identifier(step.input)}\nWHERE {self.timed(step.condition)}"

    def replaced(self, step: Step, name: str, new: Mapping[str, str]) -> str:
        """All columns of the input, those in `new` with another value, then the added ones."""
        before = self.have[name]
        added = [f"{text} AS {identifier(column)}" for column, text in new.items() if column not in before]
        if all(column not in before for column in new):
            return f"{select_list(['*', *added])}\nFROM {identifier(name)}"
        kept = [f"{new[column]} AS {identifier(column)}" if column in new else identifier(column) for column in before]
        return f"{select_list([*kept, *added])}\nFROM {identifier(name)}"

    def derive(self, step: Derive) -> str:
        return self.replaced(step, step.input, {item.name: self.timed(item.expression) for item in step.columns})

    def cast(self, step: Cast) -> str:
        word = "TRY_CAST" if step.on_error == "null" else "CAST"
        return self.replaced(
            step,
            step.input,
            {item.column: f"{word}({identifier(item.column)} AS {item.type.upper()})" for item in step.columns},
        )

    def fill(self, step: Fill) -> str:
        kinds = {column.name: parse_type(column.type) for column in self.typed.node(step.input).columns}
        new = {
            item.column: f"coalesce({identifier(item.column)}, {sql_literal(item.value, kinds[item.column])})"
            for item in step.columns
        }
        return self.replaced(step, step.input, new)

    def rename(self, step: Rename) -> str:
        names = {item.column: item.name for item in step.columns}
        items = [
            f"{identifier(name)} AS {identifier(names[name])}" if name in names else identifier(name)
            for name in self.have[step.input]
        ]
        return f"{select_list(items)}\nFROM {identifier(step.input)}"

    def select_(self, step: Select) -> str:
        return f"{select_list([identifier(name) for name in step.columns])}\nFROM {identifier(step.input)}"

    def join(self, step: Join) -> str:
        left, right = identifier(step.left), identifier(step.right)
        on = "\n  AND ".join(f"{left}.{identifier(k.left)} = {right}.{identifier(k.right)}" for k in step.keys)
        word = {"left": "LEFT", "right": "RIGHT", "full": "FULL", "semi": "LEFT SEMI", "anti": "LEFT ANTI"}
        joined = f"FROM {left}\n{word.get(step.how, 'INNER')} JOIN {right}\n  ON {on}"
        if step.how in {"semi", "anti"}:
            return f"SELECT {left}.*\n{joined}"
        shared = {key.left: key.right for key in equal_keys(step)} if step.how in {"right", "full"} else {}
        items = [f"{left}.*"]
        if shared:
            items = [
                f"coalesce({left}.{identifier(name)}, {right}.{identifier(shared[name])}) AS {identifier(name)}"
                if name in shared
                else f"{left}.{identifier(name)}"
                for name in self.have[step.left]
            ]
        columns = join_columns(step, self.typed.node(step.left).columns, self.typed.node(step.right).columns)
        for old, new in columns:
            if new in self.have[step.id]:
                items.append(f"{right}.{identifier(old)}" + (f" AS {identifier(new)}" if new != old else ""))
        return f"{select_list(items)}\n{joined}"

    def union(self, step: Union) -> str:
        names = self.have[step.id]
        word = "\nUNION\n" if step.distinct else "\nUNION ALL\n"
        parts = []
        for name in step.inputs:
            spelled = {column.name.casefold(): column.name for column in self.typed.node(name).columns}
            items = [identifier(spelled[column.casefold()]) for column in names]
            parts.append(f"{select_list(items)}\nFROM {identifier(name)}")
        return word.join(parts)

    def aggregate(self, step: Aggregate) -> str:
        groups = [identifier(name) for name in step.group_by]
        measures = [f"{self.timed(item.expression)} AS {identifier(item.name)}" for item in step.measures]
        by = f"\nGROUP BY {', '.join(groups)}" if groups else ""
        return f"{select_list([*groups, *measures])}\nFROM {identifier(step.input)}{by}"

    def pivot(self, step: Pivot) -> str:
        kind = parse_type(next(c.type for c in self.typed.node(step.input).columns if c.name == step.column))
        groups = [identifier(name) for name in step.group_by]
        items = [
            f"{self.timed(pivot_measure(text, f'{identifier(step.column)} = {sql_literal(value, kind)}'))}"
            f" AS {identifier(name)}"
            for name, value, text in pivot_names(step)
        ]
        return f"{select_list([*groups, *items])}\nFROM {identifier(step.input)}\nGROUP BY {', '.join(groups)}"

    def unpivot(self, step: Unpivot) -> str:
        source, name, value = identifier(step.input), identifier(step.name_column), identifier(step.value_column)
        kept = [f"{source}.{identifier(column)}" for column in self.have[step.input] if column not in step.columns]
        stack = stack_of(step, self.typed.node(step.input), self.typed.node(step.id), f"{source}.")
        columns = select_list([*kept, f"_long.{name}", f"_long.{value}"])
        text = f"{columns}\nFROM {source}\nLATERAL VIEW {stack} _long AS {name}, {value}"
        if step.keep_nulls:
            return text
        return f"SELECT *\nFROM (\n{_indent(text)}\n) AS _all\nWHERE {value} IS NOT NULL"

    def explode(self, step: Explode) -> str:
        outer, source = " OUTER" if step.outer else "", identifier(step.input)
        kept = [f"{source}.{identifier(name)}" for name in self.have[step.input] if name != step.name]
        new = [*([identifier(step.position)] if step.position else []), identifier(step.name)]
        word = "posexplode" if step.position else "explode"
        view = f"LATERAL VIEW{outer} {word}({source}.{identifier(step.column)}) _item AS {', '.join(new)}"
        return f"{select_list([*kept, *(f'_item.{name}' for name in new)])}\nFROM {source}\n{view}"

    def window(self, step: Window) -> str:
        node = self.typed.node(step.input)
        items = [f"{self.timed(over(item.expression, step, node))} AS {identifier(item.name)}" for item in step.columns]
        return f"{select_list(['*', *items])}\nFROM {identifier(step.input)}"

    def segment(self, step: Segment) -> str:
        text = self.timed(case_of_segment(step))
        return f"{select_list(['*', f'{text} AS {identifier(step.column)}'])}\nFROM {identifier(step.input)}"

    def deduplicate(self, step: Deduplicate) -> str:
        node = self.typed.node(step.input)
        return self.first_rows(step.input, step.keys, full_order(node, step.keys, step.order_by), "row_number", 1)

    def top(self, step: Top) -> str:
        node = self.typed.node(step.input)
        if step.ties:
            return self.first_rows(step.input, step.partition_by, order_clause(step.order_by), "rank", step.n)
        order = full_order(node, step.partition_by, step.order_by)
        if step.partition_by:
            return self.first_rows(step.input, step.partition_by, order, "row_number", step.n)
        return f"SELECT *\nFROM {identifier(step.input)}\nORDER BY {order}\nLIMIT {step.n}"

    def first_rows(self, name: str, partition_by: Sequence[str], order: str, function: str, n: int) -> str:
        rank = free_name("_rank" if function == "rank" else "_row", self.typed.node(name))
        by = f"PARTITION BY {', '.join(identifier(column) for column in partition_by)} " if partition_by else ""
        order = f"ORDER BY {order}" if order else f"ORDER BY {identifier(partition_by[0])}"
        inner = f"SELECT *, {function}() OVER ({by}{order}) AS {rank}\nFROM {identifier(name)}"
        columns = select_list([identifier(column) for column in self.have[name]])
        test = f"{rank} = 1" if n == 1 else f"{rank} <= {n}"
        return f"{columns}\nFROM (\n{_indent(inner)}\n) AS _ranked\nWHERE {test}"

    def sql(self, step: Sql) -> str:
        return self.timed(step.query)


def checked_columns(item: Expectation, typed: TypedSpec) -> set[str]:
    """Columns of its node that an expectation reads."""
    names = set(getattr(item, "columns", None) or ())
    single, condition = getattr(item, "column", None), getattr(item, "condition", None)
    node = typed.node(node_of(item, typed))
    return {*names, *([single] if single else ()), *(reads(condition, node) if condition else ())}


def _indent(text: str) -> str:
    return "\n".join("  " + line for line in text.split("\n"))


_STEPS = {
    "filter": _Writer.filter_,
    "join": _Writer.join,
    "derive": _Writer.derive,
    "aggregate": _Writer.aggregate,
    "window": _Writer.window,
    "segment": _Writer.segment,
    "deduplicate": _Writer.deduplicate,
    "select": _Writer.select_,
    "rename": _Writer.rename,
    "cast": _Writer.cast,
    "fill": _Writer.fill,
    "union": _Writer.union,
    "pivot": _Writer.pivot,
    "unpivot": _Writer.unpivot,
    "explode": _Writer.explode,
    "top": _Writer.top,
    "sql": _Writer.sql,
}
