"""Tab Notebook: every file of the plan beside what the base branch has of it."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline_magic.runs import FileDiff, Finding, Snapshot
from pipeline_magic.ui.diff import Block, Line, blocks, coloured
from pipeline_magic.ui.markup import Html, code, data, details, mark, note, plain, prose, tag

__all__ = ["FileView", "NotebookView", "notebook_html", "notebook_text", "notebook_view"]

_MOST = 300_000
"""Most characters of one file that are drawn."""


@dataclass(frozen=True)
class FileView:
    """One file: its path, its status, lines added and removed, its blocks."""

    path: str
    status: str
    added: int
    removed: int
    blocks: tuple[Block, ...]
    too_large: bool = False


@dataclass(frozen=True)
class NotebookView:
    """The tab."""

    files: tuple[FileView, ...]
    base: str
    findings: tuple[Finding, ...]


def notebook_view(snapshot: Snapshot) -> NotebookView:
    """The tab of a run; no files before Generate."""
    generated = snapshot.generated
    if generated is None:
        return NotebookView((), "", ())
    diffs = generated.diffs or tuple(
        FileDiff(path=file.path, status="added", new=file.content) for file in generated.files
    )
    return NotebookView(tuple(map(_file, diffs)), generated.base, generated.findings)


def _file(diff: FileDiff) -> FileView:
    if len(diff.new) + len(diff.old or "") > _MOST:
        return FileView(diff.path, diff.status, 0, 0, (), too_large=True)
    made = blocks(diff)
    signs = [line.sign for block in made for line in block.lines]
    return FileView(diff.path, diff.status, signs.count("+"), signs.count("-"), made)


_MARKS = {
    "added": ("+", "added", "done"),
    "changed": ("±", "changed", "waiting"),
    "removed": ("−", "removed", "failed"),
    "unchanged": ("=", "unchanged", "pending"),
}


def notebook_html(view: NotebookView) -> Html:
    """The tab as HTML."""
    if not view.files:
        return note("No files yet. Press Generate: the notebook and its difference from the base branch appear here.")
    drawn = []
    for position, file in enumerate(view.files):
        counts = f" +{file.added} −{file.removed}" if file.status != "unchanged" else ""
        head = tag("span", code(file.path), " ", mark(*_MARKS[file.status]), tag("span", counts, class_="pm-quiet"))
        body: list[Html] = [_block(block) for block in file.blocks]
        if file.too_large:
            body = [note("This file is too large to show here; see it in the pull request.", kind="warn")]
        drawn.append(details(head, *body, open_=position == 0, class_="pm-file"))
    said = [note(prose(finding.message), kind="warn") for finding in view.findings]
    base = tag("p", "Beside the base branch ", code(view.base), ".", class_="pm-quiet")
    return tag("div", *said, base, *drawn, class_="pm-tab pm-tab-notebook")


def _block(block: Block) -> Html:
    texts = [text for line in block.lines for text in (line.folded or (line.text,))]
    shown = iter(coloured(texts, block.language))
    lines: list[Html] = []
    for line in block.lines:
        if line.folded:
            inner = [_line(Line(" ", ""), next(shown)) for _ in line.folded]
            lines.append(details(line.text, *inner, class_="pm-folded"))
        else:
            lines.append(_line(line, next(shown)))
    head = tag("div", data(block.title), " ", mark(*_MARKS[block.status]), class_="pm-cell-head")
    body = tag("div", *lines, class_="pm-code", role="group", aria_label=block.title or "file", tabindex="0")
    if block.title and block.status == "unchanged":
        return details(head, body, class_="pm-cell")
    return tag("div", head if block.title else None, body, class_="pm-cell")


def _line(line: Line, shown: Html) -> Html:
    kind = {"+": "pm-add", "-": "pm-del"}.get(line.sign, "pm-same")
    sign = tag("span", {"-": "−"}.get(line.sign, line.sign), class_="pm-sign")
    return tag("div", sign, tag("span", shown or " ", class_="pm-src"), class_=f"pm-line {kind}")


def notebook_text(view: NotebookView) -> str:
    """The tab as plain text: one line a file."""
    return plain("\n".join(f"{file.path}: {file.status}, +{file.added} -{file.removed}" for file in view.files))
