"""Which combinations of mode, trigger, deployment and engine are legal, and why the others are not. One table.

A rule names what it is about and `any` for the rest; the first that matches decides, and what no rule matches is legal.
Beside the table stand the few rules that look further into the spec: watermarks, and steps a stream cannot run.
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline_magic.spec.model import Freshness, Join, PipelineSpec, Source, Sql, Step, TableUpdate, Union

__all__ = ["RULES", "STREAMED", "Rule", "illegal", "reason_against", "streamed_inputs"]


class Rule(NamedTuple):
    """Why a combination is not legal; ``any`` matches everything.

    Attributes:
        path: The field to change.
    """

    mode: str
    trigger: str
    deployment: str
    engine: str
    path: str
    reason: str


RULES: tuple[Rule, ...] = (
    Rule(
        "any", "any", "declarative", "local", "deployment",
        "the local engine runs notebooks only; a declarative pipeline needs Databricks",
    ),
    Rule(
        "merge", "any", "declarative", "any", "target.mode",
        "a Lakeflow pipeline has no merge; scd1 is the same by AUTO CDC, or deploy as a job",
    ),
    Rule(
        "overwrite", "continuous", "job", "any", "trigger",
        "a job that starts again at once would rewrite the whole table without end; use a schedule or table_update",
    ),
)  # fmt: skip

STREAMED = frozenset({"append", "scd1", "scd2"})
"""Write modes whose target, where it is declared, reads a stream."""

_STREAMS = ("filter", "derive", "select", "rename", "cast", "fill", "explode", "union", "join")


def streamed_inputs(step: Step) -> tuple[str, ...]:
    """The inputs that are streams where the step's own rows are one: the left of a join, every input of a union."""
    if isinstance(step, Join):
        return (step.left,)
    if isinstance(step, (Union, Sql)):
        return step.inputs
    return (step.input,)


def reason_against(mode: str, trigger: str, deployment: str, engine: str = "any") -> str:
    """Why the combination is not legal; empty when it is.

    Args:
        engine: ``local``, ``databricks``, or ``any`` for what holds on every engine.

    >>> reason_against("overwrite", "schedule", "job")
    ''
    """
    rule = _against(mode, trigger, deployment, engine)
    return rule.reason if rule else ""


def _against(mode: str, trigger: str, deployment: str, engine: str) -> Rule | None:
    asked = (mode, trigger, deployment, engine)
    for rule in RULES:
        if all(wanted in ("any", given) for wanted, given in zip(rule[:4], asked, strict=True)):
            return rule
    return None


def illegal(spec: PipelineSpec, *, engine: str = "any") -> tuple[tuple[str, str], ...]:
    """Path and reason of everything in the spec that cannot be run together."""
    found: list[tuple[str, str]] = []
    mode = spec.target.mode
    rule = _against(mode, spec.trigger.kind, spec.deployment, engine)
    if rule is not None:
        found.append((rule.path, rule.reason))
    for source in spec.sources:
        path = f"sources.{source.alias}.watermark"
        if source.watermark is None:
            continue
        if mode in {"overwrite", "scd2"}:
            found.append((path, f"{mode} needs every row on every run, so a watermark cannot leave old rows out"))
        elif spec.deployment == "declarative":
            found.append((path, "a streaming table keeps its own place in its source; take the watermark out"))
    if spec.deployment == "declarative":
        found.extend(_declarative(spec))
    found += [(path, _REFERENCE) for path, table in _tables(spec) if "${" in table or "{{" in table]
    return tuple(found)


_REFERENCE = "a table's name holds no `${` and no `{{`: a job or a bundle would put something else in their place"


def _tables(spec: PipelineSpec) -> list[tuple[str, str]]:
    """The tables that a spec names, with the fields that name them."""
    made = [(f"sources.{source.alias}.table", source.table) for source in spec.sources]
    made.append(("target.table", spec.target.table))
    made += [(f"expectations.{item.id}.quarantine", item.quarantine) for item in spec.expectations if item.quarantine]
    if isinstance(spec.trigger, TableUpdate):
        made += [("trigger.tables", table) for table in spec.trigger.tables]
    return made


def _declarative(spec: PipelineSpec) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    mode = spec.target.mode
    if mode in {"scd1", "scd2"} and spec.target.sequence_by is None:
        found.append(("target.sequence_by", "AUTO CDC needs the column that orders the versions of a key"))
    if mode in STREAMED:
        found += [problem for step in _streamed(spec) for problem in _in_stream(step, mode)]
    for item in spec.expectations:
        if item.enabled and item.quarantine is not None:
            path = f"expectations.{item.id}.quarantine"
            found.append((path, "a Lakeflow pipeline drops rows without keeping them; deploy as a job, or use warn"))
    if spec.trigger.kind == "continuous" and _asks_time(spec):
        reason = "a continuous pipeline has no time of its run, and run_time() or a freshness check asks for one"
        found.append(("trigger", f"{reason}; use a schedule, or deploy as a job"))
    return found


def _streamed(spec: PipelineSpec) -> list[Step]:
    """The steps whose rows are a stream: from the target back to the sources."""
    steps = {step.id: step for step in spec.steps}
    pending, found = [spec.target.input], set[str]()
    while pending:
        name = pending.pop()
        if name in steps and name not in found:
            found.add(name)
            pending.extend(streamed_inputs(steps[name]))
    return [step for step in spec.steps if step.id in found]


def _in_stream(step: Step, mode: str) -> list[tuple[str, str]]:
    """Why a step cannot run on a stream."""
    path = f"steps.{step.id}"
    if step.kind not in _STREAMS:
        why = "it needs every row at once"
        return [(path, f"{mode} reads a stream, which cannot run a step of kind {step.kind}: {why}; deploy as a job")]
    if isinstance(step, Union) and step.distinct:
        return [(f"{path}.distinct", f"{mode} reads a stream, in which rows cannot be told apart from all before them")]
    if isinstance(step, Join) and step.how not in {"inner", "left", "semi", "anti"}:
        return [(f"{path}.how", f"a stream cannot run a {step.how} join with a table")]
    if isinstance(step, Join) and step.left == step.right:
        return [(f"{path}.right", "a stream cannot be joined with itself")]
    return []


def _asks_time(spec: PipelineSpec) -> bool:
    parts: list[Source | Step] = [*spec.sources, *spec.steps]
    timed = any(isinstance(item, Freshness) and item.column is not None for item in spec.expectations if item.enabled)
    checked = any("run_time()" in item.model_dump_json() for item in spec.expectations if item.enabled)
    return timed or checked or any("run_time()" in part.model_dump_json() for part in parts)
