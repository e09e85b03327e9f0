"""EgressLedger: what a run sends to language models and what comes back, written down with an audit entry for each.

A request is written before it leaves, so that a killed process still shows what left the machine; what came back is
written after. Texts are kept whole, without secrets, beside their SHA-256; the audit holds the hashes, so that a ledger
that somebody changes later no longer agrees with the chain. Not here: sending (`agents.specification.llm`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pipeline_magic.ports import Clock, Store
from pipeline_magic.redact import redact
from pipeline_magic.runs import AuditDraft, AuditEntry, Exchange

__all__ = ["EgressLedger", "sha256_of", "verify_exchanges"]

_LONGEST = 400_000
"""Characters of one text that are kept; a service that answers more is cut off, and the hash is of what is kept."""


class EgressLedger:
    """A `ports.Ledger` in the store.

    Args:
        store: Keeps exchanges and the audit.
        clock: Times and ids.
        run_id: The run that speaks to the model.
        identity: The authenticated user on whose behalf it does.
    """

    def __init__(self, store: Store, clock: Clock, run_id: str, identity: str) -> None:
        self._store = store
        self._clock = clock
        self._run_id = run_id
        self._identity = identity
        self._open: dict[str, Exchange] = {}

    def sent(self, *, model: str, host: str, attempt: int, request: str) -> str:
        """Write a request that is about to leave; returns its id."""
        text = _whole(redact(request))
        exchange = Exchange(
            id=self._clock.new_id("x"),
            run_id=self._run_id,
            at=self._clock.now().isoformat(),
            model=model,
            host=host,
            attempt=attempt,
            request=text,
            request_sha256=sha256_of(text),
        )
        self._open[exchange.id] = exchange
        self._save(exchange, "model.request")
        return exchange.id

    def answered(
        self, exchange: str, *, answer: str, tokens: tuple[int | None, int | None], cost_usd: float | None
    ) -> None:
        """Write what came back."""
        self._close(exchange, "answered", answer, "", tokens, cost_usd)

    def failed(
        self, exchange: str, *, error: str, answer: str, tokens: tuple[int | None, int | None], cost_usd: float | None
    ) -> None:
        """Write that no usable answer came, and why."""
        self._close(exchange, "failed", answer, error, tokens, cost_usd)

    def _close(
        self,
        exchange: str,
        status: Literal["answered", "failed"],
        answer: str,
        error: str,
        tokens: tuple[int | None, int | None],
        cost_usd: float | None,
    ) -> None:
        begun, text = self._open.pop(exchange), _whole(redact(answer))[:_LONGEST]
        # A clock that was set back meanwhile must not give a negative time.
        took = max(0.0, (self._clock.now() - datetime.fromisoformat(begun.at)).total_seconds())
        closed = begun.model_copy(
            update={
                "status": status,
                "answer": text,
                "answer_sha256": sha256_of(text) if text else "",
                "error": _whole(redact(error)),
                "tokens_in": tokens[0],
                "tokens_out": tokens[1],
                "cost_usd": cost_usd,
                "seconds": round(took, 3),
            }
        )
        self._save(closed, "model.answer" if status == "answered" else "model.failure")

    def _save(self, exchange: Exchange, event: str) -> None:
        digest = exchange.request_sha256 if event == "model.request" else exchange.answer_sha256
        shown = exchange.model_dump(
            mode="json", include={"id", "model", "host", "attempt", "error", "tokens_in", "tokens_out", "cost_usd"}
        )
        draft = AuditDraft(
            at=self._clock.now().isoformat(),
            run_id=self._run_id,
            event=event,
            identity=self._identity,
            digest=digest,
            detail={name: value for name, value in shown.items() if value not in (None, "")},
        )
        self._store.save_exchange(exchange, audit=draft)


def _whole(text: str) -> str:
    """The text without halves of surrogate pairs: a service may answer them, and nothing can keep them."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def sha256_of(text: str) -> str:
    """SHA-256 of a text in UTF-8, 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def verify_exchanges(exchanges: Sequence[Exchange], audit: Sequence[AuditEntry]) -> tuple[str, ...]:
    """Where the ledger does not agree with itself or with the audit, one sentence each; empty when it does.

    Texts that retention removed are not there to be held against their hashes; the audit then says that it did.
    """
    cleaned = any(entry.event == "run.clean" for entry in audit)
    said = {(entry.detail.get("id"), entry.event == "model.request"): entry.digest for entry in audit}
    problems = []
    for item in exchanges:
        for what, text, digest, asked in (
            ("request", item.request, item.request_sha256, True),
            ("answer", item.answer, item.answer_sha256, False),
        ):
            if not text and not digest:
                continue
            if item.removed and not text:
                if not cleaned:
                    problems.append(f"The {what} of {item.id} was removed, and the audit does not say so.")
                elif said.get((item.id, asked)) != digest:
                    problems.append(f"The hash of the {what} of {item.id} is not the one that the audit knows.")
            elif sha256_of(text) != digest:
                problems.append(f"The {what} of {item.id} was edited: its hash is not that of its text.")
            elif said.get((item.id, asked)) != digest:
                problems.append(f"The {what} of {item.id} is not the one that the audit knows.")
    return tuple(problems)
