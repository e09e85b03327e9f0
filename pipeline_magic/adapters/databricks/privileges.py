"""What the caller may do, asked of Unity Catalog and, where that cannot say, tried on the engine.

To read a table takes SELECT on it, USE SCHEMA on its schema and USE CATALOG on its catalog; to make one takes CREATE
TABLE on the schema; to write one that is there, MODIFY. An owner has every privilege on what is owned, but needs the
two USE privileges above it all the same. Privileges that come from a group are found when the group is one of those
that the workspace names for the caller; a group within a group may be missed, and so a "no" is tried on the engine,
where there is one, by a query that reads no row.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from pipeline_magic.adapters.databricks.calls import Calls, Refusal, segment
from pipeline_magic.errors import CatalogError, EngineError, NotFound, PermissionDenied, QueryFailed
from pipeline_magic.ports import Privileges, Rows
from pipeline_magic.spec.names import quote_table, split_table

__all__ = ["Checker"]

_UNITY = "/api/2.1/unity-catalog"
_ME = "/api/2.0/preview/scim/v2/Me"
_EVERYBODY = "account users"
_GROUPS = 20
_PATHS = {"catalog": "catalogs", "schema": "schemas", "table": "tables"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Object:
    """One securable: ``catalog``, ``schema`` or ``table``, and its full name as the REST API has it."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"the {self.kind} `{self.name}`"


@dataclass
class _Seen:
    """What was asked in one check.

    Attributes:
        held: Privileges on an object; None where it could not be asked.
        owners: Owner of an object; None where there is none such; missing where it could not be asked.
    """

    held: dict[_Object, frozenset[str] | None] = field(default_factory=dict)
    owners: dict[_Object, str | None] = field(default_factory=dict)


