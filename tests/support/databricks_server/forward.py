"""A stand-in behind the strict workspace: what its own rooms do not answer goes on to another server.

So notebooks are imported in the form JUPYTER, which minilake refuses, into the strict workspace's folders, and mirrored
as source where a job of the stand-in is to run them. Not here: what the stand-in does otherwise than Databricks.
"""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, urlencode

from tests.support.databricks_server.server import DatabricksServer, Handler, Refusal, Request
from tests.support.databricks_server.workspace_files import Files

__all__ = ["Forward", "MirroredFiles"]


class Forward:
    """Everything that no room before it answers.

    Args:
        url: Address of the other server.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def routes(self) -> Iterable[tuple[str, str, Handler]]:
        for verb in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            yield verb, r"(.*)", lambda request, verb=verb: self.ask(verb, request.parts[0], request)

    def ask(self, verb: str, path: str, request: Request) -> Any:
        """What the other server answers; its refusal as ours."""
        query = f"?{urlencode(request.query)}" if request.query else ""
        asked = urllib.request.Request(
            f"{self.url}/api/{quote(path)}{query}",
            method=verb,
            data=None if verb == "GET" else json.dumps(request.body).encode(),
            headers={"Content-Type": "application/json", "Authorization": "Bearer any"},
        )
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            told = json.loads(error.read() or b"{}")
            said = str(told.get("message") or told)
            raise Refusal(error.code, str(told.get("error_code") or error.code), said) from None


class MirroredFiles(Files):
    """Folders of the strict workspace; each notebook is imported as source behind it too."""

    def __init__(self, server: DatabricksServer, behind: Forward) -> None:
        super().__init__(server)
        self.behind = behind

    def import_(self, request: Request) -> Any:
        made = super().import_(request)
        path = str(request.body["path"])
        if self.items[path.removeprefix("/Workspace")].kind == "NOTEBOOK":
            cells = ["".join(cell["source"]) for cell in self.notebook(path)["cells"] if cell["cell_type"] == "code"]
            source = "# Databricks notebook source\n" + "\n\n# COMMAND ----------\n\n".join(cells) + "\n"
            content = base64.b64encode(source.encode()).decode()
            self._behind("mkdirs", path=path.rpartition("/")[0])
            self._behind("import", path=path, format="SOURCE", language="PYTHON", content=content, overwrite=True)
        return made

    def _behind(self, verb: str, **body: Any) -> None:
        self.behind.ask("POST", f"2.0/workspace/{verb}", Request((), {}, body, ""))
