"""A planned pipeline in a home of its own for each test, built once and copied; and people who change the world."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.runs import Approval, Change, File
from tests.trust import world

__all__ = ["Desk", "at_desk", "planned_home"]

POLICY = "pipeline_magic.toml"


class Desk:
    """Somebody at a notebook, with a run that is planned.

    Attributes:
        it: Their orchestrator.
        run_id: The run.
        asked: The approval it was asked for when it was planned.
    """

    def __init__(self, home: Path, who: str = "ada", **settings: Any) -> None:
        self.home = home
        self.it = PipelineBuilderOrchestrator(
            {"home": home, "local": True, "measure_questions": False, "sample_run": False, **settings},
            ports=world.ports_at(home, who=who),
        )
        (run,) = self.it.ports.store.runs()
        self.run_id, self.asked = run.id, run.approval_id

    def other(self, who: str) -> Desk:
        """Somebody else, in another notebook on the same store."""
        return Desk(self.home, who)

    def approval(self, approval_id: str = "") -> Approval:
        """As the store has it."""
        return self.it.ports.store.approval(approval_id or self.asked)

    def generate(self) -> Approval:
        """A new plan; the approval that is then asked for."""
        snapshot = self.it.generate(self.run_id)
        assert snapshot.approval is not None
        return snapshot.approval

    def merge(self, path: str, text: str) -> None:
        """Somebody merges a file into the base branch, or writes over it."""
        host = self.it.ports.code_host
        name = f"by-hand-{len(text)}-{abs(hash((path, text))) % 10**8}"
        change = Change(branch=name, base="main", title="By hand", body="", files=(File(path=path, content=text),))
        host.merge(host.open_pull_request(change).number, message="By hand")

    def write(self, table: str, columns: dict[str, list[Any]], **options: Any) -> None:
        """Somebody writes a table of the shop."""
        import pyarrow as pa
        from deltalake import write_deltalake

        folder = self.home / "lakehouse" / "shop" / "sales" / table
        write_deltalake(str(folder), pa.table(columns), mode="overwrite", **options)

    def add_column(self, table: str, name: str) -> None:
        """Somebody adds a column to a table of the shop."""
        from deltalake import DeltaTable, Field
        from deltalake.schema import PrimitiveType

        folder = self.home / "lakehouse" / "shop" / "sales" / table
        DeltaTable(str(folder)).alter.add_columns([Field(name, PrimitiveType("string"), nullable=True)])

    def events(self) -> list[str]:
        """What the audit says of the run, in order."""
        return [entry.event for entry in self.it.ports.store.audit(self.run_id)]


def planned_home(folder: Path, policy: str = "") -> Path:
    """A home with a planned run."""
    home = folder / "home"
    world.build_home(home)
    it = world.open_world(home)
    if policy:
        file = File(path=POLICY, content=policy)
        host = it.ports.code_host
        change = Change(branch="policy", base="main", title="Policy", body="", files=(file,))
        host.merge(host.open_pull_request(change).number, message="Policy")
    assert it.build_pipeline(world.STATEMENT).state == "planned"
    it.close()
    return home


@contextmanager
def at_desk(template: Path, folder: Path, **settings: Any) -> Iterator[Desk]:
    """A desk at a copy of a home."""
    home = folder / "home"
    shutil.copytree(template, home)
    desk = Desk(home, **settings)
    try:
        yield desk
    finally:
        desk.it.close()
