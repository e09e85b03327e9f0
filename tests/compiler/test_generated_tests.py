"""The generated test files: green for what was compiled, on Sail and on Apache Spark, and red for what was broken."""

from __future__ import annotations

import ast
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic.compiler.ipynb import notebook
from pipeline_magic.compiler.tests import test_source as source_of
from tests.support.compiled import Case, cases
from tests.support.mutants import mutants
from tests.support.spark_environment import environment, why_not

FULL = bool(os.environ.get("PIPELINE_MAGIC_TEST_FULL"))
CASES = cases()
SAIL_DIFFERS = {"derive_dates", "derive_numbers", "derive_replace", "window_share"}
"""Cases in which a type on Sail is not that of Apache Spark; their test of the target's types is for Spark alone."""

FEW = {
    "seed_customer_revenue", "join_full", "aggregate_conditional", "deduplicate_latest", "filter_and_or", "top_ties",
    "expect_drop_referential", "source_filter",
}  # fmt: skip
"""Cases whose notebooks are broken in every way there is; all of them with PIPELINE_MAGIC_TEST_FULL=1."""


def write(case: Case, folder: Path, source: str | None = None) -> Path:
    """The notebook and its test file, as they stand side by side in a repository."""
    typed, name = case.typed(), case.spec.name
    place = folder / case.name
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}.ipynb").write_text(source or notebook(typed), "utf-8")
    file = place / f"test_{name}.py"
    file.write_text(source_of(typed), "utf-8")
    return file


def ran(file: Path, spark: Any) -> dict[str, str]:
    """Outcome of each test of a file without pytest: empty, or what was wrong. A run that fails fails all."""
    space: dict[str, Any] = {"__file__": str(file), "__name__": file.stem}
    exec(compile(file.read_text("utf-8"), str(file), "exec"), space)
    tests: Mapping[str, Callable[[Any], None]] = {n: f for n, f in space.items() if n.startswith("test_")}
    try:
        pipeline = space["Pipeline"](spark)
        for name in pipeline.frames:
            pipeline.rows(name)
    except Exception as error:  # noqa: BLE001  # whatever a broken notebook makes of it
        return dict.fromkeys(tests, f"{type(error).__name__}: {error}")
    outcomes = {}
    for name, function in tests.items():
        try:
            function(pipeline)
            outcomes[name] = ""
        except Exception as error:  # noqa: BLE001  # a test that ends in any error is red
            outcomes[name] = f"{type(error).__name__}: {error}"
    return outcomes


def test_same_bytes_and_no_import_of_ours() -> None:
    """A file is Python, the same each time, and imports pytest, PySpark and the standard library alone."""
    for case in CASES:
        text = source_of(case.typed())
        assert text == source_of(case.typed())
        modules = set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                modules |= {item.name for item in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(str(node.module))
        assert modules <= {"json", "os", "collections", "pathlib", "pytest", "pyspark.sql", "databricks.connect"}


@pytest.mark.engine
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_green_on_sail(case: Case, spark: Any, tmp_path: Path) -> None:
    """What was compiled passes its own tests."""
    outcomes = ran(write(case, tmp_path), spark)
    if case.name in SAIL_DIFFERS:
        outcomes.pop("test_target_columns")
    assert {name: said for name, said in outcomes.items() if said} == {}
    assert len(outcomes) >= 3


@pytest.mark.engine
def test_red_for_what_is_broken(spark: Any, tmp_path: Path) -> None:
    """Of the notebooks broken on purpose at least four in five are seen: a join of another kind, a filter gone, …"""
    killed, lived = 0, []
    for case in CASES:
        if not FULL and case.name not in FEW:
            continue
        for name, broken in mutants(notebook(case.typed())):
            outcomes = ran(write(case, tmp_path, broken), spark)
            if any(said for test, said in outcomes.items() if test != "test_target_columns"):
                killed += 1
            else:
                lived.append(f"{case.name}: {name}")
    share = killed / (killed + len(lived))
    print(f"{killed} of {killed + len(lived)} broken notebooks seen ({share:.0%}); not seen: {lived}")
    assert killed + len(lived) >= 25
    assert share >= 0.8, lived


@pytest.mark.timeout(600)
def test_green_on_apache_spark(tmp_path: Path) -> None:
    """By pytest itself, as a reviewer runs them: the same files pass on Apache Spark, types included."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    chosen = [case for case in CASES if FULL or case.name in FEW | SAIL_DIFFERS]
    for case in chosen:
        write(case, tmp_path / "cases")
    python = environment() / "bin" / "python"
    ours = tmp_path / "site"  # that environment has no pytest of its own; these are Python alone
    ours.mkdir()
    site = Path(pytest.__file__).parent.parent
    for name in ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py.py"):
        (ours / name).symlink_to(site / name)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYTEST_"))}
    done = subprocess.run(
        [str(python), "-m", "pytest", "-q", "--import-mode=importlib", "-p", "no:cacheprovider", "cases"],
        env={**kept, "TZ": "UTC", "PYTHONPATH": str(ours)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert "passed" in done.stdout
