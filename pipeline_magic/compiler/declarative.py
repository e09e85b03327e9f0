"""The Lakeflow form: the pipeline as declared datasets, ``from pyspark import pipelines as dp``.

The target is a materialized view (`overwrite`), a streaming table fed by a stream (`append`) or by AUTO CDC (`scd1`,
`scd2`); `flows` says which steps become temporary views before it. The code of a step is the notebook's own.
Definitions are evaluated several times and have no side effect. Tables are written by their last name only: catalog and
schema are the pipeline's settings, so the file is the same bytes in every environment.

Row-level expectations stand below the decorator of the dataset they are about. A `drop` that looks rows up in another
dataset stands on a view that carries what was found, so that the dropped rows are counted. Every other check
(uniqueness, row counts, references, the newest value of a column, a tolerance) is a private materialized view of one
row beside the target (`checks`). What nobody can say there, the last commit of a table, is listed by `not_carried` and
in the head of the file.

Where this differs from the notebook of the same spec:

- the checks of the target read it after it is written: one that fails fails the update, and the new rows stay. Only
  row-level expectations stop an update before the table changes;
- checks measure what is left after `drop` expectations; of a streaming table they read all of it, not what came in;
- a stream takes each row of its sources once. Sources must only grow: where a row is changed or removed, Databricks
  stops the update. A row is joined with what the other table holds when it is read, and not again later;
- `append` has no key of the run; the streaming table keeps its place, so a repeated update adds nothing;
- AUTO CDC takes no NULL in `sequence_by`: a row with one fails the update. Of rows with equal key and sequence, which
  one stays is not said.

Tried on Apache Spark (the tests say what and how), with stand-ins for `expect*` and `private`, which it lacks. Not
tried on Databricks.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable

from pipeline_magic.compiler.checks import Check, checks, holds
from pipeline_magic.compiler.describe import comment, describe_expectation, describe_trigger
from pipeline_magic.compiler.expectations import zone_of
from pipeline_magic.compiler.flows import Flows, Place, of_commit
from pipeline_magic.compiler.ipynb import headed
from pipeline_magic.compiler.pyspark import ORDERED, Cell, Program, checks_of, program
from pipeline_magic.compiler.python import call, column, literal, sql_argument
from pipeline_magic.spec.dialect import identifier
from pipeline_magic.spec.model import Expectation, Referential, Sql
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["declarative_source", "not_carried"]

_EXPECT = {"warn": "expect", "drop": "expect_or_drop", "fail": "expect_or_fail"}
_MODULE_NAMES = frozenset({"dp", "spark", "functions", "pyspark", "run_time", "run_date"})


def not_carried(typed: TypedSpec) -> tuple[Expectation, ...]:
    """Expectations that the pipeline cannot check: they ask for the history of a table."""
    return tuple(item for item in checks_of(typed) if of_commit(item))


def declarative_source(typed: TypedSpec) -> str:
    """The pipeline's source file, Python.

    Args:
        typed: A typed spec whose deployment is ``declarative``.
    """
    writer = _Writer(typed)
    blocks = writer.blocks()
    text = "\n\n\n".join(blocks)
    return "\n".join([*writer.head(text), "", "", text, ""])


class _Writer:
    def __init__(self, typed: TypedSpec) -> None:
        self.typed = typed
        self.flows = Flows(typed)
        self.made: Program = program(typed, drops=False, selects=True)
        self.cells = {cell.id: cell for cell in self.made.cells}
        self.names = self.made.names
        self.functions: set[str] = set()

    def blocks(self) -> list[str]:
        blocks = []
        for place in self.flows.views:
            blocks += self.view(place)
        blocks += self.target()
        blocks += [self.check(item) for item in checks(self.typed, self.flows, self.names)]
        return blocks

    # -- the head

    def head(self, text: str) -> list[str]:
        spec, timed = self.typed.spec, "{run_time}" in text or "{run_date}" in text
        lines = [f"# {comment(spec.name)}. {comment(describe_trigger(spec.trigger))}."]
        lines += ["# Generated from spec.yml; a change made here is not taken over."]
        lines += self.remarks()
        lines += ["from datetime import datetime, timezone"] if timed else []
        lines += ["from zoneinfo import ZoneInfo"] if "{run_date}" in text else []
        lines += [""] if timed else []
        names = "SparkSession, Window" if "Window." in text else "SparkSession"
        lines += ["from pyspark import pipelines as dp", f"from pyspark.sql import {names}"]
        lines += ["from pyspark.sql import functions as F"] if "F." in text else []
        lines += ["", "spark = SparkSession.active()"]
        if timed:
            lines += [
                'run_time = spark.conf.get("run_time", datetime.now(timezone.utc).isoformat())',
                'run_time = datetime.fromisoformat(run_time.replace("Z", "+00:00"))',
                "run_time = run_time.replace(tzinfo=run_time.tzinfo or timezone.utc).astimezone(timezone.utc)",
            ]
        if "{run_date}" in text:
            lines.append(f"run_date = run_time.astimezone(ZoneInfo({literal(zone_of(self.typed))})).date()")
        for source in spec.sources:
            name = f"source_{source.alias}"
            if f"{name})" in text:
                lines.append(f"{name} = spark.conf.get({literal(name)}, {literal(source.table)})")
        return lines

    def remarks(self) -> list[str]:
        """What a reader of the file must know of its checks and its streams."""
        made = []
        if self.flows.root.stream:
            streams = sorted({p.node for p in self.flows.closure([self.flows.root]) if p.stream})
            names = ", ".join(source.alias for source in self.typed.spec.sources if source.alias in streams)
            made.append(f"Each row of {names} is read once; a source that is changed or rewritten stops the update.")
        if any(item.action == "fail" for item in self.flows.measured):
            made.append(
                "A check beside the target that fails makes the update fail, after the target was written: it is not "
                "rolled back."
            )
        made += [
            f"Not checked by Lakeflow: {item.id}. {describe_expectation(item).rsplit('; failures', 1)[0]}."
            for item in not_carried(self.typed)
        ]
        return [line for text in made for line in headed("", text)]

    # -- datasets

    def function(self, wanted: str) -> str:
        """A name for a function that nothing else in the module has."""
        name = wanted if wanted.isidentifier() and wanted.isascii() else "target_table"
        if name in _MODULE_NAMES or name.startswith("source_") or keyword.iskeyword(name):
            name = f"make_{name}"
        while name in self.functions:
            name += "_"
        self.functions.add(name)
        return name

    def expected(self, items: Iterable[Expectation]) -> list[str]:
        return [
            f"@{call(f'dp.{_EXPECT[item.action]}', [literal(item.id), sql_argument(holds(item, self.typed))], 1)}"
            for item in items
        ]

    def view(self, place: Place) -> list[str]:
        """A temporary view; two, where its rows are looked up in another dataset."""
        name, variable = self.flows.names[place], self.names[place.node]
        items, lookups = self.flows.on(place.node), self.flows.lookups(place.node)
        if not lookups:
            return [self.dataset("temporary_view", name, [], items, self.body(self.flows.own(place), place), variable)]
        before = self.flows.free(f"{name}_looked_up")
        places = list(self.flows.own(place))
        body = self.body(places, place)
        for item in lookups:
            more = [other for other in self.flows.reached(Place(item.to, False)) if other not in places]
            body += self.body(more)
            body += self.looked_up(variable, item)
            places += more
        reader = "readStream" if place.stream else "read"
        kept = call("select", [column(item) for item in self.made.columns[place.node]], 8)
        rows = f"return spark.{reader}.table({literal(before)}).{kept}".split("\n")
        return [
            self.dataset("temporary_view", before, [], items, body, variable),
            self.dataset("temporary_view", name, [], (), rows, ""),
        ]

    def looked_up(self, variable: str, item: Referential) -> list[str]:
        """Put beside each row whether the other dataset has it."""
        names = [f"_{item.id}_{index}" for index in range(1, len(item.columns) + 1)]
        pairs = [f"F.col({column(two)}).alias({literal(own)})" for two, own in zip(item.to_columns, names, strict=True)]
        tests = [f"F.col({column(one)}) == F.col({literal(own)})" for one, own in zip(item.columns, names, strict=True)]
        on = tests[0] if len(tests) == 1 else " & ".join(f"({test})" for test in tests)
        other = f"{self.names[item.to]}.{call('select', pairs, 8)}.distinct()"
        text = f"{variable} = {variable}.{call('join', [other, on, literal('left')])}"
        return [*headed(item.id, describe_expectation(item).rsplit("; failures", 1)[0]), *text.split("\n")]

    def dataset(
        self, kind: str, name: str, layout: list[str], items: Iterable[Expectation], body: list[str], variable: str
    ) -> str:
        function = self.function(name)
        lines = [
            f"@{call(f'dp.{kind}', [f'name={column(name)}', *layout], 1)}",
            *self.expected(items),
            f"def {function}():",
        ]
        return "\n".join([*lines, *("    " + line if line else "" for line in returning(body, variable))])

    def body(self, places: Iterable[Place], own: Place | None = None) -> list[str]:
        """The lines that read or compute places, one after the other; a view is computed only where it is `own`."""
        lines: list[str] = []
        places = tuple(places)
        for place in places:
            if place in self.flows.views and place != own:
                if self.in_sql(place, places):
                    continue
                reader = "readStream" if place.stream else "read"
                lines.append(f"{self.names[place.node]} = spark.{reader}.table({literal(self.flows.names[place])})")
                continue
            cell = self.cells[place.node]
            lines += [*headed(cell.id, cell.title), *self.code(place, cell).split("\n")]
        return lines

    def code(self, place: Place, cell: Cell) -> str:
        step = self.flows.steps.get(place.node)
        if isinstance(step, Sql):
            return self.sql(step, cell)
        if step is None and place.stream:
            return cell.source.replace("spark.read.table(", "spark.readStream.table(", 1)
        return cell.source

    def in_sql(self, place: Place, places: tuple[Place, ...]) -> bool:
        """Whether only a `sql` step reads it here, which does so by its name."""
        users = [other for other in places if place in self.flows.inputs(other)]
        return bool(users) and all(isinstance(self.flows.steps.get(other.node), Sql) for other in users)

    def sql(self, step: Sql, cell: Cell) -> str:
        """The query over the datasets of the pipeline, by name."""
        lines = cell.source.split("\n")[len(step.inputs) :]
        others = {name: self.flows.names[Place(name, False)] for name in step.inputs}
        renamed = [
            f"{identifier(name)} AS (SELECT * FROM {identifier(other)})"
            for name, other in others.items()
            if name != other
        ]
        if renamed:
            query, more = step.query, ""
            if query.upper().startswith("WITH "):
                query, more = query[len("WITH ") :], ", "
            text = f"WITH {', '.join(renamed)}{more or ' '}{query}"
            return f"{self.names[step.id]} = spark.sql({sql_argument(' '.join(text.splitlines()))})"
        return "\n".join(lines)

    # -- the target and its checks

    def layout(self) -> list[str]:
        target = self.typed.spec.target
        made = [f"comment={literal(comment(target.comment))}"] if target.comment else []
        for word, names in (("partition_cols", target.partition_by), ("cluster_by", target.cluster_by)):
            made += [f"{word}=[{', '.join(literal(name) for name in names)}]"] if names else []
        return made

    def target(self) -> list[str]:
        target, flows = self.typed.spec.target, self.flows
        items = () if flows.root in flows.views else flows.on(flows.root.node)
        body, variable = self.body(flows.reached(flows.root)), self.names[flows.root.node]
        node = self.typed.node(target.input)
        wanted = [item.name for item in node.columns]
        if node.kind not in ORDERED or list(self.made.columns[node.id]) != wanted:
            named = call("select", [column(name) for name in wanted], 8)
            if not _bare("\n".join(body)).endswith(_bare(named)):
                body += f"return {variable}.{named}".split("\n")
                variable = ""
        if target.mode in {"overwrite", "append"}:
            kind = "materialized_view" if target.mode == "overwrite" else "table"
            return [self.dataset(kind, flows.table, self.layout(), items, body, variable)]
        return self.auto_cdc(items, body, variable)

    def auto_cdc(self, items: Iterable[Expectation], body: list[str], variable: str) -> list[str]:
        """AUTO CDC reads a stream of changes; expectations stand on the view it reads."""
        target = self.typed.spec.target
        changes = self.flows.free("changes")
        view = self.dataset("temporary_view", changes, [], items, body, variable)
        sequence = target.sequence_by or ""
        if next(item.nullable for item in self.typed.node(target.input).columns if item.name == sequence):
            known = call(
                "@dp.expect_or_fail", ['"sequence_known"', sql_argument(f"{identifier(sequence)} IS NOT NULL")]
            )
            first, rest = view.split("\ndef ", 1)
            view = f"{first}\n{known}\ndef {rest}"
        arguments = [
            f"target={column(self.flows.table)}",
            f"source={literal(changes)}",
            f"keys=[{', '.join(column(item) for item in target.keys)}]",
            f"sequence_by=F.col({column(sequence)})",
            f"stored_as_scd_type={2 if target.mode == 'scd2' else 1}",
        ]
        table = call("dp.create_streaming_table", [f"name={column(self.flows.table)}", *self.layout()])
        return [view, f"{table}\n{call('dp.create_auto_cdc_flow', arguments)}"]

    def check(self, item: Check) -> str:
        name = self.flows.free(item.name)
        body = self.body(item.places)
        if item.of_target is not None:
            rows = f"{item.of_target} = spark.read.table({column(self.flows.table)})"
            # of every key the version that is valid now
            body.append(rows + ('.where("__END_AT IS NULL")' if self.typed.spec.target.mode == "scd2" else ""))
        decorators = [
            f"@{call(f'dp.{_EXPECT[action]}', [literal(label), sql_argument(text)], 1)}"
            for label, action, text in item.expected
        ]
        lines = [f"@dp.materialized_view(name={literal(name)}, private=True)", *decorators]
        lines += [f"def {self.function(name)}():"]
        lines += ["    " + line for line in [*body, *item.code.split("\n")]]
        return "\n".join([*(line for text in item.says for line in headed("", text)), *lines])


def _bare(text: str) -> str:
    """Code without what depends on where its lines are broken."""
    return re.sub(r",?\s*\)", ")", re.sub(r"\s+", "", text)).rstrip(")")


def returning(body: list[str], variable: str) -> list[str]:
    """The lines with the last assignment of `variable` as the value of the function.

    >>> returning(["a = x", "b = (", "    a", ")"], "b")
    ['a = x', 'return (', '    a', ')']
    """
    if not variable:
        return body
    last = max(index for index, line in enumerate(body) if not line.startswith((" ", ")", "}", "]", "#")))
    start = f"{variable} = "
    if not body[last].startswith(start):
        return [*body, f"return {variable}"]
    return [*body[:last], "return " + body[last][len(start) :], *body[last + 1 :]]
