"""Tab Statement: every word of the statement, what it was read as, and the fields and the code it became.

The drawing (`widgets/trace.js`) and the static fallback come from the same `StatementView`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from pipeline_magic.runs import Snapshot
from pipeline_magic.spec.model import Draft, PipelineSpec
from pipeline_magic.spec.paths import fields
from pipeline_magic.spec.provenance import Clause, Origin, Provenance
from pipeline_magic.ui.cells import Cell, code_by_node
from pipeline_magic.ui.markup import Html, code, data, details, items, mark, note, plain, prose, table, tag

__all__ = [
    "Assumption",
    "ClauseView",
    "FieldView",
    "Segment",
    "StatementView",
    "shown_value",
    "statement_html",
    "statement_text",
    "statement_view",
    "trace_data",
]

_LONGEST = 400
_KINDS = {
    "source": "table",
    "join": "join",
    "measure": "measure",
    "filter": "filter",
    "segment": "segment",
    "check": "check",
    "target": "target",
    "schedule": "schedule",
    "layout": "layout",
    "comment": "comment",
    "filler": "no request",
    "unmatched": "not understood",
}


@dataclass(frozen=True)
class FieldView:
    """A field of the spec and its value, as text."""

    path: str
    value: str


@dataclass(frozen=True)
class ClauseView:
    """A clause: its words, what it was read as, the fields it became and where their code is."""

    id: str
    words: str
    kind: str
    label: str
    fields: tuple[FieldView, ...]
    code: tuple[tuple[str, str], ...]

    @property
    def unmatched(self) -> bool:
        """It was not understood."""
        return self.kind == "unmatched"


@dataclass(frozen=True)
class Segment:
    """A stretch of a statement; `clause` is empty for words outside every clause."""

    text: str
    clause: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Assumption:
    """A field nobody asked for in words."""

    path: str
    value: str
    reason: str
    alternatives: tuple[str, ...]


@dataclass(frozen=True)
class StatementView:
    """The tab. One tuple of segments a statement (the first, then one for each edit in words)."""

    statements: tuple[tuple[Segment, ...], ...]
    clauses: tuple[ClauseView, ...]
    assumptions: tuple[Assumption, ...]
    notes: tuple[str, ...]
    parser: str
    generated: bool

    @property
    def unmatched(self) -> tuple[ClauseView, ...]:
        """Clauses that became nothing."""
        return tuple(clause for clause in self.clauses if clause.unmatched)


def statement_view(snapshot: Snapshot) -> StatementView:
    """The tab of a run; before parsing, the statement alone."""
    read = snapshot.validated or snapshot.parsed
    if read is None:
        return StatementView(((Segment(snapshot.run.statement),),), (), (), (), "", False)
    provenance = read.provenance
    spec = (snapshot.validated.spec if snapshot.validated else None) or read.draft
    values = {path: shown_value(value) for path, value in fields(spec)}
    generated = snapshot.generated
    found: dict[str, Cell] = {}
    if generated is not None:
        notebook = next((file.content for file in generated.files if file.path == generated.notebook), "")
        checks = {expectation.id: "quality_gate" for expectation in spec.expectations}
        found = code_by_node(notebook, _nodes(spec), {"target": "write", **checks})
    by_clause: dict[str, list[str]] = {}
    for path, origin in provenance.origins.items():
        for clause in origin.clauses if origin.kind == "clause" else ():
            by_clause.setdefault(clause, []).append(path)
    clauses = tuple(
        _clause(clause, provenance, by_clause.get(clause.id, []), values, found) for clause in provenance.clauses
    )
    assumptions = tuple(_assumption(path, origin, values) for path, origin in provenance.assumptions().items())
    return StatementView(
        statements=tuple(_segments(provenance, index) for index in range(len(provenance.statements))),
        clauses=clauses,
        assumptions=assumptions,
        notes=snapshot.parsed.notes if snapshot.parsed else (),
        parser=snapshot.parsed.parser if snapshot.parsed else "",
        generated=generated is not None,
    )


def shown_value(value: JsonValue) -> str:
    """A field's value as a person would write it, at most 400 characters.

    >>> shown_value(["a", "b"]), shown_value(None), shown_value(True)
    ('a, b', '(none)', 'yes')
    """
    if value is None or value == []:
        return "(none)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        text = ", ".join(shown_value(item) for item in value)
    elif isinstance(value, dict):
        text = ", ".join(f"{key} {shown_value(item)}" for key, item in value.items())
    else:
        text = str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _nodes(spec: Draft | PipelineSpec) -> Iterator[str]:
    for source in spec.sources:
        yield source.alias
    for step in spec.steps:
        yield step.id
    for expectation in spec.expectations:
        yield expectation.id
    yield "target"


def _below(path: str, values: dict[str, str]) -> list[FieldView]:
    if path in values:
        return [FieldView(path, values[path])]
    inner = [FieldView(name, value) for name, value in values.items() if name.startswith(path + ".")]
    said = [f for f in inner if f.value != "(none)" and f.path.rpartition(".")[2] not in {"id", "alias"}]
    return said or [FieldView(path, "")]


def _clause(
    clause: Clause, provenance: Provenance, paths: list[str], values: dict[str, str], found: dict[str, Cell]
) -> ClauseView:
    shown = {field.path: field for path in paths for field in _below(path, values)}
    named = list(dict.fromkeys(node for path in paths if (node := _node_of(path)) in found))
    return ClauseView(
        id=clause.id,
        words=provenance.text(clause).strip(),
        kind=clause.kind,
        label=_KINDS.get(clause.kind, clause.kind),
        fields=tuple(shown.values())[:60],
        code=tuple((_place(node, found[node]), found[node].source[:4000]) for node in named),
    )


def _node_of(path: str) -> str:
    parts = path.split(".")
    return "target" if parts[0] == "target" else parts[1] if len(parts) > 1 else ""


def _place(node: str, cell: Cell) -> str:
    last = cell.first + cell.source.count("\n")
    return f"{node}: cell {cell.number}, lines {cell.first}–{last}"


def _assumption(path: str, origin: Origin, values: dict[str, str]) -> Assumption:
    value = values.get(path, "")
    if not value:
        inner = _below(path, values)
        value = "; ".join(f"{field.path[len(path) + 1 :]} {field.value}" for field in inner if field.value)
    return Assumption(path, value[:_LONGEST], origin.reason, origin.alternatives)


def _segments(provenance: Provenance, index: int) -> tuple[Segment, ...]:
    text = provenance.statements[index]
    made: list[Segment] = []
    at = 0
    for clause in sorted((c for c in provenance.clauses if c.statement == index), key=lambda c: (c.start, c.end)):
        start, end = max(at, min(clause.start, len(text))), min(clause.end, len(text))
        if end <= start:
            continue
        if start > at:
            made.append(Segment(text[at:start]))
        made.append(Segment(text[start:end], clause.id, clause.kind))
        at = end
    if at < len(text):
        made.append(Segment(text[at:]))
    return tuple(made)


def trace_data(view: StatementView) -> dict[str, JsonValue]:
    """What `widgets/trace.js` draws: plain data, control characters already shown by their number."""
    return {
        "statements": [
            [{"text": plain(part.text), "clause": part.clause, "kind": part.kind} for part in statement]
            for statement in view.statements
        ],
        "clauses": {
            clause.id: {
                "kind": clause.kind,
                "label": clause.label,
                "fields": [{"path": plain(field.path), "value": plain(field.value)} for field in clause.fields],
                "code": [{"place": plain(place), "source": plain(source)} for place, source in clause.code],
            }
            for clause in view.clauses
        },
        "generated": view.generated,
    }


def statement_html(view: StatementView) -> Html:
    """The whole tab as static HTML: the coloured statement, then `clauses_html`."""
    return tag("div", words_html(view), clauses_html(view), class_="pm-tab pm-tab-statement")


def words_html(view: StatementView) -> Html:
    """The statement with its clauses marked by colour, underline and a word."""
    clauses = {clause.id: clause for clause in view.clauses}
    drawn = []
    for statement in view.statements:
        parts: list[object] = []
        for part in statement:
            clause = clauses.get(part.clause)
            if clause is None or clause.kind == "filler":
                parts.append(data(part.text))
                continue
            became = "; ".join(f"{field.path} = {field.value}" for field in clause.fields[:8]) or "became no field"
            parts.append(
                tag(
                    "span",
                    data(part.text),
                    tag("sup", clause.label),
                    class_=f"pm-clause pm-kind-{_css(clause.kind)}",
                    title=f"{clause.label}: {became}",
                    tabindex="0",
                )
            )
        drawn.append(tag("div", *parts, class_="pm-words", dir="auto"))
    return tag("div", *drawn, class_="pm-statement")


def _css(kind: str) -> str:
    return kind if kind in _KINDS else "other"


def clauses_html(view: StatementView) -> Html:
    """Clauses as a table, what was not understood, and every assumption with its alternatives."""
    if not view.clauses and not view.assumptions:
        return note("The statement is being read. Its clauses and the fields they became appear here.")
    unmatched = [
        note(
            mark("✗", "not understood", "failed"),
            " ",
            tag("q", data(clause.words)),
            " became no field. Say it in other words, edit the spec, or confirm it when you approve.",
            kind="warn",
        )
        for clause in view.unmatched
    ]
    notes = [note(prose(line)) for line in view.notes]
    listed = [clause for clause in view.clauses if clause.kind != "filler"]
    clause_rows = table(
        ("You wrote", "Read as", "Became", "Code"),
        ((data(c.words), data(c.label), _fields_html(c), _code_html(c, view.generated)) for c in listed),
        label="Clauses and the fields they became",
    )
    assumed = table(
        ("Assumed", "Value", "Because", "It could be"),
        ((code(a.path), data(a.value), prose(a.reason), prose("; ".join(a.alternatives))) for a in view.assumptions),
        label="Assumptions",
    )
    parser = [tag("p", f"Read by the {plain(view.parser)} parser.", class_="pm-quiet")] if view.parser else []
    return tag(
        "div",
        *unmatched,
        *notes,
        details(f"Clauses as a list ({len(listed)})", clause_rows),
        details(f"Assumptions ({len(view.assumptions)})", assumed, open_=len(view.assumptions) <= 12),
        *parser,
    )


def _fields_html(clause: ClauseView) -> Html:
    if not clause.fields:
        return mark("✗", "nothing", "failed")
    return items(tag("span", code(field.path), " ", data(field.value)) for field in clause.fields)


def _code_html(clause: ClauseView, generated: bool) -> object:
    if not clause.code:
        return "–" if generated else "after Generate"
    return Html("".join(details(data(place), tag("pre", data(source))) for place, source in clause.code))


def statement_text(view: StatementView) -> str:
    """The tab as plain text."""
    lines = []
    for clause in view.clauses:
        if clause.kind == "filler":
            continue
        became = ", ".join(f"{field.path} = {field.value}" for field in clause.fields) or "no field"
        words = " ".join(clause.words.split())
        lines.append(f'{"! " if clause.unmatched else "  "}"{words}" [{clause.label}] -> {became}')
    for assumption in view.assumptions:
        other = f" (or {'; '.join(assumption.alternatives)})" if assumption.alternatives else ""
        lines.append(f"  assumed {assumption.path} = {assumption.value}: {assumption.reason}{other}")
    return plain("\n".join(lines))
