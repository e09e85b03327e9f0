"""How many statements are read right.

    python benchmarks/statements.py --corpus DIR [--planner embedded|llm] [--framed] [--predictions FILE] [--quick]
                                    [--part dev|held_out|blind|dev2]

A corpus is a folder with ``transform_eval.jsonl`` (statement, tables, SQLite file, gold SQL) and, where there is one,
``statement_parts.jsonl`` (schedules, write modes, checks, targets, hostile phrases). Each statement is read by the
planner, which may look words up in the item's data as the product does where the data are, then completed, typed and
compiled; the SQL form runs on the item's SQLite file and its rows are compared with the
gold rows: every gold column must be found among the columns of ours, whatever it is called. An item may also say what
it `expects` of the rest: target, mode, keys, schedule, comment and checks; then it is right only with all of them.

Items marked `blind` (written without a look at the planner) are scored by ``--part blind`` alone, and those of the part
`dev2` by ``--part dev2``: without ``--part`` the others are, dev and held_out together.

Prints a table; the last line is JSON. `right`, `silently_wrong`, `asked` and `error` are fractions of the items that
have an answer; an item is asked only if a must-answer question is open. `guessed` is the fraction of items without an
answer that were answered all the same, `unsafe` the fraction of phrases whose prediction holds what it must not.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from pipeline_magic.agents.catalog.index import CatalogIndex
from pipeline_magic.agents.specification import SpecificationParserAgent
from pipeline_magic.agents.specification.values import data_with
from pipeline_magic.compiler.sql import target_query
from pipeline_magic.errors import LanguageModelError, PipelineMagicError, StatementError, TableNotFound
from pipeline_magic.runs import Parsed
from pipeline_magic.spec.paths import complete
from pipeline_magic.spec.schema import Column, TableSchema
from pipeline_magic.spec.typed import type_spec

__all__ = ["main"]

FRAME = "Build a table that answers: {}"
NOW = datetime(2025, 6, 30, 12, tzinfo=timezone.utc)
_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600}


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The items of a file; none when it is not there."""
    if path.exists():
        for line in path.read_text("utf-8").splitlines():
            if line.strip():
                yield json.loads(line)


def schemas(item: dict[str, Any]) -> list[TableSchema]:
    """The item's tables, as a catalog would describe them."""
    return [
        TableSchema(
            table=f"corpus.main.{table['name']}",
            columns=tuple(
                Column(name=column["name"], type=column["type"], comment=column.get("comment") or "")
                for column in table["columns"]
            ),
            comment=table.get("comment") or "",
            primary_key=tuple(table.get("primary_key") or ()),
        )
        for table in item["tables"]
    ]


def own_part(item: dict[str, Any]) -> str | None:
    """The part that an item is scored with only when asked for: `blind`, `dev2`, or None."""
    return "blind" if item.get("blind") else item.get("part")


def reader(planner: str, database: Path | None = None) -> SpecificationParserAgent:
    """The agent that reads, with a look into the data; a language model as environment and `pipeline_magic.toml` say.

    Raises:
        ConfigurationError: None is configured.
    """
    if planner == "embedded":
        look = partial(looked_up, database) if database is not None else None
        return SpecificationParserAgent(data=data_with(look) if look is not None else None)
    from pipeline_magic.config import load_settings
    from pipeline_magic.flow.flow import parser_with
    from pipeline_magic.wiring import language_model

    settings = load_settings()
    model = language_model(settings)
    agent = SpecificationParserAgent(parser_with(model, settings) if model else None, planner="llm")
    agent.inputs("", catalog=CatalogIndex(()), answers={})  # no model: said before the first item
    return agent


def looked_up(database: Path, text: str) -> list[tuple[Any, ...]]:
    """The rows of a look into the data, on the item's SQLite file."""
    import sqlglot

    tree = sqlglot.parse_one(text, read="databricks")
    for table in tree.find_all(sqlglot.exp.Table):
        table.set("catalog", None)
    return rows(database, tree.sql(dialect="sqlite"), own=True)


