"""What an edit of a generated file means for the spec: the edits that take it there, or why there are none.

The file is somebody else's text: bounded, read without aliases, tags and doubled keys, held to the spec's closed
language, and never the way by which a `sql` step comes in. Of any other file than the spec, an edit is taken only where
a spec compiles to those very bytes; the search goes through what was replaced in the file. Not here: types, the
catalog, and what the compiler makes of it; that is given.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import JsonValue, ValidationError

from pipeline_magic.errors import Problem, SpecError
from pipeline_magic.redact import holds_token
from pipeline_magic.spec.model import Expectation, PipelineSpec
from pipeline_magic.spec.paths import Edit, fields, name_of, problems_of

__all__ = ["edits_between", "guesses", "own_part", "read_foreign_spec", "require_takeable"]

_LONGEST = 200_000
_DEEPEST = 60
_EVENTS = 20_000
_OF_AUTOMATIC = ("enabled", "action", "tolerance", "quarantine")
_GUESSES = 30


def read_foreign_spec(text: str) -> PipelineSpec:
    """The spec in a file that a person wrote.

    Raises:
        SpecError: It is none; with all that is wrong.
    """
    import yaml

    def wrong(why: str) -> SpecError:
        return SpecError([Problem("spec.yml", why)], hint="Mend the file in the repository, or discard the edit.")

    if len(text) > _LONGEST:
        raise wrong(f"the file has {len(text):,} characters; {_LONGEST:,} are the most")
    if holds_token(text):
        raise wrong("the file holds a token or a password")
    try:
        depth = 0
        for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader), start=1):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise wrong("aliases and anchors are not read")
            if getattr(event, "tag", None):
                raise wrong("tags are not read")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST or count > _EVENTS:
                raise wrong("it is nested too deep, or has too many parts")
        doubled = list(_doubled(yaml.compose(text, Loader=yaml.SafeLoader), ""))
        if doubled:
            raise SpecError([Problem(path, "the key stands there twice") for path in doubled])
        data = yaml.safe_load(text)
        return PipelineSpec.model_validate(data)
    except yaml.YAMLError as error:
        said = getattr(error, "problem", "") or "it cannot be read"
        mark = getattr(error, "problem_mark", None)
        raise wrong(f"it is no YAML: {said}" + (f", line {mark.line + 1}" if mark else "")) from None
    except ValidationError as error:
        raise SpecError(
            problems_of(error, data), hint="Mend the file in the repository, or discard the edit."
        ) from None
    except (ValueError, OverflowError, RecursionError):
        raise wrong("a value in it cannot be read") from None


def _doubled(node: Any, path: str) -> Iterator[str]:
    import yaml

    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            here = f"{path}.{key.value}" if path else str(key.value)
            if str(key.value) in seen:
                yield here[:200]
            seen.add(str(key.value))
            yield from _doubled(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value, start=1):
            yield from _doubled(item, f"{path}.{number}")


def require_takeable(old: PipelineSpec, new: PipelineSpec) -> None:
    """Refuse what no file may bring in.

    Raises:
        SpecError: Another name, a `sql` step that was not there, automatic checks that are made otherwise or missing.
    """
    problems = []
    if new.name != old.name:
        problems.append(Problem("name", f"it names another pipeline, `{new.name}`"))
    known = {step.id: step for step in old.steps}
    problems += [
        Problem(f"steps.{step.id}", "a `sql` step is taken from no file; add it by `%pipeline edit` if you want it")
        for step in new.steps
        if step.kind == "sql" and known.get(step.id) != step
    ]
    before, after = ({one.id: one for one in spec.expectations if one.automatic} for spec in (old, new))
    for name in sorted({*before, *after}):
        if name not in after:
            problems.append(Problem(f"expectations.{name}", "an automatic check is switched off by `enabled: false`"))
        elif name not in before:
            problems.append(Problem(f"expectations.{name}", "only the compiler adds automatic checks"))
        elif _rest(before[name]) != _rest(after[name]):
            listed = ", ".join(_OF_AUTOMATIC)
            problems.append(Problem(f"expectations.{name}", f"of an automatic check only {listed} can be set"))
    if problems:
        raise SpecError(problems, hint="Mend the file in the repository, keep it as a custom file, or discard it.")


def _rest(check: Expectation) -> dict[str, Any]:
    return {key: value for key, value in check.model_dump(mode="json").items() if key not in _OF_AUTOMATIC}


def own_part(spec: PipelineSpec) -> PipelineSpec:
    """The spec without what the compiler adds by itself."""
    return spec.model_copy(update={"expectations": tuple(one for one in spec.expectations if not one.automatic)})


def edits_between(old: PipelineSpec, new: PipelineSpec) -> tuple[Edit, ...]:
    """Edits that make `new` of `old`, as small as the fields allow: provenance hangs on their paths."""
    before, after = (own_part(spec).model_dump(mode="json") for spec in (old, new))
    made: list[Edit] = []
    for field in before:
        if field != "name" and before[field] != after[field]:
            made += _field(field, before[field], after[field])
    known = {one.id: one for one in old.expectations if one.automatic}
    for check in (one for one in new.expectations if one.automatic and one.id in known):
        was, now = known[check.id].model_dump(mode="json"), check.model_dump(mode="json")
        made += (
            Edit(path=f"expectations.{check.id}.{key}", value=now[key]) for key in _OF_AUTOMATIC if was[key] != now[key]
        )
    return tuple(made)


def _field(path: str, before: Any, after: Any) -> Iterator[Edit]:
    if isinstance(before, list) and isinstance(after, list):
        names = [[name_of(item) for item in each] for each in (before, after)]
        if names[0] != names[1] or None in names[0]:
            yield Edit(path=path, value=after)
            return
        for was, now in zip(before, after, strict=True):
            if was != now:
                yield from _element(f"{path}.{name_of(now)}", was, now)
    elif path == "target":
        yield from _element(path, before, after)
    else:
        yield Edit(path=path, value=after)


def _element(path: str, was: dict[str, Any], now: dict[str, Any]) -> Iterator[Edit]:
    if was.keys() != now.keys():
        yield Edit(path=path, value=now)
        return
    for key in was:
        if was[key] != now[key]:
            yield Edit(path=f"{path}.{key}", value=now[key])


# --- files that are no spec ------------------------------------------------------------------------------------------


def guesses(spec: PipelineSpec, generated: str, edited: str) -> Iterator[tuple[Edit, ...]]:
    """Edits of the spec that an edit of a generated file may stand for, likeliest first and bounded.

    What was replaced in the file is replaced in every field that holds it: in all of them, then in each alone.
    """
    swaps = _swaps(generated, edited)
    every: list[Edit] = []
    for path, value in fields(spec):
        changed = value
        for old, new in swaps:
            changed = _swapped(changed, old, new)
        if changed != value and path not in ("name", "spec_version"):
            every.append(Edit(path=path, value=changed))
    if every:
        yield tuple(every)
    for edit in every[:_GUESSES] if len(every) > 1 else ():
        yield (edit,)


def _swaps(generated: str, edited: str) -> Sequence[tuple[str, str]]:
    """Pairs of words that were replaced by others, without doubles; none where it was more than a few words."""
    found: dict[tuple[str, str], None] = {}
    before, after = generated.splitlines(), edited.splitlines()
    for kind, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        if kind != "replace" or b - a != d - c or b - a > 50:
            return ()
        for was, now in zip(before[a:b], after[c:d], strict=True):
            old, new = (re.findall(r"\d+\.\d+|\w+|\s+|.", line[:2000]) for line in (was, now))
            for one, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
                if one == "replace":
                    found["".join(old[i:j]), "".join(new[k:m])] = None
                elif one != "equal":
                    return ()
    return tuple(found) if len(found) <= 5 else ()


def _swapped(value: JsonValue, old: str, new: str) -> JsonValue:
    if isinstance(value, list):
        return [_swapped(item, old, new) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        if str(value) != old:
            return value
        try:
            return type(value)(new)
        except ValueError:
            return value
    if isinstance(value, str):
        return re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", lambda _: new, value)
    return value
