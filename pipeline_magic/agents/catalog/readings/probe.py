"""Whether the answers of a reading part on the data of today, and which checks tell when they do.

All row-level checks of one node are looked at in one pass; a uniqueness adds a grouped one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pipeline_magic.agents.catalog.readings.reading import Look
from pipeline_magic.compiler import sql
from pipeline_magic.compiler.expectations import failing_condition
from pipeline_magic.errors import EngineError, SpecError
from pipeline_magic.spec.dialect import identifier
from pipeline_magic.spec.model import Expectation, NotNull, Unique
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["apart", "merged"]


def apart(typed: TypedSpec, checks: Iterable[Expectation], look: Look, run_time: str) -> dict[str, int | None]:
    """Failing rows of each check by its id, or groups for a uniqueness; None where that cannot be measured."""
    found: dict[str, int | None] = {}
    rows: dict[str, list[tuple[str, str]]] = {}
    for check in {check.id: check for check in checks}.values():
        condition = failing_condition(check, typed, run_time=run_time)
        if condition is not None:
            rows.setdefault(check.on, []).append((check.id, condition))
        elif isinstance(check, Unique):
            found[check.id] = _counted(lambda check=check: _repeated(typed, check, run_time), look)  # type: ignore[misc]  # bound at once
    for node, conditions in rows.items():
        parts = ", ".join(
            f"sum(CASE WHEN {condition} THEN 1 ELSE 0 END) AS n{place}"
            for place, (_, condition) in enumerate(conditions)
        )
        try:
            (counts,) = look(f"SELECT {parts} FROM ({sql.query(typed, node, run_time=run_time)}) AS t")
        except (EngineError, SpecError):
            found.update((identity, None) for identity, _ in conditions)
            continue
        found.update((identity, int(str(n or 0))) for (identity, _), n in zip(conditions, counts, strict=True))
    return found


def _counted(query: Callable[[], str], look: Look) -> int | None:
    try:
        return int(str(look(query())[0][0]))
    except (EngineError, SpecError):
        return None


def _repeated(typed: TypedSpec, check: Unique, run_time: str) -> str:
    columns = ", ".join(identifier(name) for name in check.columns)
    there = " AND ".join(f"{identifier(name)} IS NOT NULL" for name in check.columns)
    query = sql.query(typed, check.on, run_time=run_time)
    return (
        f"SELECT count(*) AS n FROM (SELECT {columns} FROM ({query}) AS t WHERE {there} "
        f"GROUP BY {columns} HAVING count(*) > 1) AS g"
    )


def merged(watches: Sequence[Expectation], taken: Sequence[str]) -> tuple[Expectation, ...]:
    """One check for all columns of a node that must not be NULL; ids that are taken are left to who has them."""
    made: dict[str, Expectation] = {}
    for check in watches:
        if isinstance(check, NotNull):
            identity = f"auto_readings_{check.on}_not_null"[:63]
            before = made.get(identity)
            held = before.columns if isinstance(before, NotNull) else ()
            columns = tuple(dict.fromkeys((*held, *check.columns)))
            check = check.model_copy(update={"id": identity, "columns": columns})
        made[check.id] = check
    return tuple(check for check in made.values() if check.id not in taken)
