"""Python source, written safely: text literals, names, and chains of calls broken where a person would break them."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable, Sequence

from pipeline_magic.spec.expressions import with_run_time
from pipeline_magic.spec.names import quote
from pipeline_magic.spec.typed import TypedSpec

__all__ = [
    "aliased_expr",
    "assign",
    "call",
    "column",
    "each_on_a_line",
    "literal",
    "listing",
    "sql_argument",
    "variables",
]

WIDTH = 110
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

_OWN_NAMES = """
    spark dbutils display F Window PySparkException json os datetime timedelta timezone ZoneInfo
    run_time run_date run_key target failing found limits broken result existing lost changed writer
    incoming rows held versions by_key by_start by_version report age_of known name limit before
    missing staging merge_staging keep newest_first quote
"""
_TAKEN = frozenset(_OWN_NAMES.split())
_PREFIXES = ("source_", "seen_", "newest_", "quarantine_", "age_")


def variables(typed: TypedSpec) -> dict[str, str]:
    """For each node the name of its DataFrame: its id, unless Python or the notebook means something else by it."""
    made: dict[str, str] = {}
    ids = {node.id for node in typed.nodes}
    for node in typed.nodes:
        name = node.id
        taken = keyword.iskeyword(name) or keyword.issoftkeyword(name) or hasattr(builtins, name) or name in _TAKEN
        if taken or name.startswith(_PREFIXES) or name.endswith("_unchecked"):
            name += "_df"
            while name in ids or name in made.values():
                name += "_"
        made[node.id] = name
    return made


def _escaped(text: str, quote_char: str) -> str:
    made = []
    for char in text:
        if char in ("\\", quote_char):
            made.append("\\" + char)
        elif char.isprintable():
            made.append(char)
        else:
            made.append(char.encode("unicode_escape").decode("ascii"))
    return "".join(made)


def literal(text: str) -> str:
    """A text as a Python literal, in double quotes unless single ones need no escapes.

    >>> literal("a"), literal('say "a"')
    ('"a"', '\'say "a"\'')
    """
    mark = "'" if '"' in text and "'" not in text else '"'
    return mark + _escaped(text, mark) + mark


def column(name: str) -> str:
    """A column's name as the DataFrame API takes it, as a Python literal."""
    return literal(name if _PLAIN.match(name) else quote(name))


def sql_argument(text: str) -> str:
    """A SQL text as a Python literal; an f-string where it names the time of the run."""
    if "run_time()" not in text:
        return literal(text)
    marks = (chr(code) for code in range(0xE000, 0xF8FF) if chr(code) not in text)
    puts = {next(marks): "TIMESTAMP '{run_time}'", next(marks): "DATE '{run_date}'"}
    timed = with_run_time(text, *puts)
    if not any(mark in timed for mark in puts):
        return literal(text)
    pieces = re.split("([" + "".join(puts) + "])", timed)
    return (
        'f"'
        + "".join(puts.get(piece) or _escaped(piece, '"').replace("{", "{{").replace("}", "}}") for piece in pieces)
        + '"'
    )


def listing(items: Iterable[str]) -> str:
    """Columns as arguments."""
    return ", ".join(column(item) for item in items)


def call(name: str, arguments: Sequence[str], indent: int = 4) -> str:
    """``name(a, b)``, one argument a line where it would grow too long."""
    line = f"{name}({', '.join(arguments)})"
    if len(line) + indent <= WIDTH and "\n" not in line:
        return line
    inner = ",\n".join("    " + argument.replace("\n", "\n    ") for argument in arguments)
    return f"{name}(\n{inner},\n)"


def each_on_a_line(name: str, arguments: Sequence[str]) -> str:
    """``name(a, b)``, one argument a line however short they are."""
    return f"{name}(" + "".join("\n    " + text.replace("\n", "\n    ") + "," for text in arguments) + "\n)"


def aliased_expr(text: str, name: str) -> str:
    """``F.expr("a + b").alias("c")``, broken where it would grow too long as one of several arguments of a call."""
    alias = f".alias({literal(name)})"
    return call("F.expr", [sql_argument(text)], 9 + len(alias)) + alias


def assign(name: str, base: str, calls: Sequence[str]) -> str:
    """``name = base.call().call()``, one call a line in parentheses where it would grow too long."""
    line = f"{name} = {base}" + "".join(f".{item}" for item in calls)
    if (len(line) <= WIDTH and "\n" not in line) or not calls:
        return line
    if len(calls) == 1 and len(f"{name} = {base}.{calls[0]}".split("\n")[0]) <= WIDTH:
        return f"{name} = {base}.{calls[0]}"
    body = "\n".join("    ." + item.replace("\n", "\n    ") for item in calls)
    return f"{name} = (\n    {base}\n{body}\n)"
