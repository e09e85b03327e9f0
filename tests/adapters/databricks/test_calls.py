"""Every way in which a call can fail: repeated where that helps, and otherwise told in words that say what to do."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pipeline_magic.errors import CatalogError, EngineUnavailable, NotFound, PermissionDenied, QueryFailed
from tests.support.databricks_server import Fault, Refusal

TABLE = r"/unity-catalog/tables/"


@pytest.mark.parametrize("kind", Fault.KINDS)
def test_one_fault_is_survived(site: Any, kind: str) -> None:
    """After any single fault the answer is what it would have been."""
    site.table()
    site.fault(kind, path=TABLE)
    assert site.catalog().table("shop.sales.orders").columns[0].name == "id"
    assert site.asked("unity-catalog/tables/") == (1 if kind == "twice" else 2)


@pytest.mark.parametrize("kind", Fault.KINDS)
@pytest.mark.parametrize("after", [1, 3, 5, *(pytest.param(n, marks=pytest.mark.full) for n in (2, 4, 6))])
def test_one_fault_anywhere_in_a_listing(site: Any, kind: str, after: int) -> None:
    """A fault at any page of any listing loses and doubles no table."""
    for number in range(4):
        site.table(f"shop.sales.t{number}")
    site.fault(kind, after=after)
    assert [one.table for one in site.catalog(at_once=1).tables()] == [f"shop.sales.t{n}" for n in range(4)]


@pytest.mark.parametrize("kind", ["429", "500", "reset", "lost", "truncated", "twice"])
def test_one_fault_in_a_change(site: Any, kind: str) -> None:
    """A fault in any call of what changes the workspace, or asks for privileges, leaves the same world behind."""
    site.table()
    for privilege in ("CREATE_SCHEMA", "MODIFY", "APPLY_TAG", "CREATE_TABLE"):
        site.world.grant("catalog", "shop", "ada@acme.test", privilege)
    catalog, engine = site.catalog(sql=True), site.warehouse()
    made = site.world.tables["shop.sales.orders"]
    engine.create_scratch("r-0")
    for after in range(1, 5):
        given = {"comment": f"c{after}", "columns": {"word": f"w{after}"}, "tags": {"team": f"t{after}"}}
        site.fault(kind, after=after)
        catalog.describe("shop.sales.orders", **given)
        assert (made.comment, made.columns[1]["comment"], made.tags) == (
            f"c{after}",
            f"w{after}",
            {"team": f"t{after}"},
        )
        site.server.faults.clear()
        site.fault(kind, after=after)
        catalog.create_schema("shop", f"fresh_{after}")
        assert f"shop.fresh_{after}" in site.world.schemas
        site.server.faults.clear()
        site.fault(kind, after=after)
        told = catalog.privileges(["shop.sales.orders"], "shop.sales.made")
        assert (told.can_read, told.can_create, told.missing) == ({"shop.sales.orders": True}, True, ())
        site.server.faults.clear()
        site.fault(kind, after=1)
        schema = engine.create_scratch(f"r-{after}")
        site.fault(kind, after=1)
        engine.drop_scratch(f"r-{after}")
        assert schema not in site.world.schemas


def test_429_waits_as_asked(site: Any) -> None:
    """Retry-After is heard, by us alone: the SDK's own repeating is off."""
    site.table()
    for after in (1, 1):
        site.fault("429", after=after, path=TABLE)
    start = time.monotonic()
    site.catalog().table("shop.sales.orders")
    assert site.slept == [1.0, 1.0]
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("429", "asks to slow down"),
        ("500", "answered 500 each time"),
        ("502", "answered 502 each time"),
        ("503", "answered 503 each time"),
        ("reset", "could not be reached"),
        ("truncated", "gave half an answer"),
    ],
)
def test_lasting_trouble_ends(site: Any, kind: str, says: str) -> None:
    """What does not end is told after five attempts, with what to do, and in bounded time."""
    site.table()
    site.server.faults += [Fault(kind, path=TABLE) for _ in range(9)]
    with pytest.raises(CatalogError, match=says) as raised:
        site.catalog().table("shop.sales.orders")
    assert site.asked("/tables/") == 5
    assert sum(site.slept) < 60 and raised.value.hint


def test_dead_host() -> None:
    """A host that is not there is told, not waited for."""
    from pipeline_magic.adapters.databricks.catalog import UnityCatalog
    from pipeline_magic.adapters.databricks.client import workspace_client

    client = workspace_client("http://127.0.0.1:9", "t-secret-1", http_timeout=1.0)
    with pytest.raises(CatalogError, match="could not be reached"):
        UnityCatalog(client, sleep=lambda seconds: None).has_catalog("shop")


def test_wrong_token(site: Any) -> None:
    """A token that is wrong or expired is told as such, whichever status the service gives."""
    for refusal in (
        None,
        Refusal(401, "UNAUTHENTICATED", "Credential was not sent or was of an unsupported type for this API."),
        Refusal(403, "403", "Token has expired"),
    ):
        site.server.refuse = {("GET", "catalogs"): refusal} if refusal else {}
        with pytest.raises(CatalogError, match="does not accept the credentials") as raised:
            site.catalog("wrong-token" if refusal is None else "good-token").has_catalog("shop")
        assert "DATABRICKS_TOKEN" in raised.value.hint
        assert site.slept == []


