"""A pytest file for a reviewer: what the spec says must hold, asserted of the notebook on a few rows.

It needs pytest and any Spark, and nothing of ours: a reviewer who does not trust the compiler should not have to
install it. The notebook's own cells run, up to the quality gate, so nothing is written. Three kinds of asserts, none of
which knows a result by heart:

- laws in plain Python: a join by nested loops, groups counted, the first row of a group looked for;
- the step once more as SQL over its inputs, made from the same spec but on another way than the DataFrame code;
- what typing promises: columns and types of the target, keys unique, columns never NULL; a second run gives the same.

Not here: the rows (`examples`), the gate and the write, which need Delta and are run before approval.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from pipeline_magic.compiler.describe import comment, describe, describe_expectation, describe_source
from pipeline_magic.compiler.examples import example_rows
from pipeline_magic.compiler.expectations import node_of
from pipeline_magic.compiler.pyspark import Program, checks_of, program
from pipeline_magic.compiler.python import literal
from pipeline_magic.compiler.sql import kept_query, step_query, table_name, unchecked
from pipeline_magic.spec.dialect import identifier
from pipeline_magic.spec.model import Aggregate, Deduplicate, Filter, Join, Pivot, Sql, Step, Top, Union, Window
from pipeline_magic.spec.typed import Node, TypedSpec
from pipeline_magic.spec.typing.groups import takes_any_of_ties
from pipeline_magic.spec.typing.sets import join_columns

__all__ = ["RUN_TIME", "test_source"]

RUN_TIME = "2024-03-10T06:30:00+00:00"
"""The time of the run in the tests: fixed, so that every run of them sees the same."""

_HEAD = """\
import json
import os
from collections import Counter
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).with_name({notebook})
RUN_TIME = {run_time}
"""

_BODY = '''

class Widgets:
    """Stands for dbutils: each widget has the value it is given here, else its default."""

    def __init__(self, values):
        self.values, self.widgets = dict(values), self

    def text(self, name, default):
        self.values.setdefault(name, default)

    def get(self, name):
        return self.values[name]


class Pipeline:
    """The notebook run on the rows above, up to its quality gate: nothing is written."""

    def __init__(self, spark):
        self.spark = spark
        values = {"run_time": RUN_TIME, "target": "no_such_table"}
        for alias, (columns, rows) in SOURCES.items():
            nothing = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in columns)
            selects = [f"SELECT {nothing} WHERE 1 = 0"]
            for row in rows:
                cells = [f"CAST({value} AS {kind}) AS {name}" for value, (name, kind) in zip(row, columns)]
                selects.append("SELECT " + ", ".join(cells))
            spark.sql(" UNION ALL ".join(selects)).createOrReplaceTempView(f"_source_{alias}")
            values[f"source_{alias}"] = f"_source_{alias}"
        space = {"spark": spark, "dbutils": Widgets(values), "__name__": "notebook"}
        for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"]:
            part = cell["metadata"]["pipeline_magic"]
            if cell["cell_type"] == "code" and (part["step"] or part["part"] == "parameters"):
                exec("".join(cell["source"]), space)
        self.frames = {name: space[variable] for name, variable in FRAMES.items()}
        for name, frame in self.frames.items():
            frame.createOrReplaceTempView(name)
        self.collected = {}

    def rows(self, name):
        """Rows of a source or step, each a dict."""
        if name not in self.collected:
            self.collected[name] = [row.asDict() for row in self.frames[name].collect()]
        return self.collected[name]

    def sql(self, query):
        """Rows of a query over sources and steps."""
        return [row.asDict() for row in self.spark.sql(query).collect()]


def plain(value):
    """A value that can be counted: nested ones as tuples, numbers to nine digits."""
    if isinstance(value, float):
        return "NaN" if value != value else float(f"{value:.9g}")
    if isinstance(value, dict):
        return tuple(sorted((str(name), plain(item)) for name, item in value.items()))
    if isinstance(value, (list, tuple)):
        return tuple(plain(item) for item in value)
    return value


def key(row, names):
    return tuple(plain(row[name]) for name in names)


def counted(rows, names=None):
    """How often each row occurs; of the columns that the rows have in common when none are named."""
    rows = list(rows)
    names = sorted(rows[0]) if rows and names is None else names or []
    return Counter(key(row, names) for row in rows)


def joined(left, right, keys, how, bring, left_names):
    """A join by nested loops: NULL meets nothing. `bring` says what the right columns are called in the result."""
    made, met = [], set()
    for one in left:
        found = [
            place for place, two in enumerate(right)
            if all(one[a] is not None and two[b] is not None and one[a] == two[b] for a, b in keys)
        ]
        met.update(found)
        if how == "semi" or how == "anti":
            made += [one] if bool(found) == (how == "semi") else []
            continue
        made += [{**one, **{new: right[place][old] for old, new in bring}} for place in found]
        if not found and how in ("left", "full"):
            made.append({**one, **{new: None for _, new in bring}})
    if how in ("right", "full"):
        for place, two in enumerate(right):
            if place not in met:
                alone = {name: None for name in left_names}
                alone.update({a: two[b] for a, b in keys if a.lower() == b.lower()})
                made.append({**alone, **{new: two[old] for old, new in bring}})
    return made


@pytest.fixture(scope="module")
def spark():
    """Databricks Connect where it is installed, the server SPARK_REMOTE names, or a Spark of this process."""
    if "SPARK_REMOTE" not in os.environ:
        try:
            from databricks.connect import DatabricksSession
        except ImportError:
            pass
        else:
            return DatabricksSession.builder.getOrCreate()
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    if "SPARK_REMOTE" not in os.environ:
        builder = builder.master("local[2]").config("spark.sql.shuffle.partitions", "2")
        builder = builder.config("spark.ui.enabled", "false")
    return builder.getOrCreate()


@pytest.fixture(scope="module")
def pipeline(spark):
    return Pipeline(spark)
'''


def test_source(typed: TypedSpec) -> str:
    """The test file of a pipeline, as Python source.

    Args:
        typed: The typed spec.
    """
    return _Writer(typed).text()


test_source.__test__ = False  # type: ignore[attr-defined]  # pytest would take it for a test where it is imported


class _Writer:
    def __init__(self, typed: TypedSpec) -> None:
        self.typed = typed
        self.program: Program = program(typed)
        self.have = self.program.columns
        self.steps: dict[str, Step] = {step.id: step for step in typed.spec.steps}
        self.nodes: list[Node] = [node for node in typed.nodes if node.id in self.have]

    def text(self) -> str:
        name = self.typed.spec.name
        doc = [
            f"Tests of the pipeline {name}: what spec.yml says must hold, on a few rows made for it.",
            "",
            "    pip install pytest pyspark",
            f"    pytest pipelines/{name}/test_{name}.py",
            "",
            "Runs with Databricks Connect too, and with any Spark Connect server that SPARK_REMOTE names. Nothing is",
            "read from a catalog and nothing is written. The rows hold NULLs, duplicates, keys without a partner and",
            "values at the bounds of conditions; change them as you like, for no test knows a result by heart.",
            "",
            "Generated by pipeline_magic; a change made here is not taken over.",
        ]
        head = _HEAD.format(notebook=literal(f"{name}.ipynb"), run_time=literal(RUN_TIME))
        tests = "".join(f"\n\n{text}" for text in self.tests())
        return '"""' + "\n".join(doc) + '\n"""\n\n' + head + "\n" + self.data() + _BODY + tests

    # -- data

    def data(self) -> str:
        read = {source.alias: self.read_columns(source.alias) for source in self.typed.spec.sources}
        read = {alias: names for alias, names in read.items() if names}
        rows = example_rows(self.typed, read, RUN_TIME)
        lines = ["# Source: its columns with their types, and its rows as SQL", "SOURCES = {"]
        for alias, names in read.items():
            kinds = {column.name: column.type for column in self.typed.node(alias).columns}
            lines += [f"    {literal(alias)}: (", "        ["]
            lines += [f"            ({literal(identifier(name))}, {literal(kinds[name])})," for name in names]
            lines += ["        ],", "        ["]
            lines += [
                f"            ({', '.join(map(literal, row))}{',' if len(row) == 1 else ''})," for row in rows[alias]
            ]
            lines += ["        ],", "    ),"]
        lines += ["}", "", "# Source or step: the notebook's variable for it", "FRAMES = {"]
        for node in self.nodes:
            if node.id in self.program.unchecked:
                before = self.program.unchecked[node.id]
                lines.append(f"    {literal(unchecked(node.id, self.typed))}: {literal(before)},")
            lines.append(f"    {literal(node.id)}: {literal(self.program.names[node.id])},")
        return "\n".join([*lines, "}", ""])

    def read_columns(self, alias: str) -> tuple[str, ...]:
        """Columns of a source that the notebook reads, those of its filter and watermark included."""
        from pipeline_magic.compiler.columns import reads

        if alias not in self.have:
            return ()
        node = self.typed.node(alias)
        source = next(source for source in self.typed.spec.sources if source.alias == alias)
        wanted = {*self.have[alias], *([source.watermark] if source.watermark else [])}
        if source.filter is not None:
            wanted |= set(reads(source.filter, node))
        return tuple(column.name for column in node.columns if column.name in wanted)

    # -- tests

    def tests(self) -> Iterator[str]:
        for node in self.nodes:
            yield self.of_node(node)
            drops = [i for i in checks_of(self.typed) if i.action == "drop" and node_of(i, self.typed) == node.id]
            if drops:
                said = " ".join(f"{comment(describe_expectation(item), 200)}." for item in drops)
                query = kept_query(self.typed, node.id, drops, run_time=RUN_TIME, columns=self.have)
                yield _test(f"drops_{node.id}", said, [_equal_sql(node.id, query, self.have[node.id])])
        yield from self.promises()
        yield self.of_target()
        last = self.typed.node(self.typed.spec.target.input)
        loose = _loose(self.steps[last.id]) if last.id in self.steps else frozenset()
        if self.loose_before(last):
            return
        sure = "" if not loose else f", {_names([name for name in self.have[last.id] if name not in loose])}"
        yield _test(
            "second_run",
            "The same rows come out when it is run again.",
            [
                f"again = Pipeline(pipeline.spark).rows({literal(last.id)})",
                f"assert counted(again{sure}) == counted(pipeline.rows({literal(last.id)}){sure})",
            ],
        )

    def of_node(self, node: Node) -> str:
        source = next((source for source in self.typed.spec.sources if source.alias == node.id), None)
        out = unchecked(node.id, self.typed) if node.id in self.program.unchecked else node.id
        query = step_query(self.typed, node.id, run_time=RUN_TIME, columns=self.have)
        if source is not None:
            wanted = query.replace(f"FROM {table_name(source.table)}", f"FROM _source_{node.id}")
            if source.watermark is not None:
                wanted += f"{' AND' if source.filter else chr(10) + 'WHERE'} {identifier(source.watermark)} IS NOT NULL"
            lines = [_equal_sql(out, wanted, self.have[node.id])]
            return _test(f"source_{node.id}", f"{describe_source(source)}.", lines)
        step = self.steps[node.id]
        lines = self.laws(step, out)
        if not isinstance(step, Join):  # the loops say all of it
            lines += self.equal(out, node, query)
        return _test(f"step_{node.id}", f"{describe(step)}.", lines)

    def equal(self, out: str, node: Node, query: str) -> list[str]:
        """The rows are those of the query; in columns that ties cannot change."""
        if self.loose_before(node):
            return []
        sure = [name for name in self.have[node.id] if name not in _loose(self.steps[node.id])]
        return [_equal_sql(out, query, sure)] if sure else []

    def loose_before(self, node: Node) -> bool:
        """Whether ties may change what the node is made of."""
        above = [self.typed.node(name) for name in node.inputs]
        return any((one.id in self.steps and _loose(self.steps[one.id])) or self.loose_before(one) for one in above)

    def laws(self, step: Step, out: str) -> list[str]:
        """What holds of a step whatever the rows, in plain Python."""
        made = f"made = pipeline.rows({literal(out)})"
        if isinstance(step, Join):
            return [made, *self.of_join(step)]
        if isinstance(step, Union):
            before = " + ".join(f"pipeline.rows({literal(name)})" for name in step.inputs)
            return [made, f"assert len(made) == len({'counted(made)' if step.distinct else before})"]
        if isinstance(step, Sql):
            return []
        before = f"before = pipeline.rows({literal(step.input)})"
        if isinstance(step, (Aggregate, Pivot)):
            groups = f"{{key(row, {_names(step.group_by)}) for row in before}}" if step.group_by else "[()]"
            return [made, before, f"groups = {groups}", "assert len(made) == len(groups)"]
        if isinstance(step, Filter):
            return [made, before, "assert not counted(made) - counted(before)"]
        if isinstance(step, Deduplicate):
            groups = f"{{key(row, {_names(step.keys)}) for row in before}}"
            return [
                made,
                before,
                f"assert counted(made, {_names(step.keys)}) == Counter({groups})",
                "assert not counted(made) - counted(before)",
            ]
        if isinstance(step, Top):
            return [made, before, *self.of_top(step)]
        if step.kind == "unpivot":
            return [made, before, f"assert len(made) <= len(before) * {len(step.columns)}"]
        if step.kind == "explode":
            least = f"max({1 if step.outer else 0}, len(row[{literal(step.column)}] or ()))"
            return [made, before, f"assert len(made) == sum({least} for row in before)"]
        return [made, before, "assert len(made) == len(before)"]

    def of_top(self, step: Top) -> list[str]:
        groups = f"counted(before, {_names(step.partition_by)})"
        lines = [f"groups, kept = {groups}, counted(made, {_names(step.partition_by)})"]
        sign = ">=" if step.ties else "=="
        lines.append(f"assert all(kept[group] {sign} min({step.n}, number) for group, number in groups.items())")
        return [*lines, "assert not counted(made) - counted(before)"]

    def of_join(self, step: Join) -> list[str]:
        left, right = self.typed.node(step.left), self.typed.node(step.right)
        have = self.have[step.id]
        bring = []
        if step.how not in {"semi", "anti"}:
            names = join_columns(step, left.columns, right.columns)
            bring = [(old, new) for old, new in names if new in have and old in self.have[step.right]]
        keys = ", ".join(f"({literal(key.left)}, {literal(key.right)})" for key in step.keys)
        pairs = ", ".join(f"({literal(old)}, {literal(new)})" for old, new in bring)
        lines = [
            f"left, right = pipeline.rows({literal(step.left)}), pipeline.rows({literal(step.right)})",
            f"keys = [{keys}]",
            f"bring = [{pairs}]",
            _columns(have),
            f"expected = joined(left, right, keys, {literal(step.how)}, bring, {_names(self.have[step.left])})",
            "assert counted(made, columns) == counted(expected, columns)",
        ]
        if step.how in {"left", "full"}:
            lines.append("assert len(made) >= len(left)  # no row of the left is lost")
        return lines

    def promises(self) -> Iterator[str]:
        """Keys that are unique and columns that are never NULL, by typing."""
        for node in self.nodes:
            have = set(self.have[node.id])
            keys = [found for found in node.keys if have.issuperset(found)]
            solid = [column.name for column in node.columns if column.name in have and not column.nullable]
            lines = [f"rows = pipeline.rows({literal(node.id)})"]
            lines += [f"assert max(counted(rows, {_names(found)}).values(), default=1) == 1" for found in keys if found]
            if () in keys:
                lines.append("assert len(rows) <= 1")
            if solid:
                lines.append(f"assert not [row for row in rows if None in key(row, {_names(solid)})]")
            if len(lines) > 1:
                said = [*(f"one row for each {', '.join(found) or 'run'}" for found in keys)]
                said += [f"{', '.join(solid)} never NULL"] if solid else []
                yield _test(f"promises_{node.id}", f"{node.id}: {'; '.join(said)}.", lines)

    def of_target(self) -> str:
        node = self.typed.node(self.typed.spec.target.input)
        lines = [f"found = dict(pipeline.frames[{literal(node.id)}].dtypes)", "declared = {"]
        lines += [f"    {literal(column.name)}: {literal(column.type)}," for column in node.columns]
        lines += ["}", "assert {name: found.get(name) for name in declared} == declared"]
        return _test("target_columns", "The target has the columns and types that were declared.", lines)


def _names(names: Sequence[str]) -> str:
    return f"[{', '.join(map(literal, names))}]"


def _loose(step: Step) -> frozenset[str]:
    """Columns whose value is any of several where rows tie: the spec does not say which (typing warns of it)."""
    made = step.measures if isinstance(step, (Aggregate, Pivot)) else step.columns if isinstance(step, Window) else ()
    return frozenset(item.name for item in made if takes_any_of_ties(item.expression))


def _equal_sql(name: str, query: str, columns: Sequence[str]) -> str:
    lines = [_columns(columns), "expected = pipeline.sql("]
    lines += [f"    {literal(line + ' ')}" for line in query.split("\n")]
    rows = f"counted(pipeline.rows({literal(name)}), columns)"
    return "\n".join([*lines, ")", f"assert {rows} == counted(expected, columns)"])


def _columns(names: Sequence[str]) -> str:
    line = f"columns = {_names(names)}"
    if len(line) <= 110:
        return line
    return "\n".join(["columns = [", *(f"    {literal(name)}," for name in names), "]"])


def _test(name: str, said: str, lines: Sequence[str]) -> str:
    text = comment(said, 1000).replace("\\", "\\\\").replace('"', "'")
    doc = textwrap.wrap(f'"""{text}"""', 112, break_long_words=False, break_on_hyphens=False)
    body = [line for part in lines for line in part.split("\n")]
    return "\n".join([f"def test_{name}(pipeline):", *(f"    {line}" for line in (*doc, *body)), ""])
