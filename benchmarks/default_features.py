"""The features that need no weights, against the floors measured on the same sections.

Two of her2st's C2, C3, C4 teach a ridge regression, the third is predicted; log1p of counts per
10,000; features z-scored within each section, targets centred per training section; the penalty is
chosen by leaving out one training section. Genes: the 250 of highest mean in the training sections
among those in at least 10 % of their spots. The value is the mean Pearson r over genes and folds.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np

from napari_stml.core.geometry import ScaleSource, UmPerPx
from napari_stml.io.slides import open_slide
from napari_stml.slide.context import encode_at
from napari_stml.slide.grid import Canvas
from support.results import add_record, ratio, recorded

FLOOR = 0.267
SECTIONS = ("C2", "C3", "C4")
REFERENCE = Path(__file__).parents[2] / "shared" / "reference" / "data"
PENALTIES = np.geomspace(1e1, 1e5, 17)


def features(folder: Path, um_per_px: float, pixels: int, scales: tuple[float, ...]) -> np.ndarray:
    import anndata as ad

    adata = ad.read_h5ad(folder / "counts.h5ad")
    array = adata.obs[["array_x_adj", "array_y_adj"]].to_numpy(float)
    xy = np.asarray(adata.obsm["spatial"], dtype=float)
    px = np.median([np.polyfit(array[:, i], xy[:, i], 1)[0] for i in (0, 1)])
    scale = UmPerPx.square(200.0 / px, ScaleSource.PITCH)
    slide = open_slide(folder / "image.jpg", um_per_px=scale, background=False)
    canvas = Canvas(slide.width, slide.height, scale, folder.name)
    return encode_at(slide, canvas, xy, pixels, um_per_px, scales, threads=2)


def expression(folder: Path):
    import anndata as ad

    adata = ad.read_h5ad(folder / "counts.h5ad")
    counts = adata.X.toarray()
    return np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True)), list(adata.var_names)


def ridge(x: np.ndarray, y: np.ndarray, penalties: np.ndarray):
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    uy = u.T @ y
    return [vt.T @ ((s / (s**2 + p))[:, None] * uy) for p in penalties]


def pearson(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a - a.mean(0), b - b.mean(0)
    size = np.sqrt((a**2).sum(0) * (b**2).sum(0))
    return np.where(size > 0, (a * b).sum(0) / np.where(size > 0, size, 1), 0.0)


def score(x: dict, y: dict) -> float:
    found = []
    for test in x:
        train = [s for s in x if s != test]
        seen = np.concatenate([y[s] for s in train])
        often = (seen > 0).mean(axis=0) >= 0.10
        genes = np.argsort(-np.where(often, seen.mean(axis=0), -1))[:250]
        z = {s: (v - v.mean(0)) / np.maximum(v.std(0), 1e-6) for s, v in x.items()}
        t = {s: y[s][:, genes] - y[s][:, genes].mean(0) for s in x}
        kept = np.zeros(len(PENALTIES))
        for out in train:
            rest = [s for s in train if s != out]
            fits = ridge(np.concatenate([z[s] for s in rest]), np.concatenate([t[s] for s in rest]),
                         PENALTIES)  # fmt: skip
            kept += [pearson(z[out] @ b, t[out]).mean() for b in fits]
        best = PENALTIES[kept.argmax()]
        fit = ridge(np.concatenate([z[s] for s in train]), np.concatenate([t[s] for s in train]),
                    np.array([best]))[0]  # fmt: skip
        found.append(pearson(z[test] @ fit, t[test]).mean())
        print(f"{test}: r {found[-1]:.3f} at penalty {best:.0f}")
    return float(np.mean(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the same: it takes a minute")
    parser.add_argument("--um-per-px", type=float, default=0.7)
    parser.add_argument("--pixels", type=int, default=160)
    parser.add_argument("--scales", type=float, nargs="+", default=(1.0, 2.0, 4.0))
    add_record(parser)
    args = parser.parse_args()
    data = Path(os.environ.get("STML_DATA", REFERENCE)) / "her2st"
    if not data.is_dir():
        print(f"{data} is absent: nothing to measure (set STML_DATA)")
        return
    with recorded(__file__, args.record):
        measure(data, args)


def measure(data: Path, args: argparse.Namespace) -> None:
    start = time.process_time()
    x = {s: features(data / s, args.um_per_px, args.pixels, tuple(args.scales)) for s in SECTIONS}
    print(f"{sum(map(len, x.values()))} spots, {x['C2'].shape[1]} values, "
          f"{time.process_time() - start:.1f} CPU-s")  # fmt: skip
    values = {s: expression(data / s) for s in SECTIONS}
    known = [set(v[1]) for v in values.values()]
    shared = [g for g in values["C2"][1] if all(g in names for names in known)]
    y = {s: v[:, [g.index(n) for n in shared]] for s, (v, g) in values.items()}
    r = score(x, y)
    ratio("default-features-heg250-within-patient", r, FLOOR, "pearson", r / FLOOR, 1, r >= FLOOR)


if __name__ == "__main__":
    main()
