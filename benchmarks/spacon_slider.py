"""SpaCon's slider dragged in the real window, and what an exact position costs.

Two views of 64 columns with twelve groups each, 40 similar spots, Leiden; the live view, worker
process, panel, painter and canvas are those of a Run. The handle is moved every 30 ms: main-thread
CPU per move, drawing and the idle window taken off. Then single moves to places between the fixed
ones: wall time until the nearest known labels are painted, and until the exact ones are, drawing
taken off (the panel waits 25 ms for further moves). What an exact position costs beside one
computed from nothing is CPU of this process. This file is also the module of the worker's job.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from support.results import add_record, ratio, recorded

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1] / "src"))

AHEAD = 11
EVERY = 0.03
EXACT_S, NEAREST_S = 0.35, 0.1
CPU_MS = {"lattice": 20.0, "scattered": 35.0}


def opened(spots: int) -> Any:
    """The live view of a Run on so many spots, its fixed places filled in without clustering."""
    from scipy.sparse import csr_matrix

    from napari_stml.analyses._spacon.live import SpaConLive, ahead_name
    from napari_stml.analyses.spacon import SpaConParams
    from napari_stml.core.inputs import Inputs, SectionInputs
    from napari_stml.core.results import Graph, Labels, Matrix, Result

    rng = np.random.default_rng(0)
    names = np.array([f"s{i}" for i in range(spots)], dtype=object)
    groups = [rng.integers(0, 12, spots) for _ in range(2)]
    views = [rng.normal(size=(12, 64))[g] * 1.5 + rng.normal(size=(spots, 64)) for g in groups]
    categories = tuple(str(i + 1) for i in range(12))
    shares = np.linspace(0, 1, AHEAD)
    parts = [
        Labels("clusters", groups[0].astype(np.int32), categories),
        *(Labels(ahead_name(float(s)), groups[int(s > 0.5)].astype(np.int32), categories)
          for s in shares),
        *(Matrix(n, v.astype(np.float32)) for n, v in zip(("feature_spa", "feature_con"), views,
                                                          strict=True)),
        *(Graph(n, csr_matrix((spots, spots), dtype=np.float32))
          for n in ("tissue_links", "connections")),
    ]  # fmt: skip
    section = SectionInputs("bench", names, rng.random((spots, 2)), np.ones(spots, dtype=bool))
    return SpaConLive(Result.of("bench", *parts), Inputs((section,)), SpaConParams())


def timed(act: Any, *given: Any) -> tuple[Any, float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    found = act(*given)
    return found, time.process_time() - cpu, time.perf_counter() - wall


def cold(live: Any) -> Any:
    """One position as if nothing were known."""
    from napari_stml.methods.spacon.partition import Cut

    live._blends._graphs.clear()
    return Cut("leiden", 0.75, 0).of(live._blends.graph(0.46))


def exact(live: Any, share: float) -> Any:
    from napari_stml.analyses.spacon import SpaConLiveParams

    live._blends._graphs.clear()
    return live.update(SpaConLiveParams(share=share), None)


def open_views(spec: Any) -> Any:
    """The worker's job: the live view of a Run on so many spots."""
    from napari_stml.analyses.spacon import SpaConLiveParams
    from napari_stml.runs.live_desk import OpenedLive

    return OpenedLive(opened(spec["spots"]), SpaConLiveParams)


def costs(spots: int) -> None:
    """An exact position beside a cold one; where it is small, exact positions are all there is."""
    live = opened(spots)
    share = 0.46
    _, cpu, _ = timed(exact, live, share)
    if spots > 3_000:
        _, anew, _ = timed(cold, live)
        ratio(f"refined-{spots}", cpu, anew, "CPUs", cpu / anew, 1.5, cpu <= 1.5 * anew)
    else:
        cpu = min(cpu, *(timed(exact, live, s)[1] for s in (0.34, 0.74, 0.88)))
        ratio(f"exact-cpu-{spots}", cpu, None, "CPUs", cpu / EXACT_S, 1.0, cpu <= EXACT_S)


