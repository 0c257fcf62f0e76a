"""From the command to H&E and spots on the canvas: `napari-stml open` and napari-spatialdata.

The same store (8,192 px RGB pyramid, 5,000 circles, table of 200 genes), the same run, in turns;
what counts is the median of the time until a frame was drawn with both layers loaded. The files
are warm. The peer is started as its documentation says and shows the same two elements; it is
found in .peers/napari-spatialdata (`make peers`) or by ``--peer-python``. An empty napari window,
until its first frame, is started by both interpreters: what each program adds to it is compared
too. ``--quick``: 2,048 px and one start each.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from support.results import add_record, ratio, recorded

HERE = Path(__file__).resolve()
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "src"), str(HERE.parent)]

TARGET = 1 / 3
BEGAN = "STML_BENCH_BEGAN"
PEER = ROOT / ".peers" / "napari-spatialdata" / "bin" / "python"


def make_store(path: Path, side: int) -> None:
    import anndata as ad
    import numpy as np
    import pandas as pd
    import spatialdata as sd
    from spatialdata.models import Image2DModel, ShapesModel, TableModel

    rng = np.random.default_rng(0)
    small = rng.integers(120, 250, (3, side // 16, side // 16), dtype=np.uint8)
    pixels = small.repeat(16, axis=1).repeat(16, axis=2)
    image = Image2DModel.parse(
        pixels, dims=("c", "y", "x"), c_coords=["r", "g", "b"], scale_factors=[2, 2, 2, 2],
        chunks=(3, 512, 512),
    )  # fmt: skip
    count = 5000
    circles = ShapesModel.parse(rng.uniform(0, side, (count, 2)), geometry=0, radius=side / 200)
    names = [f"spot{i}" for i in range(count)]
    obs = pd.DataFrame({"region": pd.Categorical(["spots"] * count), "id": circles.index.values},
                       index=names)  # fmt: skip
    counts = rng.poisson(1.0, (count, 200)).astype(np.float32)
    table = TableModel.parse(
        ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=[f"gene{i}" for i in range(200)])),
        region="spots", region_key="region", instance_key="id",
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sd.SpatialData(images={"he": image}, shapes={"spots": circles},
                       tables={"table": table}).write(path)  # fmt: skip


def watch(viewer: Any, with_dock: bool = False) -> None:
    """Live until a frame was drawn with two loaded layers; say how long it took, and leave."""
    from qtpy.QtWidgets import QApplication

    native = viewer.window._qt_viewer.canvas.native
    kind, drawn = type(native), []
    paint = kind.paintGL

    def noted(widget: Any) -> Any:
        ready = len(viewer.layers) >= 2 and all(x.loaded and x.visible for x in viewer.layers)
        answer = paint(widget)
        if ready:
            drawn.append((time.time(), time.process_time()))
        return answer

    kind.paintGL = noted
    while not drawn:
        QApplication.processEvents()
        ready = len(viewer.layers) >= 2 and all(x.loaded for x in viewer.layers)
        if ready:
            native.update()
        time.sleep(0.002)
    kinds = [type(x).__name__ for x in viewer.layers]
    colour = any(getattr(x, "rgb", False) for x in viewer.layers)
    began, until = float(os.environ[BEGAN]), time.time() + 30
    while with_dock and not viewer.window.dock_widgets and time.time() < until:
        QApplication.processEvents()
    dock = f" dock after {time.time() - began:.2f} s" if with_dock else ""
    wall, cpu = drawn[0]
    print(f"PAINTED {wall - began:.3f} {cpu:.3f} {kinds} colour={colour}{dock}", flush=True)
    os._exit(0)


def start_ours(store: str) -> None:
    import napari

    napari.run = lambda *_, **__: watch(napari.current_viewer(), True)
    from napari_stml.cli import main as command

    command(["open", store])


def start_peer(store: str) -> None:
    from napari_spatialdata import Interactive
    from qtpy.QtWidgets import QApplication
    from spatialdata import read_zarr

    shown = Interactive(read_zarr(store), headless=True)
    shown.add_element(element="he", element_coordinate_system="global")
    while not len(shown._viewer.layers):  # it takes one element after the other
        QApplication.processEvents()
    shown.add_element(element="spots", element_coordinate_system="global")
    watch(shown._viewer)


def start_empty() -> None:
    import napari
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer()
    native = viewer.window._qt_viewer.canvas.native
    kind, drawn = type(native), []
    paint = kind.paintGL

    def noted(widget: Any) -> Any:
        answer = paint(widget)
        drawn.append((time.time(), time.process_time()))
        return answer

    kind.paintGL = noted
    while not drawn:
        QApplication.processEvents()
        native.update()
        time.sleep(0.002)
    wall, cpu = drawn[0]
    print(f"PAINTED {wall - float(os.environ[BEGAN]):.3f} {cpu:.3f} no layers", flush=True)
    os._exit(0)


STARTS = {"ours": start_ours, "peer": start_peer}
LEGS = {"ours": ("ours", False), "empty": ("empty", False), "peer": ("peer", True),
        "peer-empty": ("empty", True)}  # fmt: skip
"""What is started, and whether by the peer's interpreter."""


