"""`napari-stml doctor`: what works on this computer, and what to do about what does not.

Never fails: a check that goes wrong is a line of the report.
"""

from __future__ import annotations

import importlib
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Literal

from napari_stml.cli.terminal import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

Mark = Literal["ok", "--", "!!"]
"""Works; is not there, and need not be; something to do."""

READERS = {
    "spatialdata": "SpatialData stores", "anndata": ".h5ad", "mudata": ".h5mu",
    "tifffile": "TIFF, OME-TIFF, svs", "imagecodecs": "JPEG and other compressions",
    "openslide": "ndpi, mrxs, scn, bif, DICOM", "openpyxl": "workbooks (xlsx)",
    "pyarrow": "parquet", "aiohttp": "https:// stores", "s3fs": "s3:// stores",
}  # fmt: skip
EXTRAS = {"mudata": "mudata", "aiohttp": "'napari-stml[remote]'", "s3fs": "'napari-stml[remote]'"}
COMPUTING = {
    "scanpy": "scanpy", "squidpy": "squidpy", "sklearn": "scikit-learn",
    "skimage": "scikit-image", "igraph": "igraph", "umap": "umap-learn",
    "matplotlib": "matplotlib",
}  # fmt: skip
OPENGL = """
import sys
from qtpy.QtGui import QOffscreenSurface, QOpenGLContext
from qtpy.QtWidgets import QApplication
from qtpy import API_NAME
app = QApplication(sys.argv[:1])
context, surface = QOpenGLContext(), QOffscreenSurface()
surface.create()
made = context.create() and context.makeCurrent(surface)
version = context.format().version() if made else ()
print(API_NAME, app.platformName(), ".".join(map(str, version)) if made else "none")
"""


@dataclass(frozen=True)
class Finding:
    """One line of the report, and what to do where something is to be done."""

    mark: Mark
    what: str
    advice: str = ""


