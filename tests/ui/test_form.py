"""The form: every field is there, with what it may be, and new values become the right edits."""

from __future__ import annotations

import pytest

from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.paths import Edit, apply_edits, draft_of, fields
from pipeline_magic.ui.form import FormView, edits, form_view, mark_problems
from tests.support import snapshots


@pytest.fixture(scope="module")
def view() -> FormView:
    return form_view(snapshots.planned(), ("samples.tpch.lineitem",))


def test_every_scalar_field_of_the_spec_is_editable(view: FormView) -> None:
    """The form has every field of the spec but those that say what an element is and who proposed it."""
    hidden = {"spec_version"} | {
        path for path, _ in fields(snapshots.spec()) if path.rpartition(".")[2] in {"kind", "automatic"}
    }
    wanted = {path for path, _ in fields(snapshots.spec())} - hidden
    assert wanted - {field.path for field in view.fields()} == set()


def test_every_field_of_every_step_and_check_is_editable() -> None:
    """The same for a spec that uses the whole language."""
    spec = everything()
    snapshot = snapshots.awaiting_input()
    assert snapshot.validated is not None
    draft = draft_of(spec)
    snapshot = snapshot.model_copy(
        update={"validated": snapshot.validated.model_copy(update={"spec": None, "typed": None, "draft": draft})}
    )
    there = {field.path: field for field in form_view(snapshot).fields()}
    for path, value in fields(draft):
        last = path.rpartition(".")[2]
        if last in {"automatic", "spec_version"} or (
            last == "kind" and ".frame" not in path and path != "trigger.kind"
        ):
            continue
        assert path in there, path
        assert there[path].value == value, path


def test_pickers_offer_what_is_there(view: FormView) -> None:
    """Enums offer their values, columns those of the input, nodes the sources and steps, tables the known ones."""
    by_path = {field.path: field for field in view.fields()}
    assert by_path["steps.join_orders.how"].options == ("inner", "left", "right", "full", "semi", "anti")
    assert by_path["steps.join_orders.keys.c_custkey.right"].options[1] == "o_custkey"
    assert by_path["steps.join_orders.keys.c_custkey.left"].options[0] == "c_custkey"
    assert by_path["steps.segment.by"].options[2] == "revenue"
    assert by_path["target.input"].options == ("customers", "orders", "join_orders", "metrics", "segment")
    assert by_path["sources.orders.table"].options[-1] == "samples.tpch.lineitem"
    assert by_path["expectations.auto_rows.on"].options[-1] == "target"
    kinds = {path: by_path[path].kind for path in ("steps.segment.column", "target.mode", "target.comment", "name")}
    assert kinds == {"steps.segment.column": "text", "target.mode": "enum", "target.comment": "long", "name": "text"}


def test_a_field_says_where_it_comes_from(view: FormView) -> None:
    """The words of the clause, the reason of an assumption; a field without an origin takes its element's."""
    by_path = {field.path: field.origin for field in view.fields()}
    assert by_path["trigger.cron"] == "from “daily”"
    assert by_path["target.mode"] == "assumed: no mode was named"
    assert by_path["steps.join_orders.how"] == "from “Joins them”"


def test_unchanged_values_make_no_edits(view: FormView) -> None:
    """Values as they stand change nothing."""
    assert edits(view, {field.path: field.value for field in view.fields()}) == ()


def test_a_value_becomes_one_edit(view: FormView) -> None:
    """One new value, one edit at its path."""
    assert edits(view, {"steps.join_orders.how": "inner"}) == (Edit(path="steps.join_orders.how", value="inner"),)


def test_a_renamed_step_is_renamed_where_it_is_used(view: FormView) -> None:
    """Inputs and the step's other fields change first, its id last, so that every path still leads somewhere."""
    made = edits(view, {"steps.metrics.id": "sums", "steps.metrics.group_by": ["c_custkey"]})
    draft = apply_edits(draft_of(snapshots.spec()), made)
    assert [step.id for step in draft.steps] == ["join_orders", "sums", "segment"]
    assert getattr(draft.steps[2], "input", "") == "sums"
    assert getattr(draft.steps[1], "group_by", ()) == ("c_custkey",)


