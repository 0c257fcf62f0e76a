"""Pictures seen through a formula: what a `View` stands for, window by window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_stml.core.errors import StmlError
from napari_stml.core.stain import ColourStatistics, Dyes

if TYPE_CHECKING:
    from napari_stml.core.results import View

Seen = Callable[[NDArray[np.uint8]], NDArray[Any]]


@dataclass(frozen=True)
class Formula:
    """``seen`` maps colours (..., 3) to colours or, where ``colour`` is empty, to one number.

    ``colour`` is the colour map of single numbers, ``limits`` their ends.
    """

    seen: Seen
    rgb: bool
    colour: str = ""
    limits: tuple[float, float] = (0.0, 1.0)


def formula(view: View) -> Formula:
    """What to do to the pixels of a view's image."""
    try:
        make = FORMULAS[view.through]
    except KeyError as error:
        raise StmlError(
            f"This picture is made by a way that is not known here ('{view.through}')",
            where=view.name, do="update napari-stml",
        ) from error  # fmt: skip
    return make(view.numbers)


def dyes_as_numbers(dyes: Dyes) -> dict[str, tuple[float, ...]]:
    return {"dyes": tuple(dyes.vectors.ravel().tolist()), "most": tuple(dyes.most.tolist())}


def statistics_as_numbers(found: ColourStatistics) -> dict[str, tuple[float, ...]]:
    return {"mean": tuple(found.mean.tolist()), "deviation": tuple(found.deviation.tolist())}


def _dyes(numbers: Mapping[str, tuple[float, ...]]) -> Dyes:
    return Dyes(np.array(numbers["dyes"]).reshape(2, 3), np.array(numbers["most"]))


def _one_dye(place: int, colour: str) -> Callable[[Mapping[str, tuple[float, ...]]], Formula]:
    def make(numbers: Mapping[str, tuple[float, ...]]) -> Formula:
        dyes = _dyes(numbers)
        top = float(dyes.most[place]) * 1.25
        return Formula(lambda rgb: dyes.amounts(rgb)[..., place], False, colour, (0.0, top))

    return make


def _residual(numbers: Mapping[str, tuple[float, ...]]) -> Formula:
    return Formula(_dyes(numbers).residual, False, "gray_r", (0.0, 0.6))


def _macenko(numbers: Mapping[str, tuple[float, ...]]) -> Formula:
    return Formula(_dyes(numbers).normalised, True)


def _reinhard(numbers: Mapping[str, tuple[float, ...]]) -> Formula:
    found = ColourStatistics(np.array(numbers["mean"]), np.array(numbers["deviation"]))
    return Formula(found.normalised, True)


FORMULAS: Mapping[str, Callable[[Mapping[str, tuple[float, ...]]], Formula]] = {
    "hematoxylin": _one_dye(0, "#3b2f8f"),
    "eosin": _one_dye(1, "#c2387d"),
    "residual": _residual,
    "macenko": _macenko,
    "reinhard": _reinhard,
}
