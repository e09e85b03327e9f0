"""What the statement does not support is taken back or asked, whatever the model, or a text it obeyed, wanted.

A model that follows an order hidden in a comment answers in perfect form: other tables, another target, a filter that
empties the result, a schedule of every second. So the words of the statement decide here, not the model's own account:

    target       parts the statement does not name get their defaults; an existing table that it does not name as a
                 target is a must-answer question, and so is every table that is read without a word for it
    rows         a filter, a `top` or a dropping check without support in the words is a must-answer question
    schedule     read from the words by the deterministic reader; none is kept where the words speak of none
    mode, layout, watermark, deployment: kept only where a word asks for them; a comment only word for word

Here: pure functions from a typed draft to a draft, origins, questions and notes. Not here: form and types (`check`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline_magic.agents.catalog.index import CatalogIndex
from pipeline_magic.agents.specification.llm.support import Words, names_as_target
from pipeline_magic.agents.specification.planner.timing import read_timing
from pipeline_magic.runs import Option, Question
from pipeline_magic.spec import dialect
from pipeline_magic.spec.model import Draft, Filter, Join, Source, Top
from pipeline_magic.spec.names import join_table, slug, split_table
from pipeline_magic.spec.paths import Edit
from pipeline_magic.spec.provenance import Origin
from pipeline_magic.spec.schema import TableSchema

__all__ = ["Grounded", "ground"]

_MODES = {
    "append": r"append|add(?:s|ed|ing)?\b.{0,40}\b(?:to|into)\b|insert|incremental",
    "merge": r"merg|upsert|updat(?:e|ing|es)\b|incremental",
    "scd1": r"scd|slowly changing|upsert|updat(?:e|ing|es)\b",
    "scd2": r"scd|slowly changing|history|histori|version",
}
_DECLARATIVE = r"declarative|\bdlt\b|delta live|lakeflow|streaming table|materiali[sz]ed view"
_LAYOUT = r"partition|cluster|z-?order|layout|organi[sz]ed by"
_WATERMARK = r"watermark|incremental|only new|new (?:rows|records|data)|since the last|changed since"
_TIMED = (
    r"\b(?:every|each|hourly|daily|nightly|weekly|monthly|quarterly|yearly|schedul\w*|cron|o'clock|midnight|noon"
    r"|\d{1,2}:\d\d|\d ?[ap]m|continuous\w*|stream\w*|real.?time|whenever|as soon as"
    r"|when\w* .{1,60} (?:updat|chang|arriv|land)\w*)\b"
)
_DROPS = r"\bdrop|remov|exclud|discard|reject|filter|without|skip|leave out|quarantin|only\b|invalid"
_JOINS = (
    r"\b(?:inner|left|right|outer|full) join|keep (?:all|every)|even (?:if|those)|with(?:out)? (?:any|no)"
    r"|only (?:those|matching)|at least one|including (?:those|all)"
)
_RUNNING = r"pipeline|\bjobs?\b|\bruns?\b|refresh|schedul|updat|load|execut|\bat \d|build|creat|cron|trigger|\bevery\b"
_FIRST = r"\b\w+(?:est|iest)\b|most|least|top|latest|first|last|single"


@dataclass
class Grounded:
    """A draft that the statement supports, and what has to be asked for the rest."""

    draft: Draft
    origins: dict[str, Origin]
    questions: list[Question] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def ground(
    draft: Draft,
    origins: Mapping[str, Origin],
    statement: str,
    catalog: CatalogIndex,
    tables: Mapping[str, TableSchema],
) -> Grounded:
    """Hold a typed draft against the words of its statement.

    Args:
        draft: In form, with names and types that are right.
        origins: What the model gave as the origin of its fields.
        statement: As typed.
        catalog: To see whether the target is there already.
        tables: Those the model was given.
    """
    made = Grounded(draft, dict(origins))
    words = Words(statement)
    _target(made, words, catalog)
    _shape(made, words)
    _trigger(made, statement, words)
    _sources(made, words, tables)
    _rows(made, words, tables)
    _joins(made, words)
    _checks(made, words)
    return made


def _target(made: Grounded, words: Words, catalog: CatalogIndex) -> None:
    table = made.draft.target.table
    parts = split_table(table) if table else ("", "", "")
    named = made.draft.target.table if table and names_as_target(words.text, parts) else None
    if named:
        made.origins["target.table"] = Origin(kind="clause", clauses=_clauses(made, "target.table"))
        return
    name = parts[2] if words.made_of(parts[2]) else f"{split_table(made.draft.sources[0].table)[2]}_result"
    place = (words.place("catalog") or "main", words.place("schema") or "default")
    if table and names_as_target(words.text, parts[1:]):
        place, name = (place[0], parts[1]), parts[2]
    proposed = join_table(*place, slug(name))
    there = catalog.table(proposed) is not None
    elsewhere = bool(table) and tuple(part.casefold() for part in parts[:2]) != place
    _set(made, {"table": proposed})
    made.origins["target.table"] = Origin(
        kind="assumption",
        reason="the statement does not name the whole table",
        clauses=_clauses(made, "target.table"),
        question="target:table",
    )
    why = "The statement does not name the whole table."
    if there:
        why += f" `{proposed}` is there already, and would be written over."
    if elsewhere:
        why += f" The model proposed `{table}`, which no word asks for."
    made.questions.append(
        Question(
            id="target:table",
            text="What should the target table be called?",
            why=why,
            options=(Option(id="proposed", label=proposed, edits=(Edit(path="target.table", value=proposed),)),),
            default=None if there or elsewhere else "proposed",
            path="target.table",
            free=True,
            clauses=_clauses(made, "target.table"),
        )
    )


def _shape(made: Grounded, words: Words) -> None:
    target, changes = made.draft.target, dict[str, Any]()
    mode = target.mode or "overwrite"
    if mode != "overwrite" and not words.match(_MODES[mode]):
        made.notes.append(
            f"The model proposed the mode `{mode}`, which no word asks for; every run replaces the table."
        )
        changes = {"mode": "overwrite", "keys": (), "sequence_by": None}
    elif mode == "overwrite":
        changes = {"mode": "overwrite"}
    if changes:
        reason = "the statement does not say how to write; every run replaces the table"
        said = mode == "overwrite" and words.match(r"overwrit|replac|refresh|rebuild|full load")
        made.origins["target.mode"] = (
            Origin(kind="clause", clauses=_clauses(made, "target.mode"))
            if said and _clauses(made, "target.mode")
            else Origin(kind="assumption", reason=reason, alternatives=("append", "merge"))
        )
    if (target.partition_by or target.cluster_by) and not words.match(_LAYOUT):
        changes |= {"partition_by": (), "cluster_by": ()}
    if target.comment and " ".join(target.comment.split()).casefold() not in " ".join(words.text.split()).casefold():
        changes["comment"] = ""
    _set(made, changes)
    if made.draft.deployment == "declarative" and not words.match(_DECLARATIVE):
        made.draft = made.draft.model_copy(update={"deployment": "job"})
        made.origins["deployment"] = Origin(kind="assumption", reason="a job that runs a notebook")
    if not words.match(_WATERMARK):
        kept = tuple(source.model_copy(update={"watermark": None}) for source in made.draft.sources)
        made.draft = made.draft.model_copy(update={"sources": kept})


def _trigger(made: Grounded, statement: str, words: Words) -> None:
    """The schedule of the deterministic reader where it finds one; the model's only where the words speak of time."""
    clauses = _clauses(made, "trigger") or _clauses(made, "trigger.kind") or _clauses(made, "trigger.cron")
    for path in [path for path in made.origins if path.split(".")[0] == "trigger"]:
        del made.origins[path]
    found = read_timing(statement)
    value: dict[str, Any] | None
    if found and (_is_manual(made) and not _about_running(statement, found[0].start, found[0].end)):
        found = []  # "monthly sales": the model read it as a grouping, and no word near it speaks of running
    if found:
        timing = found[0]
        question = timing.question(clauses)
        if question is not None:
            made.questions.append(question)
        value = {"kind": timing.kind}
        if timing.kind == "schedule":
            value |= {"cron": timing.cron or "0 0 6 * * ?", "timezone": timing.timezone or "UTC"}
            assumed = [word for word in ("day", "hour") if word in timing.assumed]
            if assumed:
                made.origins["trigger.cron"] = Origin(
                    kind="assumption", reason=f"the statement does not name the {assumed[0]}", clauses=clauses
                )
            if timing.timezone is None:
                reason = "the statement names no time zone; UTC"
                made.origins["trigger.timezone"] = Origin(kind="assumption", reason=reason, clauses=clauses)
        made.origins["trigger.kind"] = Origin(kind="clause", clauses=clauses)
    elif made.draft.trigger is not None and made.draft.trigger.kind != "manual" and words.match(_TIMED):
        value = made.draft.trigger.model_dump(mode="json")
        made.origins["trigger.kind"] = Origin(kind="assumption", reason="read by the model alone", clauses=clauses)
        made.questions.append(
            _keep("trigger:kind", f"Should it run like this: {_shown(value)}?", "trigger", value, clauses)
        )
    else:
        value = {"kind": "manual"}
        reason = "the statement names no schedule, so it runs when somebody starts it"
        made.origins["trigger.kind"] = Origin(kind="assumption", reason=reason, alternatives=("daily",))
    data = {**made.draft.model_dump(mode="json"), "trigger": value}
    made.draft = Draft.model_validate(data)


