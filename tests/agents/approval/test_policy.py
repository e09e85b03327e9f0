"""Who may approve, read from the base branch's text."""

from __future__ import annotations

import pytest

from pipeline_magic.agents.approval.policy import Policy, policy_of_plan, read_policy
from pipeline_magic.errors import ConfigurationError


@pytest.mark.parametrize("text", [None, "", "[other]\nkey = 1\n"])
def test_without_environments(text: str | None) -> None:
    """One approval by anyone, the author included; merged; run once."""
    policy = read_policy(text, "default")
    assert policy == Policy()
    assert (policy.approvers, policy.needed, policy.not_author, policy.merge, policy.first_run) == (
        (),
        1,
        False,
        True,
        True,
    )
    assert not policy.approval_by_policy


def test_defaults_by_environment() -> None:
    """dev and staging merge, run and waive; prod does none of it unless it says otherwise."""
    text = "[environments.dev]\n[environments.staging]\n[environments.prod]\n[environments.production]\nmerge = true\n"
    found = {
        name: (policy.merge, policy.first_run, policy.waivers_allowed)
        for name in ("dev", "staging", "prod", "production")
        for policy in [read_policy(text, name)]
    }
    assert found == {
        "dev": (True, True, True),
        "staging": (True, True, True),
        "prod": (False, False, False),
        "production": (True, False, False),
    }


def test_whole_policy() -> None:
    """Every key is read, and keys of an environment that are no policy are left to others."""
    text = """
    [environments.prod]
    approvers = ["ada", "bob@example.org"]
    needed = 2
    not_author = true
    merge = true
    first_run = true
    waivers_allowed = true
    expires_hours = 12
    budget = 20.5
    run_as = "service"
    catalogs = { analytics = "analytics_prod" }
    """
    policy = read_policy(text, "prod")
    assert policy == Policy(
        environment="prod",
        approvers=("ada", "bob@example.org"),
        needed=2,
        not_author=True,
        expires_hours=12,
        budget=20.5,
    )
    assert policy_of_plan(policy.model_dump(mode="json")) == policy
    assert policy.in_words()[0] == "2 approvals by different people by `ada`, `bob@example.org`, not the author"


@pytest.mark.parametrize(
    ("text", "environment", "said"),
    [
        ("", "prod", "has none at all"),
        ("[environments.dev]", "prod", "no environment `prod`"),
        ("[environments.dev]", "default", "no environment `default`"),
        ("environments = 1", "dev", "must hold tables"),
        ("[environments]\ndev = 1", "dev", "must hold tables"),
        ("[environments.dev", "dev", "cannot be read"),
        ("[environments.dev]\naprovers = []", "dev", "did you mean `approvers`"),
        ("[environments.dev]\nneeded = 0", "dev", "`needed`"),
        ("[environments.dev]\nneeded = true", "dev", "`needed`"),
        ("[environments.dev]\nneeded = '2'", "dev", "`needed`"),
        ("[environments.dev]\nmerge = 'no'", "dev", "`merge`"),
        ("[environments.dev]\nnot_author = 1", "dev", "`not_author`"),
        ("[environments.dev]\napprovers = 'ada'", "dev", "`approvers`"),
        ("[environments.dev]\napprovers = ['']", "dev", "empty name"),
        ("[environments.dev]\napprovers = ['ada', 'Ada']", "dev", "twice"),
        ("[environments.dev]\napprovers = ['ada']\nneeded = 2", "dev", "only 1 may approve"),
        ("[environments.dev]\nbudget = nan", "dev", "`budget`"),
        ("[environments.dev]\nexpires_hours = 0", "dev", "`expires_hours`"),
        ("[environments.prod]\napproval_by_policy = true", "prod", "never possible in production"),
    ],
)
def test_what_cannot_be_used(text: str, environment: str, said: str) -> None:
    """A policy that cannot be read is never taken for a weaker one: it is an error that names the key."""
    with pytest.raises(ConfigurationError, match=said):
        read_policy(text, environment)


def test_all_problems_at_once() -> None:
    """One error names everything that is wrong."""
    with pytest.raises(ConfigurationError) as raised:
        read_policy("[environments.dev]\nneeded = 0\nmerge = 1\ncolour = 'blue'", "dev")
    for word in ("`needed`", "`merge`", "`colour`"):
        assert word in raised.value.message
