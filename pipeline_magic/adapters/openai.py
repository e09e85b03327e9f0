"""Language models behind OpenAI's chat API, by langchain-openai: OpenAI, Azure, Databricks, any compatible address.

One call is one request: no retry of the client's own, no stream, no tracing, an explicit address. Nothing in the
environment sends a request elsewhere or copies it (`LANGSMITH_GATEWAY`, `LANGSMITH_TRACING` and their kin are
overruled); a proxy that the environment names for every program is used. Every way in which a service fails becomes a
LanguageModelError with a `kind`, in plain words and without the key (`openai_errors`). Where a model does not accept a
setting (a temperature, a seed, a JSON schema as its answer's form), the next request goes without it. Importing the
library takes two seconds: it is done by the first request.

Not tried on the real services of OpenAI, Azure or Databricks; tested against stand-ins that speak their protocol.
"""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from pipeline_magic.adapters.openai_errors import cut_off, filtered, parameter_refused, refused, translate, unreadable
from pipeline_magic.adapters.openai_schema import portable
from pipeline_magic.errors import ConfigurationError
from pipeline_magic.ports import Completion

__all__ = ["Endpoint", "OpenAIModel", "databricks_endpoint"]

_MODELS_URL = "https://api.openai.com/v1"
_SEED = 7
_DROPPABLE = ("temperature", "seed", "json_schema", "max_tokens")