def configure(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    parser.add_argument("--scheduler", metavar="ADDRESS", help="also try this dask scheduler")


def act(options: argparse.Namespace) -> None:
    checks: dict[str, Callable[[], Iterable[Finding]]] = {
        "program": _program,
        "window": _window,
        "GPU": _gpu,
        "reading": _readers,
        "computing": _computing,
        "folders": _folders,
        "cluster": lambda: _cluster(options.scheduler),
    }
    for title, check in checks.items():
        say(title)
        for finding in _looked_at(check):
            say(f"  {finding.mark}  {finding.what}")
            if finding.advice:
                say(f"      -> {finding.advice}")


def _looked_at(check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 - a broken installation is what this is for
        yield Finding("!!", f"could not be looked at ({type(error).__name__}: {error})")


def _program() -> Iterator[Finding]:
    from napari_stml import __version__
    from napari_stml.runs.settings import usable_cores

    known = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Finding("ok", f"napari-stml {__version__}")
    yield Finding(
        "ok" if known else "!!", f"Python {platform.python_version()}, {sys.executable}",
        "" if known else "use Python 3.11, 3.12 or 3.13",
    )  # fmt: skip
    memory = f", {_gigabytes(total):.0f} GB memory" if (total := _memory()) else ""
    yield Finding("ok", f"{platform.system()} {platform.machine()}, {usable_cores()} cores{memory}")


def _window() -> Iterator[Finding]:
    for package in ("napari", "vispy"):
        yield _library(package, package, "pip install 'napari-stml[all]'")
    qt = next((q for q in ("PyQt6", "PySide6", "PyQt5") if _version(q)), None)
    if qt is None:
        yield Finding("!!", "no Qt: no window", "pip install 'napari-stml[qt]'")
        return
    yield Finding("ok", f"{qt} {_version(qt)}")
    yield _opengl()
    name = "bermuda"
    yield Finding(
        "ok" if _version(name) else "!!",
        f"triangulation of regions: {name} {_version(name) or 'is missing, regions draw slowly'}",
        "" if _version(name) else "pip install bermuda",
    )  # fmt: skip


def _opengl() -> Finding:
    """In a process of its own: a Qt without its system libraries ends the process it is in."""
    try:
        tried = subprocess.run(
            [sys.executable, "-c", OPENGL], capture_output=True, text=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired:
        return Finding("!!", "OpenGL does not answer", "update the graphics driver")
    words = tried.stdout.split()
    if tried.returncode or len(words) < 3:
        said = (tried.stderr.strip().splitlines() or ["no message"])[-1]
        without = sys.platform == "linux" and not _display()
        return Finding(
            "!!", f"Qt cannot start a window: {said[:160]}",
            "there is no display here: set QT_QPA_PLATFORM=offscreen, or use xvfb-run" if without
            else "install the system libraries of Qt (.ci/system-libraries names them)",
        )  # fmt: skip
    api, shown, version = words[:3]
    if version == "none":
        return Finding(
            "--", f"{api} on '{shown}' has no OpenGL: nothing is drawn",
            "use a screen, or xvfb-run with the software renderer (libgl1-mesa-dri)",
        )  # fmt: skip
    old = tuple(map(int, version.split("."))) < (2, 1)
    return Finding("!!" if old else "ok", f"OpenGL {version}, {api} on '{shown}'",
                   "napari needs 2.1: update the graphics driver" if old else "")  # fmt: skip


def _gpu() -> Iterator[Finding]:
    if _version("torch") is None:
        yield Finding("--", "torch is not installed: models do not run", "pip install torch")
        return
    torch = importlib.import_module("torch")  # an optional package

    yield Finding("ok", f"torch {torch.__version__}")
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            about = torch.cuda.get_device_properties(i)
            memory = _gigabytes(about.total_memory)
            yield Finding("ok", f"cuda:{i}, {about.name}, {memory:.0f} GB")
    elif torch.backends.mps.is_available():
        yield Finding("ok", "mps (Apple)")
    else:
        yield Finding("--", "no GPU that torch can use: the CPU computes")


def _readers() -> Iterator[Finding]:
    for module, what in READERS.items():
        missing: Mark = "--" if module in EXTRAS else "!!"
        yield _library(module, what, f"pip install {EXTRAS.get(module, module)}", missing)


def _computing() -> Iterator[Finding]:
    from napari_stml.runs.desk import analyses

    for module, name in COMPUTING.items():
        yield _library(module, name, "pip install 'napari-stml[all]'")
    yield Finding("ok", f"analyses: {', '.join(sorted(analyses()))}")


def _folders() -> Iterator[Finding]:
    from napari_stml.io.slides.pyramid_store import pyramid_folder
    from napari_stml.io.store.overlay import data_home
    from napari_stml.io.tables.gene_cache import cache_folder
    from napari_stml.runs.settings import log_folder

    for what, folder in (
        ("kept locally", data_home()), ("gene cache", cache_folder()),
        ("pyramids of flat images", pyramid_folder()), ("logs", log_folder()),
    ):  # fmt: skip
        yield _folder(what, folder)


def _cluster(address: str | None) -> Iterator[Finding]:
    version = _version("distributed")
    if version is None:
        yield Finding("--", "no dask.distributed", "pip install 'napari-stml[cluster]'")
        return
    yield Finding("ok", f"dask.distributed {version}")
    if address is None:
        return
    from napari_stml.runs.cluster import cluster

    said: list[str] = []
    with cluster(address, warn=said.append) as on:
        count = len(on.client.scheduler_info(n_workers=-1)["workers"])
        yield Finding("ok" if count else "!!", f"{address}: {count} workers")
    for warning in said:
        yield Finding("!!", warning)


def _folder(what: str, folder: Path) -> Finding:
    files = [f for f in folder.rglob("*") if f.is_file()] if folder.is_dir() else []
    size = sum(f.stat().st_size for f in files)
    existing = next((p for p in (folder, *folder.parents) if p.exists()), folder)
    said = f"{what}: {folder}, {_gigabytes(size):.2f} GB in {len(files):,} files"
    if not os.access(existing, os.W_OK):
        return Finding("!!", said, f"{existing} cannot be written: change its rights")
    return Finding("ok", said)


def _library(module: str, what: str, install: str, missing: Mark = "!!") -> Finding:
    version = _version(module)
    if version is None:
        return Finding(missing, f"{what}: {module} is not installed", install)
    try:
        if module == "openslide":
            importlib.import_module(module)  # its library is a package of its own
    except (ImportError, OSError) as error:
        return Finding("!!", f"{what}: {module} is broken: {error}", install)
    named = what if what == module else f"{what}: {module}"
    return Finding("ok", f"{named} {version}")


def _version(module: str) -> str | None:
    named = {"openslide": "openslide-python", "sklearn": "scikit-learn",
             "skimage": "scikit-image", "umap": "umap-learn"}  # fmt: skip
    try:
        return metadata.version(named.get(module, module))
    except metadata.PackageNotFoundError:
        return None


def _display() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0


def _gigabytes(size: int) -> float:
    return size / 1024**3
