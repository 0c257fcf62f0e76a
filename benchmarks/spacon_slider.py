"""SpaCon's slider in the worker: what an exact position costs, and how soon a known one comes.

Two views of 64 columns with twelve groups each, 40 similar spots, Leiden. CPU seconds of one
thread (wall seconds where nothing else runs). What the window itself spends on a move is measured
for all live views by ``slider.py``.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from support.results import add_record, ratio, recorded

AHEAD = 11


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


def measured(quick: bool) -> None:
    from napari_stml.analyses.spacon import SpaConLiveParams
    from napari_stml.runs.answers import AnswerCache, LiveAnswer

    for spots in (1_000, 3_000) if quick else (1_000, 3_000, 10_000, 50_000):
        live = opened(spots)
        cache = AnswerCache(1 << 30)
        ahead = 0.0
        for params in live.grid():
            result, cpu, _ = timed(live.update, params, None)
            ahead = max(ahead, cpu)
            cache.put(LiveAnswer(0, params, result))
        _, nearest, _ = timed(cache.nearest, SpaConLiveParams(share=0.46))
        shares = (0.46, 0.34) if spots > 3_000 else (0.46, 0.34, 0.74, 0.88)
        cpu, wall = np.min([timed(exact, live, share)[1:] for share in shares], axis=0)
        print(f"{spots} spots: exact {cpu:.2f} CPU s ({wall:.2f} s wall), a fixed place "
              f"{1e3 * ahead:.1f} ms, the nearest known {1e3 * nearest:.2f} ms",
              flush=True)  # fmt: skip
        if spots == 1_000:
            continue  # warms up
        if spots <= 3_000:
            ratio(f"exact-{spots}", cpu, None, "CPUs", cpu / 0.35, 1.0, cpu <= 0.35)
            continue
        known = nearest + ahead
        ratio(f"nearest-{spots}", known, None, "CPUs", known / 0.1, 1.0, known <= 0.1)
        _, anew, _ = timed(cold, live)
        ratio(f"refined-{spots}", cpu, anew, "CPUs", cpu / anew, 1.5, cpu <= 1.5 * anew)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3,000 spots alone")
    add_record(parser)
    given = parser.parse_args()
    with recorded(__file__, given.record):
        measured(given.quick)


if __name__ == "__main__":
    main()
