"""Superlatives: single rows by what an adjective measures, by a column that is named, and values that are common."""

from __future__ import annotations

import pytest

from tests.support.questions import asked, check


@pytest.mark.parametrize(
    ("catalog", "text", "gold"),
    [
        (
            "shop", "What is the name of the oldest employee?",
            "SELECT name FROM employee ORDER BY age DESC LIMIT 1",
        ),
        (
            "shop", "Show the name and salary of the youngest employee.",
            "SELECT name, salary FROM employee WHERE age IS NOT NULL ORDER BY age, employee_id LIMIT 1",
        ),
        (
            "shop", "Which product is the most expensive? Show its product name.",
            "SELECT product_name FROM product ORDER BY price DESC LIMIT 1",
        ),
        (
            "shop", "Find the name and price of the cheapest product in the Toys category.",
            "SELECT product_name, price FROM product WHERE category = 'Toys' AND price IS NOT NULL ORDER BY price "
            "LIMIT 1",
        ),
        (
            "shop", "What are the names of the 3 youngest employees?",
            "SELECT name FROM employee WHERE age IS NOT NULL ORDER BY age, employee_id LIMIT 3",
        ),
        (
            "shop", "List the top 3 most expensive products with product name and price.",
            "SELECT product_name, price FROM product ORDER BY price DESC LIMIT 3",
        ),
        (
            "shop", "Who is the youngest customer? Return the first name and the birth date.",
            "SELECT first_name, birth_date FROM customer ORDER BY birth_date DESC LIMIT 1",
        ),
        (
            "music", "What is the longest track?",
            "SELECT track_id, name FROM track ORDER BY duration_seconds DESC LIMIT 1",
        ),
        (
            "music", "Give the venue name of the largest venue.",
            "SELECT venue_name FROM venue ORDER BY capacity DESC LIMIT 1",
        ),
        (
            "shop", "Which store is the oldest? Give store name and city.",
            "SELECT store_name, city FROM store WHERE opened_year IS NOT NULL ORDER BY opened_year LIMIT 1",
        ),
        (
            "shop", "For each store id, the oldest employee: store_id and name.",
            "SELECT store_id, name FROM (SELECT *, row_number() OVER (PARTITION BY store_id ORDER BY age DESC, "
            "employee_id) i FROM employee WHERE age IS NOT NULL) WHERE i = 1",
        ),
    ],
)  # fmt: skip
def test_the_row_that_an_adjective_points_out(catalog: str, text: str, gold: str) -> None:
    """What English measures with the adjective is looked for among the columns of the table."""
    check(catalog, text, gold)


@pytest.mark.parametrize(
    ("catalog", "text", "gold"),
    [
        (
            "school", "Which department has the largest budget? Show the dept name.",
            "SELECT dept_name FROM department ORDER BY budget DESC LIMIT 1",
        ),
        (
            "school", "Find the title of the course with the fewest credits.",
            "SELECT title FROM course WHERE credits IS NOT NULL ORDER BY credits, course_id LIMIT 1",
        ),
        (
            "music", "Find the name of the artist whose concert had the highest attendance.",
            "SELECT a.name FROM concert c LEFT JOIN artist a USING (artist_id) ORDER BY attendance DESC LIMIT 1",
        ),
        (
            "music", "List the name of the track with the longest duration.",
            "SELECT name FROM track ORDER BY duration_seconds DESC LIMIT 1",
        ),
        (
            "shop", "Which category has the highest average price?",
            "SELECT category FROM product GROUP BY 1 ORDER BY avg(price) DESC LIMIT 1",
        ),
    ],
)  # fmt: skip
def test_what_has_most_of_a_column(catalog: str, text: str, gold: str) -> None:
    """``has the largest`` points out a row, or a group, as ``with the largest`` does."""
    check(catalog, text, gold)


@pytest.mark.parametrize(
    ("catalog", "text", "gold"),
    [
        (
            "shop", "What is the most common job title among employees?",
            "SELECT job_title FROM employee WHERE job_title IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC LIMIT 1",
        ),
        (
            "school", "The two most common majors of students.",
            "SELECT major, count(*) FROM student WHERE major IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 2",
        ),
    ],
)  # fmt: skip
def test_the_commonest_value(catalog: str, text: str, gold: str) -> None:
    """The value that most rows have; an unknown value is none."""
    check(catalog, text, gold)


@pytest.mark.parametrize(
    ("catalog", "text"),
    [
        ("shop", "Show the names of the oldest employees."),
        ("shop", "What is the largest department?"),
        ("school", "Who is the oldest student?"),
        ("school", "Show the name of the best student."),
        ("music", "What is the most popular venue?"),
    ],
)
def test_what_is_not_said_is_asked(catalog: str, text: str) -> None:
    """How many, or by what, is never guessed."""
    assert asked(catalog, text)
