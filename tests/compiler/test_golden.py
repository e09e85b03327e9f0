"""Every golden case compiles to exactly the files beside it; `--update-golden` rewrites them."""

from __future__ import annotations

import nbformat
import pytest

from pipeline_magic.compiler import compile_files
from pipeline_magic.compiler.declarative import declarative_source
from pipeline_magic.compiler.environments import Environment, Environments
from pipeline_magic.compiler.ipynb import python_source
from pipeline_magic.compiler.specfile import read_spec
from pipeline_magic.compiler.sql import target_query
from tests.support.compiled import RUN_TIME, Case, cases
from tests.support.lakeflow import declared

CASES = cases()
WHOLE = {"seed_customer_revenue", "flights_carrier_delays", "expect_warn_all"}
"""Cases whose notebook and `databricks.yml` are kept as they are committed, not only their code."""

ENVIRONMENTS = Environments(
    environments=(
        Environment(name="dev", mode="development", paused=True),
        Environment(name="prod", catalogs={"analytics": "analytics_prod"}, deploy_via="bundle"),
    )
)


def kept_name(path: str) -> str:
    """Name of the file in a case's folder that holds what is committed at a path; empty: not kept for every case."""
    name = f"/{path}".rsplit("/", 1)[1]
    if path.startswith("resources/"):
        return name.split(".", 1)[1]
    if name.startswith("test_"):
        return "test.py"  # a name that pytest does not collect
    return "notebook.ipynb" if name.endswith(".ipynb") else "" if name == "spec.yml" else name


def expected(case: Case) -> dict[str, str]:
    """File name and content of everything a case must compile to."""
    typed = case.typed()
    made = {"target.sql": target_query(typed, run_time=RUN_TIME) + "\n", "notebook.py": python_source(typed)}
    lakeflow = declared(case)
    if lakeflow is not None:
        made["pipeline.py"] = declarative_source(lakeflow)
    assumed = ("`target.mode`: nothing was said about history",)
    for file in compile_files(typed, environments=ENVIRONMENTS, repository="golden", provenance_summary=assumed):
        name = kept_name(file.path)
        small = name in {"README.md", "job.yml", "pipeline.yml", "test.py"}
        if small or (name and case.name in WHOLE):
            made[name] = file.content
    return made


def test_there_are_enough_cases() -> None:
    """At least sixty cases, covering every step kind, write mode, expectation kind and action."""
    assert len(CASES) >= 60
    kinds = {step.kind for case in CASES for step in case.spec.steps}
    modes = {case.spec.target.mode for case in CASES}
    checks = {item.kind for case in CASES for item in case.spec.expectations}
    actions = {item.action for case in CASES for item in case.spec.expectations}
    every_step = {
        "filter", "join", "derive", "aggregate", "window", "segment", "deduplicate", "select", "rename", "cast", "fill",
        "union", "pivot", "unpivot", "explode", "top", "sql",
    }  # fmt: skip
    assert kinds == every_step
    assert modes == {"overwrite", "append", "merge", "scd1", "scd2"}
    assert len(checks) == 9
    assert actions == {"warn", "drop", "fail"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden(case: Case, update_golden: bool) -> None:
    """The compiler's output for a case is what is kept beside it, byte for byte."""
    made = expected(case)
    if update_golden:
        for name, content in made.items():
            (case.folder / name).write_text(content, "utf-8")
    kept = {name: (case.folder / name).read_text("utf-8") for name in made}
    assert made == kept


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_artefacts_parse(case: Case) -> None:
    """Notebook JSON is valid nbformat, its code is Python, and spec.yml reads back to the same spec."""
    typed = case.typed()
    files = {f"/{file.path}".rsplit("/", 1)[1]: file.content for file in compile_files(typed)}
    notebook = nbformat.reads(files[f"{case.spec.name}.ipynb"], as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            compile(cell.source, case.name, "exec")
            assert cell.outputs == []
    assert read_spec(files["spec.yml"]) == typed.spec
