"""Notebooks broken on purpose, a way at a time: what a test of the notebook must see."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

__all__ = ["mutants"]

_SWAPS = [
    ("inner for left", r', "left"\)', ', "inner")'),
    ("left for inner", r', "inner"(,?\s*)\)', r', "left"\1)'),
    ("inner for left, broken line", r'^(\s*)"left",$', r'\1"inner",'),
    ("left for inner, broken line", r'^(\s*)"inner",$', r'\1"left",'),
    ("inner for full", r', "full"\)', ', "inner")'),
    ("left for right", r', "right"\)', ', "left")'),
    ("anti for semi", r'"left_semi"', '"left_anti"'),
    ("semi for anti", r'"left_anti"', '"left_semi"'),
    ("no filter", r'\.where\("(?:[^"\\]|\\.)*"\)', ""),
    ("no filter by a column", r"\.where\(F\.col\((?:[^()]|\([^()]*\))*\)", ""),
    ("no distinct", r"\.distinct\(\)", ""),
    ("all rows of a group", r'"_row = 1"', '"_row >= 1"'),
    ("one row more", r'"_row <= (\d+)"', r'"_row <= \1 + 1"'),
    ("one rank more", r'"_rank <= (\d+)"', r'"_rank <= \1 + 1"'),
    ("one row less", r"\.limit\((\d+)\)", r".limit(\1 - 1)"),
    ("max for sum", r"F\.sum\(", "F.max("),
    ("sum for avg", r"F\.avg\(", "F.sum("),
    ("rows for values", r'F\.count\("(?!\*)[^"]*"\)', 'F.count("*")'),
    ("the other end", r"desc_nulls_last\(\)", "asc_nulls_last()"),
    ("the lower end", r"asc_nulls_last\(\)", "desc_nulls_last()"),
    ("bound not included", r">= ", "> "),
    ("bound included", r"(?<![<>=-])> (?=[0-9])", ">= "),
    ("other bound not included", r"<= ", "< "),
    ("other bound included", r"(?<![<>=])< (?=[0-9])", "<= "),
    ("or for and", r" AND ", " OR "),
    ("and for or", r" OR ", " AND "),
    ("inner explode", r"explode_outer\(", "explode("),
    ("outer explode", r"(?<!pos)explode\(", "explode_outer("),
    ("other value", r"coalesce\((\w+), ", r"coalesce(NULL, "),
    ("union twice", r"\.unionByName\((\w+)\)", r".unionByName(\1).unionByName(\1)"),
    ("group by one column less", r'groupBy\("[^"]+", ', "groupBy("),
    ("another sign", r" \* ", " + "),
    ("one year more", r"year\(", "1 + year("),
    ("upper for lower", r"lower\(", "upper("),
]


def mutants(notebook: str) -> Iterator[tuple[str, str]]:
    """Each mutant of a notebook: how it is broken, and its text. Only cells of sources and steps are touched."""
    document = json.loads(notebook)
    for place, cell in enumerate(document["cells"]):
        if cell["cell_type"] != "code" or not cell["metadata"]["pipeline_magic"]["step"]:
            continue
        source = "".join(cell["source"])
        head = len(source) - len(re.sub(r"\A(#[^\n]*\n)+", "", source))
        for name, pattern, put in _SWAPS:
            changed = source[:head] + re.sub(pattern, put, source[head:], count=1, flags=re.MULTILINE)
            if changed != source:
                document["cells"][place]["source"] = changed.splitlines(keepends=True)
                step = cell["metadata"]["pipeline_magic"]["step"]
                yield f"{name} in {step}", json.dumps(document)
        document["cells"][place]["source"] = cell["source"] = source.splitlines(keepends=True)
