"""`[environments.*]` of the base branch's file: every key, the defaults, and everything that is wrong at once."""

from __future__ import annotations

import pytest

from pipeline_magic.agents.approval.policy import Policy, read_policy
from pipeline_magic.compiler.environments import DEFAULT, Environment, Permission
from pipeline_magic.environments import read_environments
from pipeline_magic.errors import ConfigurationError

POLICY = frozenset(Policy.model_fields)

FULL = """
[environments.dev]
catalogs = { analytics = "analytics_dev" }
compute = { performance = "STANDARD" }

[environments.staging]
compute = "serverless"
notifications = ["data@example.com"]
run_as = { user_name = "ada@example.com" }
paused = false

[environments.prod]
approvers = ["ada"]
host = "prod.example.com/"
compute = { node_type = "i3.xlarge", spark_version = "17.3.x-scala2.13", workers = 4 }
run_as = "0000-1111"
notifications = { emails = ["data@example.com"], webhooks = ["hook"], slow_seconds = 60 }
permissions = [{ group_name = "analysts", level = "CAN_VIEW" }]
tags = { team = "data" }
timeout_seconds = 3600
retries = 2
deploy_via = "bundle"
create_catalog = true
"""


def test_nothing_is_one_environment() -> None:
    """Without the file, or without environments in it, there is `default`."""
    assert read_environments(None) == read_environments("") == read_environments("planner = 'embedded'") == DEFAULT


def test_every_key() -> None:
    """Each key lands in its field; what is left out has the default of the environment's name; the order stays."""
    made = read_environments(FULL, policy_keys=POLICY)
    assert [item.name for item in made.environments] == ["dev", "staging", "prod"]
    assert made.get("dev") == Environment(
        name="dev",
        catalogs={"analytics": "analytics_dev"},
        performance="STANDARD",
        paused=True,
        mode="development",
    )
    assert made.get("staging") == Environment(
        name="staging", notify=("data@example.com",), run_as="ada@example.com", run_as_kind="user_name", paused=False
    )
    assert made.get("prod") == Environment(
        name="prod",
        host="https://prod.example.com",
        serverless=False,
        node_type="i3.xlarge",
        spark_version="17.3.x-scala2.13",
        workers=4,
        run_as="0000-1111",
        notify=("data@example.com",),
        webhooks=("hook",),
        slow_seconds=60,
        permissions=(Permission(kind="group_name", name="analysts", level="CAN_VIEW"),),
        tags={"team": "data"},
        timeout_seconds=3600,
        retries=2,
        deploy_via="bundle",
        create_catalog=True,
    )


def test_policy_and_settings_share_a_table() -> None:
    """Each of the two readers accepts the other's keys."""
    assert read_policy(FULL, "prod").approvers == ("ada",)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("catalogs = 1", "`environments.prod.catalogs` must be a table of texts"),
        ('catalogs = { a = "b.c" }', "names of catalogs"),
        ('compute = "big"', '"serverless", or a table'),
        ('compute = { node_type = "x" }', "node_type, spark_version and workers"),
        ('compute = { node_type = "x", spark_version = "y", workers = -1 }', "`workers` must be a whole number"),
        ("compute = { size = 1 }", "has no `size`"),
        ("run_as = { }", "must name one of user_name, service_principal_name"),
        ('notifications = "a"', "a list of addresses"),
        ('permissions = [{ group_name = "a", level = "ALL" }]', "one of CAN_VIEW, CAN_RUN"),
        ('permissions = [{ level = "CAN_VIEW" }]', "with one of user_name"),
        ('host = "http://x"', "the address of a workspace"),
        ('run_as = "${secrets.x}"', "references"),
        ("timeout_seconds = true", "a whole number from 0"),
        ('paused = "no"', "true or false"),
        ('mode = "prod"', "development, production"),
        ('deploy_via = "ci"', "sdk, bundle"),
        ("deploy_with = 1", "did you mean `deploy_via`?"),
    ],
)
def test_what_does_not_fit_is_named(line: str, said: str) -> None:
    """The file, the key, and what is allowed."""
    with pytest.raises(ConfigurationError) as caught:
        read_environments(f"[environments.prod]\n{line}\n", policy_keys=POLICY)
    assert said in str(caught.value)
    assert f"environments.prod.{line.split(' ')[0]}" in str(caught.value)
    assert "pipeline_magic.toml" in str(caught.value)


def test_all_problems_at_once() -> None:
    """Every wrong key of every environment is said in one error."""
    text = "[environments.Dev]\nretries = -1\n[environments.prod]\npaused = 1\nhots = 'x'\n"
    with pytest.raises(ConfigurationError) as caught:
        read_environments(text, policy_keys=POLICY)
    for part in ("environments.Dev`", "environments.Dev.retries", "environments.prod.paused", "environments.prod.hots"):
        assert part in str(caught.value)


def test_a_file_that_is_no_toml() -> None:
    """A file that cannot be parsed is said to be so."""
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_environments("[environments")
    with pytest.raises(ConfigurationError, match="must hold tables"):
        read_environments("environments = 1")
