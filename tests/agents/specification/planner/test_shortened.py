"""Names shortened in a way of their own are found by the words of the statement that they shorten."""

from __future__ import annotations

import pytest

from pipeline_magic.agents.specification.planner.shortened import shortens
from tests.support.questions import asked, check


@pytest.mark.parametrize(
    ("piece", "word", "terse", "fits"),
    [
        ("bk", "book", False, True),
        ("vst", "visit", False, True),
        ("mbr", "member", False, True),
        ("ctry", "country", False, True),
        ("cpy", "copy", False, True),
        ("pub", "published", True, True),
        ("pub", "published", False, False),
        ("car", "carrier", False, False),
        ("bk", "bank", False, True),
        ("bk", "branch", False, False),
        ("st", "test", False, False),
        ("book", "book", False, False),
    ],
)
def test_a_piece_is_the_bones_or_the_beginning_of_a_word(piece: str, word: str, terse: bool, fits: bool) -> None:
    """Consonants in their order, up to the last or from the first on; a beginning only where names are shortened."""
    assert shortens(piece, word, terse) is fits


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("How many visits did each member make?", "SELECT mbr_id, count(*) FROM vst GROUP BY mbr_id"),
        ("How many branches opened after 2010?", "SELECT count(*) FROM brnch WHERE opn_yr > 2010"),
        ("What is the average duration of the visits?", "SELECT avg(dur_min) FROM vst"),
        ("How many visits have a duration of more than 60 minutes?", "SELECT count(*) FROM vst WHERE dur_min > 60"),
        ("Show the ids of members who joined in 2023.",
         "SELECT mbr_id FROM mbr WHERE substr(join_dt, 1, 4) = '2023'"),
        ("How many members have the Gold plan type?", "SELECT count(*) FROM mbr WHERE plan_typ = 'Gold'"),
    ],
)  # fmt: skip
def test_shortened_names_are_read(text: str, gold: str) -> None:
    """`vst` is a visit where the statement speaks of visits and nothing else is called so."""
    check("gym", text, gold)


def test_a_word_that_nothing_shortens_is_asked() -> None:
    """`trainers` is no piece of a name here."""
    assert asked("gym", "How many trainers does each branch have?")
