"""Target, trigger and deployment of a draft, with what is assumed and asked about them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pipeline_magic.agents.specification.planner.draft import Assembly, Plan
from pipeline_magic.agents.specification.planner.intent import Item, Place, Shape, Timing
from pipeline_magic.agents.specification.planner.text import stem
from pipeline_magic.runs import Option, Question
from pipeline_magic.spec.names import join_table, slug
from pipeline_magic.spec.paths import Edit

__all__ = ["set_target", "set_trigger"]

_DEFAULT_CATALOG, _DEFAULT_SCHEMA = "main", "default"


def set_target(made: Assembly, plan: Plan) -> dict[str, Any]:
    """The target's fields; a name that is not wholly said is a question with a proposal as its default."""
    places = [item for item in plan.items if isinstance(item, Place)]
    proposed = _proposal(made, plan)
    target: dict[str, Any] = {"input": made.last}
    made.assumed("target.input", "the last step feeds the target")
    full = _merged(places)
    clauses = plan.clauses(*places)
    if full is None:
        _two_targets(made, places, clauses)
    else:
        catalog, schema, table = full
        name = join_table(catalog or _DEFAULT_CATALOG, schema or _DEFAULT_SCHEMA, table or proposed)
        target["table"] = name
        if catalog and schema and table:
            made.said("target.table", clauses)
        else:
            missing = [word for word, part in (("catalog", catalog), ("schema", schema), ("table", table)) if not part]
            made.assumed(
                "target.table", f"the statement does not name the {' and '.join(missing)}", (), clauses, "target:table"
            )
            made.questions.append(
                Question(
                    id="target:table",
                    text="What should the target table be called?",
                    why=f"The statement does not name the {' and '.join(missing)}.",
                    options=(Option(id="proposed", label=name, edits=(Edit(path="target.table", value=name),)),),
                    default="proposed",
                    path="target.table",
                    free=True,
                    clauses=clauses,
                )
            )
    _mode(made, plan, target)
    for item in plan.of(Shape):
        if item.field == "comment":
            target["comment"] = str(item.value)
            made.said("target.comment", plan.clauses(item))
    return target


def _merged(places: Sequence[Place]) -> tuple[str, str, str] | None:
    """The parts of the name from all places; None when two contradict."""
    parts = ["", "", ""]
    for place in places:
        for index, value in enumerate((place.catalog, place.schema, place.table)):
            if value and parts[index] and parts[index].casefold() != value.casefold():
                return None
            parts[index] = parts[index] or value
    return parts[0], parts[1], parts[2]


def _two_targets(made: Assembly, places: Sequence[Place], clauses: tuple[str, ...]) -> None:
    names = dict.fromkeys(
        join_table(place.catalog or _DEFAULT_CATALOG, place.schema or _DEFAULT_SCHEMA, place.table)
        for place in places
        if place.table
    )
    options = tuple(Option(id=slug(name), label=name, edits=(Edit(path="target.table", value=name),)) for name in names)
    made.questions.append(
        Question(
            id="target:table",
            text="Which table should be written?",
            why="The statement names more than one target, and a pipeline writes one.",
            options=options,
            path="target.table",
            free=True,
            clauses=clauses,
        )
    )


def _proposal(made: Assembly, plan: Plan) -> str:
    main = plan.measures[0].name if plan.measures else ""
    return slug("_".join(part for part in (made.grain or made.subject, main) if part), "result")


def _mode(made: Assembly, plan: Plan, target: dict[str, Any]) -> None:
    shapes = plan.of(Shape)
    modes = [item for item in shapes if item.field == "mode"]
    if len({item.value for item in modes}) > 1 and {item.value for item in modes} != {"merge", "scd1"}:
        _two_modes(made, modes, plan.clauses(*modes))
        return
    if modes:
        target["mode"] = modes[0].value
        made.said("target.mode", plan.clauses(*modes))
    else:
        target["mode"] = "overwrite"
        made.assumed(
            "target.mode", "the statement does not say how to write; every run replaces the table", ("append", "merge")
        )
    if target["mode"] in {"merge", "scd1", "scd2"}:
        _keys(made, plan, target, [item for item in shapes if item.field == "keys"])
    for item in shapes:
        name = _column(made, plan, str(item.value)) if item.field == "sequence" else None
        if name is not None:
            target["sequence_by"] = name
            made.said("target.sequence_by", plan.clauses(item))


def _two_modes(made: Assembly, modes: Sequence[Shape], clauses: tuple[str, ...]) -> None:
    made.questions.append(
        Question(
            id="target:mode",
            text="How should the target be written?",
            why="The statement says more than one thing about it.",
            options=tuple(
                Option(id=mode, label=mode, edits=(Edit(path="target.mode", value=mode),))
                for mode in dict.fromkeys(str(item.value) for item in modes)
            ),
            path="target.mode",
            clauses=clauses,
        )
    )