def test_a_new_kind_of_trigger_is_one_edit(view: FormView) -> None:
    """The whole trigger is set, keeping what still belongs to it."""
    assert edits(view, {"trigger.kind": "manual"}) == (Edit(path="trigger", value={"kind": "manual"}),)
    assert edits(view, {"trigger.cron": "0 0 7 * * ?"}) == (Edit(path="trigger.cron", value="0 0 7 * * ?"),)
    for kind in ("manual", "continuous", "table_update", "schedule"):
        apply_edits(draft_of(snapshots.spec()), edits(view, {"trigger.kind": kind, "trigger.tables": ["a.b.c"]}))


def test_problems_are_marked_at_their_field_or_element(view: FormView) -> None:
    """A problem of a field marks it, one of an element its first field, one of nothing in the form stands above."""
    marks = mark_problems(
        view,
        [("steps.segment.by", "no such column"), ("steps.join_orders.keys", "none match"), ("nowhere", "odd")],
    )
    assert marks["steps.segment.by"] == "no such column"
    assert marks["steps.join_orders.keys.c_custkey.left"] == "steps.join_orders.keys: none match"
    assert marks[""] == "odd"


def everything() -> PipelineSpec:
    """A spec with every kind of step and check."""
    one = {"input": "orders"}
    order = [{"column": "a", "descending": True}]
    steps = [
        {"id": "s_filter", "kind": "filter", **one, "condition": "a > 1"},
        {"id": "s_join", "kind": "join", "left": "orders", "right": "customers", "keys": []},
        {"id": "s_derive", "kind": "derive", **one, "columns": [{"name": "x", "expression": "1"}]},
        {
            "id": "s_window",
            "kind": "window",
            **one,
            "order_by": order,
            "frame": {"kind": "range"},
            "columns": [{"name": "x", "expression": "sum(a)"}],
        },
        {"id": "s_segment", "kind": "segment", **one, "column": "x", "rules": [{"label": "l", "condition": "a"}]},
        {"id": "s_dedup", "kind": "deduplicate", **one, "keys": ["a"], "order_by": []},
        {"id": "s_select", "kind": "select", **one, "columns": ["a"]},
        {"id": "s_rename", "kind": "rename", **one, "columns": [{"column": "a", "name": "b"}]},
        {"id": "s_cast", "kind": "cast", **one, "columns": [{"column": "a", "type": "int"}]},
        {"id": "s_fill", "kind": "fill", **one, "columns": [{"column": "a", "value": 0}]},
        {"id": "s_union", "kind": "union", "inputs": ["orders", "customers"]},
        {
            "id": "s_pivot",
            "kind": "pivot",
            **one,
            "group_by": ["a"],
            "column": "b",
            "values": [1, "x"],
            "measures": [{"name": "x", "expression": "sum(a)"}],
        },
        {"id": "s_unpivot", "kind": "unpivot", **one, "columns": ["a"], "name_column": "n", "value_column": "v"},
        {"id": "s_explode", "kind": "explode", **one, "column": "a", "name": "x"},
        {"id": "s_top", "kind": "top", **one, "n": 3, "order_by": order},
        {"id": "s_sql", "kind": "sql", "inputs": ["orders"], "query": "select 1"},
    ]
    on = {"on": "orders"}
    checks = [
        {"id": "e_range", "kind": "range", **on, "column": "a", "minimum": 0},
        {"id": "e_values", "kind": "accepted_values", **on, "column": "a", "values": [1, "x"]},
        {"id": "e_pattern", "kind": "pattern", **on, "column": "a", "regex": "^x"},
        {"id": "e_ref", "kind": "referential", **on, "columns": ["a"], "to": "customers", "to_columns": ["b"]},
        {"id": "e_expr", "kind": "expression", **on, "condition": "a > 0"},
    ]
    base = snapshots.spec().model_dump(mode="json")
    return PipelineSpec.model_validate({**base, "steps": steps, "expectations": [*base["expectations"], *checks]})
