"""What requests cost, as far as that is known: a small table of list prices, and the budget of one reading.

Prices are US dollars for a million tokens, read and written, as published in August 2025. They change, and Azure and
Databricks have their own: the setting `model_price` overrides them, and of a model that is not listed no cost is said.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from pipeline_magic.errors import LanguageModelError

__all__ = ["PRICES", "PRICES_OF", "Budget", "estimate_tokens", "price_of"]

PRICES_OF = "2025-08"
PRICES: dict[str, tuple[float, float]] = {
    "gpt-4o": (2.5, 10.0),
    "gpt-4o-mini": (0.15, 0.6),
    "gpt-4.1": (2.0, 8.0),
    "gpt-4.1-mini": (0.4, 1.6),
    "gpt-4.1-nano": (0.1, 0.4),
    "gpt-5": (1.25, 10.0),
    "gpt-5-mini": (0.25, 2.0),
    "gpt-5-nano": (0.05, 0.4),
    "o3": (2.0, 8.0),
    "o4-mini": (1.1, 4.4),
}

_BYTES_A_TOKEN = 3
"""Fewer than English or JSON has, so that an estimate is rather too high."""


def price_of(model: str, override: tuple[float, float] | None = None) -> tuple[float, float] | None:
    """Dollars for a million tokens read and written; None where they are not known. A dated name is its model.

    >>> price_of("gpt-4.1-mini-2025-04-14"), price_of("my-endpoint")
    ((0.4, 1.6), None)
    """
    return override or PRICES.get(re.sub(r"-\d{4}-\d{2}-\d{2}$", "", model.casefold()))


def estimate_tokens(*texts: str) -> int:
    """About how many tokens the texts have; rather more than fewer."""
    return sum(math.ceil(len(text.encode("utf-8", "surrogatepass")) / _BYTES_A_TOKEN) for text in texts)


@dataclass
class Budget:
    """What one reading may still spend.

    Attributes:
        tokens: The most, read and written.
        usd: The most, in dollars; holds only where the model's price is known.
        price: See `price_of`.
        spent_in: Tokens read so far, counted by the service or, where it did not, estimated; `spent_out` written ones.
    """

    tokens: int
    usd: float
    price: tuple[float, float] | None = None
    spent_in: int = 0
    spent_out: int = 0
    requests: int = field(default=0)

    def cost(self, tokens_in: int | None, tokens_out: int | None) -> float | None:
        """Dollars for so many tokens; None where price or numbers are not known."""
        if self.price is None or tokens_in is None or tokens_out is None:
            return None
        return round((tokens_in * self.price[0] + tokens_out * self.price[1]) / 1e6, 6)

    def require(self, tokens_in: int, most_out: int, where: str) -> None:
        """Refuse a request that could exceed what is left, before it is sent.

        Raises:
            LanguageModelError: Of the kind ``budget``.
        """
        total = self.spent_in + self.spent_out + tokens_in + most_out
        if total > self.tokens:
            raise self._refusal(f"{total:,} tokens, and {self.tokens:,} are allowed", "model_budget_tokens", where)
        cost = self.cost(self.spent_in + tokens_in, self.spent_out + most_out)
        if cost is not None and cost > self.usd:
            raise self._refusal(f"${cost:.4f}, and ${self.usd:.4f} are allowed", "model_budget_usd", where)

    def spend(self, tokens_in: int | None, tokens_out: int | None, estimate_in: int) -> None:
        """Count a request that was sent."""
        self.requests += 1
        self.spent_in += estimate_in if tokens_in is None else tokens_in
        self.spent_out += tokens_out or 0

    def in_words(self) -> str:
        """What was spent, for a person."""
        cost = self.cost(self.spent_in, self.spent_out)
        money = "cost unknown: no price is listed for this model" if cost is None else f"about ${cost:.4f}"
        times = "1 request" if self.requests == 1 else f"{self.requests} requests"
        return f"{times}, {self.spent_in:,} tokens read and {self.spent_out:,} written, {money}"

    def _refusal(self, amount: str, setting: str, where: str) -> LanguageModelError:
        return LanguageModelError(
            f"The next request to the language model could bring this reading to {amount}; it was not sent.",
            where=where,
            hint=f"Raise `{setting}`, or shorten the statement; `--planner embedded` reads it without a model.",
            kind="budget",
        )
