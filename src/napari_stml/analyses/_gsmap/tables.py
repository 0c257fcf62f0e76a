"""gsMap's steps 4 and 5 on its folders: spatial LDSC, Cauchy combination."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._gsmap.reference import reference_of
from napari_stml.analyses._gsmap.run import answered, matched, weights_of
from napari_stml.analyses._gsmap.scores import Scores
from napari_stml.analyses._gsmap.steps import labels_of
from napari_stml.analyses._shared.progress import at, span
from napari_stml.core.errors import StmlError
from napari_stml.io.gsmap import resource
from napari_stml.io.gsmap.results import whole_trait, write_spots
from napari_stml.io.gsmap.stored_ld import StoredLd, open_stored
from napari_stml.io.gsmap.traits import read_sumstats
from napari_stml.io.gsmap.tree import (
    ResultTree,
    fingerprint,
    link_or_copy,
    need,
    note,
    read_sample,
    read_scores,
    same_input,
)
from napari_stml.methods.gsmap.cauchy import by_label
from napari_stml.methods.gsmap.regression import SPOTS, Design, Estimate
from napari_stml.methods.gsmap.trait import Reference, Trait, baseline_sum, lay_on
from napari_stml.methods.gsmap.trait_maps import maps_of_scores, trait_maps

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_stml.analyses._gsmap.ld_files import Words
    from napari_stml.core.progress import Progress
    from napari_stml.methods.gsmap.spot_scores import Weights


PER_CHUNK = 1000
"""Spots of a chunk in quick mode."""


def use_resource(tree: ResultTree, folder: Path) -> None:
    """Step 3 of quick mode: point to the resource."""
    for name in ("baseline", "SNP_gene_pair"):
        if (folder / "quick_mode" / name).is_dir():
            link_or_copy(folder / "quick_mode" / name, tree.ld / name)
    tree.ld_done.touch()
    note(tree.ld_done, {"input": fingerprint(tree.scores), "resource": str(folder)})


def spatial_ldsc(
    tree: ResultTree, traits: Mapping[str, Path], *, folder: Path | None = None, w_file: str = "",
    blocks: int = 200, chisq_max: float | None = None, threads: int = 1, additional: bool = True,
    chunks: tuple[int, int] | None = None,
) -> Words:  # fmt: skip
    """Step 4, for all traits at once: from a resource (``folder``) or from stored LD scores.

    Parameters
    ----------
    additional
        Take step 3's additional baseline, where there is one.
    chunks
        Only the spots of these chunks, counted from 1, the last included.
    """
    if folder is not None:
        yield at(0, "reading the resource")
        read = _of_resource(tree, folder, chunks)
        spots, notes = read.spots, list(read.notes)
        laid, designs = yield from _laid(read.reference, traits, blocks, chisq_max)
        found = yield from span(
            trait_maps(read.weights, read.specificity, designs, threads=threads),
            10, 95, "spatial LDSC",
        )  # fmt: skip
    else:
        need(tree.ld_done, "run-generate-ldscore")
        same_input(tree.ld_done, tree.scores, "run-generate-ldscore")
        yield at(0, "reading the LD scores")
        stored = open_stored(tree, w_file, additional=additional)
        if chunks is not None:
            _in_range(chunks, len(stored.chunks))
            stored = replace(stored, chunks=stored.chunks[chunks[0] - 1 : chunks[1]])
            stored = replace(stored, spots=tuple(s for names, _ in stored.chunks for s in names))
        spots, notes = stored.spots, list(stored.notes)
        base = stored.base
        reference = Reference(base.names, base.baseline.astype(np.float32),
                              baseline_sum(base.baseline), base.weight)  # fmt: skip
        laid, designs = yield from _laid(reference, traits, blocks, chisq_max)
        found = yield from _of_stored(stored, designs, threads)
    answered(found, [t.name for t in laid])
    source = fingerprint(tree.scores) if tree.scores.is_file() else None
    for trait, estimate in zip(laid, found, strict=True):
        path = tree.spots(trait.name, chunks)
        write_spots(path, spots, estimate.beta, estimate.se, estimate.z, estimate.p)
        note(path, {"trait": str(traits[trait.name]), "blocks": blocks, "chisq_max": chisq_max,
                    "input": source})  # fmt: skip
        without = int(np.isnan(estimate.z).sum())
        notes += [*trait.notes, f"written: {path}"]
        notes += [f"{trait.name}: {without} spots have no answer"] if without else []
    return tuple(notes)


@dataclass(frozen=True)
class _Quick:
    """What quick mode needs of a sample and a resource, the genes in one order."""

    reference: Reference
    weights: Weights
    specificity: NDArray[Any]
    spots: tuple[str, ...]
    notes: tuple[str, ...]


def _in_range(chunks: tuple[int, int], count: int) -> None:
    if not 1 <= chunks[0] <= chunks[1] <= count:
        raise StmlError(f"There are {count} chunks of spots", where="--chunk_range",
                        do=f"give two numbers from 1 to {count}, the smaller first")  # fmt: skip


def _of_resource(tree: ResultTree, folder: Path, chunks: tuple[int, int] | None) -> _Quick:
    genes, spots, values = read_scores(need(tree.scores, "run-latent-to-gene"))
    if chunks is not None:
        _in_range(chunks, -(-len(spots) // PER_CHUNK))
        own = slice((chunks[0] - 1) * PER_CHUNK, chunks[1] * PER_CHUNK)
        spots, values = spots[own], values[own]
    part = resource.open_quick(folder, places=False)
    scored = Scores(values, genes, np.arange(len(genes)), ())
    specificity, columns = matched(part, scored)
    return _Quick(reference_of(part), weights_of(part, columns), specificity, spots, part.notes)


def _laid(
    reference: Reference, traits: Mapping[str, Path], blocks: int, chisq_max: float | None
) -> Generator[Progress, None, tuple[list[Trait], list[Design]]]:
    """Traits on the SNPs of the LD scores; the names of their SNPs are not kept."""
    laid, designs = [], []
    for name, path in traits.items():
        yield at(5, f"reading {name}")
        sums = read_sumstats(path, name)
        laid.append(
            lay_on(reference, name, sums.snps, sums.z, sums.n, chisq_max=chisq_max, blocks=blocks)
        )
        designs.append(Design(reference, laid[-1], blocks))
    return laid, designs


def _of_stored(
    stored: StoredLd, designs: Sequence[Design], threads: int
) -> Generator[Progress, None, list[Estimate]]:
    """A few spots at a time: the scores of all never lie in memory."""
    width = SPOTS * max(1, threads)
    parts: list[list[Estimate]] = []
    for first in range(0, len(stored.spots), width):
        share = 5 + 90 * first / len(stored.spots)
        block = stored.read(first, min(first + width, len(stored.spots)))
        parts.append(
            (yield from span(maps_of_scores(block, designs, threads=threads), share,
                             5 + 90 * min(1, (first + width) / len(stored.spots)), "spatial LDSC"))
        )  # fmt: skip
    return [
        Estimate(np.concatenate([p[t].beta for p in parts]),
                 np.concatenate([p[t].se for p in parts]))
        for t in range(len(designs))
    ]  # fmt: skip


def cauchy_combination(
    trees: Sequence[ResultTree], trait: str, annotation: str, out: Path | None = None
) -> Words:
    """Step 5: combine by label; several samples are pooled."""
    import pandas as pd

    p, labels = [], []
    for i, tree in enumerate(trees):
        yield at(90 * i / len(trees), f"reading {tree.sample}")
        table = whole_trait(tree, trait)
        own = labels_by_spot(tree, annotation).reindex(pd.Index(table.spots, dtype=object))
        if own.isna().all():
            raise StmlError("No spot of the table has a label", where=tree.spots(trait),
                            do="use the sample that step 2 wrote")  # fmt: skip
        p.append(table.p)
        labels.append(own.to_numpy(dtype=object))
    column = pd.Series(np.concatenate(labels)).astype("category")
    found = by_label(np.concatenate(p), np.asarray(column.cat.codes),
                     tuple(map(str, column.cat.categories)))  # fmt: skip
    path = out if out is not None else trees[0].cauchy(trait)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = pd.DataFrame({
        "annotation": [c.name for c in found], "p_cauchy": [c.p for c in found],
        "p_median": [c.median for c in found],
    })  # fmt: skip
    packed: Any = {"method": "gzip", "mtime": 0} if path.suffix == ".gz" else None
    rows.to_csv(path, index=False, compression=packed)
    removed = sum(c.removed for c in found)
    words = [f"{c.name}: {c.p:.3g}" for c in found]
    words += [f"{removed} extreme spots were left out"] if removed else []
    return (*words, f"written: {path}")


def labels_by_spot(tree: ResultTree, annotation: str) -> Any:
    """Labels of the sample's spots by name; missing ones are missing."""
    import pandas as pd

    data = read_sample(need(tree.latent, "run-latent-to-gene"))
    codes, names = labels_of(data, annotation)
    if codes is None:
        raise StmlError("An annotation is needed to combine by", where="--annotation")
    text: NDArray[np.object_] = np.array([*names, None], dtype=object)
    return pd.Series(text[codes], index=pd.Index(data.obs_names, dtype=object))
