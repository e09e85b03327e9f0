"""Whether a text only reads: nothing that writes is taken for a query, whatever it is wrapped in."""

from __future__ import annotations

import pytest

from pipeline_magic.adapters.reading import only_reads


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "select ';' AS a;",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "WITH a AS (SELECT 'INSERT') SELECT * FROM a",
        "-- DROP TABLE t\nSELECT `a;b` FROM t /* ; DELETE */",
        "VALUES (1)",
        "FROM t SELECT a",
        'SELECT "it\\"s; x" AS a',
    ],
)
def test_reads(sql: str) -> None:
    """Words of writing in texts, names and comments are none."""
    assert only_reads(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "DROP TABLE t",
        "INSERT INTO t SELECT 1",
        "SELECT 1; DROP TABLE t",
        "SELECT 1;\n-- c\nSELECT 2",
        "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a",
        "WITH a AS (SELECT 1)\nMERGE INTO t USING a ON true WHEN MATCHED THEN DELETE",
        "/* SELECT */ DELETE FROM t",
        "SELECTED",
    ],
)
def test_does_not(sql: str) -> None:
    """A statement that writes, or more than one, is not a query."""
    assert not only_reads(sql)
