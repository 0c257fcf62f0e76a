"""The latent representation of gsMap's first step, trained on a section's expression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._shared.progress import at, span
from napari_stml.core.errors import StmlError
from napari_stml.core.progress import Progress
from napari_stml.methods.embedding.pca import components
from napari_stml.methods.expression.normalise import log_per_target, variable_genes
from napari_stml.methods.gsmap.residuals import pearson_residuals

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

SEED = 2024


@dataclass(frozen=True)
class LatentChoice:
    """The options of ``run_find_latent_representations``.

    ``residuals`` takes components of analytic Pearson residuals instead of scaled logarithms.
    """

    variable_genes: int = 3000
    components: int = 300
    neighbours: int = 11
    epochs: int = 300
    settled: float = 1e-4
    hidden: tuple[int, int] = (256, 128)
    attention: tuple[int, int] = (64, 30)
    dropout: float = 0.1
    rate: float = 1e-3
    seed: int = SEED
    residuals: bool = False


@dataclass(frozen=True)
class Latent:
    """Vectors of the spots, and the components they were made of."""

    values: NDArray[np.float32]
    components: NDArray[np.float32]
    notes: tuple[str, ...]


def latent(
    counts: csr_matrix, genes: Sequence[str], xy: NDArray[np.float64],
    codes: NDArray[np.integer] | None, choice: LatentChoice, *, logged: bool = False,
    device: str = "cpu", threads: int = 1, low: float, high: float,
) -> Generator[Progress, None, Latent]:  # fmt: skip
    """Components of the variable genes, then the network; labels guide it where there are any."""
    n = counts.shape[0]
    if n <= choice.neighbours:
        raise StmlError(
            f"{n} spots are too few for {choice.neighbours} neighbours",
            do="choose a wider scope, or an embedding that is there already",
        )  # fmt: skip
    middle = low + 0.4 * (high - low)
    yield at(low, "variable genes")
    log = counts if logged else log_per_target(counts, 1e4)
    chosen = variable_genes(log, genes, choice.variable_genes, "seurat", 1).chosen
    k = min(choice.components, n - 1, int(chosen.sum()))
    picked = np.flatnonzero(chosen)
    if choice.residuals:
        from scipy.sparse import csr_matrix as csr

        values = csr(pearson_residuals(counts)[:, picked])
    else:
        values = log[:, picked]
    pca = yield from span(
        components(values, k, scale=not choice.residuals), low, middle, "components"
    )
    features = pca.scores.astype(np.float32)
    notes = [f"{features.shape[1]} components of {int(chosen.sum())} variable genes"]
    if k < choice.components:
        notes.append(f"{choice.components} components were asked for; there are no more than {k}")
    receiver, sender = neighbour_links(xy, choice.neighbours)
    vectors, said = yield from _trained(
        features, receiver, sender, codes, choice, device, threads, (middle, high)
    )
    return Latent(vectors, features, (*notes, said))


def neighbour_links(
    xy: NDArray[np.float64], neighbours: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Receiving and sending spots: a spot hears those that have it among their nearest.

    ``neighbours`` counts the spot itself; places that coincide are not linked.
    """
    from sklearn.neighbors import NearestNeighbors

    far, who = NearestNeighbors(n_neighbors=neighbours).fit(xy).kneighbors(xy)
    linked = far > 0
    spot = np.repeat(np.arange(len(xy)), linked.sum(axis=1))
    return who[linked], spot


def _trained(
    features: NDArray[np.float32], receiver: NDArray[np.int64], sender: NDArray[np.int64],
    codes: NDArray[np.integer] | None, choice: LatentChoice, device: str, threads: int,
    percent: tuple[float, float],
) -> Generator[Progress, None, tuple[NDArray[np.float32], str]]:  # fmt: skip
    import torch

    from napari_stml.models.graph_autoencoder import GraphAutoencoder, Sizes, train, with_self

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    low, high = percent
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(choice.seed)
            classes = 0 if codes is None else int(codes.max()) + 1
            sizes = Sizes(features.shape[1], choice.hidden, choice.attention[0], 3,
                          choice.attention[1], classes)  # fmt: skip
            network = GraphAutoencoder(sizes, choice.dropout).to(device)
            links = with_self(_tensor(receiver, device), _tensor(sender, device), len(features))
            labels = None if codes is None else _tensor(np.asarray(codes, np.int64), device)
            steps = train(network, _tensor(features, device), *links, labels, epochs=choice.epochs,
                          rate=choice.rate, settled=choice.settled)  # fmt: skip
            epoch = 0
            while True:
                try:
                    rebuilding, telling = next(steps)
                except StopIteration as end:
                    found = np.asarray(end.value.cpu().numpy(), dtype=np.float32)
                    break
                epoch += 1
                done = round(low + (high - low) * epoch / choice.epochs)
                curves = (("reconstruction", rebuilding), ("labels", telling))
                yield Progress(done, 100, f"graph network, epoch {epoch}",
                               curves if classes else curves[:1])  # fmt: skip
    finally:
        torch.set_num_threads(before)
    return found, f"graph network, {epoch} epochs, seed {choice.seed}"


def _tensor(values: Any, device: str) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(values)).to(device)
