"""The client: how it is made of what is configured, what it says of itself, and that it keeps the token to itself."""

from __future__ import annotations

import logging
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic.adapters.databricks.client import clock_skew, workspace_client
from pipeline_magic.errors import CatalogError, ConfigurationError


@pytest.fixture
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No profile, no cloud login."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("DATABRICKS_CONFIG_FILE", raising=False)
    return tmp_path


def test_host_without_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host is taken with or without ``https://``; a slash at its end does not matter."""
    monkeypatch.setattr("databricks.sdk.config.Config._resolve_host_metadata", lambda self: None, raising=False)
    for host in ("acme.cloud.databricks.test", "https://acme.cloud.databricks.test/", " acme.cloud.databricks.test "):
        assert workspace_client(host, "t-secret-1").config.host == "https://acme.cloud.databricks.test"


def test_timeouts_and_user_agent(site: Any) -> None:
    """Requests end in time, and say which product asks."""
    client = site.client(http_timeout=7.0)
    assert client.config.http_timeout_seconds == 7.0
    list(site.catalog().tables())
    assert any("pipeline_magic/" in agent for agent in site.server.agents)


def test_profile(site: Any, no_home: Path) -> None:
    """Without a token a profile of the SDK's file is taken."""
    (no_home / ".databrickscfg").write_text(f"[team]\nhost = {site.server.url}\ntoken = good-token\n")
    client = workspace_client(None, profile="team")
    assert client.current_user.me().user_name == "ada@acme.test"


def test_no_credentials(site: Any, no_home: Path) -> None:
    """Nothing to log in with is said, with what to set."""
    with pytest.raises(ConfigurationError) as raised:
        workspace_client(site.server.url)
    assert "DATABRICKS_TOKEN" in raised.value.hint
    assert "Config:" not in str(raised.value)


def test_token_wins_over_the_environment(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that was given is used, whatever other credentials the environment holds."""
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", "someone")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "else")
    assert site.client().current_user.me().user_name == "ada@acme.test"


def test_the_token_stays_inside(site: Any, caplog: pytest.LogCaptureFixture) -> None:
    """No error, traceback, log line or repr shows the token, also where the server says it."""
    caplog.set_level(logging.DEBUG)
    token = "dapi" + "0123456789abcdef" * 2
    from tests.support.databricks_server import Refusal

    site.server.users[token] = "ada@acme.test"
    site.server.refuse[("GET", "tables/")] = Refusal(403, "PERMISSION_DENIED", f"{token} may not")
    catalog, engine = site.catalog(token), site.warehouse(token=token)
    with pytest.raises(CatalogError) as raised:
        catalog.table("shop.sales.orders")
    list(catalog.tables())
    shown = "".join(traceback.format_exception(raised.value)) + repr(catalog) + repr(engine) + caplog.text
    assert token not in shown.replace(f"{token} may not", "") and token not in str(raised.value)


def test_clock_skew(site: Any) -> None:
    """The clock is compared with the server's; a server that cannot be asked says nothing."""
    assert abs(clock_skew(site.server.url) or 99) < 5
    site.server.date = "Mon, 01 Jan 2024 00:00:00 GMT"
    assert (clock_skew(site.server.url) or 0) > 10**6
    assert clock_skew("http://127.0.0.1:9") is None


def test_the_room_loads_no_sdk() -> None:
    """Naming the room costs nothing; the SDK is loaded when it is connected."""
    code = "import sys, pipeline_magic.adapters.databricks; print('databricks.sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
