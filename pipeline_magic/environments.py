"""`[environments.*]` of `pipeline_magic.toml`, as the base branch has it, into the compiler's frozen `Environments`.

Here: the keys that say where, as whom and how a pipeline runs. Not here: the keys that say who must approve
(`agents.approval.policy`); both stand in the same tables, and each reader leaves the other's keys alone.

    [environments.prod]
    catalogs = { analytics = "analytics_prod" }
    host = "https://dbc-1234.cloud.databricks.com"
    compute = { node_type = "i3.xlarge", spark_version = "17.3.x-scala2.13", workers = 4 }   # or "serverless"
    run_as = "0a1b2c3d-…"                          # a service principal; { user_name = "ada@example.com" } for a user
    notifications = { emails = ["data@example.com"], webhooks = ["id of a destination"], slow_seconds = 1800 }
    permissions = [{ group_name = "analysts", level = "CAN_VIEW" }]
    timeout_seconds = 3600
    retries = 2
    paused = false              # default: false in prod and where there is one environment, true elsewhere
    mode = "production"         # default: development in dev, production elsewhere
    deploy_via = "bundle"       # default: sdk
    create_catalog = true       # default: false, a missing catalog of the target is never created

Environments are promoted in the order of the file.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pipeline_magic.compiler.environments import DEFAULT, Environment, Environments
from pipeline_magic.errors import ConfigurationError

__all__ = ["FILE", "KEYS", "read_environments"]

FILE = "pipeline_magic.toml"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}\Z")
_LEVELS = ("CAN_VIEW", "CAN_RUN", "CAN_MANAGE_RUN", "CAN_MANAGE", "IS_OWNER")
_WHO = ("user_name", "group_name", "service_principal_name")


class _Refused(Exception):
    """A value that does not fit; the message says what would."""


def _text(value: Any) -> str:
    ok = isinstance(value, str) and value.strip() == value and value and value.isprintable() and len(value) <= 500
    if not ok:
        raise _Refused("must be a text of one line")
    if "${" in value or "{{" in value:
        raise _Refused("must not hold `${` or `{{`, which Databricks reads as references")
    return str(value)


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _Refused('must be a list of texts, such as ["a", "b"]')
    return tuple(_text(item) for item in value)


def _mapping(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _Refused('must be a table of texts, such as { a = "b" }')
    return {_text(name): _text(item) for name, item in value.items()}


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise _Refused(f"must be a whole number from {least} to {most}")
        return value

    return read


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Refused("must be true or false")
    return value


def _one_of(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            raise _Refused(f"must be one of {', '.join(words)}")
        return str(value)

    return read


def _parts(value: Any, known: Mapping[str, Callable[[Any], Any]], what: str) -> dict[str, Any]:
    """The parts of an inner table, each read by its own reader."""
    if not isinstance(value, dict):
        raise _Refused(f"must be {what}")
    unknown = [name for name in value if name not in known]
    if unknown:
        raise _Refused(f"has no `{unknown[0]}`; it has {', '.join(known)}")
    made = {}
    for name, item in value.items():
        try:
            made[name] = known[name](item)
        except _Refused as error:
            raise _Refused(f"`{name}` {error}") from None
    return made


def _catalogs(value: Any) -> dict[str, Any]:
    made = _mapping(value)
    odd = next((name for pair in made.items() for name in pair if not re.fullmatch(r"[^./\\`]{1,255}", name)), None)
    if odd is not None:
        raise _Refused(f"must map names of catalogs to names of catalogs, and {odd!r} is none")
    return {"catalogs": made}


def _host(value: Any) -> dict[str, Any]:
    host = _text(value).rstrip("/")
    host = host if "://" in host else f"https://{host}"
    if not re.fullmatch(r"https://[A-Za-z0-9.\-]+(:\d+)?", host):
        raise _Refused("must be the address of a workspace, such as https://dbc-1234.cloud.databricks.com")
    return {"host": host}


def _compute(value: Any) -> dict[str, Any]:
    if value == "serverless":
        return {"serverless": True}
    what = '"serverless", or a table with node_type, spark_version and workers'
    if isinstance(value, dict) and "performance" in value:
        made = _parts(value, {"performance": _one_of("STANDARD", "PERFORMANCE_OPTIMIZED")}, what)
        return {"serverless": True, **made}
    made = _parts(value, {"node_type": _text, "spark_version": _text, "workers": _whole(0, 1000)}, what)
    if not {"node_type", "spark_version"} <= set(made):
        raise _Refused(f"must be {what}")
    return {"serverless": False, **made}


def _run_as(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"run_as": _text(value), "run_as_kind": "service_principal_name"}
    made = _parts(value, {"user_name": _text, "service_principal_name": _text}, "a service principal, or a table")
    if len(made) != 1:
        raise _Refused("must name one of user_name, service_principal_name")
    [(kind, name)] = made.items()
    return {"run_as": name, "run_as_kind": kind}


def _notifications(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return {"notify": _texts(value)}
    known = {"emails": _texts, "webhooks": _texts, "slow_seconds": _whole(1, 30 * 86_400)}
    made = _parts(value, known, "a list of addresses, or a table with emails, webhooks and slow_seconds")
    return {"notify" if name == "emails" else name: item for name, item in made.items()}


def _permissions(value: Any) -> dict[str, Any]:
    what = 'a list of tables, such as { group_name = "analysts", level = "CAN_VIEW" }'
    if not isinstance(value, list):
        raise _Refused(f"must be {what}")
    made = []
    for item in value:
        parts = _parts(item, {**dict.fromkeys(_WHO, _text), "level": _one_of(*_LEVELS)}, what)
        who = [name for name in _WHO if name in parts]
        if len(who) != 1 or "level" not in parts:
            raise _Refused(f"must be {what}, with one of {', '.join(_WHO)}")
        made.append({"kind": who[0], "name": parts[who[0]], "level": parts["level"]})
    return {"permissions": made}


def _as(name: str, read: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    return lambda value: {name: read(value)}


_READERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "catalogs": _catalogs,
    "host": _host,
    "compute": _compute,
    "run_as": _run_as,
    "notifications": _notifications,
    "permissions": _permissions,
    "tags": _as("tags", _mapping),
    "timeout_seconds": _as("timeout_seconds", _whole(0, 30 * 86_400)),
    "retries": _as("retries", _whole(0, 100)),
    "paused": _as("paused", _flag),
    "mode": _as("mode", _one_of("development", "production")),
    "deploy_via": _as("deploy_via", _one_of("sdk", "bundle")),
    "create_catalog": _as("create_catalog", _flag),
}

KEYS = frozenset(_READERS) | {"warehouse_id", "description"}
"""Keys of an environment that are settings of deployment, not policy."""


def read_environments(text: str | None, *, policy_keys: frozenset[str] = frozenset()) -> Environments:
    """The environments of a repository.

    Args:
        text: `pipeline_magic.toml` of the base branch; None or empty where there is none.
        policy_keys: Keys of the same tables that are read elsewhere; any other key that is not known is a problem.

    Raises:
        ConfigurationError: The file cannot be read, or has a key or value that no environment has; all at once.
    """
    tables = _tables(text or "")
    if not tables:
        return DEFAULT
    problems: list[str] = []
    made = [_environment(name, table, policy_keys, problems) for name, table in tables.items()]
    if problems:
        raise ConfigurationError(
            f"The environments cannot be used: {'; '.join(problems)}.",
            where=f"{FILE} on the base branch",
            hint="Mend it and merge the change.",
        )
    return Environments(environments=tuple(made))


def _tables(text: str) -> dict[str, dict[str, Any]]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        found = tomllib.loads(text).get("environments", {})
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"`{FILE}` on the base branch cannot be read: {error}.", where=FILE, hint="Mend it and merge the change."
        ) from None
    if not isinstance(found, dict) or not all(isinstance(value, dict) for value in found.values()):
        raise ConfigurationError(
            "`environments` must hold tables, such as `[environments.prod]`.", where=f"{FILE} on the base branch"
        )
    return found


def _environment(name: str, table: dict[str, Any], policy: frozenset[str], problems: list[str]) -> Environment:
    where = f"environments.{name}"
    if not _NAME.match(name):
        problems.append(f"`{where}`: a name is of lower-case letters, digits and underscores, at most 31")
    live = name in {"default", "prod", "production"}
    values: dict[str, Any] = {
        "name": name if _NAME.match(name) else "x",
        "paused": not live,
        "mode": "development" if name in {"dev", "development"} else "production",
    }
    problems += (f"`{where}.{key}` {text}" for key, text in _unknown(table, policy))
    for key, read in _READERS.items():
        if key in table:
            try:
                values.update(read(table[key]))
            except _Refused as error:
                problems.append(f"`{where}.{key}` {error}")
    return Environment.model_validate(values)


def _unknown(table: Mapping[str, Any], policy: frozenset[str]) -> Iterator[tuple[str, str]]:
    known = KEYS | policy
    for key in table:
        if policy and key not in known:
            nearest = difflib.get_close_matches(key, sorted(known), n=1)
            yield key, "is not known" + (f"; did you mean `{nearest[0]}`?" if nearest else "")
