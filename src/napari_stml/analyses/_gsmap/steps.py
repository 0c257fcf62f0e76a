"""gsMap's steps 1 and 2 on its folders: latent vectors, then gene specificity scores."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._gsmap.latent import LatentChoice, latent
from napari_stml.analyses._gsmap.scores import ScoreChoice, scores, tested_spots, usable
from napari_stml.analyses._shared.progress import at
from napari_stml.core.errors import StmlError
from napari_stml.io.gsmap.gene_places import read_homologs
from napari_stml.io.gsmap.slices import read_slice_mean, write_slice_mean
from napari_stml.io.gsmap.tree import (
    ResultTree,
    fingerprint,
    need,
    note,
    read_sample,
    write_sample,
    write_scores,
)
from napari_stml.methods.expression.normalise import log_per_target
from napari_stml.methods.gsmap.residuals import pearson_residuals
from napari_stml.methods.gsmap.slice_mean import SliceMean, slice_mean

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_stml.core.progress import Progress

    Words = Generator[Progress, None, tuple[str, ...]]

RAW = ("count", "counts", "X")
"""Layers of these names hold raw counts; any other is taken as log-normalised."""
LATENT, COMPONENTS = "latent_GVAE", "latent_PCA"
RESIDUALS = "pearson_residuals"
"""A layer of this name tells step 2 to rank residuals, as gsMap's does."""


def find_latent(
    tree: ResultTree, h5ad: Path, layer: str, annotation: str, choice: LatentChoice,
    *, least_spots: int = 30, threads: int = 1, device: str = "cpu",
) -> Words:  # fmt: skip
    """Step 1: write the sample with latent vectors; rare and missing labels go."""
    yield at(0, "reading the sample")
    data = read_sample(h5ad)
    codes, names = labels_of(data, annotation)
    kept, notes = tested_spots(codes, names, least_spots, data.n_obs)
    data = data[np.flatnonzero(kept)].copy()
    codes = None if codes is None else codes[kept]
    counts = layer_of(data, layer, h5ad)
    seen = usable(counts, data.var_names, str(h5ad))
    data, counts = data[:, seen].copy(), counts[:, np.flatnonzero(seen)]
    logged = layer not in RAW
    if choice.residuals and logged:
        raise StmlError("Pearson residuals need raw counts", where="--data_layer",
                        do=f"give one of {', '.join(RAW)}")  # fmt: skip
    found = yield from latent(
        counts, tuple(data.var_names), positions(data, h5ad), _dense_codes(codes), choice,
        logged=logged, threads=threads, device=device, low=5, high=95,
    )  # fmt: skip
    data.obsm[LATENT], data.obsm[COMPONENTS] = found.values, found.components
    if choice.residuals:
        data.layers[RESIDUALS] = pearson_residuals(counts)
    data.X = counts if logged else log_per_target(counts, 1e4)
    if not logged:
        data.layers["counts"] = counts
    write_sample(data, tree.latent)
    note(tree.latent, {"h5ad": str(h5ad), "layer": layer, "annotation": annotation,
                       **asdict(choice)})  # fmt: skip
    return (*notes, *found.notes, f"written: {tree.latent}")


