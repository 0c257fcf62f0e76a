"""What the niches of one section are made of, and how they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._niche.charts import MAIN, NICHES
from napari_stml.analyses._shared.charts import numbers
from napari_stml.core.results import Regions, Table
from napari_stml.methods.niches import contacts, diversity, hoods, labelling, outlines, together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_stml.analyses._niche.tissue import Tissue
    from napari_stml.core.results import Part
    from napari_stml.methods.niches.hoods import FloatArray
    from napari_stml.methods.niches.near import Near

COMPOSITION, CHANCE, BANDWIDTH = "composition", "composition z", "bandwidth"
TELLING = 1.0
"""log2 enrichment from which a type belongs into a niche's description."""


@dataclass
class Found:
    """One section's neighbourhoods.

    Attributes
    ----------
    shares, perplexity
        Of all observations; NaN for those without a neighbourhood.
    within
        Entropy within spots, for proportions.
    known
        Of the rows in the scope: those with a neighbourhood; ``niche`` follows.
    z, shares_z
        Of perplexity and of every share, against shuffled labels; of all observations.
    """

    tissue: Tissue
    near: Near
    shares: FloatArray
    perplexity: FloatArray
    within: FloatArray | None
    known: NDArray[np.bool_]
    niche: NDArray[np.int32]
    z: FloatArray | None = None
    shares_z: FloatArray | None = None

    @classmethod
    def of(cls, tissue: Tissue, near: Near, tau: float | None, beyond: float) -> Found:
        shares, within = tissue.composed(near, tau)
        lonely = np.zeros(len(shares), dtype=bool)
        if not near.own or beyond > 0:  # a spot that counts itself is never without
            lonely = hoods.alone(near, tau, beyond)
        shares[lonely] = np.nan
        known = np.asarray(np.isfinite(shares).all(axis=1))[tissue.spots.rows]
        return cls(tissue, near, shares, diversity.perplexity(shares), within, known,
                   np.empty(0, dtype=np.int32))  # fmt: skip

    @property
    def rows(self) -> NDArray[np.intp]:
        """The observations of the scope that have a neighbourhood."""
        return self.tissue.spots.rows[self.known]

    def points(self, root: bool, tau: float | None, smooth: int) -> NDArray[np.float64]:
        """What is grouped: a row per place with a neighbourhood."""
        shares = hoods.smoothed(self.near, self.shares, tau, smooth)[self.rows]
        return labelling.prepared(np.where(np.isfinite(shares), shares, 0), root)

    def parts(self, names: Sequence[str]) -> tuple[Part, ...]:
        spots, t = self.tissue.spots.only(self.known), self.tissue
        rows = self.rows
        entropy = diversity.entropy(self.shares[rows])
        parts: list[Part] = [
            spots.labels(NICHES, self.niche, names),
            spots.values("perplexity", self.perplexity[rows]),
            spots.values("evenness", entropy / np.log2(len(t.types))),
        ]
        if self.z is not None:
            parts.append(spots.values("perplexity z", self.z[rows], scale="diverging"))
        if self.within is not None:
            parts += [
                spots.values("entropy within spots", self.within[rows], "bit"),
                spots.values("entropy between spots", entropy - self.within[rows], "bit"),
                t.spots.labels(MAIN, t.codes[t.spots.rows], t.types),
            ]
        if not self.known.all():
            lonely = np.where(self.known, -1, 0)
            parts.append(t.spots.labels("without neighbourhood", lonely, ("alone",)))
        parts.append(spots.matrix(COMPOSITION, self.shares[rows], t.types))
        if self.shares_z is not None:
            parts.append(spots.matrix(CHANCE, self.shares_z[rows], t.types))
        return tuple(parts)


def bandwidth_table(tau: float | None, unit: str) -> Table:
    """The bandwidth that all sections share; the live view starts from it."""
    width = float(np.sqrt(tau)) if tau is not None else 0.0
    return Table(BANDWIDTH, {"bandwidth": (width,), "unit": (unit,)})


def summary(found: Sequence[Found], names: Sequence[str], types: Sequence[str]) -> Table:
    """A row per niche: how large, how mixed, and what it is rich in."""
    shares = np.concatenate([f.shares[f.rows] for f in found])
    niche = np.concatenate([f.niche for f in found])
    perplexity = np.concatenate([f.perplexity[f.rows] for f in found])
    weight = np.array([len(f.tissue.spots) for f in found], dtype=np.float64)
    frequency = (np.stack([f.tissue.frequency() for f in found]) * weight[:, None]).sum(axis=0)
    means = together.mean_by(shares, niche, len(names))
    log2 = together.log2_enrichment(means, frequency / weight.sum())
    counts = np.bincount(niche, minlength=len(names))
    mean = [float(perplexity[niche == i].mean()) if n else np.nan for i, n in enumerate(counts)]
    return Table("niches found", {
        "niche": tuple(names), "cells": counts,
        "share": tuple(numbers(counts / max(1, counts.sum()))),
        "perplexity": tuple(numbers(np.array(mean))),
        "rich in": tuple(described(row, log, types) for row, log in zip(means, log2, strict=True)),
    })  # fmt: skip


def described(means: NDArray[Any], log2: NDArray[Any], types: Sequence[str]) -> str:
    """At least twice as frequent as elsewhere, the largest first; else the largest type."""
    rich = [i for i in np.argsort(-means) if log2[i] >= TELLING and means[i] >= 0.05][:3]
    if rich:
        return " + ".join(types[i] for i in rich)
    return f"mixed, mostly {types[int(np.nanargmax(means))]}" if np.isfinite(means).any() else ""


def outline_parts(f: Found, names: Sequence[str]) -> tuple[Part, ...]:
    """The niches as regions, in reference pixels, with size and roundness in their names."""
    import shapely
    import shapely.affinity

    t, rows = f.tissue, f.rows
    strata = None if t.strata is None else t.strata[rows]
    edges, longest = contacts.delaunay(t.xy[rows], strata)
    if not len(edges):
        return ()
    found = outlines.outlines(t.xy[rows], f.niche, longest, strata)
    if not found:
        return ()
    scale = t.section.um_per_px if t.unit == "um" else None
    back = (1 / scale.x, 1 / scale.y) if scale is not None else (1.0, 1.0)
    area = 1e6 if t.unit == "um" else 1.0
    unit = "mm2" if t.unit == "um" else "px2"
    shapes = [shapely.affinity.scale(o.shape, *back, origin=(0, 0)) for o in found]
    return (Regions(
        "niche outlines", tuple(bytes(shapely.to_wkb(s)) for s in shapes),
        tuple(names[o.niche] for o in found),
        tuple(f"{o.shape.area / area:.3g} {unit}, roundness {o.roundness:.2f}" for o in found),
    ),)  # fmt: skip
