"""Columns that point at a table in a role: their values tell where, the words of the statement which of several."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pipeline_magic.agents.specification.planner.entities import describe
from pipeline_magic.agents.specification.planner.joingraph import JoinGraph
from pipeline_magic.agents.specification.planner.pointers import with_pointers
from pipeline_magic.agents.specification.values import Data, Pair, pointing_in
from pipeline_magic.errors import QueryFailed
from pipeline_magic.spec.schema import Column, TableSchema
from tests.support.questions import asked, check


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("How many trains are there for each destination?",
         "SELECT DestinationCode, count(*) FROM Train GROUP BY DestinationCode"),
        ("How many trains did each conductor have?",
         "SELECT ConductorNo, count(*) FROM Train GROUP BY ConductorNo"),
        ("Show the train id and the guard rank of the conductor.",
         "SELECT TrainId, GuardRank FROM Train LEFT JOIN Guard ON GuardNo = ConductorNo"),
        ("How many trains have a senior conductor?",
         "SELECT count(*) FROM Train WHERE ConductorNo IN (SELECT GuardNo FROM Guard WHERE GuardRank = 'Senior')"),
    ],
)  # fmt: skip
def test_words_for_a_role_choose_the_column(text: str, gold: str) -> None:
    """`each destination` groups by the destination, and `each conductor` by who conducts, which no name links."""
    check("rail", text, gold)


@pytest.mark.parametrize(
    "text",
    [
        "How many trains are there for each station?",
        "How many trains leave from Tours?",
        "How many trains are there for each driver?",
    ],
)
def test_a_role_that_is_not_said_is_asked(text: str) -> None:
    """Two columns point at stations; towns are of stations and of guards; drivers are nobody."""
    assert asked("rail", text)


def test_a_few_values_may_lead_nowhere() -> None:
    """Nearly all must be found, and more than two: chance finds as many."""
    pairs = [(("c.s.t", name), ("c.s.k", "code")) for name in ("a", "b", "d", "e")]
    answers = [(0, 10, 10), (1, 10, 8), (2, 10, 7), (3, 2, 2)]
    assert pointing_in(lambda text: answers, pairs) == pairs[:2]


def test_what_cannot_be_read_points_nowhere() -> None:
    """Without the data there are no such links."""

    def look(text: str) -> list[tuple[int, int, int]]:
        raise QueryFailed("no access")

    assert pointing_in(look, [(("c.s.t", "a"), ("c.s.k", "code"))]) == []


def test_what_is_personal_is_not_compared() -> None:
    """Columns of people's names and contacts, and what tags call personal, are in no query."""
    seen: list[Pair] = []

    def pointing(pairs: Sequence[Pair]) -> Sequence[Pair]:
        seen.extend(pairs)
        return ()

    text = {"type": "string", "nullable": True}
    names = ("login_code", "email", "captain_code", "last_name")
    boat = TableSchema(table="c.s.boat", columns=tuple(Column(name=name, **text) for name in names))
    key = TableSchema(table="c.s.sailor", columns=(Column(name="sailor_code", **text),), primary_key=("sailor_code",))
    tables = describe([boat, key])
    with_pointers(JoinGraph(tables), tables, list(tables), Data(lambda *_: {}, pointing))
    assert {column for (_, column), _ in seen} == {"captain_code"}
