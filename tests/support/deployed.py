"""One home in which tests deploy for real, and what a person or somebody else does beside us."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.runs import Snapshot
from pipeline_magic.spec.paths import Edit

STATEMENT = "Count the orders per o_orderstatus into analytics.ops.status_counts"
TARGET = "analytics.ops.status_counts"


def opened(home: Path) -> PipelineBuilderOrchestrator:
    """A small home, where only what matters here is computed."""
    return PipelineBuilderOrchestrator(
        home=home, local=True, sample_scale=0.001, measure_questions=False, sample_run=False
    )


@contextlib.contextmanager
def emptied(one: PipelineBuilderOrchestrator) -> Iterator[PipelineBuilderOrchestrator]:
    """A home for one test, emptied of what it deployed: engine and samples stay for the next."""
    yield one
    home = one.settings.home
    for folder in (home / "jobs", home / "lakehouse" / "analytics", home / "repo.git"):
        shutil.rmtree(folder, ignore_errors=True)
    one.ports.store.close()
    for file in home.glob("state.db*"):
        file.unlink()
    one.ports.code_host._ready = False


def git(*words: str, at: Path) -> str:
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    done = subprocess.run(["git", *who, *words], cwd=at, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def edit_by_hand(orchestrator: PipelineBuilderOrchestrator, path: str, text: str, at: Path) -> None:
    clone = at / "clone"
    if not clone.exists():
        git("clone", "-q", str(orchestrator.settings.home / "repo.git"), str(clone), at=at)
    git("pull", "-q", at=clone)
    (clone / path).parent.mkdir(parents=True, exist_ok=True)
    (clone / path).write_text(text)
    git("add", "-A", at=clone)
    git("commit", "-qm", "By hand", at=clone)
    git("push", "-q", "origin", "main", at=clone)


def folder(orchestrator: PipelineBuilderOrchestrator, table: str = TARGET) -> Path:
    return orchestrator.settings.home.joinpath("lakehouse", *table.split("."))


def rows(orchestrator: PipelineBuilderOrchestrator, table: str = TARGET) -> list[dict[str, Any]]:
    from deltalake import DeltaTable

    found = DeltaTable(str(folder(orchestrator, table))).to_pyarrow_table().to_pylist()
    return sorted(found, key=str)


def deploy(orchestrator: PipelineBuilderOrchestrator, *edits: Edit, statement: str = STATEMENT) -> Snapshot:
    snapshot = orchestrator.start(statement, new=True)
    if edits:
        snapshot = orchestrator.edit(snapshot.run.id, edits)
    snapshot = orchestrator.generate(snapshot.run.id)
    return orchestrator.approve(snapshot.approval_id, "John Doe")


def foreign_write(orchestrator: PipelineBuilderOrchestrator, table: str = TARGET) -> None:
    """Somebody else doubles the rows, with the engine that we use."""
    spark = orchestrator.ports.engine.spark
    spark.sql(f"SELECT * FROM {table}").write.format("delta").mode("append").saveAsTable(table)
