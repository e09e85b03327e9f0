"""Every table of a metastore with few calls: schema by schema, in pages, several schemas at once.

The descriptions of a schema are kept with the signatures of its tables; a second reading first lists without columns
and reads in full only the schemas whose signatures have changed. Left out are what
Databricks keeps for its own (`system`, `information_schema`) and what the caller may not use. Not here: keys and tags,
which a listing does not give (`catalog.table` does).
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pipeline_magic.adapters.databricks.calls import Calls, Refusal
from pipeline_magic.adapters.databricks.tables import schema_of, signature
from pipeline_magic.errors import Cancelled, NotFound, PermissionDenied
from pipeline_magic.spec.schema import TableSchema

__all__ = ["Listing"]

_UNITY = "/api/2.1/unity-catalog"
_OWN_CATALOGS = frozenset({"system", "__databricks_internal"})
_OWN_SCHEMAS = frozenset({"information_schema"})
_FRESH = 5.0
"""Seconds for which a reading is taken for the present state, so that one refresh does not list everything twice."""

_log = logging.getLogger(__name__)


@dataclass
class _Schema:
    """One schema as it was last read."""

    signature: str
    tables: tuple[TableSchema, ...] | None = None


@dataclass
class _Reading:
    """One run of `tables` or `digest`; stopped by `Listing.cancel`."""

    stop: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        if self.stop.is_set():
            raise Cancelled("The listing of the catalog was stopped.")


class Listing:
    """Lists one metastore.

    Args:
        calls: Asks the workspace; from several threads at once.
        at_once: How many schemas are listed at the same time.
        fresh: Seconds for which a reading is taken for the present state.
    """

    def __init__(self, calls: Calls, *, at_once: int = 12, fresh: float = _FRESH) -> None:
        self._calls = calls
        self._at_once = at_once
        self._fresh = fresh
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], _Schema] = {}
        self._digest: tuple[float, str] | None = None
        self._readings: list[_Reading] = []

    def forget(self, catalog: str, schema: str) -> None:
        """What was read of a schema no longer holds: somebody (we) changed it."""
        with self._lock:
            self._known.pop((catalog.casefold(), schema.casefold()), None)
            self._digest = None

    def names(self) -> tuple[str, ...]:
        """Full names of the tables as they were last listed; empty when they never were."""
        with self._lock:
            known = list(self._known.values())
        return tuple(table.table for schema in known for table in schema.tables or ())

    def cancel(self) -> None:
        """Stop every listing that runs now; each raises Cancelled in its own thread."""
        for reading in list(self._readings):
            reading.stop.set()

    def tables(self) -> Iterator[TableSchema]:
        """Every table with columns and comments, by catalog and schema; while later schemas are still being read.

        Raises:
            CatalogError: The metastore cannot be listed.
            Cancelled: `cancel` was called meanwhile.
        """
        read: dict[tuple[str, str], _Schema] = {}
        with self._reading() as (reading, pool):
            names = self._schemas(reading, pool)
            for key, found in zip(names, self._each(pool, names, lambda key: self._full(key, reading)), strict=True):
                read[_folded(key)] = found
                yield from found.tables or ()
        self._remember(read)

    def digest(self) -> str:
        """A token that changes when `tables` would give something else, without reading columns."""
        with self._lock:
            if self._digest is not None and time.monotonic() - self._digest[0] < self._fresh:
                return self._digest[1]
        with self._reading() as (reading, pool):
            names = self._schemas(reading, pool)
            signed = list(self._each(pool, names, lambda key: self._signed(key, reading)))
        return self._token({_folded(key): one for key, one in zip(names, signed, strict=True)})

    # --- inside ------------------------------------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[tuple[_Reading, ThreadPoolExecutor]]:
        reading = _Reading()
        self._readings.append(reading)
        pool = ThreadPoolExecutor(self._at_once, thread_name_prefix="pm-catalog")
        try:
            yield reading, pool
        except BaseException:
            reading.stop.set()  # what has begun ends at its next page
            raise
        finally:
            self._readings.remove(reading)
            pool.shutdown(wait=False, cancel_futures=True)

    @staticmethod
    def _each(
        pool: ThreadPoolExecutor, names: list[tuple[str, str]], work: Callable[[tuple[str, str]], Any]
    ) -> Iterator[Any]:
        """Results in the order of the names."""
        futures = [pool.submit(work, name) for name in names]
        for future in futures:
            yield future.result()

    def _schemas(self, reading: _Reading, pool: ThreadPoolExecutor) -> list[tuple[str, str]]:
        """Catalog and name of every schema that may be used, in order."""
        listed = self._calls.pages(
            "listing the catalogs", f"{_UNITY}/catalogs", {"max_results": 0}, "catalogs", stop=reading.check
        )
        catalogs = sorted(str(one["name"]) for one in listed if one.get("name") and not one.get("browse_only"))
        wanted = [name for name in catalogs if name.casefold() not in _OWN_CATALOGS]
        return [pair for pairs in pool.map(lambda name: self._of_catalog(name, reading), wanted) for pair in pairs]

    def _of_catalog(self, catalog: str, reading: _Reading) -> list[tuple[str, str]]:
        query = {"catalog_name": catalog, "max_results": 0}
        what = f"listing the schemas of `{catalog}`"
        try:
            listed = list(self._calls.pages(what, f"{_UNITY}/schemas", query, "schemas", stop=reading.check))
        except (PermissionDenied, NotFound, Refusal) as error:
            _log.info("left out of the catalog: %s (%s)", catalog, error)
            return []
        names = sorted(str(one["name"]) for one in listed if one.get("name") and not one.get("browse_only"))
        return [(catalog, name) for name in names if name.casefold() not in _OWN_SCHEMAS]

    def _infos(self, key: tuple[str, str], reading: _Reading, *, light: bool) -> list[dict[str, Any]] | None:
        """Descriptions of a schema's tables; None when it may not be listed, or is gone since."""
        query: dict[str, Any] = {"catalog_name": key[0], "schema_name": key[1], "max_results": 0}
        query |= {"omit_properties": True} | ({"omit_columns": True, "omit_username": True} if light else {})
        what = f"listing the tables of `{key[0]}.{key[1]}`"
        try:
            found = list(self._calls.pages(what, f"{_UNITY}/tables", query, "tables", stop=reading.check))
        except (PermissionDenied, NotFound, Refusal) as error:
            _log.info("left out of the catalog: %s.%s (%s)", *key, error)
            return None
        whole = [one for one in found if one.get("name") and one.get("catalog_name") and one.get("schema_name")]
        return sorted((one for one in whole if not one.get("browse_only")), key=lambda one: str(one["name"]))

    def _signed(self, key: tuple[str, str], reading: _Reading) -> str:
        return _signature(self._infos(key, reading, light=True))

    def _full(self, key: tuple[str, str], reading: _Reading) -> _Schema:
        """A schema's tables: as they are known, where nothing has changed since."""
        with self._lock:
            known = self._known.get(_folded(key))
        if known is not None and known.tables is not None and self._signed(key, reading) == known.signature:
            return known
        infos = self._infos(key, reading, light=False)
        return _Schema(_signature(infos), tuple(schema_of(info, statistics=False) for info in infos or ()))

    def _remember(self, read: dict[tuple[str, str], _Schema]) -> None:
        with self._lock:
            self._known = read
        self._token({key: schema.signature for key, schema in read.items()})

    def _token(self, signatures: dict[tuple[str, str], str]) -> str:
        total = hashlib.sha256()
        for key in sorted(signatures):
            total.update("\x1e".join((*key, signatures[key])).encode("utf-8", "replace") + b"\n")
        token = total.hexdigest()
        with self._lock:
            self._digest = (time.monotonic(), token)
        return token


def _folded(key: tuple[str, str]) -> tuple[str, str]:
    return key[0].casefold(), key[1].casefold()


def _signature(infos: list[dict[str, Any]] | None) -> str:
    if infos is None:
        return "-"
    text = "\x1e".join(signature(info) for info in infos)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
