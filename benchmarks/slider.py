"""A live slider dragged at 50,000 spots: panel, worker process, painter and canvas as they are.

The window is a real one; the handle is moved every 30 ms, as a hand does, with no position, 20 or
100 of them computed ahead. What counts is main-thread CPU per move: from the handle to the slice
that the canvas is given, answers of the worker and legend included, drawing and the idle window
taken off. It is shown with software drawing too. Once with spots on a lattice, once without.
``--quick``: 20 positions ahead, fewer moves. This file is also the module of the worker's job.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from support.results import add_record, ratio, recorded

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1] / "src"))

SPOTS = 50_000
MOST_MS = {"lattice": 20.0, "scattered": 35.0}
EVERY = 0.03


def positions() -> Any:
    from napari_stml.core.params import LiveParams, param

    class Position(LiveParams):
        alpha: float = param(0.5, title="Alpha", help="0: space, 1: connections.", ge=0, le=1)

    return Position


class Blend:
    """Two views of every spot, mixed and given to the nearest of twelve centres."""

    def __init__(self, kind: Any, ahead: int) -> None:
        import numpy as np

        rng = np.random.default_rng(0)
        self.kind, self.steps = kind, ahead
        self.space = rng.normal(size=(SPOTS, 16)).astype(np.float32)
        self.links = rng.normal(size=(SPOTS, 16)).astype(np.float32)
        self.centres = rng.normal(size=(12, 16)).astype(np.float32)

    def grid(self) -> Any:
        some = range(self.steps + 1) if self.steps else ()
        return tuple(self.kind(alpha=i / self.steps) for i in some)

    def update(self, params: Any, selection: Any) -> Any:
        import numpy as np

        from napari_stml.core.results import Labels, Result

        view = (1 - params.alpha) * self.space + params.alpha * self.links
        away = (self.centres**2).sum(axis=1) - 2 * view @ self.centres.T
        codes = away.argmin(axis=1).astype(np.int16)
        return Result.of("bench", Labels("clusters", codes, tuple("abcdefghijkl")))


def open_blend(spec: Any) -> Any:
    from napari_stml.runs.live_desk import OpenedLive

    kind = positions()
    return OpenedLive(Blend(kind, spec["ahead"]), kind)  # type: ignore[arg-type]


def drag(viewer: Any, drawing: Any, workers: Any, ahead: int, moves: int) -> dict[str, float]:
    """Milliseconds per move, and how many of the positions were painted."""
    from qtpy.QtWidgets import QSlider

    from napari_stml.viewer.parts import paint_part
    from napari_stml.viewer.state import state_of
    from napari_stml.widgets.live_panel import LivePanel
    from support.window import Blocks, live

    kind = positions()
    state = state_of(viewer)
    painted = [0]

    def paint(result: Any) -> None:
        painted[0] += 1
        paint_part(state, result.parts["bench"][0])

    panel = LivePanel(kind, kind())
    panel.moved.connect(paint)
    dock = viewer.window.add_dock_widget(panel, name="live", area="right")
    panel.open(workers, "slider:open_blend", {"ahead": ahead})
    panel._session.opened.wait(60)
    handle = panel.findChild(QSlider)
    for place in (10, 190, 60):  # the first recolours cost more, once
        handle.setValue(place)
        live(0.7)
    live(4, until=lambda: not ahead or panel._session.cached > ahead)

    def spent(act: Any) -> tuple[float, float]:
        """CPU without and with drawing of one turn of 30 ms."""
        cpu, drawn, end = time.thread_time(), drawing.cpu, time.perf_counter() + EVERY
        with blocks.one():
            act()
        blocks.turn(max(0.0, end - time.perf_counter()))
        whole = time.thread_time() - cpu
        return whole - (drawing.cpu - drawn), whole

    blocks = Blocks(drawing)
    idle = [spent(lambda: None) for _ in range(moves // 2)]
    blocks, painted[0] = Blocks(drawing), 0
    told = [spent(lambda i=i: handle.setValue(abs(i * 3 % 400 - 200))) for i in range(moves)]
    live(0.5)
    viewer.window.remove_dock_widget(dock)
    panel.close_session()

    def per_move(column: int) -> float:
        busy = sum(x[column] for x in told) / len(told)
        return (busy - sum(x[column] for x in idle) / len(idle)) * 1000

    return {
        "ms per move": per_move(0), "with software drawing": per_move(1),
        "painted per move": painted[0] / moves, "longest block": blocks.longest * 1000,
    }  # fmt: skip


def measured(quick: bool) -> None:
    import napari

    from napari_stml.runs.settings import WorkerSettings
    from napari_stml.runs.workers import Workers
    from napari_stml.viewer.prepare import prepare
    from napari_stml.viewer.state import state_of
    from support.sections import spots_section
    from support.window import Drawing, live

    viewer = napari.Viewer(title="slider")
    drawing = Drawing(viewer)
    state = state_of(viewer)
    settings = WorkerSettings(preload=("numpy", "pandas", "slider"), path=(str(HERE.parent),))
    workers = Workers(settings)
    for place, most in MOST_MS.items():
        state.open(prepare(spots_section(SPOTS, place == "lattice")))
        live(2, until=lambda: all(layer.loaded for layer in viewer.layers))
        costs = []
        for ahead in (20,) if quick else (0, 20, 100):
            found = drag(viewer, drawing, workers, ahead, 40 if quick else 200)
            costs.append(found["ms per move"])
            print(f"{place:9}, {ahead:3} positions ahead: "
                  + ", ".join(f"{k} {v:.1f}" for k, v in found.items()), flush=True)  # fmt: skip
        ms = max(costs)
        ratio(f"live-slider-{SPOTS}-{place}", ms, None, "ms", ms / most, most, ms <= most)
        state.close_current()
    workers.close()
    state.close()
    viewer.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    add_record(options)
    chosen = options.parse_args()
    from support.window import on_a_display

    on_a_display()
    with recorded(__file__, chosen.record):
        measured(chosen.quick)


if __name__ == "__main__":
    main()
