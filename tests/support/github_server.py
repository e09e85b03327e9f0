"""A strict GitHub: the part of its REST API (and the one GraphQL mutation) that the product uses, over real git.

Written from GitHub's documentation, not from what the adapter sends: whatever is asked in another way is refused, as
GitHub would (401 without a token it knows, 403 without the scope, 404, 405, 409, 422 with `errors`, pages by `Link`).
Commits, trees, merges and conflicts are those of a bare git repository, so that a merge is a three-way merge. Not here:
what no test needs (issues, hooks, forks).
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import subprocess
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = ["FULL", "Fault", "GitHubServer", "Refusal", "github_at"]

OWNER, NAME = "acme", "pipelines"
FULL = f"{OWNER}/{NAME}"
_DATE = "2026-11-02T06:00:00Z"
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str, *, errors: list[Any] | None = None, **headers: str) -> None:
        super().__init__(message)
        self.status, self.message, self.errors = status, message, errors
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Fault:
    """What goes wrong with one request.

    Args:
        kind: ``429``, ``500``, ``reset`` (before it is done), ``lost`` (done, and the answer lost), ``timeout`` (done,
            and the answer late), ``truncated`` (done, and half an answer), ``twice`` (done two times).
    """

    KINDS = ("429", "500", "reset", "lost", "timeout", "truncated", "twice")

    def __init__(self, kind: str, *, after: int) -> None:
        assert kind in self.KINDS, kind
        self.kind, self.after = kind, after


class GitHubServer:
    """One repository ``acme/pipelines`` with a `main` branch that holds a README.

    Attributes:
        url: Base address, as `GitHub(base_url=...)` takes it.
        users: Login of each token that is known.
        scopes: ``write`` or ``read`` of each token.
        faults: Taken one by one: each waits for its number of requests.
        requests: Method and path of every request.
        drafts: Whether the repository's plan has draft pull requests.
        required_checks: Status contexts that the base branch asks for.
        required_reviews: Approving reviews that it asks for.
        methods: Merge methods that are allowed.
        page: Items a page at most.

    Args:
        folder: For the git repository.
        enterprise: Serve under ``/api/v3``, as an Enterprise Server does.
    """

    def __init__(self, folder: Path, *, enterprise: bool = False) -> None:
        self.git_dir = folder / "github.git"
        self.users = {"good-token": "ada", "other-token": "bob", "read-token": "eve"}
        self.scopes = {"good-token": "write", "other-token": "write", "read-token": "read"}
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.drafts = True
        self.required_checks: tuple[str, ...] = ()
        self.required_reviews = 0
        self.methods = {"merge", "squash", "rebase"}
        self.page = 100
        self.late = 3.0
        self.pulls: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.reviews: dict[int, list[dict[str, Any]]] = {}
        self.statuses: dict[str, dict[str, dict[str, Any]]] = {}
        self.checks: dict[str, list[dict[str, Any]]] = {}
        self.labels: dict[int, list[str]] = {}
        self.asked: dict[int, list[str]] = {}
        self._lock = threading.RLock()
        self._ids = itertools.count(1000)
        subprocess.run(
            ["git", "init", "-q", "--bare", "--template=", "-b", "main", str(self.git_dir)], check=True, timeout=60
        )
        tree = self._tree("", {"README.md": b"# Pipelines\n"})
        self.git("update-ref", "refs/heads/main", self.commit(tree, [], "Begin"))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.url = self.origin + ("/api/v3" if enterprise else "")
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    # --- git ---------------------------------------------------------------------------------------------------------

    def git(self, *words: str, data: bytes = b"", index: Path | None = None, check: bool = True) -> str:
        """Run git in the repository; what it says, stripped."""
        env = {"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": "/nonexistent", "GIT_DIR": str(self.git_dir)}
        env |= {f"GIT_{who}_{key}": value for who in ("AUTHOR", "COMMITTER") for key, value in _WHO.items()}
        if index is not None:
            env["GIT_INDEX_FILE"] = str(index)
        done = subprocess.run(["git", *words], input=data, capture_output=True, env=env, timeout=60, check=False)
        if check and done.returncode:
            raise Refusal(422, done.stderr.decode("utf-8", "replace").strip() or "git failed")
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def resolve(self, name: str) -> str | None:
        """The commit of a branch or SHA."""
        for candidate in (f"refs/heads/{name}", name):
            found = self.git("rev-parse", "-q", "--verify", f"{candidate}^{{commit}}", check=False)
            if found:
                return found
        return None

    def commit(self, tree: str, parents: list[str], message: str) -> str:
        """Write a commit."""
        words = [word for parent in parents for word in ("-p", parent)]
        return self.git("commit-tree", tree, *words, data=message.encode())

    def _tree(self, base: str, files: Mapping[str, bytes | None]) -> str:
        lines = []
        for path, content in files.items():
            sha = None if content is None else self.git("hash-object", "-w", "--stdin", data=content)
            lines.append((path, "100644", sha))
        return self.tree(base, lines)

    def tree(self, base: str, entries: list[tuple[str, str, str | None]]) -> str:
        """Write a tree: that of `base` with these paths changed (None removes)."""
        index = self.git_dir / f"index-{next(self._ids)}"
        try:
            self.git("read-tree", base or "--empty", index=index)
            lines = [f"0 {'0' * 40}\t{path}" if sha is None else f"{mode} {sha}\t{path}" for path, mode, sha in entries]
            self.git("update-index", "--index-info", data="\n".join(lines).encode() + b"\n", index=index)
            return self.git("write-tree", index=index)
        finally:
            index.unlink(missing_ok=True)

    def push(self, branch: str, files: Mapping[str, bytes | None], message: str = "By hand") -> str:
        """Somebody commits with git alone."""
        with self._lock:
            head = self.resolve(branch)
            assert head is not None
            made = self.commit(self._tree(head, files), [head], message)
            self.git("update-ref", f"refs/heads/{branch}", made)
            return made

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
            for verb, pattern, action in _ROUTES:
                match = re.fullmatch(pattern, path[len(prefix) :])
                if match and verb == method:
                    return action(self, *map(unquote, match.groups()), query=query, body=body, login=login)
            raise Refusal(404, "Not Found")

    def _repository(self) -> dict[str, Any]:
        return {
            "id": 7,
            "name": NAME,
            "full_name": FULL,
            "owner": {"login": OWNER, "id": 2, "type": "Organization"},
            "default_branch": "main",
            "private": True,
            "url": f"{self.url}/repos/{FULL}",
            "html_url": f"https://github.invalid/{FULL}",
        }

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

    # --- branches, refs, objects -------------------------------------------------------------------------------------

    def get_branch(self, branch: str, **_: Any) -> Any:
        head = self.git("rev-parse", "-q", "--verify", f"refs/heads/{branch}", check=False)
        if not head:
            raise Refusal(404, "Branch not found")
        return {"name": branch, "commit": {"sha": head, "url": f"{self.url}/repos/{FULL}/commits/{head}"}}

    def get_ref(self, name: str, **_: Any) -> Any:
        head = self.git("rev-parse", "-q", "--verify", f"refs/{name}", check=False)
        if not head:
            raise Refusal(404, "Not Found")
        return self._ref(f"refs/{name}", head)

    def _ref(self, name: str, sha: str) -> Any:
        url = f"{self.url}/repos/{FULL}/git/{name}"
        return {"ref": name, "url": url, "object": {"type": "commit", "sha": sha, "url": f"{url}/object"}}

    def create_ref(self, *, body: Any, **_: Any) -> Any:
        name, sha = body["ref"], body["sha"]
        if not name.startswith("refs/heads/"):
            raise Refusal(422, "Reference name must start with 'refs/'")
        if self.git("cat-file", "-t", sha, check=False) != "commit":
            raise Refusal(422, "Object does not exist")
        if self.git("rev-parse", "-q", "--verify", name, check=False):
            raise Refusal(422, "Reference already exists")
        self.git("update-ref", name, sha)
        return 201, self._ref(name, sha)

    def update_ref(self, name: str, *, body: Any, **_: Any) -> Any:
        old = self.git("rev-parse", "-q", "--verify", f"refs/{name}", check=False)
        if not old:
            raise Refusal(422, "Reference does not exist")
        if not body.get("force") and self.git("merge-base", old, body["sha"], check=False) != old:
            raise Refusal(422, "Update is not a fast forward")
        self.git("update-ref", f"refs/{name}", body["sha"])
        return self._ref(f"refs/{name}", body["sha"])

    def delete_ref(self, name: str, **_: Any) -> Any:
        if not self.git("rev-parse", "-q", "--verify", f"refs/{name}", check=False):
            raise Refusal(422, "Reference does not exist")
        self.git("update-ref", "-d", f"refs/{name}")
        return 204, None

    def create_blob(self, *, body: Any, **_: Any) -> Any:
        if body.get("encoding") not in ("utf-8", "base64"):
            raise Refusal(422, "Invalid request", errors=[{"code": "invalid", "message": "encoding"}])
        content = body["content"].encode() if body["encoding"] == "utf-8" else base64.b64decode(body["content"])
        sha = self.git("hash-object", "-w", "--stdin", data=content)
        return 201, {"sha": sha, "url": f"{self.url}/repos/{FULL}/git/blobs/{sha}"}

    def get_blob(self, sha: str, **_: Any) -> Any:
        content = base64.b64encode(self._content(sha)).decode()
        return {"sha": sha, "content": content, "encoding": "base64", "size": len(content)}

    def _content(self, name: str) -> bytes:
        done = subprocess.run(
            ["git", "--git-dir", str(self.git_dir), "cat-file", "blob", name],
            capture_output=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise Refusal(404, "Not Found")
        return done.stdout

    def create_tree(self, *, body: Any, **_: Any) -> Any:
        entries = []
        for item in body["tree"]:
            if item.get("mode") not in ("100644", "100755", "120000", "040000", "160000"):
                raise Refusal(422, "tree.mode is not valid")
            if "content" in item:
                sha = self.git("hash-object", "-w", "--stdin", data=item["content"].encode())
            elif item.get("sha") is None:
                sha = None
                if not self.git("rev-parse", "-q", "--verify", f"{body.get('base_tree')}:{item['path']}", check=False):
                    raise Refusal(422, "GitRPC::BadObjectState")
            elif self.git("cat-file", "-t", item["sha"], check=False) != item["type"]:
                raise Refusal(422, f"tree.sha {item['sha']} is not a valid {item['type']}")
            else:
                sha = item["sha"]
            entries.append((item["path"], item["mode"], sha))
        made = self.tree(body.get("base_tree") or _EMPTY_TREE, entries)
        return 201, self._listed(made, recursive=False)

    def get_tree(self, sha: str, *, query: dict[str, str], **_: Any) -> Any:
        found = self.git("rev-parse", "-q", "--verify", f"{sha}^{{tree}}", check=False)
        if not found:
            raise Refusal(404, "Not Found")
        return self._listed(found, recursive=bool(query.get("recursive")))

    def _listed(self, sha: str, *, recursive: bool) -> Any:
        out = self.git("ls-tree", *(["-r", "-t"] if recursive else []), "-z", sha)
        items = []
        for line in filter(None, out.split("\0")):
            meta, _, path = line.partition("\t")
            mode, kind, one = meta.split()
            items.append({"path": path, "mode": mode, "type": kind, "sha": one})
        return {"sha": sha, "url": f"{self.url}/repos/{FULL}/git/trees/{sha}", "tree": items, "truncated": False}

    def create_commit(self, *, body: Any, **_: Any) -> Any:
        if self.git("cat-file", "-t", body["tree"], check=False) != "tree":
            raise Refusal(422, "Tree SHA does not exist")
        return 201, self._git_commit(self.commit(body["tree"], body["parents"], body["message"]))

    def get_git_commit(self, sha: str, **_: Any) -> Any:
        if self.git("cat-file", "-t", sha, check=False) != "commit":
            raise Refusal(404, "Not Found")
        return self._git_commit(sha)

    def _git_commit(self, sha: str) -> Any:
        tree, parents, message = self.git("show", "-s", "--format=%T%x00%P%x00%B", sha).split("\0", 2)
        base = f"{self.url}/repos/{FULL}/git"
        return {
            "sha": sha,
            "url": f"{base}/commits/{sha}",
            "message": message.strip(),
            "tree": {"sha": tree, "url": f"{base}/trees/{tree}"},
            "parents": [{"sha": one, "url": f"{base}/commits/{one}"} for one in parents.split()],
            "author": {"name": "Ada", "email": "ada@example.org", "date": _DATE},
        }

    def _commit(self, sha: str) -> Any:
        git = self._git_commit(sha)
        return {
            "sha": sha,
            "url": f"{self.url}/repos/{FULL}/commits/{sha}",
            "commit": {key: git[key] for key in ("message", "tree", "author", "url")},
            "parents": git["parents"],
        }

    def get_commit(self, sha: str, **_: Any) -> Any:
        found = self.resolve(sha)
        if found is None:
            raise Refusal(422, f"No commit found for SHA: {sha}")
        return self._commit(found)

    def list_commits(self, *, query: dict[str, str], **_: Any) -> Any:
        found = self.resolve(query.get("sha", "main"))
        if found is None:
            raise Refusal(404, "Not Found")
        path = ["--", query["path"]] if query.get("path") else []
        return [self._commit(sha) for sha in self.git("rev-list", found, *path).split()]

    def contents(self, path: str, *, query: dict[str, str], **_: Any) -> Any:
        found = self.resolve(query.get("ref") or "main")
        if found is None:
            raise Refusal(404, f"No commit found for the ref {query.get('ref')}")
        sha = self.git("rev-parse", "-q", "--verify", f"{found}:{path}", check=False)
        if not sha:
            raise Refusal(404, "Not Found")
        if self.git("cat-file", "-t", sha) == "tree":
            return [
                {"path": f"{path}/{one['path']}", "type": "file", "sha": one["sha"]}
                for one in self._listed(sha, recursive=False)["tree"]
            ]
        content = self._content(sha)
        big = len(content) > 1_000_000
        return {
            "type": "file",
            "name": path.rpartition("/")[2],
            "path": path,
            "sha": sha,
            "size": len(content),
            "encoding": "none" if big else "base64",
            "content": "" if big else base64.encodebytes(content).decode(),
            "url": f"{self.url}/repos/{FULL}/contents/{path}",
        }

    def compare(self, spec: str, **_: Any) -> Any:
        base, _dots, head = spec.partition("...")
        one, two = self.resolve(base), self.resolve(head)
        if one is None or two is None:
            raise Refusal(404, "Not Found")
        common = self.git("merge-base", one, two)
        files = [
            {"filename": line.split("\t")[1], "status": {"A": "added", "D": "removed"}.get(line[0], "modified")}
            for line in self.git("diff", "--name-status", "--no-renames", common, two).splitlines()
        ]
        commits = self.git("rev-list", f"{one}..{two}").split()
        return {
            "url": f"{self.url}/repos/{FULL}/compare/{spec}",
            "status": "diverged",
            "ahead_by": len(commits),
            "behind_by": 0,
            "total_commits": len(commits),
            "merge_base_commit": self._commit(common),
            "base_commit": self._commit(one),
            "commits": [self._commit(sha) for sha in commits],
            "files": files,
        }

    # --- pull requests -----------------------------------------------------------------------------------------------

    def create_pull(self, *, body: Any, login: str, **_: Any) -> Any:
        head, base = body["head"].rpartition(":")[2], body["base"]
        there = self.git("rev-parse", "-q", "--verify", f"refs/heads/{head}", check=False)
        if not there:
            raise _invalid("head", "invalid")
        if not self.git("rev-parse", "-q", "--verify", f"refs/heads/{base}", check=False):
            raise _invalid("base", "invalid")
        if any(one["head"] == head and one["base"] == base and one["state"] == "open" for one in self.pulls.values()):
            raise _invalid("custom", "custom", f"A pull request already exists for {OWNER}:{head}.")
        if not self.git("rev-list", f"refs/heads/{base}..{there}"):
            raise _invalid("custom", "custom", f"No commits between {base} and {head}")
        if body.get("draft") and not self.drafts:
            raise Refusal(422, "Draft pull requests are not supported in this repository.")
        number = len(self.pulls) + 1
        self.pulls[number] = {
            "number": number, "head": head, "base": base, "title": body["title"], "body": body.get("body"),
            "draft": bool(body.get("draft")), "state": "open", "sha": there, "merged_at": None, "merge": None,
            "user": login, "asked": 0,
        }  # fmt: skip
        return 201, self._pull(number, full=True)

    def list_pulls(self, *, query: dict[str, str], **_: Any) -> Any:
        state, head = query.get("state", "open"), query.get("head", "").rpartition(":")[2]
        found = [
            number
            for number, one in sorted(self.pulls.items(), reverse=True)
            if state in ("all", one["state"])
            and head in ("", one["head"])
            and query.get("base", "") in ("", one["base"])
        ]
        return [self._pull(number, full=False) for number in found]

    def get_pull(self, number: str, **_: Any) -> Any:
        return self._pull(self._known(number), full=True)

    def _known(self, number: str) -> int:
        if int(number) not in self.pulls:
            raise Refusal(404, "Not Found")
        return int(number)

    def _pull(self, number: int, *, full: bool) -> Any:
        one = self.pulls[number]
        if one["state"] == "open":
            one["sha"] = self.git("rev-parse", "-q", "--verify", f"refs/heads/{one['head']}", check=False) or one["sha"]
        base, repo = f"{self.url}/repos/{FULL}", self._repository()
        head = {"ref": one["head"], "sha": one["sha"], "label": f"{OWNER}:{one['head']}", "repo": repo}
        into = {"ref": one["base"], "sha": self.git("rev-parse", f"refs/heads/{one['base']}"), "repo": repo}
        shown = {key: one[key] for key in ("number", "title", "body", "state", "draft", "merged_at")} | {
            "id": 9000 + number,
            "node_id": f"PR_{number}",
            "merge_commit_sha": one["merge"],
            "user": {"login": one["user"], "id": 1},
            "url": f"{base}/pulls/{number}",
            "issue_url": f"{base}/issues/{number}",
            "html_url": f"https://github.invalid/{FULL}/pull/{number}",
            "head": head,
            "base": into,
        }
        if full:
            one["asked"] += 1
            mergeable, state = self._mergeable(one)
            shown |= {"merged": bool(one["merged_at"]), "mergeable": mergeable, "mergeable_state": state}
            shown["labels"] = [{"name": name} for name in self.labels.get(number, [])]
        return shown

    def _mergeable(self, one: dict[str, Any]) -> tuple[bool | None, str]:
        if one["state"] != "open":
            return None, "unknown"
        if one["asked"] == 1:
            return None, "unknown"  # it is computed in the background, and nobody has asked before
        clean = self._merge_tree(one) is not None
        if not clean:
            return False, "dirty"
        if one["draft"]:
            return True, "draft"
        return True, "blocked" if self._missing(one) else "clean"

    def _missing(self, one: dict[str, Any]) -> str:
        said = self.statuses.get(one["sha"], {})
        checks = {run["name"]: run["conclusion"] for run in self.checks.get(one["sha"], [])}
        for context in self.required_checks:
            if said.get(context, {}).get("state") != "success" and checks.get(context) != "success":
                return f'Required status check "{context}" is expected.'
        approved = {
            item["user"]["login"] for item in self.reviews.get(one["number"], []) if item["state"] == "APPROVED"
        }
        if len(approved) < self.required_reviews:
            return f"At least {self.required_reviews} approving review is required by reviewers with write access."
        return ""

    def _merge_tree(self, one: dict[str, Any]) -> str | None:
        sides = f"refs/heads/{one['base']}", one["sha"]
        command = ["git", "--git-dir", str(self.git_dir), "merge-tree", "--write-tree", *sides]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        return done.stdout.decode().split("\n")[0] if done.returncode == 0 else None

    def edit_pull(self, number: str, *, body: Any, **_: Any) -> Any:
        one = self.pulls[self._known(number)]
        if body.get("state") == "open" and one["state"] == "closed":
            if one["merged_at"]:
                raise _invalid("state", "custom", "state cannot be changed. The pull request cannot be reopened.")
            if not self.git("rev-parse", "-q", "--verify", f"refs/heads/{one['head']}", check=False):
                raise _invalid(
                    "state", "custom", f"state cannot be changed. The {one['head']} branch has been deleted."
                )
        one.update({key: body[key] for key in ("title", "body", "state") if key in body})
        return self._pull(int(number), full=True)

    def pull_commits(self, number: str, **_: Any) -> Any:
        one = self.pulls[self._known(number)]
        listed = self.git(
            "rev-list", "--reverse", one["sha"], f"^{one['forked'] if 'forked' in one else 'refs/heads/' + one['base']}"
        )
        return [self._commit(sha) for sha in listed.split()]

    def pull_files(self, number: str, **_: Any) -> Any:
        one = self.pulls[self._known(number)]
        self._pull(int(number), full=False)
        common = self.git("merge-base", one.get("forked") or f"refs/heads/{one['base']}", one["sha"])
        names = self.git("diff", "--name-only", "--no-renames", common, one["sha"]).splitlines()
        return [{"filename": name, "status": "modified", "sha": "0" * 40} for name in names]

    def merge(self, number: str, *, body: Any, **_: Any) -> Any:
        one = self.pulls[self._known(number)]
        if one["merged_at"] or one["state"] != "open" or one["draft"]:
            raise Refusal(405, "Pull Request is not mergeable")
        self._pull(int(number), full=False)
        if body.get("sha") and body["sha"] != one["sha"]:
            raise Refusal(409, "Head branch was modified. Review and try the merge again.")
        method = body.get("merge_method", "merge")
        if method not in self.methods:
            raise Refusal(405, f"{method.capitalize()} merges are not allowed on this repository.")
        if missing := self._missing(one):
            raise Refusal(405, missing)
        base = self.git("rev-parse", f"refs/heads/{one['base']}")
        tree = self._merge_tree(one)
        if tree is None:
            raise Refusal(405, "Pull Request is not mergeable")
        message = f"{body.get('commit_title') or 'Merge'}\n\n{body.get('commit_message') or ''}".strip()
        one["forked"] = base
        if method == "merge":
            made = self.commit(tree, [base, one["sha"]], message)
        elif method == "squash":
            made = self.commit(tree, [base], message)
        else:
            made = self.commit(tree, [base], self.git("show", "-s", "--format=%B", one["sha"]))
        self.git("update-ref", f"refs/heads/{one['base']}", made)
        one.update(state="closed", merged_at=_DATE, merge=made)
        return {"sha": made, "merged": True, "message": "Pull Request successfully merged"}

    # --- around pull requests ----------------------------------------------------------------------------------------

    def list_comments(self, number: str, **_: Any) -> Any:
        return self.comments.get(self._known(number), [])

    def add_comment(self, number: str, *, body: Any, login: str, **_: Any) -> Any:
        key = next(self._ids)
        url = f"{self.url}/repos/{FULL}/issues/comments/{key}"
        made = {"id": key, "url": url, "body": body["body"], "user": {"login": login, "id": 1}}
        self.comments.setdefault(self._known(number), []).append(made)
        return 201, made

    def delete_comment(self, number: str, **_: Any) -> Any:
        for there in self.comments.values():
            for one in [one for one in there if one["id"] == int(number)]:
                there.remove(one)
                return 204, None
        raise Refusal(404, "Not Found")

    def add_labels(self, number: str, *, body: Any, **_: Any) -> Any:
        names = body["labels"] if isinstance(body, dict) else body
        there = self.labels.setdefault(self._known(number), [])
        there += [name for name in names if name not in there]
        return [{"name": name} for name in there]

    def ask_reviews(self, number: str, *, body: Any, **_: Any) -> Any:
        people = body.get("reviewers", [])
        if "nobody" in people:
            raise Refusal(422, "Reviews may only be requested from collaborators.")
        there = self.asked.setdefault(self._known(number), [])
        there += [
            one for one in [*people, *(f"team/{team}" for team in body.get("team_reviewers", []))] if one not in there
        ]
        return 201, self._pull(int(number), full=True)

    def list_reviews(self, number: str, **_: Any) -> Any:
        return self.reviews.get(self._known(number), [])

    def create_status(self, sha: str, *, body: Any, **_: Any) -> Any:
        if self.resolve(sha) is None:
            raise Refusal(422, f"No commit found for SHA: {sha}")
        if body["state"] not in ("error", "failure", "pending", "success"):
            raise Refusal(422, "Validation Failed")
        if len(body.get("description") or "") > 140:
            raise _invalid("description", "custom", "description is too long (maximum is 140 characters)")
        made = {key: body.get(key) for key in ("state", "description", "context", "target_url")} | {
            "id": next(self._ids)
        }
        self.statuses.setdefault(sha, {})[body.get("context", "default")] = made
        return 201, made

    def combined_status(self, sha: str, **_: Any) -> Any:
        found = list(self.statuses.get(sha, {}).values())
        bad = [one for one in found if one["state"] != "success"]
        return {"sha": sha, "state": "pending" if bad else "success", "statuses": found, "total_count": len(found)}

    def check_runs(self, sha: str, **_: Any) -> Any:
        found = self.checks.get(sha, [])
        return {"total_count": len(found), "check_runs": found}


_WHO = {"NAME": "Ada", "EMAIL": "ada@example.org", "DATE": "@1793600000 +0000"}
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
]


def github_at(server: Any, token: str = "good-token", **options: Any) -> Any:
    """The adapter over whatever has a `url`, which waits for nothing."""
    from github import Auth

    from pipeline_magic.adapters.github import GitHub

    options = {"auth": Auth.Token(token), "base_url": server.url, "timeout": 2.0, **options}
    return GitHub(FULL, sleep=options.pop("sleep", lambda seconds: None), **options)


def _invalid(field: str, code: str, message: str = "") -> Refusal:
    error = {"resource": "PullRequest", "field": field, "code": code} | ({"message": message} if message else {})
    return Refusal(422, "Validation Failed", errors=[error])


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
