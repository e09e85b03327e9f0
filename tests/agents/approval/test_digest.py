"""What an approval binds to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_magic.agents.approval.digest import differences, plan_digest
from pipeline_magic.digests import canonical_json, digest_of
from pipeline_magic.runs import Answer, File, Plan, Waiver
from tests.support.trust import plan, spec

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.text("abc/._", min_size=1, max_size=8)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "spec": st.builds(lambda text: spec(description=text), st.text("ab c", max_size=20)),
    "files": st.lists(st.builds(File, path=NAMES, content=st.text(max_size=20)), max_size=3).map(tuple),
    "base_files": st.dictionaries(NAMES, st.none() | st.text("abcdef", max_size=8), max_size=3),
    "schemas": st.dictionaries(NAMES, JSON, max_size=3),
    "parameters": st.dictionaries(NAMES, st.text(max_size=8), max_size=3),
    "settings": st.dictionaries(NAMES, JSON, max_size=3),
    "environment": st.sampled_from(["default", "dev", "prod"]),
    "policy": st.dictionaries(NAMES, JSON, max_size=3),
    "answers": st.lists(st.builds(Answer, question=NAMES, value=NAMES), max_size=3).map(tuple),
    "waivers": st.lists(st.builds(Waiver, finding=NAMES, by=NAMES, reason=NAMES), max_size=2).map(tuple),
    "compiler_version": st.sampled_from(["1", "2", "1.0"]),
    "verdict": st.sampled_from(["green", "amber", "red"]),
}


def test_every_field_of_the_plan_is_drawn() -> None:
    """The property below covers every field a plan has."""
    assert set(FIELDS) == set(Plan.model_fields)


@given(data=st.data(), name=st.sampled_from(sorted(FIELDS)))
def test_every_field_changes_the_digest(data: st.DataObject, name: str) -> None:
    """Two plans that differ in any one field have different digests and at least one difference in words."""
    first = plan(**{name: data.draw(FIELDS[name])})
    second = plan(**{name: data.draw(FIELDS[name])})
    same = first.model_dump_json() == second.model_dump_json()
    assert (plan_digest(first) == plan_digest(second)) == same
    assert (differences(first, second) == ()) == same, differences(first, second)


@given(data=st.data())
def test_digest_survives_the_store(data: st.DataObject) -> None:
    """A plan read back from its JSON has the digest it had; so has one whose keys were written in another order."""
    made = plan(**{name: data.draw(drawn) for name, drawn in FIELDS.items()})
    assert plan_digest(Plan.model_validate_json(made.model_dump_json())) == plan_digest(made)
    turned = made.model_copy(update={"parameters": dict(reversed(made.parameters.items()))})
    assert plan_digest(turned) == plan_digest(made)


def test_form_is_pinned() -> None:
    """The form that is hashed never changes by accident: stored approvals and audits depend on it."""
    value = {"b": [1, 1.0, True, None, "ü\n"], "a": {"y": 1, "x": 2}}
    assert canonical_json(value) == '{"a":{"x":2,"y":1},"b":[1,1.0,true,null,"ü\\n"]}'
    assert digest_of(value) == "5cb0527b366fe07f10a43866ea7ba3feb8c096b2fd4472a68cd8a6448a906d20"


@pytest.mark.parametrize("position", [0, 7, 40])
def test_one_bit_of_a_file(position: int) -> None:
    """Flipping one character of a file changes the digest."""
    content = "a" * 50
    changed = content[:position] + "b" + content[position + 1 :]
    one, other = (plan(files=(File(path="p", content=text),)) for text in (content, changed))
    assert plan_digest(one) != plan_digest(other)


def test_values_that_look_alike() -> None:
    """1, 1.0, "1", true, nothing and their texts are all different settings."""
    values = [1, 1.0, "1", True, "true", float("inf"), "inf", None, "", [], {}, [[]], "null", -0.0, 0]
    digests = [plan_digest(plan(settings={"a": value})) for value in values]
    assert len(set(digests)) == len(values)


def test_differences_in_words() -> None:
    """Each kind of change is one sentence that names the thing and both values."""
    old = plan(
        schemas={"orders": {"columns": [{"name": "o_orderkey", "type": "bigint"}, {"name": "gone", "type": "int"}]}},
        parameters={"target": "a.b.c"},
        answers=(Answer(question="q", value="left"),),
    )
    new = plan(
        spec=spec(description="New."),
        files=(
            File(path="pipelines/daily/daily.ipynb", content="{}\nmore\n"),
            File(path="pipelines/daily/x.py", content=""),
        ),
        base_files={"pipelines/daily/daily.ipynb": "ff"},
        schemas={"orders": {"columns": [{"name": "o_orderkey", "type": "string"}]}},
        parameters={"target": "a.b.d"},
        answers=(Answer(question="q", value="inner"),),
        waivers=(Waiver(finding="f", by="ada", reason="known"),),
        environment="prod",
        compiler_version="2",
        verdict="red",
    )
    assert differences(old, new) == (
        "Spec `description` is 'New.', and was ''.",
        "The file `pipelines/daily/daily.ipynb` was changed (1 lines added, 0 removed).",
        "The file `pipelines/daily/x.py` was added.",
        "The file `pipelines/daily/daily.ipynb` on the base branch appeared.",
        "Schema `orders.columns.gone.name` was taken out; it was 'gone'.",
        "Schema `orders.columns.gone.type` was taken out; it was 'int'.",
        "Schema `orders.columns.o_orderkey.type` is 'string', and was 'bigint'.",
        "Parameter `target` is 'a.b.d', and was 'a.b.c'.",
        "The environment is `prod`, and was `default`.",
        "Answer to `q` is 'inner', and was 'left'.",
        "Waiver of `f` was added: 'known (ada)'.",
        "The compiler is version 2, and was 1.",
        "The quality verdict is red, and was green.",
    )
    assert differences(old, old) == ()
