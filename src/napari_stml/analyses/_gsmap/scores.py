"""From a section's expression to gene specificity scores: steps 1 and 2 of gsMap."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._shared.progress import at, span
from napari_stml.core.errors import StmlError
from napari_stml.methods.expression.checks import not_scaled
from napari_stml.methods.expression.normalise import log_per_target
from napari_stml.methods.gsmap import microdomains, ranks, residuals, slice_mean
from napari_stml.methods.gsmap.specificity import Rules, specificity

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from napari_stml.core.progress import Progress
    from napari_stml.io.gsmap.gene_places import Homologs

IN_MEMORY = 1 << 30
"""Larger score matrices lie in a temporary file."""


@dataclass(frozen=True)
class ScoreChoice:
    """How specificity is computed."""

    rules: Rules = Rules()  # noqa: RUF009 - frozen
    alike: int = 21
    near: int = 101
    residuals: bool = False


@dataclass(frozen=True)
class Scores:
    """Specificity (spots, genes) of the genes that are left."""

    values: NDArray[Any]
    genes: tuple[str, ...]
    columns: NDArray[np.int64]
    notes: tuple[str, ...]


def tested_spots(
    codes: NDArray[np.integer] | None, names: Sequence[str], least: int, spots: int
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Spots with a label that is not rare; all where there are no labels."""
    if codes is None:
        return np.ones(spots, dtype=bool), ()
    count = np.bincount(codes[codes >= 0], minlength=len(names))
    rare = [f"{name} ({k})" for name, k in zip(names, count, strict=True) if 0 < k < least]
    kept = (codes >= 0) & (np.append(count, 0)[codes] >= least)
    notes = []
    if (codes < 0).any():
        notes.append(f"{int((codes < 0).sum())} spots without a label are not tested")
    if rare:
        notes.append(f"labels under {least} spots are not tested: {', '.join(rare)}")
    if not kept.any():
        raise StmlError(
            f"No label has {least} spots", where=", ".join(rare) or "the annotation",
            do="lower the smallest label (--least-spots), or leave the annotation out",
        )  # fmt: skip
    return kept, tuple(notes)


def scores(
    counts: csr_matrix, genes: Sequence[str], xy: NDArray[np.float64], latent: NDArray[Any],
    codes: NDArray[np.integer] | None, choice: ScoreChoice, *, homologs: Homologs | None = None,
    slices: slice_mean.SliceMean | None = None, logged: bool = False, low: float, high: float,
) -> Generator[Progress, None, Scores]:  # fmt: skip
    """Score the genes of some spots.

    Parameters
    ----------
    counts
        Raw counts of the spots that are tested; with ``logged`` values that are taken as they are.
    """
    step = (high - low) / 10
    columns, names, notes = _chosen_genes(genes, homologs, slices)
    yield at(low, "microdomains")
    domains = yield from span(
        microdomains.microdomains(xy, latent, codes, near=choice.near, alike=choice.alike),
        low, low + 2 * step, "microdomains",
    )  # fmt: skip
    values = counts if logged else log_per_target(counts, 1e4)
    shown = values[:, columns].tocsr()
    shown.eliminate_zeros()
    ranked_values = shown
    if choice.residuals:
        from scipy.sparse import csr_matrix as csr

        ranked_values = csr(residuals.pearson_residuals(counts)[:, columns])
    ordered = yield from span(ranks.ranked(ranked_values), low + 2 * step, low + 4 * step, "ranks")
    rules = Rules(choice.rules.fraction, choice.residuals, choice.rules.exact)
    own = slices.at(names) if slices is not None else None
    out = _place(shown.shape, np.float16 if rules.exact else np.float32)
    found = yield from span(
        specificity(ordered, shown, domains, rules, mean=own.mean if own else None,
                    share=own.share if own else None, out=out),
        low + 4 * step, high, "gene specificity",
    )  # fmt: skip
    nuclear = np.array([not n.startswith(("MT-", "mt-")) for n in names])
    if not nuclear.all():
        found, columns = found[:, nuclear], columns[nuclear]
        names = tuple(n for n, keep in zip(names, nuclear, strict=True) if keep)
    return Scores(found, names, columns, notes)


def usable(counts: csr_matrix, genes: Sequence[str], where: str) -> NDArray[np.bool_]:
    """Genes that are seen in some spot; an error for matrices that are no expression."""
    not_scaled(counts, where)
    seen = np.bincount(counts.indices[counts.data != 0], minlength=len(genes)) > 0
    if not seen.any():
        raise StmlError("The table holds no counts", where=where, do="choose another layer")
    return np.asarray(seen)


def _chosen_genes(
    genes: Sequence[str], homologs: Homologs | None, slices: slice_mean.SliceMean | None
) -> tuple[NDArray[np.int64], tuple[str, ...], tuple[str, ...]]:
    columns, names = np.arange(len(genes)), tuple(genes)
    notes: tuple[str, ...] = ()
    if homologs is not None:
        columns, names = homologs.renamed(genes)
        notes = (f"{len(names)} of {len(genes)} genes have a human homolog",)
    if slices is not None:
        known = {g: i for i, g in enumerate(names)}
        common = sorted(set(slices.genes) & set(known))
        if not common:
            raise StmlError("The mean over sections has none of the section's genes",
                            do="make it of sections of this species")  # fmt: skip
        columns, names = columns[[known[g] for g in common]], tuple(common)
    return columns, names, notes


def _place(shape: tuple[int, int], dtype: Any) -> NDArray[Any] | None:
    if shape[0] * shape[1] * np.dtype(dtype).itemsize <= IN_MEMORY:
        return None
    with tempfile.TemporaryFile(prefix="stml-gss-") as file:  # the map keeps the place open
        return np.memmap(file, dtype=dtype, mode="w+", shape=shape)
