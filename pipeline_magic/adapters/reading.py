"""Whether a text of Spark SQL only reads. Pure.

A guard for engines, which run a SELECT of the compiler or of a person and nothing else; the grammar itself is judged
where expressions are typed (`spec.dialect`).
"""

from __future__ import annotations

import re

__all__ = ["only_reads"]

_NOT_CODE = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`(?:[^`]|``)*`|--[^\n]*|/\*.*?\*/", re.DOTALL)
_READS = re.compile(r"[\s(]*(SELECT|WITH|VALUES|FROM|TABLE)\b", re.IGNORECASE)
_WRITES = re.compile(r"\)\s*(INSERT|MERGE|UPDATE|DELETE)\b|;\s*\S", re.IGNORECASE)


def only_reads(sql: str) -> bool:
    """Whether the text is one query.

    >>> only_reads("WITH a AS (SELECT ';') SELECT * FROM a"), only_reads("SELECT 1; DROP TABLE t")
    (True, False)
    >>> only_reads("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a")
    False
    """
    code = _NOT_CODE.sub(lambda match: " " if match.group()[0] in "-/" else "''", sql)
    return bool(_READS.match(code)) and not _WRITES.search(code)
