"""The front end travels in the wheel, byte for byte, and is found there."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pipeline_magic.ui import assets

ROOT = Path(__file__).resolve().parents[2]
FRONT = {path.name: path.read_bytes() for path in (ROOT / "widgets").iterdir() if path.suffix in {".js", ".css"}}
SHIPPED = {name: content for name, content in FRONT.items() if not name.endswith(".test.js")}


@pytest.fixture(scope="module")
def unzipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built and unzipped away from the repository."""
    place = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place / "site")
    return place / "site"


def test_the_wheel_carries_the_front_end(unzipped: Path) -> None:
    """Every module and style sheet, the same bytes, no test, and no top-level package `widgets`."""
    static = {path.name: path.read_bytes() for path in (unzipped / "pipeline_magic" / "static").iterdir()}
    assert {"panel.css", "trace.js", "lineage.js"} <= set(SHIPPED)
    assert static == SHIPPED
    assert not (unzipped / "widgets").exists()


def test_an_unzipped_wheel_finds_its_own_copy(unzipped: Path) -> None:
    """`assets` reads `pipeline_magic/static/` there."""
    code = "from pipeline_magic.ui import assets; print(assets.folder()); print(len(assets.read('trace.js').encode()))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=unzipped, timeout=60
    )
    folder, size = done.stdout.split()
    assert Path(folder) == unzipped / "pipeline_magic" / "static"
    assert int(size) == len(FRONT["trace.js"])


def test_an_editable_install_reads_the_working_files() -> None:
    """In the repository the front end is `widgets/` itself."""
    assert assets.folder() == ROOT / "widgets"
