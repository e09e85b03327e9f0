"""Runs of random specs over random data: in shards with a seed each, a few specs for each kind of step.

A shard always draws the same specs (until a generator changes), so a failure is seen again by running its test again;
it ends well within a test's timeout; and once passed in a run without bounds it need not be run again.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from pipeline_magic.spec.typed import TypedSpec
from tests.support import random_data, random_specs
from tests.support.compiled import Table

__all__ = ["FIGURES", "FULL", "SHARDS", "run", "tell"]

FULL = bool(os.environ.get("PIPELINE_MAGIC_TEST_FULL"))
SHARDS = range(20 if FULL else 1)

_LEAST = dict.fromkeys((*random_specs.WANTED, *random_data.TRAITS, "source filter", "branches"), 3)
_LEAST |= {f"drop {kind}": 3 for kind in random_specs.CHECKS}
"""How many of a shard's specs must have each feature and trait, so that what is covered cannot dwindle unseen."""


def run(shard: int, check: Callable[[TypedSpec, Mapping[str, Table]], None], *, each: int = 7) -> int:
    """Check random specs over random data; how many there were.

    Args:
        shard: Its seed.
        check: Fails where a spec is wrong; hypothesis then looks for the smallest one, if nothing is bounded.
        each: Specs for each kind of step and way to join. With 7 or more, every feature and trait must be met.
    """
    met: Counter[str] = Counter()
    for number, wanted in enumerate(random_specs.WANTED):

        @given(data=st.data(), wanted=st.just(wanted), kind=st.just(random_specs.CHECKS[number % 6]))
        @seed(1000 * shard + number)
        @settings(
            max_examples=each,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink] if FULL else [Phase.generate],
            report_multiple_bugs=False,
        )
        def one(data: st.DataObject, wanted: str, kind: str) -> None:
            typed, tables = random_specs.spec(data.draw, wanted, kind), random_specs.tables(data.draw)
            met.update({"specs", *random_specs.features(typed), *random_data.traits(tables)})
            check(typed, tables)

        one()
    missing = {name: met[name] for name, least in _LEAST.items() if met[name] < least} if each >= 7 else {}
    assert not missing, f"met too seldom: {missing}"
    return met["specs"]


FIGURES: list[str] = []
"""What was counted, for the end of a run without bounds."""


def tell(text: str) -> None:
    """Keep figures for the end of the run."""
    if FULL:
        FIGURES.append(text)
