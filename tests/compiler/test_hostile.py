"""Hostile specs: names, comments, literals and expressions that try to break out of where they stand. None does."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_magic.compiler import compile_files
from pipeline_magic.compiler.ipynb import cells, notebook
from pipeline_magic.compiler.specfile import read_spec
from pipeline_magic.compiler.sql import target_query
from pipeline_magic.errors import SpecError
from pipeline_magic.spec.dialect import _DIALECT as DIALECT  # the very parser the compiler renders for
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.typed import type_spec
from tests.support.compiled import RUN_TIME, cases, make_table

FULL = bool(os.environ.get("PIPELINE_MAGIC_TEST_FULL"))

CALLS = {
    # of Python
    "int", "float", "open_never", "dict", "list", "ValueError", "join", "items", "get", "lower", "replace", "pop",
    "endswith", "removesuffix",
    "append",
    "timestamp", "isoformat", "astimezone", "date", "now", "fromisoformat", "ZoneInfo", "dumps",
    # of the notebook itself and of dbutils
    "age_of", "keep", "text", "exit",
    # of Spark
    "set", "table", "sql", "tableExists", "select", "where", "withColumn", "withColumns", "withColumnRenamed",
    "withColumnsRenamed", "groupBy", "agg", "alias", "drop", "distinct", "unionByName", "orderBy", "limit",
    "first", "asDict", "crossJoin", "count", "isEmpty", "createOrReplaceTempView", "write", "format", "mode", "option", "partitionBy",
    "clusterBy", "saveAsTable", "over", "rowsBetween", "rangeBetween", "cast", "isNotNull", "eqNullSafe",
    "desc", "desc_nulls_last", "desc_nulls_first", "asc_nulls_last", "asc_nulls_first",
    "col", "lit", "expr", "sum", "avg", "min", "max", "median", "count_distinct", "coalesce", "explode",
    "explode_outer",     "posexplode", "posexplode_outer", "row_number", "rank", "dense_rank", "percent_rank",
    "cume_dist", "ntile", "lag",
    "lead", "unix_timestamp",
}  # fmt: skip
"""Every name that a generated notebook may call, on whatever object."""

ATTACKS = [
    "'; DROP TABLE x; --", "\"); __import__('os').system('id') #", "`; DELETE FROM t; `", "${jndi:ldap://x}",
    "{run_time}",     "{__import__('os')}", "\\", "\\'", "'\\", "\"\"\"", "'''", "a\nb", "# !pip install evil",
    "%sh rm -rf /",
    "<script>alert(1)</script>",     "![x](http://evil)", "[link](javascript:1)", "```",
    "---\n- !!python/object/apply:os.system [id]", "&anchor *alias",
    "\u202egnp.exe", "\u2028", "\ufeff", "🙂", "x' OR '1'='1", "/* */", "-- x", "${spark.x}", ":p", "@v",
    "f\"{1}\"", "\ue000",
    "#{x}",     "*/ x", "</pre>", "|", "\\ue000", "\\N{BULLET}", "{{", "}}", "}", "{", "%s", "$(id)", "`id`",
    "null", "true",
]  # fmt: skip

PARTS = st.sampled_from(ATTACKS) | st.text(max_size=12)
TEXT = st.lists(PARTS, min_size=1, max_size=3).map("".join)
EXPRESSIONS = [
    "{0} = '{1}'", "concat({0}, '{1}')", "{0} /* {1} */", "(select {1})", "java_method('java.lang.Runtime', '{1}')",
    "{1}", "{0}; {1}", "reflect('{1}')", "read_files('{1}')", "CASE WHEN {0} = '{1}' THEN 1 END", "{0} RLIKE '{1}'",
    "`{1}`", "identifier('{1}')", "{0} IN ('{1}', 'x')", "upper({0}) || '{1}'", "${{{1}}}",
    "date_format(run_time(), '{1}')",
]  # fmt: skip


@st.composite
def hostile(draw: st.DrawFn) -> tuple[PipelineSpec, dict[str, object]]:
    """A spec as plain data, with attacks wherever text may stand; most are refused, the others must be harmless."""
    clean = "".join(c for c in draw(TEXT) if ord(c) >= 32 and ord(c) != 127)[:200] or "x"
    column = "".join(c for c in draw(TEXT) if ord(c) >= 32 and ord(c) != 127 and c not in " ,;{}()\n\t=")[:60] or "c"
    if column.casefold() in {"k", "label", "made", "n", "v"}:
        column += "_"
    part = clean.replace("/", "").replace("\\", "").replace("`", "``").strip() or "x"
    measure = "".join(c for c in clean if c not in " ,;{}()\n\t=") or "m"
    quoted = "`" + column.replace("`", "``") + "`"
    expression = draw(st.sampled_from(EXPRESSIONS)).format(quoted, draw(TEXT))
    literal = draw(st.sampled_from(["'{}'", "r'{}'", '"{}"'])).format(clean.replace("\\", "\\\\").replace("'", "\\'"))
    computed = draw(st.sampled_from([expression, f"concat({quoted}, {literal})"]))
    last_kind = draw(st.sampled_from(["pivot", "aggregate"]))
    data = {
        "name": "hostile",
        "description": "".join(c for c in draw(TEXT) if ord(c) >= 32 and ord(c) != 127),
        "sources": [{"alias": "class", "table": f"dev.default.`{part}`"}],
        "steps": [
            {"id": "import", "kind": "filter", "input": "class", "condition": f"{quoted} <> {literal}"},
            {
                "id": "lambda", "kind": "derive", "input": "import",
                "columns": [{"name": "made", "expression": computed}],
            },
            {
                "id": "print", "kind": "segment", "input": "lambda", "column": "label",
                "rules": [{"label": clean, "condition": f"{quoted} = {literal}"}], "otherwise": clean[::-1],
            },
            {"id": "exec", "kind": "fill", "input": "print", "columns": [{"column": column, "value": clean}]},
            {"id": "eval", "kind": last_kind, "input": "exec", "group_by": [column]},
        ],
        "expectations": [
            {"id": "open", "on": "import", "kind": "accepted_values", "column": column, "values": [clean, "x"]},
            {"id": "input", "on": "class", "kind": "pattern", "column": column, "regex": clean, "action": "drop"},
        ],
        "target": {"table": f"dev.default.`{part}_t`", "input": "eval", "comment": clean},
    }  # fmt: skip
    last = data["steps"][-1]  # type: ignore[index]  # plain data
    if last["kind"] == "pivot":
        last |= {"column": column, "values": [clean, "v"], "measures": [{"name": "n", "expression": "count(*)"}]}
    else:
        last |= {"measures": [{"name": f"{measure}_m"[:255], "expression": f"max({quoted})"}]}
    return data, {"column": column}  # type: ignore[return-value]  # plain data, validated in the test


@given(hostile())
@settings(
    max_examples=10_000 if FULL else 300,
    deadline=None,
    derandomize=not FULL,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_nothing_escapes(made: tuple[dict[str, object], dict[str, str]]) -> None:
    """A hostile spec is refused, or each of its artefacts parses and its Python calls nothing off the allow-list."""
    data, names = made
    try:
        spec = PipelineSpec.model_validate(data)
        table = make_table(spec.sources[0].table, "k string", ()).schema
        column = table.columns[0].model_copy(update={"name": names["column"]})
        typed = type_spec(spec, {"class": table.model_copy(update={"columns": (column,)})})
    except (ValueError, SpecError):
        return
    COUNTED.append(1)
    check_artefacts(typed)


COUNTED: list[int] = []


def test_many_hostile_specs_were_compiled() -> None:
    """The attacks reach the emitters: a fair part of the hostile specs is well typed. (Runs after the test above.)"""
    assert len(COUNTED) >= 60 or not COUNTED


def check_artefacts(typed: object) -> None:
    """Every artefact parses as what it is, and says nothing it was not given the words for."""
    files = {file.path.rsplit(".", 1)[1]: file.content for file in compile_files(typed, provenance_summary=ATTACKS)}  # type: ignore[arg-type]  # typed spec
    nbformat.validate(nbformat.reads(files["ipynb"], as_version=4))
    assert yaml.safe_load(files["yml"])["name"] == "hostile"
    assert read_spec(files["yml"]) == typed.spec  # type: ignore[attr-defined]  # typed spec
    assert "<script" not in files["md"]
    assert "](" not in files["md"].replace("\\]\\(", "")
    assert files["md"].count("```") == 2
    for cell in cells(typed):  # type: ignore[arg-type]  # typed spec
        if cell.markdown:
            continue
        tree = ast.parse(cell.source)
        assert calls(tree) <= CALLS, calls(tree) - CALLS
        imported = {a.name for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom)) for a in n.names}
        assert imported <= {
            "json", "os", "datetime", "timezone", "ZoneInfo", "PySparkException", "Window", "functions",
        }  # fmt: skip
    for cell in json.loads(files["ipynb"])["cells"]:
        lines = "".join(cell["source"]).split("\n")
        assert not any(line.startswith(("%", "!")) for line in lines)
    [statement] = DIALECT.parse(target_query(typed, run_time=RUN_TIME))  # type: ignore[arg-type]  # typed spec
    assert type(statement).__name__ == "Select"


def calls(tree: ast.AST) -> set[str]:
    """Names of everything that is called; a call of anything but a name or an attribute is its own name."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            found.add(
                function.id if isinstance(function, ast.Name) else function.attr
                if isinstance(function, ast.Attribute) else ast.dump(function)
            )  # fmt: skip
    return found


def test_same_bytes_with_another_hash_seed() -> None:
    """The same spec gives the same bytes in a fresh interpreter whose hashes fall otherwise."""
    program = (
        "import hashlib\n"
        "from tests.support.compiled import cases\n"
        "from pipeline_magic.compiler import compile_files\n"
        "from pipeline_magic.spec.automatic import automatic_expectations\n"
        "made = hashlib.sha256()\n"
        "for case in cases():\n"
        "    typed = case.typed()\n"
        "    for file in compile_files(typed):\n"
        "        made.update(file.content.encode())\n"
        "    made.update(repr(automatic_expectations(typed)).encode())\n"
        "print(made.hexdigest())\n"
    )
    digests = set()
    for seed in ("1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path.cwd())}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        digests.add(done.stdout)
    assert len(digests) == 1


def test_every_golden_notebook_calls_only_what_is_allowed() -> None:
    """The allow-list of calls covers every step, mode and check, and holds for them."""
    for case in cases():
        for cell in cells(case.typed()):
            if not cell.markdown:
                assert calls(ast.parse(cell.source)) <= CALLS, case.name
        assert notebook(case.typed())
