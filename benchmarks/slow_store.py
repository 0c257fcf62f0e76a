"""A slide whose every tile takes 0.4 s: whether the window stays alive while one pans and zooms.

Five scripted tours over a 32,768 px slide. For each the longest time that the event loop was held
up, the canvas' own drawing not counted; the same tour over a slide that answers at once is the
idle tour. Opening is looked at too. ``--quick`` takes three tours.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from support.results import add_record, ratio, recorded

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1] / "src"), str(HERE.parent)]

SIDE, TILE, SLEEP = 32_768, 512, 0.4
MOST_MS, ABOVE_IDLE_MS = 50.0, 35.0


def slide(seconds: float, name: str) -> Any:
    import numpy as np

    from napari_stml.io.slides.base import Level, Slide

    class Slow(Slide):
        uri, channels, rgb, dtype = name, ("red", "green", "blue"), True, np.dtype(np.uint8)
        levels = tuple(
            Level(SIDE >> i, SIDE >> i, float(1 << i), float(1 << i), TILE, TILE) for i in range(7)
        )
        on_main = 0

        @property
        def key(self) -> str:
            return name

        def tile(self, level: int, row: int, col: int) -> Any:
            import threading

            if seconds:
                time.sleep(seconds)
            if threading.current_thread() is threading.main_thread():
                type(self).on_main += 1
            shade = (37 * row + 61 * col + 97 * level) % 200
            return np.full((TILE, TILE, 3), (shade, 120, 255 - shade), np.uint8)

        def read(
            self, x: int, y: int, level: int, w: int, h: int, *, channel: int | None = None
        ) -> Any:
            out = np.empty((h, w, 3), np.uint8)
            for row in range(y // TILE, -(-(y + h) // TILE)):
                for col in range(x // TILE, -(-(x + w) // TILE)):
                    tile = self._kept(level, row, col)
                    top, left = max(row * TILE, y), max(col * TILE, x)
                    bottom, right = min((row + 1) * TILE, y + h), min((col + 1) * TILE, x + w)
                    out[top - y : bottom - y, left - x : right - x] = tile[
                        top - row * TILE : bottom - row * TILE,
                        left - col * TILE : right - col * TILE,
                    ]
            return out if channel is None else out[:, :, channel : channel + 1]

        def _kept(self, level: int, row: int, col: int) -> Any:
            if (level, row, col) not in self._tiles:
                self._tiles[level, row, col] = self.tile(level, row, col)
            return self._tiles[level, row, col]

        def __init__(self) -> None:
            self._tiles: dict[tuple[int, int, int], Any] = {}

        def close(self) -> None:
            """Nothing is open."""

    return Slow()


def section(seconds: float, name: str) -> Any:
    import numpy as np

    from napari_stml.core.geometry import ScaleSource, UmPerPx
    from napari_stml.io.contents import Contents, Observations, PlacedSlide
    from napari_stml.io.section import Section

    xy = np.random.default_rng(0).uniform(0, SIDE, (3000, 2))
    names = np.array([f"s{i}" for i in range(len(xy))], dtype=object)
    contents = Contents(
        name, "bench", images={"slide": PlacedSlide(slide(seconds, name))},
        observations=Observations("spots", names, xy, 110.0),
        um_per_px=UmPerPx.square(0.5, ScaleSource.USER),
    )  # fmt: skip
    return Section(name, contents, {})


def tour(viewer: Any, blocks: Any, number: int) -> None:
    """Zoom in by steps, pan along, a burst of pans, out again; like a hand would."""
    camera = viewer.scene.camera
    middle = SIDE * 0.25 * (0.6 + 0.15 * number)
    with blocks.one():
        viewer.reset_view()
    blocks.turn(0.3)
    for factor in (2, 2, 2, 2, 2.5):
        with blocks.one():
            camera.zoom *= factor
        with blocks.one():
            camera.center = (0, middle, middle + 40 * number)
        blocks.turn(0.25)
    for step in range(10):
        with blocks.one():
            camera.center = (0, middle + 90 * step, middle + 60 * step)
        blocks.turn(0.12)
    for step in range(20):
        with blocks.one():
            camera.center = (0, middle - 25 * step, middle + 35 * step)
        blocks.turn(0.03)
    for factor in (0.5, 0.3, 0.3):
        with blocks.one():
            camera.zoom *= factor
        blocks.turn(0.3)


def tours(viewer: Any, drawing: Any, count: int) -> list[float]:
    from support.window import Blocks

    longest = []
    for number in range(count):
        blocks = Blocks(drawing)
        tour(viewer, blocks, number)
        longest.append(blocks.longest * 1000)
    return longest


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    add_record(options)
    chosen = options.parse_args()
    from support.window import on_a_display

    on_a_display()
    with recorded(__file__, chosen.record):
        measured(3 if chosen.quick else 5)


def measured(count: int) -> None:
    import napari

    from napari_stml.viewer.prepare import prepare
    from napari_stml.viewer.state import state_of
    from support.window import Blocks, Drawing, live

    viewer = napari.Viewer(title="slow store")
    drawing = Drawing(viewer)
    state = state_of(viewer)
    warm = state.open(prepare(section(0.0, "warm")))  # compiling and shaders, once per process
    live(1)
    tours(viewer, drawing, 1)
    state.close_current()

    found: dict[str, list[float]] = {}
    for name, seconds in (("idle", 0.0), ("slow", SLEEP)):
        opened: list[Any] = []
        state.background.run(
            "open", lambda s=seconds, n=name: prepare(section(s, n)), opened.append, print
        )
        blocks = Blocks(drawing)
        while not opened:
            blocks.turn(0.05)
        print(f"{name}: longest block while the section was read {blocks.longest * 1000:.1f} ms")
        blocks = Blocks(drawing)
        with blocks.one():
            state.open(opened[0])
        blocks.turn(1.0)
        print(
            f"{name}: longest block while it was put on the canvas {blocks.longest * 1000:.1f} ms"
        )
        found[name] = tours(viewer, drawing, count)
        reads = opened[0].images["slide"].slide.on_main
        print(f"{name}: longest blocks (ms) {[round(v, 1) for v in found[name]]}; "
              f"tiles read on the main thread: {reads}", flush=True)  # fmt: skip
        state.close_current()
        live(0.5)
    del warm
    slow, idle = statistics.median(found["slow"]), statistics.median(found["idle"])
    most = max(MOST_MS, idle + ABOVE_IDLE_MS)
    ratio("slow-store-longest-block", slow, None, "ms", slow / most, most, slow <= most)
    state.close()
    viewer.close()


if __name__ == "__main__":
    main()
