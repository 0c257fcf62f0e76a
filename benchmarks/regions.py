"""What drawing costs the main thread, and membership of half a million spots.

500 regions of 200 corners and 50,000 spots stand in the window; measured is the CPU time of the
main thread, the drawing by OpenGL excluded (software here): one step of a dragged corner with the
spots inside counted, the release that makes it an edit (journal, canvas, list), and a finished
brush stroke. Membership: 500,000 positions in 100 regions of 200 corners that cover most of them.
``--quick`` is the same with fewer repeats.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1] / "src"), str(HERE.parent)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

REGIONS, CORNERS, SPOTS = 500, 200, 50_000
STROKE_MS, MEMBERS_S = 40.0, 0.5


def outline(rng: Any, centre: Any, radius: float, corners: int = CORNERS) -> Any:
    import numpy as np
    import shapely

    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    far = radius * (1 + 0.2 * np.sin(5 * turn) + 0.01 * rng.normal(size=corners))
    return shapely.Polygon(np.column_stack([np.cos(turn), np.sin(turn)]) * far[:, None] + centre)


def section(folder: Path) -> Any:
    import numpy as np

    from napari_stml.core.geometry import ScaleSource, UmPerPx
    from napari_stml.io.contents import Contents, Observations
    from napari_stml.io.section import Section

    xy = np.random.default_rng(0).uniform(0, 20_000, (SPOTS, 2))
    names = np.array([f"s{i}" for i in range(SPOTS)], dtype=object)
    observed = Observations("cells", names, xy, 10.0, None)
    contents = Contents("bench", "bench", observations=observed,
                        um_per_px=UmPerPx.square(0.5, ScaleSource.USER))  # fmt: skip
    place = folder / "bench.h5ad"
    place.write_bytes(b"the place of a section")
    return Section(place, contents, {})


class Clock:
    """Main-thread CPU without the drawing."""

    def __init__(self, drawing: Any) -> None:
        self._drawing = drawing
        self.spent: dict[str, list[float]] = {}

    def time(self, what: str, act: Any) -> None:
        from support.window import live

        start, drawn = time.thread_time(), self._drawing.cpu
        act()
        live(0.02)
        spent = time.thread_time() - start - (self._drawing.cpu - drawn)
        self.spent.setdefault(what, []).append(1000 * spent)


def window(repeats: int, folder: Path) -> dict[str, float]:
    import napari
    import numpy as np

    from napari_stml.regions.region import Drawn
    from napari_stml.viewer.regions.tools import Mouse
    from napari_stml.viewer.state import state_of
    from napari_stml.widgets.regions import RegionsPage
    from support.window import Drawing, live

    viewer = napari.Viewer(title="regions")
    drawing = Drawing(viewer)
    state = state_of(viewer)
    page = RegionsPage(state)
    viewer.window.add_dock_widget(page, name="Regions")
    state.open(section(folder))
    live(20, until=lambda: page.desk.book is not None)
    desk, hand = page.desk, page.hand
    rng = np.random.default_rng(1)
    kinds = ("Tumour", "Stroma", "Immune cells", "Necrosis")
    desk.do(lambda d: d.add(*[
        Drawn.new(outline(rng, rng.uniform(500, 19_500, 2), 300), kind=kinds[i % 4])
        for i in range(REGIONS)
    ], title="many"))  # fmt: skip
    live(5)
    clock = Clock(drawing)
    hand.take("select")
    grip: Any = hand._grip
    px = desk.sketch.screen(1.0)  # type: ignore[union-attr]
    for i in range(repeats):
        region = desk.drawing.regions[7 * i]  # type: ignore[union-attr]
        desk.choose([region.id])
        live(0.3)
        corner = np.array(region.outline.exterior.coords[3])
        grip.press(Mouse("press", corner, px), ())
        for step in range(1, 6):
            place = corner + 4 * px * step
            clock.time("drag", lambda at=place: grip.move(Mouse("move", at, px)))
        clock.time("release", lambda at=corner: grip.release(Mouse("release", at, px)))
        live(0.3)
    for _ in range(repeats):
        stroke = outline(rng, rng.uniform(500, 19_500, 2), 200)
        clock.time("stroke", lambda area=stroke: desk.finish(area))
        live(0.3)
    idle = Clock(drawing)
    for _ in range(repeats):
        idle.time("idle", lambda: None)
    base = statistics.median(idle.spent["idle"])
    page.desk.close()
    state.close()
    viewer.close()
    return {k: max(0.0, statistics.median(v) - base) for k, v in clock.spent.items()}


def members() -> float:
    import numpy as np

    from napari_stml.regions.inside import memberships

    rng = np.random.default_rng(2)
    xy = rng.uniform(0, 20_000, (500_000, 2))
    regions = [outline(rng, rng.uniform(1000, 19_000, 2), 1000) for _ in range(100)]
    best = np.inf
    for _ in range(3):
        start = time.process_time()
        found = memberships(xy, regions)
        best = min(best, time.process_time() - start)
    print(f"{sum(map(len, found)):,} memberships")
    return float(best)


def main() -> None:
    from support.results import add_record, ratio, recorded
    from support.window import on_a_display

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    add_record(parser)
    options = parser.parse_args()
    on_a_display()
    with recorded(__file__, options.record), tempfile.TemporaryDirectory() as folder:
        os.environ["STML_DATA_HOME"] = folder
        seconds = members()
        found = window(3 if options.quick else 9, Path(folder))
        for what, ms in found.items():
            ratio(f"regions-{what}", ms, None, "ms", ms / STROKE_MS, STROKE_MS, ms <= STROKE_MS)
        ratio("regions-members", seconds, None, "CPU-s", seconds / MEMBERS_S, MEMBERS_S,
              seconds <= MEMBERS_S)  # fmt: skip


if __name__ == "__main__":
    main()
