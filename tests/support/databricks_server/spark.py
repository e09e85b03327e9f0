"""Spark SQL of the strict workspace: each statement in DuckDB or by hand, with the words of Databricks' errors.

A query is read by the same grammar as the product's; every table in it must be there and may be read. What DuckDB has
no word for (history, restore, comments, statistics) is done on the world. Not here: how a statement is sent and
followed (`sql`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp

from tests.support.databricks_server.server import Refusal
from tests.support.databricks_server.world import Table, World, duck_name

__all__ = ["Failure", "Result", "Spark"]

_PART = r"(?:`(?:[^`]|``)+`|[\w]+)"
_NAME = rf"({_PART}(?:\.{_PART}){{0,2}})"
_TEXT = r"'((?:[^'\\]|\\.)*)'"
_TYPES = {
    "BIGINT": "BIGINT", "INTEGER": "INT", "SMALLINT": "SMALLINT", "TINYINT": "TINYINT", "HUGEINT": "DECIMAL(38,0)",
    "VARCHAR": "STRING", "BOOLEAN": "BOOLEAN", "DOUBLE": "DOUBLE", "FLOAT": "FLOAT", "DATE": "DATE", "BLOB": "BINARY",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP", "TIMESTAMP": "TIMESTAMP_NTZ", '"NULL"': "VOID",
}  # fmt: skip
_HISTORY = (
    ("version", "BIGINT"), ("timestamp", "TIMESTAMP"), ("userId", "STRING"), ("userName", "STRING"),
    ("operation", "STRING"), ("operationParameters", "MAP<STRING, STRING>"),
    ("job", "STRUCT<jobId: STRING, jobName: STRING, runId: STRING, jobOwnerId: STRING, triggerType: STRING>"),
    ("readVersion", "BIGINT"), ("isolationLevel", "STRING"), ("isBlindAppend", "BOOLEAN"),
    ("operationMetrics", "MAP<STRING, STRING>"), ("userMetadata", "STRING"), ("engineInfo", "STRING"),
)  # fmt: skip


class Failure(Exception):
    """A statement that fails: what Databricks says, its error code and SQLSTATE."""

    def __init__(self, message: str, state: str, code: str = "BAD_REQUEST") -> None:
        super().__init__(f"{message} SQLSTATE: {state}")
        self.code, self.state = code, state


@dataclass
class Result:
    """Columns with Databricks' type texts, and rows of texts."""

    columns: list[tuple[str, str]] = field(default_factory=list)
    rows: list[list[str | None]] = field(default_factory=list)


