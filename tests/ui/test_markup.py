"""Nothing that is not ours becomes markup."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from pipeline_magic.ui.markup import Html, data, fit, link, plain, prose, table, tag


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", "\"' onload=x", "`a`</style>", "&lt;b&gt;", "<!-- "])
def test_a_string_is_text_wherever_it_stands(hostile: str) -> None:
    """A string given as a child or an attribute comes back as itself, and makes no element and no attribute."""
    parsed = _Tags()
    parsed.feed(tag("p", hostile, title=hostile))
    assert parsed.tags == ["p"]
    assert parsed.text == hostile
    assert parsed.attributes == [("title", hostile)]


def test_backticks_make_code_and_nothing_else() -> None:
    """A name in backticks is drawn as code, escaped; a lone backtick stays one."""
    assert prose("no `<b>` in `a") == "<bdi>no <code>&lt;b&gt;</code> in `a</bdi>"


def test_direction_and_control_characters_are_shown() -> None:
    """Text that would turn the direction of writing, or hide, is shown by its number; right-to-left letters stay."""
    assert plain("a\u202eb\x00c\u200bd") == "a⟨U+202E⟩b⟨U+0000⟩c⟨U+200B⟩d"
    assert data("שלום") == "<bdi>שלום</bdi>"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "http://[bad"])
def test_only_web_addresses_are_links(url: str) -> None:
    """Anything but http and https is text."""
    assert "<a " not in link(url)
    assert "<a " in link("https://example.com/?a=1&b=2")


def test_a_table_counts_what_it_leaves_out() -> None:
    """Rows past the limit are counted, so that nothing is lost silently."""
    drawn = table(("n",), ((str(n),) for n in range(12)), label="numbers", limit=10)
    assert drawn.count("<tr>") == 11
    assert "2 more not shown." in drawn


def test_what_is_too_large_says_so() -> None:
    """Markup over the limit is replaced by one sentence; many-byte letters count as they are sent."""
    assert "too large" in fit(Html("x" * 11), "It", 10)
    assert "too large" in fit(Html("é" * 9), "It", 10)
    assert fit(Html("x" * 10), "It", 10) == "x" * 10
