"""What the audit costs as it grows: appends and verifications a second, at a million entries.

    python benchmarks/store.py [--quick] [--url URL] [--entries N]

A store is filled with a chain of entries (in bulk, each hashed as the store does it), and at a thousand entries and
again at the end real appends are timed, one transaction each, through `Store.append_audit`. Then the whole chain is
read and verified as a stream, and written as JSON Lines. `growth` is the CPU time of an append at the end over that at
a thousand entries: 1 means that an append costs the same however long the audit is. What an append takes is mostly the
disk making it durable: `syncs_per_s` is how often it can, `append_cpu_us` our own part. `peak_mb` is of the whole
process, `read_mb` by how much verifying and exporting raised it. `--quick` fills 50,000. SQLite in a temporary folder
unless a URL of an empty PostgreSQL database is given.

The same store then gets 2,000 deployed pipelines (50 with `--quick`): one is built, approved and deployed by the
product itself, and its rows and entries are copied under other names. `verify_command_s` is what `audit verify` takes
for all of it: the heads in jobs and pull requests, the chain, every row held against it. Jobs and pull requests are
answered from memory, so that the figure is ours; `verify_asks` is how many requests a real workspace and code host
would get. `verify_growth` is the CPU time a pipeline costs there, over what it costs at a tenth of them: 1 means that
nothing is looked at twice. The last line is JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parent.parent))

from pipeline_magic.adapters import database_schema as tables
from pipeline_magic.adapters.database import Database
from pipeline_magic.agents.approval.audit import Head, examine
from pipeline_magic.agents.approval.export import write
from pipeline_magic.agents.operations.deploy import HEAD_TAG
from pipeline_magic.digests import canonical_json, chain_hash, digest_of
from pipeline_magic.flow.verifying import verify_store
from pipeline_magic.runs import AuditDraft

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


class Workspace:
    """Jobs and pull requests as deployer and code host tell of them, from memory."""

    def __init__(self, tags: dict[str, str]) -> None:
        self._tags = tags
        self.asked = 0

    def settings(self, job: str) -> dict[str, Any]:
        self.asked += 1
        return {"tags": {HEAD_TAG: self._tags[job]}}

    def comments(self, number: int) -> list[str]:
        self.asked += 1
        return ["Approved."]

    def read(self, path: str) -> str | None:
        self.asked += 1
        return None

    def paths(self, folder: str) -> list[str]:
        self.asked += 1
        return []


class Pipeline(NamedTuple):
    """A deployed pipeline as the store holds it: rows by table, and the entries of its audit."""

    rows: dict[str, list[dict[str, Any]]]
    entries: list[dict[str, Any]]
    names: dict[str, str]

    def copy(self, number: int) -> Pipeline:
        """The same under names of its own."""
        ours = {old: f"{kind}-{number:08d}" for kind, old in self.names.items()}
        pattern = re.compile("|".join(map(re.escape, ours)))

        def renamed(value: Any) -> Any:
            if isinstance(value, str):
                return pattern.sub(lambda found: ours[found[0]], value)
            if isinstance(value, dict):
                return {key: renamed(one) for key, one in value.items()}
            return [renamed(one) for one in value] if isinstance(value, list) else value

        rows, entries = renamed(self.rows), renamed(self.entries)
        for row in rows["pm_deployments"]:
            row["body"] = re.sub(r'"number":\d+', f'"number":{number}', row["body"])
        results = {row["key"].split("/", 2)[2]: json.loads(row["body"])["result"] for row in rows["pm_effects"]}
        for entry in entries:
            key = f"{entry['event']}/{entry['detail'].get('subject')}"
            if "result" in entry["detail"]:
                entry["detail"]["result"] = digest_of(results[key])
        return Pipeline(rows, entries, {})


def deployed_pipeline(folder: Path) -> Pipeline:
    """One pipeline, through the whole flow on a small shop."""
    from tests.trust import world

    world.build_home(folder)
    it = world.open_world(folder)
    made = it.build_pipeline(world.STATEMENT)
    done = it.approve_pipeline(made.approval_id, "Ada")
    names = {"r": made.run_id, "a": made.approval_id, "job": done.deployment.id}
    entries = [{name: getattr(one, name) for name in AuditDraft.model_fields} for one in it.ports.store.audit()]
    with it.ports.store._db.read() as connection:
        rows = {
            table.name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            for table in (
                tables.runs,
                tables.stages,
                tables.approvals,
                tables.plans,
                tables.deployments,
                tables.effects,
            )
        }
    it.close()
    for row in itertools.chain(*rows.values()):
        row.pop("seq", None)
    return Pipeline(rows, entries, names)


def add_pipelines(store: Database, url: str, template: Pipeline, first: int, last: int) -> dict[str, str]:
    """Copies of the pipeline, each with its entries at the end of the chain; the heads that their jobs hold."""
    seq, head = store.audit_head()
    engine, heads = sa.create_engine(url), {}
    for number in range(first, last):
        made, chained = template.copy(number), []
        for fields in made.entries:
            seq, previous = seq + 1, head
            head = chain_hash(previous, {"seq": seq, **fields})
            detail = canonical_json(fields["detail"])
            chained.append({"seq": seq, **fields, "detail": detail, "previous": previous, "hash": head})
            if fields["event"] == "tables.before":
                heads[f"job-{number:08d}"] = f"{seq}:{head}"
        with engine.begin() as connection:
            for name, rows in made.rows.items():
                connection.execute(sa.insert(tables.metadata.tables[name]), rows)
            connection.execute(sa.insert(tables.audit), chained)
            connection.execute(sa.update(tables.audit_head).values(seq=seq, hash=head))
    engine.dispose()
    return heads


def verify_command(store: Database, workspace: Workspace) -> tuple[float, float]:
    """(seconds, CPU seconds) of `audit verify`."""
    ports = SimpleNamespace(store=store, deployer=workspace, code_host=workspace)
    wall, cpu = time.perf_counter(), time.process_time()
    found = verify_store(ports)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if found.problems or not found.outside:
        raise SystemExit(f"the audit does not hold: {found.problems[:3]}, {found.outside} heads")
    return wall, cpu


def pipelines(folder: Path, count: int) -> float:
    """CPU seconds that `audit verify` takes for so many pipelines and nothing else."""
    store = Database(f"sqlite:///{folder}/pipelines-{count}.db")
    store.audit_head()
    template = deployed_pipeline(folder / f"home-{count}")
    heads = add_pipelines(store, f"sqlite:///{folder}/pipelines-{count}.db", template, 1, count + 1)
    _, cpu = verify_command(store, Workspace(heads))
    store.close()
    return cpu


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
        read_mb = peak() - before
        count = 50 if asked.quick else 2_000
        template = deployed_pipeline(Path(folder) / "home")
        workspace = Workspace(add_pipelines(store, url, template, 1, count + 1))
        command_wall, _ = verify_command(store, workspace)
        many, few = pipelines(Path(folder), count), pipelines(Path(folder), count // 10)
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
        "read_mb": round(read_mb, 1),
        "deployments": count,
        "verify_command_s": round(command_wall, 2),
        "verify_asks": workspace.asked,
        "verify_growth": round(many / few / 10, 3),
    }
    for name, value in found.items():
        print(f"{name:<16}{value:>14,}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