class Spark:
    """Runs statements on a world.

    Args:
        catalog: The warehouse's default catalog.
        zone: Its time zone.
    """

    def __init__(self, world: World, catalog: str = "shop", zone: str = "UTC") -> None:
        self.world = world
        self.catalog = catalog
        self.zone = zone

    def run(
        self, sql: str, user: str, parameters: dict[str, tuple[str | None, str]], started: Callable[[Any], None]
    ) -> Result:
        """The result of one statement.

        Args:
            started: Told of the DuckDB cursor, which can be interrupted.

        Raises:
            Failure: It fails.
        """
        try:
            for pattern, action in self._commands():
                match = re.fullmatch(pattern, sql.strip(), re.IGNORECASE | re.DOTALL)
                if match:
                    return action(user, *match.groups())
            return self._other(sql, user, parameters, started)
        except Refusal as refusal:
            if refusal.status == 403:
                raise Failure(
                    f"[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\n{refusal.message}", "42501"
                ) from None
            raise Failure(f"[{refusal.code}] {refusal.message}", "42000") from None

    def _commands(self) -> list[tuple[str, Callable[..., Result]]]:
        return [
            (rf"DESCRIBE HISTORY {_NAME}(?: LIMIT (\d+))?", self._history),
            (rf"DESCRIBE TABLE EXTENDED {_NAME}", self._extended),
            (rf"RESTORE TABLE {_NAME} TO VERSION AS OF (\d+)", self._restore),
            (rf"COMMENT ON TABLE {_NAME} IS {_TEXT}", self._comment),
            (rf"ALTER (?:TABLE|VIEW) {_NAME} ALTER COLUMN ({_PART}) COMMENT {_TEXT}", self._column_comment),
            (rf"CREATE SCHEMA IF NOT EXISTS {_NAME}(?: COMMENT {_TEXT})?", self._create_schema),
            (rf"DROP SCHEMA IF EXISTS {_NAME} CASCADE", self._drop_schema),
            (rf"SHOW SCHEMAS IN {_NAME} LIKE {_TEXT}", self._show_schemas),
            (rf"DROP TABLE IF EXISTS {_NAME}", self._drop_table),
        ]

    # --- queries and writes of rows ----------------------------------------------------------------------------------

    def _other(
        self, sql: str, user: str, parameters: dict[str, tuple[str | None, str]], started: Callable[[Any], None]
    ) -> Result:
        try:
            [tree] = sqlglot.parse(sql, read="databricks")
        except (sqlglot.errors.SqlglotError, ValueError):
            raise Failure("[PARSE_SYNTAX_ERROR] Syntax error at or near end of input.", "42601") from None
        target: Table | None = None
        replaces = False
        if isinstance(tree, exp.Create) and tree.kind == "TABLE" and tree.expression:
            name, replaces = self._full(_full_name(tree.this)), bool(tree.args.get("replace"))
            if name in self.world.tables and not replaces:
                raise Failure(f"[TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create table `{name}`.", "42P07")
            query: Any = tree.expression
        elif isinstance(tree, exp.Insert):
            name, query = self._full(_full_name(tree.this)), tree.expression
            target = self._there(name)
        elif isinstance(tree, exp.Query):
            name, query = "", tree
        else:
            raise Failure("[PARSE_SYNTAX_ERROR] Syntax error at or near the first word.", "42601")
        self._readable(query, user)
        text = self._duck_sql(query, parameters)
        cursor = self.world.duck.cursor()
        started(cursor)
        try:
            if not name:
                return self._rows(cursor.execute(text))
            with self.world.lock:
                return self._write(cursor, name, target, text, user, replaces=replaces)
        except duckdb.InterruptException:
            raise Failure("[CANCELED] The query was canceled.", "HY008", "CANCELLED") from None
        except duckdb.Error as error:
            said = str(error).splitlines()[0]
            if "not found in FROM" in said or "Referenced column" in said:
                raise Failure(f"[UNRESOLVED_COLUMN.WITH_SUGGESTION] {said}", "42703") from None
            raise Failure(f"[INTERNAL_ERROR] {said}", "XX000") from None

    def _write(self, cursor: Any, name: str, target: Table | None, text: str, user: str, *, replaces: bool) -> Result:
        schema = name.rpartition(".")[0]
        self.world.require_use(user, schema)
        if target is not None:
            self.world.require(user, "MODIFY", "table", name)
            cursor.execute(f"INSERT INTO {duck_name(name)} {text}")
            self.world.commit(target, "WRITE", user, mode="Append")
            return Result([("num_affected_rows", "BIGINT"), ("num_inserted_rows", "BIGINT")], [["1", "1"]])
        self.world.require(user, "CREATE_TABLE", "schema", schema)
        cursor.execute(f"CREATE OR REPLACE TABLE {duck_name(name)} AS {text}")
        described = cursor.execute(f"DESCRIBE {duck_name(name)}").fetchall()
        columns = [column(place, row[0], spark_type(row[1]).lower()) for place, row in enumerate(described)]
        made = self.world.tables.get(name)
        if made is None:
            made = self.world.add_table(name, columns, user)
        made.columns, made.updated = columns, self.world.moment()
        kind = "CREATE OR REPLACE TABLE AS SELECT" if replaces else "CREATE TABLE AS SELECT"
        self.world.commit(made, kind, user)
        return Result([("num_affected_rows", "BIGINT"), ("num_inserted_rows", "BIGINT")], [])

    def _readable(self, query: Any, user: str) -> None:
        names = {cte.alias_or_name.lower() for cte in query.find_all(exp.CTE)}
        for table in query.find_all(exp.Table):
            if not isinstance(table.this, exp.Identifier) or (not table.db and table.name.lower() in names):
                continue
            name = self._full(_full_name(table))
            self._there(name)
            self.world.require_use(user, name.rpartition(".")[0])
            self.world.require(user, "SELECT", "table", name)
            catalog, schema, plain = name.split(".")
            table.set("catalog", exp.to_identifier(f"uc_{catalog}", quoted=True))
            table.set("db", exp.to_identifier(schema, quoted=True))
            table.set("this", exp.to_identifier(plain, quoted=True))

    def _duck_sql(self, query: Any, parameters: dict[str, tuple[str | None, str]]) -> str:
        for mark in list(query.find_all(exp.Placeholder)):
            if mark.name not in parameters:
                raise Failure(f"[UNBOUND_SQL_PARAMETER] Found the unbound parameter: {mark.name}.", "42P02")
            value, kind = parameters[mark.name]
            literal: Any = exp.Null() if value is None else exp.Literal.string(value)
            mark.replace(exp.Cast(this=literal, to=exp.DataType.build(kind, dialect="databricks")))
        text = query.sql("duckdb")
        text = re.sub(r"\bRANGE\((\d+)\) (?:AS )?(\w+)", r"(SELECT range AS id FROM range(\1)) AS \2", text, flags=re.I)
        user = "'ada@acme.test'"
        known = {"CURRENT_CATALOG": f"'{self.catalog}'", "CURRENT_USER": user, "CURRENT_TIMEZONE": f"'{self.zone}'"}
        for name, value in known.items():
            text = re.sub(rf"\b{name}(\(\))?", value, text, flags=re.I)
        return text.replace("XXHASH64(", "HASH(")

    @staticmethod
    def _rows(cursor: Any) -> Result:
        kinds = [(item[0], spark_type(str(item[1]))) for item in cursor.description]
        rows = [[text_of(value) for value in row] for row in cursor.fetchall()]
        return Result(kinds, rows)

    # --- tables ------------------------------------------------------------------------------------------------------

    def _full(self, name: str) -> str:
        """A full name in lower case, from Spark's text."""
        parts = [
            part[1:-1].replace("``", "`") if part.startswith("`") else part for part in re.findall(_PART, name.lower())
        ]
        return ".".join([self.catalog, "default", *parts][-3:] if len(parts) < 3 else parts)

    def _there(self, name: str) -> Table:
        if name not in self.world.tables:
            quoted = ".".join(f"`{part}`" for part in name.split("."))
            raise Failure(
                f"[TABLE_OR_VIEW_NOT_FOUND] The table or view {quoted} cannot be found. Verify the spelling and "
                "correctness of the schema and catalog.",
                "42P01",
            )
        return self.world.tables[name]

    def _history(self, user: str, name: str, limit: str | None) -> Result:
        table = self._there(self._full(name))
        self.world.require_use(user, table.full.rpartition(".")[0])
        self.world.require(user, "SELECT", "table", table.full)
        if table.kind in ("VIEW", "MATERIALIZED_VIEW"):
            raise Failure("[EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE] 'DESCRIBE HISTORY' expects a table.", "42809")
        rows = []
        for one in reversed(table.versions):
            job = None if one.job is None else {"jobId": one.job, "jobName": "j", "runId": "9"}
            at = datetime.fromtimestamp(one.at / 1000, timezone.utc)
            plain = [one.number, at, "7", one.user, one.operation, one.parameters, job, None, "WriteSerializable"]
            rows.append([text_of(value) for value in (*plain, False, {}, one.note, "Databricks-Runtime/16.4")])
        return Result(list(_HISTORY), rows[: int(limit)] if limit else rows)

    def _extended(self, user: str, name: str) -> Result:
        table = self._there(self._full(name))
        self.world.require(user, "SELECT", "table", table.full)
        found = self.world.duck.cursor().execute(f"SELECT count(*) FROM {duck_name(table.full)}").fetchone()
        rows: list[list[str | None]] = [[one["name"], one["type_text"], one.get("comment")] for one in table.columns]
        rows += [["", "", ""], ["# Detailed Table Information", "", ""], ["Owner", table.owner, ""]]
        rows.append(["Statistics", f"1024 bytes, {found[0] if found else 0} rows", ""])
        return Result([("col_name", "STRING"), ("data_type", "STRING"), ("comment", "STRING")], rows)

    def _restore(self, user: str, name: str, version: str) -> Result:
        with self.world.lock:
            table = self._there(self._full(name))
            self.world.require(user, "MODIFY", "table", table.full)
            found = next((one for one in table.versions if one.number == int(version)), None)
            if found is None:
                last = table.versions[-1].number
                raise Failure(
                    f"[DELTA_CANNOT_RESTORE_TABLE_VERSION] Cannot restore table to version {version}. Available "
                    f"versions: [0, {last}].",
                    "22003",
                )
            self.world.duck.execute(f"CREATE OR REPLACE TABLE {duck_name(table.full)} AS SELECT * FROM {found.rows}")
            self.world.commit(table, "RESTORE", user, version=version, timestamp="")
        return Result([("table_size_after_restore", "BIGINT")], [["1024"]])

    def _comment(self, user: str, name: str, text: str) -> Result:
        table = self._there(self._full(name))
        self.world.require(user, "MODIFY", "table", table.full)
        table.comment, table.updated = _unescaped(text) or None, self.world.moment()
        return Result()

    def _column_comment(self, user: str, name: str, changed: str, text: str) -> Result:
        table = self._there(self._full(name))
        self.world.require(user, "MODIFY", "table", table.full)
        wanted = changed[1:-1].replace("``", "`") if changed.startswith("`") else changed
        for one in table.columns:
            if one["name"].casefold() == wanted.casefold():
                one["comment"], table.updated = _unescaped(text), self.world.moment()
                return Result()
        raise Failure(f"[UNRESOLVED_COLUMN.WITH_SUGGESTION] No column `{wanted}`.", "42703")

    def _create_schema(self, user: str, name: str, comment: str | None) -> Result:
        catalog, schema = self._schema_name(name)
        with self.world.lock:
            if catalog not in self.world.catalogs:
                raise Failure(f"[NO_SUCH_CATALOG_EXCEPTION] Catalog '{catalog}' was not found.", "42704")
            if f"{catalog}.{schema}" not in self.world.schemas:
                self.world.require(user, "USE_CATALOG", "catalog", catalog)
                self.world.require(user, "CREATE_SCHEMA", "catalog", catalog)
                self.world.add_schema(catalog, schema, user, comment)
        return Result()

    def _drop_schema(self, user: str, name: str) -> Result:
        catalog, schema = self._schema_name(name)
        full = f"{catalog}.{schema}"
        with self.world.lock:
            if full in self.world.schemas:
                self.world.require(user, "MANAGE", "schema", full)
                for table in [one for one in self.world.tables if one.startswith(f"{full}.")]:
                    self.world.drop_table(table)
                del self.world.schemas[full]
                self.world.duck.execute(f"DROP SCHEMA {duck_name(full)} CASCADE")
        return Result()

    def _show_schemas(self, user: str, catalog: str, like: str) -> Result:
        catalog = catalog.strip("`").lower()
        self.world.require(user, "USE_CATALOG", "catalog", catalog)
        pattern = re.escape(like).replace(r"\*", ".*")  # a star stands for anything, an underscore for itself
        names = sorted(full.partition(".")[2] for full in self.world.schemas if full.startswith(f"{catalog}."))
        return Result([("databaseName", "STRING")], [[name] for name in names if re.fullmatch(pattern, name, re.I)])

    def _drop_table(self, user: str, name: str) -> Result:
        full = self._full(name)
        with self.world.lock:
            if full in self.world.tables:
                self.world.require(user, "MANAGE", "table", full)
                self.world.drop_table(full)
        return Result()

    def _schema_name(self, name: str) -> tuple[str, str]:
        parts = self._full(name).split(".")[-2:] if name.count(".") else [self.catalog, self._full(name).split(".")[-1]]
        return parts[0], parts[1]


