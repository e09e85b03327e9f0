"""Runs cells in a fresh kernel of this environment, as a Databricks notebook would, and prints what they gave as JSON.

    python run_notebook.py STARTUP < cells.json

Nothing of the project is imported here: only what the runtime's packages bring.
"""

import json
import sys
import time
from pathlib import Path

from jupyter_client.manager import start_new_kernel


def _run(client, code):
    given = {"stdout": "", "stderr": "", "data": [], "error": ""}
    asked = client.execute(code)
    end = time.monotonic() + 120
    while time.monotonic() < end:
        message = client.get_iopub_msg(timeout=120)
        if message["parent_header"].get("msg_id") != asked:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            given[content["name"]] += content["text"]
        elif kind in ("display_data", "execute_result", "update_display_data"):
            given["data"].append(content["data"])
        elif kind == "error":
            given["error"] = "\n".join([content["ename"], content["evalue"], *content["traceback"]])
        elif kind == "status" and content["execution_state"] == "idle":
            return given
    given["error"] = "the cell did not end"
    return given


def main():
    manager, client = start_new_kernel(startup_timeout=60)
    try:
        begun = _run(client, Path(sys.argv[1]).read_text("utf-8"))
        given = [begun] if begun["error"] else [_run(client, code) for code in json.load(sys.stdin)]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    json.dump(given, sys.stdout)


if __name__ == "__main__":
    main()
