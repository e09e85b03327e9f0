"""Sources, filters before the joins, and the joins: which table is the base, what becomes of rows without a match."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline_magic.agents.specification.planner.draft import Assembly, Plan, sql, tables_of
from pipeline_magic.agents.specification.planner.entities import Ref
from pipeline_magic.agents.specification.planner.intent import Filter, measures_in, refs_in
from pipeline_magic.agents.specification.planner.joingraph import Link
from pipeline_magic.agents.specification.planner.layout import How, Layout, aliases
from pipeline_magic.agents.specification.planner.onerow import add_one_row
from pipeline_magic.agents.specification.planner.unions import add_together
from pipeline_magic.runs import Option, Question
from pipeline_magic.spec.paths import Edit

__all__ = ["add_joins", "add_sources", "base_table", "fixed_links", "multiplied"]


def base_table(plan: Plan, wanted: Sequence[str]) -> str:
    """The table whose rows are kept: said by words; the one side where that is segmented; else what is measured."""
    for keep in plan.keeps:
        if keep.how in {"left", "anti", "semi"}:
            return keep.table
    for item in plan.exists:
        if item.negated and not plan.measures and not plan.groups:
            return item.subject
    if plan.subject and not _reaches_all(plan, plan.subject, wanted):
        return plan.subject
    entity = plan.entity
    first = next((wish.tables[0] for wish in plan.joins if len(wish.tables) > 1), entity)
    if len(plan.read) > 1 and entity in plan.read and first == entity:
        return entity
    if entity and _side_by_side(plan, entity):
        return entity
    facts = [measure.table for measure in plan.measures if measure.table] or list(wanted)
    ranked = sorted(wanted, key=lambda name: (-_reach(plan, name, wanted), name not in facts, wanted.index(name)))
    if len(wanted) > 1 and _reach(plan, ranked[0], wanted) < len(wanted) - 1:
        between = [name for name in plan.tables if name not in wanted and _reach(plan, name, wanted) == len(wanted)]
        direct = [name for name in between if all(_one_step(plan, name, other) for other in wanted)]
        if len(direct) == 1:
            return direct[0]
    return ranked[0]


def _side_by_side(plan: Plan, entity: str) -> bool:
    """``for each store the number of employees and of orders``: neither loses a store that has only the other."""
    facts = list(dict.fromkeys(measure.table for measure in plan.measures if measure.table))
    if len(facts) < 2 or entity in facts:
        return False
    apart = not any(_one_step(plan, one, other) for one in facts for other in facts if one != other)
    return apart and all(_one_step(plan, fact, entity) for fact in facts)


def _reaches_all(plan: Plan, base: str, wanted: Sequence[str]) -> bool:
    return _reach(plan, base, wanted) == len(wanted) - 1


def _one_step(plan: Plan, base: str, other: str) -> bool:
    links = plan.graph.links(base, other)
    return bool(links) and links[0].one in {"right", "both"}


def _reach(plan: Plan, base: str, wanted: Sequence[str]) -> int:
    """How many of the other tables hang on `base` with at most one row each."""
    count = 0
    for other in wanted:
        path = plan.graph.path([base], other, wanted) if other != base else ()
        if path and all(link.one in {"right", "both"} for link in path):
            count += 1
    return count


def fixed_links(plan: Plan) -> dict[frozenset[str], Link]:
    """Links whose columns words or answers name, by the pair of tables."""
    found: dict[frozenset[str], Link] = {}
    for wish in plan.joins:
        tables = wish.tables if len(wish.tables) > 1 else (*plan.read, *wish.tables)
        for left in tables:
            for right in tables:
                for pair in wish.keys:
                    link = _named(plan, left, right, pair)
                    if link is not None:
                        found.setdefault(frozenset({left, right}), link)
    for key, answer in plan.answers.items():
        if key.startswith("keys:"):
            for left in plan.tables:
                for right in plan.tables:
                    for link in plan.graph.links(left, right) if left < right else ():
                        if answer == keys_text(link):
                            found[frozenset({left, right})] = link
    return found


def _named(plan: Plan, left: str, right: str, pair: tuple[str, str]) -> Link | None:
    if left == right:
        return None
    a, b = plan.tables[left].column(pair[0]), plan.tables[right].column(pair[1])
    if a is None or b is None:
        return None
    for link in plan.graph.links(left, right):
        if link.keys == ((a.name, b.name),):
            return link
    one = "right" if plan.tables[right].key == (b.name,) else "left" if plan.tables[left].key == (a.name,) else "none"
    return Link(left, right, ((a.name, b.name),), 0.99, one)


def keys_text(link: Link) -> str:
    """The key columns of a link, for a person and as an answer."""
    return " and ".join(f"{left} = {right}" for left, right in link.keys)


def multiplied(layout: Layout, table: str) -> bool:
    """Whether the joins repeat rows of `table`: some table hangs on the way away from it with many rows each."""
    reached, edges = {table}, list(layout.joins)
    changed = True
    while changed:
        changed = False
        for joined in edges:
            if joined.how in {"anti", "semi"}:
                continue
            link = joined.link
            for here, there, one in (
                (link.left, link.right, {"right", "both"}),
                (link.right, link.left, {"left", "both"}),
            ):
                if here in reached and there not in reached:
                    if link.one not in one:
                        return True
                    reached.add(there)
                    changed = True
    return False


# --- sources -----------------------------------------------------------------------------------------------------


def add_sources(made: Assembly, plan: Plan, layout: Layout) -> dict[str, str]:
    """Sources, with what stands on each before the joins; returns the id that stands for each table."""
    short = aliases([plan.tables[name] for name in layout.tables])
    heads: dict[str, str] = {}
    for name in layout.tables:
        alias = short[name]
        if plan.together is not None and name == plan.together.name:
            heads[name] = add_together(made, plan, plan.together)
            continue
        heads[name] = alias
        made.sources.append({"alias": alias, "table": name})
        named = [use for use in plan.uses if use.table == name]
        columns = [item for item in plan.items if name in tables_of(item)]
        if named or columns:
            made.said(f"sources.{alias}.table", plan.clauses(*(named or columns)))
        else:
            made.assumed(f"sources.{alias}.table", f"{name} links the tables that the statement names")
    casts = _casts(plan, layout)
    for name in layout.tables:
        made.last = heads[name]
        if name in casts:
            typed = [{"column": column, "type": kind} for column, kind in casts[name].items()]
            step: dict[str, Any] = {
                "id": f"cast_{short[name]}"[:63],
                "kind": "cast",
                "columns": typed,
                "on_error": "null",
            }
            identity = made.step(step)
            made.assumed(
                f"steps.{identity}.columns",
                "the join compares text with a number; text that is no number matches nothing",
            )
        here = [item for item in plan.filters if stands_before(plan, layout, item) == name]
        newest = [item for item in plan.latest if item.table == name]
        first = [item for item in here if any(plan.before(item, latest) for latest in newest)]
        for item in first:
            _add_filter(made, plan, layout, item, f"filter_{short[name]}")
        for latest in newest:
            add_one_row(made, plan, latest, short[name])
        for item in here:
            if item not in first:
                _add_filter(made, plan, layout, item, f"filter_{short[name]}")
        heads[name] = made.last
    made.subject = plan.tables[layout.base].short
    made.last = heads[layout.base]
    return heads


def _casts(plan: Plan, layout: Layout) -> dict[str, dict[str, str]]:
    """Text columns that joins compare with numbers, by table, with the type of the other side."""
    found: dict[str, dict[str, str]] = {}
    for joined in layout.joins:
        for left, right in joined.link.keys:
            a, b = plan.tables[joined.link.left].column(left), plan.tables[joined.link.right].column(right)
            if a is None or b is None:
                continue
            for text, number in ((a, b), (b, a)):
                if text.kind == "text" and number.kind == "number":
                    found.setdefault(text.ref.table, {})[text.name] = number.type
    return found


def stands_before(plan: Plan, layout: Layout, item: Filter) -> str | None:
    """The table a filter can stand on before the joins without changing what the words mean."""
    if measures_in(item.expression):
        return None
    tables = {ref.table for ref in refs_in(item.expression)}
    if len(tables) != 1:
        return None
    name = tables.pop()
    if name == layout.base:
        return name
    joined = next((joined for joined in layout.joins if joined.table == name), None)
    if joined is not None and (joined.link.one in {"left", "none"} or joined.how in {"anti", "semi"}):
        return name
    return None


def _add_filter(made: Assembly, plan: Plan, layout: Layout, item: Filter, identity: str) -> None:
    own = Layout(layout.base)
    identity = made.step({"id": identity[:63], "kind": "filter", "condition": sql(own, item.expression)})
    trace_filter(made, plan, item, f"steps.{identity}.condition")


def trace_filter(made: Assembly, plan: Plan, item: Filter, path: str) -> None:
    if item.assumed:
        made.assumed(path, item.assumed, clauses=plan.clauses(item))
    else:
        made.said(path, plan.clauses(item))


# --- joins -------------------------------------------------------------------------------------------------------


def decide_how(plan: Plan, layout: Layout) -> None:
    """Set how each join of the layout keeps rows without a match."""
    from dataclasses import replace

    plan.parting = _parting(plan, layout)
    layout.joins = tuple(replace(joined, how=_how(plan, joined.link)[0]) for joined in layout.joins)


def _parting(plan: Plan, layout: Layout) -> frozenset[str]:
    """Tables that rows are grouped by, and those on the way to them: a row without a partner is in no group."""
    wanted = {ref.table for group in plan.groups for _, text in group.columns for ref in refs_in(text)}
    wanted |= {group.entity for group in plan.groups if group.entity}
    wanted -= {group.entity for group in plan.groups if group.pointer is not None}
    from_table = {joined.table: joined.link.left for joined in layout.joins if joined.link.one in {"right", "both"}}
    found: set[str] = set()
    for name in wanted if plan.measures else ():
        while name in from_table and name not in found:
            found.add(name)
            name = from_table[name]
    return frozenset(found)


def add_joins(made: Assembly, plan: Plan, layout: Layout, heads: dict[str, str]) -> None:
    """The joins, each with its keys, and a question where words do not say what becomes of rows without a match."""
    short = aliases([plan.tables[name] for name in layout.tables])
    for joined in layout.joins:
        alias = short[joined.table]
        how, clauses, said = _how(plan, joined.link)
        pairs = [(layout.names.get(Ref(joined.link.left, left), left), right) for left, right in joined.link.keys]
        step: dict[str, Any] = {
            "id": f"join_{alias}"[:63],
            "kind": "join",
            "left": made.last,
            "right": heads[joined.table],
            "how": how,
            "keys": [{"left": left, "right": right} for left, right in pairs],
        }
        if heads[joined.table] != alias and how not in {"semi", "anti"}:
            step["prefix"] = f"{alias}_"  # as it would be without the steps between the source and the join
        identity = made.step(step)
        path = f"steps.{identity}"
        if said:
            made.said(f"{path}.how", clauses)
        elif _always_matches(plan, layout, joined.link):
            reason = "the catalog declares the key and that it is never NULL, so that every row has its partner"
            made.assumed(f"{path}.how", reason, (), clauses)
        elif joined.table in plan.read or joined.link.left in plan.read or how == "inner":
            _ask_how(made, plan, joined.link, alias, path, clauses, how)
        else:
            made.assumed(
                f"{path}.how",
                f"a left join keeps every row of {plan.tables[joined.link.left].short}",
                ("inner",),
                clauses,
            )
        why = (
            "the catalog declares this key"
            if joined.link.declared
            else "names and types of the columns fit; no key is declared"
        )
        made.assumed(f"{path}.keys", f"joined on {keys_text(joined.link)}: {why}", clauses=clauses)
        _tied_keys(made, plan, joined.link, path, clauses)


def _always_matches(plan: Plan, layout: Layout, link: Link) -> bool:
    """A declared constraint makes a left and an inner join the same: a foreign key that is never NULL, unfiltered."""
    foreign = plan.tables[link.left].schema.foreign_keys
    declared = any(
        key.to_table.casefold() == link.right.casefold()
        and dict(zip(key.columns, key.to_columns, strict=False)) == dict(link.keys)
        for key in foreign
    )
    columns = [plan.tables[link.left].column(left) for left, _ in link.keys]
    filtered = any(stands_before(plan, layout, item) == link.right for item in plan.filters)
    whole = all(column is not None and not column.nullable for column in columns)
    kept = link.left == layout.base or all(
        joined.how == "inner" for joined in layout.joins if joined.table == link.left
    )
    return declared and whole and kept and not filtered and not any(item.table == link.right for item in plan.latest)


def _tied_keys(made: Assembly, plan: Plan, link: Link, path: str, clauses: Sequence[str]) -> None:
    """Two ways to join that fit alike (``origin`` and ``dest`` with an airport) must be told apart by a person."""
    options = [other for other in plan.graph.links(link.left, link.right) if other.score >= link.score - 1e-9]
    identity = f"keys:{plan.tables[link.right].short}"
    many = link.one == "none" and not link.declared and link.score < 0.98
    if (len(options) < 2 and not many) or link.score >= 0.98:
        return
    if plan.answers.get(identity) in {keys_text(option) for option in options}:
        return
    made.questions.append(
        Question(
            id=identity,
            text=f"On which columns are {plan.tables[link.left].short} and {plan.tables[link.right].short} joined?",
            why="Both sides can have many rows for one value, so that the join would multiply rows."
            if many
            else "More than one pair of columns fits alike.",
            options=tuple(Option(id=keys_text(option), label=keys_text(option)) for option in options),
            path=f"{path}.keys",
            clauses=tuple(clauses),
        )
    )


def _how(plan: Plan, link: Link) -> tuple[How, tuple[str, ...], bool]:
    """How to join, the clauses that ask for the join, and whether words say how."""
    for keep in plan.keeps:
        if {keep.table, keep.other} == {link.left, link.right}:
            return keep.how, plan.clauses(keep), True
    if plan.subject == link.left and link.one not in {"right", "both"}:
        return "semi", plan.clauses(*plan.filters), True
    for wish in plan.joins:
        if wish.how is not None and (not wish.tables or link.right in wish.tables):
            return wish.how, plan.clauses(wish), True
    wishes = [wish for wish in plan.joins if not wish.tables or link.right in wish.tables]
    how: How = "inner" if link.right in plan.parting else "left"
    return how, plan.clauses(*wishes), False


def _ask_how(made: Assembly, plan: Plan, link: Link, alias: str, path: str, clauses: Sequence[str], how: How) -> None:
    left, right = plan.tables[link.left].short, plan.tables[link.right].short
    question, path = f"join:{alias}", f"{path}.how"
    if how == "inner":
        made.assumed(path, f"a row of {left} without a match in {right} is in no group", ("left",), clauses, question)
    else:
        made.assumed(path, f"a left join keeps every row of {left}", ("inner",), clauses, question)
    made.questions.append(
        Question(
            id=question,
            text=f"Keep rows of {left} that have no match in {right}?",
            why="The statement joins the tables and does not say what becomes of rows without a match.",
            options=(
                Option(
                    id="left", label=f"Keep every row of {left} (left join)", edits=(Edit(path=path, value="left"),)
                ),
                Option(
                    id="inner",
                    label=f"Only rows of {left} with a match in {right} (inner join)",
                    edits=(Edit(path=path, value="inner"),),
                ),
            ),
            default=how,
            path=path,
            clauses=tuple(clauses),
        )
    )
