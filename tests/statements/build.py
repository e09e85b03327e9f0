"""Makes the corpus of this folder from its readable sources.

    python tests/statements/build.py [FOLDER]

Sources: ``catalogs/*.yml`` (tables and their rows), ``items_*.yml`` (statements and gold SQL), ``parts.yml`` (phrases).
Made: ``transform_eval.jsonl``, ``statement_parts.jsonl`` and ``db/*.sqlite``, the form ``benchmarks/statements.py``
reads. The gold is written by hand for SQLite and is run here; nothing of the product takes part in it, but the names
and types of the sample tables. `held_out` items were not looked at until 2026-11-22; the planner then read 0.33 of them
right and 0.04 silently wrong. Since that day they are worked on like the others, and measure nothing unseen.
``items_blind_*.yml`` are a part of their own (`blind`), written without a look at the planner and scored only when
asked for. Items over the catalogs of `_LATER` are a part of their own too (`dev2`), written the same way and worked on
since. Both come after the others, so that those keep their places.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import yaml

from pipeline_magic.adapters.samples import TPCH

__all__ = ["build", "fill"]

_HERE = Path(__file__).parent
_AS_OF = "2025-06-30 12:00:00"
_LATER = ("clinic", "media", "logistics")
_AFFINITY = {"bigint": "INTEGER", "int": "INTEGER", "boolean": "INTEGER", "double": "REAL", "decimal": "REAL"}


def _described(name: str, catalog: dict[str, Any]) -> list[dict[str, Any]]:
    """Every table of a catalog: name, rows, columns with Spark types, key and comment."""
    samples = {schema.table.rpartition(".")[2]: schema for schema in TPCH} if name == "tpch" else {}
    tables = []
    for table, said in catalog.items():
        if table in samples:
            columns = [{"name": c.name, "type": c.type, "comment": c.comment} for c in samples[table].columns]
            comment, key = samples[table].comment, list[str]()
        else:
            lines = [(line + "  ").split(" ", 2) for line in said["columns"].splitlines()]
            columns = [{"name": one, "type": kind, "comment": note.strip()} for one, kind, note in lines]
            comment, key = said["comment"], said["key"]
        count = len(said["rows"].splitlines())
        tables.append({"name": table, "rows": count, "columns": columns, "comment": comment, "primary_key": key})
    return tables


def fill(path: Path, tables: list[dict[str, Any]], catalog: dict[str, Any]) -> None:
    """Write the rows of a catalog to a SQLite file; an empty cell is NULL."""
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    for table in tables:
        kinds = [_AFFINITY.get(column["type"].partition("(")[0], "TEXT") for column in table["columns"]]
        names = ", ".join(f"{column['name']} {kind}" for column, kind in zip(table["columns"], kinds, strict=True))
        connection.execute(f"CREATE TABLE {table['name']} ({names})")
        for line in catalog[table["name"]]["rows"].splitlines():
            cells = [cell or None for cell in line.split("|")]
            connection.execute(f"INSERT INTO {table['name']} VALUES ({', '.join('?' * len(kinds))})", cells)
    connection.commit()
    connection.execute("VACUUM")
    connection.close()


def _items(name: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = yaml.safe_load((_HERE / name).read_text("utf-8"))
    return items


def build(folder: Path) -> None:
    """Write the corpus to `folder`; every gold query is run on the way."""
    (folder / "db").mkdir(parents=True, exist_ok=True)
    lines, blind, later = [], [], []
    names = sorted(path.stem for path in (_HERE / "catalogs").glob("*.yml") if path.stem not in _LATER)
    for name in (*names, *_LATER):
        catalog = yaml.safe_load((_HERE / "catalogs" / f"{name}.yml").read_text("utf-8"))
        tables = _described(name, catalog)
        path = folder / "db" / f"{name}.sqlite"
        fill(path, tables, catalog)
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        items = _items(f"items_{name}.yml")
        if name not in _LATER:
            items += [{**item, "blind": True} for item in _items(f"items_blind_{name}.yml")]
        for item in items:
            row = {
                "id": item["id"],
                "kind": item.get("kind", "execute"),
                "split": "own",
                "held_out": item.get("held_out", False),
                "source": name,
                "statement": item["statement"].strip(),
                "db": f"db/{name}.sqlite",
                "as_of": _AS_OF,
                "tables": tables,
                "expects": item.get("expects"),
            }
            if row["kind"] == "execute":
                golds = item["gold"]
                counts = [len(connection.execute(gold).fetchall()) for gold in golds]
                if not all(counts):
                    raise ValueError(f"{item['id']}: a gold query has no rows, which proves nothing")
                row["gold"] = {"sql": golds[0], "alternatives": golds[1:], "result_rows": counts[0]}
            else:
                row["gold"] = {"why": item["why"]}
            if name in _LATER:
                later.append({**row, "part": "dev2"})
            elif item.get("blind"):
                blind.append({**row, "blind": True})
            else:
                lines.append(row)
        connection.close()
    _write(folder / "transform_eval.jsonl", lines + blind + later)
    phrases = yaml.safe_load((_HERE / "parts.yml").read_text("utf-8"))
    _write(folder / "statement_parts.jsonl", [{"context": None, "split": "own", **phrase} for phrase in phrases])


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else _HERE)
