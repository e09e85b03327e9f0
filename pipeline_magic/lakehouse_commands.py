"""``pipeline-magic lakehouse add | list | show``: a person's own data in the local lakehouse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_magic.errors import UsageError
from pipeline_magic.verbs import Outcome, Parser, table_text

if TYPE_CHECKING:
    from pipeline_magic.adapters.lakehouse import Lakehouse
    from pipeline_magic.orchestrator import PipelineBuilderOrchestrator

__all__ = ["run_command"]


def run_command(words: list[str], orchestrator: PipelineBuilderOrchestrator) -> Outcome:
    """Run one of the commands.

    Raises:
        UsageError: No such command, or the catalog in use is not a local lakehouse.
        CatalogError: A file that cannot be read, or a table that is there already.
    """
    parser = Parser(prog="pipeline-magic lakehouse")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    add = commands.add_parser("add", help="bring a CSV, Parquet or Delta file or folder in as a table")
    add.add_argument("table", help="catalog.schema.table")
    add.add_argument("file", type=Path)
    add.add_argument("--describe", type=Path, metavar="FILE.yml", help="comment, columns, primary_key, foreign_keys")
    commands.add_parser("list", help="every table")
    show = commands.add_parser("show", help="one table: columns, types, comments, keys")
    show.add_argument("table")
    args = parser.parse_args(words)
    lakehouse = _lakehouse(orchestrator)
    if args.command == "add":
        made = lakehouse.add(args.table, args.file, describe=args.describe)
        text = f"Added `{made.table}`: {made.rows or 0:,} rows, {len(made.columns)} columns."
        return Outcome(text=text, data=made.model_dump(mode="json"))
    if args.command == "show":
        return _show(lakehouse, args.table)
    tables = sorted((lakehouse.table(table.table) for table in lakehouse.tables()), key=lambda table: table.table)
    heading = ("table", "rows", "columns", "comment")
    rows = tuple((t.table, "" if t.rows is None else f"{t.rows:,}", str(len(t.columns)), t.comment) for t in tables)
    return Outcome(text=table_text(heading, rows), data=[t.model_dump(mode="json") for t in tables])


def _show(lakehouse: Lakehouse, name: str) -> Outcome:
    table = lakehouse.table(name)
    heading = ("column", "type", "null", "comment")
    rows = tuple((c.name, c.type, "yes" if c.nullable else "no", c.comment) for c in table.columns)
    keys = [f"primary key: {', '.join(table.primary_key)}"] if table.primary_key else []
    keys += [f"unique: {', '.join(key)}" for key in table.unique_keys]
    keys += [f"{', '.join(key.columns)} -> {key.to_table} ({', '.join(key.to_columns)})" for key in table.foreign_keys]
    head = f"{table.table}: {table.comment}" if table.comment else table.table
    text = "\n".join([head, *keys, "", table_text(heading, rows)])
    return Outcome(text=text, data=table.model_dump(mode="json"))


def _lakehouse(orchestrator: PipelineBuilderOrchestrator) -> Lakehouse:
    from pipeline_magic.adapters.lakehouse import Lakehouse

    catalog = orchestrator.ports.catalog
    if not isinstance(catalog, Lakehouse):
        raise UsageError(f"The catalog in use is {catalog.name}.", hint="Give --local to work on the local lakehouse.")
    orchestrator.ports.prepare(lambda message: None)
    return catalog
