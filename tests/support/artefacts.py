"""What every artefact must be, whatever it was made of: it parses as what it is, and says and calls nothing more.

Python: parsed, and what it calls and imports is held to an allow-list; the SQL texts inside it are held to the
functions of the spec language. YAML, notebooks, Markdown and Mermaid likewise. The allow-list of a notebook is written
out in the tests; for files that are mostly fixed text it is what the golden cases call, which people have reviewed.
"""

from __future__ import annotations

import ast
import functools
import json
import re
from collections.abc import Collection, Iterator
from typing import Any

import mistune
import nbformat
import yaml
from sqlglot import exp

from pipeline_magic.compiler import compile_files
from pipeline_magic.spec.dialect import _DIALECT as DIALECT  # the very parser the compiler renders for
from pipeline_magic.spec.functions import FUNCTIONS
from pipeline_magic.spec.model import PipelineSpec
from tests.support.compiled import cases

__all__ = ["calls", "check_markdown", "check_notebook", "check_python", "check_sql", "check_yaml", "imports"]

FORBIDDEN = {
    "eval", "__import__", "system", "popen", "Popen", "run_cmd", "check_output", "getattr", "setattr",
    "globals", "locals", "unlink", "rmtree", "urlopen", "loads_pickle", "input", "breakpoint", "delattr",
}  # fmt: skip
"""No generated file may call these, not even a golden one."""

MADE_BY_COMPILER = {"stack", "explode", "posexplode", "explode_outer", "posexplode_outer"}
"""Functions a person may not write, but the compiler does."""


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


def imports(tree: ast.AST) -> set[str]:
    """Names that are imported."""
    return {a.name for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom)) for a in n.names}


def _kind(path: str) -> str:
    """Which allow-list a Python file of a pipeline is held to."""
    return "tests" if path.rsplit("/", 1)[-1].startswith("test_") else "pipeline"


@functools.cache
def allowed() -> dict[str, set[str]]:
    """What the Python files of the golden cases call and import."""
    made: dict[str, set[str]] = {"tests": set(), "pipeline": set()}
    for case in cases():
        for deployment in ("job", "declarative"):
            try:
                spec = case.spec.model_copy(update={"deployment": deployment})
                files = compile_files(_typed_again(case, spec))
            except ValueError:
                continue  # not every spec may be declarative
            for file in files:
                if file.path.endswith(".py"):
                    tree = ast.parse(file.content)
                    made[_kind(file.path)] |= calls(tree) | {f"import {name}" for name in imports(tree)}
    assert not FORBIDDEN & set.union(*made.values())
    return made


def _typed_again(case: Any, spec: PipelineSpec) -> Any:
    from pipeline_magic.errors import SpecError
    from pipeline_magic.spec.typed import type_spec

    try:
        return type_spec(spec, {alias: table.schema for alias, table in case.tables.items()})
    except SpecError as error:
        raise ValueError(str(error)) from error


def check_python(path: str, source: str, also: Collection[str]) -> None:
    """A Python file parses, and calls and imports only what golden files of its kind do, or `also`; so for its SQL."""
    tree = ast.parse(source)
    found = calls(tree) | {f"import {name}" for name in imports(tree)}
    own = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    found -= {*own, *allowed()[_kind(path)], *also}
    assert not found, found
    for name in own:
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name, re.ASCII), name
    for text in sql_texts(tree):
        check_sql(text)


_TAKES_SQL = {"expr", "where", "filter", "selectExpr", "expect", "expect_or_drop", "expect_or_fail"}


def sql_texts(tree: ast.AST) -> Iterator[str]:
    """SQL expressions that stand as text in calls, with a value where a format string has one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _TAKES_SQL:
            texts = [text for text in map(_text, node.args) if text is not None]
            yield from texts[-1:]  # of an expectation the first is its name


def _text(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return None
    made = []
    for value in node.values:
        if isinstance(value, ast.FormattedValue):
            inner = ast.unparse(value.value)
            assert re.fullmatch(r"[a-z_][a-z0-9_]*", inner), f"a format string computes {inner}"
            made.append("2024-03-10")
        else:
            assert isinstance(value, ast.Constant)
            made.append(str(value.value))
    return "".join(made)


def check_sql(text: str) -> None:
    """One expression, or one query, that calls the functions of the spec language and nothing else."""
    found = [tree for tree in DIALECT.parse(text) if tree is not None]
    assert len(found) == 1, text
    assert not isinstance(found[0], (exp.DDL, exp.DML, exp.Command)) or isinstance(found[0], exp.Query), text
    names = {str(call.this).lower() for call in found[0].find_all(exp.Anonymous)}
    assert names <= set(FUNCTIONS) | MADE_BY_COMPILER, names
    for node in found[0].walk():
        assert not node.comments, text


def check_notebook(content: str) -> None:
    """A notebook is valid, and no line of it is a magic or a shell command."""
    nbformat.validate(nbformat.reads(content, as_version=4))
    for cell in json.loads(content)["cells"]:
        assert not any(line.startswith(("%", "!")) for line in "".join(cell["source"]).splitlines())
        if cell["cell_type"] == "markdown":
            check_markdown("".join(cell["source"]))


_INTERPOLATED = re.compile(
    r"\$\{(bundle\.target|bundle\.name|workspace\.[A-Za-z_.]+|var\.hostile_[a-z0-9_]+|resources\.pipelines\.hostile\.id)\}"
)
_WORKFLOW = re.compile(r"\$\{\{ (vars|github|secrets|env)\.[A-Za-z_.]+ \}\}")


def check_yaml(path: str, content: str) -> Any:
    """YAML of plain data, in which a bundle or a workflow puts in nothing but what the compiler asked for; the data."""
    data = yaml.safe_load(content)
    if path.endswith("spec.yml"):
        return data
    pattern = _WORKFLOW if ".github" in path else _INTERPOLATED
    for place, value in _strings(data, path):
        assert "${" not in pattern.sub("", value), f"{place}: {value}"
    return data


def _strings(data: Any, place: str) -> Iterator[tuple[str, str]]:
    """Every text with the place it stands at."""
    if isinstance(data, str):
        yield place, data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from (*_strings(key, place), *_strings(value, f"{place} {key}"))
    elif isinstance(data, list):
        for item in data:
            yield from _strings(item, place)


def check_markdown(text: str) -> None:
    """Rendered, the Markdown holds no HTML, no picture, and no link; a picture of lineage draws nothing but boxes."""
    parse = mistune.create_markdown(renderer="ast", plugins=["table", "url", "strikethrough"])
    for token in _tokens(parse(text)):
        kind = token["type"]
        assert kind not in {"block_html", "inline_html", "image", "link"}, token
        if kind == "block_code":
            info = token.get("attrs", {}).get("info", "")
            assert info in {"mermaid", "sql", "python", "text", ""}, token
            if info == "mermaid":
                check_mermaid(token["raw"])


_SAFE = r"(?:[^\W_]|[ ._\-,:/]|#\d+;)*"
_MERMAID = re.compile(rf"flowchart LR|  \w+(?:\[\(\"{_SAFE}\"\)\]|\[\[\"{_SAFE}\"\]\]|\[\"{_SAFE}\"\])|  \w+ --> \w+")


def check_mermaid(text: str) -> None:
    """Every line of a flowchart declares one box or one arrow."""
    for line in text.rstrip("\n").split("\n"):
        assert _MERMAID.fullmatch(line), line


def _tokens(tokens: Any) -> Iterator[dict[str, Any]]:
    for token in tokens or ():
        yield token
        yield from _tokens(token.get("children"))
