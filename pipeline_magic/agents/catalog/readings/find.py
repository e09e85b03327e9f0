"""All readings of a spec, those that matter most first."""

from __future__ import annotations

from pipeline_magic.agents.catalog.readings import grain, nulls, states, zones
from pipeline_magic.agents.catalog.readings.reading import Reading, Scene

__all__ = ["find_readings"]


def find_readings(scene: Scene) -> tuple[Reading, ...]:
    """What the spec leaves open, as far as no declared constraint settles it."""
    found = (*grain.readings(scene), *states.readings(scene), *nulls.readings(scene), *zones.readings(scene))
    return tuple({reading.question.id: reading for reading in found}.values())
