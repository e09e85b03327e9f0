"""Conversation: requests to a model within a budget, each in the ledger before it leaves, repeated where that helps.

A request runs in a thread of its own, so that Cancel and the time limit hold whatever the network does. What may be
repeated is said by the error (`retry_after`); the waits double, and have a greatest number and a greatest sum.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from pipeline_magic.agents.specification.llm.prices import Budget, estimate_tokens
from pipeline_magic.digests import canonical_json, digest_of
from pipeline_magic.errors import LanguageModelError
from pipeline_magic.ports import Completion, LanguageModel, Ledger
from pipeline_magic.redact import redact

__all__ = ["Conversation"]

_MOST_REPEATS = 4
_MOST_SETTINGS = 4
"""Settings a model may refuse one after the other."""
_UNREAD = frozenset({"unreachable", "rate_limited", "server", "key", "model", "request", "parameter"})
"""Failures before the model read anything: they count for no tokens."""
_LONGEST_WAIT = 90.0
"""Seconds waited in all for one answer."""


class Conversation:
    """The requests of one reading.

    Args:
        model: Answers.
        schema: Of the answers.
        budget: What they may cost together.
        ledger: Where each is written down; None only where nothing is kept, as in a benchmark.
        timeout: Seconds for one request.
        max_tokens: Of one answer.
        say: Told what is waited for.
        check: Called while waiting; raises to stop.
        sleep: Waits; replaced in tests.
    """

    def __init__(
        self,
        model: LanguageModel,
        schema: Mapping[str, Any],
        budget: Budget,
        ledger: Ledger | None,
        *,
        timeout: float = 60.0,
        max_tokens: int = 16_000,
        say: Callable[[str], None] = lambda message: None,
        check: Callable[[], None] = lambda: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._model = model
        self._schema = schema
        self._budget = budget
        self._ledger = ledger
        self._timeout = timeout
        self._max_tokens = max_tokens
        self._say = say
        self._check = check
        self._sleep = sleep
        self._schema_tokens = estimate_tokens(canonical_json(dict(schema)))

    def ask(self, system: str, user: str) -> Completion:
        """One answer; requests that failed and may succeed later are repeated.

        Raises:
            LanguageModelError: See `ports.LanguageModel`; and ``budget`` before a request that could exceed it.
        """
        system, user = redact(system), redact(user)
        repeats, settings, waited = 0, 0, 0.0
        while True:
            try:
                return self._once(system, user)
            except LanguageModelError as error:
                if error.retry_after is None:
                    raise
                wait = error.retry_after
                if error.kind == "parameter":
                    settings += 1
                else:
                    repeats, wait = repeats + 1, max(wait, float(2**repeats))
                if repeats > _MOST_REPEATS or settings > _MOST_SETTINGS or waited + wait > _LONGEST_WAIT:
                    raise
                waited += wait
                if wait:
                    self._say(f"{error.message} Trying again in {wait:.0f} s")
                    self._wait(wait)

    def _once(self, system: str, user: str) -> Completion:
        estimate = estimate_tokens(system, user) + self._schema_tokens
        self._budget.require(estimate, self._max_tokens, self._model.name)
        sent = ""
        if self._ledger is not None:
            request = {
                "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
                "max_tokens": self._max_tokens,
                "schema_sha256": digest_of(dict(self._schema)),
            }
            sent = self._ledger.sent(
                model=self._model.model,
                host=self._model.host,
                attempt=self._budget.requests + 1,
                request=canonical_json(request),
            )
        try:
            answer = self._completed(system, user)
        except BaseException as error:
            tokens = error.tokens if isinstance(error, LanguageModelError) else (None, None)
            unread = isinstance(error, LanguageModelError) and error.kind in _UNREAD
            self._budget.spend(*tokens, 0 if unread else estimate)
            if self._ledger is not None:
                said = error.answer if isinstance(error, LanguageModelError) else ""
                message = error.message if isinstance(error, LanguageModelError) else type(error).__name__
                cost = self._budget.cost(*tokens)
                self._ledger.failed(sent, error=message, answer=said, tokens=tokens, cost_usd=cost)
            raise
        tokens = (answer.tokens_in, answer.tokens_out)
        self._budget.spend(*tokens, estimate)
        if self._ledger is not None:
            self._ledger.answered(sent, answer=answer.text, tokens=tokens, cost_usd=self._budget.cost(*tokens))
        return answer

    def _completed(self, system: str, user: str) -> Completion:
        held: list[Completion | BaseException] = []
        done = threading.Event()

        def work() -> None:
            try:
                held.append(
                    self._model.complete(
                        system=system,
                        user=user,
                        schema=self._schema,
                        max_tokens=self._max_tokens,
                        timeout=self._timeout,
                    )
                )
            except BaseException as error:  # noqa: BLE001 - carried to the thread that waits, and raised there
                held.append(error)
            finally:
                done.set()

        threading.Thread(target=work, name="pipeline_magic model", daemon=True).start()
        # A service that sends a byte now and then never times out by itself; the first import takes its own time.
        deadline = time.monotonic() + 2 * self._timeout + 30
        while not done.wait(0.05):
            self._check()
            if time.monotonic() > deadline:
                raise LanguageModelError(
                    "The language model did not answer in time.",
                    where=self._model.name,
                    hint="Try again later; `--planner embedded` reads the statement without a model.",
                    kind="timeout",
                )
        [result] = held
        if isinstance(result, BaseException):
            raise result
        return result

    def _wait(self, seconds: float) -> None:
        while seconds > 0:
            self._check()
            self._sleep(min(0.2, seconds))
            seconds -= 0.2
