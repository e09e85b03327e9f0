"""Tab Spec: every scalar field of the spec, grouped, with what it may be; and the edits that follow from new values.

Here: which fields there are (`form_view`) and how changed values
become edits (`edits`). Not here: the controls (`controls`), and whether an edit is right; the orchestrator answers
that, and its problems come back by the same paths.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, JsonValue

from pipeline_magic.runs import Snapshot
from pipeline_magic.spec.model import Draft, PipelineSpec, Schedule, Target, TargetDraft
from pipeline_magic.spec.paths import Edit, name_of
from pipeline_magic.spec.provenance import Origin
from pipeline_magic.spec.schedule import describe
from pipeline_magic.ui.lineage import inputs_of
from pipeline_magic.ui.values import Kind, shown

__all__ = ["Field", "FormView", "Group", "Section", "edits", "form_view", "mark_problems"]

_NODES = {"input", "left", "right", "on", "to"}
_COLUMN = {"watermark", "by", "sequence_by", "column", "left", "right"}
_COLUMNS = {"keys", "columns", "group_by", "partition_by", "cluster_by", "to_columns"}
_TABLE = {"table", "quarantine"}
_LONG = {"description", "comment", "expression", "condition", "filter", "query", "regex"}
_HIDDEN = {"spec_version", "automatic"}
_NEW_COLUMN = {("Segment", "column")}
TRIGGERS: dict[str, dict[str, JsonValue]] = {
    "schedule": {"kind": "schedule", "cron": "0 0 6 * * ?", "timezone": "UTC"},
    "table_update": {"kind": "table_update", "tables": []},
    "continuous": {"kind": "continuous"},
    "manual": {"kind": "manual"},
}


@dataclass(frozen=True)
class Field:
    """One field.

    Attributes:
        path: Its edit path.
        kind: How it is shown and read; see `values`.
        value: As it stands in the spec.
        options: What it may be, or (for columns and tables) what is known to be there.
        origin: Where the value comes from, in words.
    """

    path: str
    label: str
    kind: Kind
    value: JsonValue
    options: tuple[str, ...] = ()
    origin: str = ""
    optional: bool = False

    @property
    def text(self) -> str:
        """The value as it is typed."""
        return shown(self.kind, self.value)


@dataclass(frozen=True)
class Group:
    """Fields of one element: a source, a step, a check, the target, the trigger."""

    id: str
    title: str
    kind: str
    fields: tuple[Field, ...]
    note: str = ""


@dataclass(frozen=True)
class Section:
    """Groups of the same sort."""

    title: str
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class FormView:
    """The tab; no sections before parsing. `problems` are those the catalog found, as (path, message)."""

    sections: tuple[Section, ...]
    problems: tuple[tuple[str, str], ...] = ()

    def fields(self) -> Iterator[Field]:
        """Every field, in the order of the spec."""
        for section in self.sections:
            for group in section.groups:
                yield from group.fields


@dataclass(frozen=True)
class _Known:
    """What fields may name: nodes, columns of each node, tables; and origins with the words of their clauses."""

    nodes: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    tables: tuple[str, ...]
    origins: Mapping[str, Origin]
    words: Mapping[str, str]


def form_view(snapshot: Snapshot, tables: Iterable[str] = ()) -> FormView:
    """The form of a run's spec, complete or draft.

    Args:
        snapshot: The run.
        tables: Names offered where a table is asked for, beside those the spec names already.
    """
    read_ = snapshot.validated or snapshot.parsed
    if read_ is None:
        return FormView(())
    spec: Draft | PipelineSpec = (snapshot.validated.spec if snapshot.validated else None) or read_.draft
    known = _known(snapshot, spec, tables)
    pipeline = tuple(
        field
        for name in ("name", "description", "deployment")
        for field in _leaf(spec, name, name, known, {})
        if name != "spec_version"
    )
    sections = [Section("Pipeline", (Group("pipeline", "Pipeline", "", pipeline),))]
    sections.append(Section("Sources", tuple(_source(s, known) for s in spec.sources)))
    sections.append(Section("Steps", tuple(_step(s, known) for s in spec.steps)))
    sections.append(Section("Checks", tuple(_check(e, known, spec) for e in spec.expectations)))
    sections.append(Section("Target", (_target(spec.target, known),)))
    sections.append(Section("Trigger", (_trigger(spec, known),)))
    problems = tuple((p.where, p.message) for p in snapshot.validated.problems) if snapshot.validated else ()
    return FormView(tuple(section for section in sections if section.groups), problems)


def _known(snapshot: Snapshot, spec: Draft | PipelineSpec, tables: Iterable[str]) -> _Known:
    read_ = snapshot.validated or snapshot.parsed
    provenance = read_.provenance if read_ else None
    columns: dict[str, tuple[str, ...]] = {}
    if snapshot.validated is not None:
        for alias, schema in snapshot.validated.tables.items():
            columns[alias] = tuple(column.name for column in schema.columns)
        if snapshot.validated.typed is not None:
            for node in snapshot.validated.typed.nodes:
                columns[node.id] = tuple(column.name for column in node.columns)
    columns["target"] = columns.get(spec.target.input or "", ())
    named = [source.table for source in spec.sources]
    return _Known(
        nodes=(*(s.alias for s in spec.sources), *(s.id for s in spec.steps)),
        columns=columns,
        tables=tuple(dict.fromkeys([*named, *tables])),
        origins=provenance.origins if provenance else {},
        words={c.id: provenance.text(c).strip() for c in provenance.clauses} if provenance else {},
    )


def _source(source: BaseModel, known: _Known) -> Group:
    alias = str(getattr(source, "alias", ""))
    columns = {"": known.columns.get(alias, ())}
    return Group(alias, alias, "source", tuple(_walk(source, f"sources.{alias}", known, columns)))


def _step(step: BaseModel, known: _Known) -> Group:
    name, kind = str(getattr(step, "id", "")), str(getattr(step, "kind", ""))
    inputs = list(inputs_of(step))
    union = tuple(dict.fromkeys(c for node in inputs for c in known.columns.get(node, ())))
    columns = {"": union}
    if kind == "join":
        columns = {"left": known.columns.get(inputs[0], ()), "right": known.columns.get(inputs[-1], ())}
        columns["columns"] = columns["right"]
    return Group(name, name, kind, tuple(_walk(step, f"steps.{name}", known, columns)))


def _check(check: BaseModel, known: _Known, spec: Draft | PipelineSpec) -> Group:
    name, on = str(getattr(check, "id", "")), str(getattr(check, "on", ""))
    columns = {"": known.columns.get(on, ()), "to_columns": known.columns.get(str(getattr(check, "to", "")), ())}
    note = "proposed, not asked for in the statement" if getattr(check, "automatic", False) else ""
    fields_ = tuple(_walk(check, f"expectations.{name}", known, columns))
    ordered = sorted(fields_, key=lambda field: not field.path.endswith(".enabled"))
    return Group(name, name, str(getattr(check, "kind", "")), tuple(ordered), note)


def _target(target: Target | TargetDraft, known: _Known) -> Group:
    fields_ = tuple(_walk(target, "target", known, {"": known.columns.get(target.input or "", ())}))
    return Group("target", "Target", "", fields_)


def _trigger(spec: Draft | PipelineSpec, known: _Known) -> Group:
    kind = spec.trigger.kind if spec.trigger is not None else "manual"
    head = Field("trigger.kind", "kind", "enum", kind, tuple(TRIGGERS), _origin("trigger", known))
    rest: list[Field] = []
    for name in ("cron", "timezone", "tables"):
        value = getattr(spec.trigger, name, None)
        value = list(value) if isinstance(value, tuple) else value
        kind_: Kind = "list" if name == "tables" else "text"
        rest.append(Field(f"trigger.{name}", name, kind_, value, (), _origin(f"trigger.{name}", known), True))
    now = f"{describe(spec.trigger.cron, spec.trigger.timezone)}. " if isinstance(spec.trigger, Schedule) else ""
    note = f"{now}cron and timezone belong to schedule (seconds first, 1 = Sunday), tables to table_update"
    return Group("trigger", "Trigger", "", (head, *rest), note)


def _walk(model: BaseModel, path: str, known: _Known, columns: Mapping[str, tuple[str, ...]]) -> Iterator[Field]:
    for name in type(model).model_fields:
        yield from _leaf(model, name, f"{path}.{name}", known, columns)


def _leaf(
    model: BaseModel, name: str, path: str, known: _Known, columns: Mapping[str, tuple[str, ...]]
) -> Iterator[Field]:
    annotation = type(model).model_fields[name].annotation
    value = getattr(model, name)
    if name in _HIDDEN or (name == "kind" and len(_choices(annotation)) == 1):
        return
    if isinstance(value, BaseModel):
        yield from _walk(value, path, known, columns)
    elif isinstance(value, tuple) and value and all(isinstance(item, BaseModel) for item in value):
        for item in value:
            yield from _walk(item, f"{path}.{name_of(item.model_dump(mode='json'))}", known, columns)
    else:
        kind, options = _kind(model, name, annotation, known, columns)
        plain = list(value) if isinstance(value, tuple) else value
        label = f"{path.split('.')[-2]} · {name}" if path.count(".") > 2 else name
        yield Field(path, label, kind, plain, options, _origin(path, known), _optional(annotation))


def _kind(
    model: BaseModel, name: str, annotation: Any, known: _Known, columns: Mapping[str, tuple[str, ...]]
) -> tuple[Kind, tuple[str, ...]]:
    owner = type(model).__name__
    here = columns.get(name, columns.get("", ()))
    if choices := _choices(annotation):
        return "enum", choices
    scalars = {arg for arg in _parts(annotation) if isinstance(arg, type)}
    if scalars == {bool}:
        return "bool", ()
    if owner == "Join" and name == "keys":
        return "keys", ()
    if name == "order_by":
        return "order", ()
    if name == "frame":
        return "json", ()
    if name in _NODES and owner != "JoinKey":
        return "node", (*known.nodes, "target") if name == "on" else known.nodes
    if name in _TABLE:
        return "table", known.tables
    if name in _COLUMN and (owner, name) not in _NEW_COLUMN:
        return "column", here
    if get_origin(annotation) is tuple or any(get_origin(part) is tuple for part in _parts(annotation)):
        return ("scalars" if name == "values" else "columns" if name in _COLUMNS else "list"), here
    if name in {"minimum", "maximum", "value"} and owner != "RowCount":
        return "scalar", ()
    if scalars & {int, float}:
        return "integer" if int in scalars else "number", ()
    return ("long" if name in _LONG else "text"), ()


def _parts(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) in {typing.Union, types.UnionType}:
        for part in get_args(annotation):
            yield from _parts(part)
    elif get_origin(annotation) is typing.Annotated:
        yield from _parts(get_args(annotation)[0])
    elif annotation is not type(None):
        yield annotation


def _choices(annotation: Any) -> tuple[str, ...]:
    return tuple(str(choice) for part in _parts(annotation) if get_origin(part) is Literal for choice in get_args(part))


def _optional(annotation: Any) -> bool:
    return type(None) in get_args(annotation)


def _origin(path: str, known: _Known) -> str:
    """Where a field comes from; of the nearest path above it that has an origin."""
    at = path
    while at and at not in known.origins:
        at = at.rpartition(".")[0]
    origin = known.origins.get(at)
    if origin is None:
        return ""
    if origin.kind == "clause":
        words = " … ".join(" ".join(known.words[c].split()) for c in origin.clauses if c in known.words)
        return f"from “{words[:120]}”"
    if origin.kind == "assumption":
        return f"assumed: {origin.reason}" if origin.reason else "assumed"
    return "your answer" if origin.kind == "answer" else "your edit"


def edits(view: FormView, values: Mapping[str, JsonValue]) -> tuple[Edit, ...]:
    """The edits that make the spec hold `values`; fields that hold them already are left alone.

    A renamed source or step is renamed wherever it is an input. Names change last, since paths are made of them; a
    new kind of trigger is one edit of the whole trigger.
    """
    changed: list[Edit] = []
    names: list[Edit] = []
    known = {field.path: field for field in view.fields()}
    for path, value in values.items():
        field = known.get(path)
        if field is None or field.value == value or path.startswith("trigger."):
            continue
        owner, _, last = path.rpartition(".")
        if owner.endswith(f".{field.value}") and last in {"id", "alias", "name", "label", "column", "left"}:
            names.append(Edit(path=path, value=value))
            if last in {"id", "alias"} and not path.startswith("expectations."):
                changed += [
                    Edit(path=other.path, value=_renamed(other.value, field.value, value))
                    for other in known.values()
                    if (other.kind == "node" or other.path.endswith(".inputs"))
                    and _names(other.value, field.value)
                    and other.path not in values
                ]
        else:
            changed.append(Edit(path=path, value=value))
    changed += _trigger_edits(known, values)
    return (*changed, *sorted(names, key=lambda edit: -edit.path.count(".")))


def _names(value: JsonValue, name: JsonValue) -> bool:
    return value == name or (isinstance(value, list) and name in value)


def _renamed(value: JsonValue, old: JsonValue, new: JsonValue) -> JsonValue:
    return [new if item == old else item for item in value] if isinstance(value, list) else new


def _trigger_edits(known: Mapping[str, Field], values: Mapping[str, JsonValue]) -> list[Edit]:
    mine = {path.partition(".")[2]: value for path, value in values.items() if path.startswith("trigger.")}
    now = {path.partition(".")[2]: field.value for path, field in known.items() if path.startswith("trigger.")}
    if all(now.get(name) == value for name, value in mine.items()):
        return []
    wanted = {**now, **mine}
    whole = dict(TRIGGERS[str(wanted.get("kind") or "manual")])
    if wanted["kind"] == now.get("kind") and set(mine) <= set(whole) | {"kind"}:
        return [Edit(path=f"trigger.{n}", value=v) for n, v in mine.items() if v != now.get(n) and n in whole]
    whole.update({name: wanted[name] for name in whole if name != "kind" and wanted.get(name) not in (None, [], "")})
    return [Edit(path="trigger", value=whole)]


def mark_problems(view: FormView, problems: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Messages by the path of the field they belong to; the field itself, else the first of the element, else ''."""
    marks: dict[str, str] = {}
    paths = [field.path for field in view.fields()]
    for path, message in problems:
        at = path
        found = ""
        while at and not found:
            found = at if at in paths else next((p for p in paths if p.startswith(at + ".")), "")
            at = at.rpartition(".")[0]
        said = message if found == path or not found else f"{path}: {message}"
        marks[found] = f"{marks[found]} {said}" if found in marks else said
    return marks
