"""The same spec gives the same bytes, whatever the interpreter's hashes, for every artefact of every golden case."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import hashlib, json, sys
from pipeline_magic.compiler import compile_files
from pipeline_magic.compiler.diff import diff_specs
from pipeline_magic.compiler.environments import Environment, Environments
from pipeline_magic.compiler.impact import impact
from pipeline_magic.compiler.jobs import job_settings
from pipeline_magic.compiler.lineage import column_lineage
from pipeline_magic.compiler.sql import query, target_query
from pipeline_magic.errors import SpecError
from pipeline_magic.spec.automatic import automatic_expectations
from pipeline_magic.spec.typed import type_spec
from tests.support.compiled import RUN_TIME, cases

TWO = Environments(environments=(
    Environment(name="dev", catalogs={"dev": "dev_1", "x": "y"}, tags={"a": "1", "b": "2"}, notify=("a@b", "c@d")),
    Environment(name="prod", run_as="robot", serverless=False, node_type="n", spark_version="v"),
))

made = {}
def add(name, text):
    made[name] = hashlib.sha256(text.encode()).hexdigest()

last = None
for case in cases():
    for deployment in ("job", "declarative"):
        spec = case.spec.model_copy(update={"deployment": deployment})
        try:
            typed = type_spec(spec, {alias: table.schema for alias, table in case.tables.items()})
        except SpecError as error:
            add(f"{case.name} {deployment} refused", str(error))
            continue
        for file in compile_files(typed, environments=TWO, provenance_summary=["a", "b"]):
            add(f"{case.name} {deployment} {file.path}", file.content)
        for node in typed.nodes:
            add(f"{case.name} {deployment} sql of {node.id}", query(typed, node.id, run_time=RUN_TIME))
        add(f"{case.name} {deployment} sql", target_query(typed, run_time=RUN_TIME))
        add(f"{case.name} {deployment} typed", repr(typed))
        add(f"{case.name} {deployment} automatic", repr(automatic_expectations(typed)))
        add(f"{case.name} {deployment} lineage", column_lineage(typed).model_dump_json())
        add(f"{case.name} {deployment} settings", json.dumps([job_settings(typed, e, "x") for e in TWO.environments]))
        if last is not None:
            add(f"{case.name} {deployment} diff", repr(diff_specs(last.spec, typed.spec)))
            add(f"{case.name} {deployment} impact", repr(impact(last, typed)))
        last = typed
json.dump(made, sys.stdout)
"""


def digests(seed: str) -> dict[str, str]:
    """A digest of everything that a fresh interpreter makes of the golden cases."""
    import json

    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def test_same_bytes_with_another_hash_seed() -> None:
    """Files, bundle, queries, types, lineage, settings, differences: the same in two interpreters of other hashes."""
    one, two = digests("1"), digests("4242")
    assert len(one) > 1000
    assert {name for name in one if one[name] != two[name]} == set()
    assert one == two
