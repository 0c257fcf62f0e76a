"""What a slide is: a pyramid of pixels that is read window by window."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from numpy.typing import NDArray

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from types import TracebackType

    import numpy as np

    from napari_stml.core.geometry import Box, UmPerPx

Pixels = NDArray[Any]


class DamagedTileError(StmlError):
    """A piece of an opened file that cannot be read or decoded."""


@dataclass(frozen=True)
class Level:
    """One resolution: its size in its own pixels and level-0 pixels per own pixel.

    ``downsample`` is width0 / width and height0 / height: not always whole, never rounded.
    A level that we average ourselves is exactly 2, 4, ... times coarser than the file's level
    it comes from, also where that level's size is odd (its last pixel then covers less).
    """

    width: int
    height: int
    downsample_x: float
    downsample_y: float
    tile_width: int
    tile_height: int


class Slide(ABC):
    """A pyramid of pixels; immutable, picklable, reopened lazily in another process.

    Attributes
    ----------
    uri
        Where the pixels lie.
    levels
        Finest first; ``levels[0]`` defines the pixel coordinates of everything else.
    um_per_px
        Of level 0, with its source; None when unknown.
    um_per_px_guess
        A value too weak to be used unasked (objective power), to be offered to the user.
    bounds
        The scanned part in level-0 pixels, when the file states one (mrxs, scn).
    channels
        Names in the order of the last axis of what `read` returns.
    rgb
        True for brightfield colour: three uint8 channels to be shown as they are.
    mask
        True for a label image: its values are ids, so coarser levels pick, never average.
    dtype
        Of the values that `read` returns.
    """

    uri: str
    levels: tuple[Level, ...]
    um_per_px: UmPerPx | None = None
    um_per_px_guess: UmPerPx | None = None
    bounds: Box | None = None
    channels: tuple[str, ...]
    rgb: bool
    mask: bool = False
    dtype: np.dtype[Any]

    @property
    @abstractmethod
    def key(self) -> str:
        """Identity of the pixels (path, size, time; level layout): the tile cache's key."""

    @abstractmethod
    def tile(self, level: int, row: int, col: int) -> Pixels:
        """Decode one tile of the file's own grid, (h, w, channels), cut at the image's edge.

        Not cached. Safe to call from several threads.
        """

    @abstractmethod
    def read(
        self, x: int, y: int, level: int, w: int, h: int, *, channel: int | None = None
    ) -> Pixels:
        """Read a window, (h, w, channels), through the shared tile cache.

        ``x``, ``y``, ``w``, ``h`` are pixels *of that level*, so nothing is rounded. What lies
        outside the image is white for colour slides and 0 otherwise. With ``channel`` the
        result has one channel (h, w, 1) and only that channel's planes are decoded where the
        file allows it. The array may be a read-only view of a cached tile: copy to change it.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the file's handles; a later read opens them again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def width(self) -> int:
        return self.levels[0].width

    @property
    def height(self) -> int:
        return self.levels[0].height

    def level_for(self, downsample: float) -> int:
        """The coarsest level that is at least as fine as ``downsample`` (never upsampled)."""
        fine = [i for i, lv in enumerate(self.levels) if lv.downsample_x <= downsample * 1.001]
        return fine[-1] if fine else 0
