"""The Lakeflow form runs through `spark-pipelines` of Apache Spark, and its tables hold the rows of the SQL form.

Many golden cases make one pipeline, so that one start does for all: the names of their views and settings get the
case's name before them, and the tables they read are datasets of the same pipeline. A small shim gives Apache Spark the
`expect*` decorators that only Databricks has. AUTO CDC there knows scd type 1 only: cases of type 2 are not executed.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from pipeline_magic.compiler.declarative import declarative_source
from pipeline_magic.spec.names import split_table
from tests.spark import deviations
from tests.spark.test_golden_on_spark import contents, known, queries, views
from tests.support.compiled import Case, cases
from tests.support.spark_environment import Worker, environment, surroundings

pytestmark = [pytest.mark.spark, pytest.mark.timeout(600)]

SHIM = """\
import functools

from pyspark import pipelines as dp
from pyspark.sql import functions as F


def _decorator(change):
    def expect(name, condition):
        def decorate(function):
            @functools.wraps(function)
            def made():
                return change(function(), name, condition)

            return made

        return decorate

    return expect


dp.expect = _decorator(lambda frame, name, condition: frame)
dp.expect_or_drop = _decorator(lambda frame, name, condition: frame.where(condition))
dp.expect_or_fail = _decorator(
    lambda frame, name, condition: frame.where(F.expr(f"assert_true({condition}, '{name}') IS NULL"))
)

"""


EXECUTED = (
    "cast_null",
    "expect_drop_accepted_values",
    "expect_drop_not_null",
    "expect_drop_pattern",
    "expect_drop_referential",
    "expect_drop_target_quarantine",
    "expect_fail_passes",
    "expect_warn_all",
    "explode_inner",
    "fill_values",
    "flights_carrier_delays",
    "pivot_one",
    "seed_customer_revenue",
    "sql_join_window",
    "top_n",
    "union_all",
    "unpivot_drop",
    "window_range",
)
"""The golden cases that make up the pipeline; a case that cannot run at all stands in `deviations` as well."""


def executed() -> list[Case]:
    """The cases as they are on disk."""
    return [case for case in cases() if case.name in EXECUTED]


def table_of(case: Case) -> str:
    """The name of a case's target in the pipeline."""
    return f"made_{case.name}"


def source_of(case: Case) -> str:
    """The generated file, in names of its own; time and tables come by the settings, as on Databricks."""
    text = declarative_source(case.typed())
    text = re.sub(r'(temporary_view\(name=|\.table\(|source=)"(\w+)"', rf'\1"{case.name}__\2"', text)
    text = re.sub(r'(conf\.get\()"(\w+)"', rf'\1"{case.name}.\2"', text)
    text = text.replace(".".join(split_table(case.spec.target.table)), table_of(case))
    tables = []
    for name, query in contents(case).items():
        tables.append(
            f"@dp.materialized_view(name={f'{case.name}__{name}'!r})\n"
            f"def make_{name}():\n    return spark.sql({query!r})\n"
        )
    return SHIM + text + "\n\n" + "\n\n".join(tables)


def run(folder: Path, some: list[Case]) -> None:
    """One run of one pipeline of all those cases."""
    settings = {}
    for case in some:
        (folder / "transformations").mkdir(exist_ok=True)
        (folder / "transformations" / f"{case.name}.py").write_text(source_of(case), "utf-8")
        settings[f"{case.name}.run_time"] = "2024-03-10T06:30:00+00:00"
        settings |= {f"{case.name}.source_{alias}": f"{case.name}__{name}" for alias, name in views(case).items()}
    settings["spark.sql.session.timeZone"] = "UTC"
    document = {
        "name": "golden",
        "storage": (folder / "storage").as_uri(),
        "libraries": [{"glob": {"include": "transformations/**"}}],
        "configuration": settings,
    }
    (folder / "spark-pipeline.yml").write_text(yaml.safe_dump(document), "utf-8")
    place = environment()
    command = [
        str(place / "bin/spark-pipelines"),
        "run",
        "--remote",
        "local[2]",
        "--spec",
        str(folder / "spark-pipeline.yml"),
    ]
    static = {
        "spark.driver.memory": "2g",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -Duser.timezone=UTC",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.catalogImplementation": "in-memory",
    }
    for name, value in static.items():
        command += ["--conf", f"{name}={value}"]
    done = subprocess.run(
        command, cwd=folder, env=surroundings(place), capture_output=True, text=True, check=False, timeout=500
    )
    said = done.stdout + done.stderr
    (folder / "said.log").write_text(said, "utf-8")
    assert done.returncode == 0, said[-4000:]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, apache: Worker) -> Path:
    """The folder of the tables that one run of all the cases made."""
    folder = tmp_path_factory.mktemp("pipelines")
    run(folder, [case for case in executed() if case.name not in deviations.PIPELINES_FAIL])
    return folder / "spark-warehouse"  # in remote mode the setting of another place is not heeded


@pytest.mark.parametrize("case", known(executed(), deviations.PIPELINES_FAIL | deviations.PIPELINES_DIFFER))
def test_rows(case: Case, warehouse: Path, apache: Worker) -> None:
    """The table that the Lakeflow form made has the rows of the SQL form, both on Apache Spark."""
    made = warehouse / table_of(case)
    assert made.exists()
    apache.views(contents(case))
    assert apache.rows(f"SELECT * FROM parquet.`{made}`") == apache.rows(queries(case)[""])
