"""Missing values: in what is averaged or summed, in what rows are grouped by, in a negated condition.

SQL leaves a NULL out of averages, keeps it as a group, and drops it from ``<>``; people mean either. Not here: a NULL
that a left join makes, which is what the question about the join is about.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue
from sqlglot import exp

from pipeline_magic.agents.catalog.readings.reading import Field, Reading, Scene, calls, tree_of
from pipeline_magic.english import words_of
from pipeline_magic.runs import Option, Question
from pipeline_magic.spec.dialect import Tree, identifier, render
from pipeline_magic.spec.model import Aggregate, NotNull
from pipeline_magic.spec.names import slug
from pipeline_magic.spec.paths import Edit

__all__ = ["readings"]

_NUMBERS = ("bigint", "int", "smallint", "tinyint", "decimal", "double", "float")
_POINTS = {"id", "key", "no", "nr", "number", "code", "year", "month", "day"}
_MEASURED = ("avg", "mean", "sum")


def readings(scene: Scene) -> list[Reading]:
    """Every reading of a missing value."""
    return [*_negated(scene), *_groups(scene), *_measured(scene)]


def _watch(node: str, column: str) -> NotNull:
    return NotNull(
        id=slug(f"auto_readings_{node}_{column}_not_null")[:63],
        on=node,
        columns=(column,),
        action="warn",
        automatic=True,
    )


# --- averages and sums -------------------------------------------------------------------------------------------


def _measured(scene: Scene) -> Iterator[Reading]:
    """Amounts of a source that may be missing, each with the measures that are over it."""
    over: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for step in scene.typed.spec.steps:
        if not isinstance(step, Aggregate):
            continue
        for measure in step.measures:
            tree = tree_of(measure.expression)
            for name in _averaged(tree) if tree is not None else ():
                for base in scene.bases(step.input, name):
                    over.setdefault(base, []).append((measure.name, f"steps.{step.id}.measures.{measure.name}"))
    for (alias, name), measures in over.items():
        column = scene.column(alias, name)
        if column is None or not column.nullable or not column.type.startswith(_NUMBERS):
            continue
        if set(words_of(name)) & _POINTS or any(name.casefold().endswith(end) for end in ("key", "id")):
            continue
        yield _amount(scene, alias, name, list(dict.fromkeys(measures)))


def _averaged(tree: Tree) -> list[str]:
    """Columns whose values a tree averages or sums; not those that only choose the rows."""
    found: list[str] = []
    for call in calls(tree, *_MEASURED):
        for column in call.find_all(exp.Column):
            chooser = column.find_ancestor(exp.If)
            if chooser is None or not any(column is inner for inner in chooser.this.find_all(exp.Column)):
                found.append(column.name)
    return list(dict.fromkeys(found))


def _amount(scene: Scene, alias: str, name: str, measures: list[tuple[str, str]]) -> Reading:
    table = scene.typed.tables[alias].table.rpartition(".")[2].strip("`")
    named = " and ".join(measure for measure, _ in measures[:3])
    fill: dict[str, JsonValue] = {
        "id": scene.free(slug(f"fill_{name}")), "kind": "fill", "columns": [{"column": name, "value": 0}],
    }  # fmt: skip
    return Reading(
        Question(
            id=f"nulls:{alias}.{name}",
            text=f"What does a missing `{name}` of {table} count as in {named}?",
            why=f"Some rows of {table} have no `{name}`.",
            options=(
                Option(id="left_out", label="As nothing: it is left out of sums and averages"),
                Option(id="zero", label="As 0", edits=scene.between(alias, fill)),
            ),
            default="left_out",
            path=measures[0][1],
        ),
        f"a missing {name} is left out of {named}",
        (_watch(alias, name),),
    )


# --- groups ------------------------------------------------------------------------------------------------------


def _groups(scene: Scene) -> Iterator[Reading]:
    for step in scene.typed.spec.steps:
        if not isinstance(step, Aggregate):
            continue
        for name in step.group_by:
            column = scene.column(step.input, name)
            if column is not None and column.nullable:
                yield _group(scene, step, name, column.type)


def _group(scene: Scene, step: Aggregate, name: str, kind: str) -> Reading:
    named: dict[str, JsonValue] = {
        "id": scene.free(slug(f"with_{name}")), "kind": "filter", "condition": f"{identifier(name)} IS NOT NULL",
    }  # fmt: skip
    options = [
        Option(id="own_group", label=f"They are a group of their own, without a `{name}`", edits=_kept(scene, name)),
        Option(id="left_out", label="They are left out", edits=scene.between(step.input, named, only=step.id)),
    ]
    if kind.startswith("string"):
        fill: dict[str, JsonValue] = {
            "id": scene.free(slug(f"name_{name}")), "kind": "fill", "columns": [{"column": name, "value": "unknown"}],
        }  # fmt: skip
        edits = scene.between(step.input, fill, only=step.id)
        options.append(Option(id="unknown", label="They are a group called “unknown”", edits=edits))
    return Reading(
        Question(
            id=f"nulls:by:{name}",
            text=f"What becomes of rows without a `{name}`, by which rows are grouped?",
            why=f"Some rows have no `{name}`.",
            options=tuple(options),
            default="own_group",
            path=f"steps.{step.id}.group_by",
        ),
        f"rows without a {name} are a group of their own",
        (_watch(step.input, name),),
    )


def _kept(scene: Scene, name: str) -> tuple[Edit, ...]:
    """A group without a name has no key either: the check of the target's key then only warns."""
    target = scene.typed.spec.target
    keys = target.keys or next(iter(scene.typed.node(target.input).keys), ())
    declared = any(check.id == "auto_target_key_not_null" and not check.automatic
                   for check in scene.typed.spec.expectations)  # fmt: skip
    if name not in keys or declared or target.mode != "overwrite":
        return ()
    return (Edit(path="expectations.auto_target_key_not_null.action", value="warn"),)


