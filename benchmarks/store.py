"""What the audit costs as it grows: appends and verifications a second, at a million entries.

    python benchmarks/store.py [--quick] [--url URL] [--entries N]

A store is filled with a chain of entries (in bulk, each hashed as the store does it), and at a thousand entries and
again at the end real appends are timed, one transaction each, through `Store.append_audit`. Then the whole chain is
read and verified as a stream, and written as JSON Lines. `growth` is the CPU time of an append at the end over that at
a thousand entries: 1 means that an append costs the same however long the audit is. What an append takes is mostly the
disk making it durable: `syncs_per_s` is how often it can, `append_cpu_us` our own part. `peak_mb` is of the whole
process, `read_mb` by how much verifying and exporting raised it. `--quick` fills 50,000. SQLite in a temporary folder
unless a URL of an empty PostgreSQL database is given. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parent.parent))

from pipeline_magic.adapters import database_schema as tables
from pipeline_magic.adapters.database import Database
from pipeline_magic.agents.approval.audit import Head, examine
from pipeline_magic.agents.approval.export import write
from pipeline_magic.digests import canonical_json, chain_hash

AT = "2026-01-01T00:00:00+00:00"
SMALL = 1_000
BATCH = 200


def entry(number: int) -> dict[str, Any]:
    """The fields of an entry as a decision writes them."""
    return {
        "at": AT,
        "run_id": f"run-{number // 20:06d}",
        "event": "approval.approved",
        "identity": "engineer@example.com",
        "name": "An Engineer",
        "digest": f"{number:064x}",
        "detail": {"approval": f"approval-{number}", "comment": "Looks good", "count": number},
    }


def fill(store: Database, url: str, until: int) -> None:
    """Entries up to the number, each chained to the one before."""
    seq, last = store.audit_head()
    engine = sa.create_engine(url)
    while seq < until:
        rows = []
        for number in range(seq + 1, min(seq + 5_000, until) + 1):
            fields = {"seq": number, **entry(number)}
            last, previous = chain_hash(last, fields), last
            rows.append({**fields, "detail": canonical_json(fields["detail"]), "previous": previous, "hash": last})
        with engine.begin() as connection:
            connection.execute(sa.insert(tables.audit), rows)
            connection.execute(sa.update(tables.audit_head).values(seq=rows[-1]["seq"], hash=last))
        seq = rows[-1]["seq"]
    engine.dispose()


def appends(store: Database, batches: int) -> tuple[float, float]:
    """(appends a second, CPU seconds an append): medians over batches."""
    walls, cpus = [], []
    for _ in range(batches):
        wall, cpu = time.perf_counter(), time.process_time()
        for number in range(BATCH):
            store.append_audit(**entry(number))
        walls.append((time.perf_counter() - wall) / BATCH)
        cpus.append((time.process_time() - cpu) / BATCH)
    return 1 / statistics.median(walls), statistics.median(cpus)


def syncs(folder: Path) -> float:
    """How often a second the disk makes 16 KB durable, as an append asks it to: a bound on appends."""
    times = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(200):
            start = time.perf_counter()
            file.write(b"x" * 16_384)
            os.fsync(file.fileno())
            times.append(time.perf_counter() - start)
    return 1 / statistics.median(times)


def peak() -> float:
    """The most memory that this process held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the figures; the last line is JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="50,000 entries instead of 1,000,000")
    parser.add_argument("--url", help="an empty PostgreSQL database; SQLite in a temporary folder otherwise")
    parser.add_argument("--entries", type=int)
    asked = parser.parse_args()
    wanted = asked.entries or (50_000 if asked.quick else 1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        url = asked.url or f"sqlite:///{folder}/state.db"
        store = Database(url)
        store.audit_head()
        fill(store, url, SMALL)
        _, cpu_small = appends(store, 5)
        fill(store, url, wanted)
        per_s, cpu_large = appends(store, 5)
        durable = syncs(Path(folder))
        before, start, cpu = peak(), time.perf_counter(), time.process_time()
        verdict = examine(store.audit_stream(), [Head(*store.audit_head())])
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        start = time.perf_counter()
        written = write(store.audit_stream(), Path(folder) / "audit.jsonl")
        export_wall = time.perf_counter() - start
        store.close()
    if verdict.problems or written != verdict.entries:
        raise SystemExit(f"the chain does not hold: {verdict.problems[:3]}")
    found = {
        "appends_per_s": round(per_s, 1),
        "verify_per_s": round(verdict.entries / wall, 1),
        "growth": round(cpu_large / cpu_small, 3),
        "syncs_per_s": round(durable, 1),
        "append_cpu_us": round(1e6 * cpu_large, 1),
        "verify_cpu_s": round(cpu, 2),
        "export_per_s": round(written / export_wall, 1),
        "entries": verdict.entries,
        "peak_mb": round(peak()),
        "read_mb": round(peak() - before, 1),
    }
    for name, value in found.items():
        print(f"{name:<16}{value:>14,}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
