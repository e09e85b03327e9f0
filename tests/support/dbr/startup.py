"""What a Databricks notebook's namespace holds before the first cell: `spark`, `dbutils`, `display`, `sql`, `sc`.

Executed inside the kernel of the environment with a runtime's packages, where neither Spark nor the tests' packages
are. `spark` speaks to the strict workspace whose address is in DBR_WORKSPACE: its statements go there as a SQL
warehouse's would, and come back with the methods and the value forms of a classic session of Spark 3.5: rows that are
tuples, times without a zone in that of the process, no `toArrow`, no tags. `spark_calls` counts them.
"""

import datetime as _datetime
import json as _json
import os as _os
import time as _time
import urllib.request as _request
from decimal import Decimal as _Decimal

spark_calls = []


def _ask(method, path, body=None):
    data = None if body is None else _json.dumps(body).encode()
    headers = {"Authorization": "Bearer good-token", "Content-Type": "application/json"}
    asked = _request.Request(_os.environ["DBR_WORKSPACE"] + path, data, headers, method=method)
    with _request.urlopen(asked, timeout=60) as answer:
        return _json.loads(answer.read())


class _Kind:
    def __init__(self, text):
        self._text = text

    def simpleString(self):
        return self._text

    def typeName(self):
        return self._text.partition("(")[0].partition("<")[0]


class _Field:
    def __init__(self, name, text):
        self.name, self.dataType, self.nullable = name, _Kind(text.lower()), True


class _Schema:
    def __init__(self, fields):
        self.fields = fields


class AnalysisException(Exception):
    """As Spark's."""


def _value(text, kind):
    if text is None:
        return None
    kind = kind.partition("(")[0]
    if kind in ("bigint", "int", "smallint", "tinyint"):
        return int(text)
    if kind in ("double", "float"):
        return float(text)
    if kind == "decimal":
        return _Decimal(text)
    if kind == "boolean":
        return text == "true"
    if kind == "date":
        return _datetime.date.fromisoformat(text)
    if kind == "timestamp":
        return _datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone().replace(tzinfo=None)
    return text


class _Frame:
    def __init__(self, sql, limit=None):
        self._sql, self._limit, self._found = sql, limit, None

    def _run(self):
        if self._found is None:
            body = {"warehouse_id": "wh1", "statement": self._sql, "wait_timeout": "50s"}
            if self._limit is not None:
                body["row_limit"] = self._limit
            told = _ask("POST", "/api/2.0/sql/statements", body)
            while told["status"]["state"] in ("PENDING", "RUNNING"):
                _time.sleep(0.05)
                told = _ask("GET", "/api/2.0/sql/statements/" + told["statement_id"])
            if told["status"]["state"] != "SUCCEEDED":
                raise AnalysisException(told["status"].get("error", {}).get("message", "it failed"))
            part, rows = told["result"], []
            while True:
                rows += part.get("data_array") or []
                following = part.get("next_chunk_index")
                if following is None:
                    break
                path = f"/api/2.0/sql/statements/{told['statement_id']}/result/chunks/{following}"
                part = _ask("GET", path)
            columns = told["manifest"]["schema"]["columns"]
            self._found = [_Field(one["name"], one["type_text"]) for one in columns], rows
        return self._found

    @property
    def schema(self):
        return _Schema(self._run()[0])

    def limit(self, number):
        return _Frame(self._sql, number)

    def collect(self):
        fields, rows = self._run()
        return [tuple(_value(v, f.dataType.simpleString()) for v, f in zip(row, fields, strict=True)) for row in rows]


class _Conf:
    def get(self, name, default=None):
        return default


class _Session:
    """A classic session."""

    conf = _Conf()
    version = "3.5.0"

    def sql(self, text):
        spark_calls.append(text)
        frame = _Frame(text)
        frame._run()
        return frame


class _Dbutils:
    class widgets:
        @staticmethod
        def get(name):
            raise ValueError("InputWidgetNotDefined: " + name)


spark, dbutils, sc = _Session(), _Dbutils(), object()
sql = spark.sql


def display(*values, **options):
    """Databricks' own: rows as a table, everything else as IPython shows it."""
    from IPython.display import display as show

    show(*values, **options)
