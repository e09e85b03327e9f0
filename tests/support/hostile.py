"""Hostile pipelines: text that tries to break out, wherever text may stand in a spec, a catalog or an environment.

A spec has one step of a wanted kind between ordinary ones, so that a fair part of the specs is well typed and reaches
the emitters; the rest must be refused. What is tried: quotes, comments, format strings, Markdown, HTML, YAML, notebook
magics, interpolation of bundles and workflows, bidirectional and invisible characters.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from pipeline_magic.compiler.environments import DEFAULT, Environments
from pipeline_magic.errors import SpecError
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.schema import Column, TableSchema
from pipeline_magic.spec.typed import TypedSpec, type_spec

__all__ = ["ATTACKS", "KINDS", "environments", "text", "typed_spec"]

ATTACKS = [
    "'; DROP TABLE x; --", "\"); __import__('os').system('id') #", "`; DELETE FROM t; `", "${jndi:ldap://x}",
    "{run_time}", "{__import__('os')}", "\\", "\\'", "'\\", "\"\"\"", "'''", "a\nb", "# !pip install evil",
    "%sh rm -rf /", "\n%sh id", "<script>alert(1)</script>", "![x](http://evil)", "[link](javascript:1)", "```",
    "\n```\n", "---\n- !!python/object/apply:os.system [id]", "&anchor *alias", "\u202egnp.exe", "\u2028", "\ufeff",
    "🙂", "x' OR '1'='1", "/* */", "-- x", "${spark.x}", "${var.secret}", "${{ secrets.TOKEN }}", "{{secrets/a/b}}",
    ":p", "@v", "f\"{1}\"", "\ue000", "#{x}", "*/ x", "</pre>", "|", "\\ue000", "\\N{BULLET}", "{{", "}}", "}", "{",
    "%s", "$(id)", "`id`", "null", "true", "run_time()", "to_date(run_time())", "<img src=x onerror=alert(1)>",
    "http://evil.example", "@ada", "fixes #1", "click n0 \"javascript:alert(1)\"",
    "\"] --> x", "%%{init: {}}%%", "\\u000a", "\x85", "\x0b",
]  # fmt: skip

_TEXT = st.lists(st.sampled_from(ATTACKS) | st.text(max_size=12), min_size=1, max_size=3).map("".join)
_EXPRESSIONS = [
    "{0} = '{1}'", "concat({0}, '{1}')", "{0} /* {1} */", "(select {1})", "java_method('java.lang.Runtime', '{1}')",
    "{1}", "{0}; {1}", "reflect('{1}')", "read_files('{1}')", "CASE WHEN {0} = '{1}' THEN 1 END", "{0} RLIKE '{1}'",
    "`{1}`", "identifier('{1}')", "{0} IN ('{1}', 'x')", "upper({0}) || '{1}'", "${{{1}}}",
    "date_format(run_time(), '{1}')", "regexp_replace({0}, '{1}', '{1}')", "{0} LIKE '{1}'", "secret('{1}', 'k')",
]  # fmt: skip
_QUERIES = [
    "SELECT {0} AS {2} FROM {3} WHERE {0} = {4}", "SELECT *, {4} AS {2} FROM {3}",
    "WITH x AS (SELECT {0} FROM {3}) SELECT * FROM x",
    "SELECT {0}, count(*) AS n FROM {3} GROUP BY {0} HAVING max({0}) <> {4}", "SELECT /* {1} */ {0} FROM {3}",
    "SELECT {0} FROM {3} -- {1}", "SELECT {0} FROM {3}; {1}", "SELECT {0} FROM {3} {1}", "SELECT {1} FROM {3}",
    "SELECT {0} FROM `{1}`", "DROP TABLE {3}", "SELECT /*+ BROADCAST({3}) */ {0} FROM {3}",
    "SELECT {0} FROM {3} WHERE {0} IN (SELECT {1})", "SELECT java_method('a', {4}) AS x FROM {3}",
    "SELECT {0} FROM {3} UNION ALL SELECT {4} FROM {3}", "SELECT {0} FROM parquet.`{1}`",
    "SELECT secret({4}, 'x') AS x FROM {3}",
]  # fmt: skip


def _printable(value: str) -> str:
    return "".join(c for c in value if ord(c) >= 32 and ord(c) != 127)


def text(draw: Callable[[Any], Any], *, lines: bool = False, limit: int = 200) -> str:
    """A hostile text, not empty; on one line unless `lines`."""
    value = draw(_TEXT)
    kept = "".join(c for c in value if c in "\n\t" or (ord(c) >= 32 and ord(c) != 127)) if lines else _printable(value)
    return kept[:limit] or "x"


def _column_name(draw: Callable[[Any], Any], taken: set[str]) -> str:
    """A name that a Delta column may have."""
    name = "".join(c for c in text(draw) if c not in " ,;{}()\n\t=")[:60] or "c"
    while name.casefold() in taken:
        name += "_"
    taken.add(name.casefold())
    return name


def _bare(draw: Callable[[Any], Any]) -> str:
    """A part of a table's name."""
    kept = "".join(c for c in text(draw) if c not in "/\\").strip() or "x"
    if draw(st.integers(0, 9)):  # a name that a bundle would read as a reference is refused; try it now and then
        kept = kept.replace("$", "").replace("{{", "{")
    return kept if kept not in {".", ".."} else "x"


