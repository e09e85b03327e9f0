"""The strict workspace is what the vendor's own client takes it for: every address is asked by the SDK's typed calls,
which were generated from the vendor's description of the API, and read into its classes."""

from __future__ import annotations

from typing import Any

import pytest
from databricks.sdk import errors
from databricks.sdk.service import catalog as uc
from databricks.sdk.service import sql

ADA, BOSS = "ada@acme.test", "boss@acme.test"


def test_catalogs_schemas_tables(site: Any) -> None:
    """Listings end at the page without a following one; a description has the documented parts."""
    for number in range(7):
        site.table(f"shop.sales.t{number}")
    client = site.client()
    assert [one.name for one in client.catalogs.list()] == ["shop"]
    assert [one.full_name for one in client.schemas.list("shop")] == ["shop.information_schema", "shop.sales"]
    listed = list(client.tables.list("shop", "sales", max_results=2))
    assert [one.name for one in listed] == [f"t{n}" for n in range(7)]
    assert not listed[0].table_constraints
    found = client.tables.get("shop.sales.t0")
    assert (found.table_type, found.owner, found.full_name) == (uc.TableType.MANAGED, BOSS, "shop.sales.t0")
    assert [(one.name, one.type_text, one.nullable) for one in found.columns] == [
        ("id", "bigint", False),
        ("word", "string", True),
    ]
    assert [one.full_name for one in client.tables.list_summaries("shop")][:2] == ["shop.sales.t0", "shop.sales.t1"]
    with pytest.raises(errors.NotFound):
        client.tables.get("shop.sales.nope")
    with pytest.raises(errors.BadRequest):
        list(client.tables.list("shop", "sales", max_results=-1))


def test_permissions(site: Any) -> None:
    """Effective permissions name where each comes from; who may not see them is refused."""
    site.table()
    client = site.client()
    [mine] = client.grants.get_effective("table", "shop.sales.orders", principal=ADA).privilege_assignments
    told = {(one.privilege, one.inherited_from_type) for one in mine.privileges}
    assert (uc.Privilege.SELECT, uc.SecurableType.CATALOG) in told
    with pytest.raises(errors.PermissionDenied, match="MANAGE"):
        client.grants.get_effective("table", "shop.sales.orders")
    with pytest.raises(errors.BadRequest):
        client.grants.get_effective("table", "shop.sales.orders", principal=ADA, max_results=10)
    assert client.current_user.me().user_name == ADA


def test_tags(site: Any) -> None:
    """A tag is made once, then changed."""
    site.table()
    site.world.grant("catalog", "shop", ADA, "APPLY_TAG")
    tags = site.client().entity_tag_assignments
    tag = uc.EntityTagAssignment(entity_name="shop.sales.orders", tag_key="team", entity_type="tables", tag_value="a")
    tags.create(tag)
    with pytest.raises(errors.AlreadyExists):
        tags.create(tag)
    tags.update(
        "tables", "shop.sales.orders", "team", uc.EntityTagAssignment(**{**tag.__dict__, "tag_value": "b"}), "tag_value"
    )
    assert [(one.tag_key, one.tag_value) for one in tags.list("tables", "shop.sales.orders")] == [("team", "b")]


def test_statements(site: Any) -> None:
    """A statement has the documented states, manifest and chunks; what is out of bounds is refused."""
    site.sql.chunk = 2
    statements = site.client().statement_execution
    done = statements.execute_statement("SELECT id FROM range(3) r ORDER BY id", "wh1", wait_timeout="30s")
    assert done.status.state is sql.StatementState.SUCCEEDED
    assert (done.manifest.total_row_count, done.manifest.total_chunk_count) == (3, 2)
    assert done.manifest.schema.columns[0].type_text == "BIGINT"
    assert done.result.data_array == [["0"], ["1"]] and done.result.next_chunk_index == 1
    assert statements.get_statement_result_chunk_n(done.statement_id, 1).data_array == [["2"]]
    failed = statements.execute_statement("SELECT * FROM shop.sales.nope", "wh1")
    assert failed.status.state is sql.StatementState.FAILED and failed.status.sql_state == "42P01"
    assert statements.execute_statement("SELECT 1", "wh1", wait_timeout="0s").status.state is sql.StatementState.PENDING
    for wrong in ("3s", "60s", "soon"):
        with pytest.raises(errors.BadRequest):
            statements.execute_statement("SELECT 1", "wh1", wait_timeout=wrong)
    assert site.client().warehouses.get("wh1").state is sql.State.RUNNING


def test_what_is_not_documented_is_refused(site: Any) -> None:
    """A parameter or field that the API does not have, a wrong token and an unknown address are no success."""
    do = site.client().api_client.do
    for verb, path, more, error in (
        ("GET", "/api/2.1/unity-catalog/catalogs", {"query": {"limit": 3}}, errors.BadRequest),
        ("POST", "/api/2.1/unity-catalog/schemas", {"body": {"name": "a", "catalog": "shop"}}, errors.BadRequest),
        ("POST", "/api/2.1/unity-catalog/schemas", {"body": {"name": "a"}}, errors.BadRequest),
        ("GET", "/api/2.1/unity-catalog/nothing", {}, errors.NotFound),
        ("DELETE", "/api/2.1/unity-catalog/catalogs", {}, errors.DatabricksError),
    ):
        with pytest.raises(error):
            do(verb, path, **more)
    with pytest.raises(errors.PermissionDenied, match="Invalid access token"):
        site.client("wrong").current_user.me()
