"""Runs a notebook in a fresh kernel that has `spark` and `dbutils`, as a job on Databricks would.

Here: one kernel process for one run, its environment without credentials, parameters, timeout, cancel, the executed
copy. Not here: what `dbutils` does (`notebook_kernel`), where copies are kept (`localjobs`). Everything happens in a
thread with an event loop of its own, because the caller may be a notebook kernel whose loop is already running.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline_magic.adapters.files import explain
from pipeline_magic.adapters.scrub import scrubbed_environment
from pipeline_magic.errors import Cancelled, EngineError, EngineUnavailable
from pipeline_magic.runs import NotebookRun

__all__ = ["NotebookProcess"]

START_S = 60.0
STOP_S = 15.0
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_BOOTSTRAP = """
import json as _json
from pipeline_magic.adapters.notebook_kernel import namespace as _namespace
globals().update(_namespace(**_json.loads({given!r})))
del _json, _namespace
"""


class NotebookProcess:
    """One run of one notebook.

    Args:
        url: The engine, as Spark Connect calls it.
        statements: Told to the session before the notebook starts: where every table is.
    """

    def __init__(self, url: str, statements: Sequence[str]) -> None:
        # A session id of our own choosing lets us stop what a killed kernel had asked the engine for.
        self._url = f"{url}/;user_id=pipeline_magic;session_id={uuid.uuid4()}"
        self._statements = list(statements)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._cancelled, self._ended = threading.Event(), threading.Event()
        self._exit = ""
        self._error = ""
        self._failure: BaseException | None = None

    def run(self, notebook: str, parameters: Mapping[str, str], timeout: float) -> NotebookRun:
        """Run it to its end, its first error, or the timeout.

        Raises:
            EngineError: Not a notebook, or the kernel could not be started.
            Cancelled: `cancel` was called.
        """
        document = _read(notebook)
        started = time.monotonic()
        worker = threading.Thread(target=self._thread, args=(document, dict(parameters), timeout), daemon=True)
        worker.start()
        try:
            self._ended.wait()  # and not `join`, which Ctrl-C breaks: the next one would not wait
        except BaseException:
            self.cancel()
            self._ended.wait(STOP_S)
            raise
        if self._cancelled.is_set():
            raise Cancelled("The notebook was stopped.")
        if self._failure is not None:
            raise self._explained(self._failure)
        about = {"parameters": dict(parameters), "exit_value": self._exit, "error": self._error}
        document.metadata["pipeline_magic"] = {**document.metadata.get("pipeline_magic", {}), **about}
        return NotebookRun(
            succeeded=not self._error,
            executed=_written(document),
            error=self._error,
            exit_value=self._exit,
            seconds=round(time.monotonic() - started, 3),
        )

    def cancel(self) -> None:
        """Stop it from another thread; the kernel process is gone when `run` raises Cancelled."""
        self._cancelled.set()
        loop, task = self._loop, self._task
        if loop is not None and task is not None and not loop.is_closed():
            loop.call_soon_threadsafe(task.cancel)

    # --- in the thread ---------------------------------------------------------------------------------------------

    def _thread(self, document: Any, parameters: dict[str, str], timeout: float) -> None:
        try:
            asyncio.run(self._supervised(document, parameters, timeout))
        except BaseException as error:  # noqa: BLE001  (raised in the caller's thread)
            self._failure = error
        if self._cancelled.is_set():
            self._stop_queries()
        self._ended.set()

    async def _supervised(self, document: Any, parameters: dict[str, str], timeout: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.ensure_future(self._execute(document, parameters))
        if self._cancelled.is_set():
            self._task.cancel()
        done, _ = await asyncio.wait({self._task}, timeout=timeout)
        if done:
            self._task.result()
            return
        self._error = f"TimeoutError: the notebook took over {timeout:g} s and was stopped"
        self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.exception()  # asked for, so that it is not reported as never retrieved
        await asyncio.to_thread(self._stop_queries)

    async def _execute(self, document: Any, parameters: dict[str, str]) -> None:
        from jupyter_client.kernelspec import KernelSpec
        from jupyter_client.manager import AsyncKernelManager
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError, DeadKernelError

        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        # Sockets are files here, so that no port is open; their paths may not be long, which a home's may be.
        private = Path(tempfile.mkdtemp(prefix="pipeline_magic-kernel-"))
        manager = AsyncKernelManager(connection_file=str(private / "k.json"), transport="ipc", ip=str(private / "k"))
        manager._kernel_spec = KernelSpec(argv=command, language="python", display_name="Python")
        client = NotebookClient(document, km=manager, timeout=None, startup_timeout=START_S)
        client.store_widget_state, client.shutdown_kernel = False, "immediate"
        log = private / "kernel.log"
        try:
            with log.open("wb") as said:
                start = {"env": _environment(private), "cwd": str(private), "stdout": said, "stderr": said}
                async with client.async_setup_kernel(cleanup_kc=True, **start):
                    await self._bootstrap(client, parameters)
                    for index, cell in enumerate(document.cells):
                        await client.async_execute_cell(cell, index)
        except CellExecutionError as error:
            self._stopped(document, error)
        except DeadKernelError:
            if self._error or self._cancelled.is_set():
                return  # we ended it ourselves
            last = " ".join(log.read_text("utf-8", errors="replace").split())[-300:]
            self._error = _clean(f"DeadKernelError: the notebook's process ended, perhaps for want of memory. {last}")
        finally:
            # Stopped while it starts, nbclient leaves the kernel and a thread of its client to us.
            if manager.has_kernel:
                await manager.shutdown_kernel(now=True)
            if client.kc is not None:
                client.kc.stop_channels()
            shutil.rmtree(private, ignore_errors=True)

    async def _bootstrap(self, client: Any, parameters: dict[str, str]) -> None:
        given = json.dumps({"url": self._url, "statements": self._statements, "parameters": parameters})
        reply = await client.kc._async_execute_interactive(
            _BOOTSTRAP.format(given=given), store_history=False, output_hook=lambda message: None, timeout=START_S
        )
        if reply["content"]["status"] != "ok":
            said = f"{reply['content'].get('ename')}: {reply['content'].get('evalue')}"
            raise EngineUnavailable(f"The notebook's session could not be made: {_clean(said)}", where=self._url)

    def _stopped(self, document: Any, error: Any) -> None:
        """A cell raised: the notebook's exit, which is success, or its failure."""
        if error.ename != "NotebookExit":
            self._error = _clean(f"{error.ename}: {error.evalue}")
            return
        self._exit = error.evalue
        for cell in document.cells:
            for at, output in enumerate(cell.get("outputs", ())):
                if output.get("output_type") == "error" and output.get("ename") == "NotebookExit":
                    text = f"Notebook exited: {error.evalue}\n"
                    cell.outputs[at] = type(output)(output_type="stream", name="stdout", text=text)

    def _stop_queries(self) -> None:
        from pipeline_magic.adapters.sail_session import connect

        try:
            session = connect(self._url)
            session.interruptAll()
            session.stop()
        except Exception:  # noqa: BLE001  (the session is gone, and with it what it ran)
            return

    def _explained(self, error: BaseException) -> BaseException:
        if isinstance(error, EngineError):
            return error
        if isinstance(error, ImportError):
            hint = "Install the local parts: pip install 'pipeline-magic[local]'."
            return EngineUnavailable(f"A package that runs notebooks is missing: {error}", hint=hint)
        if isinstance(error, OSError):
            try:
                with explain(Path(tempfile.gettempdir()), "start a kernel for the notebook", EngineError):
                    raise error
            except EngineError as told:
                return told
        said = _clean(f"{type(error).__name__}: {error}")
        return EngineError(
            f"The notebook's kernel failed: {said}", hint="It may have run out of memory; try less data."
        )


def _read(notebook: str) -> Any:
    import nbformat

    try:
        document: Any = nbformat.reads(notebook, as_version=4)  # type: ignore[no-untyped-call]  # nbformat has no types
        for cell in document.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
    except Exception as error:  # noqa: BLE001  (nbformat raises its own, KeyError, AttributeError and ValueError)
        raise EngineError(f"Not a notebook: {_clean(str(error))}", hint="Give the text of an .ipynb file.") from None
    return document


def _written(document: Any) -> str:
    import nbformat

    return str(nbformat.writes(document)) + "\n"  # type: ignore[no-untyped-call]  # nbformat has no types


def _environment(private: Path) -> dict[str, str]:
    package = str(Path(__file__).resolve().parents[2])
    return {
        **scrubbed_environment(),
        "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH", "")])),
        "IPYTHONDIR": str(private),  # a person's startup files are no part of what was approved
        "PYTHONHASHSEED": "0",
        "TZ": "UTC",
    }


def _clean(text: str) -> str:
    plain = _COLOURS.sub("", text).split("JVM stacktrace")[0].strip()
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    joined = " ".join(lines)
    return joined if len(joined) <= 1000 else joined[:999] + "…"
