"""Sample values: few, short, of categories alone, and never of anything that sounds or looks personal."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_magic.agents.specification.llm.values import may_send, sample_values
from pipeline_magic.errors import QueryFailed
from pipeline_magic.ports import Rows
from pipeline_magic.spec.schema import Column, TableSchema


def table(*columns: str, tags: dict[str, str] | None = None, comment: str = "") -> TableSchema:
    made = tuple(Column(name=name, type="string", comment=comment) for name in columns)
    return TableSchema(table="a.b.c", columns=made, tags=tags or {})


class Fixed:
    """An engine that gives these values for whatever is asked, and keeps the queries."""

    def __init__(self, *values: str | None) -> None:
        self.values = values
        self.queries: list[str] = []

    def query(self, sql: str, *, limit: int = 1000, timeout: float = 600.0) -> Rows:
        self.queries.append(sql)
        columns = (Column(name="v", type="string"),)
        return Rows(columns=columns, rows=tuple((value,) for value in self.values[:limit]))


def sent(engine: Any, *columns: str) -> dict[str, dict[str, list[str]]]:
    return sample_values(engine, [table(*columns)])


@pytest.mark.parametrize("name", ["status", "region", "ship_mode", "o_orderpriority", "currency", "Kategorie"])
def test_categories_may_be_sent(name: str) -> None:
    """Names of categories are what helps, and tell of nobody."""
    assert may_send(table(name), table(name).columns[0])


@pytest.mark.parametrize(
    "name",
    [
        *("name", "first_name", "LastName", "c_name", "email", "customer_email", "emailaddress", "phone", "c_phone"),
        *(
            "phoneno",
            "address",
            "ship_address",
            "street",
            "zip",
            "postcode",
            "birthdate",
            "date_of_birth",
            "dob",
            "ssn",
        ),
        *(
            "gender",
            "passport_no",
            "iban",
            "card_number",
            "user_id",
            "username",
            "login",
            "ip",
            "ip_address",
            "device_id",
        ),
        *(
            "password",
            "api_token",
            "salary_band",
            "diagnosis",
            "religion",
            "c_comment",
            "notes",
            "message_body",
            "clerk",
        ),
        *("patient", "contact", "latitude", "geo"),
    ],
)
def test_personal_columns_are_never_sent(name: str) -> None:
    """By name, however it is written together."""
    assert not may_send(table(name), table(name).columns[0])


@pytest.mark.parametrize(
    "tags", [{"pii": "true"}, {"class": "PII.email"}, {"sensitivity": "confidential"}, {"gdpr": ""}]
)
def test_tagged_tables_are_never_sent(tags: dict[str, str]) -> None:
    """A table whose tags say personal is left out as a whole."""
    assert not may_send(table("status", tags=tags), table("status").columns[0])


@pytest.mark.parametrize("comment", ["E-mail of the buyer", "Personal data", "Phone in the office", "PII"])
def test_columns_whose_comment_says_so_are_never_sent(comment: str) -> None:
    """A harmless name with a telling comment."""
    made = table("field_1", comment=comment)
    assert not may_send(made, made.columns[0])


def test_only_texts_are_sent() -> None:
    """Numbers, dates and structs are not looked at."""
    for kind in ("bigint", "date", "struct<a:string>", "array<string>", "binary"):
        column = Column(name="status", type=kind)
        assert not may_send(TableSchema(table="a.b.c", columns=(column,)), column)


@pytest.mark.parametrize(
    "value",
    [
        *(
            "ada@example.org",
            "+49 170 1234567",
            "4111111111111111",
            "https://x.y",
            "Ada King, Countess of Lovelace, London",
        ),
        *("x" * 41, "ghp_abcdefghijklmnopqrstuvwxyz0123456789"),
    ],
)
def test_values_that_look_personal_are_never_sent(value: str) -> None:
    """One such value, and nothing of the column goes out."""
    assert sent(Fixed("open", value), "status") == {}


def test_a_column_of_many_values_is_no_category() -> None:
    """More than fifty distinct values: names perhaps, so none is sent; of a category five are."""
    assert sent(Fixed(*(f"v{chr(65 + n % 26)}{chr(65 + n // 26)}" for n in range(60))), "status") == {}
    assert sent(Fixed("a", "b", "c", "d", "e", "f"), "status") == {"a.b.c": {"status": ["a", "b", "c", "d", "e"]}}


def test_a_table_that_cannot_be_read_has_none() -> None:
    """An engine's failure leaves the prompt without values."""

    class Broken:
        def query(self, sql: str, **options: Any) -> Rows:
            raise QueryFailed("no")

    assert sample_values(Broken(), [table("status")]) == {}  # type: ignore[arg-type]


def test_names_are_quoted_in_the_query() -> None:
    """A column's name is an identifier, whatever it holds."""
    engine = Fixed("a")
    sent(engine, "sta`tus; DROP TABLE x")
    assert "`sta``tus; DROP TABLE x`" in engine.queries[0]
