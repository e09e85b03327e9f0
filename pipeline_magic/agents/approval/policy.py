"""What an environment asks for before a plan may be deployed there.

The text is `pipeline_magic.toml` as the base branch of the code host has it: whoever may change the policy had to get
that change reviewed. Arguments, environment variables and the working copy are never looked at. Not here: what is made
of a policy (`decisions`), and the keys of an environment that are no policy (`pipeline_magic.environments`).

    [environments.prod]
    approvers = ["ada", "bob"]     # who may approve; left out: anybody
    needed = 2                     # how many different people
    not_author = true              # nor the author of the run, nor who answered, edited or waived in it
    merge = false                  # default: true in dev and staging, false in prod
    first_run = false              # default: true in dev and staging, false in prod
    waivers_allowed = false        # default: true in dev and staging, false in prod
    approval_by_policy = false     # `require_approval=False` works here; never in prod
    expires_hours = 168            # an approval that is asked for and not given ends after a week
    drift = 0.1                    # share by which shown counts and costs may move before it is asked again
    budget = 20.0                  # a month, in the currency of the forecast; left out: none
"""

from __future__ import annotations

import difflib
import sys
from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue, StrictBool, StrictInt, StrictStr, ValidationError

from pipeline_magic.environments import KEYS
from pipeline_magic.errors import ConfigurationError
from pipeline_magic.spec.schema import Model

__all__ = ["FILE", "Policy", "is_production", "policy_of_plan", "read_policy"]

FILE = "pipeline_magic.toml"


def _people(people: tuple[str, ...]) -> tuple[str, ...]:
    cleaned = tuple(person.strip() for person in people)
    if not all(cleaned):
        raise ValueError("holds an empty name")
    if len({person.casefold() for person in cleaned}) != len(cleaned):
        raise ValueError("names somebody twice")
    return cleaned


class Policy(Model):
    """What an environment asks for.

    Attributes:
        approvers: Authenticated identities that may approve and reject; anybody when empty.
        needed: Different people who must approve.
        not_author: The author of the run, and whoever answered, edited or waived in it, may not approve, whatever
            `approvers` says.
        merge: Merge the pull request on approval; otherwise a person merges, and the deployment waits.
        first_run: Run the pipeline once after deploying it.
        waivers_allowed: A red finding may be waived by name with a reason.
        approval_by_policy: A plan without red findings may be approved without a person.
        expires_hours: Hours after which an approval that was not given ends; None for never.
        drift: Share of a shown count or cost by which it may have moved when it is decided; beyond, it is asked again.
        budget: Highest forecast of a month's cost that may be approved; None for no bound.
    """

    environment: str = "default"
    approvers: Annotated[tuple[StrictStr, ...], AfterValidator(_people)] = ()
    needed: Annotated[StrictInt, Field(ge=1, le=20)] = 1
    not_author: StrictBool = False
    merge: StrictBool = True
    first_run: StrictBool = True
    waivers_allowed: StrictBool = True
    approval_by_policy: StrictBool = False
    expires_hours: Annotated[float, Field(gt=0, le=24 * 366, allow_inf_nan=False)] | None = 24.0 * 7
    drift: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 0.1
    budget: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None

    def in_words(self) -> tuple[str, ...]:
        """The policy for a person, one clause each."""
        who = ", ".join(f"`{person}`" for person in self.approvers) or "anybody"
        people = "one approval" if self.needed == 1 else f"{self.needed} approvals by different people"
        said = [f"{people} by {who}" + (", not the author" if self.not_author else "")]
        said.append("the pull request is merged on approval" if self.merge else "a person merges the pull request")
        said.append("the pipeline is run once after deploying" if self.first_run else "no first run")
        if not self.waivers_allowed:
            said.append("red findings cannot be waived")
        if self.budget is not None:
            said.append(f"at most {self.budget:g} a month")
        return tuple(said)


def is_production(environment: str) -> bool:
    """Whether the stricter defaults hold there."""
    return environment.casefold() in {"prod", "production"}


def read_policy(text: str | None, environment: str) -> Policy:
    """The policy of an environment.

    Args:
        text: `pipeline_magic.toml` of the base branch; None or empty where there is none.
        environment: ``default`` where the file has no environments.

    Raises:
        ConfigurationError: The file cannot be read, does not have the environment, or has a key or value that no
            policy has; all of them at once.
    """
    environments = _environments(text or "")
    if not environments:
        if environment == "default":
            return Policy()
        raise ConfigurationError(
            f"There is no environment `{environment}`: `{FILE}` on the base branch has none at all.",
            hint=f"Merge a `{FILE}` with `[environments.{environment}]`, or leave the environment out.",
        )
    if environment not in environments:
        shown = ", ".join(f"`{name}`" for name in sorted(environments))
        raise ConfigurationError(
            f"There is no environment `{environment}` in `{FILE}` on the base branch.", hint=f"There are: {shown}."
        )
    return _policy(environment, environments[environment])


def _environments(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"`{FILE}` on the base branch cannot be read: {error}.", where=FILE, hint="Mend it and merge the change."
        ) from None
    environments = content.get("environments", {})
    if not isinstance(environments, dict) or not all(isinstance(value, dict) for value in environments.values()):
        raise ConfigurationError(
            "`environments` must hold tables, such as `[environments.prod]`.", where=f"{FILE} on the base branch"
        )
    return environments


def _policy(environment: str, table: dict[str, Any]) -> Policy:
    problems: list[str] = []
    known = set(Policy.model_fields) - {"environment"}
    for key in table:
        if key not in known and key not in KEYS:
            nearest = difflib.get_close_matches(key, sorted(known | KEYS), n=1)
            problems.append(f"`{key}` is not known" + (f"; did you mean `{nearest[0]}`?" if nearest else "."))
    strict = is_production(environment)
    defaults = {"merge": not strict, "first_run": not strict, "waivers_allowed": not strict}
    given = {key: value for key, value in table.items() if key in known}
    policy = Policy()
    try:
        policy = Policy.model_validate({**defaults, **given, "environment": environment})
    except ValidationError as error:
        problems += (
            f"`{'.'.join(map(str, item['loc']))}`: {item['msg'].removeprefix('Value error, ').lower()}"
            for item in error.errors(include_url=False, include_context=False, include_input=False)
        )
    if strict and policy.approval_by_policy:
        problems.append("`approval_by_policy` is never possible in production")
    able = len(policy.approvers)
    if able and policy.needed > able:
        problems.append(f"`needed` is {policy.needed}, and only {able} may approve")
    if problems:
        raise ConfigurationError(
            f"The policy of `{environment}` cannot be used: {'; '.join(problems)}",
            where=f"[environments.{environment}] of {FILE} on the base branch",
            hint="Mend it and merge the change.",
        )
    return policy


def policy_of_plan(value: dict[str, JsonValue]) -> Policy:
    """The policy as a plan holds it.

    Raises:
        ConfigurationError: It is none.
    """
    try:
        return Policy.model_validate(value)
    except ValidationError:
        raise ConfigurationError("The plan holds no policy that can be read.", hint="Make a new plan.") from None
