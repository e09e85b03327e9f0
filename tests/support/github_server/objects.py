"""Git behind the answers: branches, references, commits, trees, blobs, contents, and comparing two commits."""

from __future__ import annotations

import base64
import itertools
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.github_server.answers import DATE, FULL, NAME, OWNER, Refusal

__all__ = ["Objects"]

_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_WHO = {"NAME": "Ada", "EMAIL": "ada@example.org", "DATE": "@1793600000 +0000"}


class Objects:
    """A bare repository with a `main` branch that holds a README, and GitHub's answers about it.

    Args:
        folder: For the git repository.
    """

    def __init__(self, folder: Path) -> None:
        self.git_dir = folder / "github.git"
        self.url = ""
        self._lock = threading.RLock()
        self._ids = itertools.count(1000)
        subprocess.run(
            ["git", "init", "-q", "--bare", "--template=", "-b", "main", str(self.git_dir)], check=True, timeout=60
        )
        tree = self._tree("", {"README.md": b"# Pipelines\n"})
        self.git("update-ref", "refs/heads/main", self.commit(tree, [], "Begin"))

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

    # --- branches, refs, objects -------------------------------------------------------------------------------------

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
            "author": {"name": "Ada", "email": "ada@example.org", "date": DATE},
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
