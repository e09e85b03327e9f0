"""The tables a draft speaks of, as the catalog knows them. Reads only."""

from __future__ import annotations

from pipeline_magic.errors import CatalogError, TableNotFound
from pipeline_magic.ports import Catalog
from pipeline_magic.runs import Finding
from pipeline_magic.spec.model import Draft
from pipeline_magic.spec.names import split_table
from pipeline_magic.spec.schema import TableSchema

__all__ = ["missing_places", "privilege_findings", "source_tables", "target_table"]


def source_tables(catalog: Catalog, draft: Draft) -> tuple[dict[str, TableSchema], tuple[Finding, ...]]:
    """The schema of each source by its alias, and a red finding for each that is not there."""
    tables: dict[str, TableSchema] = {}
    problems: list[Finding] = []
    for source in draft.sources:
        path = f"sources.{source.alias}.table"
        try:
            tables[source.alias] = catalog.table(source.table)
        except TableNotFound as error:
            problems.append(
                Finding(id=f"table:{source.alias}", severity="red", message=error.message, where=path, hint=error.hint)
            )
        except CatalogError as error:
            problems.append(
                Finding(id=f"table:{source.alias}", severity="red", message=str(error), where=path, hint=error.hint)
            )
    return tables, tuple(problems)


def target_table(catalog: Catalog, draft: Draft) -> TableSchema | None:
    """The target as it is now; None when it does not exist or is not named yet."""
    if draft.target.table is None:
        return None
    try:
        return catalog.table(draft.target.table)
    except TableNotFound:
        return None


def missing_places(catalog: Catalog, table: str) -> tuple[str, ...]:
    """Catalog and schema of the target that do not exist and would be created after approval."""
    name, schema, _ = split_table(table)
    if not catalog.has_catalog(name):
        return (f"catalog `{name}`", f"schema `{name}.{schema}`")
    return () if catalog.has_schema(name, schema) else (f"schema `{name}.{schema}`",)


def privilege_findings(catalog: Catalog, draft: Draft) -> tuple[Finding, ...]:
    """A red finding for each privilege the caller lacks; nothing is said of what the catalog cannot tell."""
    if draft.target.table is None:
        return ()
    privileges = catalog.privileges([source.table for source in draft.sources], draft.target.table)
    place = ".".join(split_table(draft.target.table)[:2])
    return tuple(
        Finding(
            id=f"privilege:{index}",
            severity="red",
            message=message,
            where="target.table" if place in message else "sources",
            hint="Ask the owner for the privilege, or choose another table.",
        )
        for index, message in enumerate(privileges.missing, start=1)
    )
