"""Maps in two dimensions: UMAP and t-SNE, started from the principal components.

Both are single native calls: between their begin and end nothing can be reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix


def umap(
    scores: NDArray[np.float64], links: csr_matrix, *, spread_out: float, seed: int,
    epochs: int = 0, before: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:  # fmt: skip
    """UMAP of a ready graph of neighbours (McInnes et al. 2018).

    From the map ``before`` of a similar graph small steps are enough, and what did not change
    stays where it was. ``epochs`` of 0 takes the usual number.
    """
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ImportWarning)  # no tensorflow
        from umap.umap_ import (  # type: ignore[import-untyped]
            find_ab_params,
            simplicial_set_embedding,
        )

    a, b = find_ab_params(1.0, spread_out)
    n = len(scores)
    embedding, _ = simplicial_set_embedding(
        data=scores, graph=links.tocoo(copy=True), n_components=2,
        initial_alpha=1.0 if before is None else 0.3, a=a, b=b,
        gamma=1.0, negative_sample_rate=5, n_epochs=epochs or (500 if n <= 10_000 else 200),
        init=_start(scores, 10.0, seed) if before is None else before,
        random_state=np.random.RandomState(seed), metric="euclidean", metric_kwds={},
        densmap=False, densmap_kwds={}, output_dens=False,
        parallel=False,
    )  # fmt: skip
    return np.asarray(embedding, dtype=np.float32)


def tsne(scores: NDArray[np.float64], *, perplexity: float, seed: int) -> NDArray[np.float32]:
    """t-SNE by Barnes and Hut's approximation."""
    from sklearn.manifold import TSNE

    start = _start(scores, 1e-4, seed)
    model = TSNE(perplexity=perplexity, init=start, random_state=seed, learning_rate="auto")
    return np.asarray(model.fit_transform(scores), dtype=np.float32)


def _start(scores: NDArray[np.float64], size: float, seed: int) -> NDArray[np.float32]:
    """Two components scaled to ``size``; a little noise stands in for a missing second one."""
    first = scores[:, :2]
    if first.shape[1] < 2:
        noise = np.random.default_rng(seed).normal(scale=1e-2 * first.std(), size=len(first))
        first = np.column_stack([first, noise])
    largest = float(np.abs(first).max()) or 1.0
    return np.asarray(first / largest * size, dtype=np.float32)
