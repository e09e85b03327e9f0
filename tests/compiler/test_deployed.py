"""Settings read back from a plan's files are those that the compiler made, in every environment."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_magic.compiler.bundle import bundle_files, resource
from pipeline_magic.compiler.deployed import resource_of
from pipeline_magic.compiler.environments import DEFAULT, Environments
from pipeline_magic.errors import DeploymentError
from pipeline_magic.spec.typed import TypedSpec
from tests.compiler.test_bundle import ALL, TRIGGERS, seed, triggered
from tests.support.compiled import Case, cases
from tests.support.lakeflow import declared


def files_of(typed: TypedSpec, environments: Environments) -> dict[str, str]:
    return {file.path: file.content for file in bundle_files(typed, environments, repository="data")}


def agree(typed: TypedSpec, environments: Environments = ALL) -> None:
    """What the files say of each environment is what the compiler makes for it, field by field."""
    files = files_of(typed, environments)
    for environment in environments.environments:
        found: Any = resource_of(files, typed.spec.name, environment.name)
        made = resource(typed, environment)
        assert found.keys() == made.keys()
        for kind, resources in made.items():
            assert found[kind].keys() == resources.keys()
            for name, settings in resources.items():
                for field in {*settings, *found[kind][name]}:
                    assert found[kind][name].get(field) == settings.get(field), (environment.name, kind, name, field)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_every_golden_case(case: Case) -> None:
    """For each golden case, as a job and where it can be one as a Lakeflow pipeline, in each environment."""
    agree(case.typed())
    lakeflow = declared(case)
    if lakeflow is not None:
        agree(lakeflow)


@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda item: item.kind)
@pytest.mark.parametrize("deployment", ["job", "declarative"])
def test_every_trigger(trigger: Any, deployment: str) -> None:
    """Whatever starts it, and without any configured environment too."""
    typed = triggered(trigger, deployment)
    agree(typed)
    agree(typed, DEFAULT)


def test_a_description_is_no_reference() -> None:
    """Words that look like a reference come back as the compiler wrote them."""
    agree(seed(description="costs ${var.secret} and ${bundle.target}"))


def test_what_cannot_be_read_is_refused() -> None:
    """No file, two files, no YAML, no job and a reference to nothing are each an error that names the file."""
    typed = seed()
    files = files_of(typed, DEFAULT)
    name, path = typed.spec.name, f"resources/{typed.spec.name}.job.yml"
    broken = {
        "no settings": {key: text for key, text in files.items() if key != path},
        "two settings": {**files, f"resources/{name}.pipeline.yml": files[path]},
        "no YAML": {**files, path: "a: [1"},
        "no fields": {**files, path: "- 1"},
        "no job": {**files, path: "resources: {pipelines: {a: {}}}"},
        "`var.gone`": {**files, path: files[path].replace(f"var.{name}_target", "var.gone")},
    }
    for said, given in broken.items():
        with pytest.raises(DeploymentError, match=said) as raised:
            resource_of(given, name, "default")
        assert raised.value.where.startswith("resources/")
        assert raised.value.hint
