"""The adapter for language models: every way a service fails has a name, and nothing sends a prompt elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline_magic.adapters.openai import Endpoint, OpenAIModel, databricks_endpoint
from pipeline_magic.errors import ConfigurationError, LanguageModelError
from tests.support.llmock_server import Llmock, llmock
from tests.support.model_server import KEY, ModelServer, Reply, calls, fails, model_server, says

SCHEMA: dict[str, Any] = {
    "title": "pipeline",
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {"name": {"type": "string", "maxLength": 60}, "size": {"type": "integer", "default": 1}},
}


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with model_server() as made:
        yield made


@pytest.fixture(scope="module")
def other() -> Iterator[Llmock]:
    with llmock() as made:
        yield made


def model(url: str, name: str = "gpt-4.1", key: str = KEY) -> OpenAIModel:
    return OpenAIModel(Endpoint("openai", name, SecretStr(key), url))


def ask(made: OpenAIModel, timeout: float = 20.0) -> Any:
    return made.complete(system="You fill in forms.", user="A form.", schema=SCHEMA, max_tokens=50, timeout=timeout)


def test_an_answer_with_what_it_cost(server: ModelServer) -> None:
    """The object, its text and the tokens; one request, at temperature 0, with a seed, in the strict form."""
    server.will(says({"name": "x", "size": 2}))
    answer = ask(model(server.url))
    assert (answer.data, answer.tokens_in, answer.tokens_out) == ({"name": "x", "size": 2}, 1000, 100)
    [request] = server.requests
    assert (request["temperature"], request["seed"], request["max_completion_tokens"]) == (0, 7, 50)
    assert request["response_format"]["json_schema"]["strict"] is True
    assert [message["role"] for message in request["messages"]] == ["system", "user"]
    assert server.paths == ["/v1/chat/completions"]


FAILURES: list[tuple[str, Reply, str, float | None]] = [
    ("429 with Retry-After", fails(429, "slow down", retry_after="3"), "rate_limited", 3.0),
    ("429 in milliseconds", fails(429, "slow down", retry_after_ms="1500"), "rate_limited", 1.5),
    ("429 with a date", fails(429, "slow down", retry_after="Wed, 21 Oct 2026 07:28:00 GMT"), "rate_limited", 1.0),
    ("429 for a week", fails(429, "slow down", retry_after="604800"), "rate_limited", 60.0),
    ("no credit", fails(429, "You exceeded your current quota", code="insufficient_quota"), "rate_limited", None),
    ("500", fails(500), "server", 1.0),
    ("503", fails(503, retry_after="2"), "server", 2.0),
    ("403", fails(403, "no access to this model"), "key", None),
    ("404 model", fails(404, "The model `gpt-9` does not exist", code="model_not_found"), "model", None),
    ("400", fails(400, "something else"), "request", None),
    ("too long", fails(400, "maximum context length is 8192 tokens", code="context_length_exceeded"), "request", None),
    ("Azure filters the prompt", fails(400, "content management policy", code="content_filter"), "filtered", None),
    ("connection closed", Reply(drop=True), "unreachable", 1.0),
    ("truncated JSON", says('{"name": "x", "si'), "unreadable", None),
    ("prose", says("Of course! Here is your pipeline."), "unreadable", None),
    ("a list", says("[1, 2]"), "unreadable", None),
    ("empty", says(""), "unreadable", None),
    ("null", says(None), "unreadable", None),
    ("not a number", says('{"name": NaN}'), "unreadable", None),
    ("nested without end", says("[" * 100_000), "unreadable", None),
    ("refusal", says(None, refusal="I cannot help with that."), "refused", None),
    ("length", says('{"name": "x', finish="length"), "cut_off", None),
    ("content filter", says("", finish="content_filter"), "filtered", None),
    ("no choices", Reply(body={"id": "1", "object": "chat.completion", "choices": None}), "unreadable", None),
    ("empty choices", Reply(body={"id": "1", "object": "chat.completion", "choices": []}), "unreadable", None),
    ("no JSON at all", Reply(body=b"<html>gateway</html>"), "unreadable", None),
    ("a body cut off", Reply(body=b'{"id": "1", "choices": [{"mess'), "unreadable", None),
]


@pytest.mark.parametrize(
    ("reply", "kind", "after"), [case[1:] for case in FAILURES], ids=[case[0] for case in FAILURES]
)
def test_every_failure_has_a_name(server: ModelServer, reply: Reply, kind: str, after: float | None) -> None:
    """One request, one error of ours: which kind, whether to repeat it, what to do next, and no key in any text."""
    server.will(reply)
    with pytest.raises(LanguageModelError) as caught:
        ask(model(server.url))
    error = caught.value
    assert (error.kind, error.retry_after, len(server.requests)) == (kind, after, 1)
    assert "--planner embedded" in error.hint
    assert KEY not in repr((error, error.args, error.message, error.where, error.hint, error.answer))


def test_a_wrong_key_is_not_repeated(server: ModelServer) -> None:
    """Services repeat the key with its middle masked; our error repeats none of it."""
    server.will()
    with pytest.raises(LanguageModelError) as caught:
        ask(model(server.url, key="sk-wrong-key-9876543210"))
    assert caught.value.kind == "key"
    assert "sk-wrong" not in str(caught.value) and "3210" not in str(caught.value)


def test_a_key_that_cannot_be_sent(server: ModelServer) -> None:
    """A key with a letter that no header holds is named as such, and not repeated."""
    with pytest.raises(LanguageModelError) as caught:
        ask(model(server.url, key="sk-ключ-0123456789"))
    assert caught.value.kind == "key"
    assert "ключ" not in str(caught.value)


def test_silence_is_a_timeout(server: ModelServer) -> None:
    """A service that says nothing is given up after the time that was given."""
    server.will(Reply(wait=3.0, body={}))
    with pytest.raises(LanguageModelError) as caught:
        ask(model(server.url), timeout=0.3)
    assert (caught.value.kind, caught.value.retry_after) == ("timeout", 1.0)


def test_nobody_there() -> None:
    """A refused connection says that the model cannot be reached."""
    with pytest.raises(LanguageModelError) as caught:
        ask(model("http://127.0.0.1:9/v1"))
    assert caught.value.kind == "unreachable"


@pytest.mark.parametrize(
    ("message", "param", "gone"),
    [
        ("Unsupported value: 'temperature' does not support 0 with this model.", "temperature", "temperature"),
        ("Unrecognized request argument supplied: seed", "", "seed"),
        ("max_completion_tokens: Extra inputs are not permitted", "", "max_completion_tokens"),
        ("'response_format' of type 'json_schema' is not supported with this model", "", "response_format"),
        ("Invalid schema for response_format 'pipeline'", "", "response_format"),
    ],
)
def test_what_a_model_does_not_accept_is_left_out(server: ModelServer, message: str, param: str, gone: str) -> None:
    """The refusal of one setting is an error that may be repeated at once; the next request goes without it."""
    made = model(server.url)
    server.will(fails(400, message, param=param), calls({"name": "x"}) if gone == "response_format" else says({"n": 1}))
    with pytest.raises(LanguageModelError) as caught:
        ask(made)
    assert (caught.value.kind, caught.value.retry_after) == ("parameter", 0.0)
    ask(made)
    first, second = server.requests
    assert gone in first and gone not in second
    assert set(first) - set(second) == {gone}


class TestTools:
    """A model that knows no JSON schema answers by a tool call."""

    @pytest.fixture
    def made(self, server: ModelServer) -> OpenAIModel:
        made = model(server.url)
        server.will(fails(400, "response_format is not supported"))
        with pytest.raises(LanguageModelError):
            ask(made)
        return made

    def test_arguments_are_the_answer(self, server: ModelServer, made: OpenAIModel) -> None:
        """The arguments of the call are the object."""
        server.will(calls({"name": "x"}))
        assert ask(made).data == {"name": "x"}
        assert server.requests[0]["tool_choice"]["function"]["name"] == "pipeline"

    @pytest.mark.parametrize(
        ("reply", "kind"),
        [
            (calls('{"name": "x", "si'), "unreadable"),
            (calls('{"name": "x', finish="length"), "cut_off"),
            (calls("[1]"), "unreadable"),
            (says("I would call the tool."), "unreadable"),
            (says(None, refusal="No."), "refused"),
        ],
    )
    def test_broken_calls_are_named(self, server: ModelServer, made: OpenAIModel, reply: Reply, kind: str) -> None:
        """Truncated arguments, prose beside the tool and refusals are failures."""
        server.will(reply)
        with pytest.raises(LanguageModelError) as caught:
            ask(made)
        assert caught.value.kind == kind


def test_azure(server: ModelServer) -> None:
    """Azure's address holds the deployment and the version of the API; its key has a header of its own."""
    server.will(says({"name": "x"}))
    made = OpenAIModel(Endpoint("azure", "my-deployment", SecretStr(KEY), server.address, "2024-10-21"))
    assert ask(made).data == {"name": "x"}
    assert server.paths == ["/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21"]