def _is_manual(made: Grounded) -> bool:
    return made.draft.trigger is None or made.draft.trigger.kind == "manual"


def _about_running(statement: str, start: int, end: int) -> bool:
    around = statement[max(0, start - 30) : end + 30]
    return re.search(_RUNNING, around, re.IGNORECASE) is not None


def _sources(made: Grounded, words: Words, tables: Mapping[str, TableSchema]) -> None:
    for source in made.draft.sources:
        path, table = f"sources.{source.alias}.table", tables[source.table]
        if words.speaks_of(table):
            continue
        reason = "no word of the statement names this table or one of its columns"
        made.origins[path] = Origin(kind="assumption", reason=reason, question=f"source:{source.alias}")
        text = f"The statement does not speak of `{source.table}`. Read it all the same?"
        made.questions.append(_keep(f"source:{source.alias}", text, path, source.table, ()))


def _rows(made: Grounded, words: Words, tables: Mapping[str, TableSchema]) -> None:
    """Whatever leaves rows out needs a word for it."""
    sources: list[Source] = list(made.draft.sources)
    for source in sources:
        if source.filter and not _supported(source.filter, words, tables):
            path = f"sources.{source.alias}.filter"
            text = f"Read only rows of `{source.alias}` with `{source.filter}`?"
            _ask_condition(made, f"filter:{source.alias}", text, path, source.filter, None)
    for step in made.draft.steps:
        if isinstance(step, Filter) and not _supported(step.condition, words, tables):
            path, text = f"steps.{step.id}.condition", f"Keep only rows with `{step.condition}`?"
            _ask_condition(made, f"filter:{step.id}", text, path, step.condition, "true")
        if isinstance(step, Top) and not words.number(step.n) and not (step.n == 1 and words.match(_FIRST)):
            text = f"Keep only the first {step.n:,} rows?"
            made.questions.append(_keep(f"top:{step.id}", text, f"steps.{step.id}.n", step.n, ()))


