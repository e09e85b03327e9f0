"""Generated files that somebody changed in the repository. They are shown, never overwritten silently. Pure.

A file counts as edited by hand when the base branch holds neither what we generated last nor what we are about to
write: then writing would lose somebody's work. A file at our path that we never wrote counts too. There are three ways
out, and each is for the very bytes that were looked at:

    take       its meaning goes into the spec (`taking`)
    keep       it moves to a file below `custom/`, which is marked and never generated
    discard    it is waived by name, with a reason

Whoever edits again meanwhile has made another edit, which is decided anew.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Container, Sequence
from pathlib import PurePosixPath
from typing import Literal

from pipeline_magic.errors import UsageError
from pipeline_magic.runs import Finding, HandEdit

__all__ = [
    "PREFIX",
    "WAYS",
    "Way",
    "custom_path",
    "finding_id",
    "hand_edit",
    "hand_edit_diff",
    "marked",
    "sha256",
    "ways_of",
]

Way = Literal["take", "keep", "discard"]
WAYS: tuple[Way, ...] = ("take", "keep", "discard")

PREFIX = "hand_edit:"
"""How ids of these findings begin."""

_LINES = 40
_WIDTH = 160
_REMOVED = "removed"


def hand_edit(
    path: str, base: str | None, last: str | None, new: str, decided: Sequence[HandEdit] = ()
) -> Finding | None:
    """The finding for one file; None where nothing would be lost.

    Args:
        path: Where the file is.
        base: What the base branch has there now.
        last: What we generated there last.
        new: What we are about to write.
        decided: What became of earlier edits.
    """
    if base in (last, new):
        return None
    known = next((one for one in decided if one.path == path and one.sha256 == sha256(base)), None)
    if known is not None:
        became = f"is kept as `{known.custom}`" if known.how == "keep" else "was taken into the spec"
        return Finding(
            id=f"hand_edit_{known.how}:{path}:{known.sha256[:12]}",
            severity="info",
            where=path,
            message=f"`{path}` was edited by hand; the edit {became} ({known.by}), and the file is generated again.",
        )
    if base is None:
        message = f"`{path}` was removed by hand; it was generated."
        hint = "Discard that to write it again, or take the pipeline out of use."
    elif last is None:
        message = f"`{path}` is in the repository already and was not written by pipeline_magic."
        hint = "Keep it as a custom file, discard it to replace it, or rename the pipeline."
    else:
        message = f"`{path}` was edited by hand since it was generated; building would lose the edit."
        hint = "Take the edit into the spec, keep it as a custom file, or discard it: `%pipeline hand-edits` shows it."
    return Finding(id=finding_id(path, base), severity="red", where=path, message=message, hint=hint)


def finding_id(path: str, base: str | None) -> str:
    """Id of the finding for this very content; a waiver of it is for no other.

    >>> finding_id("spec.yml", None)
    'hand_edit:spec.yml:removed'
    """
    return f"{PREFIX}{path}:{sha256(base)[:12] or _REMOVED}"


def sha256(text: str | None) -> str:
    """Of a text in UTF-8; empty where there is none."""
    return "" if text is None else hashlib.sha256(text.encode()).hexdigest()


def ways_of(path: str, base: str | None) -> tuple[Way, ...]:
    """The ways out that there are for one file. Whether a spec says the same shows only when it is tried."""
    if base is None:
        return ("discard",)
    if not _is_text(base):
        return ("discard",)
    return WAYS if path.startswith(("pipelines/", "resources/")) else ("keep", "discard")


def custom_path(path: str, name: str, taken: Container[str]) -> str:
    """Where the edit of a generated file is kept: below the pipeline's folder, at a path nobody has.

    It is called otherwise than the generated one, so that nothing that goes by names takes it for that.

    >>> custom_path("pipelines/daily/spec.yml", "daily", ())
    'pipelines/daily/custom/spec_by_hand.yml'
    """
    stem, dot, suffix = PurePosixPath(path).name.partition(".")
    for number in range(1, 1000):
        found = f"pipelines/{name}/custom/{stem}_by_hand{f'_{number}' if number > 1 else ''}{dot}{suffix}"
        if found not in taken:
            return found
    raise UsageError(f"`{path}` is kept so often that no name is left.", hint="Remove some of the custom files.")


def marked(path: str, text: str) -> str:
    """The text as a custom file: with a head that says what it is and where it comes from.

    Raises:
        UsageError: It is no text.
    """
    if not _is_text(text):
        raise UsageError(
            f"`{path}` is no text any more, and cannot be kept as a custom file.",
            hint="Move it in the repository yourself, or discard it.",
        )
    said = f"Custom file: kept by hand, never written by pipeline_magic. It was `{path}`."
    if path.endswith(".ipynb"):
        return _marked_notebook(text, said) or f"{said}\n\n{text}"
    start, end = {".md": ("<!-- ", " -->")}.get(PurePosixPath(path).suffix, ("# ", ""))
    return f"{start}{said}{end}\n{text}"


def _marked_notebook(text: str, said: str) -> str:
    """With a first cell that says it; empty where the text is no notebook."""
    try:
        data = json.loads(text)
        cell = {"cell_type": "markdown", "id": "custom-file", "metadata": {}, "source": [said]}
        data["cells"] = [cell, *data["cells"]]
        data["metadata"] = {**data.get("metadata", {}), "pipeline_magic_custom": True}
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def _is_text(text: str) -> bool:
    """Whether nothing was lost in reading it: bytes that are no UTF-8 come as replacement characters."""
    return "\ufffd" not in text and "\0" not in text


def hand_edit_diff(path: str, base: str | None, last: str | None, lines: int = _LINES) -> str:
    """What the hand changed, as a unified diff, bounded."""
    before, after = ((text or "").splitlines() for text in (last, base))
    listed = list(difflib.unified_diff(before, after, f"{path} (generated)", f"{path} (base branch)", lineterm="", n=2))
    shown = [line[:_WIDTH] for line in listed[:lines]]
    if len(listed) > lines:
        shown.append(f"… and {len(listed) - lines} more lines")
    return "\n".join(shown)
