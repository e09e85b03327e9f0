"""Shares of a whole, and ranks: ``share of all orders``, ``share of each merchant in the total``.

Here: reading the words. A share is of everything that is read, also of groups that a condition leaves out later.
"""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.counts import counted
from pipeline_magic.agents.specification.planner.entities import TableInfo
from pipeline_magic.agents.specification.planner.grouping import read_group
from pipeline_magic.agents.specification.planner.intent import (
    Filter,
    Group,
    Item,
    Measure,
    Note,
    Use,
    Windowed,
    col,
    measure_ref,
    measures_in,
    refs_in,
)
from pipeline_magic.agents.specification.planner.measures import read_measure
from pipeline_magic.agents.specification.planner.windowed import (
    last_value,
    over_at,
    subject_at,
)
from pipeline_magic.agents.specification.planner.windows import PERCENT
from pipeline_magic.spec.names import slug

__all__ = ["read_share"]


def read_share(c: Context, i: int) -> Found | None:
    """A share of everything, the unit it is said in, or a rank."""
    for read in (_share_of_all, _percent, _rank):
        found = read(c, i)
        if found is not None:
            return found
    return None


_SHARE = (
    "share of|the share of|percentage of|percent of|fraction of|proportion of|contribution to|the contribution to|"
    "the percentage of|the proportion of|share in|% of|its share of|their share of"
)


def _share_of_all(c: Context, i: int) -> Found | None:
    """``share of all orders``, ``share of the total principal in percent``: of each group, in all groups."""
    at = c.match(c.skip(i, "its|their|the|a"), _SHARE)
    if at is None:
        return None
    percent = re.fullmatch(r"percent\w*|%", c.low(at - 2)) is not None
    each = _share_of_each(c, i, at, percent) if c.low(at) in {"each", "every"} else None
    if each is not None:
        return each
    whole = c.match(
        at,
        "the total number of|total number of|all the|all|the total|total|the overall|overall|the whole|"
        "the grand total|grand total|the sum",
    )
    if whole is None:
        return None
    table = c.table_at(whole)
    items: tuple[Item, ...]
    if table is not None and _narrowed(c, i, table.table):
        return None
    if table is not None and _ends(c, table.end):
        made = Measure(i, table.end, f"{table.table.words[-1]}_count", counted(c, table.table), table.table.name)
        known = next((old for old in c.of(Measure) if old.expression == made.expression), None)
        end, words = table.end, (known or made).name
        text, items = measure_ref(words), () if known else (Use(table.start, table.end, table.table.name), made)
    else:
        subject = _whole(c, whole, i) if table is None else None
        if subject is None:
            return None
        end, text, words, items = subject
    after = c.match(end, PERCENT)
    share = f"{text} / nullif({measure_ref(slug(f'all_{words}'))}, 0)"
    percent = percent or after is not None
    column = (slug(f"{words}_{'percentage' if percent else 'share'}"), f"100 * {share}" if percent else share)
    window = Windowed(i, after or end, slug(f"all_{words}"), f"sum({text})", (), (), None, (column,), shown=False)
    return Found(after or end, "measure", (*items, window))


def _narrowed(c: Context, i: int, table: TableInfo) -> bool:
    """``cancelled orders … as a percentage of all orders``: the whole may be more than the rows that were kept."""
    for item in c.of(Filter):
        refs = refs_in(item.expression)
        dated = any(
            (column := c.linker.tables[ref.table].column(ref.column)) is not None
            and column.kind in {"date", "timestamp"}
            for ref in refs
        )
        if c.starts[item.start] == c.starts[i] and any(ref.table == table.name for ref in refs) and not dated:
            return True
    return False


def _share_of_each(c: Context, i: int, at: int, percent: bool) -> Found | None:
    """``share of each merchant in the total amount``: the groups, what is measured, and its share of everything."""
    group = read_group(c, at) or read_group(c, at - 1)
    inside = c.match(group.end, "in the|in|of the|of|at the") if group is not None else None
    measured = read_measure(c, inside) if inside is not None else None
    made = [item for item in measured.items if isinstance(item, Measure)] if measured is not None else []
    if group is None or measured is None or len(made) != 1:
        return None
    name = made[0].name
    share = f"{measure_ref(name)} / nullif({measure_ref(slug(f'all_{name}'))}, 0)"
    after = c.match(measured.end, PERCENT)
    percent = percent or after is not None or any(c.low(j) in {"percent", "%"} for j in range(measured.end, c.end(i)))
    column = (slug(f"{name}_{'percentage' if percent else 'share'}"), f"100 * {share}" if percent else share)
    text = f"sum({measure_ref(name)})"
    window = Windowed(i, after or measured.end, slug(f"all_{name}"), text, (), (), None, (column,), shown=False)
    return Found(after or measured.end, "measure", (*group.items, *measured.items, window))