def _part(draw: Callable[[Any], Any]) -> str:
    """A part of a table's name, quoted; with a number, so that no two tables are one."""
    return _quoted(f"{_bare(draw)} {draw(st.integers(0, 99))}")


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _literal(draw: Callable[[Any], Any]) -> str:
    value = text(draw)
    mark = draw(st.sampled_from(["'", '"', "r'"]))
    if mark == "r'":
        return "r'" + value.replace("'", "").rstrip("\\") + "'"
    return mark + value.replace("\\", "\\\\").replace(mark, "\\" + mark) + mark


_HOWS = ("inner", "left", "right", "full", "semi", "anti")
KINDS = (
    "filter", "derive", "expression", "aggregate", *(f"join {how}" for how in _HOWS), "window", "segment",
    "deduplicate", "top", "select", "rename", "cast", "fill", "union", "pivot", "unpivot", "explode", "sql",
)  # fmt: skip
"""The step that is wanted; `expression` derives a column from an expression that may be anything."""


def _step(draw: Callable[[Any], Any], kind: str, column: str, taken: set[str]) -> dict[str, Any]:
    """The wanted step over `import`, which has the hostile text column and k int, t timestamp, a array<string>."""
    q = _quoted(column)
    new = lambda: _column_name(draw, taken)  # noqa: E731  (each name is used once)
    one = {"id": "exec", "kind": kind, "input": "import"}
    if kind.startswith("join"):
        keys = [{"left": column, "right": column}]
        return {
            "id": "exec", "kind": "join", "left": "import", "right": "lambda", "keys": keys, "how": kind.split()[1],
            "prefix": "".join(c for c in text(draw, limit=60) if c not in " ,;{}()\n\t="),
        }  # fmt: skip
    order = [{"column": column, "descending": draw(st.booleans())}]
    if kind == "union":
        return {"id": "exec", "kind": "union", "inputs": ["import", "import"], "distinct": False}
    if kind == "sql":
        form = draw(st.sampled_from(_QUERIES))
        query = form.format(q, text(draw), _quoted(new()), "import", _literal(draw))
        return {"id": "exec", "kind": "sql", "inputs": ["import"], "query": query}
    if kind == "expression":
        expression = draw(st.sampled_from(_EXPRESSIONS)).format(q, text(draw, lines=True))
        return one | {"kind": "derive", "columns": [{"name": new(), "expression": expression}]}
    more: dict[str, Callable[[], dict[str, Any]]] = {
        "filter": lambda: {"condition": f"{q} <> {_literal(draw)}"},
        "derive": lambda: {"columns": [{"name": new(), "expression": f"concat({q}, {_literal(draw)})"}]},
        "aggregate": lambda: {
            "group_by": [column], "measures": [{"name": new(), "expression": f"max({_literal(draw)})"}],
        },
        "window": lambda: {
            "partition_by": [column], "order_by": order,
            "columns": [{"name": new(), "expression": f"lag({q}, 1, {_literal(draw)})"}],
        },
        "segment": lambda: {
            "column": new(), "otherwise": text(draw), "by": "k", "partition_by": [column],
            "rules": [{"label": text(draw), "condition": f"{q} = {_literal(draw)}"}, {"label": text(draw), "top": 0.5}],
        },
        "deduplicate": lambda: {"keys": [column], "order_by": [{"column": "k"}]},
        "top": lambda: {"n": 3, "order_by": order, "partition_by": ["k"], "ties": draw(st.booleans())},
        "select": lambda: {"columns": [column, "k", "t"]},
        "rename": lambda: {"columns": [{"column": column, "name": new()}]},
        "cast": lambda: {
            "columns": [{"column": column, "type": draw(st.sampled_from(["int", "date", text(draw)]))}],
            "on_error": "null",
        },
        "fill": lambda: {"columns": [{"column": column, "value": text(draw)}]},
        "pivot": lambda: {
            "group_by": ["k"], "column": column, "values": [_column_name(draw, taken), "v"],
            "measures": [{"name": "n", "expression": "count(*)"}, {"name": "m", "expression": f"max({q})"}],
        },
        "unpivot": lambda: {"columns": [column], "name_column": new(), "value_column": new(), "keep_nulls": True},
        "explode": lambda: {"column": "a", "name": new(), "position": new(), "outer": draw(st.booleans())},
    }  # fmt: skip
    return one | more[kind]()


