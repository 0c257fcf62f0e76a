"""The demo's sections as one plain SpatialData store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.demo import genes
from napari_stml.demo.anatomy import CELL_TYPES
from napari_stml.demo.lattice import SPOT_UM
from napari_stml.demo.render import RGB, quantised

if TYPE_CHECKING:
    from collections.abc import Callable

    import anndata as ad
    import pandas as pd
    from numpy.typing import NDArray

    from napari_stml.demo.fields import FloatArray
    from napari_stml.demo.section import Tissue

CHUNK_PX = 512
_SMALLEST_LEVEL_PX = 600

Elements = dict[str, Any]


def pyramid(picture: RGB) -> list[RGB]:
    """Halved until small, each pixel the mean of four, on the same grey steps as level 0."""
    levels = [picture]
    while max(levels[-1].shape[:2]) > _SMALLEST_LEVEL_PX:
        h, w = (n // 2 * 2 for n in levels[-1].shape[:2])
        fine = levels[-1][:h, :w].astype(np.uint16)
        four = fine[::2, ::2] + fine[1::2, ::2] + fine[::2, 1::2] + fine[1::2, 1::2]
        levels.append(quantised(four * np.float32(0.25)))
    return levels


def elements(
    tissue: Tissue, programs_names: tuple[str, ...], on_part: Callable[[float], None] | None = None
) -> Elements:
    """All elements of one section, by name; their coordinate system is the section's name."""
    name = tissue.spec.name
    spots = f"{name}_spots"
    found: Elements = {
        f"{name}_he": _image(tissue.picture(on_part), name),
        spots: _spots(tissue),
        f"{name}_cells": _cells(tissue),
    }
    if tissue.spec.rna:
        found[f"{name}_rna"] = _rna_table(tissue, programs_names, spots)
    if tissue.spec.protein:
        found[f"{name}_protein"] = _protein_table(tissue, programs_names, spots)
    return found


def _image(picture: RGB, system: str) -> Any:
    """A multiscale image in spatialdata's form that holds our own levels, not its means."""
    import dask.array
    from spatialdata.models import Image2DModel
    from spatialdata.transformations import Identity

    from_array: Any = dask.array.from_array
    levels = [
        from_array(np.ascontiguousarray(level.transpose(2, 0, 1)), chunks=(3, CHUNK_PX, CHUNK_PX))
        for level in pyramid(picture)
    ]
    image = Image2DModel.parse(
        levels[0], dims=("c", "y", "x"), c_coords=["r", "g", "b"],
        scale_factors=[2] * (len(levels) - 1), transformations={system: Identity()},
    )  # fmt: skip
    for i, level in enumerate(levels):
        image[f"scale{i}"]["image"].data = level
    return image


def _px(tissue: Tissue, xy_um: FloatArray) -> FloatArray:
    return xy_um / tissue.spec.um_per_px


def _spots(tissue: Tissue) -> Any:
    import pandas as pd
    from spatialdata.models import ShapesModel
    from spatialdata.transformations import Identity

    shapes = ShapesModel.parse(
        _px(tissue, tissue.lattice.xy_um), geometry=0,
        radius=SPOT_UM / 2 / tissue.spec.um_per_px,
        index=pd.Index(tissue.lattice.barcodes, dtype=object),
        transformations={tissue.spec.name: Identity()},
    )  # fmt: skip
    return shapes


def _cells(tissue: Tissue) -> Any:
    import pandas as pd
    from spatialdata.models import PointsModel
    from spatialdata.transformations import Identity

    cells = tissue.cells
    px = _px(tissue, cells.xy_um).astype(np.float32)
    kinds = pd.Categorical(np.array(CELL_TYPES, dtype=object)[cells.cell_type])
    frame = pd.DataFrame({"x": px[:, 0], "y": px[:, 1], "cell_type": kinds})
    return PointsModel.parse(
        frame, coordinates={"x": "x", "y": "y"}, feature_key="cell_type",
        transformations={tissue.spec.name: Identity()},
    )  # fmt: skip


def _rna_table(tissue: Tissue, names: tuple[str, ...], spots: str) -> Any:
    import anndata as ad
    import pandas as pd

    var = pd.DataFrame(index=pd.Index(names, dtype=object))
    var["mt"] = [n.startswith("MT-") for n in names]
    for pathway, members in genes.PATHWAYS.items():
        var[f"truth_{pathway}"] = np.isin(names, members)
    table = ad.AnnData(tissue.rna.astype(np.float32), obs=_obs(tissue, spots), var=var)
    if not tissue.spec.protein:
        table.obsm["truth_protein"] = _frame(table, tissue.protein, tuple(genes.PROTEINS))
    if tissue.connectivity is not None:
        table.obsp["connectivity"] = tissue.connectivity
    return _finish(table, tissue, spots)


def _protein_table(tissue: Tissue, names: tuple[str, ...], spots: str) -> Any:
    import anndata as ad
    import pandas as pd
    from scipy import sparse

    var = pd.DataFrame(index=pd.Index(list(genes.PROTEINS), dtype=object))
    var["truth_cell_type"] = pd.Categorical(list(genes.PROTEINS.values()))
    counts = sparse.csr_matrix(tissue.protein.astype(np.float32))
    table = ad.AnnData(counts, obs=_obs(tissue, spots), var=var)
    if not tissue.spec.rna:
        markers = tuple(dict.fromkeys(g for group in genes.MARKERS.values() for g in group))
        columns = [names.index(g) for g in markers]
        table.obsm["truth_rna"] = _frame(table, tissue.rna[:, columns].toarray(), markers)
    return _finish(table, tissue, spots)


def _obs(tissue: Tissue, spots: str) -> pd.DataFrame:
    import pandas as pd

    truth, grid = tissue.truth, tissue.lattice
    modules = np.array([f"module {m + 1}" for m in truth.module], dtype=object)
    return pd.DataFrame(
        {
            "region": pd.Categorical([spots] * len(grid)),
            "barcode": grid.barcodes,
            "in_tissue": np.ones(len(grid), dtype=np.int64),
            "array_row": grid.rows,
            "array_col": grid.cols,
            "truth_domain": pd.Categorical(truth.domain_names),
            "truth_niche": pd.Categorical(truth.niche_names),
            "truth_module": pd.Categorical(modules),
        },
        index=pd.Index(grid.barcodes, dtype=object),
    )


def _frame(table: ad.AnnData, values: NDArray[Any], columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        values.astype(np.float32), index=table.obs_names, columns=pd.Index(columns, dtype=object)
    )


def _finish(table: ad.AnnData, tissue: Tissue, spots: str) -> Any:
    from spatialdata.models import TableModel

    table.obsm["spatial"] = _px(tissue, tissue.lattice.xy_um)
    table.obsm["truth_proportions"] = _frame(table, tissue.truth.proportions, CELL_TYPES)
    table.obsm["truth_pathways"] = _frame(table, tissue.truth.pathways, tuple(genes.PATHWAYS))
    if not tissue.spec.connected:
        del table.obs["truth_module"]
    return TableModel.parse(table, region=spots, region_key="region", instance_key="barcode")