def _keys(made: Assembly, plan: Plan, target: dict[str, Any], said: Sequence[Shape]) -> None:
    """What identifies a row; without a word about it that is a question, for which there is no default."""
    names = []
    for item in said:
        for part in re.split(r"\s*(?:,|\band\b|\+|&)\s*", str(item.value[0])):
            name = _column(made, plan, part.strip("` ."))
            if name:
                names.append(name)
    clauses = plan.clauses(*said)
    if names:
        target["keys"] = list(dict.fromkeys(names))
        made.said("target.keys", clauses)
        return
    made.questions.append(
        Question(
            id="target:keys",
            text="Which columns identify a row of the target?",
            why=f"`{target['mode']}` updates rows with the same key, and the statement names none.",
            options=tuple(
                Option(id=name, label=name, edits=(Edit(path="target.keys", value=[name]),))
                for name in made.result[:30]
            ),
            path="target.keys",
            free=True,
            clauses=clauses or plan.clauses(*[item for item in plan.of(Shape) if item.field == "mode"]),
        )
    )


def _column(made: Assembly, plan: Plan, text: str) -> str | None:
    """The column of the result that a key's words name: exactly, or with the prefix of its table left out."""
    wanted = text.casefold()
    plain = [part for part in re.split(r"[\s_]+", wanted) if part]
    for name in made.result:
        if name.casefold() == wanted:
            return name
    for name in made.result:
        low = name.casefold()
        if low.endswith("_" + wanted) or re.split(r"_", low) == plain or low == "".join(plain):
            return name
    stems = tuple(stem(part) for part in plain)
    for table in plan.tables.values():
        for info in table.columns:
            if info.words == stems and info.name in made.result:
                return info.name
    return None


def _said_best(timings: Sequence[Timing]) -> Timing | None:
    """``a daily table … run it daily at 02:00``: the one that leaves least open; None where two contradict."""
    best = min(timings, key=lambda timing: len(timing.assumed))
    days = {tuple(timing.cron.split()[3:]) for timing in timings if timing.cron}
    often = {timing.cron.split()[2].isdigit() for timing in timings if timing.cron}
    loose = len(often) <= 1 and all(timing is best or "hour" in timing.assumed for timing in timings)
    same = len({timing.kind for timing in timings}) == 1 and all(timing.cron for timing in timings)
    return best if len(timings) == 1 or (same and len(days) == 1 and loose) else None


def _two_schedules(made: Assembly, timings: Sequence[Timing], plan: Plan) -> None:
    options = {}
    for timing in timings:
        if timing.kind == "schedule" and timing.cron:
            value = {"kind": "schedule", "cron": timing.cron, "timezone": timing.timezone or "UTC"}
            options[f"{timing.cron} {value['timezone']}"] = value
        elif timing.kind != "schedule":
            options[timing.kind] = {"kind": timing.kind}
    made.questions.append(
        Question(
            id="trigger:two",
            text="When should it run?",
            why="The statement says more than one thing about it.",
            options=tuple(
                Option(id=slug(label), label=label, edits=(Edit(path="trigger", value=value),))
                for label, value in options.items()
            ),
            path="trigger",
            clauses=plan.clauses(*timings),
        )
    )


def set_trigger(made: Assembly, items: Sequence[Item], plan: Plan) -> dict[str, Any] | None:
    """The trigger; manual where nothing is said of it."""
    timings = [item for item in items if isinstance(item, Timing)]
    if not timings:
        made.assumed("trigger.kind", "the statement names no schedule, so it runs when somebody starts it", ("daily",))
        return {"kind": "manual"}
    timing = _said_best(timings)
    if timing is None:
        _two_schedules(made, timings, plan)
        return None
    clauses = plan.clauses(*timings)
    if timing.kind != "schedule":
        made.said("trigger.kind", clauses)
        return {"kind": timing.kind}
    if timing.cron is None:
        return None
    made.said("trigger.kind", clauses)
    if "hour" in timing.assumed:
        minute, hour = timing.cron.split()[1:3]
        at = f"{int(hour):02d}:{int(minute):02d}" if hour.isdigit() and minute.isdigit() else "the hours taken"
        made.assumed("trigger.cron", f"the statement does not name the hour; {at}", ("another hour",), clauses)
    elif "day" in timing.assumed:
        made.assumed("trigger.cron", "the statement does not name the day", (), clauses)
    else:
        made.said("trigger.cron", clauses)
    if timing.timezone is None:
        made.assumed("trigger.timezone", "the statement names no time zone; UTC", ("your own zone",), clauses)
    else:
        made.said("trigger.timezone", clauses)
    return {"kind": "schedule", "cron": timing.cron, "timezone": timing.timezone or "UTC"}
