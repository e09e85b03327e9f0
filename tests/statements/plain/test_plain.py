"""The plain questions are what their sources say, and every gold query gives the recorded rows."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.statements.plain.build import PARTS, build

_HERE = Path(__file__).parent


def _items(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "transform_eval.jsonl").read_text("utf-8").splitlines()]


def _rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return sorted(connection.execute(query).fetchall(), key=repr)


def test_the_made_files_are_those_of_the_sources(tmp_path: Path) -> None:
    """Who changes a question or a row makes the corpus anew: items, and the rows that each gold query finds."""
    build(tmp_path)
    for part in PARTS:
        made = [tmp_path / part / "transform_eval.jsonl", _HERE / part / "transform_eval.jsonl"]
        assert made[0].read_text("utf-8") == made[1].read_text("utf-8"), part
        for item in _items(_HERE / part):
            gold = item["gold"]
            for query in (gold["sql"], *gold["alternatives"]) if item["kind"] == "execute" else ():
                found = _rows(_HERE / part / item["db"], query)
                assert found == _rows(tmp_path / part / item["db"], query), item["id"]
            if item["kind"] == "execute":
                assert len(_rows(_HERE / part / item["db"], gold["sql"])) == gold["result_rows"], item["id"]


def test_alternatives_are_other_readings() -> None:
    """No two gold queries of an item give the same rows: an alternative that changes nothing would say nothing."""
    for part in PARTS:
        for item in _items(_HERE / part):
            if item["kind"] == "execute":
                queries = (item["gold"]["sql"], *item["gold"]["alternatives"])
                found = [repr(_rows(_HERE / part / item["db"], query)) for query in queries]
                assert len(set(found)) == len(found), item["id"]


@pytest.mark.parametrize("part", PARTS)
def test_either_part_has_its_share_of_every_catalog(part: str) -> None:
    """Ten questions with an answer from each catalog, and at least one without."""
    kinds = Counter((item["source"], item["kind"]) for item in _items(_HERE / part))
    for catalog in (path.stem for path in (_HERE / "catalogs").glob("*.yml")):
        assert kinds[catalog, "execute"] == 10
        assert kinds[catalog, "unanswerable"] in {1, 2}


def test_no_question_is_in_both_parts() -> None:
    """What is worked on is not what is measured: ids and words differ."""
    items = [item for part in PARTS for item in _items(_HERE / part)]
    assert len({item["id"] for item in items}) == len(items)
    assert len({item["statement"].casefold() for item in items}) == len(items)
