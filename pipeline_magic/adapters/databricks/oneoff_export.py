"""The notebook that a run has executed: what was sent, with what the run's export tells of its cells. Pure.

The Jobs API exports a run as a web page, in which the notebook stands as JSON in a script. Its form is not documented;
so whatever does not fit is left out, and the executed notebook is then the sent one with the run's end beside it. Not
here: fetching it; see `oneoff`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from pipeline_magic.redact import redact

__all__ = ["executed", "outputs_of"]

_MODEL = re.compile(r"__DATABRICKS_NOTEBOOK_MODEL\s*=\s*'([^']+)'")
_TAG = re.compile(r"<[^>]*>")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_MOST = 100_000
"""Characters that are kept of one cell's output."""


def outputs_of(export: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Source and printed text of each command of an exported run; empty where the export is none that is known."""
    for view in export.get("views") or ():
        found = _MODEL.search(str(view.get("content") or ""))
        if found is None:
            continue
        try:
            model = json.loads(unquote(base64.b64decode(unquote(found[1])).decode()))
            commands = sorted(model["commands"], key=lambda one: float(one.get("position") or 0))
            return [(str(one.get("command") or ""), _text(one)) for one in commands]
        except (ValueError, TypeError, KeyError, AttributeError):
            return []
    return []


def executed(
    document: Mapping[str, Any], outputs: Sequence[tuple[str, str]], about: Mapping[str, Any], trace: str
) -> str:
    """The sent notebook as it was executed, as JSON text.

    Args:
        document: As it was sent.
        outputs: Source and text of each command; cells that are not found in their order among them stay empty.
        about: Parameters, exit value and error; kept in the metadata.
        trace: Of the error; the output of the last cell that has any, or of the first.
    """
    cells = [dict(cell) for cell in document["cells"]]
    code = [cell for cell in cells if cell.get("cell_type") == "code"]
    at, last = 0, None
    for cell in code:
        source = _plain(cell.get("source"))
        place = next((n for n in range(at, len(outputs)) if _plain(outputs[n][0]) == source), None)
        if place is None:
            continue
        at = place + 1
        if outputs[place][1]:
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": outputs[place][1]}]
            last = cell
    if trace and code:
        failed = {
            "output_type": "error",
            "ename": str(about.get("error") or "").partition(":")[0],
            "evalue": str(about.get("error") or "").partition(": ")[2],
            "traceback": _COLOURS.sub("", trace).splitlines(),
        }
        shown = last or code[0]
        shown["outputs"] = [*shown["outputs"], failed]
    metadata = dict(document.get("metadata") or {})
    metadata["pipeline_magic"] = {**(metadata.get("pipeline_magic") or {}), **about}
    return json.dumps({**document, "cells": cells, "metadata": metadata}, ensure_ascii=False, indent=1) + "\n"


def _plain(source: Any) -> str:
    return ("".join(source) if isinstance(source, list) else str(source or "")).strip()


def _text(command: Mapping[str, Any]) -> str:
    """What a command printed; its error stands with the run."""
    return redact(_COLOURS.sub("", _printed(command.get("results"))))[:_MOST]


def _printed(result: Any) -> str:
    if isinstance(result, list):
        return "".join(_printed(one) for one in result)
    if not isinstance(result, Mapping):
        return ""
    data = result.get("data")
    if isinstance(data, list):
        return "".join(_printed(one) for one in data) if result.get("type") != "table" else ""
    if isinstance(data, Mapping):
        return str(data.get("text/plain") or "")
    return _TAG.sub("", str(data or "")) if result.get("type") in ("html", "ansi") else ""
