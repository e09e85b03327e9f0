"""JupyterLab in a headless Chromium: start, open a notebook, run cells, look, take pictures, stop.

    with Lab(folder) as lab:
        lab.open(lab.write("try.ipynb", notebook("1 + 1")))
        lab.run_cell(0); lab.wait(".pm-generate"); lab.picture(path, ".pm-panel")

One server, one browser and one page for a session, since each takes long to start. Everything lives in one folder:
HOME, Jupyter's directories, the notebooks. Processes are ended by their own ids, first politely.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["Lab", "chromium", "notebook"]

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
_FRONT = ".jp-NotebookPanel:not(.lm-mod-hidden)"


def chromium() -> str | None:
    """The browser: ``CHROMIUM``, then what is on the path; None when there is none."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def notebook(*sources: str) -> dict[str, Any]:
    """A notebook with these code cells."""
    cells = [
        {
            "cell_type": "code",
            "id": f"cell{n}",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": source,
        }
        for n, source in enumerate(sources)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


class Lab:
    """A JupyterLab and a page that shows it.

    Args:
        folder: Where everything lives; made when missing.
        env: Variables for the server and its kernels, beside a scrubbed environment.
        size: Width and height of the page in pixels.
    """

    def __init__(
        self, folder: Path, *, env: Mapping[str, str] | None = None, size: tuple[int, int] = (1360, 1000)
    ) -> None:
        self.folder = folder
        self.work = folder / "work"
        self._env = dict(env or {})
        self._size = size
        self._server: subprocess.Popen[bytes] | None = None
        self._stack = contextlib.ExitStack()
        self._token = secrets.token_hex(16)
        self._port = 0
        self.page: Any = None
        self.console: list[str] = []

    def __enter__(self) -> Lab:
        try:
            self._start_server()
            self._start_browser()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # --- start and stop ------------------------------------------------------------------------------------------

    def _start_server(self) -> None:
        home = self.folder / "home"
        for path in (home, self.work, self.folder / "settings" / "@jupyterlab" / "apputils-extension"):
            path.mkdir(parents=True, exist_ok=True)
        quiet = {"fetchNews": "false", "checkForUpdates": False}
        settings = self.folder / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
        settings.write_text(json.dumps(quiet))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        keep = {key: os.environ[key] for key in ("PATH", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH") if key in os.environ}
        directories = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
        env = {**keep, "HOME": str(home), "IPYTHONDIR": str(home / "ipython"), **directories, **self._env}
        env["JUPYTERLAB_SETTINGS_DIR"] = str(self.folder / "settings")
        env["JUPYTERLAB_WORKSPACES_DIR"] = str(self.folder / "workspaces")
        command = [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"),
            *(
                f"--ServerApp.port={self._port}",
                "--ServerApp.port_retries=0",
                f"--IdentityProvider.token={self._token}",
            ),
            *(f"--ServerApp.root_dir={self.work}", "--LabApp.expose_app_in_browser=True"),
            *("--LabApp.news_url=", "--LabApp.extension_manager=readonly", "--ServerApp.terminals_enabled=False"),
        ]
        log = self._stack.enter_context((self.folder / "server.log").open("wb"))
        self._server = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=self.work, start_new_session=True)
        self._await_server()

    def _await_server(self, seconds: float = 90) -> None:
        assert self._server is not None
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._server.poll() is not None:
                break
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                urllib.request.urlopen(f"http://127.0.0.1:{self._port}/api?token={self._token}", timeout=5).close()
                return
            time.sleep(0.2)
        raise RuntimeError(f"JupyterLab did not start:\n{(self.folder / 'server.log').read_text()[-3000:]}")

    def _start_browser(self) -> None:
        from playwright.sync_api import sync_playwright

        binary = chromium()
        if binary is None:
            raise RuntimeError("there is no Chromium on this machine: install it, or set CHROMIUM to its path")
        driver = sync_playwright().start()
        self._stack.callback(driver.stop)
        browser = driver.chromium.launch(executable_path=binary, args=list(_FLAGS))
        self._stack.callback(browser.close)
        context = browser.new_context(viewport={"width": self._size[0], "height": self._size[1]})
        self.page = context.new_page()
        self.page.set_default_timeout(30_000)
        self.page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.console.append(f"pageerror: {error}"))
        self.page.goto(f"http://127.0.0.1:{self._port}/lab?token={self._token}", timeout=90_000)
        self.page.wait_for_function("() => window.jupyterapp !== undefined", timeout=90_000)
        self.page.evaluate("() => { void window.jupyterapp.restored.then(() => { window.pmRestored = true; }); }")
        self.page.wait_for_function("() => window.pmRestored === true", timeout=90_000)

    def close(self) -> None:
        """End browser, kernels and server."""
        server, self._server = self._server, None
        with contextlib.suppress(Exception):
            self._stack.close()
        if server is None:
            return
        for how, seconds in ((signal.SIGTERM, 15.0), (signal.SIGKILL, 10.0)):
            if server.poll() is not None:
                break
            server.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(seconds)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(server.pid, signal.SIGKILL)  # kernels that outlived the server: its own process group

    # --- notebooks -----------------------------------------------------------------------------------------------

    def write(self, name: str, content: Mapping[str, Any]) -> str:
        """Put a notebook beside the others; returns its path for `open`."""
        (self.work / name).write_text(json.dumps(content))
        return name

    def open(self, path: str) -> None:
        """Open a notebook and wait until its kernel is idle; the pointer rests where it points at nothing."""
        self.page.mouse.move(0, 0)
        self._command("docmanager:open", {"path": path, "factory": "Notebook"})
        self.page.wait_for_function(
            """path => {
                const widget = window.jupyterapp.shell.currentWidget;
                if (!widget || !widget.context || widget.context.path !== path || !widget.context.isReady) return false;
                return widget.sessionContext.isReady
                    && widget.sessionContext.session?.kernel?.status === 'idle';
            }""",
            arg=path,
            timeout=90_000,
        )

    def run_cell(self, index: int, *, wait: bool = True, timeout: float = 120) -> None:
        """Run one cell of the open notebook; with `wait`, until it has ended."""
        before = self._count(index)
        self.page.evaluate(
            """index => { const content = window.jupyterapp.shell.currentWidget.content;
                content.mode = 'command'; content.activeCellIndex = index; content.deselectAll(); }""",
            index,
        )
        self._command("notebook:run-cell")
        if wait:
            self.page.wait_for_function(
                """([index, before]) => {
                    const widget = window.jupyterapp.shell.currentWidget;
                    const count = widget.content.widgets[index].model.executionCount;
                    return count !== null && count !== before
                        && widget.sessionContext.session?.kernel?.status === 'idle';
                }""",
                arg=[index, before],
                timeout=timeout * 1000,
            )

    def set_cell(self, index: int, source: str) -> None:
        """Replace the text of a cell."""
        self.page.evaluate(
            """([index, source]) => window.jupyterapp.shell.currentWidget.content.widgets[index]
                .model.sharedModel.setSource(source)""",
            [index, source],
        )

    def output(self, index: int) -> str:
        """Text of a cell's output as it is shown."""
        return str(
            self.page.evaluate(
                """index => window.jupyterapp.shell.currentWidget.content.widgets[index].outputArea.node.innerText""",
                index,
            )
        )

    def restart_kernel(self, timeout: float = 60) -> None:
        """Restart the open notebook's kernel without asking, and wait until it is idle."""
        self.page.evaluate(
            """() => { window.pmAgain = false;
                void window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()
                    .then(() => { window.pmAgain = true; }); }"""
        )
        self.page.wait_for_function("() => window.pmAgain === true", timeout=timeout * 1000)

    def theme(self, name: str) -> None:
        """``JupyterLab Dark`` or ``JupyterLab Light``."""
        self._command("apputils:change-theme", {"theme": name})
        light = "false" if "Dark" in name else "true"
        self.page.wait_for_selector(f'body[data-jp-theme-light="{light}"]', state="attached", timeout=20_000)

    def _count(self, index: int) -> Any:
        script = "i => window.jupyterapp.shell.currentWidget.content.widgets[i].model.executionCount"
        return self.page.evaluate(script, index)

    def _command(self, name: str, args: Mapping[str, Any] | None = None) -> None:
        """Start a command; its promise is not awaited, since it may wait for a dialog or a kernel for ever."""
        script = "([name, args]) => { void window.jupyterapp.commands.execute(name, args); }"
        self.page.evaluate(script, [name, dict(args or {})])

    # --- looking -------------------------------------------------------------------------------------------------

    def find(self, selector: str) -> Any:
        """Elements of the notebook in front; others may be open behind it."""
        return self.page.locator(_FRONT).locator(selector)

    def wait(self, selector: str, *, timeout: float = 30, state: str = "visible") -> Any:
        """The first element of the selector, once it is there."""
        found = self.find(selector).first
        found.wait_for(state=state, timeout=timeout * 1000)
        return found

    def wait_text(self, selector: str, text: str, *, timeout: float = 60) -> None:
        """Wait until the first element of the selector holds the text; a failure says what it held."""
        script = """([selector, text]) => (document.querySelector(selector)?.innerText ?? '').includes(text)"""
        try:
            self.page.wait_for_function(script, arg=[f"{_FRONT} {selector}", text], timeout=timeout * 1000)
        except Exception as error:
            held = [node.inner_text()[:300] for node in self.find(selector).all()]
            self.picture(self.folder / "failed.png")
            raise AssertionError(f"{selector} holds {held}, not {text!r}; see {self.folder / 'failed.png'}") from error

    def click(self, selector: str) -> None:
        """Click a control of the panel; a widget's class may sit on the button or around it."""
        self.wait(selector).click()

    def fill(self, selector: str, text: str) -> None:
        """Type into the text box of a field."""
        self.wait(selector).locator("input, textarea").first.fill(text)

    def choose(self, selector: str, label: str) -> None:
        """Choose in the list of a field."""
        self.wait(selector).locator("select").first.select_option(label=label)

    def tab(self, title: str) -> None:
        """Open a tab of the panel."""
        self.find(".pm-tabs .lm-TabBar-tab").filter(has_text=title).first.click()

    def picture(self, path: Path, selector: str | None = None) -> None:
        """A screenshot of the page, or of one element."""
        path.parent.mkdir(parents=True, exist_ok=True)
        (self.find(selector).first if selector else self.page).screenshot(path=str(path))

    def errors(self) -> list[str]:
        """What the browser's console called an error."""
        return [line for line in self.console if line.startswith(("error:", "pageerror:"))]
