"""The egress ledger: written before and after, without secrets, in step with the audit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_magic import redact
from pipeline_magic.adapters.clock import SystemClock
from pipeline_magic.adapters.database import Database
from pipeline_magic.agents.approval.audit import verify
from pipeline_magic.agents.approval.ledger import EgressLedger, sha256_of, verify_exchanges


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    made = Database(str(tmp_path / "state.db"))
    yield made
    made.close()


@pytest.fixture
def ledger(store: Database) -> EgressLedger:
    return EgressLedger(store, SystemClock(), "r-1", "ada")


def test_a_request_is_written_before_anything_comes_back(store: Database, ledger: EgressLedger) -> None:
    """A process killed while it waits leaves the request in the ledger, as sent."""
    ledger.sent(model="m", host="h", attempt=1, request="who?")
    [exchange] = store.exchanges("r-1")
    assert (exchange.status, exchange.request, exchange.request_sha256) == ("sent", "who?", sha256_of("who?"))
    assert [entry.event for entry in store.audit("r-1")] == ["model.request"]


def test_what_came_back_is_written_with_tokens_and_cost(store: Database, ledger: EgressLedger) -> None:
    """An answer and a failure each close their request; all of it stands in the chained audit, in order."""
    first = ledger.sent(model="m", host="h", attempt=1, request="who?")
    ledger.failed(first, error="429", answer="", tokens=(None, None), cost_usd=None)
    second = ledger.sent(model="m", host="h", attempt=2, request="who?")
    ledger.answered(second, answer="me", tokens=(10, 2), cost_usd=0.5)
    failed, answered = store.exchanges("r-1")
    assert (failed.status, failed.error, failed.answer_sha256) == ("failed", "429", "")
    assert (answered.status, answered.answer, answered.tokens_in, answered.cost_usd) == ("answered", "me", 10, 0.5)
    assert answered.seconds is not None
    events = [entry.event for entry in store.audit("r-1")]
    assert events == ["model.request", "model.failure", "model.request", "model.answer"]
    assert verify(store.audit()) == ()
    assert verify_exchanges(store.exchanges("r-1"), store.audit()) == ()


def test_secrets_are_taken_out_before_they_are_kept(store: Database, ledger: EgressLedger) -> None:
    """A key that somebody pasted is neither in the ledger nor in the audit."""
    redact.register(["canary-77-value"])
    exchange = ledger.sent(model="m", host="h", attempt=1, request="key canary-77-value")
    ledger.failed(exchange, error="bad canary-77-value", answer="canary-77-value", tokens=(1, 1), cost_usd=None)
    kept = "".join(item.model_dump_json() for item in (*store.exchanges("r-1"), *store.audit()))
    assert "canary-77-value" not in kept


def test_an_edited_ledger_is_found(store: Database, ledger: EgressLedger) -> None:
    """A text that was changed does not fit its hash; a hash changed with it does not fit the audit."""
    exchange = ledger.sent(model="m", host="h", attempt=1, request="who?")
    ledger.answered(exchange, answer="me", tokens=(1, 1), cost_usd=None)
    [kept] = store.exchanges("r-1")
    text_only = kept.model_copy(update={"answer": "you"})
    assert verify_exchanges([text_only], store.audit()) == (
        f"The answer of {kept.id} was edited: its hash is not that of its text.",
    )
    both = kept.model_copy(update={"request": "you?", "request_sha256": sha256_of("you?")})
    assert verify_exchanges([both], store.audit()) == (
        f"The request of {kept.id} is not the one that the audit knows.",
    )


def test_exchanges_of_another_run_are_not_shown(store: Database, ledger: EgressLedger) -> None:
    """The ledger is by run."""
    ledger.sent(model="m", host="h", attempt=1, request="who?")
    assert store.exchanges("r-2") == ()


def test_half_characters_and_a_clock_that_goes_back(store: Database) -> None:
    """Halves of characters that a service answers are replaced, under hash and audit; none takes negative time."""
    from tests.support.trust import StepClock

    clock = StepClock()
    ledger = EgressLedger(store, clock, "r-1", "ada")
    sent = ledger.sent(model="m", host="h", attempt=1, request="who \ud800?")
    clock.time = clock.time.replace(year=2020)
    ledger.answered(sent, answer="\udc00 me 😀", tokens=(None, None), cost_usd=None)
    (exchange,) = store.exchanges("r-1")
    assert (exchange.request, exchange.answer, exchange.seconds) == ("who \ufffd?", "\ufffd me 😀", 0.0)
    assert verify_exchanges([exchange], store.audit()) == ()
