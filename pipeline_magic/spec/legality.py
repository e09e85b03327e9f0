"""Which combinations of mode, trigger, deployment and engine are legal, and why the others are not. One table.

A rule names what it is about and `any` for the rest; the first that matches decides, and what no rule matches is legal.
Beside the table stand the few rules that look further into the spec: watermarks, and steps a stream cannot run.
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline_magic.spec.model import PipelineSpec

__all__ = ["RULES", "Rule", "illegal", "reason_against"]


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

_STREAMS = ("filter", "derive", "select", "rename", "cast", "fill", "explode", "union", "join")


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
    return tuple(found)


def _declarative(spec: PipelineSpec) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    mode = spec.target.mode
    if mode in {"scd1", "scd2"} and spec.target.sequence_by is None:
        found.append(("target.sequence_by", "AUTO CDC needs the column that orders the versions of a key"))
    if mode in {"append", "scd1", "scd2"}:
        for step in spec.steps:
            if step.kind not in _STREAMS:
                found.append(
                    (f"steps.{step.id}", f"{mode} reads a stream, which cannot run a step of kind {step.kind}")
                )
            elif step.kind == "join" and step.how not in {"inner", "left", "semi", "anti"}:
                found.append((f"steps.{step.id}.how", f"a stream cannot run a {step.how} join with a table"))
    for item in spec.expectations:
        if item.enabled and item.quarantine is not None:
            path = f"expectations.{item.id}.quarantine"
            found.append((path, "a Lakeflow pipeline drops rows without keeping them; deploy as a job, or use warn"))
        if item.enabled and item.tolerance:
            path = f"expectations.{item.id}.tolerance"
            found.append((path, "a Lakeflow expectation acts on every row; deploy as a job, or set the tolerance to 0"))
    return found
