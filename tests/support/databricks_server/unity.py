"""Unity Catalog of the strict workspace: catalogs, schemas, tables, tags, effective permissions, and who is asking."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.support.databricks_server.server import Handler, Refusal, Request
from tests.support.databricks_server.world import Schema, Table, World

__all__ = ["Unity"]

_U = r"2\.1/unity-catalog"
_NAME = r"([^/]+)"


class Unity:
    """Answers for one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> Iterable[tuple[str, str, Handler]]:
        tags = rf"{_U}/entity-tag-assignments"
        yield "GET", r"2\.0/preview/scim/v2/Me", self.me
        yield "GET", rf"{_U}/catalogs", self.catalogs
        yield "POST", rf"{_U}/catalogs", self.create_catalog
        yield "GET", rf"{_U}/catalogs/{_NAME}", self.catalog
        yield "GET", rf"{_U}/schemas", self.schemas
        yield "POST", rf"{_U}/schemas", self.create_schema
        yield "GET", rf"{_U}/schemas/{_NAME}", self.schema
        yield "GET", rf"{_U}/tables", self.tables
        yield "GET", rf"{_U}/tables/{_NAME}", self.table
        yield "GET", rf"{_U}/table-summaries", self.summaries
        yield "GET", rf"{_U}/effective-permissions/(catalog|schema|table)/{_NAME}", self.effective
        yield "GET", rf"{tags}/{_NAME}/{_NAME}/tags", self.tags
        yield "POST", tags, self.create_tag
        yield "PATCH", rf"{tags}/{_NAME}/{_NAME}/tags/{_NAME}", self.update_tag

    # --- who ---------------------------------------------------------------------------------------------------------

    def me(self, request: Request) -> Any:
        request.asks()
        groups = [{"display": name, "value": str(n)} for n, name in enumerate(self.world.server.groups[request.user])]
        return {"id": "7", "userName": request.user, "active": True, "groups": groups, "displayName": "Someone"}

    # --- catalogs and schemas ----------------------------------------------------------------------------------------

    def catalogs(self, request: Request) -> Any:
        request.asks("max_results", "page_token", "include_browse", "include_unbound")
        seen = [one for one in self.world.catalogs.values() if self._uses(request.user, "catalog", one.name)]
        return self.world.server.paged([self._catalog(one) for one in seen], request, "catalogs")

    def create_catalog(self, request: Request) -> Any:
        request.only("name", "comment", "properties", "storage_root", needs=["name"])
        if request.user not in self.world.admins:
            raise Refusal(403, "PERMISSION_DENIED", "User does not have CREATE CATALOG on Metastore 'main-metastore'.")
        with self.world.lock:
            self.world.add_catalog(request.body["name"], request.user)
        return self._catalog(self.world.catalogs[request.body["name"].lower()])

    def catalog(self, request: Request) -> Any:
        request.asks("include_browse")
        name = request.parts[0].lower()
        if name not in self.world.catalogs:
            raise Refusal(404, "CATALOG_DOES_NOT_EXIST", f"Catalog '{name}' does not exist.")
        self.world.require(request.user, "USE_CATALOG", "catalog", name)
        return self._catalog(self.world.catalogs[name])

    def schemas(self, request: Request) -> Any:
        request.asks("catalog_name", "max_results", "page_token", "include_browse", needs=["catalog_name"])
        catalog = request.query["catalog_name"].lower()
        if catalog not in self.world.catalogs:
            raise Refusal(404, "CATALOG_DOES_NOT_EXIST", f"Catalog '{catalog}' does not exist.")
        self.world.require(request.user, "USE_CATALOG", "catalog", catalog)
        seen = [
            self._schema(full, one)
            for full, one in self.world.schemas.items()
            if full.startswith(f"{catalog}.") and self._uses(request.user, "schema", full)
        ]
        return self.world.server.paged(seen, request, "schemas")

    def create_schema(self, request: Request) -> Any:
        request.only("name", "catalog_name", "comment", "properties", "storage_root", needs=["name", "catalog_name"])
        catalog = request.body["catalog_name"].lower()
        if catalog not in self.world.catalogs:
            raise Refusal(404, "CATALOG_DOES_NOT_EXIST", f"Catalog '{catalog}' does not exist.")
        self.world.require(request.user, "USE_CATALOG", "catalog", catalog)
        self.world.require(request.user, "CREATE_SCHEMA", "catalog", catalog)
        with self.world.lock:
            self.world.add_schema(catalog, request.body["name"], request.user, request.body.get("comment"))
        full = f"{catalog}.{request.body['name'].lower()}"
        return self._schema(full, self.world.schemas[full])

    def schema(self, request: Request) -> Any:
        request.asks("include_browse")
        full = request.parts[0].lower()
        self._schema_there(full)
        self.world.require_use(request.user, full)
        return self._schema(full, self.world.schemas[full])

    # --- tables ------------------------------------------------------------------------------------------------------

    def tables(self, request: Request) -> Any:
        request.asks(
            "catalog_name", "schema_name", "max_results", "page_token", "include_browse", "omit_columns",
            "omit_properties", "omit_username", "include_manifest_capabilities", needs=["catalog_name", "schema_name"],
        )  # fmt: skip
        full = f"{request.query['catalog_name']}.{request.query['schema_name']}".lower()
        self._schema_there(full)
        self.world.require_use(request.user, full)
        left_out = {name for name in ("columns", "properties", "username") if _true(request, f"omit_{name}")}
        with self.world.lock:
            seen = [t for t in self.world.tables.values() if t.full.startswith(f"{full}.")]
        seen = [table for table in seen if self.world.holds(request.user, "SELECT", "table", table.full)]
        page = self.world.server.paged(seen, request, "tables")
        if "tables" in page:  # neither constraints nor dependencies of views are listed
            page["tables"] = [_info(table, left_out | {"table_constraints"}) for table in page["tables"]]
        return page

    def table(self, request: Request) -> Any:
        request.asks("include_browse", "include_delta_metadata", "include_manifest_capabilities")
        return _info(self._visible(request, request.parts[0]), set())

    def summaries(self, request: Request) -> Any:
        request.asks(
            "catalog_name", "max_results", "page_token", "schema_name_pattern", "table_name_pattern",
            "include_manifest_capabilities", needs=["catalog_name"],
        )  # fmt: skip
        catalog = request.query["catalog_name"].lower()
        self.world.require(request.user, "USE_CATALOG", "catalog", catalog)
        seen = [
            {"full_name": table.full, "table_type": table.kind}
            for table in self.world.tables.values()
            if table.catalog == catalog and self.world.holds(request.user, "SELECT", "table", table.full)
        ]
        return self.world.server.paged(seen, request, "tables")

    def effective(self, request: Request) -> Any:
        request.asks("principal", "max_results", "page_token")
        kind, name = request.parts[0], request.parts[1].lower()
        if not self.world.owner(kind, name):
            raise Refusal(404, f"{kind.upper()}_DOES_NOT_EXIST", f"{kind.capitalize()} '{name}' does not exist.")
        principal = request.query.get("principal")
        mine = self.world.principals(request.user)
        sees_all = self.world.owner(kind, name) in mine or self.world.holds(request.user, "MANAGE", kind, name)
        if not sees_all and principal not in mine:
            raise Refusal(403, "PERMISSION_DENIED", f"User does not have MANAGE on {kind.capitalize()} '{name}'.")
        found = [
            {
                "principal": who,
                "privileges": [
                    {"privilege": held}
                    | ({} if where == kind else {"inherited_from_type": where.upper(), "inherited_from_name": full})
                    for held, where, full in given
                ],
            }
            for who, given in self.world.effective(kind, name).items()
            if principal in (None, who)
        ]
        return self.world.server.paged(found, request, "privilege_assignments", smallest=150)

    # --- tags --------------------------------------------------------------------------------------------------------

    def tags(self, request: Request) -> Any:
        request.asks("max_results", "page_token")
        table = self._tagged(request.parts[0], request, request.parts[1])
        return self.world.server.paged([_tag(table, key) for key in table.tags], request, "tag_assignments")

    def create_tag(self, request: Request) -> Any:
        request.only(*_TAG, needs=["entity_type", "entity_name", "tag_key"])
        table = self._tagged(request.body["entity_type"], request, request.body["entity_name"])
        self.world.require(request.user, "APPLY_TAG", "table", table.full)
        key = request.body["tag_key"]
        if key in table.tags:
            raise Refusal(409, "ALREADY_EXISTS", f"Tag assignment with tag key {key} already exists.")
        table.tags[key] = request.body.get("tag_value") or ""
        return _tag(table, key)

    def update_tag(self, request: Request) -> Any:
        request.asks("update_mask", needs=["update_mask"])
        request.only(*_TAG)
        table = self._tagged(request.parts[0], request, request.parts[1])
        self.world.require(request.user, "APPLY_TAG", "table", table.full)
        if request.query["update_mask"] != "tag_value":
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "update_mask must be tag_value.")
        if request.parts[2] not in table.tags:
            raise Refusal(404, "NOT_FOUND", "Tag assignment does not exist.")
        table.tags[request.parts[2]] = request.body.get("tag_value") or ""
        return _tag(table, request.parts[2])

    # --- inside ------------------------------------------------------------------------------------------------------

    def _uses(self, user: str, kind: str, name: str) -> bool:
        return user in self.world.admins or self.world.holds(user, f"USE_{kind.upper()}", kind, name)

    def _schema_there(self, full: str) -> None:
        catalog = full.partition(".")[0]
        if catalog not in self.world.catalogs:
            raise Refusal(404, "CATALOG_DOES_NOT_EXIST", f"Catalog '{catalog}' does not exist.")
        if full not in self.world.schemas:
            raise Refusal(404, "SCHEMA_DOES_NOT_EXIST", f"Schema '{full}' does not exist.")

    def _visible(self, request: Request, name: str) -> Table:
        parts = name.lower().split(".")
        if len(parts) != 3 or not all(parts):
            raise Refusal(400, "INVALID_PARAMETER_VALUE", f"'{name}' is not a full name of a table.")
        full = ".".join(parts)
        self._schema_there(".".join(parts[:2]))
        self.world.require_use(request.user, ".".join(parts[:2]))
        if full not in self.world.tables:
            raise Refusal(404, "TABLE_DOES_NOT_EXIST", f"Table '{full}' does not exist.")
        self.world.require(request.user, "SELECT", "table", full)
        return self.world.tables[full]

    def _tagged(self, kind: str, request: Request, name: str) -> Table:
        if kind != "tables":
            raise Refusal(400, "INVALID_PARAMETER_VALUE", f"entity_type {kind} is not in this workspace.")
        return self._visible(request, name)

    @staticmethod
    def _catalog(one: Schema) -> dict[str, Any]:
        return {"name": one.name, "full_name": one.name, "owner": one.owner, "catalog_type": "MANAGED_CATALOG"}

    @staticmethod
    def _schema(full: str, one: Schema) -> dict[str, Any]:
        made = {"name": one.name, "full_name": full, "catalog_name": full.partition(".")[0], "owner": one.owner}
        return made | ({"comment": one.comment} if one.comment else {})


