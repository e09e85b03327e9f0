"""Every field of the spec language is honoured: another legal value of it gives other bytes, in each form it touches.

The fields come from the models themselves, so a new one fails here until it has another value to be tried with. Where
a form rightly does not depend on a field, `NOT_IN` says which form and why, and that its bytes are then the same.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any, get_args

import pytest

from pipeline_magic.compiler import compile_files
from pipeline_magic.compiler.declarative import declarative_source
from pipeline_magic.compiler.document import readme
from pipeline_magic.compiler.environments import Environment
from pipeline_magic.compiler.ipynb import notebook
from pipeline_magic.compiler.jobs import job_settings, pipeline_settings
from pipeline_magic.compiler.sql import target_query
from pipeline_magic.errors import SpecError
from pipeline_magic.spec import model
from pipeline_magic.spec.schema import Model
from pipeline_magic.spec.typed import TypedSpec, type_spec
from tests.support.compiled import RUN_TIME, make_table

Data = dict[str, Any]
FORMS = ("sql", "notebook", "lakeflow")
TABLES = {
    "dev.default.t": "k int, g string, v int, w int, at timestamp, seen timestamp, items array<int>, more array<int>",
    "dev.default.u": "k int, g string, v int, w int, name string",
    "dev.default.x": "k int, g string, v int, w int, at timestamp, seen timestamp, items array<int>, more array<int>",
}
HELPERS: dict[str, Data] = {
    "few": {"id": "few", "kind": "filter", "input": "t", "condition": "w > 0"},
    "some": {"id": "some", "kind": "filter", "input": "u", "condition": "w > 0"},
    "a": {"id": "a", "kind": "select", "input": "t", "columns": ["k", "v"]},
    "b": {"id": "b", "kind": "select", "input": "u", "columns": ["k", "v"]},
    "c": {"id": "c", "kind": "select", "input": "few", "columns": ["k", "v"]},
}
"""Steps that others may name as an input; they are in a spec where something names them."""

SOURCES = [{"alias": "t", "table": "dev.default.t"}, {"alias": "u", "table": "dev.default.u"}]


def fields() -> list[tuple[type[Model], str]]:
    """Every field of every model that is part of a complete spec, without those that have one value only."""
    made = []
    for _, kind in inspect.getmembers(model, inspect.isclass):
        if not issubclass(kind, Model) or kind.__module__ != model.__name__ or kind.__name__.startswith("_"):
            continue
        if kind in {model.Draft, model.TargetDraft}:  # what is not known yet is compiled nowhere
            continue
        for name, field in kind.model_fields.items():
            if name not in {"kind", "spec_version"} or len(get_args(field.annotation)) > 1:
                made.append((kind, name))
    return made


# --- a spec for each model, and another value for each of its fields ---------------------------------------------


def n(name: str, expression: str) -> Data:
    return {"name": name, "expression": expression}


BASES: dict[str, Data] = {
    "Filter": {"input": "t", "condition": "v > 1"},
    "Join": {
        "left": "t",
        "right": "u",
        "keys": [{"left": "k", "right": "k"}],
        "columns": ["name", "v"],
        "prefix": "u_",
    },
    "Derive": {"input": "t", "columns": [n("y", "v + 1")]},
    "Aggregate": {"input": "t", "group_by": ["k"], "measures": [n("y", "sum(v)")]},
    "Window": {"input": "t", "partition_by": ["g"], "order_by": [{"column": "v"}]}
    | {"frame": {"start": -1, "end": 0}, "columns": [n("y", "sum(w)")]},
    "Segment": {"input": "t", "column": "y", "by": "v", "partition_by": ["g"], "otherwise": "rest"}
    | {"rules": [{"label": "odd", "condition": "w = 1"}, {"label": "best", "top": 0.5}]},
    "Deduplicate": {"input": "t", "keys": ["k"], "order_by": [{"column": "v"}]},
    "Select": {"input": "t", "columns": ["k", "v"]},
    "Rename": {"input": "t", "columns": [{"column": "v", "name": "y"}]},
    "Cast": {"input": "t", "columns": [{"column": "v", "type": "bigint"}]},
    "Fill": {"input": "t", "columns": [{"column": "v", "value": 0}]},
    "Union": {"inputs": ["a", "b"]},
    "Pivot": {"input": "t", "group_by": ["k"], "column": "v", "values": [1], "measures": [n("y", "sum(w)")]},
    "Unpivot": {"input": "t", "columns": ["v", "w"], "name_column": "what", "value_column": "much"},
    "Explode": {"input": "t", "column": "items", "name": "item", "position": "place"},
    "Top": {"input": "t", "n": 2, "partition_by": ["g"], "order_by": [{"column": "v"}]},
    "Sql": {"inputs": ["t"], "query": "SELECT k FROM t"},
    "NotNull": {"columns": ["k"]},
    "Unique": {"columns": ["k"]},
    "Range": {"column": "v", "minimum": 1, "maximum": 5},
    "AcceptedValues": {"column": "g", "values": ["a"]},
    "Pattern": {"column": "g", "regex": "^a"},
    "RowCount": {"minimum": 1, "maximum": 5},
    "Freshness": {"column": "at", "max_age_hours": 24},
    "Referential": {"columns": ["k"], "to": "u", "to_columns": ["k"]},
    "ExpressionCheck": {"condition": "v > 1"},
}
OTHERS: dict[str, Data] = {
    "Filter": {"id": "z", "input": "few", "condition": "v > 2"},
    "Join": {"id": "z", "left": "few", "right": "some", "how": "left", "columns": ["name"], "prefix": "other_"}
    | {"keys": [{"left": "g", "right": "g"}]},
    "Derive": {"id": "z", "input": "few", "columns": [n("y", "v + 2")]},
    "Aggregate": {"id": "z", "input": "few", "group_by": ["g"], "measures": [n("y", "max(v)")]},
    "Window": {"id": "z", "input": "few", "partition_by": ["k"], "order_by": [{"column": "at"}]}
    | {"frame": None, "columns": [n("y", "max(w)")]},
    "Segment": {"id": "z", "input": "few", "column": "other", "by": "w", "partition_by": [], "otherwise": None}
    | {"rules": [{"label": "best", "top": 0.5}]},
    "Deduplicate": {"id": "z", "input": "few", "keys": ["g"], "order_by": []},
    "Select": {"id": "z", "input": "few", "columns": ["v", "k"]},
    "Rename": {"id": "z", "input": "few", "columns": [{"column": "w", "name": "y"}]},
    "Cast": {"id": "z", "input": "few", "columns": [{"column": "w", "type": "bigint"}], "on_error": "null"},
    "Fill": {"id": "z", "input": "few", "columns": [{"column": "w", "value": 0}]},
    "Union": {"id": "z", "inputs": ["a", "c"], "distinct": True},
    "Pivot": {"id": "z", "input": "few", "group_by": ["g"], "column": "w", "values": [2]}
    | {"measures": [n("y", "max(w)")]},
    "Unpivot": {"id": "z", "input": "few", "columns": ["w", "v"], "name_column": "which", "value_column": "value"}
    | {"keep_nulls": True},
    "Explode": {"id": "z", "input": "few", "column": "more", "name": "one", "position": None, "outer": True},
    "Top": {"id": "z", "input": "few", "n": 3, "partition_by": ["k"], "order_by": [{"column": "w"}], "ties": True},
    "Sql": {"id": "z", "inputs": ["few"], "query": "SELECT v FROM t"},
    "NotNull": {"columns": ["k", "g"]},
    "Unique": {"columns": ["k", "g"]},
    "Range": {"column": "w", "minimum": 2, "maximum": 6, "minimum_inclusive": False, "maximum_inclusive": False},
    "AcceptedValues": {"column": "name", "values": ["a", "b"]},
    "Pattern": {"column": "name", "regex": "^b"},
    "RowCount": {"minimum": 2, "maximum": 6},
    "Freshness": {"column": "seen", "max_age_hours": 12},
    "Referential": {"columns": ["v"], "to": "some", "to_columns": ["v"]},
    "ExpressionCheck": {"condition": "v > 2"},
}
for _kind in ("AcceptedValues", "Pattern"):
    OTHERS[_kind]["column"] = "h"

PARTS: dict[str, tuple[str, str, int, Data]] = {
    "NamedExpression": ("Derive", "columns", 0, {"name": "z", "expression": "v * 2"}),
    "Order": ("Top", "order_by", 0, {"column": "w", "descending": True, "nulls_first": True}),
    "JoinKey": ("Join", "keys", 0, {"left": "v", "right": "w"}),
    "Frame": ("Window", "frame", -1, {"kind": "range", "start": None, "end": 1}),
    "SegmentRule": ("Segment", "rules", 0, {"label": "even", "condition": "w = 2", "top": 0.25}),
    "RenameColumn": ("Rename", "columns", 0, {"column": "w", "name": "z"}),
    "CastColumn": ("Cast", "columns", 0, {"column": "w", "type": "double"}),
    "FillColumn": ("Fill", "columns", 0, {"column": "w", "value": 7}),
}
"""For what is a part of a step: the step's model, the field it stands in, its place there, and its other values."""