_IN_PERCENT = re.compile(r"(?:, |\( )?(?:in|as a|as) (?:percent|percentage|percentages|%|per cent)(?: \))?")


def _percent(c: Context, i: int) -> Found | None:
    """``…, in percent`` at the end of a sentence in which a share was read that is one already."""
    found = c.words(i, _IN_PERCENT) if c.low(i) in {",", "(", "in", "as"} else None
    if found is None or (found[0] < c.end(i) and c.low(found[0]) not in {".", ",", ";", "?"}):
        return None
    here = [item for item in c.of(Windowed) if c.starts[item.start] == c.starts[i]]
    if not here or not here[-1].columns or not here[-1].columns[-1][1].startswith("100 * "):
        return None
    return Found(found[0], "measure", (Note(i, found[0]),))


def _whole(c: Context, whole: int, i: int) -> tuple[int, str, str, tuple[Item, ...]] | None:
    """A column or measure whose sum over everything is the whole; without a word of its own, what was measured last."""
    link = c.linker.column_at(whole, kinds=("number",), least=0.8)
    if link is not None and link.end <= c.end(i):
        expression = f"sum({col(link.ref)})"
        known = next((old for old in c.of(Measure) if old.expression == expression), None)
        name = known.name if known else slug(f"total_{' '.join(link.column.words)}")
        made = Measure(i, link.end, name, expression, link.ref.table, tuple(link.column.words))
        return link.end, measure_ref(name), name, () if known else (made,)
    found = read_measure(c, whole)
    made_ = [item for item in found.items if isinstance(item, Measure)] if found is not None else []
    if found is not None and len(made_) == 1:
        return found.end, measure_ref(made_[0].name), made_[0].name, found.items
    last = last_value(c)
    if last is not None and measures_in(last[0]) and _ends(c, whole):
        return whole, last[0], last[1], ()
    return None


def _ends(c: Context, i: int) -> bool:
    return i >= c.end(i - 1) or c.low(i) in {
        ",",
        ".",
        ";",
        "and",
        "in",
        "per",
        "by",
        "for",
        ")",
        "as",
        "together",
        "with",
    }


def _rank(c: Context, i: int) -> Found | None:
    """``rank the nations by total balance``, ``rank of the client by total principal within its country``."""
    verb = c.verb(i, "rank") and c.low(i) != "ranked"
    at = i + 1 if verb else c.match(c.skip(i, "the|a|its|their|add a|add the"), "rank|ranking|position")
    if at is None:
        return None
    at = c.skip(at, "of|all|the|each|every|them|those")
    link = c.table_at(at)
    column = c.linker.column_at(at, least=0.8) if link is None else None
    items: list[Item] = []
    end = at
    if link is not None:
        end = link.end
        items.append(Use(link.start, link.end, link.table.name))
    elif column is not None and column.end <= c.end(i):
        end = column.end
    end, over, more = over_at(c, end, "") or (end, None, ())
    by = c.match(end, "by|based on|on|according to|in terms of|, by")
    subject = subject_at(c, by) if by is not None else None
    if subject is None:
        return None
    end, text, _, made = subject
    items += [*made, *more]
    if over is None:
        parts = over_at(c, end, "")
        if parts is not None:
            end, over = parts[0], parts[1]
            items += parts[2]
    up = c.match(c.skip(end, ",|("), "lowest first|ascending|smallest first|from lowest to highest|in ascending order")
    down = c.match(c.skip(end, ",|("), "highest first|descending|largest first|biggest first|in descending order")
    tail = up if up is not None else down
    end = c.skip(tail, ")") if tail is not None else end
    grouped = any(isinstance(item, Group) for item in (*c.items, *items))
    if measures_in(text) and link is not None and not grouped:
        items.append(_entity(i, end, link.table))
    elif measures_in(text) and column is not None and not grouped:
        items.append(Group(i, end, ((column.column.name, col(column.ref)),)))
    window = Windowed(
        i,
        end,
        "rank",
        "rank()",
        over or (),
        ((text, up is None),),
        None,
        assumed="equal values share a rank, and the next one is left out",
    )
    return Found(end, "measure", (*items, window))


def _entity(i: int, end: int, table: TableInfo) -> Group:
    from pipeline_magic.agents.specification.planner.grouping import entity_columns

    columns = tuple((column.name, col(column.ref)) for column in entity_columns(table))
    return Group(i, end, columns, table.name)
