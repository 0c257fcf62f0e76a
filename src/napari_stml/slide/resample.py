"""Area averages: a pixel of the result is the mean of what it covers, also at odd factors."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def to_size(pixels: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """Shrink (y, x, c) to the given size; integers are rounded half up.

    A size that is larger than the picture is interpolated linearly: only for callers that have
    said so to the user.
    """
    h, w = pixels.shape[:2]
    if (h, w) == (height, width):
        return pixels
    values = np.asarray(pixels, dtype=np.float32).reshape(h, -1)
    down = _weights(h, height) @ values
    across = down.reshape(height, w, -1).transpose(1, 0, 2).reshape(w, -1)
    out = (_weights(w, width) @ across).reshape(width, height, -1).transpose(1, 0, 2)
    out = out.reshape(height, width, *pixels.shape[2:])
    if pixels.dtype.kind in "ui":
        info = np.iinfo(pixels.dtype)
        whole = np.clip(np.floor(out + 0.5), info.min, info.max)
        return np.asarray(whole, dtype=pixels.dtype)
    return np.ascontiguousarray(out).astype(pixels.dtype, copy=False)


@lru_cache(maxsize=64)
def _weights(size: int, wanted: int) -> Any:
    """Rows of weights that sum to 1, (wanted, size), sparse."""
    from scipy.sparse import csr_matrix

    factor = size / wanted
    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    for k in range(wanted):
        for i, weight in _covered(k, factor, size) if factor >= 1 else _between(k, factor, size):
            rows.append(k)
            columns.append(i)
            values.append(weight)
    weights = np.asarray(values, dtype=np.float32)
    return csr_matrix((weights, (rows, columns)), shape=(wanted, size))


def _covered(k: int, factor: float, size: int) -> list[tuple[int, float]]:
    start, stop = k * factor, min((k + 1) * factor, float(size))
    found = []
    for i in range(int(start), min(int(np.ceil(stop - 1e-9)), size)):
        share = (min(stop, i + 1) - max(start, i)) / factor
        if share > 1e-9:
            found.append((i, share))
    return found


def _between(k: int, factor: float, size: int) -> list[tuple[int, float]]:
    centre = min(max((k + 0.5) * factor - 0.5, 0.0), size - 1.0)
    low = min(int(centre), size - 1)
    part = centre - low
    if low + 1 >= size or part == 0:
        return [(low, 1.0)]
    return [(low, 1 - part), (low + 1, part)]
