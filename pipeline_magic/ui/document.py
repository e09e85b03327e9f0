"""The whole panel without a browser's help: static HTML (for a notebook without widgets) and plain text.

Both come from the same view data as the widgets. The tabs become folds, since nothing here runs in the browser.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline_magic.runs import Snapshot, Stage, StageEvent
from pipeline_magic.ui import assets
from pipeline_magic.ui.approval import approval_html, approval_text, approval_view
from pipeline_magic.ui.form import FormView, form_view
from pipeline_magic.ui.header import header_html, header_text, header_view
from pipeline_magic.ui.lineage import lineage_html, lineage_text, lineage_view
from pipeline_magic.ui.markup import Html, code, data, details, fit, note, plain, prose, table, tag
from pipeline_magic.ui.notebook import notebook_html, notebook_text, notebook_view
from pipeline_magic.ui.quality import quality_html, quality_text, quality_view
from pipeline_magic.ui.questions import questions_html, questions_text, questions_view
from pipeline_magic.ui.schemas import schemas_html, schemas_text, schemas_view
from pipeline_magic.ui.statement import statement_html, statement_text, statement_view

__all__ = ["form_html", "form_text", "static_html", "static_text"]

_EACH = 400_000


def static_html(snapshot: Snapshot, live: Mapping[Stage, StageEvent] | None = None) -> str:
    """The panel as one piece of HTML; a tab that would be larger than 400,000 characters says so instead."""
    tabs = (
        ("Statement", statement_html(statement_view(snapshot)), True),
        ("Spec", form_html(form_view(snapshot)), False),
        ("Schemas", schemas_html(schemas_view(snapshot)), False),
        ("Notebook", notebook_html(notebook_view(snapshot)), False),
        ("Quality", quality_html(quality_view(snapshot)), False),
        ("Lineage", lineage_html(lineage_view(snapshot)), False),
        ("Approval", approval_html(approval_view(snapshot)), snapshot.approval is not None),
    )
    review = tag("p", "To act on it: ", code(f"%pipeline review {snapshot.run.id}"), class_="pm-quiet")
    return tag(
        "div",
        Html(f"<style>{assets.read('panel.css')}</style>"),
        header_html(header_view(snapshot, live)),
        questions_html(questions_view(snapshot)),
        *(details(tag("strong", title), fit(body, title, _EACH), open_=open_) for title, body, open_ in tabs),
        review,
        class_="pm-static",
    )


def static_text(snapshot: Snapshot, live: Mapping[Stage, StageEvent] | None = None) -> str:
    """The panel as plain text."""
    parts = (
        ("", header_text(header_view(snapshot, live))),
        ("Questions", questions_text(questions_view(snapshot))),
        ("Statement", statement_text(statement_view(snapshot))),
        ("Spec", form_text(form_view(snapshot))),
        ("Schemas", schemas_text(schemas_view(snapshot))),
        ("Notebook", notebook_text(notebook_view(snapshot))),
        ("Quality", quality_text(quality_view(snapshot))),
        ("Lineage", lineage_text(lineage_view(snapshot))),
        ("Approval", approval_text(approval_view(snapshot))),
    )
    shown = [f"{title}\n{text}" if title else text for title, text in parts if text]
    return "\n\n".join([*shown, f"To act on it: %pipeline review {plain(snapshot.run.id)}"])


def form_html(view: FormView) -> Html:
    """The spec as static tables, fields without a value left out."""
    if not view.sections:
        return note("The spec appears here once the statement is read; every field of it can be edited.")
    problems = [note(code(path), " ", prose(message), kind="error") for path, message in view.problems]
    drawn = []
    for section in view.sections:
        for group in section.groups:
            rows = ((code(f.label), data(f.text), data(f.origin)) for f in group.fields if f.text)
            head = tag("span", tag("strong", data(group.title)), " ", data(group.kind))
            drawn.append(details(head, table(("Field", "Value", "From"), rows, label=f"Fields of {group.title}")))
    return tag("div", *problems, *drawn, class_="pm-tab pm-tab-spec")


def form_text(view: FormView) -> str:
    """The spec as plain text, a line a field that has a value."""
    lines = [f"  ! {path}: {message}" for path, message in view.problems]
    lines += [f"  {field.path} = {field.text}" for field in view.fields() if field.text]
    return plain("\n".join(lines))
