"""GitHubServer: who asks, which answer, pages, and HTTP with a fault now and then."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.github_server.answers import FULL, Refusal
from tests.support.github_server.faults import Fault
from tests.support.github_server.pulls import Pulls

__all__ = ["GitHubServer"]


class GitHubServer(Pulls):
    """One repository ``acme/pipelines``, served.

    Attributes:
        url: Base address, as `GitHub(base_url=...)` takes it.
        users: Login of each token that is known.
        scopes: ``write`` or ``read`` of each token.
        lacking: Of a login, the first part of the path that it may not write, though it may write others.
        faults: Taken one by one: each waits for its number of requests.
        requests: Method and path of every request.
        page: Items a page at most.
        late: Seconds that an answer takes which comes too late.

    Args:
        folder: For the git repository.
        enterprise: Serve under ``/api/v3``, as an Enterprise Server does.
    """

    def __init__(self, folder: Path, *, enterprise: bool = False) -> None:
        super().__init__(folder)
        self.users = {"good-token": "ada", "other-token": "bob", "read-token": "eve", "app-token": "our-app[bot]"}
        self.scopes = {"good-token": "write", "other-token": "write", "read-token": "read", "app-token": "write"}
        self.lacking: dict[str, str] = {}
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.page = 100
        self.late = 3.0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.url = self.origin + ("/api/v3" if enterprise else "")
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    # --- answers -----------------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: dict[str, str], body: Any, login: str, scope: str) -> Any:
        """The answer to one request.

        Raises:
            Refusal: It is none of a success.
        """
        with self._lock:
            if method == "POST" and path == "/graphql":
                return self._graphql(body, scope)
            if method == "GET" and path == "/user":
                return {"login": login, "id": 1, "type": "User", "url": f"{self.url}/user"}
            if path == f"/repos/{FULL}" and method == "GET":
                return self._repository()
            prefix = f"/repos/{FULL}/"
            if not path.startswith(prefix):
                raise Refusal(404, "Not Found")
            if method != "GET" and scope != "write":
                raise Refusal(
                    403,
                    "Resource not accessible by personal access token",
                    X_Accepted_GitHub_Permissions="contents=write; pull_requests=write",
                )
            if method != "GET" and (part := self.lacking.get(login)) and path[len(prefix) :].startswith(part):
                needed = "statuses=write" if part == "statuses" else "checks=write"
                raise Refusal(403, "Resource not accessible by integration", X_Accepted_GitHub_Permissions=needed)
            for verb, pattern, action in _ROUTES:
                match = re.fullmatch(pattern, path[len(prefix) :])
                if match and verb == method:
                    return action(self, *map(unquote, match.groups()), query=query, body=body, login=login)
            raise Refusal(404, "Not Found")

    def _graphql(self, body: Any, scope: str) -> Any:
        if "markPullRequestReadyForReview" not in body.get("query", ""):
            raise Refusal(400, "Unknown mutation")
        if scope != "write":
            return {"data": None, "errors": [{"type": "FORBIDDEN", "message": "Resource not accessible"}]}
        node = re.search(r"PR_\d+", json.dumps(body))
        number = int(node.group()[3:]) if node else 0
        if number not in self.pulls:
            return {"data": None, "errors": [{"type": "NOT_FOUND", "message": "Could not resolve to a node"}]}
        self.pulls[number]["draft"] = False
        return {
            "data": {"markPullRequestReadyForReview": {"clientMutationId": None, "pullRequest": {"isDraft": False}}}
        }


_S = GitHubServer
_ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", r"branches/(.+)", _S.get_branch),
    ("GET", r"git/ref/(heads/.+)", _S.get_ref),
    ("GET", r"git/refs/(heads/.+)", _S.get_ref),
    ("POST", r"git/refs", _S.create_ref),
    ("PATCH", r"git/refs/(heads/.+)", _S.update_ref),
    ("DELETE", r"git/refs/(heads/.+)", _S.delete_ref),
    ("POST", r"git/blobs", _S.create_blob),
    ("GET", r"git/blobs/([0-9a-f]{40})", _S.get_blob),
    ("POST", r"git/trees", _S.create_tree),
    ("GET", r"git/trees/([^/]+)", _S.get_tree),
    ("POST", r"git/commits", _S.create_commit),
    ("GET", r"git/commits/([0-9a-f]{40})", _S.get_git_commit),
    ("GET", r"commits", _S.list_commits),
    ("GET", r"commits/([0-9a-f]{40})/status", _S.combined_status),
    ("GET", r"commits/([0-9a-f]{40})/check-runs", _S.check_runs),
    ("GET", r"commits/([^/]+)", _S.get_commit),
    ("GET", r"contents/(.+)", _S.contents),
    ("GET", r"compare/(.+)", _S.compare),
    ("POST", r"pulls", _S.create_pull),
    ("GET", r"pulls", _S.list_pulls),
    ("GET", r"pulls/(\d+)", _S.get_pull),
    ("PATCH", r"pulls/(\d+)", _S.edit_pull),
    ("GET", r"pulls/(\d+)/commits", _S.pull_commits),
    ("GET", r"pulls/(\d+)/files", _S.pull_files),
    ("PUT", r"pulls/(\d+)/merge", _S.merge),
    ("GET", r"pulls/(\d+)/reviews", _S.list_reviews),
    ("POST", r"pulls/(\d+)/requested_reviewers", _S.ask_reviews),
    ("GET", r"issues/(\d+)/comments", _S.list_comments),
    ("POST", r"issues/(\d+)/comments", _S.add_comment),
    ("DELETE", r"issues/comments/(\d+)", _S.delete_comment),
    ("POST", r"issues/(\d+)/labels", _S.add_labels),
    ("POST", r"statuses/([0-9a-f]{40})", _S.create_status),
    ("POST", r"check-runs", _S.create_check_run),
    ("PATCH", r"check-runs/(\d+)", _S.update_check_run),
]


def _handler(server: GitHubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet

        def log_message(self, *_: Any) -> None:
            """Nothing."""

        def do_GET(self) -> None:
            self._serve()

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            path = parts.path.removeprefix("/api/v3").replace("/api/graphql", "/graphql")
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            fault = self._fault(path)
            if fault == "reset":
                self.close_connection = True
                self.connection.close()
                return
            if fault in ("429", "500"):
                refusal = (
                    Refusal(429, "You have exceeded a secondary rate limit.", Retry_After="1")
                    if fault == "429"
                    else Refusal(500, "Server Error")
                )
                self._refuse(refusal)
                return
            query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
            try:
                login, scope = self._who()
                body = json.loads(raw) if raw else None
                result = server.answer(self.command, path, query, body, login, scope)
                if fault == "twice":
                    result = server.answer(self.command, path, query, body, login, scope)
            except Refusal as refusal:
                self._refuse(refusal)
                return
            status, value = result if isinstance(result, tuple) else (200, result)
            if fault == "lost":
                self.close_connection = True
                self.connection.close()
                return
            self._send(status, *self._paged(value, query, parts.path), fault=fault)

        def _fault(self, path: str) -> str:
            with server._lock:
                server.requests.append((self.command, path))
                for fault in server.faults:
                    fault.after -= 1
                    if fault.after == 0:
                        server.faults.remove(fault)
                        return fault.kind
            return ""

        def _who(self) -> tuple[str, str]:
            token = (self.headers.get("Authorization") or "").partition(" ")[2]
            if token not in server.users:
                raise Refusal(401, "Bad credentials")
            return server.users[token], server.scopes[token]

        def _paged(self, value: Any, query: dict[str, str], path: str) -> tuple[Any, dict[str, str]]:
            if not isinstance(value, list):
                return value, {}
            size = min(int(query.get("per_page", 30)), server.page)
            page = int(query.get("page", 1))
            rest = [f"{key}={val}" for key, val in query.items() if key not in ("page", "per_page")]
            headers = {}
            if page * size < len(value):
                following = "&".join([*rest, f"per_page={size}", f"page={page + 1}"])
                headers["Link"] = f'<{server.origin}{path}?{following}>; rel="next"'
            return value[(page - 1) * size : page * size], headers

        def _refuse(self, refusal: Refusal) -> None:
            body: dict[str, Any] = {"message": refusal.message, "documentation_url": "https://docs.github.com/rest"}
            if refusal.errors:
                body["errors"] = refusal.errors
            self._send(refusal.status, body, refusal.headers)

        def _send(self, status: int, value: Any, headers: Mapping[str, str], fault: str = "") -> None:
            data = b"" if value is None else json.dumps(value).encode()
            if fault == "timeout":
                threading.Event().wait(server.late)
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            for name, text in headers.items():
                self.send_header(name, text)
            self.end_headers()
            if fault == "truncated":
                self.close_connection = True
                data = data[: len(data) // 2]
            try:
                self.wfile.write(data)
                self.wfile.flush()
            except OSError:
                return  # the client has stopped waiting
            if fault == "truncated":
                self.connection.close()

    return Handler