EXPECTATION: Data = {"id": "other", "on": "few", "action": "fail", "tolerance": 0.25, "enabled": False}
EXPECTATION |= {"automatic": True, "quarantine": "dev.default.lost"}
STEPS = {kind.__name__ for kind in get_args(get_args(model.Step)[0])}
CHECKS = {kind.__name__ for kind in get_args(get_args(model.Expectation)[0])}
DROPS = {"NotNull", "Range", "AcceptedValues", "Pattern", "Referential", "ExpressionCheck"}


def word(name: str) -> str:
    """The `kind` of a model of that name."""
    kinds = {kind.__name__: kind for kind in vars(model).values() if inspect.isclass(kind) and issubclass(kind, Model)}
    return str(kinds[name].model_fields["kind"].default)


def with_step(name: str, change: Data) -> Data:
    step = {"id": "s", "kind": word(name)} | BASES[name] | change
    if name == "Sql" and step["inputs"] == ["few"]:
        step["query"] = step["query"].replace(" t", " few")
    return {"steps": [step], "target": {"table": "dev.default.out", "input": step["id"]}}


def with_part(name: str, field: str, *, changed: bool) -> Data:
    owner, where, place, others = PARTS[name]
    step: Data = json.loads(json.dumps(BASES[owner]))
    if field == "top":  # a rule has one of the two
        place = 1
    part = step[where] if place < 0 else step[where][place]
    if name == "Frame":
        part["kind"] = "rows"
    if changed:
        part[field] = others[field]
    return with_step(owner, step)


