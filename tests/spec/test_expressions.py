"""Expressions: what is allowed and how it is rendered and typed, and what is refused, by its name and position."""

from __future__ import annotations

import pytest

from pipeline_magic.spec.expressions import check, with_run_time
from pipeline_magic.spec.functions import FUNCTIONS, REFUSED
from pipeline_magic.spec.schema import Column

COLUMNS = tuple(
    Column(name=name, type=kind, nullable=not kind.endswith("!"))
    for name, kind in {
        "id": "bigint",
        "Price": "decimal(18,2)",
        "qty": "int",
        "ratio": "double",
        "name": "string",
        "day": "date",
        "at": "timestamp",
        "open": "boolean",
        "tags": "array<string>",
        "detail": "struct<code:string,size:int>",
        "sizes": "map<string,int>",
        "odd name": "int",
    }.items()
)

ALLOWED = [
    # text, canonical text, type, nullable
    ("PRICE*2", "Price * 2", "decimal(20,2)", True),
    ("price + id", "Price + id", "decimal(23,2)", True),
    ("price / price", "Price / Price", "decimal(38,20)", True),
    ("qty / 2", "qty / 2", "double", True),
    ("qty div 2", "qty DIV 2", "bigint", True),
    ("round(price, 1)", "round(Price, 1)", "decimal(18,1)", True),
    ("`odd name` + 1", "`odd name` + 1", "int", True),
    ("detail.SIZE", "detail.size", "int", True),
    ("tags[0]", "tags[0]", "string", True),
    ("sizes['a']", "sizes['a']", "int", True),
    ("name like 'a%' and not open", "name LIKE 'a%' AND NOT open", "boolean", True),
    ("name rlike r'\\d+'", "name RLIKE '\\\\d+'", "boolean", True),
    ("name is not null", "name IS NOT NULL", "boolean", False),
    ("id not in (1, 2)", "id NOT IN (1, 2)", "boolean", True),
    ("day >= '2024-01-31'", "day >= '2024-01-31'", "boolean", True),
    ("day >= date_sub(run_time(), 30)", "day >= date_sub(to_date(run_time()), 30)", "boolean", True),
    ("cast(run_time() as date)", "to_date(run_time())", "date", False),
    ("date_trunc('month', run_time())", "trunc(to_date(run_time()), 'MONTH')", "date", False),
    ("at > run_time() - interval 2 days", "at > run_time() - (INTERVAL '2' DAYS)", "boolean", True),
    ("case when open then 1 else 2.5 end", "CASE WHEN open THEN 1 ELSE 2.5 END", "decimal(11,1)", False),
    ("coalesce(qty, 0)", "coalesce(qty, 0)", "int", False),
    ("datediff(day, '2024-01-01')", "datediff(day, '2024-01-01')", "int", True),
    ("timestampdiff(month, day, at)", "timestampdiff(MONTH, day, at)", "bigint", True),
    ("x'".replace("x", "") + "it\\'s'", "'it\\'s'", "string", False),
    ("name::int", "CAST(name AS INT)", "int", True),
    ("try_cast(name as decimal(4,1))", "TRY_CAST(name AS DECIMAL(4, 1))", "decimal(4,1)", True),
    ("named_struct('a', qty)", "named_struct('a', qty)", "struct<a:int>", False),
]

REFUSALS = [
    # text, part of the message, position, nearest name
    ("Prise + 1", "no column `Prise`", 0, "Price"),
    ("1 + detail.sice", "no field `sice`", 4, "size"),
    ("orders.price", "without their table", 0, None),
    ("upper(name) = current_date()", "`current_date` is not allowed: it reads the clock", 14, None),
    ("now() > at", "use run_time()", 0, None),
    ("rand()", "another value on every run", 0, None),
    ("uper(name)", "the function `uper` is not allowed", 0, "upper"),
    ("(select 1)", "subquery", 1, None),
    ("id in (select 1)", "subquery", 7, None),
    ("id -- comment", "comment", 0, None),
    ("id; id", "semicolon", 2, None),
    (":p", "a parameter is not allowed", None, None),
    ("@v", "is not allowed", None, None),
    ("*", "`*`", 0, None),
    ("id as x", "cannot be read", 3, None),
    ("(id", "cannot be read", 1, None),
    ("'open", "not closed", None, None),
    ("", "empty", None, None),
    ("name = 1", "string and int cannot be compared", 0, None),
    ("day = 'yesterday'", "'yesterday' is no date", 0, None),
    ("name + 1", "`+` does not work on string and int", 0, None),
    ("day - 3", "use datediff or date_sub", 0, None),
    ("abs(name)", "abs needs a number, and this is of type string", 4, None),
    ("sum(price)", "use an aggregate step", 0, None),
    ("lag(price)", "use a window step", 0, None),
    ("case when qty then 1 end", "a condition is true or false, and this is of type int", 10, None),
    ("case when open then 1 else 'x' end", "do not fit together: int, string", 10, None),
    ("struct(id)", "named_struct", 0, None),
    ("transform(tags, x -> x)", "is not allowed", 10, None),
    ("row_number() over (order by id)", "OVER", 0, None),
    ("cast(day as int)", "date cannot be cast to int", 5, None),
    ("cast(id as money)", "cannot be read at `money`", 11, None),
    ("'a''b'", "doubled quote", 0, None),
    ("split(name, name)", "must be a literal", 12, None),
]


