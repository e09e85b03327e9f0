"""Words that neither names nor comments explain: values where the data hold them in one column, else asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

import pytest

from pipeline_magic.agents.catalog.index import CatalogIndex
from pipeline_magic.agents.specification import SpecificationParserAgent
from pipeline_magic.agents.specification.values import Data, looked_at, values_in
from pipeline_magic.errors import QueryFailed
from pipeline_magic.runs import Parsed
from pipeline_magic.spec.schema import Column, TableSchema

NOW = datetime(2025, 6, 30, 12, tzinfo=timezone.utc)


def table(name: str, *columns: str, key: str = "") -> TableSchema:
    made = tuple(Column(name=part.split(":")[0], type=part.split(":")[1]) for part in columns)
    return TableSchema(table=f"c.s.{name}", columns=made, primary_key=(key,) if key else ())


BOATS = table("boats", "boat_id:bigint", "hull:string", "berth_id:bigint", "finish:string", key="boat_id")
BERTHS = table("berths", "berth_id:bigint", "pier:string", "mood:string", key="berth_id")
DATA = {
    ("c.s.boats", "hull"): ["Steel", "Wood", "boat"],
    ("c.s.boats", "finish"): ["Matte", "Amber"],
    ("c.s.berths", "pier"): ["North", "Amber"],
}


class Held:
    """A look into `DATA` that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, tables: Sequence[TableSchema], words: Sequence[str]) -> Mapping[tuple[str, str], list[str]]:
        self.asked.append(tuple(words))
        names = {each.table for each in tables}
        found = {
            key: [value for value in values if value.casefold() in words]
            for key, values in DATA.items()
            if key[0] in names
        }
        return {key: values for key, values in found.items() if values}


def read(text: str, data: Held | None = None) -> Parsed:
    agent = SpecificationParserAgent(data=Data(data, lambda pairs: ()) if data is not None else None)
    return agent.parse(text, catalog=CatalogIndex([BOATS, BERTHS]), now=NOW)


def asked(parsed: Parsed) -> bool:
    return any(question.must_answer for question in parsed.questions)


def texts(parsed: Parsed) -> str:
    return parsed.draft.model_dump_json()


def test_an_adjective_that_one_column_holds_is_its_value() -> None:
    """`steel boats` are those with hull Steel, spelt as the data spell it; without the data the word is asked about."""
    assert asked(read("How many steel boats are there?"))
    parsed = read("How many steel boats are there?", Held())
    assert not asked(parsed) and "hull = 'Steel'" in texts(parsed)


def test_a_word_that_two_columns_hold_is_asked() -> None:
    """`amber` is a finish and a pier, and both tables are named: nothing tells which."""
    assert asked(read("For each pier of the berths, how many amber boats are there?", Held()))


def test_of_two_columns_that_of_the_named_table_is_meant() -> None:
    """`amber boats` speaks of boats where no other table is named."""
    assert "finish = 'Amber'" in texts(read("How many amber boats are there?", Held()))


def test_the_data_are_looked_at_only_where_words_are_left() -> None:
    """A statement that is read wholly costs no query."""
    data = Held()
    assert not asked(read("How many boats are there?", data))
    assert data.asked == []


def test_words_of_names_are_no_values() -> None:
    """`boat` names a table; that a column also holds the word changes nothing."""
    data = Held()
    read("How many rusty boats are there?", data)
    assert data.asked and all("boat" not in words and "boats" not in words for words in data.asked)


def test_values_are_found_without_regard_to_case_by_one_query_a_table() -> None:
    """The look asks for the words alone, and brings back the spelling of the data."""
    queries: list[str] = []

    def look(text: str) -> list[tuple[int, str]]:
        queries.append(text)
        return [(0, "Steel")]

    found = values_in(look, [BOATS], ["steel", "it's"])
    assert found == {("c.s.boats", "hull"): ["Steel"]}
    assert len(queries) == 1 and "'it\\'s'" in queries[0]


def test_a_table_that_cannot_be_read_holds_nothing() -> None:
    """Words then stay unread, as without the data."""

    def look(text: str) -> list[tuple[int, str]]:
        raise QueryFailed("no access")

    assert values_in(look, [BOATS], ["steel"]) == {}


@pytest.mark.parametrize(
    ("owner", "column", "looked"),
    [
        ("boats", "hull", True),
        ("species", "common_name", True),
        ("customers", "name", False),
        ("people", "full_name", False),
        ("orders", "customer_name", False),
        ("visits", "email", False),
        ("visits", "phone_no", False),
    ],
)
def test_columns_of_people_are_left_alone(owner: str, column: str, looked: bool) -> None:
    """Names, contacts and numbers of people are never looked at."""
    made = table(owner, f"{column}:string")
    assert looked_at(made, made.columns[0]) is looked
