"""Apache Spark for the tests: an environment of its own, made once, and one JVM that answers jobs for a whole session.

PyPI's `pyspark` and the local engine's `pyspark-client` overwrite each other, so Apache Spark lives in a virtual
environment outside the tree, made on first use: `$XDG_CACHE_HOME` (or `~/.cache`) `/pipeline_magic/spark-<version>`, or
where PIPELINE_MAGIC_SPARK_ENV says. The worker (`tests/spark/worker.py`) is a child process that reads a job a line and
answers a line. Not here: what is asked of it, and what the answers must be.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.environments import cache, virtual

SPARK = "4.3.0"
DELTA_SPARK, DELTA = "4.2.0", "io.delta:delta-spark_2.13:4.4.0"
"""The newest Apache Spark that a release of Delta is built for, and that release on Maven Central."""

WORKER = Path(__file__).parent.parent / "spark" / "worker.py"
OLDEST_JAVA = 17
# Read while tests are collected: a session takes the project's own settings out of the environment.
_NAMED = os.environ.get("PIPELINE_MAGIC_SPARK_ENV", "")
_IN_CI = bool(os.environ.get("CI"))


class SparkError(Exception):
    """What Apache Spark said to a job; the words of its first lines."""


def why_not() -> str | None:
    """Why Apache Spark cannot run here; None where it can, and in continuous integration, which must not skip."""
    if _IN_CI:
        return None
    java = shutil.which(str(Path(os.environ["JAVA_HOME"]) / "bin/java") if os.environ.get("JAVA_HOME") else "java")
    if java is None:
        return f"Apache Spark needs Java {OLDEST_JAVA} or later: `java` is neither in JAVA_HOME nor on PATH"
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found[1]) < OLDEST_JAVA:
        return (
            f"Apache Spark needs Java {OLDEST_JAVA} or later; {java} is {found[1] if found else 'of unknown version'}"
        )
    return None


def environment(version: str = SPARK) -> Path:
    """The folder of the virtual environment with that Apache Spark; made when it is not there.

    Raises:
        RuntimeError: pip could not install it.
    """
    named = Path(_NAMED) if _NAMED and version == SPARK else None
    place = named or cache() / f"spark-{version}"
    if named is not None and place.exists() and not _whole(place):
        raise RuntimeError(f"PIPELINE_MAGIC_SPARK_ENV names {place}, which holds no Apache Spark {version}")
    wanted = f"pyspark[pipelines]=={version}" if version == SPARK else f"pyspark=={version}"
    try:
        return virtual(place, _whole, wanted)
    except RuntimeError as error:
        raise RuntimeError(
            f"Apache Spark could not be installed for the tests. Install {wanted} into a virtual environment and name "
            f"it in PIPELINE_MAGIC_SPARK_ENV. {error}"
        ) from None


def _whole(folder: Path) -> bool:
    return (folder / "bin/python").exists() and bool(list(folder.glob("lib/python*/site-packages/pyspark/jars")))


def surroundings(folder: Path) -> dict[str, str]:
    """Environment variables of a child that runs that Apache Spark, in UTC, with nothing of another Spark."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_", "DATABRICKS_", "PYTHON"))}
    [home] = folder.glob("lib/python*/site-packages/pyspark")
    python = str(folder / "bin/python")
    return {
        **kept,
        "PATH": f"{folder / 'bin'}{os.pathsep}{kept.get('PATH', '')}",
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": python,
        "PYSPARK_DRIVER_PYTHON": python,
        "TZ": "UTC",
    }


class Worker:
    """One Apache Spark in a process of its own.

    Args:
        folder: An empty folder for its warehouse and its log.
        delta: With Delta's jars from Maven Central, on the Spark they are built for.
        settings: Spark settings in place of those that suit tests.
        script: What runs there.
    """

    def __init__(
        self, folder: Path, *, delta: bool = False, settings: Mapping[str, str] | None = None, script: Path = WORKER
    ) -> None:
        place = environment(DELTA_SPARK if delta else SPARK)
        options: dict[str, Any] = {"home": str(folder), "settings": dict(settings or {})}
        options |= {"delta": DELTA if delta else "", "ivy": str(cache() / "ivy") if delta else ""}
        self.log = folder / "spark.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(place / "bin/python"), str(script), json.dumps(options)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=surroundings(place),
                cwd=folder,
                text=True,
            )
        self.pid = self._process.pid
        self.version = self.ask("hello")["version"]

    def ask(self, op: str, **job: Any) -> Any:
        """The answer to a job.

        Raises:
            SparkError: The job failed.
            RuntimeError: The process is gone; the end of its log says why.
        """
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(json.dumps({"op": op, **job}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.close()
            raise RuntimeError(f"Apache Spark ended. The end of its log:\n{self.log.read_text('utf-8')[-3000:]}")
        answer = json.loads(line)
        if "error" in answer:
            raise SparkError(answer["error"])
        return answer["answer"]

    def views(self, tables: Mapping[str, str]) -> None:
        """Temporary views of these names over these queries."""
        self.ask("views", sql=dict(tables))

    def rows(self, query: str) -> list[Any]:
        """The rows of a query as plain, sorted values."""
        return list(self.ask("query", sql=query)["rows"])

    def close(self) -> None:
        """End the process and its JVM."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=10)
