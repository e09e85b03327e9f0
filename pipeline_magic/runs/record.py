"""What the store keeps of a run: the run itself, effects, exchanges, the audit."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from pipeline_magic.runs.files import HandEdit
from pipeline_magic.runs.plan import Waiver
from pipeline_magic.runs.reading import Answer
from pipeline_magic.spec.paths import Edit
from pipeline_magic.spec.schema import Model

__all__ = ["AuditDraft", "AuditEntry", "Effect", "Exchange", "Run"]


class Run(Model):
    """One statement on its way; what `store` keeps a row of, and what lists show.

    Attributes:
        version: Grows by one with every change; compare-and-set is on it.
        planner: Who reads the statement, ``embedded`` or ``llm``; as the settings say when empty. With
            ``repository`` nobody does: the draft was taken from the spec on the base branch.
        adopted: Questions whose answers were taken from an earlier run of the pipeline of that name.
        anew: Begun without answers of earlier runs.
        wish: Words of a change that may mean several things; it is made once the questions about it are answered.
        changes: Id of the run whose spec this one changes by words; empty for a run of its own.
        message: The last thing a person should know of it: why it failed, what it waits for.
        worker: Name of the process that works on it now (`flow.workers`); empty when none does.
    """

    id: str
    name: str = ""
    statement: str
    environment: str = "default"
    planner: str = ""
    changes: str = ""
    author: str = ""
    state: str = "parsing"
    created: str
    updated: str
    version: int = 1
    answers: tuple[Answer, ...] = ()
    adopted: tuple[str, ...] = ()
    anew: bool = False
    wish: str = ""
    edits: tuple[Edit, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    hand_edits: tuple[HandEdit, ...] = ()
    approval_id: str = ""
    digest: str = ""
    message: str = ""
    worker: str = ""


class Effect(Model):
    """An external effect: its key is written before it, its result after it.

    Attributes:
        key: Idempotency key, derived from what is done; the same effect has the same key after a crash.
        status: ``started`` or ``done``.
    """

    key: str
    run_id: str
    kind: str
    status: Literal["started", "done"]
    result: JsonValue = None
    at: str = ""


class Exchange(Model):
    """One request to a language model and what came back: a line of the egress ledger.

    Attributes:
        attempt: Numbers the requests of one reading, repeated ones included.
        status: ``sent`` until something came back; so a killed process still shows what left the machine.
        request: As sent, secrets taken out before: canonical JSON.
        answer: As received, secrets taken out; empty where there was none.
        request_sha256: Of `request` in UTF-8; `answer_sha256` likewise, empty without an answer.
        cost_usd: Estimate by the price table; None where the model's price is not known.
        removed: When retention removed both texts; the hashes stay. Empty while they are there.
    """

    id: str
    run_id: str
    at: str
    model: str
    host: str
    attempt: int = 1
    status: Literal["sent", "answered", "failed"] = "sent"
    request: str
    request_sha256: str
    answer: str = ""
    answer_sha256: str = ""
    error: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    seconds: float | None = None
    removed: str = ""


class AuditDraft(Model):
    """What is to be said in the audit; the store adds number and hashes."""

    at: str
    run_id: str
    event: str
    identity: str
    name: str = ""
    digest: str = ""
    detail: dict[str, JsonValue] = Field(default_factory=dict)


class AuditEntry(Model):
    """One line of the audit; `hash` covers all of it and the hash of the line before."""

    seq: int
    at: str
    run_id: str
    event: str
    identity: str
    name: str = ""
    digest: str = ""
    detail: dict[str, JsonValue] = Field(default_factory=dict)
    previous: str
    hash: str