_TAG = ("entity_type", "entity_name", "tag_key", "tag_value", "source_type", "update_time", "updated_by")


def _tag(table: Table, key: str) -> dict[str, Any]:
    return {"entity_type": "tables", "entity_name": table.full, "tag_key": key, "tag_value": table.tags[key]}


def _true(request: Request, name: str) -> bool:
    value = request.query.get(name, "false")
    if value not in ("true", "false"):
        raise Refusal(400, "INVALID_PARAMETER_VALUE", f"{name} must be true or false.")
    return value == "true"


def _info(table: Table, left_out: set[str]) -> dict[str, Any]:
    """``TableInfo``; a field without a value is left out, as the API does."""
    newest = table.versions[-1] if table.versions else None
    made: dict[str, Any] = {
        "name": table.name,
        "catalog_name": table.catalog,
        "schema_name": table.schema,
        "full_name": table.full,
        "table_type": table.kind,
        "data_source_format": "DELTA" if table.kind != "VIEW" else None,
        "owner": None if "username" in left_out else table.owner,
        "comment": table.comment,
        "columns": None if "columns" in left_out else table.columns,
        "table_constraints": None if "table_constraints" in left_out else table.constraints or None,
        "properties": None
        if "properties" in left_out or newest is None
        else {
            "delta.lastUpdateVersion": str(newest.number),
            "delta.lastCommitTimestamp": str(newest.at),
        },
        "table_id": table.identity,
        "created_at": table.created,
        "updated_at": table.updated,
    }
    return {name: value for name, value in made.items() if value is not None}
