"""The scan: readers tried in order at every token, and clauses made of what they read.

A token that a reader took belongs to a clause of the reader's kind. Words without content of their own go with their
neighbours. What is left over is `unmatched`, and stays visible: nothing of a statement is dropped silently.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from pipeline_magic.agents.specification.planner.backrefs import read_percentage_of_that
from pipeline_magic.agents.specification.planner.bothsides import read_both_sides
from pipeline_magic.agents.specification.planner.bounds import read_new_bound
from pipeline_magic.agents.specification.planner.busiest import read_busiest, read_which_period
from pipeline_magic.agents.specification.planner.checks import read_check
from pipeline_magic.agents.specification.planner.cleaning import read_change
from pipeline_magic.agents.specification.planner.columns import read_columns, read_derive
from pipeline_magic.agents.specification.planner.context import Context, Found, Reader
from pipeline_magic.agents.specification.planner.counts import read_bound, read_having
from pipeline_magic.agents.specification.planner.definitions import find_definitions, read_definition
from pipeline_magic.agents.specification.planner.durations import find_durations, read_duration
from pipeline_magic.agents.specification.planner.either import joined_by_or
from pipeline_magic.agents.specification.planner.explained import read_explained
from pipeline_magic.agents.specification.planner.extremes import read_extreme
from pipeline_magic.agents.specification.planner.filters import read_filter
from pipeline_magic.agents.specification.planner.grouping import read_group
from pipeline_magic.agents.specification.planner.harmless import harmless, weighty
from pipeline_magic.agents.specification.planner.intent import Item, Measure, Place, Shape, Timing, Use
from pipeline_magic.agents.specification.planner.joinwords import read_join, read_keep, read_lacking, read_sources
from pipeline_magic.agents.specification.planner.keeping import read_kept
from pipeline_magic.agents.specification.planner.keyshown import read_key_shown
from pipeline_magic.agents.specification.planner.labelling import read_labelling
from pipeline_magic.agents.specification.planner.latest import read_latest
from pipeline_magic.agents.specification.planner.leftout import read_left_out
from pipeline_magic.agents.specification.planner.lexicon import CARRIERS, FILLER, STOP
from pipeline_magic.agents.specification.planner.listing import lost_names, read_listed, read_shown_thing
from pipeline_magic.agents.specification.planner.matching import is_loose, read_matching
from pipeline_magic.agents.specification.planner.measures import read_measure
from pipeline_magic.agents.specification.planner.named import find_named, read_named
from pipeline_magic.agents.specification.planner.neighbours import read_neighbour
from pipeline_magic.agents.specification.planner.nested import read_nested
from pipeline_magic.agents.specification.planner.pairs import read_pair
from pipeline_magic.agents.specification.planner.periodforms import form_questions, read_form
from pipeline_magic.agents.specification.planner.pivots import read_pivot
from pipeline_magic.agents.specification.planner.places import read_places
from pipeline_magic.agents.specification.planner.ranking import read_top
from pipeline_magic.agents.specification.planner.ratios import read_ratio
from pipeline_magic.agents.specification.planner.recurring import asks_for_groups
from pipeline_magic.agents.specification.planner.relations import read_relation
from pipeline_magic.agents.specification.planner.relatives import read_among, read_those, read_who, read_whole
from pipeline_magic.agents.specification.planner.rounding import read_rounding
from pipeline_magic.agents.specification.planner.segments import read_flag, read_segment
from pipeline_magic.agents.specification.planner.shares import read_share
from pipeline_magic.agents.specification.planner.shownagain import lost_each, lost_roles, read_shown_again, read_unit
from pipeline_magic.agents.specification.planner.spreads import read_spread
from pipeline_magic.agents.specification.planner.states import find_states, read_rate, read_state
from pipeline_magic.agents.specification.planner.text import Token
from pipeline_magic.agents.specification.planner.timing import read_timing
from pipeline_magic.agents.specification.planner.unions import read_together
from pipeline_magic.agents.specification.planner.verbs import read_their_deed
from pipeline_magic.agents.specification.planner.windows import read_window
from pipeline_magic.agents.specification.planner.zeros import read_how_often, read_with_none
from pipeline_magic.runs import Question
from pipeline_magic.spec.names import slug
from pipeline_magic.spec.provenance import Clause

__all__ = ["Scanned", "phrases", "scan", "segments"]

READERS: tuple[Reader, ...] = (
    read_matching,
    read_together,
    read_state,
    read_duration,
    read_form,
    read_which_period,
    read_busiest,
    read_spread,
    read_definition,
    read_pivot,
    read_kept,
    read_with_none,
    read_how_often,
    read_their_deed,
    read_pair,
    read_both_sides,
    read_relation,
    read_among,
    read_those,
    read_whole,
    read_who,
    read_rate,
    read_nested,
    read_named,
    read_change,
    read_sources,
    read_new_bound,
    read_left_out,
    read_check,
    read_latest,
    read_labelling,
    read_segment,
    read_flag,
    read_keep,
    read_join,
    read_lacking,
    read_having,
    read_bound,
    read_neighbour,
    read_window,
    read_share,
    read_top,
    read_extreme,
    read_derive,
    read_percentage_of_that,
    read_rounding,
    read_ratio,
    read_measure,
    read_explained,
    read_group,
    read_filter,
    read_shown_thing,
    read_key_shown,
    read_shown_again,
    read_unit,
    read_columns,
    read_listed,
)


@dataclass
class Scanned:
    """What was read: items in order, the kind of each token, and questions that readers raised."""

    items: list[Item] = field(default_factory=list)
    kinds: list[str | None] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    harmless: frozenset[int] = frozenset()


_BULLET = re.compile(r"(?m)^[ \t]*(?:\d{1,2}[.)]|[-*•–]|[a-z][.)])[ \t]+")


def segments(statement: str, tokens: Sequence[Token]) -> tuple[list[int], list[int]]:
    """For each token the first token of its segment, and the one after its last: list items, sentences, ``;``."""
    breaks = {match.start() for match in _BULLET.finditer(statement)} | {
        m.end() for m in re.finditer(r"\n\s*\n|:\s*\n", statement)
    }
    bullets = [match.span() for match in _BULLET.finditer(statement)]
    if bullets:
        breaks |= {match.end() for match in re.finditer(r"\n", statement)}
    starts: list[int] = []
    first = 0
    places = sorted(breaks)
    for index, token in enumerate(tokens):
        if index and (
            bisect_right(places, token.start) > bisect_left(places, tokens[index - 1].end)
            or tokens[index - 1].text in {";", "?", "!"}
            or (
                tokens[index - 1].text == "."
                and tokens[index - 1].end < token.start
                and not _within(tokens[index - 1], bullets)
            )
        ):
            first = index
        starts.append(first)
    ends = [len(tokens)] * len(tokens)
    for index in range(len(tokens) - 2, -1, -1):
        ends[index] = ends[index + 1] if starts[index] == starts[index + 1] else index + 1
    return starts, ends


def _within(token: Token, spans: Sequence[tuple[int, int]]) -> bool:
    return any(start <= token.start < end for start, end in spans)


def phrases(
    statement: str,
    tokens: Sequence[Token],
    known: Callable[[str], bool],
    column: Callable[[str], bool] = lambda _: False,
) -> dict[int, Found]:
    """Schedule, target, mode and deployment, read over the text; by the index of their first token."""
    found: dict[int, Found] = {}
    taken: set[int] = set()

    def span(start: int, end: int) -> tuple[int, int] | None:
        inside = [i for i, token in enumerate(tokens) if token.start < end and token.end > start]
        if not inside or taken & set(inside):
            return None
        return inside[0], inside[-1] + 1

    for placed in read_places(statement, known, column):
        at = span(placed.start, placed.end)
        if at is None and placed.what == "mode":
            at = _inside(tokens, placed.start, placed.end)
            start = next((first for first, old in found.items() if at is not None and first <= at[0] < old.end), None)
            if at is not None and start is not None:
                found[start] = replace(found[start], items=(*found[start].items, Shape(*at, "mode", placed.value)))
                continue
        if at is None:
            continue
        taken |= set(range(*at))
        if placed.what == "place":
            found[at[0]] = Found(at[1], "target", (Place(*at, *placed.value),))
        elif placed.what == "deployment":
            found[at[0]] = Found(at[1], "target", (Shape(*at, "deployment", placed.value),))
        else:
            found[at[0]] = Found(at[1], "target", (Shape(*at, placed.what, placed.value),))
    for timed in read_timing(statement):
        at = span(timed.start, timed.end)
        if at is None or _groups_by(tokens, at) or asks_for_groups(tokens, at):
            continue
        taken |= set(range(*at))
        question = timed.question()
        made = Timing(*at, timed.cron, timed.timezone, timed.assumed, timed.kind, question)
        found[at[0]] = Found(at[1], "schedule", (made,), (question,) if question else ())
    return found


_ADVERBS = {"daily", "weekly", "monthly", "quarterly", "yearly", "annual", "annually", "hourly"}
_RUNNING = {
    "run", "runs", "refresh", "refreshed", "schedule", "scheduled", "execute", "executed", "update", "updated", "it",
    "them", "rebuild", "load", "loaded", "trigger", "triggered", "deliver", "delivered", "this", "job", "pipeline",
}  # fmt: skip
_RUN = {
    "pipeline", "job", "table", "task", "run", "report", "load", "refresh", "at", "on", "batch", "etl", "build", "by",
    "process", "dataset", "view", "schedule", "basis", "in", "and", "from", "to", "into", "with", "for", "update",
    "data", "workflow", "export", "feed", "that", "which", "using", "starting", "before", "after",
}  # fmt: skip


def _groups_by(tokens: Sequence[Token], at: tuple[int, int]) -> bool:
    """``monthly revenue`` groups by month; ``a monthly job``, ``run it monthly`` says when it runs."""
    if at[1] - at[0] != 1 or tokens[at[0]].low not in _ADVERBS or at[1] >= len(tokens):
        return False
    before = tokens[at[0] - 1].low if at[0] else ""
    behind = tokens[at[1]]
    return behind.kind == "word" and behind.low not in _RUN and before not in _RUNNING


def _inside(tokens: Sequence[Token], start: int, end: int) -> tuple[int, int] | None:
    inside = [i for i, token in enumerate(tokens) if token.start < end and token.end > start]
    return (inside[0], inside[-1] + 1) if inside else None


def scan(c: Context, marked: dict[int, Found]) -> Scanned:
    """Read the whole statement once, from left to right."""
    made = Scanned(kinds=[None] * len(c.tokens), groups=[-1] * len(c.tokens))
    taken = {j for start, found in marked.items() for j in range(start, found.end)}
    ends = list(c.ends)
    for start in sorted(marked):
        for j in range(c.starts[start], start):
            ends[j] = min(ends[j], start)
    c.ends = ends
    c.free = lambda index: index not in taken
    c.definitions = find_definitions(c)
    c.durations = find_durations(c)
    c.named = find_named(c)
    c.states = find_states(c)
    c.loose = is_loose(c)
    i = 0
    while i < len(c.tokens):
        found = marked.get(i)
        if found is None and c.tokens[i].kind != "punct":
            found = next((read for reader in READERS if (read := reader(c, i)) is not None and read.end > i), None)
        if found is None:
            i += 1
            continue
        for j in range(i, found.end):
            made.kinds[j], made.groups[j] = found.kind, i
        c.items.extend(found.items)
        made.questions.extend(found.questions)
        i = found.end
    made.items, unsaid = joined_by_or(c, c.items, made.kinds)
    for j in unsaid:
        made.kinds[j] = "unmatched"
    for j in (*lost_names(c, made.kinds), *lost_roles(c), *lost_each(c, made.kinds)):
        made.kinds[j] = "unmatched"
    made.questions.extend(form_questions(c))
    _unused_definitions(c, made)
    for j in weighty(c, made.kinds):
        made.kinds[j] = "unmatched"
    made.harmless = harmless(c, made.kinds)
    return made


def _unused_definitions(c: Context, made: Scanned) -> None:
    """An explanation that nothing was read from was not understood."""
    named = {item.name for item in c.items if isinstance(item, Measure)}
    for name, (_, end) in c.definitions.items():
        if slug(name) in named or name.casefold() in c.states:
            continue
        if any(each.start < end <= each.end and each.measure.name in named for each in c.named):
            continue  # `the pass rate of a course is …` explains the rate
        for j in range(c.starts[end - 1], end):
            if made.kinds[j] == "comment":
                made.kinds[j] = None


def is_filler(token: Token) -> bool:
    """It asks for nothing by itself."""
    if token.low in CARRIERS:
        return False
    return token.kind in {"punct", "op"} or token.low in STOP or token.low in FILLER or token.stem in FILLER


def clauses(statement: str, tokens: Sequence[Token], starts: Sequence[int], made: Scanned) -> tuple[Clause, ...]:
    """The statement cut into clauses: every character that is not white space is in exactly one."""
    kinds: list[str] = []
    for index, token in enumerate(tokens):
        kind = made.kinds[index]
        kinds.append(kind if kind is not None else "" if is_filler(token) or index in made.harmless else "unmatched")
    bullets = [match.span() for match in _BULLET.finditer(statement)]
    for index, token in enumerate(tokens):
        if kinds[index] == "unmatched" and _within(token, bullets):
            kinds[index] = ""
    runs: list[list[int]] = []
    last = ""
    for index in range(len(tokens)):
        if runs and starts[index] == starts[runs[-1][0]]:
            if kinds[index] == "" or last in {"", kinds[index]}:
                runs[-1].append(index)
                last = last or kinds[index]
                continue
            runs.append([*_handed_on(tokens, kinds, runs[-1]), index])
        else:
            runs.append([index])
        last = kinds[index]
    return tuple(
        Clause(id=f"c{number}", start=tokens[run[0]].start, end=tokens[run[-1]].end, kind=_kind(run, kinds) or "filler")
        for number, run in enumerate(runs, start=1)
    )


_CONNECT = {"and", "then", "but", "also", "so"}


def _handed_on(tokens: Sequence[Token], kinds: Sequence[str], run: list[int]) -> list[int]:
    """Words without content at the end of a clause that open the next one (``and calculates``); taken off the run."""
    tail = len(run)
    while tail > 1 and kinds[run[tail - 1]] == "":
        tail -= 1
    if tail == 0 or tail == len(run):
        return []
    cut = next((at for at in range(tail, len(run)) if tokens[run[at]].low in _CONNECT), None)
    if cut is None:
        comma = next((at for at in range(tail, len(run)) if tokens[run[at]].kind == "punct"), None)
        cut = comma + 1 if comma is not None else len(run)
    moved = run[cut:]
    del run[cut:]
    return moved


def _kind(run: Sequence[int], kinds: Sequence[str]) -> str:
    return next((kinds[index] for index in run if kinds[index]), "")


def uses(items: Sequence[Item]) -> tuple[Use, ...]:
    """Tables named by the items, in order."""
    return tuple(item for item in items if isinstance(item, Use))