# --- negated conditions ------------------------------------------------------------------------------------------


def _negated(scene: Scene) -> Iterator[Reading]:
    for field in scene.fields():
        if not field.path.endswith((".condition", ".filter")) or ".rules." in field.path:
            continue
        tree = tree_of(field.text)
        if tree is not None:
            yield from _condition(scene, field, tree)


def _condition(scene: Scene, field: Field, tree: Tree) -> Iterator[Reading]:
    parts = list(tree.flatten()) if isinstance(tree, exp.And) else [tree]
    names: list[str] = []
    other: list[str] = []
    kept = False
    for part in parts:
        found = _other(part)
        column = scene.column(field.node, found[0]) if found is not None else None
        if found is None or column is None or not column.nullable or (names and kept != found[2]):
            other.append(_wrapped(part))
            continue
        names.append(found[0])
        other.append(found[1])
        kept = found[2]
    if not names:
        return
    named = " or ".join(f"`{name}`" for name in dict.fromkeys(names))
    changed = (Edit(path=field.path, value=" AND ".join(other)),)
    keep = Option(id="kept", label="They are kept", edits=() if kept else changed)
    drop = Option(id="left_out", label="They are left out", edits=changed if kept else ())
    identity = field.path.split(".")[1]
    yield Reading(
        Question(
            id=f"nulls:not:{identity}",
            text=f"What becomes of rows without a {named}, of which a condition says what it must not be?",
            why=f"It is not known whether they meet `{field.text[:200]}`.",
            options=(keep, drop) if kept else (drop, keep),
            default="kept" if kept else "left_out",
            path=field.path,
        ),
        f"rows without a {named.replace('`', '')} are {'kept' if kept else 'left out'} by the condition",
        tuple(_watch(field.node, name) for name in dict.fromkeys(names)),
    )


def _wrapped(tree: Tree) -> str:
    return f"({render(tree)})" if isinstance(tree, exp.Or) else render(tree)


def _other(part: Tree) -> tuple[str, str, bool] | None:
    """Of ``x <> 'a'`` and its like: the column, the condition with the other fate of NULL, whether NULL is kept now."""
    part = part.unnest()
    if isinstance(part, exp.NEQ):
        column = _column(part)
        return (column, f"({render(part)} OR {identifier(column)} IS NULL)", False) if column else None
    if not isinstance(part, exp.Not):
        return None
    inner = part.this.unnest()
    if isinstance(inner, exp.Anonymous) and str(inner.this).casefold() == "coalesce" and len(inner.expressions) == 2:
        default, tested = inner.expressions[1], inner.expressions[0].unnest()
        if isinstance(default, exp.Boolean) and not default.this:
            column = _column(tested)
            return (column, f"NOT ({render(tested)})", True) if column else None
        return None
    column = _column(inner)
    if isinstance(inner, exp.Column):
        return inner.name, f"NOT coalesce({render(inner)}, FALSE)", False
    return (column, f"({render(part)} OR {identifier(column)} IS NULL)", False) if column else None


def _column(tree: Tree) -> str | None:
    """The one column that a comparison with values is of."""
    if isinstance(tree, exp.Column):
        return tree.name
    if isinstance(tree, (exp.EQ, exp.NEQ, exp.In, exp.Like, exp.ILike)):
        names = {column.name for column in tree.find_all(exp.Column)}
        return names.pop() if len(names) == 1 else None
    return None
