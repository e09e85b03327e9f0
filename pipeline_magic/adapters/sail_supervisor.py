"""The process of the local engine: a Sail server that ends by itself when nobody needs it.

    python -m pipeline_magic.adapters.sail_supervisor FOLDER PORT IDLE_SECONDS

Started by `sail.SailServer`, never by a person. The folder tells the truth about the server:

    server.lock   held by this process as long as it lives: whoever can take it knows that the server is gone
    in_use.lock   held, shared, by every process that may still send queries
    server.json   pid, port, start and catalogs; written when the server listens
    server.log    what this process and Sail said

The server runs inside this process, so that no signal, not even a kill, can end one without the other.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from pipeline_magic.adapters.files import FileLock, read_json, write_json

POLL_S = 0.5


def main(arguments: list[str]) -> int:
    """Serve until nobody holds `in_use.lock` for the idle time, the folder goes away, or a signal comes."""
    folder, port, idle = Path(arguments[0]), int(arguments[1]), float(arguments[2])
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is meant for the notebook, not for the engine
    life = FileLock(folder / "server.lock")
    if not life.acquire(timeout=5.0):  # whoever asks whether a server lives holds it for a moment
        sys.stderr.write("another server has this home directory\n")
        return 3
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", port)
    server.start(background=True)
    address = server.listening_address
    if address is None:
        sys.stderr.write("the server does not listen\n")
        return 4
    me = {
        "pid": os.getpid(),
        "port": address[1],
        "started": time.time(),
        "catalogs": json.loads(os.environ["PIPELINE_MAGIC_CATALOGS"]),
    }
    write_json(folder / "server.json", me)
    _wait_while_used(folder, me, idle)
    os._exit(0)


def _wait_while_used(folder: Path, me: dict[str, object], idle: float) -> None:
    last_used = time.monotonic()
    while read_json(folder / "server.json") == me:
        use = FileLock(folder / "in_use.lock")
        if use.acquire():
            use.release()
        else:
            last_used = time.monotonic()
        if time.monotonic() - last_used > idle:
            return
        time.sleep(POLL_S)


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(0)  # Sail's threads hold nothing that must be written: a Delta commit is one rename


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