def _supported(condition: str, words: Words, tables: Mapping[str, TableSchema]) -> bool:
    """Every part of the condition that could leave a row out by itself has its words."""
    return all(words.supports(part, tables.values()) for part in _conjuncts(dialect.parse(condition)))


def _conjuncts(tree: Any) -> list[str]:
    from sqlglot import exp

    tree = tree.unnest()
    if isinstance(tree, exp.And):
        return [*_conjuncts(tree.left), *_conjuncts(tree.right)]
    if isinstance(tree, exp.Not) and isinstance(tree.this.unnest(), exp.Or):
        inner = tree.this.unnest()
        return [*_conjuncts(exp.Not(this=inner.left)), *_conjuncts(exp.Not(this=inner.right))]
    return [dialect.render(tree)]


def _ask_condition(made: Grounded, name: str, text: str, path: str, condition: str, otherwise: str | None) -> None:
    """A condition that no word supports: kept or taken out, by a person."""
    options = (
        Option(id="keep", label="Yes, keep only these rows", edits=(Edit(path=path, value=condition),)),
        Option(id="leave_out", label="No, keep every row", edits=(Edit(path=path, value=otherwise),)),
    )
    why = "The model proposed it, and no word of the statement names its columns or values."
    made.origins[path] = Origin(kind="assumption", reason="no word of the statement asks for it", question=name)
    made.questions.append(Question(id=name, text=text, why=why, options=options, path=path))


def _joins(made: Grounded, words: Words) -> None:
    """Rows without a partner: asked with a default, as the embedded planner does."""
    if words.match(_JOINS):
        return
    for step in made.draft.steps:
        if not isinstance(step, Join) or step.how not in {"inner", "left"}:
            continue
        path = f"steps.{step.id}.how"
        labels = {
            "left": f"Keep every row of {step.left} (left join)",
            "inner": f"Only rows of {step.left} with a match in {step.right} (inner join)",
        }
        order = sorted(labels, key=lambda how: how != step.how)
        made.origins[path] = Origin(
            kind="assumption",
            reason="the statement does not say what becomes of rows without a match",
            alternatives=(order[1],),
            question=f"join:{step.right}",
        )
        made.questions.append(
            Question(
                id=f"join:{step.right}",
                text=f"Keep rows of {step.left} that have no match in {step.right}?",
                why="The statement joins the tables and does not say what becomes of rows without a match.",
                options=tuple(Option(id=how, label=labels[how], edits=(Edit(path=path, value=how),)) for how in order),
                default=step.how,
                path=path,
            )
        )


def _checks(made: Grounded, words: Words) -> None:
    kept = []
    for item in made.draft.expectations:
        changes: dict[str, Any] = {"automatic": False, "quarantine": None, "enabled": True}
        if item.action == "drop" and not words.match(_DROPS):
            changes["action"] = "warn"
            made.notes.append(f"The model wanted the check `{item.id}` to drop rows, which no word asks for; it warns.")
        kept.append(item.model_copy(update=changes))
    made.draft = made.draft.model_copy(update={"expectations": tuple(kept)})


def _keep(name: str, text: str, path: str, value: Any, clauses: tuple[str, ...]) -> Question:
    option = Option(id="keep", label="Yes", edits=(Edit(path=path, value=value),))
    why = "The model proposed it, and no word of the statement says so. Edit the spec, or say it in words, if not."
    return Question(id=name, text=text, why=why, options=(option,), path=path, clauses=clauses)


def _clauses(made: Grounded, path: str) -> tuple[str, ...]:
    origin = made.origins.get(path)
    return origin.clauses if origin else ()


def _set(made: Grounded, changes: Mapping[str, Any]) -> None:
    if changes:
        made.draft = made.draft.model_copy(update={"target": made.draft.target.model_copy(update=dict(changes))})


def _shown(value: Mapping[str, Any]) -> str:
    return ", ".join(str(part) for part in value.values() if part)