def with_check(name: str, field: str, change: Data) -> Data:
    action = "drop" if name in DROPS else "warn"
    if field == "tolerance":
        action = "fail"
    item = {"id": "check", "kind": word(name), "on": "named", "action": action} | BASES[name] | change
    steps = [{"id": "named", "kind": "derive", "input": "few", "columns": [n("h", "concat(g, '!')")]}]
    return {"steps": steps, "expectations": [item], "target": {"table": "dev.default.out", "input": "named"}}


TARGET: Data = {"table": "dev.default.out", "input": "few", "mode": "scd1", "keys": ["k"], "sequence_by": "at"}
OF_TODAY = [SOURCES[0] | {"filter": "to_date(at) < to_date(run_time())"}]
WHOLE: dict[tuple[str, str], tuple[Data, Data]] = {
    ("Source", "alias"): (
        {},
        {"sources": [SOURCES[0] | {"alias": "r"}], "steps": [HELPERS["few"] | {"input": "r"}]},
    ),
    ("Source", "table"): ({}, {"sources": [{"alias": "t", "table": "dev.default.x"}]}),
    ("Source", "filter"): ({}, {"sources": [SOURCES[0] | {"filter": "v > 3"}]}),
    ("Source", "watermark"): (
        {"target": TARGET},
        {"target": TARGET, "sources": [SOURCES[0] | {"watermark": "at"}]},
    ),
    **{
        ("Target", field): ({"target": TARGET}, {"target": TARGET | {field: value}})
        for field, value in {
            "table": "dev.other.result", "input": "t", "mode": "scd2", "keys": ["g"], "sequence_by": "seen",
            "partition_by": ["g"], "cluster_by": ["g"], "comment": "for all to read",
        }.items()
    },
    ("Schedule", "cron"): (
        {"trigger": {"kind": "schedule", "cron": "0 0 6 * * ?"}},
        {"trigger": {"kind": "schedule", "cron": "0 0 7 * * ?"}},
    ),
    ("Schedule", "timezone"): (
        {"trigger": {"kind": "schedule", "cron": "0 0 6 * * ?"}, "sources": OF_TODAY},
        {"trigger": {"kind": "schedule", "cron": "0 0 6 * * ?", "timezone": "Pacific/Honolulu"}, "sources": OF_TODAY},
    ),
    ("TableUpdate", "tables"): (
        {"trigger": {"kind": "table_update"}},
        {"trigger": {"kind": "table_update", "tables": ["dev.default.u"]}},
    ),
    ("PipelineSpec", "name"): ({}, {"name": "q"}),
    ("PipelineSpec", "description"): ({}, {"description": "what it is for"}),
    ("PipelineSpec", "sources"): ({}, {"sources": [{"alias": "t", "table": "dev.default.x"}]}),
    ("PipelineSpec", "steps"): ({}, {"steps": [{"id": "few", "kind": "filter", "input": "t", "condition": "w > 1"}]}),
    ("PipelineSpec", "expectations"): (
        {},
        {"expectations": [{"id": "e", "kind": "not_null", "on": "few", "action": "drop", "columns": ["k"]}]},
    ),
    ("PipelineSpec", "target"): ({}, {"target": {"table": "dev.default.out", "input": "t"}}),
    ("PipelineSpec", "trigger"): ({}, {"trigger": {"kind": "table_update"}}),
    ("PipelineSpec", "deployment"): ({}, {"deployment": "declarative"}),
}  # fmt: skip


