"""Specs that cannot be right: each is refused, or warned of, with the field to change; and nothing is made of it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline_magic.compiler import compile_files
from pipeline_magic.compiler.sql import target_query
from pipeline_magic.errors import SpecError
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.schema import Column, TableSchema
from pipeline_magic.spec.typed import type_spec
from tests.spec.test_typed import KEYED, problems, spec, typed

Data = dict[str, Any]


def join(**more: Any) -> Data:
    """People joined to visits."""
    keys = [{"left": "person", "right": "id"}]
    return {"id": "j", "kind": "join", "left": "visits", "right": "people", "keys": keys} | more


def derive(expression: str, name: str = "x") -> Data:
    """One computed column."""
    columns = [{"name": name, "expression": expression}]
    return {"id": "d", "kind": "derive", "input": "visits", "columns": columns}


def aggregate(*measures: tuple[str, str]) -> Data:
    """Visits by person."""
    made = [{"name": name, "expression": text} for name, text in measures]
    return {"id": "a", "kind": "aggregate", "input": "visits", "group_by": ["person"], "measures": made}


def test_a_cycle_of_steps() -> None:
    """Every step of a cycle is named, with the way round."""
    steps = [
        {"id": "one", "kind": "filter", "input": "two", "condition": "true"},
        {"id": "two", "kind": "filter", "input": "one", "condition": "true"},
    ]
    found = problems(spec(steps))
    assert set(found) == {"steps.one", "steps.two"}
    assert "depends on itself, through `one` <- `two` <- `one`" in found["steps.one"]


def test_a_step_that_is_its_own_input() -> None:
    """The shortest cycle."""
    found = problems(spec([{"id": "one", "kind": "filter", "input": "one", "condition": "true"}]))
    assert "depends on itself" in found["steps.one"]


def test_an_unused_step() -> None:
    """A step that leads nowhere is refused, and it is said what the target takes."""
    loose = {"id": "loose", "kind": "filter", "input": "visits", "condition": "cost > 1"}
    found = problems(spec([loose], {"input": "people"}))
    assert "nothing uses `loose`; the target takes `people`" in found["steps.loose"]


def test_a_join_without_keys() -> None:
    """A join without keys would multiply; it is refused by its field."""
    assert "every row of `visits` would meet every row" in problems(spec([join(keys=[])]))["steps.j.keys"]


def test_a_key_with_mixed_types() -> None:
    """Keys that are compared only by a silent cast are refused, with both types."""
    found = problems(spec([join(keys=[{"left": "cost", "right": "Name"}])]))
    assert "`cost` is of type decimal(10,2) and `Name` of type string; cast one of them" in found["steps.j.keys.cost"]
    assert set(found) == {"steps.j.keys.cost"}


@pytest.mark.parametrize("text", ["sum(tags)", "avg(Name)", "stddev(born)", "sum(born)", "percentile(Name, 0.5)"])
def test_an_aggregate_of_a_non_number(text: str) -> None:
    """A sum of what is no number is refused, with the type and the place in the expression."""
    step = aggregate(("x", text)) | {"input": "j"}
    found = problems(spec([join(), step]))
    assert list(found) == ["steps.a.measures.x.expression"]
    assert "needs a number, and this is of type" in found["steps.a.measures.x.expression"]
    assert "(at character" in found["steps.a.measures.x.expression"]


@pytest.mark.parametrize(
    ("step", "path"),
    [
        (aggregate(("n", "count(*)"), ("N", "sum(cost)")), "steps.a.measures"),
        (aggregate(("PERSON", "count(*)")), "steps.a.measures"),
        (
            derive("1") | {"columns": [{"name": "x", "expression": "1"}, {"name": "X", "expression": "2"}]},
            "steps.d.columns.X",
        ),
        (
            {"id": "r", "kind": "rename", "input": "visits", "columns": [{"column": "cost", "name": "Visit"}]},
            "steps.r.columns",
        ),
        (
            {
                "id": "s",
                "kind": "segment",
                "input": "visits",
                "column": "COST",
                "by": "cost",
                "rules": [{"label": "a", "top": 0.1}],
            },
            "steps.s.column",
        ),
        (
            join(
                left="people",
                right="visits",
                keys=[{"left": "id", "right": "person"}],
                prefix="",
                columns=["visit", "VISIT"],
            ),
            "steps.j.columns",
        ),
        (
            {"id": "w", "kind": "window", "input": "visits", "columns": [{"name": "cost", "expression": "count(*)"}]},
            "steps.w.columns",
        ),
        (
            {
                "id": "u",
                "kind": "unpivot",
                "input": "visits",
                "columns": ["cost"],
                "name_column": "visit",
                "value_column": "v",
            },
            "steps.u.name_column",
        ),
    ],
)
def test_a_duplicate_output_name(step: Data, path: str) -> None:
    """Two columns of one name, whatever their case, are refused in every step that can make them."""
    found = problems(spec([step]))
    assert path in found, found
    assert "two columns" in found[path] or "named twice" in found[path]


def test_a_reserved_word_as_a_name() -> None:
    """A column called by a word of SQL works, in backticks, and is warned of."""
    made = typed(spec([derive("cost * 2", "order")]))
    assert [(w.path, "a word of SQL" in w.message) for w in made.warnings if "word" in w.message] == [
        ("steps.d.columns.order", True)
    ]
    assert "AS `order`" in target_query(made, run_time="2024-03-10T06:30:00+00:00")


@pytest.mark.parametrize("name", ["target", "Select", "a b", "", "x" * 64, "1st"])
def test_a_word_that_is_no_id(name: str) -> None:
    """`target` means the target, and an id is a small word; anything else is refused before typing or by it."""
    step = {"id": name, "kind": "filter", "input": "people", "condition": "id > 1"}
    with pytest.raises((SpecError, ValidationError)) as caught:
        typed(spec([step]))
    assert name == "target" or "pattern" in str(caught.value)


def test_a_target_that_would_drop_a_column() -> None:
    """Every column that the present target would lose is named, with who is known to read it."""
    there = TableSchema(
        table="dev.a.out",
        columns=(*KEYED["dev.a.people"].columns, Column(name="Age", type="int"), Column(name="note", type="string")),
    )
    made = spec([])
    with pytest.raises(SpecError) as caught:
        type_spec(
            made,
            {"people": KEYED["dev.a.people"], "visits": KEYED["dev.a.visits"]},
            target=there,
            readers={"age": ("monthly_report", "churn")},
        )
    said = [str(problem) for problem in caught.value.problems]
    assert said == [
        "target.input: `dev.a.out` has the column `Age`, which the result has not;"
        " `monthly_report`, `churn` would lose it",
        "target.input: `dev.a.out` has the column `note`, which the result has not; readers would lose it",
    ]


@pytest.mark.parametrize("mode", ["scd2", "scd1", "merge"])
def test_a_mode_without_its_keys(mode: str) -> None:
    """SCD2 and its kin without keys are refused by the field, with the keys that are known."""
    found = problems(spec([], {"mode": mode}))
    assert f"{mode} needs the columns that identify a row" in found["target.keys"]


def test_a_consequence_is_not_one_more_problem() -> None:
    """A wrong expression is one problem; that its column has no type then is not a second."""
    assert list(problems(spec([derive("prson + 1")]))) == ["steps.d.columns.x.expression"]


def test_everything_at_once() -> None:
    """Problems of sources, steps, expectations and target come in one answer."""
    steps = [derive("cots + 1"), join(left="d", keys=[{"left": "persn", "right": "id"}])]
    checks = [{"id": "c", "kind": "not_null", "on": "people", "columns": ["idd"]}]
    made = spec(steps, {"mode": "merge", "keys": ["vist"]}, expectations=checks)
    sources = [source.model_copy(update={"filter": "Nme = 'a'"}) for source in made.sources[:1]]
    found = problems(made.model_copy(update={"sources": (*sources, made.sources[1])}))
    assert list(found) == [
        "sources.people.filter",
        "steps.d.columns.x.expression",
        "steps.j.keys.persn.left",
        "expectations.c.columns",
        "target.keys",
    ]
    assert all("Available: `" in text for text in found.values())


BAD_EXPRESSIONS = [
    ("prson + 1", "there is no column `prson` (at character 1). Available: `person`"),
    ("cost\n  + prson", "(at character 10)"),
    ("cost +", "something is missing after `+`"),
    ("CAST(cost AS moneyy)", "`moneyy`, which is no type of Spark"),
    ("tags['a']", "an array takes a whole number in [ ]"),
    ("uper(tags[0])", "the function `uper` is not allowed (at character 1). Available: `upper`"),
    ("frobnicate(cost)", "the function `frobnicate` is not allowed (at character 1)"),
    ("ai_query('m', 'x')", "calls a model"),
    ("secret('a', 'b')", "handles secrets"),
    ("read_files('/x')", "reaches outside the data"),
    ("current_user()", "reads the session"),
    ("transform(tags, t -> upper(t))", "takes a lambda function"),
    ("collect_set(cost)", "write sort_array(collect_set(…))"),
    ("raise_error('x')", "use an expectation"),
    ("from_json(tags[0], 'a MONEY')", "is no schema"),
    ("trunc(born, 'DECADE')", "it takes YEAR"),
    ("sha2(tags[0], 17)", "224, 256, 384 or 512"),
    ("to_date(cost)", "a date, a timestamp or a text of one"),
    ("xpath_int(tags[0], 'x')", "parses XML"),
    ("visit & cost", "bits are of whole numbers"),
]


@pytest.mark.parametrize(("text", "said"), BAD_EXPRESSIONS, ids=[item[0] for item in BAD_EXPRESSIONS])
def test_what_a_bad_expression_is_told(text: str, said: str) -> None:
    """The words name the fault and its place, and what would be right."""
    step = derive(text) | {"input": "j"}
    assert said in problems(spec([join(), step]))["steps.d.columns.x.expression"]


def test_nothing_is_made_of_a_bad_spec() -> None:
    """What was not typed cannot be compiled: files are made of a typed spec only."""
    made: PipelineSpec = spec([derive("prson")])
    with pytest.raises((AttributeError, TypeError)):
        compile_files(made)  # type: ignore[arg-type]  # that is the test
