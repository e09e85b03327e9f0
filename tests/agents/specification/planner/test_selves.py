"""Rows of a table that point at other rows of it: a role is the same table once more, on that column alone."""

from __future__ import annotations

import pytest

from tests.support.questions import asked, check

_PAIRS = "FROM employee e {} JOIN employee m ON m.employee_id = e.manager_id"


@pytest.mark.parametrize(
    ("catalog", "text", "gold"),
    [
        (
            "shop", "List the name of each employee and the name of their manager.",
            f"SELECT e.name, m.name {_PAIRS.format('LEFT')}",
        ),
        (
            "shop", "For each employee show the name, the manager's name and the manager's salary.",
            f"SELECT e.name, m.name, m.salary {_PAIRS.format('LEFT')}",
        ),
        (
            "shop", "How many employees does each manager have? Show the manager's name and the number.",
            f"SELECT m.name, count(*) {_PAIRS.format('')} GROUP BY m.employee_id, m.name",
        ),
        (
            "ferry", "List the full name of each sailor along with the full name of his or her mentor.",
            "SELECT s.full_name, m.full_name FROM sailor s LEFT JOIN sailor m ON m.sailor_id = s.mentor_id",
        ),
        (
            "ferry", "List the full name of each sailor whose mentor is known and the full name of the mentor.",
            "SELECT s.full_name, m.full_name FROM sailor s JOIN sailor m ON m.sailor_id = s.mentor_id",
        ),
    ],
)  # fmt: skip
def test_the_one_in_a_role_is_shown(catalog: str, text: str, gold: str) -> None:
    """Whoever has nobody in that role stays, with nothing shown."""
    check(catalog, text, gold)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("Names of the employees who earn more than their manager.", "e.salary > m.salary"),
        ("Show the names of the employees who are older than their manager.", "e.age > m.age"),
    ],
)
def test_a_row_is_compared_with_the_one_in_a_role(text: str, condition: str) -> None:
    """The same column of both rows."""
    check("shop", text, f"SELECT e.name {_PAIRS.format('')} WHERE {condition}")


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        (
            "Which employees have no manager? Show the names.",
            "SELECT name FROM employee WHERE manager_id IS NULL",
        ),
        (
            "What is the average salary of the employees per manager id?",
            "SELECT manager_id, avg(salary) FROM employee GROUP BY 1",
        ),
    ],
)
def test_the_key_of_a_role_is_a_column(text: str, gold: str) -> None:
    """Where nothing is said of the row itself, no second table is read."""
    check("shop", text, gold)


@pytest.mark.parametrize(
    ("catalog", "text"),
    [
        ("school", "Show the name of each student and the name of their advisor."),
        ("ferry", "Full names of the sailors whose mentor is a captain."),
        ("ferry", "Which sailors come from the same home town as their mentor?"),
        ("shop", "Which employees were hired before their manager? Show the name."),
    ],
)
def test_who_is_in_the_role_must_be_known(catalog: str, text: str) -> None:
    """The advisor of a student is no student for all we know; a role of which nothing is read is asked about."""
    assert asked(catalog, text)
