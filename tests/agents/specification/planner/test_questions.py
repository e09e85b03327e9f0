"""Plain questions: who lacks a row of another table, groups that are counted, conditions on averages."""

from __future__ import annotations

import pytest

from tests.support.questions import asked, check


@pytest.mark.parametrize(
    ("catalog", "text", "gold"),
    [
        (
            "music", "Which artists have not released any album?",
            "SELECT artist_id, name FROM artist a WHERE NOT EXISTS (SELECT 1 FROM album b WHERE a.artist_id = "
            "b.artist_id)",
        ),
        (
            "school", "Find the names of the students who are not enrolled in any course.",
            "SELECT name FROM student WHERE student_id NOT IN (SELECT student_id FROM enrollment)",
        ),
        (
            "school", "How many students are not enrolled in any course?",
            "SELECT count(*) FROM student WHERE student_id NOT IN (SELECT student_id FROM enrollment)",
        ),
    ],
)  # fmt: skip
def test_a_verb_and_its_object_are_a_relation(catalog: str, text: str, gold: str) -> None:
    """``have not released any album`` is about albums, and not about a date of release."""
    check(catalog, text, gold)


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        (
            "How many stores have more than 3 employees?",
            "SELECT count(*) FROM (SELECT 1 FROM employee JOIN store USING (store_id) GROUP BY store_id HAVING "
            "count(*) > 3)",
        ),
        (
            "How many customers placed exactly two orders?",
            "SELECT count(*) FROM (SELECT 1 FROM orders JOIN customer USING (customer_id) GROUP BY customer_id HAVING "
            "count(*) = 2)",
        ),
    ],
)
def test_groups_that_are_left_are_counted(text: str, gold: str) -> None:
    """``how many … have more than …`` is one number."""
    check("shop", text, gold)


def test_over_compares() -> None:
    """``an average price over 300`` is a condition, and no division."""
    check(
        "shop", "Which categories have an average price over 300?",
        "SELECT category FROM product GROUP BY 1 HAVING avg(price) > 300",
    )  # fmt: skip


def test_a_group_that_two_counted_tables_have_is_asked() -> None:
    """Each of the tables has a city of its own; over which one rows are grouped is not said."""
    assert asked("shop", "For each city, show the number of customers and the number of stores.")


@pytest.mark.parametrize(
    ("catalog", "text", "gold"),
    [
        (
            "shop", "Which employees are older than 60 or earn more than 800? Show name.",
            "SELECT name FROM employee WHERE age > 60 OR salary > 800",
        ),
        (
            "shop", "Show the names of employees whose job title is Clerk or whose age is over 60.",
            "SELECT name FROM employee WHERE job_title = 'Clerk' OR age > 60",
        ),
        (
            "shop", "Products more expensive than the average: product name and price.",
            "SELECT product_name, price FROM product WHERE price > (SELECT avg(price) FROM product)",
        ),
        (
            "shop", "List the names of the employees who earn less than the average salary of all employees.",
            "SELECT name FROM employee WHERE salary < (SELECT avg(salary) FROM employee)",
        ),
        (
            "shop", "Show the names of employees whose salary equals the maximum salary.",
            "SELECT name FROM employee WHERE salary = (SELECT max(salary) FROM employee)",
        ),
        ("music", "Which tracks are longer than 300 seconds? Show names.",
         "SELECT name FROM track WHERE duration_seconds > 300"),
        ("music", "Show the venue names of venues that hold more than 5000 people.",
         "SELECT venue_name FROM venue WHERE capacity > 5000"),
        ("shop", "Which products weigh over 200 kg? Show the product name.",
         "SELECT product_name FROM product WHERE weight_kg > 200"),
        (
            "shop", "Which customers placed at least 4 orders? Show the first name and the number of orders.",
            "SELECT first_name, count(*) FROM customer JOIN orders USING (customer_id) GROUP BY customer_id HAVING "
            "count(*) >= 4",
        ),
    ],
)  # fmt: skip
def test_conditions(catalog: str, text: str, gold: str) -> None:
    """``or`` binds conditions that stand apart; adjectives and verbs compare what English measures with them."""
    check(catalog, text, gold)