def test_databricks(server: ModelServer) -> None:
    """A serving endpoint is asked below the workspace's address, by name, with the workspace's token."""
    server.will(says({"name": "x"}))
    made = OpenAIModel(databricks_endpoint(server.address, "my-endpoint", SecretStr(KEY)))
    assert ask(made).data == {"name": "x"}
    assert server.paths == ["/serving-endpoints/chat/completions"]
    assert server.requests[0]["model"] == "my-endpoint"


def test_content_in_blocks(server: ModelServer) -> None:
    """Some endpoints answer in blocks, their reasoning first; the text blocks are the answer."""
    blocks = [{"type": "reasoning", "summary": []}, {"type": "text", "text": json.dumps({"name": "x"})}]
    reply = says("x")
    reply.body["choices"][0]["message"]["content"] = blocks
    server.will(reply)
    assert ask(model(server.url)).data == {"name": "x"}


def test_nothing_in_the_environment_redirects_or_copies(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With LangSmith's gateway and tracing switched on for a whole machine, requests go to the address given, alone."""
    with model_server() as spy:
        for name, value in {
            "LANGSMITH_GATEWAY": spy.address,
            "LANGSMITH_GATEWAY_API_KEY": "lsv2_x",
            "LANGSMITH_TRACING": "true",
            "LANGCHAIN_TRACING_V2": "true",
            "LANGSMITH_ENDPOINT": spy.address,
            "LANGCHAIN_ENDPOINT": spy.address,
            "LANGSMITH_API_KEY": "lsv2_x",
            "OPENAI_BASE_URL": spy.address,
            "OPENAI_API_BASE": spy.address,
            "AZURE_OPENAI_ENDPOINT": spy.address,
            "OPENAI_API_KEY": "sk-of-the-environment",
        }.items():
            monkeypatch.setenv(name, value)
        server.will(says({"name": "x"}), says({"name": "x"}))
        ask(model(server.url))
        ask(OpenAIModel(Endpoint("azure", "d", SecretStr(KEY), server.address)))
        from langchain_core.tracers.langchain import wait_for_all_tracers

        wait_for_all_tracers()
        assert (len(server.requests), spy.paths) == (2, [])


@pytest.mark.parametrize(
    "url", ["", "api.openai.com", "ftp://x/y", "https://user:secret@host/v1", "https://", "http://[x"]
)
def test_an_address_that_cannot_be_used(url: str) -> None:
    """Addresses that are none, or that hold a password, are refused without being repeated."""
    with pytest.raises(ConfigurationError) as caught:
        model(url)
    assert "secret" not in str(caught.value)


def test_an_unreadable_address_of_the_key_is_not_shown() -> None:
    """The representation of the adapter and of its endpoint shows no key."""
    made = model("https://host:8443/v1")
    assert made.name == "gpt-4.1 at host:8443"
    assert KEY not in repr(made) + repr(made._endpoint)


def test_no_test_asks_a_real_model() -> None:
    """Whatever a test configures, only models on this machine are asked."""
    with pytest.raises(AssertionError, match=r"would ask api\.openai\.com"):
        ask(model("https://api.openai.com/v1"))


class TestLlmock:
    """The same against a third party's stand-in."""

    def test_a_scripted_answer(self, other: Llmock) -> None:
        """A reply that is scripted comes through."""
        other.will({"type": "reply", "text": '{"name": "x"}'})
        assert ask(model(other.url)).data == {"name": "x"}

    def test_a_schema_valid_answer(self, other: Llmock) -> None:
        """Unscripted, it answers to the schema that was sent."""
        other.will()
        assert set(ask(model(other.url)).data) == {"name", "size"}

    @pytest.mark.parametrize(
        ("behaviour", "kind", "after"),
        [
            ({"type": "fail", "status": 429, "retry_after": 2}, "rate_limited", 2.0),
            ({"type": "fail", "status": 500}, "server", 1.0),
            ({"type": "fail", "status": 401}, "key", None),
            ({"type": "reply", "text": '{"name": "x', "finish_reason": "length"}, "cut_off", None),
            ({"type": "reply", "text": "prose"}, "unreadable", None),
        ],
    )
    def test_failures(self, other: Llmock, behaviour: dict[str, Any], kind: str, after: float | None) -> None:
        """Its failures have the names that ours have."""
        other.will(behaviour)
        with pytest.raises(LanguageModelError) as caught:
            ask(model(other.url))
        assert (caught.value.kind, caught.value.retry_after) == (kind, after)

    def test_delay(self, other: Llmock) -> None:
        """A delayed answer is a timeout."""
        other.will({"type": "delay", "seconds": 3})
        with pytest.raises(LanguageModelError) as caught:
            ask(model(other.url), timeout=0.3)
        assert caught.value.kind == "timeout"

    def test_a_broken_tool_call(self, other: Llmock) -> None:
        """Arguments that are no JSON are named."""
        made = model(other.url)
        other.will(
            {"type": "fail", "status": 400, "message": "response_format is not supported"},
            {"type": "tool_fault", "kind": "malformed_arguments"},
        )
        for kind in ("parameter", "unreadable"):
            with pytest.raises(LanguageModelError) as caught:
                ask(made)
            assert caught.value.kind == kind
