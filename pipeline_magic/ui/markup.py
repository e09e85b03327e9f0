"""HTML that cannot be injected into: every string is escaped unless it is `Html` already.

Here: the builder all views draw with, and the few shapes they share (tables, marks, notes). Names, comments, data
and errors are hostile: a string given to `tag` as a child or an attribute is text, never markup; control
characters and those that turn the direction of writing are shown by their number, so that what is read is what is
there. Not here: style (``widgets/panel.css``).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

__all__ = [
    "LIMIT",
    "Html",
    "code",
    "data",
    "details",
    "fit",
    "items",
    "label",
    "link",
    "mark",
    "note",
    "plain",
    "table",
    "tag",
    "when",
]

LIMIT = 900_000
"""Most characters of one trait: one message to the browser stays under 1 MB."""

_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
_NAME = re.compile(r"`([^`\n]{1,300})`")
_VOID = frozenset({"br", "hr"})


class Html(str):
    """Text that is markup already, made by this module only."""

    __slots__ = ()


def plain(text: object) -> str:
    """Text for a terminal or a tooltip: control and direction characters are shown by their number.

    >>> plain("a\u202eb")
    'a⟨U+202E⟩b'
    """
    return _HIDDEN.sub(lambda match: f"⟨U+{ord(match.group()):04X}⟩", str(text).replace("\r\n", "\n"))


def label(text: object) -> str:
    """Text for a control's label, which Jupyter would otherwise read as TeX between dollars.

    >>> label("from $1 to $2")
    'from ＄1 to ＄2'
    """
    return plain(text).replace("$", "＄").replace("\\(", "\\ (").replace("\\[", "\\ [")


def _child(child: object) -> str:
    if isinstance(child, Html):
        return child
    if child is None:
        return ""
    return html.escape(plain(child), quote=True)


def tag(name: str, *children: object, **attributes: object) -> Html:
    """One element. ``class_`` is `class`, other underscores are hyphens; None and False leave an attribute out.

    >>> tag("b", "<script>", class_="pm-x", aria_label='say "hi"')
    '<b class="pm-x" aria-label="say &quot;hi&quot;">&lt;script&gt;</b>'
    """
    shown = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{_child(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Html(f"<{name}{shown}>")
    return Html(f"<{name}{shown}>{''.join(map(_child, children))}</{name}>")


def data(text: object) -> Html:
    """Text that is not ours, kept apart so that its direction of writing does not reorder what stands around it."""
    return tag("bdi", text)


def prose(text: object) -> Html:
    """A sentence of ours or of data, in which names stand in backticks.

    >>> prose("no `a<b` here")
    '<bdi>no <code>a&lt;b</code> here</bdi>'
    """
    parts = _NAME.split(str(text))
    return tag("bdi", *(tag("code", part) if at % 2 else part for at, part in enumerate(parts)))


def code(text: object) -> Html:
    """A name or an expression."""
    return tag("code", data(text))


def mark(icon: str, word: str, kind: str) -> Html:
    """A state as icon and word; `kind` gives the colour, which says nothing that the word does not."""
    return tag("span", tag("span", icon, aria_hidden="true"), " ", word, class_=f"pm-mark pm-is-{kind}")


def note(*children: object, kind: str = "info") -> Html:
    """A paragraph that stands out: ``info``, ``warn`` or ``error``."""
    return tag("div", *children, class_=f"pm-note pm-note-{kind}", role="alert" if kind == "error" else None)


def items(children: Iterable[object], *, ordered: bool = False) -> Html:
    """A list."""
    return tag("ol" if ordered else "ul", *(tag("li", child) for child in children), class_="pm-list")


def details(summary: object, *children: object, open_: bool = False, class_: str = "") -> Html:
    """A part that can be folded."""
    return tag("details", tag("summary", summary), *children, class_=f"pm-fold {class_}".rstrip(), open=open_)


def table(head: Sequence[object], rows: Iterable[Sequence[object]], *, label: str, limit: int = 2000) -> Html:
    """A table that scrolls sideways on its own; rows past `limit` are counted, not drawn."""
    body: list[Html] = []
    left = 0
    for row in rows:
        if len(body) < limit:
            body.append(tag("tr", *(tag("td", cell) for cell in row)))
        else:
            left += 1
    drawn = tag(
        "table",
        tag("thead", tag("tr", *(tag("th", cell, scope="col") for cell in head))),
        tag("tbody", *body),
        aria_label=label,
        class_="pm-table",
    )
    scroll = tag("div", drawn, class_="pm-scroll", tabindex="0", role="region", aria_label=label)
    return Html(scroll + (tag("p", f"{left:,} more not shown.", class_="pm-quiet") if left else ""))


def link(url: str, text: str = "") -> Html:
    """A link where `url` is a web address; else its text."""
    try:
        safe = urlsplit(url).scheme in {"http", "https"}
    except ValueError:
        safe = False
    if not safe:
        return data(text or url)
    return tag("a", data(text or url), href=url, target="_blank", rel="noopener noreferrer")


def fit(markup: Html, what: str, limit: int = LIMIT) -> Html:
    """The markup, or one sentence in its place when it is too large for a message to the browser."""
    if len(markup) <= limit and len(markup.encode()) <= limit:
        return markup
    return note(f"{what} is too large to show here ({len(markup) / 1e6:.1f} MB).", kind="warn")


def when(time: str) -> str:
    """A time as stored (ISO 8601 in UTC) to the second, for a person; anything else as it is.

    >>> when("2026-11-22T15:16:45.820450+00:00"), when("on demand")
    ('2026-11-22 15:16:45 UTC', 'on demand')
    """
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?(Z|\+00:00)", time)
    return f"{match.group(1)} {match.group(2)} UTC" if match else time


def number(value: Any) -> str:
    """A count with thousands separators; a dash where it is not known."""
    return "–" if value is None else f"{value:,}"