def _checks(draw: Callable[[Any], Any], column: str, job: bool) -> list[dict[str, Any]]:
    """Up to three expectations on the source or the first step, with what is theirs to say."""
    regex = "".join(
        c if c in string.ascii_letters + string.digits + " '\"`<>@#" else "\\" + c for c in text(draw, limit=60)
    )
    q = _quoted(column)
    forms: list[dict[str, Any]] = [
        {"kind": "accepted_values", "column": column, "values": [text(draw), "x"]},
        {"kind": "pattern", "column": column, "regex": regex},
        {"kind": "not_null", "columns": [column]},
        {"kind": "unique", "columns": [column, "k"]},
        {"kind": "range", "column": column, "minimum": text(draw), "maximum": text(draw)},
        {"kind": "expression", "condition": f"{q} <> {_literal(draw)}"},
        {"kind": "row_count", "minimum": 1},
        {"kind": "freshness", "column": "t", "max_age_hours": 5},
        {"kind": "referential", "columns": [column], "to": "lambda", "to_columns": [column]},
    ]
    made = []
    for number, form in enumerate(draw(st.lists(st.sampled_from(forms), max_size=3))):
        rows = form["kind"] not in {"unique", "row_count", "freshness"}
        action = draw(st.sampled_from(["warn", "fail", "drop"] if rows else ["warn", "fail"]))
        check = {"id": f"open_{number}", "on": draw(st.sampled_from(["class", "import"])), "action": action, **form}
        if action == "drop" and job and draw(st.booleans()):
            check["quarantine"] = f"dev.default.{_part(draw)}"
        made.append(check)
    return made


def typed_spec(draw: Callable[[Any], Any], kind: str) -> TypedSpec:
    """A hostile spec, typed.

    Args:
        draw: Draws a value of a strategy.
        kind: One of `KINDS`.

    Raises:
        ValueError: Its model refuses it.
        SpecError: Typing refuses it.
    """
    taken = {"k", "t", "a", "v", "n", "m"}
    column = _column_name(draw, taken)
    job = draw(st.integers(0, 2)) > 0
    note = text(draw, lines=True)
    columns = (
        Column(name=column, type="string", comment=note),
        Column(name="k", type="int", comment=text(draw, lines=True)),
        Column(name="t", type="timestamp", nullable=False),
        Column(name="a", type="array<string>"),
    )
    sources = [
        {"alias": "class", "table": f"dev.default.{_part(draw)}", "filter": f"{_quoted(column)} <> {_literal(draw)}"},
        {"alias": "lambda", "table": f"dev.{_part(draw)}.other"},
    ]
    data: dict[str, Any] = {
        "name": "hostile",
        "description": text(draw, lines=True),
        "sources": sources,
        "steps": [
            {"id": "import", "kind": "filter", "input": "class", "condition": f"{_quoted(column)} <> {_literal(draw)}"},
            _step(draw, kind, column, taken),
        ],
        "expectations": _checks(draw, column, job),
        "target": {"table": f"dev.default.{_part(draw)}", "input": "exec", "comment": text(draw, lines=True)},
        "deployment": "job" if job else "declarative",
        "trigger": draw(st.sampled_from([
            {"kind": "manual"}, {"kind": "table_update", "tables": [f"dev.default.{_part(draw)}"]},
            {"kind": "schedule", "cron": "0 0 6 * * ?", "timezone": "America/New_York"},
        ])),
    }  # fmt: skip
    schemas = {
        source["alias"]: TableSchema(
            table=PipelineSpec.model_validate(data).sources[n].table, columns=columns, comment=note
        )
        for n, source in enumerate(sources)
    }
    typed = type_spec(PipelineSpec.model_validate(data), schemas)
    out = [item.name for item in typed.target_columns()]
    mode = draw(st.sampled_from(["overwrite", "append", "merge", "scd1", "scd2"]))
    target = data["target"]
    if {column, "t"} <= set(out) and mode != "overwrite":
        target |= {"mode": mode} | ({"keys": [column], "sequence_by": "t"} if mode != "append" else {})
        if job and mode in {"append", "merge", "scd1"} and draw(st.booleans()):
            sources[0]["watermark"] = draw(st.sampled_from(["t", column]))
    if column in out and draw(st.booleans()):
        target[draw(st.sampled_from(["partition_by", "cluster_by"]))] = [column]
    try:
        return type_spec(PipelineSpec.model_validate(data), schemas)
    except SpecError:
        return typed  # not every mode goes with every step, and the plain form is hostile enough


def environments(draw: Callable[[Any], Any]) -> Environments:
    """Environments whose names and addresses are hostile; the plain ones where their models refuse that.

    They are the team's own, read from the base branch, and may well refer to variables of a bundle: that is left out.
    """
    said = lambda: text(draw).replace("$", "")  # noqa: E731  (short names for one table)
    one = {
        "name": "dev", "host": f"https://{said()}", "run_as": said(), "notify": [said()],
        "catalogs": {"dev": "x" + _bare(draw).replace("$", "").replace("{", "")}, "tags": {"team": said()},
        "webhooks": [said()], "permissions": [{"kind": "user_name", "name": said(), "level": "CAN_VIEW"}],
        "serverless": draw(st.booleans()), "node_type": said(), "spark_version": said(),
    }  # fmt: skip
    try:
        return Environments.model_validate({"environments": [one]})
    except ValueError:
        return DEFAULT
