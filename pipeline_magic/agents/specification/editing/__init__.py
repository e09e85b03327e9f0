"""A change in words ("make it weekly, drop the segment"), read against a spec as it stands: edits, and nothing else.

    present.py   the spec as it stands: columns of every node, names found by words
    parts.py     what the words may ask of steps, columns and rows
    change.py    the change cut into wishes, each read by the first reader that understands all of it

A wish is understood whole or not at all. What could mean two things is asked, what is not understood is said, and then
nothing of the change is made: a spec is never half changed, and nothing that no word names is touched.
"""

from __future__ import annotations

from pipeline_magic.agents.specification.editing.change import Ambiguous, read_change

__all__ = ["Ambiguous", "read_change"]
