"""Controls for the spec's fields and for questions: stock widgets made of view data, read back as plain data.

Layouts and styles are shared between controls of one sort, since each would be a message to the browser of its own.
A section with very many fields shows one element at a time, chosen from a list.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as w
from pydantic import JsonValue
from traitlets import TraitError

from pipeline_magic.errors import Problem, SpecError
from pipeline_magic.runs import Answer
from pipeline_magic.ui.form import Field, FormView, Group, Section, mark_problems
from pipeline_magic.ui.markup import data, label, mark, note, plain, prose, tag
from pipeline_magic.ui.questions import QuestionView, question_html
from pipeline_magic.ui.values import read

__all__ = ["FormControls", "QuestionControls", "classed", "css_name"]

_MANY = 160
_NONE = "(none)"
_MARKUP = re.compile("[<>&\"'`]")
"""Names with these are typed, not picked: older front ends of Combobox write options into the page as markup."""


def css_name(path: str) -> str:
    """A path or id as part of a class name: every character but letters, digits, ``_`` is a dash."""
    return re.sub(r"[^A-Za-z0-9_]", "-", path)


def classed(widget: Any, *names: str) -> Any:
    """The widget with these classes."""
    widget._dom_classes = (*widget._dom_classes, *names)
    return widget


class FormControls:
    """The form of a spec.

    Args:
        view: What to draw.
        changed: Called with the number of fields that differ from the spec.
        find: Gives names of tables that fit what is typed, best first; None offers those of the view alone.
    """

    def __init__(
        self,
        view: FormView,
        changed: Callable[[int], None],
        find: Callable[[str], Sequence[str]] | None = None,
    ) -> None:
        self.view = view
        self._find = find
        self.widget = w.VBox()
        self._changed = changed
        self._styles: dict[str, Any] = {}
        self._layout = w.Layout(width="100%")
        self._controls: dict[str, Any] = {}
        self._fields = {field.path: field for field in view.fields()}
        self._boxes: dict[str, tuple[Any, tuple[Field, ...]]] = {}
        self._dirty: set[str] = set()
        self._nearby: dict[str, Any] = {}
        self._shown: set[str] = set()
        self._marks: dict[str, str] = {}
        self._standing = mark_problems(view, view.problems)
        self._top = w.HTML()
        self.widget.children = (self._top, *(self._section(section) for section in view.sections))
        self.mark({})

    @property
    def dirty(self) -> int:
        """Fields that differ from the spec."""
        return len(self._dirty)

    def values(self) -> dict[str, JsonValue]:
        """Fields that differ from the spec, by path.

        Raises:
            SpecError: Text that cannot be read as its field's kind; all of it at once.
        """
        made: dict[str, JsonValue] = {}
        problems = []
        for path in self._fields:
            if path not in self._dirty:
                continue
            field, raw = self._fields[path], self._controls[path].value
            try:
                made[path] = read(field.kind, None if raw == _NONE and field.kind in {"enum", "node"} else raw)
            except ValueError as error:
                problems.append(Problem(path, str(error)))
        if problems:
            raise SpecError(problems)
        return made

    def typed(self) -> dict[str, Any]:
        """What stands in the controls that differ from the spec, unread."""
        return {path: self._controls[path].value for path in self._fields if path in self._dirty}

    def restore(self, typed: Mapping[str, Any]) -> None:
        """Put typed values back, where their fields are still there and still take them."""
        for path, value in typed.items():
            if path in self._fields:
                with contextlib.suppress(TraitError):
                    self._control(self._fields[path]).value = value

    def mark(self, marks: Mapping[str, str]) -> None:
        """Show messages beside the fields they are of; those of the key '' stand above the form."""
        self._marks = {**self._standing, **marks}
        top = self._marks.get("")
        self._top.value = note(mark("✗", "problem", "failed"), " ", prose(top), kind="error") if top else ""
        for path, control in self._controls.items():
            (control.add_class if path in self._marks else control.remove_class)("pm-invalid")
        for box, fields in self._boxes.values():
            self._fill(box, fields)

    def _section(self, section: Section) -> Any:
        count = sum(len(group.fields) for group in section.groups)
        many = section.title in {"Sources", "Steps", "Checks"}
        title = w.HTML(tag("h4", f"{section.title} ({len(section.groups)})" if many else section.title))
        if count <= _MANY:
            return w.VBox((title, *(self._group(group) for group in section.groups)))
        groups = {group.id: group for group in section.groups}
        picker = w.Dropdown(
            options=[(label(f"{g.title} · {g.kind}"), g.id) for g in section.groups],
            description=f"Edit one of the {len(groups)}",
            style={"description_width": "initial"},
            layout=w.Layout(width="min(100%, 460px)"),
        )
        classed(picker, f"pm-pick-{css_name(section.title.casefold())}")
        slot = w.VBox((self._group(section.groups[0]),))

        def show(change: Any) -> None:
            slot.children = (self._group(groups[change["new"]]),)

        picker.observe(show, "value")
        return w.VBox((title, picker, slot))

    def _group(self, group: Group) -> Any:
        head = tag("span", tag("strong", data(group.title)), " ", data(group.kind)) if group.kind else ""
        said = tag("div", data(group.note), class_="pm-quiet") if group.note else ""
        box = classed(w.Box(), "pm-fields")
        self._boxes[group.id] = (box, group.fields)
        self._fill(box, group.fields)
        return classed(w.VBox((w.HTML(head + said), box) if head or said else (box,)), "pm-group")

    def _fill(self, box: Any, fields: tuple[Field, ...]) -> None:
        children: list[Any] = []
        for field in fields:
            children.append(self._control(field))
            if field.path in self._shown:
                children.append(self._nearby[field.path])
            if field.path in self._marks:
                text = note(mark("✗", "not accepted", "failed"), " ", prose(self._marks[field.path]), kind="error")
                children.append(classed(w.HTML(text), "pm-field-error"))
        if tuple(children) != box.children:
            box.children = tuple(children)

    def _control(self, field: Field) -> Any:
        if field.path not in self._controls:
            made = self._make(field)
            classed(made, f"pm-field-{css_name(field.path)}", *_place(field))
            start = made.value
            made.observe(lambda change: self._note(field.path, change["new"] != start), "value")
            self._controls[field.path] = made
            if field.path in self._marks:
                made.add_class("pm-invalid")
        return self._controls[field.path]

    def _note(self, path: str, differs: bool) -> None:
        (self._dirty.add if differs else self._dirty.discard)(path)
        control = self._controls[path]
        (control.add_class if differs else control.remove_class)("pm-changed")
        self._changed(len(self._dirty))

    def _make(self, field: Field) -> Any:
        tip = f"{field.path}{' · ' + field.origin if field.origin else ''}"
        same = {"description": label(field.label), "tooltip": plain(tip), "layout": self._layout}
        if field.kind == "bool":
            return w.Checkbox(value=bool(field.value), indent=False, style=self._style(w.Checkbox), **same)
        if field.kind in {"enum", "node"}:
            value = field.text or _NONE
            options = list(dict.fromkeys([*([_NONE] if field.optional or not field.text else []), *field.options]))
            if value not in options:
                options.insert(0, value)
            return w.Dropdown(options=options, value=value, style=self._style(w.Dropdown), **same)
        offered = [option for option in field.options if not _MARKUP.search(option)][:1000]
        if field.kind in {"column", "table"} and offered:
            made = w.Combobox(value=field.text, options=offered, style=self._style(w.Combobox), **same)
            if field.kind == "table" and self._find is not None:
                made.observe(lambda change: self._offer(made, field, change["new"]), "value")
            return made
        if field.kind == "long":
            rows = min(12, max(1, len(field.text) // 90 + field.text.count("\n") + 1))
            return w.Textarea(value=field.text, rows=rows, style=self._style(w.Textarea), **same)
        hint = "with commas" if field.kind in {"columns", "list", "scalars", "keys", "order"} else ""
        return w.Text(value=field.text, placeholder=hint, style=self._style(w.Text), **same)

    def _offer(self, control: Any, field: Field, typed: str) -> None:
        """Offer tables that fit what is typed.

        A browser lists only names that hold what is typed; where none does, those found stand in a list below.
        """
        found: list[str] = []
        if self._find is not None and len(typed.strip()) >= 3 and typed not in (field.text, *control.options):
            found = [name for name in self._find(typed) if not _MARKUP.search(name)]
            control.options = list(dict.fromkeys([*found, *control.options]))[:1000]
        near = found if not any(typed.casefold() in name.casefold() for name in found) else []
        if near:
            self._list_nearby(control, field).options = near
        if bool(near) != (field.path in self._shown):
            (self._shown.add if near else self._shown.discard)(field.path)
            for box, fields in self._boxes.values():
                if field in fields:
                    self._fill(box, fields)

    def _list_nearby(self, control: Any, field: Field) -> Any:
        if field.path not in self._nearby:
            made = w.Select(rows=4, value=None, description="did you mean", layout=self._layout)
            classed(made, f"pm-nearby-{css_name(field.path)}")

            def choose(change: Any) -> None:
                if change["new"] is not None:
                    control.value = change["new"]

            made.observe(choose, "value")
            self._nearby[field.path] = made
        made = self._nearby[field.path]
        made.value = None
        return made

    def _style(self, kind: Any) -> Any:
        """One style for all controls of a sort."""
        if kind.__name__ not in self._styles:
            self._styles[kind.__name__] = kind.style.klass() if hasattr(kind.style, "klass") else {}
        return self._styles[kind.__name__]


class QuestionControls:
    """Radio buttons for each question, and a text box where a typed answer is allowed."""

    def __init__(self, views: tuple[QuestionView, ...]) -> None:
        self.views = views
        self._choices: dict[str, Any] = {}
        self._typed: dict[str, Any] = {}
        self.widget = w.VBox(tuple(self._question(view) for view in views))

    def _question(self, view: QuestionView) -> Any:
        parts: list[Any] = [w.HTML(question_html(view))]
        name = f"pm-question-{css_name(view.id)}"
        if view.options:
            said = " (default)" if view.answered is None else " (your answer)"
            options = [(label(o.label) + (said if o.is_default else ""), o.id) for o in view.options]
            chosen = view.default if any(o.id == view.default for o in view.options) else None
            choice = w.RadioButtons(options=options, value=chosen, layout=w.Layout(width="100%"))
            choice.tooltip = plain(view.text)
            self._choices[view.id] = choice
            parts.append(choice)
        if view.free:
            typed = w.Text(
                description="or type",
                placeholder=plain(view.path),
                tooltip=f"Your own answer to: {plain(view.text)}",
                layout=w.Layout(width="min(100%, 460px)"),
            )
            self._typed[view.id] = classed(typed, f"{name}-free")
            parts.append(typed)
        return classed(w.VBox(tuple(parts)), "pm-question", name)

    def observe(self, changed: Callable[[], None]) -> None:
        """Call `changed` whenever an answer is touched."""
        for control in (*self._choices.values(), *self._typed.values()):
            control.observe(lambda _: changed(), "value")

    def answers(self) -> tuple[Answer, ...]:
        """Answers that are not the default; a typed answer wins over a chosen one."""
        made = []
        for view in self.views:
            typed = self._typed[view.id].value.strip() if view.id in self._typed else ""
            chosen = self._choices[view.id].value if view.id in self._choices else None
            if typed:
                made.append(Answer(question=view.id, value=typed))
            elif chosen is not None and chosen != view.default:
                made.append(Answer(question=view.id, value=chosen))
        return tuple(made)

    def unanswered(self) -> tuple[QuestionView, ...]:
        """Must-answer questions without an answer."""
        given = {answer.question for answer in self.answers()}
        return tuple(view for view in self.views if view.must_answer and view.id not in given)


def _place(field: Field) -> tuple[str, ...]:
    """Long text takes a row of its own; an element of a list starts one, so that its fields stand together."""
    owner, name = ["", *field.path.split(".")][-2:]
    if field.kind == "long" and (name in {"description", "comment", "query"} or len(field.text) > 40):
        return ("pm-wide",)
    return ("pm-start",) if owner == field.value and name in {"name", "label", "left", "column"} else ()
