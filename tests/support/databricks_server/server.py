"""HTTP, tokens, pages and faults of the strict workspace. Not here: what any address answers; see the rooms."""

from __future__ import annotations

import base64
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = ["DatabricksServer", "Fault", "NotMine", "Refusal", "Request", "Room"]


class Refusal(Exception):
    """An answer that is no success: status, Databricks' error code, message, further headers."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class NotMine(Exception):
    """The room has this address and not this thing: another room with the same address may have it."""


class Fault:
    """What goes wrong with one request.

    Args:
        kind: ``429``, ``500``, ``502``, ``503``, ``reset`` (before it is done), ``lost`` (done, and the answer lost),
            ``timeout`` (done, and the answer late), ``truncated`` (done, half an answer), ``twice`` (done two times).
        after: Which of the requests that match it hits, counted from 1.
        path: A pattern that the path must match.
    """

    KINDS = ("429", "500", "502", "503", "reset", "lost", "timeout", "truncated", "twice")

    def __init__(self, kind: str, *, after: int = 1, path: str = "") -> None:
        assert kind in self.KINDS, kind
        self.kind, self.after, self.path = kind, after, re.compile(path)


@dataclass
class Request:
    """One request: the groups of its route's pattern, its query and body, and who asks."""

    parts: tuple[str, ...]
    query: dict[str, str]
    body: dict[str, Any]
    user: str

    def only(self, *fields: str, needs: Sequence[str] = ()) -> None:
        """Refuse a body with fields that are not documented, or without one that is needed."""
        _only("field", self.body, fields, needs)

    def asks(self, *names: str, needs: Sequence[str] = ()) -> None:
        """Refuse query parameters that are not documented, or a missing one."""
        _only("query parameter", self.query, names, needs)


Handler = Callable[[Request], Any]


class Room(Protocol):
    """Some addresses of the workspace."""

    def routes(self) -> Iterable[tuple[str, str, Handler]]:
        """Verb, pattern of the path below ``/api/``, and what answers."""
        ...


@dataclass
class _State:
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)


