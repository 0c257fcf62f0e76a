"""The cells or spots of one section as the niche analyses see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._shared.inside import Inside, inside
from napari_stml.core.errors import MissingScaleError, StmlError
from napari_stml.core.inputs import Categories, Named2D

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_stml.analyses._niche.params import HoodParams
    from napari_stml.core.inputs import SectionInputs
    from napari_stml.methods.niches.hoods import FloatArray
    from napari_stml.methods.niches.near import Near

FEWEST = 3


@dataclass
class Tissue:
    """Positions, types and neighbours of all observations of a section; the scope is inside.

    Attributes
    ----------
    codes
        Type of every observation, -1 unknown; of proportions the largest.
    shares
        Proportions (n, types), NaN rows unknown; None for one type per observation.
    strata
        Field of view of every observation; None where there is one.
    array
        Place on the array of every observation, where there is one.
    unit
        Of ``xy``: "um", or "px" where the scale is unknown.
    """

    spots: Inside
    xy: NDArray[np.float64]
    unit: str
    types: tuple[str, ...]
    codes: NDArray[np.int32]
    shares: NDArray[np.float64] | None
    strata: NDArray[Any] | None
    array: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()

    @property
    def section(self) -> SectionInputs:
        return self.spots.section

    @property
    def name(self) -> str:
        return self.section.section

    @property
    def noun(self) -> str:
        return "spots" if self.section.array is not None or self.shares is not None else "cells"

    def neighbours(self, params: HoodParams, threads: int) -> Generator[float, None, Near]:
        """Those of every observation; the scope reads its neighbours outside it too."""
        from napari_stml.methods.niches import near

        around = kind_of(params, self.section)
        own = params.counts_itself
        if around == "rings":
            if self.section.array is None:
                raise StmlError(
                    "These observations stand on no array", where=self.name,
                    do="choose the nearest cells or a radius",
                )  # fmt: skip
            yield 0.5
            return near.rings(
                self.section.array, self.xy, params.rings, hexagonal=self.section.hexagonal,
                own=own, strata=self.strata,
            )  # fmt: skip
        if around == "radius":
            return (yield from near.within(self.xy, params.radius, strata=self.strata, own=own))
        k = params.k - own if params.weights == "equal" and own else params.k
        if k < 1:
            raise StmlError(
                "A window of one cell holds nothing but itself", where="Nearest",
                do="ask for at least 2",
            )  # fmt: skip
        return (yield from near.nearest(self.xy, k, strata=self.strata, own=own, threads=threads))

    def composed(self, near: Near, tau: float | None) -> tuple[FloatArray, FloatArray | None]:
        """Share of every type about each row, and the entropy within spots of proportions."""
        from napari_stml.methods.niches import hoods

        if self.shares is not None:
            return hoods.gathered(near, self.shares, tau)
        if tau is None:
            counts = hoods.windows(near, self.codes, len(self.types)).astype(np.float32)
            total = counts.sum(axis=1, keepdims=True)
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.where(total > 0, counts / total, np.nan), None
        return hoods.merged(near, self.codes, len(self.types), tau), None

    @property
    def known(self) -> NDArray[np.bool_]:
        """Observations with a type, or with proportions."""
        return np.asarray(self.codes >= 0)

    def against_chance(self, shares: FloatArray, near: Near, tau: float | None) -> FloatArray:
        """Exact z of every share against labels shuffled over the fixed places."""
        from napari_stml.methods.niches import diversity, hoods

        known = self.known
        squares = hoods.squares(near, tau, None if known.all() else known)
        given = self.codes if self.shares is None else self.shares
        return diversity.chance(shares, squares, given, self.strata)

    def shuffled(self, rng: np.random.Generator) -> Tissue:
        """The same places with the labels (or the rows of proportions) in random order."""
        from dataclasses import replace

        from napari_stml.methods.niches.diversity import mixed

        place = np.arange(len(self.codes))
        order = mixed(np.where(self.known, place, -1), rng, self.strata)
        order = np.where(order < 0, place, order)  # the unknown stay where they are
        shares = None if self.shares is None else self.shares[order]
        return replace(self, codes=self.codes[order], shares=shares)

    def frequency(self) -> NDArray[np.float64]:
        """Share of every type over the scope."""
        rows = self.spots.rows
        if self.shares is not None:
            return np.asarray(np.nanmean(self.shares[rows], axis=0))
        known = self.codes[rows][self.codes[rows] >= 0]
        return np.bincount(known, minlength=len(self.types)) / max(1, len(known))


def kind_of(params: HoodParams, section: SectionInputs) -> str:
    """Which neighbours "automatic" means here."""
    return settled(params.around, section.array is not None)


def settled(around: str, on_array: bool) -> str:
    """What "automatic" is."""
    if around == "automatic":
        return "rings" if on_array else "nearest"
    return around


def tissues(sections: Sequence[SectionInputs], params: HoodParams) -> list[Tissue]:
    """All sections on one list of types; clear errors for what cannot be used."""
    if not params.source:
        what = "column of cell types" if params.of == "cell types" else "table of proportions"
        raise StmlError(
            f"No {what} was chosen", where="Cell types" if params.of == "cell types"
            else "Proportions", do="choose one; clusters will do, or run 'Deconvolve' first",
        )  # fmt: skip
    if not sections:
        raise StmlError("No section was given")
    found = [_tissue(section, params) for section in sections]
    names = tuple(dict.fromkeys(t for tissue in found for t in tissue.types))
    if len(names) < 2:
        raise StmlError(
            f"There is only one type, {names[0]}" if names else "No cell has a type",
            where=params.source, do="neighbourhoods need at least two",
        )  # fmt: skip
    for tissue in found:
        place = np.array([*map(names.index, tissue.types), -1], dtype=np.int32)
        tissue.codes = place[tissue.codes]
        if tissue.shares is not None:
            wide = np.zeros((len(tissue.shares), len(names)))
            wide[:, place[:-1]] = tissue.shares
            wide[~np.isfinite(tissue.shares).all(axis=1)] = np.nan
            tissue.shares = wide
        tissue.types = names
    if len({t.unit for t in found}) > 1:
        without = next(t for t in found if t.unit == "px")
        raise MissingScaleError(without.name)
    return found


def _tissue(section: SectionInputs, params: HoodParams) -> Tissue:
    spots = inside(section, least=FEWEST)
    given: Any = section["types"]
    shares: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()
    if isinstance(given, Named2D):
        shares, types, notes = proportions_of(given, params.source)
        known = np.asarray(np.isfinite(shares).all(axis=1))
        codes = np.where(known, np.where(known[:, None], shares, 0).argmax(axis=1), -1)
    else:
        codes, types = _typed(spots, params.column)
        lost = int((codes[spots.rows] < 0).sum())
        if lost:
            notes = (f"{lost} without a type count for nobody's neighbourhood",)
    strata = None
    if params.fields:
        fields: Any = section["fields"]
        if not isinstance(fields, Categories):
            raise StmlError("This column holds no categories", where=params.fields)
        strata = np.asarray(fields.codes)
    xy, unit = positions(section, params)
    return Tissue(
        spots, xy, unit, tuple(types), codes.astype(np.int32), shares, strata, section.array, notes
    )


def positions(section: SectionInputs, params: HoodParams) -> tuple[NDArray[np.float64], str]:
    """In um where the scale is known; an error where um are asked for and it is not."""
    if not np.isfinite(section.xy).all():
        lost = int((~np.isfinite(section.xy).all(axis=1)).sum())
        raise StmlError(
            f"{lost} of {len(section.xy)} have no position", where=section.section,
            do="take them out of the table; a neighbourhood needs a place",
        )  # fmt: skip
    in_um = kind_of(params, section) == "radius" or params.bandwidth > 0 or params.lonely > 0
    if section.um_per_px is None and not in_um:
        return section.xy, "px"
    return section.xy_um(), "um"


def _typed(spots: Inside, column: str) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Codes of all observations, those outside the scope too: they are neighbours."""
    everywhere = Inside(spots.section, np.arange(len(spots.section.names)))
    return everywhere.categories("types", column)


def proportions_of(
    given: Named2D, where: str
) -> tuple[NDArray[np.float64], tuple[str, ...], tuple[str, ...]]:
    """Rows that sum to 1; rows of zeros and missing ones are NaN; negative values are an error."""
    values = np.array(given.values, dtype=np.float64)
    known = np.isfinite(values).all(axis=1)
    if values.shape[1] < 2:
        raise StmlError("Proportions need at least two types", where=where)
    if not known.any():
        raise StmlError("No spot has proportions", where=where, do="choose another entry")
    if (values[known] < 0).any():
        raise StmlError(
            "Some proportions are negative", where=where,
            do="choose proportions or abundances; embeddings are none",
        )  # fmt: skip
    total = values.sum(axis=1)
    known &= total > 0
    values[~known] = np.nan
    off = int((np.abs(total[known] - 1) > 0.02).sum())
    values[known] /= total[known, None]
    notes: tuple[str, ...] = (
        f"mean share of the largest type {values[known].max(axis=1).mean():.2f}",
    )
    if off:
        notes += (f"{off} spots did not sum to 1 and were divided by their sum",)
    if not known.all():
        notes += (f"{int((~known).sum())} spots have no proportions; they count for nobody",)
    return values, given.columns, notes
