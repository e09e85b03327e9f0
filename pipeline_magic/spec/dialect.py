"""The dialect expressions are written in: Spark SQL, with every function kept by the name it was written with.

sqlglot knows most functions and renders them as it likes best (``date_sub(d, 30)`` as ``DATE_ADD(d, 30 * -1)``). Here
the table of functions is emptied, so that a call stays a name and arguments: the allow-list then speaks of what was
written, and what is rendered reads as it was meant. Not here: what is allowed (`functions`) and what it means
(`expressions`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any, ClassVar, TypeAlias

from sqlglot import exp
from sqlglot.dialects.databricks import Databricks
from sqlglot.errors import ParseError, SqlglotError, TokenError
from sqlglot.tokens import Token, TokenType  # type: ignore[attr-defined]  # re-exported there, undeclared

from pipeline_magic.spec.names import quote

__all__ = [
    "NotAnExpression",
    "Tree",
    "identifier",
    "is_reserved",
    "keywords",
    "parse",
    "parse_query",
    "render",
    "render_query",
]

Tree: TypeAlias = exp.Expr
"""A node of sqlglot's syntax tree."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

_RESERVED_WORDS = """
    all alter and anti any array as asc authorization between both by call case cast check collate column
    connect_by_root constraint create cross cube current current_date current_time current_timestamp current_user
    date delete desc describe distinct div drop else end escape except execute exists explain extract false fetch
    filter for foreign from full function glob grant group grouping having if ilike in inner insert intersect
    interval into is join lateral leading left like limit list local map match_recognize merge minus natural not
    notnull null offset on only optimize or order outer over overlaps overwrite partition partitioned_by
    percentile_cont percentile_disc pivot prepare primary qualify range references regexp rename replace returning
    revoke right rlike rollback rollup row rows select semi serdeproperties session_user set show some struct table
    tablesample then time timestamp to trailing true truncate uncache union unique unknown unpivot update user using
    vacuum values view when where window with within xor
"""
_RESERVED = frozenset(_RESERVED_WORDS.split())


def keywords() -> frozenset[str]:
    """Words that the reader of expressions may take for something else than a name."""
    return frozenset(_DIALECT.tokenizer_class.KEYWORDS)


def is_reserved(name: str) -> bool:
    """Whether Spark SQL, or an engine that speaks it, gives the word a meaning of its own."""
    return name.casefold() in _RESERVED


def identifier(name: str) -> str:
    """A column or table part as it stands in SQL: in backticks only where it must be.

    >>> identifier("revenue"), identifier("order"), identifier("net price")
    ('revenue', '`order`', '`net price`')
    """
    return name if _PLAIN.match(name) and not is_reserved(name) else quote(name)


class NotAnExpression(Exception):
    """The text is no single expression.

    Args:
        message: Why, as the end of a sentence that names the field.
        position: Offset in characters, where known.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


_PARSERS = Databricks.Parser.FUNCTION_PARSERS


class _Parser(Databricks.Parser):  # type: ignore[misc, valid-type]  # the base is chosen by a metaclass
    FUNCTIONS: ClassVar[dict[str, Any]] = {}
    FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {name: _PARSERS[name] for name in ("CAST", "TRY_CAST", "EXTRACT")}


def _cast(self: Any, node: exp.Cast) -> str:
    """``DATE '2024-01-31'`` as a person writes it, and a plain CAST otherwise."""
    kind = node.to
    literal = node.this
    if isinstance(literal, exp.Literal) and literal.is_string and not kind.expressions:
        word = {"DATE": "DATE", "TIMESTAMPTZ": "TIMESTAMP", "TIMESTAMP": "TIMESTAMP_NTZ"}.get(kind.this.name)
        if word in {"DATE", "TIMESTAMP"}:
            return f"{word} {self.sql(literal)}"
    return str(self.cast_sql(node))


def _not(self: Any, node: exp.Not) -> str:
    """``a IS NOT NULL`` and ``a NOT IN (…)`` rather than NOT in front."""
    inner = node.this
    if isinstance(inner, exp.Is):
        return f"{self.sql(inner, 'this')} IS NOT {self.sql(inner, 'expression')}"
    if isinstance(inner, exp.In):
        return f"{self.sql(inner, 'this')} NOT IN ({self.expressions(inner, flat=True)})"
    if isinstance(inner, (exp.Like, exp.ILike, exp.RegexpLike)):
        word = {"Like": "LIKE", "ILike": "ILIKE"}.get(type(inner).__name__, "RLIKE")
        return f"{self.sql(inner, 'this')} NOT {word} {self.sql(inner, 'expression')}"
    if isinstance(inner, exp.Between):
        low, high = self.sql(inner, "low"), self.sql(inner, "high")
        return f"{self.sql(inner, 'this')} NOT BETWEEN {low} AND {high}"
    return f"NOT {self.sql(inner)}"


class _Generator(Databricks.Generator):  # type: ignore[misc, valid-type]  # as above
    TRANSFORMS: ClassVar[dict[Any, Any]] = {
        **Databricks.Generator.TRANSFORMS,
        exp.Cast: _cast,
        exp.Not: _not,
        exp.RegexpLike: lambda self, node: self.binary(node, "RLIKE"),
        exp.NullSafeEQ: lambda self, node: self.binary(node, "<=>"),
        exp.Filter: lambda self, node: f"{self.sql(node, 'this')} FILTER ({self.sql(node, 'expression').strip()})",
    }


class Dialect(Databricks):
    """Databricks' dialect with calls kept as written. Not registered under a name of its own."""

    Parser = _Parser
    parser_class = _Parser
    Generator = _Generator
    generator_class = _Generator