def test_a_login_that_fails(site: Any) -> None:
    """Credentials that give no token are told as such, once, without their secret."""
    catalog = site.catalog()
    site.server.requests.clear()

    def login() -> dict[str, str]:
        raise ValueError("invalid_client: Client authentication failed, client_secret=s3cr3t-value")

    catalog._calls.client.config._header_factory = login
    with pytest.raises(CatalogError, match="cannot be logged in to") as raised:
        catalog.has_catalog("shop")
    assert "s3cr3t-value" not in str(raised.value) and site.server.requests == [] and site.slept == []


def test_clock_skew_is_named(site: Any) -> None:
    """Where this machine's clock is off, that is the next step."""
    site.server.refuse[("GET", "catalogs")] = Refusal(401, "UNAUTHENTICATED", "Token is not yet valid")
    for seconds, words in ((600.0, "10 minutes ahead"), (-660.0, "11 minutes behind")):
        with pytest.raises(CatalogError) as raised:
            site.catalog(skew=lambda seconds=seconds: seconds).has_catalog("shop")
        assert words in raised.value.hint


def test_missing_privilege_is_named(site: Any) -> None:
    """A 403 says which privilege on which object is missing, without the SDK's words about its configuration."""
    site.table()
    site.world.revoke("catalog", "shop", "ada@acme.test")
    with pytest.raises(PermissionDenied) as raised:
        site.catalog().table("shop.sales.orders")
    assert "USE CATALOG on Catalog 'shop'" in raised.value.message
    assert "Config" not in str(raised.value) and "auth_type" not in str(raised.value)


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("Source IP address: 1.2.3.4 is blocked by Databricks IP ACL for workspace", "IP access list"),
        ("Provided OAuth token does not have required scopes: unity-catalog", "scopes that are named"),
    ],
)
def test_other_refusals(site: Any, said: str, hint: str) -> None:
    """A network that is not let in and a scope that is missing each have their own next step."""
    site.server.refuse[("GET", "catalogs")] = Refusal(403, "PERMISSION_DENIED", said)
    with pytest.raises(PermissionDenied) as raised:
        site.catalog().has_catalog("shop")
    assert hint in raised.value.hint


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(400, "QUOTA_EXCEEDED", "Cannot create more than 10000 schemas in metastore"),
        Refusal(403, "PERMISSION_DENIED", "Resource quota reached for schemas"),
        Refusal(429, "QUOTA_EXCEEDED", "The quota of the account is used up"),
    ],
)
def test_quota(site: Any, refusal: Refusal) -> None:
    """A quota is no rate limit: it is told at once."""
    site.world.grant("catalog", "shop", "ada@acme.test", "CREATE_SCHEMA")
    site.server.refuse[("POST", "schemas")] = refusal
    with pytest.raises(CatalogError, match="quota of Databricks is reached"):
        site.catalog().create_schema("shop", "fresh")
    assert site.slept == []


def test_a_write_that_must_not_be_done_twice(site: Any) -> None:
    """It is repeated where Databricks did not take it, and otherwise told to be looked after."""
    engine = site.warehouse()
    site.world.grant("schema", "shop.sales", "ada@acme.test", "CREATE_TABLE")
    site.fault("429", path="sql/statements")
    engine.execute("CREATE TABLE shop.sales.one AS SELECT 1 AS a", again=False)
    site.fault("lost", path="sql/statements")
    with pytest.raises(EngineUnavailable) as raised:
        engine.execute("INSERT INTO shop.sales.one SELECT 2", again=False)
    assert "look first" in raised.value.hint
    assert len(site.sql.statements) == 2
    site.fault("500", path="sql/statements")
    with pytest.raises(EngineUnavailable, match="500") as raised:
        engine.execute("INSERT INTO shop.sales.one SELECT 3", again=False)
    assert "look first" in raised.value.hint
    assert len(site.sql.statements) == 2


def test_no_such_address(site: Any) -> None:
    """A host without Unity Catalog is told as such."""
    site.server.refuse[("GET", "catalogs")] = Refusal(404, "METASTORE_DOES_NOT_EXIST", "No metastore assigned")
    with pytest.raises(CatalogError, match="No metastore assigned") as raised:
        list(site.catalog().tables())
    assert not isinstance(raised.value, NotFound) and "metastore" in raised.value.hint


def test_errors_of_the_engine_are_its_own(site: Any) -> None:
    """What a call of the engine raises is an error of engines."""
    site.server.faults += [Fault("500", path="sql") for _ in range(9)]
    with pytest.raises(EngineUnavailable):
        site.warehouse().query("SELECT 1")
    site.server.faults.clear()
    site.server.refuse[("POST", "sql")] = Refusal(400, "INVALID_PARAMETER_VALUE", "The query text is too long")
    with pytest.raises(QueryFailed, match="too long"):
        site.warehouse().query("SELECT 1")
