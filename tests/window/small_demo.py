"""A folder like the demo's: two sections of one store, of some hundred spots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path


def write_small_demo(folder: Path) -> Path:
    """Write ``demo.zarr`` and its gene sets, with the names that the documentation uses."""
    import anndata as ad
    from spatialdata import SpatialData

    from napari_stml.demo import genes, store
    from napari_stml.demo.expression import Programs
    from napari_stml.demo.section import SectionSpec, grow

    small = {"size_um": 1200.0, "um_per_px": 4.0, "tissue_um2": 0.6e6, "n_rows": 14, "n_cols": 11}
    same = {"batch": 0.2, "h_gain": 1.0, "e_gain": 1.0, "rna": True, "connected": False}
    streams = np.random.default_rng(0).spawn(3)
    programs, taken = Programs.random(streams[0]), set[str]()
    found: dict[str, Any] = {}
    for rng, name, protein in zip(
        streams[1:], ("section1", "section2"), (False, True), strict=True
    ):
        spec = SectionSpec(name=name, protein=protein, **small, **same)  # type: ignore[arg-type]
        found |= store.elements(grow(rng, spec, programs, taken), programs.names)
    with ad.settings.override(auto_shard_zarr_v3=False):
        SpatialData.init_from_elements(found).write(folder / "demo.zarr")
    sets = [f"{name}\tdemo\t" + "\t".join(members) for name, members in genes.PATHWAYS.items()]
    (folder / "pathways.gmt").write_text("\n".join(sets), encoding="utf-8")
    return folder
