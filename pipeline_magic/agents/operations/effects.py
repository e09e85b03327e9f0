"""One external effect, done once.

The key is derived from what is done, and is written before the effect; the result is written after it. A call that
finds a finished effect returns its result and touches nothing; one that finds a started effect does it again, so every
action given to `Effects.once` must itself be idempotent. Effects belong to an approval: a plan that is approved anew
after a rollback has effects of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import JsonValue

from pipeline_magic.digests import digest_of
from pipeline_magic.ports import Clock, Store
from pipeline_magic.runs import AuditDraft

__all__ = ["Effects"]


class Effects:
    """The effects of one run under one approval, each in the store and, once done, in the audit.

    Args:
        identity: Authenticated identity that the audit names.
        digest: Plan digest that the audit names.
        approval_id: The approval they follow from; empty for effects that need none.
    """

    def __init__(
        self, store: Store, clock: Clock, run_id: str, *, identity: str, digest: str, approval_id: str = ""
    ) -> None:
        self._store = store
        self._clock = clock
        self._run_id = run_id
        self._identity = identity
        self._digest = digest
        self._prefix = f"{run_id}/{approval_id}/" if approval_id else f"{run_id}/"

    def begin(self, kind: str, subject: str) -> None:
        """Note that somebody else may do it from now on: what is then found in the world may be its result."""
        self._store.begin_effect(f"{self._prefix}{kind}/{subject}", self._run_id, kind, self._now())

    def once(self, kind: str, subject: str, action: Callable[[], JsonValue]) -> JsonValue:
        """Do `action` unless it was done.

        Args:
            kind: What is done, in the audit's words: ``pull_request.open``.
            subject: What it is done to, so that the same effect has the same key.
            action: Does it and returns a JSON value that a later call can go on with.
        """
        key = f"{self._prefix}{kind}/{subject}"
        effect = self._store.begin_effect(key, self._run_id, kind, self._now())
        if effect.status == "done":
            return effect.result
        result = action()
        detail: dict[str, JsonValue] = {"subject": subject, "result": digest_of(result)}
        if isinstance(result, dict) and isinstance(result.get("succeeded"), bool):
            detail["succeeded"] = result["succeeded"]
        said = self.draft(kind, detail)
        # The result and its audit entry are one write: killed before it, the effect is done again and said once.
        return self._store.finish_effect(key, result, said.at, audit=said).result

    def draft(self, event: str, detail: dict[str, JsonValue]) -> AuditDraft:
        """An audit entry of what follows from this approval."""
        return AuditDraft(
            at=self._now(),
            run_id=self._run_id,
            event=event,
            identity=self._identity,
            digest=self._digest,
            detail=detail,
        )

    def begun(self, kind: str, subject: str) -> bool:
        """Whether it was begun; it may be done already, even where nothing says so."""
        key = f"{self._prefix}{kind}/{subject}"
        return any(effect.key == key for effect in self._store.effects(self._run_id))

    def finished(self) -> dict[tuple[str, str], JsonValue]:
        """Results of the effects that are done, by kind and subject, in the order they were begun."""
        found = {}
        for effect in self._store.effects(self._run_id):
            start = f"{self._prefix}{effect.kind}/"
            if effect.status == "done" and effect.key.startswith(start):
                found[effect.kind, effect.key[len(start) :]] = effect.result
        return found

    def _now(self) -> str:
        return self._clock.now().isoformat()
