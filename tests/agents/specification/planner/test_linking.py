"""Words of a statement find tables, columns and values whatever a catalog calls them."""

from __future__ import annotations

import pytest

from tests.support.questions import asked, check, read


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("Show the ship name of ships whose length is over 400.", "SELECT ShipName FROM Ship WHERE LengthM > 400"),
        ("What is the average cargo weight of the voyages?", "SELECT avg(CargoWeightKg) FROM Voyage"),
        ("What is the total cargo weight for each outcome?",
         "SELECT Outcome, sum(CargoWeightKg) FROM Voyage GROUP BY Outcome"),
    ],
)  # fmt: skip
def test_units_in_names_need_not_be_said(text: str, gold: str) -> None:
    """`LengthM` is the length, `CargoWeightKg` the cargo weight."""
    check("harbour", text, gold)


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("How many ships have more than 30 cabins?", "SELECT count(*) FROM Ship WHERE CabinCount > 30"),
        ("List the ship name of the ships with at most 20 cabins.",
         "SELECT ShipName FROM Ship WHERE CabinCount <= 20"),
    ],
)  # fmt: skip
def test_a_number_before_the_noun_that_a_column_counts(text: str, gold: str) -> None:
    """`more than 30 cabins` compares `CabinCount`."""
    check("harbour", text, gold)


def test_a_deed_that_was_meant_is_a_date() -> None:
    """`planned to arrive in 2024` is about the column that both words are in, and not the actual arrival."""
    check(
        "harbour",
        "How many voyages were planned to arrive in 2024?",
        "SELECT count(*) FROM Voyage WHERE substr(PlannedArrival, 1, 4) = '2024'",
    )


def test_a_thing_that_is_used_is_a_value() -> None:
    """`drive a van` is a value of the one column of vehicles."""
    check(
        "harbour",
        "Give the ship name of the ships that drive a van.",
        "SELECT ShipName FROM Ship WHERE VehicleType = 'van'",
    )


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("How many ships whose skipper is known are there?", "SELECT count(*) FROM Ship WHERE SkipperId IS NOT NULL"),
        ("Show the ship name of ships whose crane is unknown.", "SELECT ShipName FROM Ship WHERE CraneId IS NULL"),
    ],
)
def test_whether_a_role_is_filled(text: str, gold: str) -> None:
    """A role is known where the key of who stands in it is there."""
    check("harbour", text, gold)


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("How many tanker ships are there?", "SELECT count(*) FROM Ship WHERE ShipClass = 'Tanker'"),
        ("Show the ship name of all ferries.", "SELECT ShipName FROM Ship WHERE ShipClass = 'Ferry'"),
        ("How many female ships are there?", "SELECT count(*) FROM Ship WHERE Sex = 'F'"),
        ("How many armed ships are there?", "SELECT count(*) FROM Ship WHERE Armed = 'Y'"),
        ("How many unarmed ships are there?", "SELECT count(*) FROM Ship WHERE Armed = 'N'"),
        ("How many voyages were diverted?", "SELECT count(*) FROM Voyage WHERE Outcome = 'Diverted'"),
    ],
)
def test_adjectives_and_nouns_are_values_that_the_data_hold(text: str, gold: str) -> None:
    """No comment says what a column holds: the data do."""
    check("harbour", text, gold)


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("Show the ids of ships with more than 30 cabins.", "SELECT ShipId FROM Ship WHERE CabinCount > 30"),
        ("Give me the ids and cargo weights of all diverted voyages.",
         "SELECT VoyageId, CargoWeightKg FROM Voyage WHERE Outcome = 'Diverted'"),
    ],
)  # fmt: skip
def test_ids_are_the_key_of_what_is_asked_for(text: str, gold: str) -> None:
    """`the ids of ships` shows the one key column of ships."""
    check("harbour", text, gold)


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("For every ship class, what is the average length? Return the ship class and the average.",
         "SELECT ShipClass, avg(LengthM) FROM Ship GROUP BY ShipClass"),
        ("For each outcome, how many voyages were there? Show the outcome and the number.",
         "SELECT Outcome, count(*) FROM Voyage GROUP BY Outcome"),
        ("What is the total cargo weight in kg for each outcome?",
         "SELECT Outcome, sum(CargoWeightKg) FROM Voyage GROUP BY Outcome"),
    ],
)  # fmt: skip
def test_what_is_there_may_be_said_again(text: str, gold: str) -> None:
    """`the number` is the one that was counted; a unit is that of the column."""
    check("harbour", text, gold)


