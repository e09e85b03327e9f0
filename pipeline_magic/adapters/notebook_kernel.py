"""What a notebook finds in its namespace, as on Databricks: `spark`, `dbutils`, `display`, `sql`, `table`.

Runs inside the kernel that `notebook_runner` starts, and nowhere else. Here: widgets with the values of the run's
parameters, `dbutils.notebook.exit`, and two statements that Sail does not take as Databricks does. Not here: file
systems, secrets and other notebooks, which a generated notebook never asks for; asking says so.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pipeline_magic.spec.names import quote, split_table

__all__ = ["Dbutils", "NotebookExit", "namespace"]


class NotebookExit(BaseException):
    """Ends the notebook here, in success; no ``except Exception`` may catch it."""


class _Widgets:
    """Parameters of the notebook: a given value goes before the declared default."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = dict(given)
        self._declared: dict[str, str] = {}

    def text(self, name: str, defaultValue: str, label: str | None = None) -> None:
        self._declared[name] = str(defaultValue)

    def dropdown(self, name: str, defaultValue: str, choices: Iterable[str], label: str | None = None) -> None:
        self._declared[name] = str(defaultValue)

    combobox = dropdown
    multiselect = dropdown

    def get(self, name: str) -> str:
        if name in self._given:
            return self._given[name]
        if name in self._declared:
            return self._declared[name]
        raise ValueError(f"InputWidgetNotDefined: no widget `{name}` was declared, and no parameter of that name given")

    def getArgument(self, name: str, defaultValue: str = "") -> str:
        return self._given.get(name, self._declared.get(name, defaultValue))

    def getAll(self) -> dict[str, str]:
        return {**self._declared, **self._given}

    def remove(self, name: str) -> None:
        self._declared.pop(name, None)

    def removeAll(self) -> None:
        self._declared.clear()


class _Notebook:
    def exit(self, value: Any = "") -> None:
        """End the notebook with a value."""
        raise NotebookExit(str(value))


class Dbutils:
    """The parts of Databricks' `dbutils` that a generated notebook uses.

    >>> Dbutils({"run_key": "k1"}).widgets.get("run_key")
    'k1'
    """

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self.widgets = _Widgets(parameters)
        self.notebook = _Notebook()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"`dbutils.{name}` is not there on the local engine; only `widgets` and `notebook.exit` are"
        )


def display(value: Any = None, *more: Any, **options: Any) -> None:
    """Show a value; of a Spark DataFrame the first 1,000 rows."""
    from IPython.display import display as show

    if hasattr(value, "toPandas") and hasattr(value, "limit"):
        value = value.limit(1000).toPandas()
    show(value, *more, **options)  # type: ignore[no-untyped-call]  # IPython has no types


_HISTORY = re.compile(
    r"\s*DESC(?:RIBE)?\s+HISTORY\s+(?P<table>\S.*?)(?:\s+LIMIT\s+(?P<limit>\d+))?\s*;?\s*", re.I | re.S
)


def _answer_history(spark: Any, folders: Mapping[tuple[str, str, str], str]) -> None:
    """Let ``spark.sql("DESCRIBE HISTORY t")`` answer from the Delta log: Sail knows no such statement, Databricks does.

    Of the columns that Databricks gives there are `version`, `timestamp` and `operation`; newest commit first.
    """
    plain_sql = spark.sql

    def sql(query: str, *args: Any, **options: Any) -> Any:
        asked = _HISTORY.fullmatch(query)
        if asked is None:
            return plain_sql(query, *args, **options)
        try:
            folder = folders.get(split_table(asked["table"]))
        except ValueError:
            folder = None
        if folder is None:
            return plain_sql(query, *args, **options)
        from deltalake import DeltaTable

        commits = DeltaTable(folder).history(int(asked["limit"]) if asked["limit"] else None)
        rows = [
            (
                int(c["version"]),
                datetime.fromtimestamp((c.get("timestamp") or 0) / 1000, timezone.utc),
                c.get("operation"),
            )
            for c in sorted(commits, key=lambda commit: -int(commit["version"]))
        ]
        return spark.createDataFrame(rows, "version bigint, timestamp timestamp, operation string")

    spark.sql = sql


_DROP = re.compile(r"\s*DROP\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?P<table>\S.*?)\s*;?\s*", re.I | re.S)


def _drop_whole(spark: Any, folders: Mapping[tuple[str, str, str], str], schemas: Mapping[str, str]) -> None:
    """Let ``spark.sql("DROP TABLE t")`` remove the table's files too: Sail leaves them, Databricks does not.

    Args:
        folders: Folder of each table that was there when the notebook started.
        schemas: Folder of each schema, in which Sail puts the tables that the notebook makes.
    """
    plain_sql = spark.sql

    def sql(query: str, *args: Any, **options: Any) -> Any:
        done = plain_sql(query, *args, **options)
        asked = _DROP.fullmatch(query)
        if asked is not None:
            with suppress(ValueError):  # no table of three parts: nothing of the lakehouse
                catalog, schema, table = split_table(asked["table"])
                parent = schemas.get(f"{quote(catalog)}.{quote(schema)}")
                folder = folders.get((catalog, schema, table)) or (f"{parent}/{table}" if parent else "")
                if folder and Path(folder, "_delta_log").is_dir():
                    shutil.rmtree(folder, ignore_errors=True)
        return done

    spark.sql = sql


def namespace(url: str, statements: Iterable[str], parameters: Mapping[str, str]) -> dict[str, Any]:
    """Names for the notebook: a session of its own in which every table is known."""
    from pyspark.errors import AnalysisException

    from pipeline_magic.adapters.sail_session import connect, folder_of, schema_of

    spark, folders, schemas = connect(url), dict[tuple[str, str, str], str](), dict[str, str]()
    for statement in statements:
        with suppress(AnalysisException):  # a table that cannot be told is not there; the notebook says so if it asks
            spark.sql(statement)
        if (told := folder_of(statement)) is not None:
            folders[split_table(told[0])] = told[1]
        elif (made_in := schema_of(statement)) is not None:
            schemas[made_in[0]] = made_in[1]
    _answer_history(spark, folders)
    _drop_whole(spark, folders, schemas)
    made: dict[str, Any] = {"spark": spark, "dbutils": Dbutils(parameters), "display": display}
    return {**made, "sql": spark.sql, "table": spark.table}
