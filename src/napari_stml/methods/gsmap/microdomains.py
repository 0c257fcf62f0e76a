"""Microdomains: the spots around a spot that are most like it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

ROWS = 512


def microdomains(
    xy: NDArray[np.floating], latent: NDArray[np.floating], labels: NDArray[np.integer] | None,
    *, near: int = 101, alike: int = 21,
) -> Generator[float, None, csr_matrix]:  # fmt: skip
    """Give the members of each spot's microdomain, itself among them: rows of ones.

    Of the ``near`` nearest spots (of the same label) those ``alike`` are taken whose latent
    vectors have the largest cosine similarity; all of them where the label has fewer.
    """
    from scipy.sparse import csr_matrix as csr

    if alike > near:
        raise StmlError(
            f"{alike} similar spots cannot be chosen from {near} near ones",
            do="raise the number of near spots, or lower that of similar ones",
        )  # fmt: skip
    n = len(xy)
    unit = _unit(latent)
    members = np.empty(n, dtype=object)
    groups = [np.arange(n)] if labels is None else [
        np.flatnonzero(labels == code) for code in np.unique(labels)
    ]  # fmt: skip
    done = 0
    for group in groups:
        candidates = _nearest(xy[group], min(near, len(group)))
        keep = min(alike, len(group))
        for start in range(0, len(group), ROWS):
            own = group[start : start + ROWS]
            around = group[candidates[start : start + ROWS]]
            similarity = np.einsum("sd,skd->sk", unit[own], unit[around])
            order = np.argsort(-similarity, axis=1, kind="stable")[:, :keep]
            for spot, row in zip(own, np.take_along_axis(around, order, axis=1), strict=True):
                members[spot] = row
            done += len(own)
            yield done / n
    indptr = np.concatenate([[0], np.cumsum([len(m) for m in members])])
    indices = np.concatenate(members.tolist()).astype(np.int32)
    return csr((np.ones(len(indices), np.float32), indices, indptr.astype(np.int32)), shape=(n, n))


def _nearest(xy: NDArray[np.floating], k: int) -> NDArray[np.int64]:
    """The ``k`` nearest, itself among them; ties as scikit-learn breaks them (gsMap uses it)."""
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=k).fit(xy).kneighbors(xy, return_distance=False)
    return np.asarray(found, dtype=np.int64)


def _unit(latent: NDArray[np.floating]) -> NDArray[np.float32]:
    values = np.asarray(latent, dtype=np.float32)
    if not np.isfinite(values).all():
        raise StmlError("The latent representation has missing values",
                        do="choose one that covers every spot of the scope")  # fmt: skip
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(
        np.divide(values, length, out=np.zeros_like(values), where=length > 0), dtype=np.float32
    )
