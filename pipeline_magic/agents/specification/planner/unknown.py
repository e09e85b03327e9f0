"""Full names of tables that the catalog does not have.

A name of three parts is exact: it is never read as another table that looks like it. Where the words before it say that
it is written (``into``, ``save as``), it is the target and need not exist; anywhere else it must.
"""

from __future__ import annotations

import difflib
import re

from pipeline_magic.agents.catalog.index import CatalogIndex
from pipeline_magic.errors import TableNotFound

__all__ = ["require_known"]

_PART = r"(?:`[^`\n]{1,255}`|[A-Za-z_]\w{0,254})"
_NAME = re.compile(rf"(?<![\w.`@/])({_PART}\.{_PART}\.{_PART})(?![\w`]|\.\w)")
_SKIPPED = re.compile(
    r"(?:\b(?:the|a|an|new|my|our|delta|gold|silver|bronze|existing)\b|[\s:=`'\"“”*-])+$", re.IGNORECASE
)
_WRITTEN = re.compile(
    r"\b(?:into|to|as|at|in|on|onto|table|target|called|named|name|output|outputs|quarantine|is|be|"
    r"(?:updat|overwrit|upsert|merg|append|refresh|populat|creat|build|maintain|load|writ|publish|materiali[sz]|produc|"
    r"fill|replac|sav|stor|keep|mak)(?:e|es|s|ing|ed|t)?)$",
    re.IGNORECASE,
)


def require_known(statement: str, catalog: CatalogIndex) -> None:
    """Raise for the first full name that is read and that the catalog does not have.

    Raises:
        TableNotFound: With the nearest names, best first.
    """
    for match in _NAME.finditer(statement):
        name = match[1].replace("`", "")
        before = _SKIPPED.sub("", statement[max(0, match.start() - 80) : match.start()])
        if catalog.table(name) is None and not _WRITTEN.search(before):
            error = TableNotFound(name, _nearest(name, catalog), where=f"“{_around(statement, match)}”")
            error.hint += f" If it is where the result goes, write `into {name}`."
            raise error


def _nearest(name: str, catalog: CatalogIndex) -> list[str]:
    known = [table.table for table in catalog.tables]
    if len(known) > 5000:
        words = [word for word in re.split(r"[\W_]+", name) if word]
        known = [hit.table for hit in catalog.search(words, k=50)]
    return difflib.get_close_matches(name, known, n=5, cutoff=0.6)


def _around(statement: str, match: re.Match[str]) -> str:
    start, end = max(0, match.start() - 20), min(len(statement), match.end() + 20)
    return " ".join(statement[start:end].split())