class Window:
    """A real window with the live panel of one Run."""

    def __init__(self, viewer: Any, workers: Any, spots: int, place: str) -> None:
        from qtpy.QtWidgets import QSlider

        from napari_stml.analyses.spacon import SpaConLiveParams
        from napari_stml.core.results import Labels
        from napari_stml.viewer.parts import paint_part
        from napari_stml.viewer.prepare import prepare
        from napari_stml.viewer.state import state_of
        from napari_stml.widgets.live_panel import LivePanel
        from support.sections import spots_section
        from support.window import live

        self.viewer, self.state = viewer, state_of(viewer)
        self.state.open(prepare(spots_section(spots, place == "lattice")))
        live(2, until=lambda: all(layer.loaded for layer in viewer.layers))
        self.panel = LivePanel(SpaConLiveParams, SpaConLiveParams(), {"scale": "share"})
        self.painted: list[tuple[float, bool]] = []
        """When an answer had been painted, and whether it was exact."""

        def paint(result: Any) -> None:
            part = next(p for p in result.parts["bench"] if isinstance(p, Labels))
            paint_part(self.state, part)
            self.painted.append((time.perf_counter(), "computing" not in self.panel.readout.text()))

        self.panel.moved.connect(paint)
        self.dock = viewer.window.add_dock_widget(self.panel, name="live", area="right")
        self.panel.open(workers, "spacon_slider:open_views", {"spots": spots})
        self.panel._session.opened.wait(300)
        handle = self.panel._sliders["share"].findChild(QSlider)
        assert handle is not None
        self.handle: Any = handle
        live(120, until=lambda: self.panel._session.cached >= AHEAD)

    def per_move(self, drawing: Any, moves: int) -> float:
        """Main-thread milliseconds of a move, drawing and the idle window taken off."""
        from support.window import Blocks, live

        for place in (2, 40, 10):  # the first recolours cost more, once
            self.handle.setValue(place)
            live(0.5)
        blocks = Blocks(drawing)

        def spent(act: Any) -> float:
            cpu, drawn, end = time.thread_time(), drawing.cpu, time.perf_counter() + EVERY
            act()
            blocks.turn(max(0.0, end - time.perf_counter()))
            return time.thread_time() - cpu - (drawing.cpu - drawn)

        idle = np.mean([spent(lambda: None) for _ in range(moves // 2)])
        last = self.handle.maximum()
        there = [abs(i % (2 * last) - last) for i in range(moves)]
        told = np.mean([spent(lambda v=v: self.handle.setValue(v)) for v in there])
        return float(told - idle) * 1000

    def settle(self) -> None:
        """Until nothing is on its way any more."""
        from support.window import live

        live(0.3)
        live(600, until=lambda: bool(self.painted) and self.painted[-1][1]
             and self.panel._session.settled)  # fmt: skip

    def waits(self, drawing: Any, exact_too: bool) -> tuple[float, float]:
        """Wall seconds to the first answer and to the exact one, drawing taken off; medians."""
        from support.window import live

        first, done = [], []
        self.handle.setValue(5)
        for place in (23, 38, 13, 28, 43) if exact_too else (23, 38, 13):
            self.settle()
            self.painted.clear()
            began, drawn = time.perf_counter(), drawing.wall
            self.handle.setValue(place)
            live(600, until=lambda: bool(self.painted))
            first.append(self.painted[0][0] - began - (drawing.wall - drawn))
            if exact_too:
                live(600, until=lambda: self.painted[-1][1])
                done.append(self.painted[-1][0] - began - (drawing.wall - drawn))
        return float(np.median(first)), float(np.median(done)) if done else float("nan")

    def close(self) -> None:
        self.viewer.window.remove_dock_widget(self.dock)
        self.panel.close_session()
        self.state.close_current()


def measured(sizes: tuple[int, ...], quick: bool) -> None:
    import napari

    from napari_stml.runs.settings import WorkerSettings
    from napari_stml.runs.workers import Workers
    from napari_stml.viewer.state import state_of
    from support.window import Drawing

    exact(opened(1_000), 0.5)  # warms up
    for spots in sizes:
        costs(spots)
    viewer = napari.Viewer(title="SpaCon's slider")
    drawing = Drawing(viewer)
    workers = Workers(WorkerSettings(preload=("numpy", "pandas", "spacon_slider"),
                                     path=(str(HERE.parent),)))  # fmt: skip
    for spots in sizes:
        for place in ("lattice", "scattered") if spots == 50_000 else ("lattice",):
            window = Window(viewer, workers, spots, place)
            small = spots <= 3_000
            name = f"{spots}-{place}"
            if place == "lattice":
                near, done = window.waits(drawing, small)
                if small:
                    ratio(f"exact-wall-{spots}", done, None, "s", done / EXACT_S, 1.0,
                          done <= EXACT_S)  # fmt: skip
                else:
                    ratio(f"nearest-wall-{spots}", near, None, "s", near / NEAREST_S, 1.0,
                          near <= NEAREST_S)  # fmt: skip
            ms, most = window.per_move(drawing, 40 if quick else 120), CPU_MS[place]
            ratio(f"move-{name}", ms, None, "ms", ms / most, 1.0, ms <= most)
            window.close()
    workers.close()
    state_of(viewer).close()
    viewer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3,000 spots alone")
    parser.add_argument("--spots", type=int, nargs="+", default=[3_000, 10_000, 50_000])
    add_record(parser)
    given = parser.parse_args()
    from support.window import on_a_display

    on_a_display()
    with recorded(__file__, given.record):
        measured((3_000,) if given.quick else tuple(given.spots), given.quick)


if __name__ == "__main__":
    main()