def column(position: int, name: str, kind: str, *, nullable: bool = True, comment: str = "") -> dict[str, Any]:
    """A column as the REST API has it: type text in lower case, but for the names of fields."""
    made: dict[str, Any] = {"name": name, "type_text": kind, "type_name": kind.partition("(")[0].upper()}
    made |= {"position": position, "nullable": nullable}
    return made | ({"comment": comment} if comment else {})


def spark_type(kind: str) -> str:
    """Databricks' text of a DuckDB type."""
    kind = kind.strip()
    if kind.endswith("[]"):
        return f"ARRAY<{spark_type(kind[:-2])}>"
    if kind.startswith("STRUCT("):
        inner = [part.strip().partition(" ") for part in _split(kind[7:-1])]
        return "STRUCT<" + ", ".join(f"{name.strip(chr(34))}: {spark_type(one)}" for name, _, one in inner) + ">"
    if kind.startswith("MAP("):
        key, value = _split(kind[4:-1])
        return f"MAP<{spark_type(key)}, {spark_type(value)}>"
    return _TYPES.get(kind, kind)


def text_of(value: Any) -> str | None:
    """A value as the JSON_ARRAY format has it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (list, dict)):
        return json.dumps(_plain(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        text = value.replace(tzinfo=None).isoformat(timespec="milliseconds")
        return text + ("Z" if value.tzinfo else "")
    if isinstance(value, float):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(str(value), str(value))
    if isinstance(value, bytes):
        import base64

        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, date) else str(value)


def _plain(value: Any) -> Any:
    """Nested values are texts too, whatever their type."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else text_of(value)


def _split(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for place, char in enumerate(text):
        depth += char in "(<"
        depth -= char in ")>"
        if char == "," and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [part.strip() for part in (*parts, text[start:])]


def _full_name(table: Any) -> str:
    found = table if isinstance(table, exp.Table) else table.find(exp.Table)
    return ".".join(f"`{part}`" for part in (found.catalog, found.db, found.name) if part)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}.get(match[1], match[1]), text)