@pytest.mark.parametrize(("text", "canonical", "kind", "nullable"), ALLOWED, ids=[item[0] for item in ALLOWED])
def test_allowed(text: str, canonical: str, kind: str, nullable: bool) -> None:
    """An allowed expression is rendered in canonical text with Spark's type; its canonical text renders to itself."""
    found, faults = check(text, COLUMNS)
    assert faults == ()
    assert found is not None
    assert (found.text, str(found.type), found.nullable) == (canonical, kind, nullable)
    again, _ = check(canonical, COLUMNS)
    assert again == found


@pytest.mark.parametrize(("text", "message", "position", "near"), REFUSALS, ids=[item[0] for item in REFUSALS])
def test_refused(text: str, message: str, position: int | None, near: str | None) -> None:
    """What is not allowed is refused in words that name it, at its place, with the nearest name where there is one."""
    found, faults = check(text, COLUMNS)
    assert found is None
    assert message in faults[0].message
    assert faults[0].position == position
    if near is not None:
        assert faults[0].available[0] == near


def test_every_fault_at_once() -> None:
    """An expression with three faults reports three."""
    _, faults = check("foo(1) + Prise + now()", COLUMNS)
    assert len(faults) == 3


def test_measures() -> None:
    """A measure aggregates; columns outside an aggregate must be in group_by, and aggregates do not nest."""
    found, _ = check("sum(price) / count(*)", COLUMNS, "aggregate")
    assert found is not None
    assert str(found.type) == "decimal(38,12)"
    assert check("max(price) - qty", COLUMNS, "aggregate", group_by=["qty"])[0] is not None
    assert "is not in `group_by`" in check("max(price) - qty", COLUMNS, "aggregate")[1][0].message
    assert "inside another aggregate" in check("sum(max(price))", COLUMNS, "aggregate")[1][0].message
    assert "needs an aggregate" in check("1", COLUMNS, "aggregate")[1][0].message
    assert "sum needs a number" in check("sum(name)", COLUMNS, "aggregate")[1][0].message


def test_deep_nesting_is_refused_not_crashed() -> None:
    """An expression that nests thousands of brackets is refused."""
    found, faults = check("(" * 1900 + "1" + ")" * 1900, COLUMNS)
    assert found is None
    assert "deep" in faults[0].message


def test_run_time_is_put_in_outside_of_quotes_only() -> None:
    """``run_time()`` in a text literal or a quoted name stays."""
    text = "at < run_time() AND name = 'run_time()' AND `run_time()` = to_date(run_time())"
    assert with_run_time(text, "T", "D") == "at < T AND name = 'run_time()' AND `run_time()` = D"


def test_the_table_of_functions_is_consistent() -> None:
    """No function is both allowed and refused, and each takes as many arguments as it describes."""
    assert not set(FUNCTIONS) & set(REFUSED)
    for function in FUNCTIONS.values():
        assert function.least <= max(function.most, 0)
        assert function.nulls in {"any", "first", "all", "never", "always"}
        assert function.kind in {"row", "aggregate", "window"}


def test_count_if_with_a_filter_is_spelt_so_that_every_engine_counts_right() -> None:
    """Sail does not see a FILTER behind count_if; behind count it does."""
    found, faults = check("count_if(qty > 1) filter (where open or id = 1)", COLUMNS, "aggregate")
    assert not faults and found is not None
    assert found.text == "count(*) FILTER (WHERE (open OR id = 1) AND qty > 1)"
    assert (str(found.type), found.nullable) == ("bigint", False)
    again, _ = check(found.text, COLUMNS, "aggregate")
    assert again is not None and again.text == found.text


def test_every_word_of_the_dialect_can_be_a_column() -> None:
    """As `identifier` writes it, a column called like a keyword or a function is read again as that column."""
    from sqlglot import exp

    from pipeline_magic.spec import dialect

    words = {word.casefold() for word in dialect.keywords()} | {
        name.casefold() for function in exp.ALL_FUNCTIONS for name in function.sql_names()
    }
    forms = ("{} <> 'a'", "1 + {}", "NOT {}", "{} IN (1)", "sum({})", "{}[0]", "CAST({} AS INT)", "{} BETWEEN 1 AND {}")
    for word in sorted(filter(str.isidentifier, words)):
        for form in forms:
            text = form.replace("{}", dialect.identifier(word))
            if form == "{}[0]" and word in {"array", "list"}:
                with pytest.raises(dialect.NotAnExpression, match="instead of"):
                    dialect.parse(text)
                continue
            columns = {column.name for column in dialect.parse(text).find_all(exp.Column)}
            assert columns == {word}, text
            assert dialect.render(dialect.parse(text)) == dialect.render(
                dialect.parse(dialect.render(dialect.parse(text)))
            )
