"""Typing of whole specs: schemas, nullability and keys of every step, and every problem at once with its field."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_magic.adapters.samples import SAMPLES
from pipeline_magic.errors import SpecError
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.schema import Column, TableSchema
from pipeline_magic.spec.typed import TypedSpec, type_spec

TABLES = {table.table: table for table in SAMPLES}
KEYED = {
    "dev.a.people": TableSchema(
        table="dev.a.people",
        columns=(
            Column(name="id", type="bigint", nullable=False),
            Column(name="Name", type="string"),
            Column(name="born", type="date"),
        ),
        primary_key=("id",),
    ),
    "dev.a.visits": TableSchema(
        table="dev.a.visits",
        columns=(
            Column(name="visit", type="bigint", nullable=False),
            Column(name="person", type="bigint"),
            Column(name="cost", type="decimal(10,2)"),
            Column(name="tags", type="array<string>"),
        ),
        unique_keys=(("visit",),),
    ),
}


def spec(steps: list[dict[str, Any]], target: dict[str, Any] | None = None, **more: Any) -> PipelineSpec:
    """A spec over people and visits."""
    sources = [{"alias": "people", "table": "dev.a.people"}, {"alias": "visits", "table": "dev.a.visits"}]
    last = steps[-1]["id"] if steps else "people"
    data = {
        "name": "p",
        "sources": sources,
        "steps": steps,
        "target": {"table": "dev.a.out", "input": last} | (target or {}),
    }
    return PipelineSpec.model_validate(data | more)


def typed(made: PipelineSpec, target: TableSchema | None = None) -> TypedSpec:
    """Typed against the tables of this module."""
    tables = {source.alias: (KEYED | TABLES)[source.table] for source in made.sources}
    return type_spec(made, tables, target=target)


def problems(made: PipelineSpec, target: TableSchema | None = None) -> dict[str, str]:
    """Path and message of every problem."""
    with pytest.raises(SpecError) as caught:
        typed(made, target)
    return {problem.path: str(problem) for problem in caught.value.problems}


def join(how: str, **more: Any) -> dict[str, Any]:
    keys = [{"left": "person", "right": "id"}]
    return {"id": "j", "kind": "join", "left": "visits", "right": "people", "how": how, "keys": keys} | more


@pytest.mark.parametrize(
    ("how", "keys", "not_null"),
    [
        ("inner", (("visit",),), {"visit", "person", "id"}),
        ("left", (("visit",),), {"visit"}),
        ("right", (("visit", "id"),), {"id"}),
        ("full", (), set()),
        ("semi", (("visit",),), {"visit"}),
        ("anti", (("visit",),), {"visit"}),
    ],
)
def test_join_keys_and_nullability(how: str, keys: tuple[tuple[str, ...], ...], not_null: set[str]) -> None:
    """A join on the right side's key keeps the left's keys; outer sides can be NULL; inner keys cannot."""
    node = typed(spec([join(how)])).node("j")
    assert node.keys == keys
    assert {column.name for column in node.columns if not column.nullable} == not_null


def test_keys_through_steps() -> None:
    """Grouping and deduplicating make keys; replacing, casting and exploding lose them; renaming renames them."""
    steps = [
        {"id": "d", "kind": "derive", "input": "visits", "columns": [{"name": "VISIT", "expression": "visit + 1"}]},
        {"id": "g", "kind": "aggregate", "input": "d", "group_by": ["person"],
         "measures": [{"name": "n", "expression": "count(*)"}]},
        {"id": "r", "kind": "rename", "input": "g", "columns": [{"column": "person", "name": "who"}]},
        {"id": "u", "kind": "deduplicate", "input": "visits", "keys": ["person", "cost"]},
        {"id": "e", "kind": "explode", "input": "u", "column": "tags", "name": "tag"},
        {"id": "p", "kind": "explode", "input": "visits", "column": "tags", "name": "tag", "position": "place"},
    ]  # fmt: skip
    made = {name: typed(spec(steps[:3] if name in "dgr" else steps[3:5] if name in "ue" else steps[5:])).node(name).keys
            for name in "dgruep"}  # fmt: skip
    assert made == {
        "d": (),
        "g": (("person",),),
        "r": (("who",),),
        "u": (("visit",), ("person", "cost")),
        "e": (),
        "p": (("visit", "place"),),
    }


def test_a_full_join_may_hold_two_rows_without_a_key() -> None:
    """Each side of a full join can bring a row whose key is NULL, so the key is one only where a side has no NULL."""
    same = {"id": "j", "kind": "join", "left": "l", "right": "people", "how": "full",
            "keys": [{"left": "id", "right": "id"}]}  # fmt: skip
    group = {"id": "g", "kind": "aggregate", "input": "visits", "group_by": ["person"],
             "measures": [{"name": "n", "expression": "count(*)"}]}  # fmt: skip
    left = {"id": "l", "kind": "rename", "input": "g", "columns": [{"column": "person", "name": "id"}]}
    assert typed(spec([group, left, same])).node("j").keys == (("id",),)
    there = KEYED["dev.a.people"]
    loose = there.model_copy(update={"columns": (Column(name="id", type="bigint"), *there.columns[1:])})
    tables = {"people": loose, "visits": KEYED["dev.a.visits"]}
    assert type_spec(spec([group, left, same]), tables).node("j").keys == ()


def test_names_take_the_catalogs_spelling() -> None:
    """Columns are found whatever their case, and written as the catalog writes them."""
    made = typed(spec([{"id": "s", "kind": "select", "input": "people", "columns": ["NAME", "ID"]}]))
    assert made.spec.steps[0].columns == ("Name", "id")  # type: ignore[union-attr]  # a select
    assert [column.name for column in made.node("s").columns] == ["Name", "id"]


def test_a_filter_rules_out_null() -> None:
    """After ``born is not null`` the column cannot be NULL any more."""
    made = typed(spec([{"id": "f", "kind": "filter", "input": "people", "condition": "born is not null and id > 1"}]))
    assert [column.nullable for column in made.node("f").columns] == [False, True, False]


def test_every_problem_at_once() -> None:
    """One call names everything that is wrong, in the order of the spec, each with its field."""
    found = problems(
        spec(
            [
                {"id": "a", "kind": "aggregate", "input": "visits", "group_by": ["persn"],
                 "measures": [{"name": "x", "expression": "sum(tags)"}, {"name": "X", "expression": "avg(cots)"}]},
                {"id": "loose", "kind": "filter", "input": "people", "condition": "id"},
                join("inner", id="j", keys=[{"left": "cost", "right": "Name"}]),
                {"id": "m", "kind": "join", "left": "j", "right": "a", "keys": []},
                {"id": "c1", "kind": "filter", "input": "c2", "condition": "true"},
                {"id": "c2", "kind": "filter", "input": "c1", "condition": "true"},
            ],
            {"table": "dev.a.people", "input": "mm", "mode": "scd2"},
        )
    )  # fmt: skip
    assert "`person`" in found["steps.a.group_by"]
    assert "sum needs a number" in found["steps.a.measures.x.expression"]
    assert "`cost`" in found["steps.a.measures.X.expression"]
    assert "two columns of the result are called" in found["steps.a.measures"]
    assert "a condition is true or false" in found["steps.loose.condition"]
    assert "nothing uses `loose`" in found["steps.loose"]
    assert "cast one of them" in found["steps.j.keys.cost"]
    assert "without keys every row" in found["steps.m.keys"]
    assert "`c1` <- `c2` <- `c1`" in found["steps.c1"] + found["steps.c2"]
    assert "is read as `people`" in found["target.table"]
    assert "there is no source or step `mm`" in found["target.input"]


@pytest.mark.parametrize("mode", ["merge", "scd1", "scd2"])
def test_modes_that_need_keys(mode: str) -> None:
    """Merge, scd1 and scd2 without keys are refused; the keys that are known are offered."""
    found = problems(spec([], {"mode": mode}))
    assert "needs the columns that identify a row" in found["target.keys"]
    assert "`id`" in found["target.keys"]


def test_existing_target() -> None:
    """A target that would lose or lacks a column is refused; a change of type is said, or refused where rows stay."""
    there = TableSchema(table="dev.a.out", columns=(Column(name="id", type="bigint"), Column(name="gone", type="int")))
    assert "readers would lose it" in problems(spec([]), there)["target.input"]
    changed = TableSchema(
        table="dev.a.out",
        columns=(
            Column(name="id", type="string"),
            Column(name="Name", type="string"),
            Column(name="born", type="date"),
        ),
    )
    assert "changes its type" in typed(spec([]), changed).warnings[0].message
    assert "cast it" in problems(spec([], {"mode": "merge", "keys": ["id"]}), changed)["target.input"]
    short = TableSchema(table="dev.a.out", columns=(Column(name="id", type="bigint"),))
    assert "has no column" in problems(spec([], {"mode": "append"}), short)["target.input"]


def test_warnings() -> None:
    """What is legal and yet worth knowing is said: reserved words, ties, unused sources, fan-out."""
    steps = [
        {"id": "t", "kind": "top", "input": "visits", "n": 2, "order_by": [{"column": "cost"}]},
        {"id": "r", "kind": "rename", "input": "t", "columns": [{"column": "cost", "name": "order"}]},
    ]
    said = " ".join(warning.message for warning in typed(spec(steps)).warnings)
    assert "a word of SQL" in said
    assert "the order does not decide which rows are in" in said
    assert "nothing uses `people`" in said
    many = join("inner", keys=[{"left": "visit", "right": "id"}])
    wide = [
        {"id": "x", "kind": "explode", "input": "visits", "column": "tags", "name": "tag", "position": "at"},
        many | {"left": "x", "keys": [{"left": "tag", "right": "Name"}]},
    ]
    assert any("may be multiplied" in warning.message for warning in typed(spec(wide)).warnings)


def test_expectations_are_checked() -> None:
    """Columns, literals and actions of expectations are checked against the rows they are about."""
    checks = [
        {"id": "e1", "kind": "range", "on": "visits", "column": "cost", "minimum": "a lot"},
        {"id": "e2", "kind": "unique", "on": "target", "columns": ["id"], "action": "drop"},
        {"id": "e3", "kind": "not_null", "on": "nowhere", "columns": ["id"]},
        {"id": "e4", "kind": "freshness", "on": "people", "column": "Name", "max_age_hours": 1},
        {
            "id": "e5",
            "kind": "referential",
            "on": "visits",
            "columns": ["person"],
            "to": "people",
            "to_columns": ["Name"],
        },
        {"id": "e6", "kind": "not_null", "on": "people", "columns": ["id"], "action": "drop", "tolerance": 0.1},
        {"id": "e7", "kind": "expression", "on": "people", "condition": "length(nam) > 1"},
    ]
    found = problems(spec([], expectations=checks))
    assert set(found) == {
        "expectations.e1.minimum",
        "expectations.e2.action",
        "expectations.e3.on",
        "expectations.e4.column",
        "expectations.e5.to_columns",
        "expectations.e6.tolerance",
        "expectations.e7.condition",
    }


SQL_REFUSALS = [
    ("select id from elsewhere", "there is no input `elsewhere`"),
    ("select id from dev.a.people", "named by one word"),
    ("select idd from people", "there is no column `idd`"),
    ("select p.id from people p, visits v", "without ON"),
    ("select p.id from people p join visits v using (id)", "is written with ON"),
    ("select count(*) as n, Name from people", "is not in GROUP BY"),
    ("select id + 1 from people", "needs a name"),
    ("select rand() as r from people", "another value on every run"),
    ("select id from people where id in (select visit from visits)", "IN (SELECT"),
    ("select (select 1) as x from people", "a subquery is not allowed"),
    ("select id from people limit 3", "LIMIT without ORDER BY"),
    ("select id from people order by id", "ORDER BY without LIMIT"),
    ("select id from people; drop table people", "semicolon"),
    ("drop table people", "starts with SELECT"),
    ("select id from people where count(*) > 1", "cannot stand in WHERE"),
    ("select id as a, id as A from people", "two columns of the result"),
    ("select id from people, lateral explode(array(1)) as t", "FROM names an input"),
    ("select id from people tablesample (10 percent)", "is not allowed in a query"),
    ("select x.id from people p", "there is no column `x.id`"),
    ("select id, person from people p join visits p on p.id = p.person", "are called `p`"),
    ("select id from people qualify row_number() over (order by id) = 1", "QUALIFY is not allowed"),
    ("select Name, count(*) as n from people group by 1", "not their positions"),
    ("with recursive r as (select 1 as a from people) select a from r", "recursive"),
    ("select java_method('x', 'y') as z from people", "reaches outside"),
]


@pytest.mark.parametrize(("query", "message"), SQL_REFUSALS, ids=[item[0][:50] for item in SQL_REFUSALS])
def test_sql_step_refusals(query: str, message: str) -> None:
    """A sql step that does more than select from its inputs is refused, in words that say what."""
    with pytest.raises(SpecError) as caught:
        typed(spec([{"id": "q", "kind": "sql", "inputs": ["people", "visits"], "query": query}]))
    assert message in str(caught.value)


def test_sql_step_is_typed() -> None:
    """A sql step has the columns, types and nullability of its SELECT, and canonical text."""
    query = "SELECT p.NAME, sum(v.cost) AS spent, count(*) n FROM people p LEFT JOIN visits v ON p.id = v.person"
    query += " GROUP BY p.Name"
    made = typed(spec([{"id": "q", "kind": "sql", "inputs": ["people", "visits"], "query": query}]))
    columns = [(column.name, column.type, column.nullable) for column in made.node("q").columns]
    assert columns == [("Name", "string", True), ("spent", "decimal(20,2)", True), ("n", "bigint", False)]
    again = typed(made.spec)
    assert again.spec == made.spec


def test_lookups_that_wait_for_each_other() -> None:
    """Dropping rows by a lookup in what is made of them, or that itself waits for them, is refused."""
    drop = {"kind": "referential", "action": "drop", "columns": ["id"], "to_columns": ["visit"]}
    back = drop | {"columns": ["visit"], "to_columns": ["id"]}
    circle = [drop | {"id": "a", "on": "people", "to": "visits"}, back | {"id": "b", "on": "visits", "to": "people"}]
    steps = [
        {"id": "j", "kind": "join", "left": "people", "right": "visits", "keys": [{"left": "id", "right": "person"}]}
    ]
    assert "waits for the rows of `visits`" in problems(spec(steps, expectations=circle))["expectations.b.to"]
    late = [drop | {"id": "c", "on": "people", "to": "j"}]
    assert "waits for the rows of `people`" in problems(spec(steps, expectations=late))["expectations.c.to"]
