"""The corpus is what its sources say, and every gold query finds rows."""

from __future__ import annotations

import json
from pathlib import Path

from tests.statements.build import build

_HERE = Path(__file__).parent


def test_the_made_files_are_those_of_the_sources(tmp_path: Path) -> None:
    """Somebody who changes a statement or a row makes the corpus anew; each gold query has rows."""
    build(tmp_path)
    for name in ("transform_eval.jsonl", "statement_parts.jsonl"):
        assert (tmp_path / name).read_text("utf-8") == (_HERE / name).read_text("utf-8"), name


def test_the_corpus_is_as_large_as_promised() -> None:
    """At least eighty statements with rows, some without an answer, a part of both held out."""
    items = [json.loads(line) for line in (_HERE / "transform_eval.jsonl").read_text("utf-8").splitlines()]
    assert len({item["statement"] for item in items}) == len(items)
    blind = [item for item in items if item.get("blind")]
    assert sum(item["kind"] == "execute" for item in blind) == 40
    assert len(blind) == 48
    later = [item for item in items if item.get("part") == "dev2"]
    assert sum(item["kind"] == "execute" for item in later) == 58
    assert len(later) == 66
    items = [item for item in items if not item.get("blind") and not item.get("part")]
    answered = [item for item in items if item["kind"] == "execute"]
    assert len(answered) >= 80
    assert len(items) - len(answered) >= 12
    assert 0.25 < sum(item["held_out"] for item in items) / len(items) < 0.4