@pytest.mark.parametrize(
    "text",
    [
        "Which tracks last longer than 5 minutes?",
        "Show the names of tracks longer than 3 or that were recorded live.",
    ],
)
def test_conditions_that_are_not_read_wholly(text: str) -> None:
    """Minutes are no seconds, and an ``or`` with only one side is no condition."""
    assert asked("music", text)


@pytest.mark.parametrize(
    ("catalog", "text"),
    [
        ("shop", "Who are the customers that bought every product?"),
        ("shop", "Which products were ordered by more than 5 different customers?"),
        ("music", "For each artist, how many tracks are longer than 5 minutes?"),
    ],
)
def test_no_word_of_a_condition_is_lost(catalog: str, text: str) -> None:
    """``every`` is no join, ``ordered by`` people no order of rows, and minutes are not counted."""
    assert asked(catalog, text)


@pytest.mark.parametrize(
    ("catalog", "text", "gold"),
    [
        (
            "shop", "How many products cost more than the average price?",
            "SELECT count(*) FROM product WHERE price > (SELECT avg(price) FROM product)",
        ),
        (
            "shop", "Which employees earn more than the average salary in their store? Show employee_id and name.",
            "SELECT employee_id, name FROM employee e WHERE salary > (SELECT avg(salary) FROM employee x WHERE "
            "x.store_id = e.store_id)",
        ),
        (
            "shop", "Find the product names of products whose price is above the average price of their category.",
            "SELECT product_name FROM product p WHERE price > (SELECT avg(price) FROM product x WHERE x.category = "
            "p.category)",
        ),
        (
            "shop", "Show the names of stores that have more than 2 employees and less than 5.",
            "SELECT store_name FROM store JOIN employee USING (store_id) GROUP BY store_id HAVING count(*) IN (3, 4)",
        ),
        (
            "shop", "Show the job titles with an average salary of more than 400 and more than 3 employees.",
            "SELECT job_title FROM employee GROUP BY 1 HAVING avg(salary) > 400 AND count(*) > 3",
        ),
        (
            "shop", "Find stores whose total employee salary exceeds 1000.",
            "SELECT store_id, store_name FROM store JOIN employee USING (store_id) GROUP BY 1 HAVING "
            "sum(salary) > 1000",
        ),
    ],
)  # fmt: skip
def test_averages_and_several_bounds(catalog: str, text: str, gold: str) -> None:
    """Rows are compared before they are counted, with their own group's average; bounds on groups add up."""
    check(catalog, text, gold)


_BOTH_COUNTED = (
    "SELECT store_id, (SELECT count(*) FROM employee e WHERE e.store_id = s.store_id), (SELECT count(*) FROM orders o "
    "WHERE o.store_id = s.store_id) FROM store s"
)


@pytest.mark.parametrize(
    "text",
    [
        "For each store show the number of employees and the number of orders.",
        "How many employees and how many orders does each store have?",
        "For each store, count the employees and the orders.",
        "Show the number of employees and orders per store.",
    ],
)
def test_two_counts_side_by_side(text: str) -> None:
    """Each row counts once, and a store that has only one of the two is there too."""
    check("shop", text, _BOTH_COUNTED)


def test_counts_of_two_tables_in_all_are_asked() -> None:
    """A join between them would leave out the stores without a customer."""
    assert asked("shop", "What is the number of stores and the number of customers?")


@pytest.mark.parametrize(
    ("catalog", "text", "gold"),
    [
        (
            "school", "For each department_id, count how many courses have more than 3 credits and how many have 3 "
            "credits or less.",
            "SELECT department_id, sum(credits > 3), sum(credits <= 3) FROM course GROUP BY 1",
        ),
        (
            "shop", "Show the names of employees who have a higher salary than the average.",
            "SELECT name FROM employee WHERE salary > (SELECT avg(salary) FROM employee)",
        ),
        (
            "shop", "Show the product names of products with a lower price than 200.",
            "SELECT product_name FROM product WHERE price < 200",
        ),
        (
            "shop", "Count the orders per status, leave out the orders that have no method.",
            "SELECT status, count(*) FROM orders WHERE payment_method IS NOT NULL GROUP BY 1",
        ),
    ],
)  # fmt: skip
def test_conditions_of_their_own(catalog: str, text: str, gold: str) -> None:
    """Behind each of two counts stands its own condition; ``a higher salary than`` compares; ``no method`` is NULL."""
    check(catalog, text, gold)
