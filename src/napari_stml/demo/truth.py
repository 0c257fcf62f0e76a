"""What is true of every spot: domain, niche, cell types, pathway activities, module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from napari_stml.demo.anatomy import ADIPOCYTE, CELL_TYPES, Cells
from napari_stml.demo.fields import Field, FloatArray
from napari_stml.demo.layout import ADIPOSE, DOMAINS, GLAND, IMMUNE, STROMA, TUMOUR, Layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.demo.lattice import Lattice

NICHES = ("tumour core", "tumour edge", "stroma", "gland", "lymphoid", "adipose")
N_MODULES = 6
_EDGE_INFILTRATION = 0.30
_KERNEL_UM = 30.0
_ADIPOCYTE_SIZE = 6.0
"""A spot sees few nuclei of fat cells, but much of their cytoplasm."""


@dataclass(frozen=True)
class Truth:
    """Per spot: codes into `DOMAINS`, `NICHES` and modules; proportions; pathway activities."""

    domain: NDArray[np.int64]
    niche: NDArray[np.int64]
    proportions: FloatArray
    pathways: FloatArray
    module: NDArray[np.int64]
    region: FloatArray

    @property
    def domain_names(self) -> NDArray[np.object_]:
        return np.array(DOMAINS, dtype=object)[self.domain]

    @property
    def niche_names(self) -> NDArray[np.object_]:
        return np.array(NICHES, dtype=object)[self.niche]


def observe(rng: np.random.Generator, layout: Layout, cells: Cells, lattice: Lattice) -> Truth:
    """Read the truth off the drawn tissue."""
    xy = lattice.xy_um
    weights = layout.weights_at(xy)
    infiltration, hypoxia = layout.infiltration_at(xy), layout.hypoxia_at(xy)
    domain = weights.argmax(axis=1)
    niche = np.array([0, 2, 3, 4, 5])[domain]
    niche[(domain == TUMOUR) & (infiltration > _EDGE_INFILTRATION)] = 1

    def slow(spacing_um: float) -> FloatArray:
        return Field.random(rng, layout.width_um, layout.height_um, spacing_um).at(xy)

    ups_and_downs = np.exp(0.35 * np.stack([slow(450.0) for _ in range(5)], axis=1))
    drivers = np.stack(
        [
            weights[:, TUMOUR] * hypoxia,
            infiltration * (1 - weights[:, ADIPOSE]) * (0.5 + 0.5 * weights[:, TUMOUR])
            + 0.5 * weights[:, IMMUNE],
            weights[:, STROMA],
            weights[:, GLAND],
            weights[:, ADIPOSE],
        ],
        axis=1,
    )
    return Truth(
        domain=domain.astype(np.int64), niche=niche.astype(np.int64),
        proportions=_proportions(rng, cells, lattice), pathways=drivers * ups_and_downs,
        module=_modules(rng, layout, xy), region=slow(1500.0),
    )  # fmt: skip


def _proportions(rng: np.random.Generator, cells: Cells, lattice: Lattice) -> FloatArray:
    """Cell types in and about the spot, as drawn, with the noise of what is captured."""
    pairs = cKDTree(lattice.xy_um).sparse_distance_matrix(
        cKDTree(cells.xy_um), 2.5 * _KERNEL_UM, output_type="coo_matrix"
    )
    kernel = np.exp(-0.5 * (pairs.data / _KERNEL_UM) ** 2)
    seen = sparse.csr_matrix((kernel, (pairs.row, pairs.col)), shape=pairs.shape)
    kind = sparse.csr_matrix(
        (np.ones(len(cells)), (np.arange(len(cells)), cells.cell_type)),
        shape=(len(cells), len(CELL_TYPES)),
    )
    amount = (seen @ kind).toarray() + 0.02
    amount[:, ADIPOCYTE] *= _ADIPOCYTE_SIZE
    share = amount / amount.sum(axis=1, keepdims=True)
    caught = rng.gamma(40.0 * share + 0.05)
    return np.asarray(caught / caught.sum(axis=1, keepdims=True))


def _modules(rng: np.random.Generator, layout: Layout, xy: FloatArray) -> NDArray[np.int64]:
    """Bent stripes of equal size across all domains; a module is two stripes far apart."""
    turn = rng.uniform(0, np.pi)
    wave = Field.random(rng, layout.width_um, layout.height_um, 1200.0).at(xy)
    along = xy @ np.array([np.cos(turn), np.sin(turn)]) + 110.0 * wave
    rank = np.empty(len(xy), dtype=np.int64)
    rank[np.argsort(along, kind="stable")] = np.arange(len(xy))
    return rank * (2 * N_MODULES) // len(xy) % N_MODULES


def connectivity(rng: np.random.Generator, module: NDArray[np.int64]) -> sparse.csr_matrix:
    """Symmetric strengths in (0, 1): strong and frequent within a module, weak and rare between.

    The diagonal is empty. A threshold of 0.25 leaves few links between modules.
    """
    n = len(module)
    i, j = np.triu_indices(n, k=1)
    same = module[i] == module[j]
    linked = rng.random(len(i)) < np.where(same, 0.06, 0.0035)
    i, j, same = i[linked], j[linked], same[linked]
    value = np.where(same, rng.beta(6, 4, len(i)), rng.beta(2, 10, len(i))).astype(np.float32)
    value = np.maximum(value, np.float32(0.01))
    upper = sparse.csr_matrix((value, (i, j)), shape=(n, n))
    return (upper + upper.T).tocsr()
