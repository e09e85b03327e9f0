"""Who we are on GitHub: a person's token, or an installation of a GitHub App."""

from __future__ import annotations

import time
from collections.abc import Callable

import github

from pipeline_magic.adapters.github.calls import Calls
from pipeline_magic.errors import ConfigurationError

__all__ = ["app_of", "token_of"]


def token_of(token: str) -> github.Auth.Auth:
    """A classic or fine-grained token."""
    return github.Auth.Token(token)


def app_of(
    repository: str,
    app_id: str,
    private_key: str,
    *,
    installation: int | None = None,
    base_url: str = "https://api.github.com",
    timeout: float = 30.0,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[github.Auth.Auth, str]:
    """A GitHub App as it is installed on a repository, and the login it acts under.

    Its tokens last an hour; the client makes new ones by itself.

    Args:
        repository: ``owner/name``.
        app_id: Of the app.
        private_key: PEM.
        installation: Its id; looked up by the repository when None.

    Raises:
        ConfigurationError: The key is none.
        NotFound: The app is not installed on the repository.
        CodeHostError: GitHub refused.
    """
    try:
        auth = github.Auth.AppAuth(app_id, private_key)
        auth.create_jwt()
    except Exception:  # noqa: BLE001  # what three libraries below say of a key is unlike, and may hold a part of it
        raise ConfigurationError(
            "The private key of the GitHub App cannot be used.",
            where="github_app_private_key",
            hint="Give the PEM file that GitHub made for the app, whole.",
        ) from None
    address = base_url.rstrip("/")
    client = github.GithubIntegration(
        auth=auth,
        base_url=address,
        timeout=max(1, round(timeout)),
        retry=None,
        seconds_between_requests=None,
        seconds_between_writes=None,
    )
    calls = Calls(f"{address}, app {app_id}", sleep=sleep)
    owner, _, name = repository.partition("/")
    slug = calls("asking which app it is", lambda: client.get_app().slug)
    number = installation or calls(
        f"looking for the app's installation on {repository}", lambda: client.get_repo_installation(owner, name).id
    )
    return auth.get_installation_auth(number), f"{slug}[bot]"
