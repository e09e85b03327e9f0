"""A model that fills in a bounded schema, and the ledger of what it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from pipeline_magic.spec.schema import Model

__all__ = ["Completion", "LanguageModel", "Ledger"]


class Completion(Model):
    """What a model answered. Hostile input: whoever asked validates it.

    Attributes:
        data: The JSON object of the answer.
        text: The answer as it came, for the ledger.
        tokens_in: Tokens of the request as the service counted them; None where it did not. `tokens_out` likewise.
    """

    data: dict[str, Any]
    text: str
    tokens_in: int | None = None
    tokens_out: int | None = None


class LanguageModel(Protocol):
    """A model that fills in a bounded schema. One call is one request: repeating is the caller's, so that every request
    can be counted and written down."""

    @property
    def name(self) -> str:
        """For a person: ``gpt-4.1 at api.openai.com``."""
        ...

    @property
    def model(self) -> str:
        """Its name at the service."""
        ...

    @property
    def host(self) -> str:
        """Where requests go: host, and port where one is named."""
        ...

    def complete(
        self, *, system: str, user: str, schema: Mapping[str, Any], max_tokens: int = 8000, timeout: float = 60.0
    ) -> Completion:
        """An object that claims to fit `schema`; the caller validates it.

        Args:
            system: What the model is told to do.
            user: What it is to work on.
            schema: JSON schema of the answer, with `title`.
            max_tokens: The longest answer.
            timeout: Seconds for the whole request.

        Raises:
            LanguageModelError: Timeout, refusal, cut-off or unusable answer, named; `retry_after` says whether the
                same request may succeed later.
        """
        ...


class Ledger(Protocol):
    """Where every request to a language model is written before it is sent, and what came back after it."""

    def sent(self, *, model: str, host: str, attempt: int, request: str) -> str:
        """Write a request that is about to leave; returns its id."""
        ...

    def answered(
        self, exchange: str, *, answer: str, tokens: tuple[int | None, int | None], cost_usd: float | None
    ) -> None:
        """Write what came back."""
        ...

    def failed(
        self, exchange: str, *, error: str, answer: str, tokens: tuple[int | None, int | None], cost_usd: float | None
    ) -> None:
        """Write that no usable answer came, and why."""
        ...