def parse(
    statement: str, tables: list[TableSchema], as_of: str | None, agent: SpecificationParserAgent | None = None
) -> Parsed:
    """The statement, read by the planner."""
    now = datetime.fromisoformat(as_of).replace(tzinfo=timezone.utc) if as_of else NOW
    return (agent or SpecificationParserAgent()).parse(statement, catalog=CatalogIndex(tables), now=now)


def query_of(parsed: Parsed, tables: list[TableSchema], as_of: str | None) -> str:
    """The SQL form of the draft, for SQLite."""
    import sqlglot

    by_name = {table.table: table for table in tables}
    draft = parsed.draft
    if draft.target.table is None:
        draft = draft.model_copy(update={"target": draft.target.model_copy(update={"table": "corpus.main.answer"})})
    spec = complete(draft)
    typed = type_spec(spec, {source.alias: by_name[source.table] for source in spec.sources})
    run_time = (as_of or NOW.isoformat()).replace(" ", "T")
    if "+" not in run_time:
        run_time += "+00:00"
    names = {source.alias: source.table for source in spec.sources}
    text = target_query(typed, run_time=run_time, tables=names)
    tree = sqlglot.parse_one(text, read="databricks")
    for table in tree.find_all(sqlglot.exp.Table):
        if table.args.get("catalog"):
            table.set("catalog", None)  # `main` is the file's own schema in SQLite
    return sqlite_text(tree, sqlglot)


def sqlite_text(tree: Any, sqlglot: Any) -> str:
    """SQLite's words for what it has no function for; dates are text there."""
    exp = sqlglot.exp

    def change(node: Any) -> Any:
        if isinstance(node, exp.Cast) and node.to.this in (
            exp.DataType.Type.DATE,
            exp.DataType.Type.TIMESTAMP,
            exp.DataType.Type.TIMESTAMPTZ,
        ):
            return exp.Anonymous(this="date", expressions=[node.this])
        if isinstance(node, exp.TimeToStr) and node.args["format"].name in {"%A", "%B"}:  # names, which SQLite lacks
            return exp.Anonymous(this="name_of", expressions=[node.this, node.args["format"]])
        if isinstance(node, exp.TimeToStr):  # what sqlglot notes of Spark's patterns is no word of SQLite
            node.set("format", exp.Literal.string(node.args["format"].name.replace("strict", "")))
        if isinstance(node, exp.StrToUnix):
            return exp.Anonymous(this="seconds_of", expressions=[node.this])
        if isinstance(node, (exp.TimestampDiff, exp.DateDiff)) and node.unit and node.unit.name.upper() in _SECONDS:
            seconds = exp.Literal.number(_SECONDS[node.unit.name.upper()])
            return exp.Anonymous(this="whole_units", expressions=[node.this, node.expression, seconds])
        if isinstance(node, exp.DateDiff) and node.text("unit").upper() in {"", "DAY"}:  # midnights, whatever the hours
            return exp.Anonymous(this="datediff", expressions=[node.this, node.expression])
        if isinstance(node, (exp.TimestampTrunc, exp.DateTrunc)):
            return exp.Anonymous(this="date_trunc", expressions=[exp.Literal.string(node.unit.name), node.this])
        if isinstance(node, (exp.TsOrDsAdd, exp.DateAdd, exp.DateSub)):
            return exp.Anonymous(
                this="date_sub" if isinstance(node, exp.DateSub) else "date_add",
                expressions=[node.this, node.expression],
            )
        return node

    text: str = tree.transform(change).sql(dialect="sqlite")
    return text


