"""A spec that a person wrote into the repository is hostile input; and what an edit of it means, field by field."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pipeline_magic.agents.github.taking import edits_between, guesses, read_foreign_spec, require_takeable
from pipeline_magic.compiler.specfile import write_spec
from pipeline_magic.errors import SpecError
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.paths import Edit, apply_edits, complete, draft_of
from tests.support.snapshots import spec

OLD = spec()
TEXT = write_spec(OLD)
LEFT = "how: left"
LAUGHS = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'x'}]\n" for n in range(9))


def changed(**fields: Any) -> PipelineSpec:
    """The spec with other fields."""
    return PipelineSpec.model_validate({**OLD.model_dump(mode="json"), **fields})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT + "evil: true\n", "evil"),
        (TEXT.replace(LEFT, "how: left\n  evil: 1"), "evil"),
        (TEXT + "name: other\n", "stands there twice"),
        (TEXT.replace(LEFT, "how: left\n  how: inner"), "stands there twice"),
        (TEXT.replace(LEFT, "how: &a left"), "aliases and anchors"),
        (LAUGHS, "aliases and anchors"),
        (TEXT.replace(LEFT, "how: !!python/object/apply:os.system [id]"), "tags"),
        ("a: " + "[" * 100_000, "nested too deep"),
        ("? " * 3000 + "a", "nested too deep"),
        ("- a\n" * 30_000, "too many parts"),
        ("a: " + "x" * 200_001, "characters"),
        (TEXT + "description: ghp_" + "a1B2" * 10 + "\n", "token"),
        ("{", "no YAML"),
        ("a: \x07", "no YAML"),
        ("a: " + "9" * 5000, "cannot be read"),
        ("a: 2026-99-99", "cannot be read"),
        ("--- a\n--- b\n", "no YAML"),
        ("", "spec"),
        ("- 1\n", "spec"),
        ("\ufffd\ufffd\0", "no YAML"),
        (TEXT.replace(LEFT, "how: sideways"), "sideways|how"),
        (TEXT.replace("spec_version: 1", "spec_version: 99"), "spec_version"),
    ],
)
def test_what_is_no_spec(text: str, said: str) -> None:
    """It is refused with what is wrong, in bounded time."""
    assert text != TEXT
    begun = time.process_time()
    with pytest.raises(SpecError, match=said):
        read_foreign_spec(text)
    assert time.process_time() - begun < 5


def test_a_spec_is_read() -> None:
    """Comments and the style of a person are no matter."""
    assert read_foreign_spec("# mine\n" + TEXT.replace(LEFT, "'how': \"left\" # so")) == OLD


def test_what_no_file_brings_in() -> None:
    """Another name, a `sql` step, and automatic checks of one's own are refused together."""
    sql = {"id": "evil", "kind": "sql", "inputs": ["orders"], "query": "SELECT 1"}
    check = {"id": "auto_evil", "kind": "not_null", "on": "target", "columns": ["x"], "automatic": True}
    data = OLD.model_dump(mode="json")
    new = changed(name="other", steps=[*data["steps"], sql], expectations=[*data["expectations"], check])
    with pytest.raises(SpecError, match=r"(?s)another pipeline.*taken from no file.*only the compiler"):
        require_takeable(OLD, new)
    require_takeable(new, new)
    with pytest.raises(SpecError, match="enabled: false"):
        require_takeable(new, changed(name="other", steps=[*data["steps"], sql]))


def test_edits_are_small() -> None:
    """One field is one edit of that field; the edits make the new spec of the old one."""
    data = OLD.model_dump(mode="json")
    data["steps"][0]["how"] = "inner"
    data["target"]["comment"] = "Mine"
    new = PipelineSpec.model_validate(data)
    edits = edits_between(OLD, new)
    assert [edit.path for edit in edits] == ["steps.join_orders.how", "target.comment"]
    assert complete(apply_edits(draft_of(OLD), edits)) == new
    assert edits_between(OLD, OLD) == ()


@pytest.mark.parametrize("take", ["first", "last", "turned"])
def test_elements_that_come_go_and_move(take: str) -> None:
    """Where elements come, go or move, the list is set as a whole."""
    data = OLD.model_dump(mode="json")
    extra = {"id": "only_some", "kind": "filter", "input": "customers", "condition": "c_acctbal > 0"}
    steps = data["steps"]
    new = changed(steps={"first": [extra, *steps], "last": [*steps, extra], "turned": steps[::-1]}[take])
    edits = edits_between(OLD, new)
    assert [edit.path for edit in edits] == ["steps"] and complete(apply_edits(draft_of(OLD), edits)) == new


def test_guesses_are_bounded() -> None:
    """What was replaced in a file is replaced in the fields that hold it; a rewritten file gives no guess."""
    first = next(iter(guesses(OLD, "x = customers.join()\n", "x = clients.join()\n")), ())
    assert Edit(path="steps.join_orders.left", value="clients") in first
    assert list(guesses(OLD, "a\nb\n", "a\nb\nc\n")) == []
    assert list(guesses(OLD, "\n".join("abcdefghij"), "\n".join("klmnopqrst"))) == []
