"""Typing of the steps that take several inputs: join and union. Here the rules of fan-out are decided."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_magic.spec.model import Join, JoinKey, Union
from pipeline_magic.spec.schema import Column
from pipeline_magic.spec.typed import Node
from pipeline_magic.spec.types import common, comparable, parse_type
from pipeline_magic.spec.typing.context import Context, Keys, Typed, find, minimal, type_of, unique_by

__all__ = ["join", "join_columns", "union"]


def join_columns(step: Join, left: Sequence[Column], right: Sequence[Column]) -> tuple[tuple[str, str], ...]:
    """The right input's columns that the result brings, each with the name it has there.

    A right key that is called like its left key is not among them: it stands once, on the left.
    """
    shared = {key.right for key in step.keys if key.right.casefold() == key.left.casefold()}
    prefix = step.prefix if step.prefix is not None else f"{step.right}_"
    taken = {column.name.casefold() for column in left}
    wanted = {name.casefold() for name in step.columns} if step.columns is not None else None
    made = []
    for column in right:
        if column.name in shared or (wanted is not None and column.name.casefold() not in wanted):
            continue
        made.append((column.name, prefix + column.name if column.name.casefold() in taken else column.name))
    return tuple(made)


def join(context: Context, step: Join, left: Node, right: Node) -> Typed:
    path = f"steps.{step.id}"
    keys = _keys(context, step, left, right)
    bring = context.names(f"{path}.columns", step.columns, right.columns) if step.columns is not None else None
    made = step.model_copy(update={"keys": keys, "columns": bring})
    if step.left == step.right:
        context.problem(f"{path}.right", f"`{step.right}` is joined with itself; join it with another step")
    if step.how in {"semi", "anti"}:
        return Typed(made, left.columns, left.keys)
    names = join_columns(made, left.columns, right.columns)
    columns = (*_left_columns(made, left, right), *_right_columns(made, right, names))
    context.distinct(f"{path}.prefix", columns)
    _warn_of_fan_out(context, made, left, right)
    return Typed(made, columns, _result_keys(made, left, right, dict(names)))


def _keys(context: Context, step: Join, left: Node, right: Node) -> tuple[object, ...]:
    path = f"steps.{step.id}.keys"
    if not step.keys:
        context.problem(path, f"without keys every row of `{step.left}` would meet every row of `{step.right}`")
    made = []
    for key in step.keys:
        where = f"{path}.{key.left}"
        one = context.column(f"{where}.left", key.left, left.columns)
        other = context.column(f"{where}.right", key.right, right.columns)
        if one is None or other is None:
            continue
        if not (type_of(one).groupable and type_of(other).groupable):
            context.problem(where, f"`{one.name}` ({one.type}) and `{other.name}` ({other.type}) cannot be compared")
        elif not comparable(type_of(one), type_of(other)):
            context.problem(
                where,
                f"`{one.name}` is of type {one.type} and `{other.name}` of type {other.type}; cast one of them first",
            )
        elif {one.type, other.type} & {"double", "float"}:
            context.warn(where, f"`{one.name}` and `{other.name}` are floating-point numbers, which are seldom equal")
        made.append(key.model_copy(update={"left": one.name, "right": other.name}))
    return tuple(made)


def _left_columns(step: Join, left: Node, right: Node) -> list[Column]:
    shared = {key.left: key.right for key in step.keys if key.left.casefold() == key.right.casefold()}
    keys = {key.left for key in step.keys}
    made = []
    for column in left.columns:
        nullable, kind = column.nullable or step.how in {"right", "full"}, column.type
        other = find(shared.get(column.name, ""), right.columns)
        if other is not None and step.how in {"right", "full"}:
            nullable = other.nullable or (step.how == "full" and column.nullable)
            kind = str(common(parse_type(column.type), parse_type(other.type)) or column.type)
        if step.how == "inner" and column.name in keys:
            nullable = False
        made.append(column.model_copy(update={"nullable": nullable, "type": kind}))
    return made


def _right_columns(step: Join, right: Node, names: Sequence[tuple[str, str]]) -> list[Column]:
    keys = {key.right for key in step.keys}
    made = []
    for old, new in names:
        column = find(old, right.columns)
        assert column is not None
        nullable = column.nullable or step.how in {"left", "full"}
        if step.how == "inner" and old in keys:
            nullable = False
        made.append(column.model_copy(update={"name": new, "nullable": nullable}))
    return made


def _result_keys(step: Join, left: Node, right: Node, names: dict[str, str]) -> Keys:
    lefts, rights = [key.left for key in step.keys], [key.right for key in step.keys]
    one_right, one_left = unique_by(right.keys, rights), unique_by(left.keys, lefts)
    calls = {key.right: key.left for key in step.keys if key.left.casefold() == key.right.casefold()} | names
    right_keys = [tuple(calls[name] for name in key) for key in right.keys if all(name in calls for name in key)]
    if step.how == "full":
        merged = all(_merged_and_sure(key, left, right) for key in step.keys)
        return minimal([lefts]) if one_left and one_right and merged else ()
    made: list[tuple[str, ...]] = [(*one, *other) for one in left.keys for other in right_keys]
    if one_right and step.how in {"inner", "left"}:
        made.extend(left.keys)
    if one_left and step.how in {"inner", "right"}:
        made.extend(right_keys)
    return minimal(made)


def _merged_and_sure(key: JoinKey, left: Node, right: Node) -> bool:
    """Whether a key stands once in a full join's rows, and no row of each side, both NULL there, can be the same."""
    one, other = find(key.left, left.columns), find(key.right, right.columns)
    both = one is not None and other is not None and one.nullable and other.nullable
    return key.left.casefold() == key.right.casefold() and not both


def _warn_of_fan_out(context: Context, step: Join, left: Node, right: Node) -> None:
    """Only where both sides are known to repeat: a missing key alone says nothing, catalogs seldom declare them."""
    if not left.keys or not right.keys:
        return
    if unique_by(right.keys, [key.right for key in step.keys]) or unique_by(left.keys, [key.left for key in step.keys]):
        return
    context.warn(
        f"steps.{step.id}.keys",
        f"neither `{step.left}` nor `{step.right}` is unique by the join keys, so rows may be multiplied",
    )


def union(context: Context, step: Union, nodes: Sequence[Node]) -> Typed:
    path, first = f"steps.{step.id}.inputs", nodes[0]
    kinds = {column.name: type_of(column) for column in first.columns}
    nullable = {column.name: column.nullable for column in first.columns}
    for node in nodes[1:]:
        for column in node.columns:
            own = find(column.name, first.columns)
            if own is None:
                context.problem(path, f"`{node.id}` has the column `{column.name}`, which `{first.id}` has not")
                continue
            kind = common(kinds[own.name], type_of(column))
            if kind is None:
                context.problem(
                    path, f"`{own.name}` is of type {own.type} in `{first.id}` and {column.type} in `{node.id}`"
                )
                continue
            kinds[own.name] = kind
            nullable[own.name] = nullable[own.name] or column.nullable
        for column in first.columns:
            if find(column.name, node.columns) is None:
                context.problem(path, f"`{first.id}` has the column `{column.name}`, which `{node.id}` has not")
    columns = tuple(
        column.model_copy(update={"type": str(kinds[column.name]), "nullable": nullable[column.name]})
        for column in first.columns
    )
    if step.distinct:
        context.groupable(path, [column.name for column in columns], columns)
    return Typed(step, columns, minimal([[column.name for column in columns]]) if step.distinct else ())
