"""Questions: what the statement leaves open, what each reading does to the rows, and which one stands.

A question that was answered before is shown with its answer, so that it can be answered otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline_magic.runs import Snapshot
from pipeline_magic.ui.markup import Html, code, data, mark, plain, prose, tag

__all__ = [
    "OptionView", "QuestionView", "question_html", "questions_html", "questions_text", "questions_view", "title",
]  # fmt: skip


@dataclass(frozen=True)
class OptionView:
    """One reading; `label` says its effect too, so that a plain radio button is enough."""

    id: str
    label: str
    is_default: bool


@dataclass(frozen=True)
class QuestionView:
    """One question, open or answered. `words` are the clauses it comes from; `default` stands when nothing is chosen.

    Attributes:
        answered: The answer that was given before; None for an open question.
    """

    id: str
    text: str
    why: str
    words: tuple[str, ...]
    options: tuple[OptionView, ...]
    default: str | None
    free: bool
    path: str
    answered: str | None = None

    @property
    def must_answer(self) -> bool:
        """No default would be a reading of the words."""
        return self.default is None


def questions_view(snapshot: Snapshot) -> tuple[QuestionView, ...]:
    """Open questions, must-answer ones first; then those that were answered."""
    parsed = snapshot.validated or snapshot.parsed
    words = {}
    if parsed is not None:
        words = {clause.id: parsed.provenance.text(clause).strip() for clause in parsed.provenance.clauses}
    views = []
    asked = [*((question, None) for question in snapshot.questions), *snapshot.answered]
    for question, answered in asked:
        stands = question.default if answered is None else answered
        options = tuple(
            OptionView(option.id, _label(option.label, option.effect, option.rows), option.id == stands)
            for option in question.options
        )
        heard = tuple(words[clause] for clause in question.clauses if clause in words)
        views.append(
            QuestionView(
                question.id,
                question.text,
                question.why,
                heard,
                options,
                stands,
                question.free,
                question.path,
                answered,
            )
        )
    return tuple(views)


def _label(label: str, effect: str, rows: int | None) -> str:
    if not effect and rows is not None:
        effect = f"{rows:,} rows"
    return f"{label} — {effect}" if effect else label


def question_html(view: QuestionView) -> Html:
    """Text and reason of one question, without its options."""
    state = mark("!", "must be answered", "failed") if view.must_answer else mark("?", "has a default", "waiting")
    if view.answered is not None:
        state = mark("✓", "answered before", "done")
    why = [tag("div", prose(view.why), class_="pm-quiet")] if view.why else []
    if view.words:
        heard: list[object] = ["You wrote: "]
        for word in view.words:
            heard += [tag("q", data(word)), " "]
        why.append(tag("div", *heard, class_="pm-quiet"))
    return tag("div", tag("div", tag("strong", prose(view.text)), " ", state), *why, class_="pm-question-text")


def questions_html(views: tuple[QuestionView, ...]) -> Html:
    """All questions as static HTML."""
    if not views:
        return Html("")
    drawn = []
    for view in views:
        options = [
            tag("li", prose(option.label), " ", mark("✓", _stands(view), "done") if option.is_default else None)
            for option in view.options
        ]
        free = [tag("li", "or type your own answer")] if view.free else []
        if view.answered is not None and not any(option.is_default for option in view.options):
            free.append(tag("li", data(view.answered), " ", mark("✓", "your answer", "done")))
        drawn.append(
            tag(
                "div",
                question_html(view),
                tag("ul", *options, *free, class_="pm-list"),
                tag("div", "id ", code(view.id), class_="pm-quiet"),
                class_="pm-question",
            )
        )
    return tag("section", tag("h4", title(views)), *drawn, class_="pm-questions")


def title(views: tuple[QuestionView, ...]) -> str:
    """How many are open, and how many were answered."""
    answered = sum(view.answered is not None for view in views)
    parts = [f"Questions ({len(views) - answered})"] if len(views) > answered else []
    return ", ".join([*parts, *([f"answered before ({answered})"] if answered else [])]).capitalize()


def _stands(view: QuestionView) -> str:
    return "default" if view.answered is None else "your answer"


def questions_text(views: tuple[QuestionView, ...]) -> str:
    """All questions as plain text."""
    lines = []
    for view in views:
        if view.answered is not None:
            chosen = next((option.label for option in view.options if option.is_default), view.answered)
            lines.append(f"Answered before {view.id}: {view.text} {chosen}")
            continue
        lines.append(f"{'Must answer' if view.must_answer else 'Question'} {view.id}: {view.text}")
        lines += [f"  because {view.why}"] if view.why else []
        for option in view.options:
            lines.append(f"  - {option.id}: {option.label}" + (" (default)" if option.is_default else ""))
        lines += ["  - or type your own answer"] if view.free else []
    return plain("\n".join(lines))
