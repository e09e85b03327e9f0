"""Looks at a workspace the way `doctor` tells of it: host, token, clock, warehouse, jobs and privileges, one by one.

Each look is one call, whose refusal becomes a line with the step to take; none changes anything, and one that fails
keeps no other from being made. Not here: engine, store and code host, which `doctor` asks by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import requests

from pipeline_magic.adapters.databricks.calls import Calls, Refusal, segment
from pipeline_magic.adapters.databricks.client import clock_skew
from pipeline_magic.errors import NotFound, PermissionDenied, PipelineMagicError

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from pipeline_magic.config import Settings

__all__ = ["Look", "look_at"]

_UNITY = "/api/2.1/unity-catalog"
_SKEW_S = 120.0
_GROUPS = 20


class Look(NamedTuple):
    """What was looked at, what was found, whether that is well, and what to do otherwise."""

    subject: str
    found: str
    ok: bool = True
    hint: str = ""


def look_at(client: WorkspaceClient, settings: Settings, catalogs: Sequence[str] = ()) -> Iterator[Look]:
    """Everything that a run needs of a workspace.

    Args:
        catalogs: Those that the environments write to.
    """
    host = str(client.config.host)
    calls = Calls(client, host, attempts=2, longest=5.0)
    yield _host(host)
    yield _clock(host)
    who = _asked("token", lambda: _user(calls))
    yield who
    if not who.ok:
        return  # all else would say the same again
    if settings.databricks_warehouse_id:
        yield _asked("warehouse", lambda: _warehouse(calls, settings.databricks_warehouse_id or ""))
    if settings.databricks_cluster_id:
        yield _asked("cluster", lambda: _cluster(calls, settings.databricks_cluster_id or ""))
    yield _asked("jobs", lambda: _jobs(calls))
    yield _asked("workspace folder", lambda: _folder(calls, who.found))
    wanted = dict.fromkeys([*catalogs, *filter(None, [settings.databricks_scratch_catalog])])
    for catalog in wanted:
        yield from _catalog(calls, catalog, who.found)


def _host(host: str) -> Look:
    try:
        requests.head(host, timeout=5, allow_redirects=False)
    except requests.RequestException as error:
        return Look(
            "host",
            f"{host} cannot be reached ({type(error).__name__})",
            ok=False,
            hint="Check DATABRICKS_HOST, the network and the proxy.",
        )
    return Look("host", f"{host} answers")


def _clock(host: str) -> Look:
    ahead = clock_skew(host)
    if ahead is None:
        return Look("clock", "cannot be compared with the workspace's")
    if abs(ahead) <= _SKEW_S:
        return Look("clock", "as the workspace's")
    way = "ahead of" if ahead > 0 else "behind"
    return Look(
        "clock",
        f"{abs(ahead) / 60:.0f} minutes {way} the workspace's",
        ok=False,
        hint="Set this machine's clock: tokens and approvals go by it.",
    )


def _asked(subject: str, ask: Callable[[], Look]) -> Look:
    try:
        return ask()
    except PipelineMagicError as error:
        return Look(subject, error.message, ok=False, hint=error.hint)
    except Refusal as refusal:
        return Look(subject, f"Databricks refuses: {refusal.said}", ok=False, hint="Check the setting that is named.")


def _user(calls: Calls) -> Look:
    told = calls.get("asking who the token belongs to", "/api/2.0/preview/scim/v2/Me")
    return Look("token", str(told.get("userName") or "nobody"))


def _warehouse(calls: Calls, warehouse: str) -> Look:
    try:
        told = calls.get(f"looking at the warehouse `{warehouse}`", f"/api/2.0/sql/warehouses/{segment(warehouse)}")
    except NotFound:
        return Look(
            "warehouse",
            f"there is no SQL warehouse `{warehouse}`, or it is hidden",
            ok=False,
            hint="Set DATABRICKS_WAREHOUSE_ID to the id of one that is there, and ask for CAN USE on it.",
        )
    state = str(told.get("state") or "")
    if state in ("DELETED", "DELETING"):
        return Look("warehouse", f"`{warehouse}` was deleted", ok=False, hint="Set DATABRICKS_WAREHOUSE_ID anew.")
    later = "; it starts with the first statement, which takes a while" if state in ("STOPPED", "STOPPING") else ""
    return Look("warehouse", f"{told.get('name') or warehouse} is {state.lower()}{later}")


def _cluster(calls: Calls, cluster: str) -> Look:
    told = calls.get(f"looking at the cluster `{cluster}`", "/api/2.1/clusters/get", {"cluster_id": cluster})
    return Look("cluster", f"{told.get('cluster_name') or cluster} is {str(told.get('state') or '').lower()}")


def _jobs(calls: Calls) -> Look:
    calls.get("listing the jobs", "/api/2.2/jobs/list", {"limit": 1})
    return Look("jobs", "may be listed")


def _folder(calls: Calls, user: str) -> Look:
    path = f"/Users/{user}"
    told: dict[str, Any] = calls.get(f"looking at `{path}`", "/api/2.0/workspace/get-status", {"path": path})
    return Look("workspace folder", str(told.get("path") or path))


def _catalog(calls: Calls, catalog: str, user: str) -> Iterator[Look]:
    """Privileges on a catalog that is written to, each by itself."""
    subject = f"catalog {catalog}"
    try:
        told = calls.get(f"looking at the catalog `{catalog}`", f"{_UNITY}/catalogs/{segment(catalog)}")
    except (PipelineMagicError, Refusal):
        yield Look(
            subject,
            "is not there, or is hidden",
            ok=False,
            hint=f"Ask an administrator for GRANT USE CATALOG ON CATALOG `{catalog}` TO `{user}`.",
        )
        return
    held = _asked(subject, lambda: _held(calls, catalog, user))
    if not held.ok:
        yield held
        return
    all_of = str(told.get("owner") or "") == user or "ALL_PRIVILEGES" in held.found
    for privilege in ("USE_CATALOG", "CREATE_SCHEMA"):
        words = privilege.replace("_", " ")
        if all_of or privilege in held.found.split():
            yield Look(subject, f"{words} is granted")
        else:
            yield Look(
                subject,
                f"{words} was not found",
                ok=False,
                hint=f"Ask `{told.get('owner')}` for GRANT {words} ON CATALOG `{catalog}` TO `{user}`; where a group "
                "has it that is not told of, this is no hindrance.",
            )


def _held(calls: Calls, catalog: str, user: str) -> Look:
    """Privileges of the caller on a catalog: granted to the caller, to everybody, or to a group that is told of."""
    me = calls.get("asking who the token belongs to", "/api/2.0/preview/scim/v2/Me")
    mine = [user, *(str(one.get("display")) for one in me.get("groups") or ())][:_GROUPS]
    path = f"{_UNITY}/effective-permissions/catalog/{segment(catalog)}"
    found: set[str] = set()
    for principal in mine:
        query = {"max_results": 0, "principal": principal}
        with suppress(PermissionDenied):  # of others only an owner may be told
            for one in calls.pages(f"asking for privileges on `{catalog}`", path, query, "privilege_assignments"):
                found |= {str(each.get("privilege")) for each in one.get("privileges") or ()}
    return Look(catalog, " ".join(sorted(found)))
