"""Neighbourhoods of 100,000 cells: CPU time and memory of ours and of pyhoodscanr.

One thread, 10 types, 100 neighbours; every way runs in a process of its own, so that its peak
memory is its own. CPU seconds are those of the process, imports not counted.

    python benchmarks/niches.py [--quick] [--peer-python PYTHON]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from support.results import add_record, ratio, recorded

TYPES, K = 10, 100
SPACING_UM = 10.0
LASSO = 20_000
REPEATS = 5
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
              "NUMBA_NUM_THREADS": "1"}  # fmt: skip
PEER = Path(__file__).parent.parent / ".peers" / "pyhoodscanr" / "bin" / "python"


def tissue(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells at even density, types in patches."""
    rng = np.random.default_rng(1)
    side = np.sqrt(n) * SPACING_UM
    xy = rng.uniform(0, side, (n, 2))
    patch = np.sin(xy[:, 0] / 300) + np.cos(xy[:, 1] / 220)
    codes = np.clip(((patch + 2) / 4 * TYPES + rng.normal(0, 1.5, n)), 0, TYPES - 1)
    return xy, codes.astype(np.int32)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ours(n: int) -> dict[str, float]:
    """From positions to perplexity, as the analysis computes it."""
    from scipy.sparse import csr_matrix
    from scipy.spatial import cKDTree

    from napari_stml.methods.niches import diversity, hoods, near

    xy, codes = tissue(n)
    cKDTree(xy[:100]).query(xy[:10])
    csr_matrix((2, 2)).toarray()
    before, start = peak_mb(), time.process_time()
    found = near.finish(near.nearest(xy, K))
    searched = time.process_time()
    tau = hoods.default_tau(found)
    shares = hoods.merged(found, codes, TYPES, tau)
    values = diversity.perplexity(shares)
    end = time.process_time()
    return {"cpu": end - start, "search": searched - start, "peak_mb": peak_mb() - before,
            "tau": tau, "perplexity": float(values.mean()), "whole_mb": peak_mb()}  # fmt: skip


def peer(n: int) -> dict[str, float]:
    """Take the same way with pyhoodscanr's own functions."""
    import anndata as ad
    import pandas as pd
    import pyhoodscanr as ph

    xy, codes = tissue(n)
    adata = ad.AnnData(
        np.zeros((n, 1), np.float32),
        obs=pd.DataFrame({"cell_annotation": np.char.add("t", codes.astype(str))},
                         index=[f"c{i}" for i in range(n)]),
    )  # fmt: skip
    adata.obsm["spatial"] = xy
    small = ph.read_hood_data(adata[:300].copy(), anno_col="cell_annotation")
    ph.find_near_cells(small, k=5)  # compile and warm up what there is
    data = ph.read_hood_data(adata, anno_col="cell_annotation")
    before, start = peak_mb(), time.process_time()
    found = ph.find_near_cells(data, k=K)
    searched = time.process_time()
    shares = ph.scan_hoods(found["distance"], verbose=False)
    merged = ph.merge_by_group(shares, found["cells"])
    values = ph.calculate_metrics(merged)
    end = time.process_time()
    return {"cpu": end - start, "search": searched - start, "peak_mb": peak_mb() - before,
            "perplexity": float(values["perplexity"].mean()), "whole_mb": peak_mb()}  # fmt: skip


def _inputs(n: int) -> Any:
    from napari_stml.core.geometry import ScaleSource, UmPerPx
    from napari_stml.core.inputs import Categories, Inputs, SectionInputs

    xy, codes = tissue(n)
    names = np.array([f"cell{i}" for i in range(n)], dtype=object)
    types = Categories(codes, tuple(f"type {i}" for i in range(TYPES)))
    scale = UmPerPx(1.0, 1.0, ScaleSource.USER)
    section = SectionInputs("bench", names, xy, np.ones(n, bool), um_per_px=scale,
                            data={"types": types})  # fmt: skip
    return Inputs((section,))


