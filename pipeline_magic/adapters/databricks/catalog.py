"""Unity Catalog of one workspace. Fulfils `ports.Catalog`.

Here: one table with keys and tags, schemas, and what is written to the target (comments by SQL: the REST API has no
verb for them; tags by REST). Many tables are `listing`, the caller's privileges `privileges`. Not here: grants, volumes
and lineage. Rows, bytes and the newest commit are asked of the engine, where there is one: the catalog's own
properties lag behind the data, and are taken only without it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any

from pipeline_magic.adapters.databricks.calls import Calls, Refusal, segment
from pipeline_magic.adapters.databricks.client import clock_skew
from pipeline_magic.adapters.databricks.listing import Listing
from pipeline_magic.adapters.databricks.privileges import Checker
from pipeline_magic.adapters.databricks.tables import DELTA_KINDS, schema_of
from pipeline_magic.errors import CatalogError, EngineError, NotFound, PermissionDenied, QueryFailed, TableNotFound
from pipeline_magic.ports import Privileges
from pipeline_magic.spec.literals import sql_text
from pipeline_magic.spec.names import join_table, quote, quote_table, split_table
from pipeline_magic.spec.schema import TableSchema

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from pipeline_magic.adapters.databricks.sql_engine import SqlEngine

__all__ = ["UnityCatalog"]

_UNITY = "/api/2.1/unity-catalog"
_ALTER = {"view": "VIEW", "materialized_view": "MATERIALIZED VIEW", "streaming_table": "STREAMING TABLE"}
_CATALOGS_ASKED = 10
_log = logging.getLogger(__name__)


class UnityCatalog:
    """The tables of a metastore, as one workspace and its caller see them.

    Args:
        client: Of the workspace.
        engine: Runs SQL; without one there are no fresh statistics, and comments cannot be set.
        create_catalog: Whether `create_schema` may make a missing catalog.
        at_once: How many schemas are listed at the same time.
        keys_up_to: Tables up to which a listing has the declared keys too, at a call for each table.
        fresh: Seconds for which a listing is taken for the present state.
        options: Of `Calls`.
    """

    def __init__(
        self,
        client: WorkspaceClient,
        *,
        engine: SqlEngine | None = None,
        create_catalog: bool = False,
        at_once: int = 12,
        keys_up_to: int = 200,
        fresh: float = 5.0,
        **options: Any,
    ) -> None:
        host = str(client.config.host)
        self._host = host
        given: dict[str, Any] = {"skew": lambda: clock_skew(host), **options}
        self._calls = Calls(client, host, **given)
        self._engine = engine
        self._may_create_catalog = create_catalog
        self._listing = Listing(self._calls, at_once=at_once, fresh=fresh)
        self._at_once = at_once
        self._keys_up_to = keys_up_to
        self._keyed: dict[str, tuple[TableSchema, TableSchema]] = {}
        self._checker = Checker(self._calls, engine.query if engine is not None else None)

    def __repr__(self) -> str:
        return f"UnityCatalog({self._host!r})"

    @property
    def name(self) -> str:
        """The workspace, for a person."""
        return f"Unity Catalog at {self._host.split('://')[-1]}"

    # --- what is there -----------------------------------------------------------------------------------------------

    def tables(self) -> Iterable[TableSchema]:
        """Every table the caller may see, with columns and comments, without tags and statistics.

        A listing does not give declared keys; of a small catalog they are asked for, table by table.

        Raises:
            CatalogError: The catalog cannot be listed.
            Cancelled: `cancel` was called meanwhile.
        """
        try:
            listed = self._listing.tables()
            head = list(islice(listed, self._keys_up_to + 1))
            if len(head) <= self._keys_up_to:
                yield from self._with_keys(head)
                return
            yield from head
            yield from listed
        except (NotFound, Refusal) as error:
            raise self._not_unity(error) from None

    def _with_keys(self, listed: Sequence[TableSchema]) -> Iterable[TableSchema]:
        """The tables with their declared keys; asked for once, as long as the listing gives the same description."""

        def keyed(table: TableSchema) -> tuple[TableSchema, TableSchema]:
            known = self._keyed.get(table.table)
            if known is not None and known[0] is table:
                return known
            if table.kind != "table":
                return table, table
            try:
                path = f"{_UNITY}/tables/{segment('.'.join(split_table(table.table)))}"
                info = self._calls.get(f"reading the keys of `{table.table}`", path)
            except (CatalogError, NotFound, Refusal, ValueError) as error:
                _log.info("no keys of %s: %s", table.table, error)
                return table, table
            full = schema_of(info, statistics=False)
            return table, table.model_copy(update={"primary_key": full.primary_key, "foreign_keys": full.foreign_keys})

        with ThreadPoolExecutor(self._at_once, thread_name_prefix="pm-keys") as pool:
            found = list(pool.map(keyed, listed))
        self._keyed = {table.table: (light, table) for light, table in found}
        return [table for _, table in found]

    def digest(self) -> str:
        """Changes when a table comes or goes or its description changes; lists without columns."""
        try:
            return self._listing.digest()
        except (NotFound, Refusal) as error:
            raise self._not_unity(error) from None

    def cancel(self) -> None:
        """Stop every listing that runs now; each raises Cancelled in its own thread."""
        self._listing.cancel()

    def table(self, name: str) -> TableSchema:
        """One table, with keys, tags, statistics and version.

        Raises:
            TableNotFound: With the nearest names.
            PermissionDenied: The caller may not see it; the message names the privilege.
        """
        info = self._info(name)
        found = schema_of(info, self._tags(info), statistics=True)
        if self._engine is None or found.kind not in DELTA_KINDS:
            return found
        try:
            told = self._engine.statistics(found.table)
        except EngineError as error:
            _log.info("no fresh statistics of %s: %s", found.table, error)
            return found
        known = {name: value for name, value in told._asdict().items() if value is not None}
        return found.model_copy(update=known)

    def _info(self, name: str) -> dict[str, Any]:
        try:
            parts = split_table(name)
        except ValueError:
            raise TableNotFound(name, self.nearest(name)) from None
        try:
            path = f"{_UNITY}/tables/{segment('.'.join(parts))}"
            return self._calls.get(f"looking at the table `{name}`", path, {"include_delta_metadata": True})
        except NotFound:
            raise TableNotFound(name, self.nearest(name), where=self.name) from None
        except Refusal as refusal:  # a name that Unity Catalog does not take is the name of no table
            _log.info("refused: %s (%s)", name, refusal.said)
            raise TableNotFound(name, self.nearest(name), where=self.name) from None

    def _tags(self, info: Mapping[str, Any]) -> dict[str, str]:
        full = ".".join(str(info.get(part)) for part in ("catalog_name", "schema_name", "name"))
        path = f"{_UNITY}/entity-tag-assignments/tables/{segment(full)}/tags"
        try:
            listed = self._calls.pages(f"reading the tags of `{full}`", path, {}, "tag_assignments")
            return {str(one.get("tag_key")): str(one.get("tag_value") or "") for one in listed}
        except (CatalogError, NotFound, Refusal) as error:
            _log.info("no tags of %s: %s", full, error)
            return {}

    def nearest(self, name: str, count: int = 5) -> tuple[str, ...]:
        """Names of tables that come closest to `name`, best first."""
        from rapidfuzz import fuzz

        wanted = name.replace("`", "").casefold()
        last = wanted.rsplit(".", 1)[-1]

        def score(known: str) -> float:
            plain = known.replace("`", "").casefold()
            return float(fuzz.ratio(wanted, plain) + fuzz.ratio(last, plain.rsplit(".", 1)[-1])) / 100

        ranked = sorted((-score(known), known) for known in self._some_names(name))
        return tuple(known for value, known in ranked[:count] if -value > 0.9)

    def _some_names(self, name: str) -> Sequence[str]:
        """Names that were listed, or else those of the catalog that is named, or else of the first few."""
        known = self._listing.names()
        if known:
            return known
        catalog = name.replace("`", "").partition(".")[0].strip() if "." in name else ""
        try:
            listed = self._calls.pages("listing the catalogs", f"{_UNITY}/catalogs", {"max_results": 0}, "catalogs")
            catalogs = [str(one.get("name")) for one in listed]
            named = [one for one in catalogs if one.casefold() == catalog.casefold()]
            return [full for one in (named or catalogs[:_CATALOGS_ASKED]) for full in self._summaries(one)]
        except (CatalogError, NotFound, Refusal) as error:
            _log.info("no names to compare with: %s", error)
            return ()

    def _summaries(self, catalog: str) -> list[str]:
        query = {"catalog_name": catalog, "max_results": 0}
        try:
            what = f"listing the names of `{catalog}`"
            listed = list(self._calls.pages(what, f"{_UNITY}/table-summaries", query, "tables"))
        except (PermissionDenied, NotFound, Refusal):
            return []
        names = [str(one.get("full_name") or "").split(".") for one in listed]
        return [join_table(*parts) for parts in names if len(parts) == 3 and parts[1] != "information_schema"]

    # --- catalogs and schemas ----------------------------------------------------------------------------------------

    def has_catalog(self, catalog: str) -> bool:
        """Whether the catalog is there, and the caller may see it."""
        return self._is_there("catalogs", catalog)

    def has_schema(self, catalog: str, schema: str) -> bool:
        """Whether the schema is there, and the caller may see it."""
        return self._is_there("schemas", f"{catalog}.{schema}")

    def _is_there(self, kind: str, name: str) -> bool:
        try:
            self._calls.get(f"looking for `{name}`", f"{_UNITY}/{kind}/{segment(name)}")
        except (NotFound, Refusal):
            return False
        return True

    def create_schema(self, catalog: str, schema: str, *, with_catalog: bool = False) -> None:
        """Create the schema, and its catalog where that is allowed; nothing happens when it exists.

        Raises:
            CatalogError: The name cannot be used, or the catalog is missing and may not be made.
            PermissionDenied: CREATE SCHEMA is missing.
        """
        _check_names(catalog, schema)
        if not self.has_catalog(catalog):
            if not (with_catalog or self._may_create_catalog):
                raise CatalogError(
                    f"There is no catalog `{catalog}`, and it is not made without being allowed to.",
                    where=self.name,
                    hint="Name a catalog that is there, or set `create_catalog = true` in the environment.",
                )
            self._create(f"creating the catalog `{catalog}`", "catalogs", {"name": catalog})
        if not self.has_schema(catalog, schema):
            body = {"name": schema, "catalog_name": catalog}
            self._create(f"creating the schema `{catalog}.{schema}`", "schemas", body)
        self._listing.forget(catalog, schema)

    def _create(self, what: str, kind: str, body: dict[str, str]) -> None:
        try:
            self._calls.send(what, "POST", f"{_UNITY}/{kind}", body)
        except NotFound as error:
            raise CatalogError(error.message, where=error.where, hint=error.hint) from None
        except Refusal as refusal:
            if refusal.status == 409 or refusal.code.endswith("ALREADY_EXISTS"):
                return  # somebody was faster, or the first answer was lost
            raise CatalogError(f"Unity Catalog refuses, while {what}: {refusal.said}.", where=self.name) from None

    def privileges(self, sources: Sequence[str], target: str) -> Privileges:
        """What the caller may read and make; what is missing is named with the grant to ask for."""
        return self._checker.check(sources, target)

    # --- writing -----------------------------------------------------------------------------------------------------

    def describe(self, name: str, *, comment: str, columns: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Set the comments of a table and of its columns, and add its tags; what is so already is not written.

        Raises:
            TableNotFound: With the nearest names.
            PermissionDenied: The caller may not; the message names the privilege.
            CatalogError: There is no engine to set comments with.
        """
        info = self._info(name)
        known = schema_of(info, self._tags(info) if tags else None, statistics=False)
        for statement in _comments(known, comment, columns):
            self._run(known, statement)
        full = ".".join(str(info[part]) for part in ("catalog_name", "schema_name", "name"))
        for key, value in tags.items():
            if known.tags.get(key) != value:
                self._tag(full, key, value)
        self._listing.forget(str(info["catalog_name"]), str(info["schema_name"]))

    def _run(self, table: TableSchema, statement: str) -> None:
        if self._engine is None:
            raise CatalogError(
                f"The comments of `{table.table}` cannot be set: Unity Catalog takes them by SQL alone.",
                where=self.name,
                hint="Set DATABRICKS_WAREHOUSE_ID, so that there is an engine.",
            )
        try:
            self._engine.execute(statement)
        except QueryFailed as error:
            denied = re.search(r"PERMISSION|privilege|not authorized|owner", error.message, re.I)
            kind = PermissionDenied if denied else CatalogError
            raise kind(
                f"The comments of `{table.table}` cannot be set: {error.message}",
                where=self.name,
                hint="It needs MODIFY on the table (on a view: to own it) and the USE privileges." if denied else "",
            ) from None

    def _tag(self, full: str, key: str, value: str) -> None:
        body = {"entity_type": "tables", "entity_name": full, "tag_key": key, "tag_value": value}
        what = f"setting the tag `{key}` of `{full}`"
        base = f"{_UNITY}/entity-tag-assignments"
        try:
            try:
                self._calls.send(what, "POST", base, body)
            except Refusal as refusal:
                if refusal.status != 409 and not refusal.code.endswith("ALREADY_EXISTS"):
                    raise
                path = f"{base}/tables/{segment(full)}/tags/{segment(key)}"
                self._calls.send(what, "PATCH", path, body, update_mask="tag_value")
        except (Refusal, NotFound) as error:
            said = error.said if isinstance(error, Refusal) else error.message
            raise CatalogError(
                f"Unity Catalog refuses, while {what}: {said.rstrip('.')}.",
                where=self.name,
                hint="It needs APPLY TAG on the table, and ASSIGN on a governed tag.",
            ) from None

    def _not_unity(self, error: NotFound | Refusal) -> CatalogError:
        said = error.said if isinstance(error, Refusal) else error.message
        return CatalogError(
            f"Unity Catalog cannot be listed: {said.rstrip('.')}.",
            where=self.name,
            hint="The workspace needs a metastore; check that DATABRICKS_HOST is a workspace's address.",
        )


def _check_names(catalog: str, schema: str) -> None:
    try:
        split_table(join_table(catalog, schema, "t"))
    except ValueError as error:
        raise CatalogError(f"`{catalog}.{schema}` is no name of a schema: {error}.") from None
    for part in (catalog, schema):
        if "." in part or " " in part:
            raise CatalogError(f"`{part}` holds a blank or a dot, which Unity Catalog does not take.")


def _comments(known: TableSchema, comment: str, columns: Mapping[str, str]) -> Iterable[str]:
    """Statements that change the comments that differ."""
    table = quote_table(known.table)
    if comment != known.comment:
        yield f"COMMENT ON TABLE {table} IS {sql_text(comment)}"
    kind = _ALTER.get(known.kind, "TABLE")
    for name, text in columns.items():
        column = known.column(name)
        if column is not None and column.comment != text:
            yield f"ALTER {kind} {table} ALTER COLUMN {quote(column.name)} COMMENT {sql_text(text)}"
