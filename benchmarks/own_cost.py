"""What the product itself costs: CPU from a cell to its full panel, and the wait until the first panel.

    python benchmarks/own_cost.py [--quick]

`load_ext_cpu_s` is CPU time of `%load_ext` on top of IPython and ipywidgets. `cpu_s` is CPU time of this process from
running the seed's cell to the complete panel (stages 1 to 5 and every tab drawn), imports warm, without what the
engine, git and the notebook's kernel take: calls of those ports are timed and taken off. `first_panel_cold_s` and
`first_panel_warm_s` are wall time from running the cell to the first panel on screen, in a fresh kernel and again in
the same one. The last line is JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pipeline_magic.config import load_settings
from pipeline_magic.demo import STATEMENT
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.wiring import wire


class Timed:
    """A port whose calls' CPU time is added up, to be taken off."""

    spent = 0.0

    def __init__(self, port: Any) -> None:
        self._port = port

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._port, name)
        if not callable(value):
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            started = time.process_time()
            try:
                return value(*args, **kwargs)
            finally:
                Timed.spent += time.process_time() - started

        return call


def own_cpu(home: Path, repeats: int) -> float:
    """Median CPU seconds of a whole build and its panel, after one build that warms imports and the engine."""
    from pipeline_magic.ui.panel import Panel

    settings = load_settings({"home": home, "local": True})
    ports = wire(settings)
    timed = dataclasses.replace(ports, engine=Timed(ports.engine), code_host=Timed(ports.code_host))
    orchestrator = PipelineBuilderOrchestrator(settings, ports=timed)
    figures = []
    for _ in range(repeats + 1):
        orchestrator.open(STATEMENT, new=True)
        Timed.spent, started = 0.0, time.process_time()
        result = orchestrator.build_pipeline(STATEMENT)
        panel = Panel(orchestrator, result.snapshot)
        panel.html()
        assert panel.widget is not None
        figures.append(time.process_time() - started - Timed.spent)
    orchestrator.close()
    return statistics.median(figures[1:])


FIRST_PANEL = """
import json, sys, time
from IPython.core.interactiveshell import InteractiveShell
import ipywidgets
shell = InteractiveShell.instance()
shown = []
publish = shell.display_pub.publish
shell.display_pub.publish = lambda *a, **k: shown.append(time.monotonic())
started = time.process_time()
shell.run_line_magic("load_ext", "pipeline_magic")
figures = [time.process_time() - started]
for _ in range(2):
    shown.clear()
    started = time.monotonic()
    shell.run_cell_magic("pipeline", "--new", sys.argv[1])
    figures.append(shown[0] - started)
print(json.dumps(figures))
"""


def first_panel(home: Path) -> tuple[float, float, float]:
    """CPU seconds of `%load_ext`; wall seconds from running the cell to the first panel, fresh and again."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST_PANEL, STATEMENT],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={"PIPELINE_MAGIC_HOME": str(home), "PIPELINE_MAGIC_LOCAL": "1", **_environment()},
    )
    load_ext, cold, warm = json.loads(done.stdout.strip().splitlines()[-1])
    return load_ext, cold, warm


def _environment() -> dict[str, str]:
    import os

    return {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}


def main() -> None:
    """Print the figures, the last line as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one repetition instead of five")
    repeats = 1 if parser.parse_args().quick else 5
    with tempfile.TemporaryDirectory() as folder:
        cpu = own_cpu(Path(folder), repeats)
        load_ext, cold, warm = first_panel(Path(folder))
    print(f"own CPU, cell to full panel   {cpu:6.2f} s")
    print(f"%load_ext, CPU                {load_ext:6.2f} s")
    print(f"first panel, fresh kernel     {cold:6.2f} s wall")
    print(f"first panel, same kernel      {warm:6.2f} s wall")
    figures = {"cpu_s": cpu, "first_panel_cold_s": cold, "first_panel_warm_s": warm, "load_ext_cpu_s": load_ext}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
