"""What the strict workspace takes as settings of a Lakeflow pipeline, as start of an update, and as filter of events.

Written from the vendor's reference of the Pipelines API and the SDK's generated code; what is not documented there is
refused. Not here: what becomes of them (`pipelines`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from tests.support.databricks_server.server import Refusal, Request

__all__ = ["BESIDE", "CAUSES", "SPEC", "START", "WHO", "check_settings", "chosen", "wrong"]

SPEC = (
    "budget_policy_id", "catalog", "channel", "clusters", "configuration", "continuous", "deployment", "development",
    "edition", "environment", "event_log", "filters", "gateway_definition", "id", "ingestion_definition", "libraries",
    "name", "notifications", "photon", "restart_window", "root_path", "schema", "serverless", "serverless_compute_id",
    "storage", "tags", "target", "trigger", "usage_policy_id",
)  # fmt: skip
BESIDE = ("allow_duplicate_names", "run_as", "parameters", "parent_path")
START = (
    "cause", "development", "full_refresh", "full_refresh_selection", "parameters", "refresh_selection",
    "replace_where_overrides", "reset_checkpoint_selection", "rewind_spec", "validate_only",
)  # fmt: skip
CAUSES = (
    "API_CALL", "INFRASTRUCTURE_MAINTENANCE", "JOB_TASK", "RETRY_ON_FAILURE", "SCHEMA_CHANGE", "SERVICE_UPGRADE",
    "USER_ACTION",
)  # fmt: skip
_ALERTS = ("on-update-success", "on-update-failure", "on-update-fatal-failure", "on-flow-failure")
WHO = ("user_name", "group_name", "service_principal_name")


def check_settings(request: Request, present: str, names: Iterable[str], principals: set[str]) -> None:
    """Refuse settings that the service would.

    Args:
        present: Name that the pipeline has now; empty before it is made.
        names: Those of all other pipelines.
        principals: Service principals that the caller may use.
    """
    body = request.body
    name, tags = body["name"], body.get("tags", {})
    if present != name and not body.get("allow_duplicate_names") and name in names:
        raise Refusal(
            409,
            "RESOURCE_CONFLICT",
            f"The pipeline name '{name}' is already used by another pipeline. "
            "This check can be skipped by setting `allow_duplicate_names = true` in the request.",
        )
    if body.get("catalog") and bool(body.get("schema")) == bool(body.get("target")):
        wrong("Exactly one of schema or target must be specified.")
    if "." in body.get("schema", "") + body.get("target", ""):
        wrong("CreatePipeline target_schema_name is not a valid name.")
    if body.get("serverless") and body.get("clusters"):
        wrong("You cannot provide cluster settings when using serverless compute.")
    if len(tags) > 25 or not all(isinstance(value, str) for value in tags.values()):
        wrong("A maximum of 25 tags can be added to the pipeline, each a string.")
    if not all(isinstance(value, str) for value in body.get("configuration", {}).values()):
        wrong("configuration holds strings.")
    for library in body.get("libraries", ()):
        if len(library) != 1 or next(iter(library)) not in ("file", "notebook", "glob", "jar", "maven", "whl"):
            wrong("A library is exactly one of file, notebook, glob.")
        path = (library.get("file") or library.get("notebook") or {"path": "/"}).get("path", "")
        if not path.startswith("/"):
            wrong(f"The path '{path}' of a library must be absolute.")
    for one in body.get("notifications", ()):
        if set(one) != {"alerts", "email_recipients"} or not set(one["alerts"]) <= set(_ALERTS):
            wrong("A notification has alerts, of those supported, and email_recipients.")
    if body.get("channel", "CURRENT") not in ("CURRENT", "PREVIEW"):
        wrong("channel must be CURRENT or PREVIEW.")
    _check_run_as(request, principals)


def _check_run_as(request: Request, principals: set[str]) -> None:
    who = request.body.get("run_as")
    if who is None:
        return
    if len(who) != 1 or next(iter(who)) not in WHO:
        wrong("Only one of user_name or service_principal_name can be specified in run_as.")
    if who.get("user_name", request.user) != request.user:
        raise Refusal(403, "PERMISSION_DENIED", "Users can only set run_as to their own email.")
    if who.get("service_principal_name") not in {None, *principals}:
        raise Refusal(403, "PERMISSION_DENIED", "User does not have the servicePrincipal/user role.")


def wrong(message: str) -> None:
    """Refuse a value."""
    raise Refusal(400, "INVALID_PARAMETER_VALUE", message)


def chosen(text: str) -> Callable[[dict[str, Any]], bool]:
    """What a filter of events lets through."""
    tests: list[Callable[[dict[str, Any]], bool]] = []
    for part in re.split(r"\s+AND\s+", text) if text else ():
        levels = re.fullmatch(r"level\s*=\s*'(\w+)'", part) or re.fullmatch(r"level\s+in\s*\(([^)]*)\)", part)
        after = re.fullmatch(r"timestamp\s*(>=|>|<=|<|=)\s*'([^']+)'", part)
        if levels is not None:
            known = set(re.findall(r"\w+", levels[1]))
            tests.append(lambda one, known=known: one["level"] in known)  # type: ignore[misc]
        elif after is not None:
            tests.append(lambda one, m=after: _compares(one["timestamp"], m[1], m[2]))  # type: ignore[misc]
        else:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", f"Unsupported filter: {text}")
    return lambda one: all(test(one) for test in tests)


def _compares(left: str, sign: str, right: str) -> bool:
    return {">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right, "=": left == right}[sign]
