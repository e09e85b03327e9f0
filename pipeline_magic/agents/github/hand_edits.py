"""Generated files that somebody changed in the repository. They are shown, never overwritten silently. Pure.

A file counts as edited by hand when the base branch holds neither what we generated last nor what we are about to
write: then writing would lose somebody's work. A file at our path that we never wrote counts too.
"""

from __future__ import annotations

import difflib

from pipeline_magic.runs import Finding

__all__ = ["hand_edit", "hand_edit_diff"]

_LINES = 40
_WIDTH = 160


def hand_edit(path: str, base: str | None, last: str | None, new: str) -> Finding | None:
    """The finding for one file; None where nothing would be lost.

    Args:
        path: Where the file is.
        base: What the base branch has there now.
        last: What we generated there last.
        new: What we are about to write.
    """
    if base in (last, new):
        return None
    if base is None:
        message = f"`{path}` was removed by hand; it was generated."
        hint = "Waive this to write it again, or take the pipeline out of use."
    elif last is None:
        message = f"`{path}` is in the repository already and was not written by pipeline_magic."
        hint = "Rename the pipeline or move that file; waive this to replace it."
    else:
        message = f"`{path}` was edited by hand since it was generated; building would lose the edit."
        hint = "Take the edit into the spec, or waive this to discard it."
    return Finding(id=f"hand_edit:{path}", severity="red", where=path, message=message, hint=hint)


def hand_edit_diff(path: str, base: str | None, last: str | None) -> str:
    """What the hand changed, as a unified diff, bounded."""
    before, after = ((text or "").splitlines() for text in (last, base))
    lines = list(difflib.unified_diff(before, after, f"{path} (generated)", f"{path} (base branch)", lineterm="", n=2))
    shown = [line[:_WIDTH] for line in lines[:_LINES]]
    if len(lines) > _LINES:
        shown.append(f"… and {len(lines) - _LINES} more lines")
    return "\n".join(shown)