def pair(name: str, field: str) -> tuple[Data, Data]:
    """Two specs that differ in one field."""
    if name in STEPS:
        return with_step(name, {}), with_step(name, {field: OTHERS[name][field]})
    if name in PARTS:
        return with_part(name, field, changed=False), with_part(name, field, changed=True)
    if name in CHECKS:
        other = (EXPECTATION | OTHERS[name])[field]
        return with_check(name, field, {}), with_check(name, field, {field: other})
    return WHOLE[name, field]


def whole(data: Data, deployment: str) -> TypedSpec:
    """The typed spec, with the helpers that something names."""
    made: Data = {"name": "p", "sources": SOURCES, "target": {"table": "dev.default.out", "input": "few"}}
    made |= {"steps": [], "deployment": deployment} | data
    wanted = {made["target"]["input"]}
    for item in (*made["steps"], *made.get("expectations", ())):
        wanted |= {item.get(key) for key in ("input", "left", "right", "on", "to")} | set(item.get("inputs", ()))
    own = {step["id"] for step in made["steps"]}
    if "c" in wanted:
        wanted.add("few")
    made["steps"] = [*(step for name, step in HELPERS.items() if name in wanted - own), *made["steps"]]
    aliases = {source["alias"] for source in made["sources"]}
    made["sources"] = [*made["sources"], *(SOURCES[1:] if "u" not in aliases else [])]
    spec = model.PipelineSpec.model_validate(made)
    schemas = {s.alias: make_table(s.table, TABLES[s.table], ()).schema for s in spec.sources}
    return type_spec(spec, schemas)


def forms(data: Data) -> dict[str, str]:
    """What a spec compiles to, by form; a form in which it is refused is empty."""
    typed, environment = whole(data, "job"), Environment(name="prod")
    made = {"sql": target_query(typed, run_time=RUN_TIME), "notebook": notebook(typed), "readme": readme(typed)}
    settings = [job_settings(typed, environment, "/n")]
    made["lakeflow"] = ""
    try:
        declared = whole({**data, "deployment": "declarative"}, "declarative")
        made["lakeflow"] = declarative_source(declared)
        settings += [job_settings(declared, environment, "id"), pipeline_settings(declared, environment, "/p")]
    except SpecError:
        pass
    return made | {"settings": json.dumps(settings)}


# --- what does not depend on a field -----------------------------------------------------------------------------

