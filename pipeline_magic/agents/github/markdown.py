"""Text of others in Markdown: it can be read, and can do nothing.

Comments of a catalog, values of data, words of a model and of a statement are hostile here: no HTML, no link, no
mention, no reference to an issue, no closing keyword, no picture, no heading, no end of a table cell, no invisible or
reordering character, no secret, and never longer than asked for.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from pipeline_magic.redact import redact

__all__ = ["bullets", "code", "fenced", "prose", "table"]

_JOINER = "\u200b"
"""Zero width: between `@` and a name it leaves the text as it looks and takes its meaning away."""

_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~&\"'=:$^/])")
_AUTOLINK = re.compile(r"(?i)(\bwww)(\.)|(:)(//)|(\bmailto|\bxmpp)(:)")
_REFERENCE = re.compile(r"(@|#|\bGH-)(?=\S)", re.IGNORECASE)
_SHA = re.compile(r"\b[0-9a-f]{40}\b", re.IGNORECASE)


def _plain(text: str, limit: int) -> str:
    """One line without controls, format characters, private ones and secrets; cut at `limit`."""
    kept = "".join(
        " " if char.isspace() else char for char in text if char.isspace() or unicodedata.category(char)[0] != "C"
    )
    # Here, between taking out what is invisible and escaping: either could hide the shape of a token.
    line = redact(" ".join(kept.split()))
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def prose(text: str, limit: int = 300) -> str:
    """Text as text: everything that Markdown or the code host would take for more is escaped.

    >>> prose("fixes #1 by @ada <b>")
    'fixes \\\\#\\u200b1 by @\\u200bada \\\\<b\\\\>'
    """
    line = _plain(text, limit)
    line = _AUTOLINK.sub(lambda m: _JOINER.join(part for part in m.groups() if part), line)
    line = _REFERENCE.sub(lambda m: m[1] + _JOINER, line)
    line = _SHA.sub(lambda m: m[0][:20] + _JOINER + m[0][20:], line)
    return _PUNCTUATION.sub(r"\\\1", line)


def code(text: str, limit: int = 120) -> str:
    """A name or a value in a code span, safe inside a table too.

    >>> code("a`b|c")
    '``a`b\\\\|c``'
    """
    line = _plain(text, limit) or " "
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return fence + pad + line.replace("|", "\\|") + pad + fence


def fenced(text: str, language: str = "", limit: int = 8000) -> str:
    """Several lines as a block that nothing inside can end."""
    kept = "".join(char for char in text if char in "\n\t" or unicodedata.category(char)[0] != "C")
    kept = redact(kept)
    if len(kept) > limit:
        kept = kept[:limit].rpartition("\n")[0] + "\n…"
    longest = max((len(run) for run in re.findall(r"`+", kept)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{kept.rstrip()}\n{fence}"


def bullets(items: Iterable[str], limit: int = 40) -> list[str]:
    """Lines of a list, each made by the functions above; what is too much is counted."""
    lines = [f"- {item}" for item in items]
    more = len(lines) - limit
    return [*lines[:limit], f"- and {more} more"] if more > 0 else lines


def table(heading: Sequence[str], rows: Sequence[Sequence[str]], limit: int = 60) -> list[str]:
    """Lines of a table, its cells made by the functions above; what is too much is counted."""
    lines = ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
    lines += ("| " + " | ".join(row) + " |" for row in rows[:limit])
    if len(rows) > limit:
        lines += ["", f"and {len(rows) - limit} more"]
    return lines
