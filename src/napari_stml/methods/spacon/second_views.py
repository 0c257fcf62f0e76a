"""Connections for sections without a map of them: alike in expression, in look, or signalling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.methods.expression.signals import SIGNALS
from napari_stml.methods.neighbours import nearest
from napari_stml.methods.spacon.connection_graph import filtered

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

BLOCK = 16_000_000


def alike(points: NDArray[np.float64], k: int) -> Generator[float, None, csr_matrix]:
    """Link every spot with the ``k`` most similar others, both ways; nearer ones weigh more."""
    if not np.isfinite(points).all():
        raise StmlError("Some spots have no features", do="choose a scope in which all have them")
    near = yield from nearest.nearest(points, min(k, len(points) - 1))
    return nearest.weights(*near)


def signalling(
    log: csr_matrix, genes: Sequence[str], k: int, pairs: Sequence[tuple[str, str]] = SIGNALS
) -> tuple[csr_matrix, tuple[tuple[str, str], ...]]:
    """Link from senders to receivers: the ``k`` strongest of each spot, and the pairs used.

    The strength is the mean over pairs of ligand here times receptor there, each divided by its
    largest value, so that no pair outweighs the others by its level alone.
    """
    from scipy.sparse import csr_matrix as csr
    from scipy.sparse import vstack

    place = {g.upper(): i for i, g in enumerate(genes)}
    used = [(a, b) for a, b in pairs if a.upper() in place and b.upper() in place]
    ligand = _levels(log, [place[a.upper()] for a, _ in used])
    receptor = _levels(log, [place[b.upper()] for _, b in used])
    there = (ligand.max(axis=0, initial=0) > 0) & (receptor.max(axis=0, initial=0) > 0)
    if not there.any():
        raise StmlError(
            "No ligand and receptor of a known pair are expressed here", where="connections",
            do="choose another second view",
        )  # fmt: skip
    ligand, receptor = ligand[:, there], receptor[:, there]
    n = log.shape[0]
    step = max(1, BLOCK // n)
    parts = []
    for start in range(0, n, step):
        block = (ligand[start : start + step] @ receptor.T) / int(there.sum())
        own = np.arange(start, start + len(block))
        block[own - start, own] = 0
        parts.append(csr(filtered(block, 0.0, k)))
    links = vstack(parts, format="csr").astype(np.float32)
    return links, tuple(p for p, t in zip(used, there, strict=True) if t)


def _levels(log: csr_matrix, columns: Sequence[int]) -> NDArray[Any]:
    values = log[:, list(columns)].toarray().astype(np.float64)
    return np.asarray(values / np.maximum(values.max(axis=0, initial=0), 1e-12))
