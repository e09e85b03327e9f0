"""Runs in an environment with Databricks Connect, where the local engine's packages cannot be: an engine by calls.

    python connect_worker.py URL < calls > answers

Each call is a pickle (number, method, arguments, options) on standard input and is made in a thread of its own, so that
a query can be stopped; each answer is (number, "value" or "error", what came of it). The first call is the statements
that tell the session of the tables. Started by `tests.support.connect_engine`; the engine is the product's.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
from typing import Any


def _session(url: str) -> Any:
    from databricks.connect import DatabricksSession

    return DatabricksSession.builder.remote(url).create()


def main() -> None:
    from pipeline_magic.adapters.databricks.session import SparkSessionEngine

    # What anything prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    session = _session(sys.argv[1])
    engine = SparkSessionEngine(session, kind=f"Databricks Connect on Spark {session.version}", scratch_catalog="shop")
    lock = threading.Lock()

    def answer(number: int, kind: str, value: Any) -> None:
        with lock:
            pickle.dump((number, kind, value), answers)
            answers.flush()

    def call(number: int, method: str, arguments: Any, options: Any) -> None:
        try:
            if method == "tell":
                for statement in arguments:
                    session.sql(statement)
                answer(number, "value", engine.name)
                return
            found = getattr(engine, method)
            answer(number, "value", found(*arguments, **options) if callable(found) else found)
        except BaseException as error:  # noqa: BLE001  (raised in the other process)
            told = (type(error).__name__, str(error), getattr(error, "where", ""), getattr(error, "hint", ""))
            answer(number, "error", (getattr(error, "message", ""), told))

    while True:
        try:
            asked = pickle.load(sys.stdin.buffer)
        except EOFError:
            break
        threading.Thread(target=call, args=asked, daemon=True).start()
    engine.close()
    session.stop()


if __name__ == "__main__":
    main()