def test_another_unit_is_asked() -> None:
    """Tons are no kilograms, and nothing is converted silently."""
    assert asked("harbour", "What is the total cargo weight in tons for each outcome?")


def test_a_role_that_a_table_between_gives_is_asked() -> None:
    """A tender of a ship is a ship, and the table between points at ships twice."""
    assert asked("harbour", "What are the ship names of the tenders of the ferries?")


def test_a_key_with_a_role_before_it_joins() -> None:
    """`home_brnch_cd` points at a branch, where nothing else does."""
    check(
        "gym",
        "How many members does each branch have?",
        "SELECT home_brnch_cd, count(*) FROM mbr GROUP BY home_brnch_cd",
    )


@pytest.mark.parametrize(
    "text",
    [
        "How many rusty ships are there?",
        "Show the ship name of ships that drive a spaceship.",
        "How many ships have more than 30 masts?",
        "How many voyages were planned to sink in 2024?",
    ],
)
def test_what_no_column_and_no_value_fits_is_asked(text: str) -> None:
    """A word that the catalog and the data do not have is never guessed."""
    assert asked("harbour", text)


@pytest.mark.parametrize(
    ("catalog", "text"),
    [
        ("shop", "Which customers returned an order?"),
        ("harbour", "List the ships and the number of voyages each made."),
        ("shop", "What is the revenue of each supplier?"),
    ],
)
def test_what_is_read_only_in_part_is_asked(catalog: str, text: str) -> None:
    """A deed of others, an `each` without its noun, and money of nothing that is sold: never the nearest thing."""
    assert asked(catalog, text)


def test_a_name_of_two_columns_is_shown_wholly() -> None:
    """`fst_nm` is the first name: it is never left out of a list silently."""
    check("gym", "Show the first name and last name of all Gold members.",
          "SELECT fst_nm, lst_nm FROM mbr WHERE plan_typ = 'Gold'")  # fmt: skip


def test_a_deed_that_is_a_value_says_which_rows_are_counted() -> None:
    """`had the most diverted voyages` and `has shipped the most orders` count those rows alone."""
    check(
        "shop",
        "Which customer has shipped the most orders?",
        "SELECT customer_id FROM orders JOIN customer USING (customer_id) GROUP BY 1 "
        "ORDER BY count(shipped_date) DESC, customer_id LIMIT 1",
    )


def test_rows_are_joined_over_keys_rather_than_over_a_third_table() -> None:
    """Products that were ordered are those of order items; that both have a store in common says nothing."""
    made = read("shop", "Which products were never ordered?")
    assert "order_item" in made["query"]


def test_an_adjective_before_its_column_is_a_value() -> None:
    """`in Gold plan type` says which rows, whatever the case; it groups by nothing."""
    check(
        "gym",
        "What is the average year fee of the members with a gold plan type?",
        "SELECT avg(yr_fee) FROM mbr WHERE plan_typ = 'Gold'",
    )


def test_nobody_lives_in_the_city_of_a_branch() -> None:
    """Where a member lives is not where the member's branch stands."""
    assert asked("gym", "How many members live in Paris?")


def test_a_column_called_after_a_third_table_does_not_point_here() -> None:
    """`sale_id` points at sales, and not at sales persons."""
    from pipeline_magic.agents.specification.planner.entities import describe
    from pipeline_magic.agents.specification.planner.joingraph import JoinGraph
    from pipeline_magic.spec.schema import Column, TableSchema

    def table(name: str, *columns: str) -> TableSchema:
        made = tuple(Column(name=column, type="bigint") for column in columns)
        return TableSchema(table=f"c.s.{name}", columns=made, primary_key=("id",))

    graph = JoinGraph(
        describe([table("sales_persons", "id"), table("sales", "id", "person_id"), table("payments", "id", "sale_id")])
    )
    assert [link.keys for link in graph.links("c.s.payments", "c.s.sales")] == [(("sale_id", "id"),)]
    assert graph.links("c.s.payments", "c.s.sales_persons") == ()