class Checker:
    """Checks privileges in one workspace.

    Args:
        calls: Asks the workspace.
        query: Runs one SELECT; None without an engine.
        at_once: How many objects are asked about at the same time.
    """

    def __init__(self, calls: Calls, query: Callable[[str], Rows] | None, *, at_once: int = 8) -> None:
        self._calls = calls
        self._query = query
        self._at_once = at_once
        self._me: tuple[str, frozenset[str]] | None = None

    def check(self, sources: Sequence[str], target: str) -> Privileges:
        """What may be read, and whether the target may be made or written."""
        seen = _Seen()
        with ThreadPoolExecutor(self._at_once, thread_name_prefix="pm-privileges") as pool:
            wanted = dict.fromkeys(one for name in (*sources, target) for one in _chain(name))
            list(pool.map(lambda one: self._look(one, seen), wanted))
        missing: list[str] = []
        readable: dict[str, bool] = {}
        for source in sources:
            readable[source], said = self._may_read(source, seen)
            missing += said
        can_create, said = self._may_create(target, seen)
        return Privileges(can_read=readable, can_create=can_create, missing=tuple(dict.fromkeys([*missing, *said])))

    # --- sources -----------------------------------------------------------------------------------------------------

    def _may_read(self, source: str, seen: _Seen) -> tuple[bool, list[str]]:
        chain = _chain(source)
        if not chain or any(seen.owners.get(one, "") is None for one in chain):
            return False, []  # what is not there is told as such, by whoever looks for it
        lacking = self._lacking(dict(zip(chain, ("USE_CATALOG", "USE_SCHEMA", "SELECT"), strict=True)), seen)
        if not lacking:
            return True, []
        tried = self._try(source)
        if tried is None:
            return False, [self._sentence(one, privilege, seen) for one, privilege in lacking]
        return (True, []) if tried == "" else (False, [f"`{source}` cannot be read: {tried}"])

    def _try(self, source: str) -> str | None:
        """Why a query fails that reads no row: empty when it does not; None where it cannot be tried."""
        if self._query is None:
            return None
        try:
            self._query(f"SELECT * FROM {quote_table(source)} LIMIT 0")
        except QueryFailed as error:
            return error.message
        except EngineError as error:
            _log.info("the engine could not be asked: %s", error)
            return None
        return ""

    # --- target ------------------------------------------------------------------------------------------------------

    def _may_create(self, target: str, seen: _Seen) -> tuple[bool | None, list[str]]:
        chain = _chain(target)
        if not chain:
            return False, [f"`{target}` is not a name of three parts."]
        catalog, schema, table = chain
        if seen.owners.get(catalog, "") is None:
            return None, []  # whether a catalog may be made is a matter of policy; `create_schema` says so
        needed = {catalog: "USE_CATALOG"}
        if seen.owners.get(schema, "") is None:
            needed[catalog] = "USE_CATALOG+CREATE_SCHEMA"
        elif seen.owners.get(table, None) is None:
            needed[schema] = "USE_SCHEMA+CREATE_TABLE"
        else:
            needed |= {schema: "USE_SCHEMA", table: "SELECT+MODIFY"}
        lacking = self._lacking(needed, seen)
        if not lacking:
            return True, []
        unknown = any(seen.held.get(one) is None for one, _ in lacking)
        return (None if unknown else False), [self._sentence(one, privilege, seen) for one, privilege in lacking]

    # --- asking ------------------------------------------------------------------------------------------------------

    def _lacking(self, needed: Mapping[_Object, str], seen: _Seen) -> list[tuple[_Object, str]]:
        """Objects with the privilege that is not found on them."""
        found = []
        for one, privileges in needed.items():
            held = seen.held.get(one) or frozenset()
            owner = self._is_me(seen.owners.get(one) or "")
            for privilege in privileges.split("+"):
                all_of = "ALL_PRIVILEGES" in held or owner
                if not all_of and privilege not in held:
                    found.append((one, privilege))
        return found

    def _look(self, one: _Object, seen: _Seen) -> None:
        """Ask for the owner of an object, and for what the caller holds on it."""
        address = segment(one.name)
        try:
            told = self._calls.get(f"looking at {one}", f"{_UNITY}/{_PATHS[one.kind]}/{address}")
            seen.owners[one] = str(told.get("owner") or "")
        except (NotFound, Refusal):
            seen.owners[one] = None
            return
        except CatalogError as error:
            _log.info("not told: %s", error)
        seen.held[one] = self._held(one)

    def _held(self, one: _Object) -> frozenset[str] | None:
        """Privileges of the caller on an object, inherited ones among them; None where it may not be asked."""
        user, groups = self._identity()
        everyone = self._assigned(one, None)
        if everyone is None:
            asked = [self._assigned(one, name) for name in (user, *sorted(groups)[:_GROUPS])]
            told = [each for each in asked if each is not None]
            if not told:
                return None
            everyone = {name: held for each in told for name, held in each.items()}
        mine = {name.casefold() for name in (user, *groups)}
        return frozenset(p for name, held in everyone.items() if name.casefold() in mine for p in held)

    def _assigned(self, one: _Object, principal: str | None) -> dict[str, frozenset[str]] | None:
        """Privileges by principal; None where the caller may not see them."""
        path = f"{_UNITY}/effective-permissions/{one.kind}/{segment(one.name)}"
        query: dict[str, Any] = {"max_results": 0} | ({"principal": principal} if principal else {})
        found: dict[str, frozenset[str]] = {}
        try:
            listed = self._calls.pages(f"asking for the privileges on {one}", path, query, "privilege_assignments")
            for item in listed:
                name = str(item.get("principal") or "")
                held = {str(each.get("privilege") or "") for each in item.get("privileges") or ()}
                found[name] = found.get(name, frozenset()) | held
        except (PermissionDenied, NotFound, Refusal):
            return None
        return found

    def _identity(self) -> tuple[str, frozenset[str]]:
        if self._me is None:
            told = self._calls.get("asking who the token belongs to", _ME)
            groups = {str(one.get("display") or "") for one in told.get("groups") or ()} - {""}
            self._me = str(told.get("userName") or ""), frozenset({*groups, _EVERYBODY})
        return self._me

    def _is_me(self, owner: str) -> bool:
        user, groups = self._identity()
        return bool(owner) and owner.casefold() in {name.casefold() for name in (user, *groups)}

    def _sentence(self, one: _Object, privilege: str, seen: _Seen) -> str:
        words = privilege.replace("_", " ")
        user, _ = self._identity()
        owner = seen.owners.get(one)
        whom = f"its owner `{owner}`" if owner else "its owner or an administrator"
        quoted = ".".join(f"`{part}`" for part in one.name.split("."))
        return f"{words} on {one} is missing: ask {whom} for GRANT {words} ON {one.kind.upper()} {quoted} TO `{user}`."


def _chain(name: str) -> tuple[_Object, ...]:
    """Catalog, schema and table of a name; empty when it is none."""
    try:
        catalog, schema, table = split_table(name)
    except ValueError:
        return ()
    return (
        _Object("catalog", catalog),
        _Object("schema", f"{catalog}.{schema}"),
        _Object("table", f"{catalog}.{schema}.{table}"),
    )
