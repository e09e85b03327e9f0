"""What a text holds: words for it, where they stand, and whether case matters."""

from __future__ import annotations

import pytest

from tests.support.questions import asked, check

_FOLDED = "SELECT incident_id FROM incident WHERE lower(remarks) LIKE '%{}%'"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('Incident id of the incidents whose remarks mention "late", in upper or lower case.', "late"),
        ('List the ids of incidents whose remarks contain the word "fog", regardless of case.', "fog"),
        (
            'Which incidents have the word "engine" in the remarks, no matter if in capital letters? Return the '
            "incident id.",
            "engine",
        ),
        ("Which incidents mention fog in their remarks (ignoring case)? Show incident id.", "fog"),
        ('Show the incident id of all incidents with "late" somewhere in the remarks, case-insensitive.', "late"),
        (
            "Show the incident id of the incidents caused by an engine (any remark with the word engine, regardless of "
            "case).",
            "engine",
        ),
    ],
)
def test_case_does_not_matter_where_words_say_so(text: str, word: str) -> None:
    """The words about case belong to the comparison before them."""
    check("ferry", text, _FOLDED.format(word))


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        (
            'Incident id where the remarks contain "late".',
            "SELECT incident_id FROM incident WHERE instr(remarks, 'late')",
        ),
        (
            "Incident id of the incidents with remarks containing 'engine' or 'door'.",
            "SELECT incident_id FROM incident WHERE instr(remarks, 'engine') OR instr(remarks, 'door')",
        ),
        (
            'Incident id of the incidents whose remarks do not contain "late".',
            "SELECT incident_id FROM incident WHERE NOT instr(remarks, 'late')",
        ),
    ],
)
def test_else_texts_are_compared_as_typed(text: str, gold: str) -> None:
    """Without such words `late` is not `Late`; several words are joined as they are said."""
    check("ferry", text, gold)


def test_a_letter_at_the_beginning() -> None:
    """``starts with the letter L``: the letter, and not the word for it."""
    check(
        "shop", "List the first names of the customers whose last name starts with the letter L.",
        "SELECT first_name FROM customer WHERE last_name LIKE 'L%'",
    )  # fmt: skip


def test_a_text_in_no_column_is_asked() -> None:
    """Where the text should be looked for must be said."""
    assert asked("ferry", 'How many incidents mention "late", in upper or lower case?')


def test_case_that_matters_is_not_passed_over() -> None:
    """``case-sensitive`` says the opposite, and is never read as its contrary."""
    assert asked("ferry", 'How many incidents have "late" in the remarks, case-sensitive?')
