"""Sections for the benchmarks of expression: counts, places, default features and tiles.

Computed once and kept in ``benchmarks/.cache`` (ignored by git): features cost minutes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from napari_stml.core.geometry import ScaleSource, UmPerPx
from napari_stml.io.slides.array import ArraySlide
from napari_stml.slide.context import SCALES, context_names, encode_at
from napari_stml.slide.encoders.basic import VERSION
from napari_stml.slide.grid import Canvas, centred_on
from napari_stml.slide.reading import TileReader

CACHE = Path(__file__).parents[1] / ".cache"
REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "data"
HER2ST_PITCH_UM = 200.0
WIDTH_UM = 112.0
SIDE = 64


@dataclass(frozen=True)
class Sampled:
    """One section: ``tiles`` are (n, 64, 64, 3) uint8, ``features`` the default ones."""

    name: str
    counts: csr_matrix
    genes: tuple[str, ...]
    xy_um: np.ndarray
    pitch_um: float
    features: np.ndarray
    columns: tuple[str, ...]
    tiles: np.ndarray
    truth: dict[str, np.ndarray]


def her2st_folder() -> Path:
    return Path(os.environ.get("STML_DATA", REFERENCE)) / "her2st"


def her2st(name: str, um_per_px: float, tile_um: float) -> Sampled:
    """A real section, seen at ``um_per_px`` (0: its own), tiles ``tile_um`` wide."""
    import anndata as ad

    folder = her2st_folder() / name
    adata = ad.read_h5ad(folder / "counts.h5ad")
    xy = np.asarray(adata.obsm["spatial"], dtype=float)
    array = adata.obs[["array_x_adj", "array_y_adj"]].to_numpy(float)
    scale = HER2ST_PITCH_UM / _pitch(array, xy)

    def picture() -> np.ndarray:
        from PIL import Image

        Image.MAX_IMAGE_PIXELS = None
        file = next(folder.glob("image*.jpg"))
        return np.asarray(Image.open(file).convert("RGB"))

    um = max(um_per_px, scale)
    key = f"her2st-{name}-{um:.3f}-{tile_um:g}"
    features, tiles = _seen(key, picture, scale, xy, um, tile_um)
    label = adata.obs["label"].astype(str).to_numpy()
    return Sampled(
        name, csr_matrix(adata.X).astype(np.float32), tuple(adata.var_names), xy * scale,
        HER2ST_PITCH_UM, features, context_names(), tiles, {"label": label},
    )  # fmt: skip


def demo(seed: int, tile_um: float = WIDTH_UM) -> Sampled:
    """Section 1 of a demo of this seed."""
    from napari_stml.demo.lattice import PITCH_UM
    from napari_stml.demo.section import sections

    programs, (tissue, *_) = sections(seed)
    um = tissue.spec.um_per_px
    xy = tissue.lattice.xy_um
    features, tiles = _seen(f"demo-{seed}-{um:.3f}-{tile_um:g}", tissue.picture, um, xy / um,
                            um, tile_um)  # fmt: skip
    return Sampled(
        f"demo {seed}", csr_matrix(tissue.rna).astype(np.float32), tuple(programs.names), xy,
        PITCH_UM, features, context_names(), tiles,
        {"pathways": np.asarray(tissue.truth.pathways),
         "proportions": np.asarray(tissue.truth.proportions),
         "domain": np.asarray(tissue.truth.domain)},
    )  # fmt: skip


def _pitch(array: np.ndarray, xy: np.ndarray) -> float:
    """Pixels per array step; the picture may lie turned."""
    design = np.column_stack([array, np.ones(len(array))])
    turn = np.linalg.lstsq(design, xy, rcond=None)[0][:2]
    return float(np.sqrt(abs(np.linalg.det(turn))))


def _seen(key: str, picture, scale: float, xy: np.ndarray, um: float, tile_um: float):
    """Default features at ``um`` per pixel, and small tiles."""
    CACHE.mkdir(exist_ok=True)
    kept, cut = (CACHE / f"{key.rsplit('-', 1)[0]}-features{VERSION}.npy",
                 CACHE / f"{key}-tiles.npy")  # fmt: skip
    if not (kept.exists() and cut.exists()):
        per = UmPerPx.square(scale, ScaleSource.PITCH)
        pixels = picture()
        slide = ArraySlide(pixels, um_per_px=per)
        canvas = Canvas(slide.width, slide.height, per, key)
        if not cut.exists():
            grid = centred_on(xy, canvas, SIDE, tile_um / SIDE, upsample=True)
            tiles = np.empty((len(xy), SIDE, SIDE, 3), dtype=np.uint8)
            for batch in TileReader(slide, grid).batches(64):
                tiles[batch.index] = batch.pixels
            np.save(cut, tiles)
        if not kept.exists():
            found = encode_at(slide, canvas, xy, max(16, round(WIDTH_UM / um)), um, SCALES)
            np.save(kept, found)
    return np.load(kept), np.load(cut)


if __name__ == "__main__":
    import sys
    import time

    for wanted in sys.argv[1:]:
        start = time.process_time()
        kind, *rest = wanted.split(":")
        found = demo(int(rest[0]), float(rest[1])) if kind == "demo" else her2st(
            kind, float(rest[0]), float(rest[1]))  # fmt: skip
        print(wanted, found.features.shape, found.tiles.shape, f"{time.process_time() - start:.0f}"
              " CPU-s", flush=True)  # fmt: skip
