"""Makes the two corpora of this folder from their readable sources.

    python -m tests.statements.plain.build [FOLDER]

Sources: ``catalogs/*.yml`` (the time to assume, tables and their rows) and, in ``dev`` and in ``held``, ``items_*.yml``
(statements and gold SQL). Made: ``db/*.sqlite``, which both parts share, and ``transform_eval.jsonl`` in either part,
the form that ``benchmarks/statements.py`` reads. The gold is written by hand for SQLite and is run here; nothing of the
product takes part in it.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.statements.build import fill

__all__ = ["PARTS", "build"]

PARTS = ("dev", "held")
_HERE = Path(__file__).parent
_MOST_ROWS = 500


def _described(catalog: dict[str, Any]) -> list[dict[str, Any]]:
    """Every table of a catalog: name, rows, columns with Spark types, key and comment."""
    tables = []
    for table, said in catalog.items():
        words = [(line + "  ").split(" ", 2) for line in said["columns"].splitlines()]
        columns = [{"name": name, "type": kind, "comment": note.strip()} for name, kind, note in words]
        count = len(said["rows"].splitlines())
        described = {"name": table, "rows": count, "columns": columns}
        tables.append({**described, "comment": said["comment"], "primary_key": said["key"]})
    return tables


def _row(item: dict[str, Any], connection: sqlite3.Connection) -> dict[str, Any]:
    """What the made file says of an item beside its catalog.

    Raises:
        ValueError: A gold query has no rows, or more than a person would look through.
    """
    made = {
        "id": item["id"],
        "kind": item.get("kind", "execute"),
        "split": "own",
        "statement": item["statement"].strip(),
        "tags": [item["family"]],
    }
    if made["kind"] != "execute":
        return {**made, "gold": {"why": item["why"]}}
    golds = item["gold"]
    counts = [len(connection.execute(gold).fetchall()) for gold in golds]
    if not all(0 < count <= _MOST_ROWS for count in counts):
        raise ValueError(f"{item['id']}: the gold queries have {counts} rows; 1 to {_MOST_ROWS} are allowed")
    return {**made, "gold": {"sql": golds[0], "alternatives": golds[1:], "result_rows": counts[0]}}


def build(folder: Path) -> None:
    """Write both parts and the databases to `folder`; every gold query is run on the way."""
    (folder / "db").mkdir(parents=True, exist_ok=True)
    parts: dict[str, list[dict[str, Any]]] = {part: [] for part in PARTS}
    for source in sorted((_HERE / "catalogs").glob("*.yml")):
        name = source.stem
        said = yaml.safe_load(source.read_text("utf-8"))
        tables = _described(said["tables"])
        path = folder / "db" / f"{name}.sqlite"
        fill(path, tables, said["tables"])
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        catalog = {"source": name, "db": f"../db/{name}.sqlite", "as_of": said["as_of"], "tables": tables}
        for part, made in parts.items():
            items = _HERE / part / f"items_{name}_{part}.yml"
            if items.exists():
                made += [{**_row(item, connection), **catalog} for item in yaml.safe_load(items.read_text("utf-8"))]
        connection.close()
    for part, made in parts.items():
        (folder / part).mkdir(exist_ok=True)
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made)
        (folder / part / "transform_eval.jsonl").write_text(text, "utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else _HERE)