def live(n: int) -> dict[str, float]:
    """Follow the bandwidth slider and a lasso, from what the live view keeps ready."""
    from napari_stml.analyses import load_all
    from napari_stml.core.analysis import finish
    from napari_stml.viewer.colours import ColourScale
    from napari_stml.viewer.paint import by_value

    analysis = load_all()["niches"]()
    params = analysis.Params(column="types", k=K, guide=False, shuffles=0)
    inputs = _inputs(n)
    result = finish(analysis.run(inputs, params))
    follow = analysis.live(result, inputs, params)
    said: dict[str, list[float]] = {}

    def timed(name: str, act: Any) -> Any:
        start = time.process_time()
        found = act()
        said.setdefault(name, []).append(time.process_time() - start)
        return found

    names, xy = inputs.one.names, inputs.one.xy
    chosen = np.argsort(((xy - xy.mean(axis=0)) ** 2).sum(axis=1))[: min(LASSO, n // 2)]
    lasso = tuple(names[np.sort(chosen)].tolist())
    chooser = follow._selected
    chooser.enrichment(np.zeros(n, bool))  # makes the contacts ready once
    for i in range(REPEATS + 1):
        at = analysis.LiveParams(show="perplexity", bandwidth_factor=1.1 + 0.05 * i)
        answer = timed("slider", lambda at=at: follow.update(at, None))
        values = next(p for p in answer.parts["bench"]).values
        timed("paint", lambda v=values: by_value(v, ColourScale("viridis", 1, TYPES)))
        at = analysis.LiveParams(show="niches", bandwidth_factor=1.12 + 0.05 * i)
        timed("niches", lambda at=at: follow.update(at, None))
        at = analysis.LiveParams(show="perplexity", k=60 + i)
        timed("k", lambda at=at: follow.update(at, None))

        def enrich() -> Any:
            mask = np.zeros(n, bool)
            mask[chooser.rows_of(lasso)] = True
            return chooser.enrichment(mask)

        timed("lasso", enrich)
        timed("lasso all", lambda at=at: follow.update(at, lasso))
    return {name: float(np.median(times[1:])) for name, times in said.items()} | {
        "first": float(said["slider"][0])
    }


def complete(n: int) -> dict[str, float]:
    """Compute the whole Run, charts included."""
    from napari_stml.analyses import load_all
    from napari_stml.core.analysis import finish

    analysis = load_all()["niches"]()
    inputs = _inputs(n)
    params = analysis.Params(column="types", k=K)
    start = time.process_time()
    finish(analysis.run(inputs, params))
    return {"cpu": time.process_time() - start, "peak_mb": peak_mb()}


WAYS = {"ours": ours, "peer": peer, "live": live, "complete": complete}


def apart(way: str, n: int, python: str = sys.executable) -> dict[str, float] | None:
    """One way in a process of its own; None where it cannot run."""
    done = subprocess.run(
        [python, __file__, "--way", way, "--cells", str(n)], capture_output=True, text=True,
        env={**os.environ, **ONE_THREAD}, check=False,
    )  # fmt: skip
    if done.returncode:
        print(f"{way} did not run: {done.stderr.strip().splitlines()[-1:]}")
        return None
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    print(f"{way}, {n:,} cells: " + ", ".join(f"{k} {v:.4g}" for k, v in found.items()), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="20,000 cells, 100,000 for memory")
    parser.add_argument("--peer-python", default=str(PEER))
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("--cells", type=int)
    add_record(parser)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(WAYS[options.way](options.cells)))
        return
    with recorded(__file__, options.record):
        measured(options)


def measured(options: argparse.Namespace) -> None:
    """Run every way and print the lines."""
    n, large = (20_000, 100_000) if options.quick else (100_000, 500_000)
    share = n / 100_000
    mine = apart("ours", n)
    there = Path(options.peer_python).exists()
    theirs = apart("peer", n, options.peer_python) if there else None
    follow, whole = apart("live", n), apart("complete", large)
    if mine is None or follow is None or whole is None:
        sys.exit(1)
    cached = None if theirs is None else theirs["cpu"] - theirs["search"]
    slider = follow["slider"] + follow["paint"]
    size, lasso = f"{n // 1000}k_cells_k{K}", min(LASSO, n // 2)
    for what, key, unit, target in (
        ("first_computation", "cpu", "cpu_s", 1.8), ("peak_memory_of_it", "peak_mb", "MB", 4.0),
    ):  # fmt: skip
        other = theirs[key] if theirs else None
        value = other / mine[key] if other else float("nan")
        ratio(f"{what}_{size}", mine[key], other, unit, value, target, value >= target)
    for what, value, other, unit, target in (
        (f"cached_neighbours_to_painted_perplexity_{size}", slider, cached, "cpu_s", 0.15 * share),
        (f"the_same_moonshot_{size}", slider, cached, "cpu_s", 0.06 * share),
        (f"cached_neighbours_to_niches_{size}", follow["niches"], None, "cpu_s", 0.15 * share),
        (f"enrichment_of_lasso_{lasso}", follow["lasso"], None, "cpu_s", 0.05),
        (f"complete_run_{large // 1000}k_cells_peak", whole["peak_mb"], None, "MB", 2000.0),
    ):
        against = other / value if other else float("nan")
        ratio(what, value, other, unit, against, target, value <= target)


if __name__ == "__main__":
    main()