_DIALECT = Dialect()


def _require_no_constructor(tokens: Sequence[Token]) -> None:
    """A column called ``array`` with an index would be read as an array that holds it, backticks or not."""
    for name, bracket in itertools.pairwise(tokens):
        if bracket.token_type == TokenType.L_BRACKET and name.text.casefold() in {"array", "list"}:
            raise NotAnExpression(f"write get({name.text}, 0) or array(…) instead of {name.text}[…]", name.start)


def parse(text: str) -> Tree:
    """The syntax tree of one expression.

    Raises:
        NotAnExpression: Does not parse, holds a comment or a semicolon, or nests too deep.
    """
    try:
        tokens = _DIALECT.tokenize(text)
        for token in tokens:
            if token.comments or token.token_type == TokenType.HINT:
                raise NotAnExpression("a comment is not allowed in an expression", token.start)
            if token.token_type == TokenType.SEMICOLON:
                raise NotAnExpression("a semicolon is not allowed in an expression", token.start)
            if token.token_type in {TokenType.SELECT, TokenType.WITH}:
                raise NotAnExpression("a subquery (SELECT) is not allowed in an expression; use a step", token.start)
        _require_no_constructor(tokens)
        found = _DIALECT.parser().parse_into(exp.Condition, tokens, text)
    except ParseError as error:
        raise NotAnExpression(*_reason(text, error)) from None
    except TokenError:
        raise NotAnExpression("the expression cannot be read: a quote or a bracket is not closed") from None
    except SqlglotError as error:
        raise NotAnExpression(f"the expression cannot be read: {error}") from None
    except RecursionError:
        raise NotAnExpression("the expression nests too deep") from None
    if len(found) != 1 or found[0] is None:
        raise NotAnExpression("the expression is empty")
    return found[0]


def parse_query(text: str) -> Tree:
    """The syntax tree of one SELECT, with or without WITH and UNION.

    Raises:
        NotAnExpression: Does not parse, is several statements, or is something else.
    """
    try:
        tokens = _DIALECT.tokenize(text)
        for token in tokens:
            if token.token_type == TokenType.HINT:
                raise NotAnExpression("a hint is not allowed in a query", token.start)
            if token.token_type == TokenType.SEMICOLON:
                raise NotAnExpression("a semicolon is not allowed in a query", token.start)
        if not tokens or tokens[0].token_type not in {TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN}:
            raise NotAnExpression("a query starts with SELECT or WITH", 0)
        _require_no_constructor(tokens)
        found = _DIALECT.parser().parse(tokens, text)
    except ParseError as error:
        message, position = _reason(text, error)
        raise NotAnExpression(message.replace("expression", "query"), position) from None
    except TokenError:
        raise NotAnExpression("the query cannot be read: a quote or a bracket is not closed") from None
    except SqlglotError as error:
        raise NotAnExpression(f"the query cannot be read: {error}") from None
    except RecursionError:
        raise NotAnExpression("the query nests too deep") from None
    if len(found) != 1 or not isinstance(found[0], exp.Query):
        raise NotAnExpression("a sql step is one SELECT")
    return found[0]


def render_query(tree: Tree) -> str:
    """Canonical text of a query: indented, keywords in capitals, functions in small letters, no comments."""
    return str(_DIALECT.generate(tree, comments=False, normalize_functions="lower", pretty=True, copy=False))


def _reason(text: str, error: ParseError) -> tuple[str, int | None]:
    first = error.errors[0] if error.errors else {}
    word = str(first.get("highlight") or "")
    line, column = first.get("line"), first.get("col")
    position: int | None = None
    if isinstance(line, int) and isinstance(column, int):
        before = text.split("\n")[: line - 1]
        position = max(0, min(len(text), sum(len(part) + 1 for part in before) + column - len(word)))
    head = text[: position or 0].rstrip()
    if word and re.search(r"\bAS\Z", head, re.IGNORECASE) and re.search(r"\bCAST\s*\(", head, re.IGNORECASE):
        return f"the expression cannot be read at `{word}`, which is no type of Spark", position
    if word and position is not None and not text[position + len(word) :].strip():
        return f"the expression cannot be read at its end: something is missing after `{word}`", position
    return "the expression cannot be read" + (f" at `{word}`" if word else ""), position


def render(tree: Tree) -> str:
    """Canonical text of a tree: one line, keywords in capitals, functions in small letters."""
    return str(_DIALECT.generate(tree, comments=False, normalize_functions="lower", copy=False))