def begin(python: str, who: str, store: Path) -> tuple[float, float, str]:
    """Start a program; seconds and CPU seconds until it had painted, and what."""
    env = {**os.environ, BEGAN: repr(time.time()), "PYTHONWARNINGS": "ignore"}
    if who != "ours":
        env.pop("NAPARI_ASYNC", None)
    done = subprocess.run(
        [python, str(HERE), "--start", who, str(store)], env=env, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    for line in done.stdout.splitlines():
        if line.startswith("PAINTED"):
            _, wall, cpu, what = line.split(" ", 3)
            return float(wall), float(cpu), what
    raise RuntimeError(f"{who} painted nothing:\n{done.stderr[-2000:]}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--peer-python", type=Path, default=PEER)
    options.add_argument("--start", nargs=2, metavar=("WHO", "STORE"), help=argparse.SUPPRESS)
    add_record(options)
    chosen = options.parse_args()
    if chosen.start:
        who, store = chosen.start
        start_empty() if who == "empty" else STARTS[who](store)
        return
    from support.window import on_a_display

    on_a_display()
    with recorded(__file__, chosen.record):
        measured(chosen.quick, chosen.peer_python)


def measured(quick: bool, peer_python: Path) -> None:
    rounds = 1 if quick else 5
    times: dict[str, list[tuple[float, float]]] = {leg: [] for leg in LEGS}
    with tempfile.TemporaryDirectory(prefix="stml-start-") as folder:
        store = Path(folder) / "section.zarr"
        make_store(store, 2048 if quick else 8192)
        for number in range(rounds + 1):
            for leg, (who, by_peer) in LEGS.items():
                if by_peer and not peer_python.exists():
                    continue
                python = str(peer_python) if by_peer else sys.executable
                wall, cpu, what = begin(python, who, store)
                warm = "" if number else "  (warming up)"
                print(f"{leg:10} {wall:.2f} s, {cpu:.2f} CPU-s  {what}{warm}", flush=True)
                if number or quick:
                    times[leg].append((wall, cpu))
    for column, unit in enumerate(("s", "CPU-s")):
        middle = {leg: statistics.median(x[column] for x in t) for leg, t in times.items() if t}
        compare("start-to-painted", middle["ours"], middle.get("peer"), unit)
        added = middle["ours"] - middle["empty"]
        theirs = middle["peer"] - middle["peer-empty"] if "peer" in middle else None
        compare("start-above-empty-napari", added, theirs, unit)


def compare(what: str, ours: float, peer: float | None, unit: str) -> None:
    value = ours / peer if peer else float("nan")
    ratio(what, ours, peer, unit, value, TARGET, peer is None or value <= TARGET)


if __name__ == "__main__":
    main()