def latent_to_gene(
    tree: ResultTree, h5ad: Path | None, annotation: str, key: str, choice: ScoreChoice,
    *, homologs: str = "", slices: str = "", layer: str = "", least_spots: int = 1,
) -> Words:  # fmt: skip
    """Step 2: write specificity scores, and the sample as it was scored.

    Parameters
    ----------
    h5ad
        A sample with its own embedding ``key``; None takes what step 1 wrote.
    layer
        Raw counts of this layer are log-normalised; empty takes X as it is.
    """
    yield at(0, "reading the sample")
    source = h5ad if h5ad is not None else need(tree.latent, "run-find-latent-representations")
    data = read_sample(source)
    codes, names = labels_of(data, annotation)
    kept, notes = tested_spots(codes, names, least_spots, data.n_obs)
    data = data[np.flatnonzero(kept)].copy()
    codes = None if codes is None else codes[kept]
    if key not in data.obsm:
        raise StmlError(f"The sample has no embedding '{key}'", where=source,
                        do=f"choose one of {', '.join(data.obsm) or 'none'}")  # fmt: skip
    if RESIDUALS in data.layers and not choice.residuals:
        choice = replace(choice, residuals=True, rules=replace(choice.rules, residuals=True))
        notes = (*notes, f"the sample has a layer {RESIDUALS}: residuals are ranked")
    if choice.residuals:
        counts = layer_of(data, "counts" if "counts" in data.layers else layer or "X", source)
    else:
        counts = layer_of(data, layer or "X", source)
    logged = not choice.residuals and layer not in RAW
    table = read_homologs(homologs) if homologs else None
    mean = SliceMean(*read_slice_mean(slices)) if slices else None
    found = yield from scores(
        counts, tuple(map(str, data.var_names)), positions(data, source), data.obsm[key], codes,
        choice, homologs=table, slices=mean, logged=logged, low=5, high=90,
    )  # fmt: skip
    yield at(90, "writing")
    write_scores(tree.scores, found.genes, tuple(data.obs_names), found.values)
    write_sample(data, tree.latent)
    note(tree.scores, {"input": fingerprint(tree.latent), "embedding": key, "homologs": homologs,
                       "slices": slices, "annotation": annotation, **asdict(choice)})  # fmt: skip
    return (*notes, *found.notes, f"written: {tree.scores}")


def create_slice_mean(files: Sequence[Path], layer: str, homologs: str, out: Path) -> Words:
    """The mean over several samples, of the genes that all have (by human name where renamed)."""
    table = read_homologs(homologs) if homologs else None
    matrices, genes = [], []
    for i, path in enumerate(files):
        yield at(20 * i / len(files), f"reading {path.name}")
        data = read_sample(path)
        matrix, names = layer_of(data, layer, path), tuple(map(str, data.var_names))
        if table is not None:
            columns, names = table.renamed(names)
            matrix = matrix[:, columns]
        matrices.append(matrix)
        genes.append(names)
    steps = slice_mean(matrices, genes)
    while True:
        try:
            fraction = next(steps)
        except StopIteration as end:
            found: SliceMean = end.value
            break
        yield at(20 + 78 * fraction, "ranks")
    write_slice_mean(out, found.genes, found.mean, found.share)
    return (f"{len(found.genes)} genes of {len(files)} samples", f"written: {out}")


def labels_of(data: Any, annotation: str) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """Codes and names of a column of labels; missing ones are -1."""
    if not annotation:
        return None, ()
    if annotation not in data.obs:
        raise StmlError(f"There is no column '{annotation}'", where="--annotation",
                        do=f"choose one of {', '.join(map(str, data.obs))}")  # fmt: skip
    column = data.obs[annotation].astype("category").cat.remove_unused_categories()
    return np.asarray(column.cat.codes, np.int64), tuple(map(str, column.cat.categories))


def layer_of(data: Any, layer: str, where: object) -> Any:
    from scipy.sparse import csr_matrix

    if layer != "X" and layer not in data.layers:
        raise StmlError(f"There is no layer '{layer}'", where=where,
                        do=f"choose one of X, {', '.join(data.layers)}")  # fmt: skip
    return csr_matrix(data.X if layer == "X" else data.layers[layer]).astype(np.float32)


def positions(data: Any, where: object) -> NDArray[np.float64]:
    if "spatial" not in data.obsm:
        raise StmlError("The sample has no positions (obsm 'spatial')", where=where)
    return np.asarray(data.obsm["spatial"], dtype=np.float64)[:, :2]


def _dense_codes(codes: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    return None if codes is None else np.unique(codes, return_inverse=True)[1]
