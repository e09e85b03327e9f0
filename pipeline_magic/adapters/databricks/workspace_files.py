"""Notebooks and files of a workspace: put there, read back, compared with what was put there.

A notebook comes back from Databricks in its own words, never as the bytes that were imported; so notebooks are compared
by the kinds and sources of their cells, files by their bytes. Not here: where anything belongs (`deployer`), and the
temporary folders of one-off runs (`oneoff`).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from pipeline_magic.adapters.databricks.calls import Calls, Refusal, segment
from pipeline_magic.errors import DeploymentError, NotFound

__all__ = ["WorkspaceFiles", "is_notebook", "same_content"]

_FILES = "/api/2.0/workspace"
_MOST = 10 * 1024 * 1024
"""Bytes that one import takes."""


class WorkspaceFiles:
    """The files of one workspace.

    Args:
        calls: Asks the workspace.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._me: dict[str, str] = {}

    def me(self) -> str:
        """The user, or the application id of the service principal, that the workspace takes the caller for.

        Raises:
            DeploymentError: It does not say.
        """
        if not self._me:
            told = self._calls.get("asking who the caller is", "/api/2.0/preview/scim/v2/Me")
            name = str(told.get("userName") or "")
            if not name:
                raise DeploymentError("Databricks does not say who the caller is.", where=self._calls.host)
            self._me = {"name": name}
        return self._me["name"]

    def put(self, path: str, text: str) -> None:
        """Have this text at a path: a notebook where it is one, a file otherwise. Nothing happens where it is there.

        Raises:
            DeploymentError: It cannot be put there, or is not there afterwards.
        """
        if (found := self.read(path, notebook=is_notebook(text))) is not None and same_content(found, text):
            return
        data = text.encode()
        if len(data) > _MOST:
            raise DeploymentError(
                f"The file is larger than Databricks imports: {len(data)} bytes.", where=path, hint="Make it smaller."
            )
        self._write(path, data, "JUPYTER" if is_notebook(text) else "AUTO")
        found = self.read(path, notebook=is_notebook(text))
        if found is None or not same_content(found, text):
            raise DeploymentError(
                "What was imported is not what the workspace holds.",
                where=path,
                hint="Somebody changes it at the same time, or the workspace changed it: look, then resume the run.",
            )

    def write(self, path: str, text: str) -> None:
        """Write a file in place of what is there, without looking.

        Raises:
            DeploymentError: It cannot be written.
        """
        self._write(path, text.encode(), "AUTO")

    def read(self, path: str, *, notebook: bool) -> str | None:
        """Text at a path, of a notebook as .ipynb; None when there is nothing.

        Raises:
            DeploymentError: It is there and cannot be read.
        """
        query = {"path": path, "format": "JUPYTER" if notebook else "AUTO"}
        try:
            told = self._calls.get(f"reading `{path}`", f"{_FILES}/export", query)
            return base64.b64decode(str(told.get("content") or "")).decode()
        except NotFound:
            return None
        except Refusal as refusal:
            raise DeploymentError(f"`{path}` cannot be read: {refusal.said}.", where=self._calls.host) from None
        except (binascii.Error, UnicodeDecodeError):
            raise DeploymentError(f"`{path}` is no text any more.", where=self._calls.host) from None

    def let_run(self, folder: str, principal: Mapping[str, str]) -> None:
        """Let a user or service principal run what is in a folder; others keep what they may do.

        Raises:
            DeploymentError: The caller may not give that.
        """
        what = f"letting `{next(iter(principal.values()))}` run what is in `{folder}`"
        try:
            told = self._calls.get(what, f"{_FILES}/get-status", {"path": folder})
            number = segment(str(told.get("object_id") or ""))
            entry = {**principal, "permission_level": "CAN_RUN"}
            body = {"access_control_list": [entry]}
            self._calls.send(what, "PATCH", f"/api/2.0/permissions/directories/{number}", body)
        except (Refusal, NotFound) as error:
            said = error.said if isinstance(error, Refusal) else error.message
            raise DeploymentError(
                f"Databricks refuses, while {what}: {said}.",
                where=folder,
                hint="`run_as` of the environment must name a user, or a service principal by its application id.",
            ) from None

    def _write(self, path: str, data: bytes, form: str) -> None:
        """Import; the folder is made where it is missing."""
        content = base64.b64encode(data).decode()
        body = {"path": path, "format": form, "content": content, "overwrite": True}
        what = f"importing `{path}`"
        try:
            try:
                self._calls.send(what, "POST", f"{_FILES}/import", body)
            except (NotFound, Refusal) as error:
                if isinstance(error, Refusal) and "NOT_EXIST" not in error.code:
                    raise
                self._calls.send(what, "POST", f"{_FILES}/mkdirs", {"path": path.rpartition("/")[0]})
                self._calls.send(what, "POST", f"{_FILES}/import", body)
        except (NotFound, Refusal) as error:
            said = error.said if isinstance(error, Refusal) else error.message
            raise DeploymentError(
                f"Databricks refuses, while {what}: {said}.",
                where=self._calls.host,
                hint="Remove or rename what is in the way at that path, then resume the run.",
            ) from None


def is_notebook(text: str) -> bool:
    """Whether a text is a notebook of Jupyter's format."""
    return _cells(text) is not None


def same_content(one: str, other: str) -> bool:
    """Whether two notebooks have the same cells, or two files the same text."""
    mine, others = _cells(one), _cells(other)
    return one == other if mine is None or others is None else mine == others


def _cells(text: str) -> list[tuple[str, str]] | None:
    """Kind and source of each cell that holds anything; None where the text is no notebook."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        found: Any = json.loads(text)["cells"]
        cells = [(str(cell["cell_type"]), _joined(cell["source"])) for cell in found]
    except (ValueError, KeyError, TypeError):
        return None
    return [(kind, source) for kind, source in cells if source]


def _joined(source: Any) -> str:
    text = source if isinstance(source, str) else "".join(source)
    return text.replace("\r\n", "\n").strip()
