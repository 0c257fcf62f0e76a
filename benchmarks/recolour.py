"""What a change of colour costs the main thread at 5k, 50k and 500k observations.

CPU time of the whole change, drawing excluded: from the values (a gene or a category of every
observation) to the slices that napari hands to the canvas. Spots on a lattice, and cells that lie
anywhere. ``--quick`` leaves out the largest size.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from support.results import add_record, ratio, recorded

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1] / "src"), str(HERE.parent)]

SIZES = {5_000: 10.0, 50_000: 50.0, 500_000: 100.0}
REPEATS = 9


def change(act: Any, drawing: Any, view: Any) -> float:
    """CPU seconds of one change and of all events until its slice has arrived."""
    from support.window import live

    layer = view.painter().layer
    start, drawn = time.thread_time(), drawing.cpu
    act()
    live(5, until=lambda: layer.loaded)
    live(0.03)
    return time.thread_time() - start - (drawing.cpu - drawn)


def measure(count: int, lattice: bool, drawing: Any, viewer: Any) -> dict[str, float]:
    import numpy as np
    import pandas as pd

    from napari_stml.viewer.state import state_of
    from support.sections import spots_section
    from support.window import live

    rng = np.random.default_rng(1)
    state = state_of(viewer)
    view = state.open(spots_section(count, lattice))
    live(2, until=lambda: all(layer.loaded for layer in viewer.layers))
    genes = [rng.gamma(2, 1, count).astype(np.float32) for _ in range(2)]
    codes = [rng.integers(-1, 12, count).astype(np.int16) for _ in range(2)]
    names = [f"cluster {i}" for i in range(12)]
    series = [pd.Series(pd.Categorical.from_codes(c, names)) for c in codes]
    acts = {
        "gene": lambda i: view.colour_by_values("gene", genes[i % 2]),
        "category": lambda i: view.colour_by_values("clusters", series[i % 2]),
        "live": lambda i: view.colour_by_codes("clusters", codes[i % 2], names),
        "limits": lambda i: state.wishes.limits_requested(1.0 + i % 2, 98.0, True),
    }
    found = {}
    for kind, act in acts.items():
        if kind == "limits":
            view.colour_by_values("gene", genes[0])
        spent = [change(partial(act, i), drawing, view) for i in range(REPEATS + 1)][1:]
        found[kind] = statistics.median(spent) * 1000
    idle = [change(lambda: None, drawing, view) for _ in range(REPEATS)]
    state.close_current()
    live(0.2)
    return {kind: max(0.0, ms - statistics.median(idle) * 1000) for kind, ms in found.items()}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    add_record(options)
    chosen = options.parse_args()
    from support.window import on_a_display

    on_a_display()
    with recorded(__file__, chosen.record):
        measured(chosen.quick)


def measured(quick: bool) -> None:
    import napari

    from support.window import Drawing

    viewer = napari.Viewer(title="recolour")
    drawing = Drawing(viewer)
    for count, target in SIZES.items():
        if quick and count > 50_000:
            continue
        for place in ("lattice", "scattered"):
            found = measure(count, place == "lattice", drawing, viewer)
            print(f"{count:>7} {place:9}", {k: round(v, 1) for k, v in found.items()}, flush=True)
            for kind in ("gene", "category"):
                ms = found[kind]
                what = f"recolour-{kind}-{count}-{place}"
                ratio(what, ms, None, "ms", ms / target, target, ms <= target)
    from napari_stml.viewer.state import state_of

    state_of(viewer).close()
    viewer.close()


if __name__ == "__main__":
    main()