@dataclass(frozen=True)
class Endpoint:
    """Where a model is served.

    Attributes:
        service: ``openai`` (and everything that speaks its API) or ``azure``.
        model: Name of the model, of the Azure deployment, or of the serving endpoint.
        key: What the requests are authorised by.
        url: Base address; for Azure the resource's.
        api_version: Azure's.
    """

    service: Literal["openai", "azure"]
    model: str
    key: SecretStr
    url: str = _MODELS_URL
    api_version: str = "2024-10-21"

    def __reduce_ex__(self, protocol: Any) -> Any:
        """A pickle would hold the key in the clear."""
        raise TypeError("The address of a language model holds its key and cannot be pickled.")

    @property
    def host(self) -> str:
        """Host, and port where one is named.

        Raises:
            ConfigurationError: The address is none of the web.
        """
        try:
            parts = urlsplit(self.url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port, parts = None, None, urlsplit("")
        if parts.scheme not in {"http", "https"} or not host or parts.username or parts.password:
            raise ConfigurationError(
                "The address of the language model cannot be used.",
                hint="Write it as https://host/path, without a user or password in it.",
            )
        return f"{host}:{port}" if port else host


def databricks_endpoint(host: str, endpoint: str, token: SecretStr) -> Endpoint:
    """A model serving endpoint of a Databricks workspace.

    Args:
        host: Of the workspace, with ``https://``.
        endpoint: Name of the serving endpoint.
        token: Of the workspace.
    """
    return Endpoint("openai", endpoint, token, host.rstrip("/") + "/serving-endpoints")


class OpenAIModel:
    """A `ports.LanguageModel`.

    Args:
        endpoint: Where the model is served.

    Raises:
        ConfigurationError: The address cannot be used.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.model = endpoint.model
        self.host = endpoint.host
        self.name = f"{self.model} at {self.host}"
        self._lock = threading.Lock()
        self._without: set[str] = set()
        self._clients: dict[tuple[Any, ...], Any] = {}

    def __repr__(self) -> str:
        return f"OpenAIModel({self.name})"

    def complete(
        self, *, system: str, user: str, schema: Mapping[str, Any], max_tokens: int = 8000, timeout: float = 60.0
    ) -> Completion:
        """See `ports.LanguageModel`."""
        with self._lock:
            without = frozenset(self._without)
        messages = [("system", system), ("user", user)]
        try:
            from langsmith.run_helpers import tracing_context

            client = self._client(max_tokens, timeout, without)
            with tracing_context(enabled=False), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the library's advice to those who write against it
                raw = client.invoke(messages, **_form(schema, without), config={"callbacks": []})
        except Exception as error:  # noqa: BLE001 - a broken answer makes the library raise anything; each is one of ours
            refusal = parameter_refused(error, [name for name in _DROPPABLE if name not in without])
            if refusal:
                with self._lock:
                    self._without.add(refusal)
            raise translate(error, self.name, parameter=refusal) from None
        return _read(raw, self.name, tools="json_schema" in without)

    def _client(self, max_tokens: int, timeout: float, without: frozenset[str]) -> Any:
        key = (max_tokens, timeout, without)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._made(max_tokens, timeout, without)
            return self._clients[key]

    def _made(self, max_tokens: int, timeout: float, without: frozenset[str]) -> Any:
        from langchain_openai import AzureChatOpenAI, ChatOpenAI

        endpoint = self._endpoint
        options: dict[str, Any] = {
            "api_key": endpoint.key,
            "timeout": timeout,
            "max_retries": 0,
            "cache": False,
            "streaming": False,
            "verbose": False,
            "use_responses_api": False,
        }
        if "temperature" not in without:
            options["temperature"] = 0
        if "seed" not in without:
            options["seed"] = _SEED
        if "max_tokens" not in without:
            options["max_tokens"] = max_tokens
        if endpoint.service == "azure":
            return AzureChatOpenAI(
                azure_endpoint=endpoint.url,
                azure_deployment=endpoint.model,
                model=endpoint.model,
                api_version=endpoint.api_version,
                base_url=None,
                azure_ad_token=None,
                **options,
            )
        return ChatOpenAI(model=endpoint.model, base_url=endpoint.url, **options)


def _form(schema: Mapping[str, Any], without: frozenset[str]) -> dict[str, Any]:
    """How the answer's form is asked for: as a JSON schema, or as the arguments of the one tool there is."""
    name = str(schema.get("title", "answer"))
    if "json_schema" in without:
        function = {"name": name, "description": str(schema.get("description", "")), "parameters": dict(schema)}
        choice = {"type": "function", "function": {"name": name}}
        return {"tools": [{"type": "function", "function": function}], "tool_choice": choice}
    strict = {"name": name, "strict": True, "schema": portable(schema)}
    return {"response_format": {"type": "json_schema", "json_schema": strict}}


def _read(raw: Any, name: str, *, tools: bool) -> Completion:
    """The answer out of a message.

    Raises:
        LanguageModelError: There is no whole JSON object in it.
    """
    usage = raw.usage_metadata or {}
    tokens = (usage.get("input_tokens"), usage.get("output_tokens"))
    text, reason = _text(raw.content), (raw.response_metadata or {}).get("finish_reason")
    refusal = raw.additional_kwargs.get("refusal")
    if refusal:
        raise refused(name, str(refusal), tokens)
    if reason == "content_filter":
        raise filtered(name, text, tokens)
    if reason == "length":
        raise cut_off(name, text or _arguments(raw.invalid_tool_calls), tokens)
    if tools and raw.tool_calls:
        arguments = raw.tool_calls[0].get("args")
        if isinstance(arguments, dict):
            return Completion(data=arguments, text=json.dumps(arguments), tokens_in=tokens[0], tokens_out=tokens[1])
    if raw.invalid_tool_calls:
        raise unreadable(name, _arguments(raw.invalid_tool_calls), "the arguments of its tool call are no JSON", tokens)
    if not text.strip():
        raise unreadable(name, "", "it is empty", tokens)
    data = _json(text)
    if not isinstance(data, dict):
        raise unreadable(name, text, "it is no JSON object", tokens)
    return Completion(data=data, text=text, tokens_in=tokens[0], tokens_out=tokens[1])


def _text(content: Any) -> str:
    """The text of a message; some services send it in blocks, reasoning among them."""
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return "".join(
        block if isinstance(block, str) else str(block.get("text", ""))
        for block in blocks
        if isinstance(block, str) or (isinstance(block, dict) and block.get("type") == "text")
    )


def _arguments(calls: Any) -> str:
    return "\n".join(str(call.get("args") or "") for call in calls or ())


def _json(text: str) -> Any:
    """The JSON value of a text, in a code fence or not; None where it is none, or holds what JSON has no word for."""

    def no_constant(word: str) -> Any:
        raise ValueError(word)

    body = text.strip()
    if body.startswith("```") and body.endswith("```") and "\n" in body:
        body = body[body.index("\n") : -3]
    try:
        return json.loads(body, parse_constant=no_constant)
    except (ValueError, RecursionError):
        return None
