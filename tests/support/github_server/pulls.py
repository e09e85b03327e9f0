"""Pull requests: opened, listed, edited, merged; their comments, labels and reviewers."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from tests.support.github_server.answers import DATE, FULL, OWNER, Refusal, invalid
from tests.support.github_server.protection import Protection

__all__ = ["Pulls"]


class Pulls(Protection):
    """A repository with pull requests.

    Attributes:
        drafts: Whether the repository's plan has draft pull requests.
        methods: Merge methods that are allowed.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.drafts = True
        self.methods = {"merge", "squash", "rebase"}
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.labels: dict[int, list[str]] = {}
        self.asked: dict[int, list[str]] = {}

    def create_pull(self, *, body: Any, login: str, **_: Any) -> Any:
        head, base = body["head"].rpartition(":")[2], body["base"]
        there = self.git("rev-parse", "-q", "--verify", f"refs/heads/{head}", check=False)
        if not there:
            raise invalid("head", "invalid")
        if not self.git("rev-parse", "-q", "--verify", f"refs/heads/{base}", check=False):
            raise invalid("base", "invalid")
        if any(one["head"] == head and one["base"] == base and one["state"] == "open" for one in self.pulls.values()):
            raise invalid("custom", "custom", f"A pull request already exists for {OWNER}:{head}.")
        if not self.git("rev-list", f"refs/heads/{base}..{there}"):
            raise invalid("custom", "custom", f"No commits between {base} and {head}")
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

    def _merge_tree(self, one: dict[str, Any]) -> str | None:
        sides = f"refs/heads/{one['base']}", one["sha"]
        command = ["git", "--git-dir", str(self.git_dir), "merge-tree", "--write-tree", *sides]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        return done.stdout.decode().split("\n")[0] if done.returncode == 0 else None

    def edit_pull(self, number: str, *, body: Any, **_: Any) -> Any:
        one = self.pulls[self._known(number)]
        if body.get("state") == "open" and one["state"] == "closed":
            if one["merged_at"]:
                raise invalid("state", "custom", "state cannot be changed. The pull request cannot be reopened.")
            if not self.git("rev-parse", "-q", "--verify", f"refs/heads/{one['head']}", check=False):
                raise invalid("state", "custom", f"state cannot be changed. The {one['head']} branch has been deleted.")
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
        one.update(state="closed", merged_at=DATE, merge=made)
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
