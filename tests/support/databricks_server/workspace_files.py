"""Folders, notebooks and files of the strict workspace, and who may read and run them.

A notebook is kept in the workspace's own form: what comes back is not the bytes that were imported, and its name has no
ending. Paths are those below ``/Workspace``, the full form; others are left to the room of one-off runs.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.support.databricks_server.server import DatabricksServer, Handler, NotMine, Refusal, Request

__all__ = ["Files", "Item"]

_W = r"2\.0/workspace"
_LEVELS = ("CAN_READ", "CAN_RUN", "CAN_EDIT", "CAN_MANAGE")
_WHO = ("user_name", "group_name", "service_principal_name")
_LARGEST = 10 * 1024 * 1024


@dataclass
class Item:
    """One object of the workspace."""

    id: int
    kind: str
    text: str = ""
    permissions: dict[tuple[str, str], str] = field(default_factory=dict)


class Files:
    """Answers for one workspace.

    Attributes:
        items: Every object by its path below ``/Workspace``.
        principals: Service principals that are there, by application id.
    """

    def __init__(self, server: DatabricksServer) -> None:
        self.server = server
        self._ids = itertools.count(9001)
        self.items: dict[str, Item] = {path: Item(next(self._ids), "DIRECTORY") for path in ("/Users", "/Shared")}
        for user in server.users.values():
            self.items[f"/Users/{user}"] = Item(next(self._ids), "DIRECTORY")
        self.principals: set[str] = set()

    def routes(self) -> Iterable[tuple[str, str, Handler]]:
        yield "POST", rf"{_W}/mkdirs", self.mkdirs
        yield "POST", rf"{_W}/import", self.import_
        yield "GET", rf"{_W}/export", self.export
        yield "GET", rf"{_W}/get-status", self.status
        yield "POST", rf"{_W}/delete", self.delete
        yield "GET", rf"{_W}/list", self.list
        yield "GET", r"2\.0/permissions/directories/([^/]+)", self.permissions
        yield "PATCH", r"2\.0/permissions/directories/([^/]+)", self.permit

    # --- for tests ---------------------------------------------------------------------------------------------------

    def notebook(self, path: str) -> dict[str, Any]:
        """A notebook as it is kept."""
        item = self.items[path.removeprefix("/Workspace")]
        assert item.kind == "NOTEBOOK", path
        found: dict[str, Any] = json.loads(item.text)
        return found

    def paths(self, kind: str) -> list[str]:
        """Paths of all objects of a kind."""
        return sorted(path for path, item in self.items.items() if item.kind == kind)

    def text(self, path: str) -> str | None:
        """What a file holds; None where there is none."""
        item = self.items.get(path.removeprefix("/Workspace"))
        return None if item is None or item.kind == "DIRECTORY" else item.text

    # --- addresses ---------------------------------------------------------------------------------------------------

    def mkdirs(self, request: Request) -> Any:
        path = self._path(request, request.body)
        request.only("path", needs=["path"])
        self._writable(request, path)
        for parent in _chain(path):
            if self.items.setdefault(parent, Item(next(self._ids), "DIRECTORY")).kind != "DIRECTORY":
                raise Refusal(400, "RESOURCE_ALREADY_EXISTS", f"{parent} is no directory.")
        return {}

    def import_(self, request: Request) -> Any:
        path = self._path(request, request.body)
        request.only("path", "content", "format", "language", "overwrite", needs=["path", "content"])
        self._writable(request, path)
        form = request.body.get("format", "SOURCE")
        if form not in ("JUPYTER", "AUTO"):
            raise Refusal(400, "INVALID_PARAMETER_VALUE", f"The format {form} is not known here.")
        if request.body.get("overwrite", False) not in (True, False):
            raise Refusal(400, "MALFORMED_REQUEST", "overwrite is true or false.")
        try:
            data = base64.b64decode(request.body["content"], validate=True)
            text = data.decode()
        except ValueError:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "content is not base64-encoded.") from None
        if len(data) > _LARGEST:
            raise Refusal(400, "MAX_NOTEBOOK_SIZE_EXCEEDED", f"content exceeds {_LARGEST} bytes.")
        kind = "NOTEBOOK" if form == "JUPYTER" or text.startswith("# Databricks notebook source") else "FILE"
        kept = _own_form(text) if kind == "NOTEBOOK" else text
        parent = path.rpartition("/")[0]
        if self.items.get(parent, Item(0, "")).kind != "DIRECTORY":
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"The parent folder ({parent}) does not exist.")
        there = self.items.get(path)
        if there is not None and (there.kind != kind or not request.body.get("overwrite")):
            raise Refusal(400, "RESOURCE_ALREADY_EXISTS", f"Path ({path}) already exists.")
        item = there or Item(next(self._ids), kind)
        item.text = kept
        self.items[path] = item
        return {}

    def export(self, request: Request) -> Any:
        path = self._path(request, request.query)
        request.asks("path", "format", "direct_download", needs=["path"])
        item = self._there(path)
        form = request.query.get("format", "SOURCE")
        if item.kind == "DIRECTORY" or form not in ("AUTO", "JUPYTER") or (form == "JUPYTER" and item.kind == "FILE"):
            raise Refusal(400, "INVALID_PARAMETER_VALUE", f"{path} cannot be exported as {form}.")
        return {"content": base64.b64encode(item.text.encode()).decode(), "file_type": "ipynb"}

    def status(self, request: Request) -> Any:
        path = self._path(request, request.query)
        request.asks("path", needs=["path"])
        item = self._there(path)
        return {"path": f"/Workspace{path}", "object_type": item.kind, "object_id": item.id}

    def delete(self, request: Request) -> Any:
        path = self._path(request, request.body)
        request.only("path", "recursive", needs=["path"])
        self._writable(request, path)
        self._there(path)
        below = [one for one in self.items if one.startswith(f"{path}/")]
        if below and request.body.get("recursive") is not True:
            raise Refusal(400, "DIRECTORY_NOT_EMPTY", f"Folder ({path}) is not empty.")
        for one in (path, *below):
            del self.items[one]
        return {}

    def list(self, request: Request) -> Any:
        path = self._path(request, request.query)
        request.asks("path", "notebooks_modified_after", needs=["path"])
        self._there(path)
        found = [(one, item) for one, item in sorted(self.items.items()) if one.rpartition("/")[0] == path]
        objects = [{"path": f"/Workspace{one}", "object_type": i.kind, "object_id": i.id} for one, i in found]
        return {"objects": objects} if objects else {}

    def permissions(self, request: Request) -> Any:
        request.asks()
        item = self._numbered(request.parts[0])
        entries = [
            {kind: name, "all_permissions": [{"permission_level": level, "inherited": False}]}
            for (kind, name), level in sorted(item.permissions.items())
        ]
        return {"object_id": f"/directories/{item.id}", "object_type": "directory", "access_control_list": entries}

    def permit(self, request: Request) -> Any:
        request.only("access_control_list", needs=["access_control_list"])
        item = self._numbered(request.parts[0])
        for entry in request.body["access_control_list"]:
            kind, name, level = principal_of(entry, _LEVELS)
            if kind == "service_principal_name" and name not in self.principals:
                raise Refusal(400, "INVALID_PARAMETER_VALUE", f"Service principal {name} does not exist.")
            item.permissions[kind, name] = level
        return self.permissions(Request(request.parts, {}, {}, request.user))

    # --- inside ------------------------------------------------------------------------------------------------------

    def _path(self, request: Request, given: dict[str, Any]) -> str:
        path = str(given.get("path") or "")
        if not path.startswith("/Workspace/"):
            raise NotMine
        if path.endswith("/") or "//" in path or "/../" in path:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", f"Path ({path}) must be absolute.")
        return path.removeprefix("/Workspace")

    def _writable(self, request: Request, path: str) -> None:
        if not path.startswith((f"/Users/{request.user}/", "/Shared/")):
            raise Refusal(403, "PERMISSION_DENIED", f"{request.user} does not have Manage permissions on {path}.")

    def _there(self, path: str) -> Item:
        if path not in self.items:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"Path (/Workspace{path}) doesn't exist.")
        return self.items[path]

    def _numbered(self, said: str) -> Item:
        for item in self.items.values():
            if str(item.id) == said and item.kind == "DIRECTORY":
                return item
        raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"Directory {said} does not exist.")


def principal_of(entry: Any, levels: tuple[str, ...]) -> tuple[str, str, str]:
    """Kind and name of who an access control request names, and the level; refuses what is none."""
    Request((), {}, entry, "").only(*_WHO, "permission_level", needs=["permission_level"])
    named = [(kind, str(entry[kind])) for kind in _WHO if entry.get(kind)]
    if len(named) != 1:
        raise Refusal(400, "INVALID_PARAMETER_VALUE", "Exactly one principal is named.")
    if entry["permission_level"] not in levels:
        raise Refusal(400, "INVALID_PARAMETER_VALUE", f"{entry['permission_level']} is no level of this object.")
    return (*named[0], str(entry["permission_level"]))


def _own_form(text: str) -> str:
    """A notebook as the workspace keeps it: cells with numbers of its own, no outputs, sources in lines."""
    try:
        cells = json.loads(text)["cells"]
        kept = [
            {
                "cell_type": cell["cell_type"],
                "source": "".join(cell["source"]).strip("\n").splitlines(keepends=True),
                "metadata": {"application/vnd.databricks.v1+cell": {"nuid": f"n{place}", "title": ""}},
                **({"outputs": [], "execution_count": 0} if cell["cell_type"] == "code" else {}),
            }
            for place, cell in enumerate(cells)
        ]
    except (ValueError, KeyError, TypeError):
        raise Refusal(400, "INVALID_PARAMETER_VALUE", "The content is no notebook of the format JUPYTER.") from None
    return json.dumps({"cells": kept, "metadata": {"language_info": {"name": "python"}}, "nbformat": 4}, indent=0)


def _chain(path: str) -> list[str]:
    parts = path.strip("/").split("/")
    return ["/" + "/".join(parts[: place + 1]) for place in range(len(parts))]