def functions(connection: sqlite3.Connection) -> None:
    """Functions of Spark that SQLite lacks, as the drafts use them."""

    def day(text: Any) -> Any:
        return None if text is None else str(text)[:10]

    def trunc(first: Any, second: Any) -> Any:
        unit, text = (first, second) if str(first).isalpha() else (second, first)
        if text is None:
            return None
        date = datetime.fromisoformat(str(text)[:10])
        unit = str(unit).upper()
        if unit == "WEEK":
            return datetime.fromordinal(date.toordinal() - date.weekday()).date().isoformat()
        month = {"MONTH": date.month, "QUARTER": 3 * ((date.month - 1) // 3) + 1, "YEAR": 1}.get(unit, date.month)
        return date.replace(month=month, day=date.day if unit == "DAY" else 1).date().isoformat()

    def months(text: Any, count: Any) -> Any:
        if text is None:
            return None
        date = datetime.fromisoformat(str(text)[:10])
        index = date.year * 12 + date.month - 1 + int(count)
        year, month = divmod(index, 12)
        for last in (date.day, 30, 29, 28):
            try:
                return date.replace(year=year, month=month + 1, day=min(date.day, last)).date().isoformat()
            except ValueError:
                continue
        return None

    def add(text: Any, count: Any) -> Any:
        return (
            None
            if text is None
            else datetime.fromordinal(datetime.fromisoformat(str(text)[:10]).toordinal() + int(count))
            .date()
            .isoformat()
        )

    def apart(first: Any, second: Any, *_: Any) -> Any:
        if first is None or second is None:
            return None
        return (datetime.fromisoformat(str(first)[:10]) - datetime.fromisoformat(str(second)[:10])).days

    def weekday(text: Any) -> Any:
        return None if text is None else datetime.fromisoformat(str(text)[:10]).isoweekday() % 7 + 1

    def moment(text: Any) -> Any:
        return (
            None
            if text is None
            else round(datetime.fromisoformat(str(text)[:19]).replace(tzinfo=timezone.utc).timestamp())
        )

    def whole(later: Any, earlier: Any, seconds: int) -> Any:
        return None if later is None or earlier is None else int((moment(later) - moment(earlier)) / seconds)

    def piece(start: int) -> Any:
        return lambda text: None if text is None else int(str(text)[start : start + 2] or 0)

    for name, count, function in (
        ("to_date", 1, day),
        ("seconds_of", 1, moment),
        ("whole_units", 3, whole),
        ("day", 1, piece(8)),
        ("day_of_month", 1, piece(8)),
        ("hour", 1, piece(11)),
        ("minute", 1, piece(14)),
        ("date_trunc", 2, trunc),
        ("timestamp_trunc", 2, trunc),
        ("add_months", 2, months),
        ("date_sub", 2, lambda text, count: add(text, -int(count))),
        ("date_add", 2, add),
        ("datediff", 2, apart),
        ("date_diff", 2, apart),
        ("contains", 2, lambda text, part: None if text is None else part in text),
        ("startswith", 2, lambda text, part: None if text is None else text.startswith(part)),
        ("starts_with", 2, lambda text, part: None if text is None else text.startswith(part)),
        ("ends_with", 2, lambda text, part: None if text is None else text.endswith(part)),
        ("endswith", 2, lambda text, part: None if text is None else text.endswith(part)),
        ("year", 1, lambda text: None if text is None else int(str(text)[:4])),
        ("month", 1, lambda text: None if text is None else int(str(text)[5:7])),
        ("quarter", 1, lambda text: None if text is None else (int(str(text)[5:7]) + 2) // 3),
        (
            "name_of",
            2,
            lambda text, how: None if text is None else datetime.fromisoformat(str(text)[:10]).strftime(how),
        ),
        ("dayofweek", 1, weekday),
        ("day_of_week", 1, weekday),
    ):
        connection.create_function(name, count, function)


# --- comparing ---------------------------------------------------------------------------------------------------


def cell(value: Any) -> str:
    """A value as text: numbers to four digits, dates without a zero time."""
    if value is None:
        return "∅"
    try:
        return f"{round(float(value), 4):.10g}"
    except (TypeError, ValueError):
        return re.sub(r"[ T]00:00:00(\.0+)?$", "", str(value).strip())


def matches(gold: list[tuple[Any, ...]], mine: list[tuple[Any, ...]]) -> bool:
    """The rows are the same, in any order, when the gold columns are picked out of mine."""
    wanted = [tuple(cell(value) for value in row) for row in gold]
    found = [tuple(cell(value) for value in row) for row in mine]
    if len(wanted) != len(found):
        return False
    if not wanted:
        return True
    columns = [sorted(row[index] for row in wanted) for index in range(len(wanted[0]))]
    have = [sorted(row[index] for row in found) for index in range(len(found[0]))]
    options = [[index for index, values in enumerate(have) if values == column] for column in columns]
    for picked in itertools.islice(itertools.product(*options), 5000):
        if len(set(picked)) == len(picked) and sorted(tuple(row[i] for i in picked) for row in found) == sorted(wanted):
            return True
    return False


def rows(path: Path, query: str, *, own: bool) -> list[tuple[Any, ...]]:
    """Rows of a query on a SQLite file, opened read-only; at most five seconds."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.text_factory = lambda raw: raw.decode("utf8", "replace")
    if own:
        functions(connection)
    started = time.monotonic()
    connection.set_progress_handler(lambda: time.monotonic() - started > 5, 5000)
    try:
        return connection.execute(query).fetchmany(20_000)
    finally:
        connection.close()


def answer(
    item: dict[str, Any], corpus: Path, framed: bool, agent: SpecificationParserAgent | None = None
) -> dict[str, Any]:
    """What became of one item: the prediction's row, with ``outcome``."""
    statement = item["statement"] + (f" {item['hint']}" if item.get("hint") else "")
    agent = agent or reader("embedded", corpus / item["db"])
    tables, as_of = schemas(item), item.get("as_of")
    made: dict[str, Any] = {"id": item["id"]}
    try:
        parsed = parse(FRAME.format(statement) if framed else statement, tables, as_of, agent)
    except (StatementError, TableNotFound) as error:
        return {**made, "asked": True, "why": error.message, "outcome": "asked"}
    except LanguageModelError as error:
        return {**made, "error": error.message, "outcome": "error", "why": str(error)}
    must = [question for question in parsed.questions if question.must_answer]
    if must:
        return {**made, "asked": True, "why": "; ".join(f"{q.id} {q.text}" for q in must), "outcome": "asked"}
    try:
        query = query_of(parsed, tables, as_of)
        found = rows(corpus / item["db"], query, own=True)
    except (PipelineMagicError, sqlite3.Error) as error:
        return {**made, "error": str(error).splitlines()[0], "outcome": "error", "why": str(error)}
    made |= {"columns": [], "rows": [list(row) for row in found], "query": query}
    if item["kind"] != "execute":
        return {**made, "outcome": "guessed"}
    golds = [item["gold"]["sql"], *item["gold"]["alternatives"]]
    right = any(matches(rows(corpus / item["db"], gold, own=False), found) for gold in golds)
    missed = [] if not right else unmet(parsed, item.get("expects") or {})
    if missed:
        made["why"] = "the rows are right, but not: " + ", ".join(missed)
    return {**made, "outcome": "right" if right and not missed else "silently_wrong"}


def unmet(parsed: Parsed, expects: dict[str, Any]) -> list[str]:
    """What an item expects beside rows and the draft does not say."""
    from benchmarks.phrases import rules_of

    draft = parsed.draft
    trigger = draft.trigger
    found: dict[str, Any] = {
        "target": draft.target.table,
        "mode": draft.target.mode or "overwrite",
        "keys": list(draft.target.keys),
        "comment": draft.target.comment,
        "trigger": trigger.kind if trigger else "manual",
        "cron": getattr(trigger, "cron", None),
        "timezone": getattr(trigger, "timezone", None),
    }
    missed = [f"{name} is {found[name]!r}" for name, value in expects.items() if name in found and found[name] != value]
    rules = [rule for expectation in draft.expectations for rule in rules_of(expectation)]
    return missed + [f"check {rule}" for rule in expects.get("checks", ()) if rule not in rules]


# --- phrases -----------------------------------------------------------------------------------------------------


def part(item: dict[str, Any], agent: SpecificationParserAgent | None = None) -> dict[str, Any]:
    """What a phrase is read as, in the form the scorer takes."""
    from benchmarks.phrases import read_phrase

    return {"id": item["id"], **read_phrase(item, agent)}


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--corpus", type=Path, required=True)
    options.add_argument("--planner", choices=("embedded", "llm"), default="embedded")
    options.add_argument("--framed", action="store_true", help="put each statement as: " + FRAME.format("…"))
    options.add_argument("--predictions", type=Path)
    options.add_argument("--quick", action="store_true", help="every fifth item")
    options.add_argument(
        "--part", choices=("dev", "held_out", "blind", "dev2"), help="only these (default: dev and held_out)"
    )
    options.add_argument("--show", action="store_true", help="print each item that is not right")
    given = options.parse_args(arguments)
    try:
        agent = reader(given.planner) if given.planner == "llm" else None
    except PipelineMagicError as error:
        print(error, file=sys.stderr)
        return 2
    items = list(lines(given.corpus / "transform_eval.jsonl"))
    apart = given.part if given.part in {"blind", "dev2"} else None
    items = [item for item in items if own_part(item) == apart][:: 5 if given.quick else 1]
    if given.part in {"dev", "held_out"}:
        items = [item for item in items if bool(item.get("held_out")) == (given.part == "held_out")]
    phrases = list(lines(given.corpus / "statement_parts.jsonl"))
    made = [answer(item, given.corpus, given.framed, agent) for item in items]
    parts = [part(item, agent) for item in phrases]
    count = Counter((item["kind"], result["outcome"]) for item, result in zip(items, made, strict=True))
    if given.show:
        for item, result in zip(items, made, strict=True):
            if result["outcome"] not in {"right"} and not (item["kind"] != "execute" and result["outcome"] == "asked"):
                print(
                    f"{item['id']} {result['outcome']}: {item['statement']}\n    "
                    f"{result.get('why') or result.get('query')}"
                )
    if given.predictions:
        given.predictions.write_text(
            "".join(
                json.dumps({k: v for k, v in row.items() if k not in {"outcome", "why"}}, default=str) + "\n"
                for row in [*made, *parts]
            )
        )
    summary = summarise(count, phrases, parts)
    for name, value in summary.items():
        print(f"{name:16s} {value}")
    print(json.dumps(summary))
    return 0


def summarise(
    count: Counter[tuple[str, str]], phrases: list[dict[str, Any]], parts: list[dict[str, Any]]
) -> dict[str, float]:
    """The measures of a run."""
    total = sum(value for (kind, _), value in count.items() if kind == "execute") or 1
    share = {name: count["execute", name] / total for name in ("right", "silently_wrong", "asked", "error")}
    answered = count["execute", "right"] + count["execute", "silently_wrong"]
    without = [(outcome, value) for (kind, outcome), value in count.items() if kind == "unanswerable"]
    unsafe = sum(
        any(
            word.casefold() in json.dumps({k: v for k, v in row.items() if k in {"code", "sql", "spec"}}).casefold()
            for word in item["gold"].get("must_not", ())
        )
        for item, row in zip(phrases, parts, strict=True)
    )
    return {
        **{name: round(value, 4) for name, value in share.items()},
        "precision": round(count["execute", "right"] / answered, 4) if answered else 0.0,
        "guessed": round(
            sum(v for o, v in without if o in {"guessed", "right", "silently_wrong"})
            / max(1, sum(v for _, v in without)),
            4,
        ),
        "unsafe": round(unsafe / max(1, len(phrases)), 4),
        "items": float(total),
    }


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    raise SystemExit(main())
