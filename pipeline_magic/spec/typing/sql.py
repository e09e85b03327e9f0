"""Typing of the sql step: one SELECT over the declared inputs, held to the same allow-list as every expression.

Allowed: WITH, DISTINCT, joins with ON, WHERE, GROUP BY, HAVING, windows, UNION [ALL], subqueries in FROM, ORDER BY with
LIMIT. Not allowed, by name: tables that are no inputs, subqueries in expressions, joins without a condition, positions
instead of names, and whatever gives another answer on another run. The text that runs is rendered from the tree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from pipeline_magic.spec.dialect import NotAnExpression, Tree, identifier, parse_query, render, render_query
from pipeline_magic.spec.expressions import Checker, Value, nearest
from pipeline_magic.spec.model import Sql
from pipeline_magic.spec.schema import Column
from pipeline_magic.spec.typed import Node, TypedSpec
from pipeline_magic.spec.types import BOOLEAN, common, parse_type
from pipeline_magic.spec.typing.context import Context, Typed

__all__ = ["column_sources", "deciding_columns", "sql"]

Origin = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class _Field:
    """A column of a relation, and the input columns it is made of."""

    column: Column
    origin: Origin


Relation = tuple[_Field, ...]


def sql(context: Context, step: Sql, nodes: Sequence[Node]) -> Typed:
    path = f"steps.{step.id}.query"
    try:
        tree = parse_query(step.query)
        reader = _Reader({node.id: _relation(node) for node in nodes})
        found = reader.query(tree, {})
        text = "" if reader.faults else render_query(tree)
    except NotAnExpression as error:
        context.problem(path, error.message, position=error.position)
        return Typed(step, ())
    except RecursionError:
        context.problem(path, "the query nests too deep")
        return Typed(step, ())
    for fault in reader.faults:
        context.problem(path, fault.message, fault.available, fault.position)
    for name in step.inputs:
        if name not in reader.read and not reader.faults:
            context.problem(f"steps.{step.id}.inputs", f"the query does not read `{name}`")
    columns = tuple(field.column for field in found)
    context.distinct(path, columns)
    if reader.faults:
        return Typed(step, ())
    return Typed(step.model_copy(update={"query": text}), columns)


def column_sources(typed: TypedSpec, step: Sql) -> tuple[tuple[str, tuple[str, str]], ...]:
    """For each output column of a checked sql step: the input columns its value is made of, as (input, column)."""
    reader = _Reader({name: _relation(typed.node(name)) for name in step.inputs})
    found = reader.query(parse_query(step.query), {})
    return tuple((field.column.name, place) for field in found for place in sorted(field.origin))


def deciding_columns(typed: TypedSpec, step: Sql) -> tuple[tuple[str, str], ...]:
    """The input columns that decide which rows a checked sql step makes: conditions, groups, limits, DISTINCT."""
    reader = _Reader({name: _relation(typed.node(name)) for name in step.inputs})
    reader.query(parse_query(step.query), {})
    return tuple(sorted(reader.decides))


def _relation(node: Node) -> Relation:
    return tuple(_Field(column, frozenset({(node.id, column.name)})) for column in node.columns)


class _Scope(Checker):
    """Typing of expressions over several relations, with windows."""

    def __init__(self, relations: Mapping[str, Relation], outputs: Relation = ()) -> None:
        flat = [field.column for relation in relations.values() for field in relation]
        super().__init__(flat, "row", set())
        self.place = "query"  # type: ignore[assignment]  # neither row nor aggregate: both may stand here
        self.relations = relations
        self.outputs = outputs
        self.used: set[tuple[str, str]] = set()
        self.grouped: set[str] | None = None

    def column(self, node: exp.Column) -> Value:
        parts = [p for p in (node.args.get("catalog"), node.args.get("db"), node.args.get("table"), node.this) if p]
        if isinstance(node.this, exp.Star):
            return self.fault("`*` stands alone in the list of columns, or after a table's name", node=node)
        names = [part.name for part in parts]
        owner = next((alias for alias in self.relations if alias.casefold() == names[0].casefold()), None)
        matches = self._matches(names, owner)
        if not matches:
            available = [field.column.name for field in self._fields(owner)]
            return self.fault(f"there is no column `{'.'.join(names)}`", nearest(names[-1], available), node)
        if len(matches) > 1:
            holders = ", ".join(f"`{alias}`" for alias, _, _ in matches)
            return self.fault(f"`{names[0]}` is in {holders}; name the table", node=node)
        alias, field, rest = matches[0]
        self.used |= field.origin
        value = Value(parse_type(field.column.type), field.column.nullable)
        spelled = [*([alias] if alias else []), field.column.name]
        for name in rest:
            inner = self.field(value, name, f"`{'.'.join(spelled)}`", node)
            if inner is None:
                return Value(value.type, bad=True)
            spelled.append(inner[0])
            value = inner[1]
        text = ".".join(identifier(part) for part in spelled)
        if self.grouped is not None and not self.depth and not {text, field.column.name} & self.grouped:
            return self.fault(f"`{text}` stands outside an aggregate and is not in GROUP BY", node=node)
        node.replace(exp.Var(this=text))
        return value

    def _fields(self, owner: str | None) -> Relation:
        if owner is not None:
            return self.relations[owner]
        return tuple(field for relation in self.relations.values() for field in relation)

    def _matches(self, names: list[str], owner: str | None) -> list[tuple[str, _Field, list[str]]]:
        if owner is not None and len(names) > 1:
            wanted = names[1].casefold()
            found = [field for field in self.relations[owner] if field.column.name.casefold() == wanted]
            return [(owner, field, names[2:]) for field in found]
        wanted = names[0].casefold()
        inside = [
            (alias, field, names[1:])
            for alias, relation in self.relations.items()
            for field in relation
            if field.column.name.casefold() == wanted
        ]
        outer = [("", field, names[1:]) for field in self.outputs if field.column.name.casefold() == wanted]
        return inside or outer

    def window(self, node: exp.Window) -> Value:
        call = node.this
        if not isinstance(call, exp.Anonymous) or node.args.get("alias"):
            return self.fault("OVER follows a function, and takes PARTITION BY and ORDER BY", node=node)
        grouped, self.grouped = self.grouped, None
        value = self.value(call)
        for key in list(node.args.get("partition_by") or ()):
            self.value(key)
        order = node.args.get("order")
        for key in list(order.expressions) if order is not None else ():
            self.value(key.this)
        self.grouped = grouped
        return value


class _Reader:
    """Reads queries from the inside out; every relation it meets must be an input or a common table expression."""

    def __init__(self, inputs: Mapping[str, Relation]) -> None:
        self.inputs = inputs
        self.read: set[str] = set()
        self.decides: set[tuple[str, str]] = set()
        self.faults: list[Any] = []

    def fault(self, message: str, node: Tree | None = None, available: Sequence[str] = ()) -> None:
        scope = _Scope({})
        scope.fault(message, available, node)
        self.faults += scope.faults

    def query(self, node: Tree, known: Mapping[str, Relation]) -> Relation:
        if isinstance(node, exp.Subquery) and not node.args.get("alias"):
            return self.query(node.this, known)
        known = dict(known)
        self.allowed(node)
        clause = node.args.get("with_")
        if clause is not None:
            if clause.args.get("recursive"):
                self.fault("a recursive query is not allowed", node)
            for item in clause.expressions:
                known[item.alias] = self.query(item.this, known)
                item.set("alias", exp.TableAlias(this=_name(item.alias)))
        if isinstance(node, exp.Union):
            made = self.union(node, known)
        elif isinstance(node, exp.Select):
            made = self.select(node, known)
        else:
            self.fault(f"{type(node).__name__.upper()} is not allowed in a query", node)
            return ()
        return made

    def allowed(self, node: Tree) -> None:
        common_parts = {"with_", "order", "limit", "this", "expression", "distinct", "by_name", "expressions"}
        parts = common_parts | {"from_", "joins", "where", "group", "having"}
        for key, value in node.args.items():
            if value and key not in parts:
                self.fault(f"{key.strip('_').upper().replace('_', ' ')} is not allowed in a query", node)
        if node.args.get("limit") and not node.args.get("order"):
            self.fault("LIMIT without ORDER BY gives other rows on every run", node)
        if node.args.get("order") and not node.args.get("limit"):
            self.fault("ORDER BY without LIMIT orders nothing that is kept; leave it out", node)

    def union(self, node: exp.Union, known: Mapping[str, Relation]) -> Relation:
        left, right = self.query(node.this, known), self.query(node.expression, known)
        if len(left) != len(right):
            self.fault(f"the sides of UNION have {len(left)} and {len(right)} columns", node)
            return left
        made = []
        for one, other in zip(left, right, strict=True):
            kind = common(parse_type(one.column.type), parse_type(other.column.type))
            if kind is None:
                self.fault(f"`{one.column.name}` is {one.column.type} on one side and {other.column.type} on the other")
                kind = parse_type(one.column.type)
            nullable = one.column.nullable or other.column.nullable
            column = one.column.model_copy(update={"type": str(kind), "nullable": nullable})
            made.append(_Field(column, one.origin | other.origin))
        self.ordered(node, {}, tuple(made))
        if node.args.get("distinct"):
            self.decides.update(*(field.origin for field in made))
        return tuple(made)

    def select(self, node: exp.Select, known: Mapping[str, Relation]) -> Relation:
        relations = self.relations(node, known)
        self.condition(node.args.get("where"), relations, "WHERE")
        if node.args.get("distinct") and node.args["distinct"].args.get("on"):
            self.fault("DISTINCT ON is not allowed in a query", node)
        groups = self.groups(node, relations)
        made = self.outputs(node, relations, groups)
        if node.args.get("distinct"):
            self.decides.update(*(field.origin for field in made))
        having = node.args.get("having")
        if having is not None:
            self.typed(having.this, relations, groups if groups is not None else set(), (), "HAVING")
        self.ordered(node, relations, made)
        return made

    def groups(self, node: exp.Select, relations: Mapping[str, Relation]) -> set[str] | None:
        """Texts that may stand outside an aggregate; None where the query does not aggregate."""
        group = node.args.get("group")
        if group is None:
            from pipeline_magic.spec.functions import FUNCTIONS

            calls = [call for item in node.expressions for call in item.find_all(exp.Anonymous)]
            named = [FUNCTIONS.get(str(call.this).lower()) for call in calls if not call.find_ancestor(exp.Window)]
            return set() if any(function and function.kind == "aggregate" for function in named) else None
        if any(value for key, value in group.args.items() if key != "expressions"):
            self.fault("ROLLUP, CUBE and GROUPING SETS are not allowed in a query; use aggregate steps", node)
        texts: set[str] = set()
        for index in range(len(group.expressions)):
            if isinstance(group.expressions[index], exp.Literal):
                self.fault("GROUP BY names columns, not their positions", node)
                continue
            self.decides |= self.typed(group.expressions[index], relations, None, (), "")[1]
            text = render(group.expressions[index])
            texts |= {text, text.rpartition(".")[2]}
        return texts

    def outputs(self, node: exp.Select, relations: Mapping[str, Relation], groups: set[str] | None) -> Relation:
        made: list[_Field] = []
        for item in list(node.expressions):
            if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
                made.extend(self.star(item, relations, groups))
                continue
            inner = item.this if isinstance(item, exp.Alias) else item
            name = item.alias if isinstance(item, exp.Alias) else inner.name if isinstance(inner, exp.Column) else ""
            if not name:
                self.fault("a computed column needs a name: … AS name", item)
                continue
            value, used = self.typed(inner, relations, groups, (), "")
            if value.type.name in {"void", "interval"} and not value.bad:
                self.fault(f"`{name}` is of type {value.type}; cast it", item)
            spelled = next(iter(used))[1] if isinstance(inner, exp.Column) and len(used) == 1 else name
            if isinstance(item, exp.Alias):
                item.set("alias", _name(name))
                spelled = name
            elif spelled.casefold() != name.casefold():
                spelled = name
            made.append(_Field(Column(name=spelled, type=str(value.type), nullable=value.nullable), frozenset(used)))
        return tuple(made)

    def star(self, item: Tree, relations: Mapping[str, Relation], groups: set[str] | None) -> Relation:
        if groups is not None:
            self.fault("`*` is not allowed beside an aggregate", item)
        if item.args.get("except_") or item.args.get("replace") or item.args.get("rename"):
            self.fault("`* EXCEPT` is not allowed in a query; name the columns", item)
        if isinstance(item, exp.Star):
            return tuple(field for relation in relations.values() for field in relation)
        wanted = str(item.args["table"].name).casefold()
        alias = next((name for name in relations if name.casefold() == wanted), None)
        if alias is None:
            self.fault(f"there is no table `{wanted}` in FROM", item, nearest(wanted, relations))
            return ()
        item.replace(exp.Var(this=f"{identifier(alias)}.*"))
        return relations[alias]

    # -- FROM

    def relations(self, node: exp.Select, known: Mapping[str, Relation]) -> dict[str, Relation]:
        made: dict[str, Relation] = {}
        start = node.args.get("from_")
        if start is None:
            self.fault("a query reads FROM one of the inputs", node)
            return made
        self.relation(start.this, known, made)
        for join in node.args.get("joins") or ():
            before = dict(made)
            alias = self.relation(join.this, known, made)
            side, kind = str(join.side or ""), str(join.kind or "")
            if join.args.get("using") or join.method or kind not in {"", "INNER", "OUTER", "SEMI", "ANTI"}:
                self.fault("a join is written with ON: INNER, LEFT, RIGHT, FULL, LEFT SEMI or LEFT ANTI", join.this)
            on = join.args.get("on")
            if on is None:
                self.fault("a join without ON would match every row with every row", join.this)
            else:
                self.typed(on, made, None, (), "ON")
            if kind in {"SEMI", "ANTI"} and alias:
                del made[alias]
            if side in {"LEFT", "FULL"} and alias in made:
                made[alias] = _nullable(made[alias])
            if side in {"RIGHT", "FULL"}:
                made.update({name: _nullable(relation) for name, relation in before.items()})
        return made

    def relation(self, node: Tree, known: Mapping[str, Relation], made: dict[str, Relation]) -> str:
        alias = str(node.alias or "")
        if isinstance(node, exp.Subquery):
            if not alias:
                self.fault("a subquery in FROM needs a name: (SELECT …) AS name", node)
            found, alias = self.query(node.this, known), alias or "_"
            node.set("alias", exp.TableAlias(this=_name(alias)))
        elif isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            found, alias = self.table(node, known, alias)
        else:
            self.fault("FROM names an input, a common table expression or a subquery", node)
            return ""
        if alias in made:
            self.fault(f"two tables in FROM are called `{alias}`", node)
        made[alias] = found
        return alias

    def table(self, node: exp.Table, known: Mapping[str, Relation], alias: str) -> tuple[Relation, str]:
        available = [*known, *self.inputs]
        for key, value in node.args.items():
            if value and key not in {"this", "alias"}:
                message = (
                    "a table is an input of the step, named by one word"
                    if key in {"db", "catalog"}
                    else (f"{key.strip('_').upper()} after a table is not allowed in a query")
                )
                self.fault(message, node, available)
        name = next((other for other in available if other.casefold() == node.name.casefold()), None)
        if name is None:
            self.fault(f"there is no input `{node.name}`", node, nearest(node.name, available))
            return (), alias or node.name
        if name not in known:
            self.read.add(name)
        node.set("this", _name(name))
        if alias:
            node.set("alias", exp.TableAlias(this=_name(alias)))
        return {**self.inputs, **known}[name], alias or name

    # -- expressions

    def condition(self, clause: Tree | None, relations: Mapping[str, Relation], word: str) -> None:
        if clause is not None:
            self.typed(clause.this, relations, None, (), word)

    def typed(
        self, node: Tree, relations: Mapping[str, Relation], groups: set[str] | None, outputs: Relation, word: str
    ) -> tuple[Value, set[tuple[str, str]]]:
        scope = _Scope(relations, outputs)
        scope.grouped = groups
        if groups is not None and groups and not isinstance(node, exp.Column):
            probe = _Scope(relations, outputs)
            copy = exp.Paren(this=node.copy())
            probe.value(copy.this)
            if not probe.faults and render(copy.this) in groups:
                scope.grouped = None  # the whole expression is one that is grouped by
        value = scope.value(node)
        if word and not value.bad and value.type != BOOLEAN:
            scope.fault(f"{word} takes a condition, and this is of type {value.type}", node=node)
        if word in {"WHERE", "ON"} and scope.computes:
            scope.fault(f"an aggregate or window function cannot stand in {word}", node=node)
        self.faults += scope.faults
        if word:
            self.decides |= scope.used
        return value, scope.used

    def ordered(self, node: Tree, relations: Mapping[str, Relation], outputs: Relation) -> None:
        order = node.args.get("order")
        for key in order.expressions if order is not None else ():
            if isinstance(key.this, exp.Literal):
                self.fault("ORDER BY names columns, not their positions", node)
                continue
            self.decides |= self.typed(key.this, relations, None, outputs, "")[1]
        limit = node.args.get("limit")
        if limit is not None and not (
            isinstance(limit.expression, exp.Literal) and str(limit.expression.this).isdecimal()
        ):
            self.fault("LIMIT takes a whole number", node)


def _nullable(relation: Relation) -> Relation:
    return tuple(replace(field, column=field.column.model_copy(update={"nullable": True})) for field in relation)


def _name(name: str) -> exp.Identifier:
    return exp.Identifier(this=name, quoted=identifier(name) != name)
