"""Sections that exist in memory alone."""

from __future__ import annotations

from typing import Any


def spots_section(count: int, lattice: bool) -> Any:
    """Bins on a square lattice, or cells that lie anywhere."""
    import numpy as np

    from napari_stml.core.geometry import ScaleSource, UmPerPx
    from napari_stml.io.contents import Contents, Lattice, Observations
    from napari_stml.io.section import Section

    side = int(np.ceil(count**0.5))
    rows, cols = (a.ravel()[:count] for a in np.mgrid[:side, :side])
    xy = np.column_stack([cols, rows]) * 20.0 + 10.0
    if not lattice:
        xy += np.random.default_rng(0).normal(0, 6, xy.shape)
    names = np.array([f"s{i}" for i in range(count)], dtype=object)
    grid = Lattice(rows, cols, hexagonal=False, pitch_px=20.0) if lattice else None
    observed = Observations("bins" if lattice else "cells", names, xy, 10.0, grid)
    scale = UmPerPx.square(0.5, ScaleSource.USER)
    contents = Contents("bench", "bench", observations=observed, um_per_px=scale)
    return Section("bench", contents, {})
