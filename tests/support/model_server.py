"""A small, strict server of OpenAI's chat API: refuses what the real one would, and answers what a test scripted.

It speaks the addresses of OpenAI, Azure and a Databricks serving endpoint, checks the key, the messages and the strict
form of a JSON schema, keeps every request, and answers from a queue: an answer, a tool call, an HTTP error, silence, a
broken body. Where the queue is empty it asks `otherwise`. Not here: streams, which are never asked for.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "canary-0123456789abcdef"
"""Without the shape of a key, so that only knowing it takes it out of a text."""

_KEYWORDS = {
    *("type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "$ref", "$defs"),
    "description",
}


@dataclass(frozen=True)
class Reply:
    """One scripted answer.

    Attributes:
        status: HTTP status; below 400 the body is a completion.
        body: Sent as it is when it is bytes; else JSON.
        wait: Seconds before anything is sent.
        drop: Close the connection without a word.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0.0
    drop: bool = False


def says(content: Any, *, finish: str = "stop", refusal: str | None = None, **message: Any) -> Reply:
    """A completion with this content: text, or data that is sent as JSON text."""
    text = content if isinstance(content, str) or content is None else json.dumps(content)
    said = {"role": "assistant", "content": text, "refusal": refusal, **message}
    return Reply(body=_completion(said, finish))


def calls(arguments: Any, *, name: str = "pipeline", finish: str = "tool_calls") -> Reply:
    """A completion that calls the tool with these arguments: text, or data that is sent as JSON text."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": text}}
    return Reply(body=_completion({"role": "assistant", "content": None, "tool_calls": [call]}, finish))


def fails(status: int, message: str = "it failed", *, code: str = "", param: str = "", **headers: str) -> Reply:
    """An HTTP error in the API's form; ``retry_after="1"`` becomes the header Retry-After."""
    error = {"message": message, "type": "error", "code": code or None, "param": param or None}
    return Reply(status, {"error": error}, {name.replace("_", "-"): value for name, value in headers.items()})


def _completion(message: dict[str, Any], finish: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1750000000,
        "model": "stand-in",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
    }


class ModelServer:
    """The server, on a free port of this machine, in a thread.

    Attributes:
        script: Answers to come, in order.
        requests: Bodies of the chat requests that came, in order.
        paths: Every path that was asked for, whatever it was.
        otherwise: Makes the answer when the script is empty.
    """

    def __init__(self) -> None:
        self.script: deque[Reply] = deque()
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.otherwise: Callable[[dict[str, Any]], Reply] = lambda request: fails(500, "nothing is scripted")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        """The base address, as of OpenAI."""
        return self.address + "/v1"

    def will(self, *replies: Reply) -> None:
        """Forget the script and the requests; answer with these."""
        self.script, self.requests, self.paths = deque(replies), [], []

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, headers: Any, body: bytes) -> Reply:
        """What a request gets: an error of the API where it is wrong, else what is scripted."""
        self.paths.append(path)
        key = headers.get("api-key") or str(headers.get("Authorization", "")).removeprefix("Bearer ")
        if key != KEY:
            return fails(401, f"Incorrect API key provided: {key[:8]}******{key[-4:]}.", code="invalid_api_key")
        if not path.split("?")[0].endswith("/chat/completions"):
            return fails(404, f"Unknown request URL: POST {path}.")
        request = json.loads(body)
        self.requests.append(request)
        wrong = _wrong(request)
        if wrong:
            return fails(400, wrong)
        return self.script.popleft() if self.script else self.otherwise(request)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                reply = outer.answer(self.path, self.headers, body)
                if reply.wait:
                    time.sleep(reply.wait)
                if reply.drop:
                    self.close_connection = True
                    return
                sent = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self.send_response(reply.status)
                    for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(sent)))
                    self.end_headers()
                    self.wfile.write(sent)

            def do_GET(self) -> None:
                outer.paths.append(self.path)
                self.send_error(404)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


def _wrong(request: dict[str, Any]) -> str:
    """What the real service would refuse in a request; empty when nothing."""
    if not isinstance(request.get("model"), str) or not request["model"]:
        return "you must provide a model parameter"
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        return "[] is too short - 'messages'"
    for message in messages:
        if message.get("role") not in {"system", "user", "assistant", "developer"} or not message.get("content"):
            return "Invalid value for 'messages'"
    if request.get("stream"):
        return "streams are never asked for"
    form = request.get("response_format")
    if form and form.get("type") == "json_schema" and form["json_schema"].get("strict"):
        fault = next(_loose(form["json_schema"]["schema"]), "")
        return f"Invalid schema for response_format 'pipeline': {fault}" if fault else ""
    return "" if form or request.get("tools") else "no form of the answer is asked for"


def _loose(schema: Any) -> Iterator[str]:
    """Where a schema is not in the strict form."""
    unknown = set(schema) - _KEYWORDS
    if unknown:
        yield f"'{sorted(unknown)[0]}' is not permitted"
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            yield "'additionalProperties' is required to be supplied and to be false"
        if set(schema.get("required", ())) != set(schema.get("properties", {})):
            yield "'required' is required to be an array including every key in properties"
    inner = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values(), *schema.get("anyOf", ())]
    if isinstance(schema.get("items"), dict):
        inner.append(schema["items"])
    for item in inner:
        yield from _loose(item)


@contextlib.contextmanager
def model_server() -> Iterator[ModelServer]:
    """A server for the time of a test."""
    made = ModelServer()
    try:
        yield made
    finally:
        made.close()
