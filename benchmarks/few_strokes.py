"""How well classes are learnt from a few labelled spots: learning curves.

Features are 30 principal components of the log expression of 2,000 variable genes (on her2st A1
also nothing else: the slide there is 3 um per pixel). Labelled spots are drawn at random from
every class with at least 15 labelled spots; the score is the balanced accuracy on the others,
the median over draws (and, on the demo, over five seeds that were not used while developing).
Beside it: nearest centroid on the same features, as they are and averaged over neighbours as
ours are, and the majority class. The repaint is what a correction costs at 5,000 spots: learning,
probabilities, uncertainty. ``--quick``: two seeds, five draws.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from napari_stml.demo import floors
from napari_stml.demo.lattice import PITCH_UM
from napari_stml.demo.section import sections
from napari_stml.methods.neighbours import on_tissue
from napari_stml.methods.strokes import linear
from support.results import add_record, ratio, recorded

SEEDS = (101, 102, 103, 104, 105)
COUNTS = (3, 5, 10, 20)
LEAST = 15
DRAWS = 20
GAIN = 0.05
REPAINT_S = 0.5
REFERENCE = Path(__file__).parents[2] / "shared" / "reference" / "data"


def demo(seed: int):
    _, tissues = sections(seed)
    one = tissues[0]
    log = floors.log_normalised(one.rna)
    points = floors.principal_components(log, 30)
    links = on_tissue.within(np.asarray(one.lattice.xy_um, dtype=float), 1.1 * PITCH_UM)
    return points, links, np.asarray(one.truth.domain)


def her2st(folder: Path):
    import anndata as ad

    adata = ad.read_h5ad(folder / "counts.h5ad")
    label = adata.obs["label"].astype(str).to_numpy()
    known = ~np.isin(label, ["undetermined", "nan", ""])
    _, codes = np.unique(label, return_inverse=True)
    codes = np.where(known, codes, -1)
    seen = np.asarray((adata.X > 0).sum(axis=0)).ravel() >= 10
    points = floors.principal_components(floors.log_normalised(adata[:, seen].X), 30)
    array = adata.obs[["array_y", "array_x"]].to_numpy().astype(np.int64)
    return points, on_tissue.on_lattice(array, hexagonal=False), codes


def curve(points, links, codes, draws: int, counts=COUNTS) -> dict[int, dict[str, float]]:
    """Medians over draws, by number of labelled spots per class."""
    sizes = np.bincount(codes[codes >= 0])
    kept = np.flatnonzero(sizes >= LEAST)
    place = np.full(codes.max() + 2, -1)
    place[kept] = np.arange(len(kept))
    codes = place[codes]
    rows = np.flatnonzero(codes >= 0)
    z = (points - points.mean(axis=0)) / points.std(axis=0)
    near = linear.smoothed(points, links)
    near_z = (near - near.mean(axis=0)) / near.std(axis=0)
    few = linear.directions(near, standardise=False)(near)
    found: dict[int, dict[str, float]] = {}
    for count in counts:
        scores: dict[str, list[float]] = {}
        for draw in range(draws):
            rng = np.random.default_rng(1000 * count + draw)
            chosen = np.concatenate([
                rng.choice(
                    np.flatnonzero(codes == c), min(count, sizes[kept[c]] - 5), replace=False
                )
                for c in range(len(kept))
            ])  # fmt: skip
            test = np.setdiff1d(rows, chosen)
            said = codes[chosen]
            answers = {
                "ours": linear.fitted(few[chosen], said, len(kept))(few).argmax(axis=1),
                "majority": np.full(len(codes), np.bincount(codes[rows]).argmax()),
            }
            for name, features in (("centroid", points), ("centroid z", z),
                                   ("centroid of neighbours", near),
                                   ("centroid z of neighbours", near_z)):  # fmt: skip
                answers[name] = linear.nearest_centroid(features, chosen, said, len(kept))
            for name, answer in answers.items():
                value = linear.balanced_accuracy(codes[test], answer[test])
                scores.setdefault(name, []).append(value)
        found[count] = {name: float(np.median(v)) for name, v in scores.items()}
    return found


def repaint() -> float:
    """CPU seconds of one correction at 5,000 spots, four classes, 200 labelled spots."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(5000, 200))
    few = linear.directions(features)(features)
    chosen = rng.choice(5000, 200, replace=False)
    codes = rng.integers(0, 4, 200)
    start = time.process_time()
    chances = linear.fitted(few[chosen], codes, 4)(few)
    linear.uncertainty(chances)
    return time.process_time() - start


def show(name: str, found: dict[int, dict[str, float]]) -> None:
    for count, scores in found.items():
        said = "  ".join(f"{k} {v:.3f}" for k, v in scores.items())
        print(f"{name:>10} {count:>3} per class  {said}", flush=True)


def best_centroid(scores: dict[str, float]) -> float:
    """The better one of nearest centroid on the features as they are, z-scored or not."""
    return max(scores["centroid"], scores["centroid z"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    add_record(parser)
    options = parser.parse_args()
    draws = 5 if options.quick else DRAWS
    seeds = SEEDS[:2] if options.quick else SEEDS
    with recorded(__file__, options.record):
        each = []
        for seed in seeds:
            each.append(curve(*demo(seed), draws))
            show(f"demo {seed}", each[-1])
        ours = float(np.median([e[10]["ours"] for e in each]))
        floor = float(np.median([best_centroid(e[10]) for e in each]))
        gain = float(np.median([e[10]["ours"] - best_centroid(e[10]) for e in each]))
        lines = [("demo", ours, floor, gain, GAIN)]
        data = Path(os.environ.get("STML_DATA", REFERENCE)) / "her2st"
        for name in ("A1", "G2"):
            if not (data / name).is_dir():
                print(f"{name}: STML_DATA is absent")
                continue
            found = curve(*her2st(data / name), draws)
            show(name, found)
            at = found[10]
            lines.append((name, at["ours"], at["majority"], at["ours"] - at["majority"], GAIN))
            lines.append((f"{name}-centroid", at["ours"], best_centroid(at),
                          at["ours"] - best_centroid(at), 0.0))  # fmt: skip
        spent = min(repaint() for _ in range(5))
        for name, a, b, gained, target in lines:
            ratio(f"few-strokes-10-{name}", a, b, "balanced-accuracy", gained, target,
                  gained >= target)  # fmt: skip
        ratio("few-strokes-repaint-5000", spent, None, "CPU-s", spent / REPAINT_S, REPAINT_S,
              spent <= REPAINT_S)  # fmt: skip


if __name__ == "__main__":
    main()
