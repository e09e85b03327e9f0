"""What a language model's service or library raised, in our words: what happened, at which model, what to do next.

Pure but for the imports of the library's error classes. No text of a service goes further than its first line,
shortened, with secrets taken out; no key is ever part of a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pipeline_magic.errors import LanguageModelError
from pipeline_magic.redact import redact

__all__ = ["OTHERWISE", "cut_off", "filtered", "parameter_refused", "refused", "translate", "unreadable"]

OTHERWISE = "`--planner embedded` reads the statement without a model."
"""What is always left to do."""

_LONGEST_WAIT = 60.0
_FIRST_WAIT = 1.0

_NO_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_PARAMETERS: dict[str, tuple[str, ...]] = {
    "temperature": ("temperature",),
    "seed": ("seed",),
    "json_schema": ("response_format", "json_schema", "structured output", "invalid schema"),
    "max_tokens": ("max_completion_tokens", "max_tokens"),
}

Tokens = tuple["int | None", "int | None"]


def refused(name: str, words: str, tokens: Tokens) -> LanguageModelError:
    """The model declined to answer."""
    return LanguageModelError(
        f"The language model refused to answer: {_first_line(words) or 'no reason was given'}",
        where=name,
        hint=f"Say the statement in other words; {OTHERWISE}",
        kind="refused",
        answer=words,
        tokens=tokens,
    )


def filtered(name: str, text: str, tokens: Tokens) -> LanguageModelError:
    """The service's content filter stopped the request or its answer."""
    return LanguageModelError(
        "The content filter of the language model's service stopped the answer.",
        where=name,
        hint=f"Say the statement in other words; {OTHERWISE}",
        kind="filtered",
        answer=text,
        tokens=tokens,
    )


def cut_off(name: str, text: str, tokens: Tokens) -> LanguageModelError:
    """The answer reached its greatest length."""
    return LanguageModelError(
        "The answer of the language model was cut off at its greatest length.",
        where=name,
        hint=f"Describe one pipeline in fewer words; {OTHERWISE}",
        kind="cut_off",
        answer=text,
        tokens=tokens,
    )


def unreadable(name: str, text: str, why: str, tokens: Tokens) -> LanguageModelError:
    """The answer is not in the form that was asked for; the model may be told so."""
    return LanguageModelError(
        f"The answer of the language model cannot be read: {why}.",
        where=name,
        hint=f"Try again, or use another model; {OTHERWISE}",
        kind="unreadable",
        answer=text,
        tokens=tokens,
    )


def parameter_refused(error: Exception, sent: Iterable[str]) -> str:
    """The setting of a request that the model does not accept, where that is what it says; empty otherwise."""
    status = getattr(error, "status_code", None)
    if status not in (400, 422):
        return ""
    body: Any = getattr(error, "body", None)
    named = str(body.get("param") or "") if isinstance(body, dict) else ""
    text = f"{named} {getattr(error, 'message', '')}".casefold()
    return next((name for name in sent if any(word in text for word in _PARAMETERS[name])), "")


def translate(error: Exception, name: str, *, parameter: str = "") -> LanguageModelError:
    """Our error for whatever the library raised.

    Args:
        name: Of the model and its host.
        parameter: Setting that the model does not accept; the request may be repeated without it.
    """
    import openai

    if parameter:
        said = f"The model does not accept `{parameter}`."
        return LanguageModelError(said, where=name, hint=OTHERWISE, kind="parameter", retry_after=0.0)
    if isinstance(error, openai.LengthFinishReasonError):
        return cut_off(name, *_of_completion(error))
    if isinstance(error, openai.ContentFilterFinishReasonError):
        return filtered(name, "", (None, None))
    if type(error).__name__ == "OpenAIRefusalError":
        return refused(name, str(error), (None, None))
    if isinstance(error, openai.APITimeoutError):
        return LanguageModelError(
            "The language model did not answer in time.",
            where=name,
            hint=f"Raise `model_timeout`, or try again later; {OTHERWISE}",
            kind="timeout",
            retry_after=_FIRST_WAIT,
        )
    if isinstance(error, openai.APIConnectionError):
        return LanguageModelError(
            "The language model cannot be reached.",
            where=name,
            hint=f"Check the address, the network and the proxy; {OTHERWISE}",
            kind="unreachable",
            retry_after=_FIRST_WAIT,
        )
    if isinstance(error, openai.APIStatusError):
        return _of_status(error, name)
    if isinstance(error, UnicodeEncodeError):
        said = "The key or the address of the language model holds a character that cannot be sent."
        return LanguageModelError(said, where=name, hint=f"Set a valid key. {OTHERWISE}", kind="key")
    # Everything else is an answer that the library could not take apart: no choices, wrong types, broken JSON.
    return unreadable(name, "", "it is not in the form of the API", (None, None))


def _of_status(error: Any, name: str) -> LanguageModelError:
    status, said = int(error.status_code), _first_line(str(error.message))
    body = error.body if isinstance(error.body, dict) else {}
    code = str(body.get("code") or "")
    if code == "content_filter" or "content management policy" in said:
        return filtered(name, "", (None, None))
    wait = _wait(error)
    made: tuple[str, str, str, float | None]
    if status == 401:
        made = ("The language model's service refused the key.", "Set a valid key.", "key", None)
    elif status == 403:
        made = (f"The key may not use this model: {said}", "Ask for the right, or name another model.", "key", None)
    elif status == 404:
        hint = "Check the name of the model and the base address in the settings."
        made = (f"The service has no such model or address: {said}", hint, "model", None)
    elif status == 429 and code in _NO_CREDIT:
        made = ("The account of the language model has no credit left.", "Look at its billing.", "rate_limited", None)
    elif status == 429:
        made = ("The language model's service asks to wait.", "Try again in a while.", "rate_limited", wait)
    elif status in (408, 409) or status >= 500:
        made = (f"The language model's service failed with HTTP {status}.", "Try again later.", "server", wait)
    elif "context" in code or "context length" in said or "too long" in said:
        made = ("The request is too long for the language model.", "Shorten the statement.", "request", None)
    else:
        hint = "Check the settings of the language model."
        made = (f"The language model's service answered with HTTP {status}: {said}", hint, "request", None)
    message, next_, kind, after = made
    return LanguageModelError(message, where=name, hint=f"{next_} {OTHERWISE}", kind=kind, retry_after=after)


def _of_completion(error: Any) -> tuple[str, Tokens]:
    completion = getattr(error, "completion", None)
    usage = getattr(completion, "usage", None)
    try:
        text = str(completion.choices[0].message.content or "") if completion else ""
    except (AttributeError, IndexError):
        text = ""
    return text, (getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None))


def _wait(error: Any) -> float:
    """Seconds the service asks to wait, within a minute."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    for header, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            asked = float(headers.get(header, "")) * unit
        except ValueError:
            continue
        if asked >= 0:
            return min(asked, _LONGEST_WAIT)
    return _FIRST_WAIT


def _first_line(text: str) -> str:
    """The first line without secrets, control characters and length."""
    line = redact(text.strip().split("\n")[0])
    line = re.sub(r"\*{2,}\S*|\bsk-\S+", "[redacted]", line)  # services repeat the key, masked in the middle
    return "".join(char for char in line if char.isprintable())[:200]