_DROPS_ONLY = "the SQL form holds the rows that are left after drops; other checks measure and change no row"
_NAMELESS = "the SQL form says what is left out, not by which name"
_ROWS_ONLY = "the SQL form is the rows alone; what is done with them stands in the other forms"
_SHOWN = "said to readers, runs nothing"
NOT_IN: dict[tuple[str, str], dict[str, str]] = {
    **{(name, "id"): {"sql": _NAMELESS} for name in CHECKS},
    **{(name, "automatic"): dict.fromkeys(FORMS, _SHOWN) for name in CHECKS},
    **{
        (name, "quarantine"): {"sql": _ROWS_ONLY, "lakeflow": "refused: Lakeflow keeps no dropped rows"}
        for name in DROPS
    },
    **{(name, "tolerance"): {"sql": _DROPS_ONLY} for name in CHECKS},
    **{
        (name, field): {"sql": _DROPS_ONLY}
        for name in CHECKS - DROPS
        for field in (*EXPECTATION, *OTHERS[name])
        if field not in {"automatic", "quarantine"}
    },
    **{
        ("Target", field): {"sql": _ROWS_ONLY}
        for field in ("table", "mode", "keys", "sequence_by", "partition_by", "cluster_by")
    },
    ("Target", "comment"): {
        "sql": _ROWS_ONLY,
        "notebook": "whoever deploys sets it on the table after the first run",
    },
    ("Source", "watermark"): {
        "sql": "the SQL form reads everything, whatever an earlier run has read",
        "lakeflow": "refused: a streaming table keeps its own place",
    },
    ("Schedule", "cron"): {"sql": _ROWS_ONLY},
    ("TableUpdate", "tables"): {"sql": _ROWS_ONLY},
    ("PipelineSpec", "name"): {"sql": _ROWS_ONLY},
    ("PipelineSpec", "description"): {"sql": _ROWS_ONLY, "lakeflow": "stands in the README and the job's settings"},
    ("PipelineSpec", "trigger"): {"sql": _ROWS_ONLY},
    ("PipelineSpec", "deployment"): dict.fromkeys(FORMS, "chooses between the forms"),
}
ALSO: Mapping[tuple[str, str], set[str]] = {
    **{(name, "automatic"): {"readme"} for name in CHECKS},
    **{(name, "quarantine"): {"settings"} for name in DROPS},
    **{("Source", field): {"settings"} for field in ("alias", "table")},
    ("Target", "table"): {"settings"},
    ("Target", "comment"): {"lakeflow"},
    ("Schedule", "cron"): {"settings", "readme"},
    ("Schedule", "timezone"): {"settings"},
    ("TableUpdate", "tables"): {"settings", "readme"},
    ("PipelineSpec", "name"): {"settings", "readme"},
    ("PipelineSpec", "description"): {"settings", "readme"},
    ("PipelineSpec", "trigger"): {"settings", "readme"},
}
"""Where else a field must show."""

REFUSED = {(name, "quarantine"): "only dropped rows" for name in CHECKS - DROPS}
REFUSED |= {(name, "tolerance"): "no tolerance applies" for name in ("Freshness", "RowCount")}
"""Fields whose other value is no legal spec."""


@pytest.mark.parametrize(("kind", "field"), fields(), ids=lambda item: item if isinstance(item, str) else item.__name__)
def test_field_is_honoured(kind: type[Model], field: str) -> None:
    """Another value of the field changes each form's bytes, or `NOT_IN` says why it does not."""
    key = (kind.__name__, field)
    before, after = pair(*key)
    if key in REFUSED:
        with pytest.raises(SpecError, match=REFUSED[key]):
            whole(after, "job")
        return
    if key == ("PipelineSpec", "deployment"):
        paths = [{file.path for file in compile_files(whole(before, form))} for form in ("job", "declarative")]
        assert paths[0] ^ paths[1] == {"pipelines/p/p_pipeline.py", "resources/p.job.yml", "resources/p.pipeline.yml"}
        return
    one, two = forms(before), forms(after)
    changed = {form for form in one if one[form] and two[form] and one[form] != two[form]}
    silent = set(NOT_IN.get(key, {}))
    wanted = (set(FORMS) - silent) | ALSO.get(key, set())
    assert wanted <= changed, f"ignored by {sorted(wanted - changed)}"
    assert not silent & changed, f"honoured, although said not to be, by {sorted(silent & changed)}"


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_each_action_is_another(name: str) -> None:
    """`warn`, `fail` and, where it is legal, `drop` are three things in the notebook and in Lakeflow."""
    actions = ["warn", "fail", *(["drop"] if name in DROPS else [])]
    made = [forms(with_check(name, "action", {"action": action})) for action in actions]
    for form in ("notebook", "lakeflow"):
        assert len({one[form] for one in made}) == len(actions), form
    assert len({one["sql"] for one in made}) == 1 + (name in DROPS)