class DatabricksServer:
    """A workspace at 127.0.0.1.

    Attributes:
        url: Its address.
        users: User of each token that is known.
        groups: Groups of each user.
        faults: Taken one by one: each waits for its number of requests that match it.
        requests: Method and path of every request.
        page: Items of a page at most.
        latency: Seconds that every answer takes.
        late: Seconds by which a ``timeout`` fault answers late.
        date: What is said in the header ``Date``; the present when empty.
        refuse: (verb, pattern of the path) -> Refusal, for every request that matches.
    """

    def __init__(self, *, page: int = 50) -> None:
        self.users = {"good-token": "ada@acme.test", "eve-token": "eve@acme.test"}
        self.groups: dict[str, list[str]] = {"ada@acme.test": ["engineers"], "eve@acme.test": []}
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.queries: list[dict[str, str]] = []
        self.agents: set[str] = set()
        self.refuse: dict[tuple[str, str], Refusal] = {}
        self.page = page
        self.latency = 0.0
        self.late = 3.0
        self.date = ""
        self.workspace_id = "1234567890"
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def add(self, room: Room) -> None:
        """Let a room answer its addresses."""
        for verb, pattern, action in room.routes():
            self._routes.append((verb, re.compile(pattern), action))

    def close(self) -> None:
        """Stop serving."""
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()

    def paged(self, items: Sequence[Any], request: Request, key: str, *, smallest: int = 0) -> dict[str, Any]:
        """A page of the items under `key`. The first page is empty, as the documentation says that one may be."""
        said = request.query.get("max_results", "0")
        if not re.fullmatch(r"-?\d+", said) or int(said) < 0 or 0 < int(said) < smallest:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", f"max_results {said} is not allowed.")
        size = min(int(said) or self.page, self.page)
        token = request.query.get("page_token", "")
        if token:
            try:
                start = int(base64.b64decode(token).decode().removeprefix("at:"))
            except ValueError:
                raise Refusal(400, "INVALID_PARAMETER_VALUE", "page_token is not valid.") from None
            shown, following = items[start : start + size], start + size
        else:
            shown, following = (items[:0], 0) if len(items) > size else (items[:size], size)
        answer: dict[str, Any] = {key: list(shown)} if shown else {}
        if following < len(items):
            answer["next_page_token"] = base64.b64encode(f"at:{following}".encode()).decode()
        return answer

    # --- one request -------------------------------------------------------------------------------------------------

    def fault(self, verb: str, path: str) -> str:
        """Count the request, and say what goes wrong with it."""
        with self._lock:
            self.requests.append((verb, path))
            for fault in self.faults:
                if fault.path.search(path):
                    fault.after -= 1
                    if fault.after == 0:
                        self.faults.remove(fault)
                        return fault.kind
        return ""

    def answer(self, verb: str, path: str, request: Request) -> Any:
        """What a room answers.

        Raises:
            Refusal: It is no success.
        """
        for (wanted, pattern), refusal in self.refuse.items():
            if wanted == verb and re.search(pattern, path):
                raise refusal
        known = False
        for method, route, action in self._routes:
            match = route.fullmatch(path.removeprefix("/api/"))
            if match is None:
                continue
            known = True
            if method == verb:
                request.parts = tuple(unquote(part) for part in match.groups())
                try:
                    return action(request)
                except NotMine:
                    continue
        if known:
            raise Refusal(405, "METHOD_NOT_ALLOWED", f"{verb} is not allowed here.")
        raise Refusal(404, "ENDPOINT_NOT_FOUND", f"No API found for '{verb} {path}'")

    def wait(self, seconds: float) -> None:
        """Wait, but not beyond the server's end."""
        self._stop.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def _only(kind: str, given: Mapping[str, Any], known: Sequence[str], needs: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", f"{name} is no {kind} of this request.")
    for name in needs:
        if given.get(name) in (None, ""):
            raise Refusal(400, "INVALID_PARAMETER_VALUE", f"Missing required {kind}: {name}")


def _handler(server: DatabricksServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet
        disable_nagle_algorithm = True

        def log_message(self, *_: Any) -> None:
            """Nothing."""

        def date_time_string(self, timestamp: float | None = None) -> str:
            return server.date or super().date_time_string(timestamp)

        def do_GET(self) -> None:
            self._serve()

        do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not parts.path.startswith("/api/"):  # the host's own configuration, and HEAD for the date
                known = parts.path == "/.well-known/databricks-config"
                told = {"oidc_endpoint": f"{server.url}/oidc", "workspace_id": server.workspace_id}
                self._send(200 if known else 404, told if known else {}, {})
                return
            server.agents.add(self.headers.get("User-Agent") or "")
            kind = server.fault(self.command, parts.path)
            if server.latency:
                time.sleep(server.latency)
            if kind == "reset":
                self._break()
                return
            if kind in ("429", "500", "502", "503"):
                self._fail(kind)
                return
            try:
                request = self._request(parts.query, raw)
                result = server.answer(self.command, parts.path, request)
                if kind == "twice":
                    result = server.answer(self.command, parts.path, request)
            except Refusal as refusal:
                self._refuse(refusal)
                return
            if kind == "lost":
                self._break()
                return
            self._send(200, result, {}, kind)

        def _request(self, query: str, raw: bytes) -> Request:
            asked = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
            server.queries.append(asked)
            scheme, _, token = (self.headers.get("Authorization") or "").partition(" ")
            if not token or scheme != "Bearer":
                raise Refusal(401, "UNAUTHENTICATED", "Request does not have valid authentication credentials.")
            if token not in server.users:
                raise Refusal(403, "403", "Invalid access token.")
            if self.headers.get("X-Databricks-Workspace-Id") not in (None, server.workspace_id):
                raise Refusal(400, "INVALID_PARAMETER_VALUE", "X-Databricks-Workspace-Id is of another workspace.")
            body: Any = {}
            if raw:
                if (self.headers.get("Content-Type") or "").partition(";")[0] != "application/json":
                    raise Refusal(400, "MALFORMED_REQUEST", "The body is not application/json.")
                try:
                    body = json.loads(raw)
                except ValueError:
                    raise Refusal(400, "MALFORMED_REQUEST", "The body is no JSON.") from None
            if not isinstance(body, dict):
                raise Refusal(400, "MALFORMED_REQUEST", "The body is no JSON object.")
            return Request((), asked, body, server.users[token])

        def _fail(self, kind: str) -> None:
            if kind == "429":
                self._refuse(
                    Refusal(429, "REQUEST_LIMIT_EXCEEDED", "Current request rate is too high.", Retry_After="1")
                )
            elif kind == "503":
                self._refuse(Refusal(503, "TEMPORARILY_UNAVAILABLE", "The service is unavailable.", Retry_After="2"))
            elif kind == "502":  # a proxy's own page
                self._write(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", "text/html", {}, "")
            else:
                self._refuse(Refusal(500, "INTERNAL_ERROR", "Something went wrong."))

        def _break(self) -> None:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

        def _refuse(self, refusal: Refusal) -> None:
            body = {"error_code": refusal.code, "message": refusal.message, "details": []}
            self._send(refusal.status, body, refusal.headers)

        def _send(self, status: int, value: Any, headers: Mapping[str, str], fault: str = "") -> None:
            self._write(status, json.dumps({} if value is None else value).encode(), "application/json", headers, fault)

        def _write(self, status: int, data: bytes, kind: str, headers: Mapping[str, str], fault: str) -> None:
            if fault == "timeout":
                server.wait(server.late)
            try:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                for name, text in headers.items():
                    self.send_header(name, text)
                self.end_headers()
                if self.command == "HEAD":
                    return
                self.wfile.write(data[: len(data) // 2] if fault == "truncated" else data)
                self.wfile.flush()
            except OSError:
                return  # the client has stopped waiting
            if fault == "truncated":
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                self.connection.close()

    return Handler
