"""Text of others can be read, and can do nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_magic.agents.github.markdown import bullets, code, fenced, prose, table

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=y>",
    "<!-- hidden -->",
    "[click](https://evil.example)",
    "![x](https://evil.example/p.png)",
    "https://evil.example/a?b=c",
    "www.evil.example",
    "mailto:a@b.example",
    "hello @octocat and @org/team",
    "fixes #12, closes GH-13, see org/repo#14",
    "# heading",
    "- item\n\n1. item",
    "| a | b |",
    "```\ncode",
    "`code`",
    "**bold** __bold__ ~~gone~~",
    "&lt;b&gt; &#64;octocat",
    "a\x00b\x1b[31m\u202eevil\u200b\u2028next",
    "---\n===",
    "$x$ and $$y$$",
    "[ref]: https://evil.example",
    "[^1]",
    "a\\",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_prose_is_inert(text: str) -> None:
    """No HTML, link, mention, issue, heading, list, table, code or invisible character is left alive."""
    made = prose(text)
    alive = re.sub(r"\\.", "", made)
    assert not re.search(r"[<>\[\]`*_|~$#!]", alive), made
    assert "\n" not in made and "\x1b" not in made and "\u202e" not in made
    assert not re.search(r"@\w", made)
    assert not re.search(r"#\d", made.replace("\\", ""))
    assert "://" not in made.replace("\\", "") and "www." not in made.replace("\\", "")
    assert not re.search(r"GH-\d", made.replace("\\", ""))
    assert not re.search(r"\b[0-9a-f]{40}\b", made)
    assert not made.endswith("\\") or made.endswith("\\\\")


@given(st.text(max_size=60))
def test_prose_keeps_what_is_read(text: str) -> None:
    """What a person sees is the text: only invisible characters, white space and escapes differ."""
    seen = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", prose(text)).replace("\u200b", "")
    import unicodedata

    wanted = " ".join(
        "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C").split()
    )
    assert seen == wanted


@given(st.text(max_size=400), st.integers(2, 50))
def test_bounded(text: str, limit: int) -> None:
    """Nothing is longer than asked for, escapes aside."""
    seen = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", prose(text, limit)).replace("\u200b", "")
    assert len(seen) <= limit
    assert len(code(text, limit).strip("`").strip().replace("\\|", "|")) <= limit


@given(st.text("a`| \n", max_size=12))
def test_code_span_cannot_be_ended(text: str) -> None:
    """No run of backticks inside is as long as the fence, and no bar ends a table cell."""
    made = code(text)
    fence = re.match(r"`+", made)
    assert fence is not None and made.endswith(fence[0])
    inner = made[len(fence[0]) : -len(fence[0])]
    assert fence[0] not in re.findall(r"`+", inner)
    assert not re.search(r"(?<!\\)\|", made)
    assert "\n" not in made


@given(st.text("a`~\n", max_size=30))
def test_block_cannot_be_ended(text: str) -> None:
    """No line inside a block is its fence."""
    lines = fenced(text).split("\n")
    assert all(not line.strip().startswith(lines[0]) for line in lines[1:-1])
    assert lines[-1] == lines[0]


def test_too_much_is_counted() -> None:
    """Lists and tables are bounded and say how much is left out."""
    assert bullets((str(number) for number in range(5)), limit=3) == ["- 0", "- 1", "- 2", "- and 2 more"]
    assert table(("a",), [("1",)] * 5, limit=2)[-1] == "and 3 more"
    assert fenced("line\n" * 100, limit=20).endswith("…\n```")
