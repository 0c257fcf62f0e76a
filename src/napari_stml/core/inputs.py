"""What an analysis gets: frozen, picklable arrays, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import MissingScaleError
from napari_stml.core.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from napari_stml.core.geometry import UmPerPx


@dataclass(frozen=True)
class Matrix2D:
    """An expression matrix with the names of its columns; values are float32."""

    values: csr_matrix
    genes: tuple[str, ...]


@dataclass(frozen=True)
class Named2D:
    """An embedding, proportions or scores with the names of their columns."""

    values: NDArray[np.float64]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Categories:
    """A categorical column: codes into ``names``, -1 where missing."""

    codes: NDArray[np.int32]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Region:
    """A drawn region: WKB in reference pixels."""

    outline: bytes
    kind: str
    name: str


@dataclass(frozen=True)
class SectionInputs:
    """The part of one section that the analysis named.

    Attributes
    ----------
    names, xy
        All observations of the section in its order, positions in reference pixels.
    inside
        True for the observations of the scope.
    array
        Array row and column (n, 2) on a lattice; ``hexagonal`` says which neighbours it has.
    data
        What `needs` asked for, under the names it gave.
    """

    section: str
    names: NDArray[np.object_]
    xy: NDArray[np.float64]
    inside: NDArray[np.bool_]
    scope: Scope = field(default_factory=Scope)
    um_per_px: UmPerPx | None = None
    array: NDArray[np.int64] | None = None
    hexagonal: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.names)
        if self.xy.shape != (n, 2) or self.inside.shape != (n,):
            raise ValueError("names, xy and inside must have the same length")

    def __getitem__(self, name: str) -> Any:
        return self.data[name]

    def xy_um(self) -> NDArray[np.float64]:
        """Positions in um; an error that names the option where the scale is unknown."""
        if self.um_per_px is None:
            raise MissingScaleError(self.section)
        scale = np.array([self.um_per_px.x, self.um_per_px.y])
        return np.asarray(self.xy * scale, dtype=np.float64)


@dataclass(frozen=True)
class Inputs:
    """One or several sections, and the conditions under which the Run computes."""

    sections: tuple[SectionInputs, ...]
    seed: int = 0
    threads: int = 1
    device: str = "cpu"

    @property
    def one(self) -> SectionInputs:
        """The section of an analysis that takes one."""
        if len(self.sections) != 1:
            raise ValueError(f"this analysis takes one section, got {len(self.sections)}")
        return self.sections[0]
