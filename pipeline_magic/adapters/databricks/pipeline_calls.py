"""The calls that every user of Lakeflow pipelines makes: read one, list by a part of the name, remove one.

Not here: what is looked for (`pipelines`, `dry_runs`), and updates (`updates`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from pipeline_magic.adapters.databricks.calls import Calls, Refusal, segment
from pipeline_magic.adapters.databricks.updates import ENDED, PATH, Updates
from pipeline_magic.errors import DeploymentError, NotFound

__all__ = ["PipelineCalls", "name_taken"]

_CANDIDATES = 100
"""Pipelines of one look by name, at most."""
_STOP_S = 300.0
"""Seconds that an update is given to end before its pipeline is removed."""


class PipelineCalls:
    """Asks one workspace about its pipelines.

    Args:
        calls: Asks the workspace.
        updates: Of the same workspace.
        clock: Seconds that only go on.
    """

    def __init__(self, calls: Calls, updates: Updates, clock: Callable[[], float]) -> None:
        self._calls = calls
        self._updates = updates
        self._clock = clock

    def get(self, pipeline: str) -> dict[str, Any]:
        """A pipeline as the service tells it.

        Raises:
            NotFound: There is none of that id.
            DeploymentError: It cannot be read.
        """
        try:
            return self._calls.get("reading the settings of the pipeline", f"{PATH}/{segment(pipeline)}")
        except Refusal as refusal:
            raise DeploymentError(f"The pipeline cannot be read: {refusal.said}.", where=pipeline) from None

    def named(self, part: str) -> list[dict[str, Any]]:
        """Pipelines whose name holds `part`, without their settings, which the list has not.

        Raises:
            DeploymentError: They cannot be listed.
        """
        return list(islice(self._named(part), _CANDIDATES))

    def _named(self, part: str) -> Iterator[dict[str, Any]]:
        query = {"filter": f"name LIKE '%{part}%'", "max_results": 100}
        try:
            for one in self._calls.pages("listing the pipelines", PATH, query, "statuses"):
                if part in str(one.get("name")):  # `_` stands for any character in the filter
                    yield one
        except Refusal as refusal:
            raise DeploymentError(f"The pipelines cannot be listed: {refusal.said}.") from None

    def remove(self, pipeline: str, *, cascade: bool) -> None:
        """Stop what runs, and remove the pipeline; nothing happens when it is not there.

        Args:
            cascade: Whether the tables that it made go too, as they do where nobody says otherwise.

        Raises:
            DeploymentError: It cannot be removed.
        """
        path = f"{PATH}/{segment(pipeline)}"
        try:
            latest = self.get(pipeline).get("latest_updates") or ()
            active = next((one for one in latest if one.get("state") not in ENDED), None)
            if active is not None:
                self._updates.stop(pipeline)
                deadline, never = self._clock() + _STOP_S, threading.Event()
                self._updates.follow(pipeline, str(active["update_id"]), stop=never, deadline=deadline, ours=False)
            self._calls.send("removing the pipeline", "DELETE", path, {}, cascade="true" if cascade else "false")
        except NotFound:
            return
        except Refusal as refusal:
            raise DeploymentError(f"The pipeline cannot be removed: {refusal.said}.", where=pipeline) from None


def name_taken(refusal: Refusal) -> bool:
    """Whether a name was refused since another pipeline has it."""
    return "already used by another pipeline" in refusal.said
