"""Spatial LDSC through torch, for a GPU: the same sums, larger tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.methods.gsmap.halves import by_gene
from napari_stml.methods.gsmap.regression import Estimate, Running

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_stml.methods.gsmap.regression import Design
    from napari_stml.methods.gsmap.spot_scores import Weights

    F32 = NDArray[np.float32]
    F64 = NDArray[np.float64]

SPOTS, SNPS = 1024, 16_384
"""A tile: 64 MB of f32, three of which are held."""


def device_maps(
    weights: Weights, specificity: NDArray[np.floating], designs: Sequence[Design], of_genes: F64,
    device: str,
) -> Generator[float, None, list[Estimate]]:  # fmt: skip
    """Regress every trait on every spot; ``of_genes`` are sums of N times weight per gene."""
    import torch

    matrix, total = weights.matrix, max(int(d.rows[-1]) + 1 for d in designs)
    parts = [_rows(matrix, i, min(i + SNPS, total), device) for i in range(0, total, SNPS)]
    shared = [_Columns(d, device) for d in designs]
    found: list[list[Estimate]] = []
    groups = range(0, len(specificity), SPOTS)
    for done, first in enumerate(groups):
        own = by_gene(specificity[first : first + SPOTS])
        sums = of_genes @ own
        spots = torch.from_numpy(own).to(device)
        runs = [
            _OnDevice(d, d.heritability(sums[t]), own.shape[1], shared[t], device)
            for t, d in enumerate(designs)
        ]
        for k, part in enumerate(parts):
            tile: Any = part @ spots
            for run in runs:
                run.add(tile, k * SNPS, min((k + 1) * SNPS, total))
            yield (done + (k + 1) / len(parts)) / len(groups)
        found.append([run.collected() for run in runs])
    return [
        Estimate(
            np.concatenate([f[t].beta for f in found]), np.concatenate([f[t].se for f in found])
        )
        for t in range(len(designs))
    ]


class _Columns:
    """What all spots share of a trait, on the device."""

    def __init__(self, design: Design, device: str) -> None:
        import torch

        def there(values: F32) -> Any:
            return torch.from_numpy(np.ascontiguousarray(values)).to(device)

        self.base, self.inverse, self.one_n = (
            there(v)[:, None] for v in (design.baseline_sum, design.inverse_weight, design.one_n)
        )
        self.of_weight, self.of_score, self.of_square = (
            there(v) for v in (design.of_weight, design.of_score, design.of_square)
        )


class _OnDevice(Running):
    """The sums of one trait, kept on the device until all SNPs are in."""

    most = SNPS

    def __init__(self, design: Design, h: F32, spots: int, shared: _Columns, device: str) -> None:
        import torch

        super().__init__(design, h, spots)
        self._shared = shared
        self._slope = torch.from_numpy(np.ascontiguousarray(self.slope)).to(device)
        self._sums = torch.zeros(self.sums.shape, dtype=torch.float64, device=device)

    def weigh(self, score: Any, at: int, end: int, block: int) -> None:
        shared, own = self._shared, slice(at, end)
        u = shared.one_n[own] + (score + shared.base[own]).clamp_(min=1) * self._slope
        weight = shared.inverse[own] / (u * u)
        sums, k = self._sums[block], len(shared.of_weight)
        sums[:k] += shared.of_weight[:, own] @ weight
        weight = weight * score
        sums[k:-1] += shared.of_score[:, own] @ weight
        weight = weight * score
        sums[-1:] += shared.of_square[:, own] @ weight

    def collected(self) -> Estimate:
        self.sums = self._sums.cpu().numpy()
        return self.estimate()


def _rows(matrix: Any, first: int, last: int, device: str) -> Any:
    import torch

    part = matrix[first:last]
    return torch.sparse_csr_tensor(
        torch.from_numpy(part.indptr.astype(np.int64)),
        torch.from_numpy(part.indices.astype(np.int64)), torch.from_numpy(part.data),
        size=part.shape, check_invariants=False,
    ).to(device)  # fmt: skip
