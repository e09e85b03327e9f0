"""``each day``, ``every month``, ``daily`` in a question: rows are grouped by it, and nothing runs then.

``How many bookings were made each day?`` asks for one row a day; ``load the bookings every day`` says when a pipeline
runs. The sentence tells: whether it asks, and whether it has a word of running or writing.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_magic.agents.specification.planner.text import Token, lemmas

__all__ = ["asks_for_groups"]

_ASKING = {"how", "what", "which", "who", "when", "where"}
_SHOWING = {
    "number", "total", "average", "count", "sum", "mean", "show", "list", "give", "return", "find", "tell", "maximum",
    "minimum", "median", "the", "compare",
}  # fmt: skip
_RUNNING = {
    "run", "refresh", "load", "write", "save", "store", "append", "upsert", "merge", "overwrite", "into", "schedule",
    "trigger", "deliver", "update", "export", "publish", "pipeline", "job", "rebuild", "execute", "recompute", "ingest",
    "replace", "report", "send", "start", "starting", "sync", "recalculate", "deploy",
}  # fmt: skip
_LONGEST = 6
_UTC = {"utc", "cet", "est", "pst", "gmt", "at", "timezone", "zone", "am", "pm"}


def asks_for_groups(tokens: Sequence[Token], at: tuple[int, int]) -> bool:
    """Whether the words from `at[0]` to before `at[1]`, which may be a schedule, stand in a question about groups."""
    if at[1] - at[0] > _LONGEST or any(token.kind in {"time", "number"} for token in tokens[at[0] : at[1]]):
        return False
    first = next((j + 1 for j in range(at[0] - 1, -1, -1) if tokens[j].text in {".", ":", ";", "?", "!"}), 0)
    last = next((j for j in range(at[1], len(tokens)) if tokens[j].text in {".", ";", "?", "!"}), len(tokens))
    if any(not lemmas(token.low).isdisjoint(_RUNNING) or token.low in _UTC for token in tokens[first:last]):
        return False
    words = [token.low for token in tokens[first : at[0]] if token.kind == "word"]
    asks = bool(words) and (words[0] in _SHOWING or any(word in _ASKING for word in words[:4]))
    ends = last < len(tokens) and tokens[last].text == "?"
    return asks or (ends and bool(words))
