"""What there is: catalogs, schemas, tables, and what the caller may do with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from pydantic import Field

from pipeline_magic.spec.schema import Model, TableSchema

__all__ = ["Catalog", "Privileges"]


class Privileges(Model):
    """What the caller may do; None where the catalog cannot say.

    Attributes:
        can_read: By table name.
        can_create: In the target's schema (or may create the schema).
        missing: Human sentences, each naming privilege and object.
    """

    can_read: dict[str, bool] = Field(default_factory=dict)
    can_create: bool | None = None
    missing: tuple[str, ...] = ()


class Catalog(Protocol):
    """Tables, their columns, comments and keys."""

    @property
    def name(self) -> str:
        """For a person: ``local lakehouse at …``, ``Unity Catalog at host``."""
        ...

    def tables(self) -> Iterable[TableSchema]:
        """Every table the caller can see, with columns and comments; statistics may be left out."""
        ...

    def digest(self) -> str:
        """A token that changes when `tables` would give something else; cheap."""
        ...

    def table(self, name: str) -> TableSchema:
        """One table, with statistics and version.

        Raises:
            TableNotFound: With the nearest names.
        """
        ...

    def has_schema(self, catalog: str, schema: str) -> bool: ...

    def has_catalog(self, catalog: str) -> bool: ...

    def create_schema(self, catalog: str, schema: str, *, with_catalog: bool = False) -> None:
        """Create the schema (locally its catalog too; elsewhere only `with_catalog`); it may exist already."""
        ...

    def privileges(self, sources: Sequence[str], target: str) -> Privileges: ...

    def describe(self, name: str, *, comment: str, columns: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Set the comments of a table and of its columns, and its tags."""
        ...

    def cancel(self) -> None:
        """Stop what is being listed; it raises Cancelled in its own thread."""
        ...
