"""What a brush changed on a mask, as one short text: part of the record of the corrected mask."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST = 400_000
"""Letters that a record may carry."""
MOST_RUNS = 2_000_000


def strokes(before: NDArray[Any], after: NDArray[Any]) -> str:
    """The pixels that differ, as runs of one value in reading order; "" where none does."""
    if before.shape != after.shape:
        raise ValueError(f"masks of {before.shape} and {after.shape} cannot be compared")
    old, new = before.ravel(), after.ravel()
    at = np.flatnonzero(old != new)
    if not len(at):
        return ""
    value = new[at].astype(np.int64)
    first = np.r_[True, (np.diff(at) != 1) | (np.diff(value) != 0)]
    starts = at[first]
    lengths = np.diff(np.r_[np.flatnonzero(first), len(at)])
    content = {
        "shape": list(before.shape), "starts": np.diff(np.r_[0, starts]).tolist(),
        "lengths": lengths.tolist(), "values": value[first].tolist(),
    }  # fmt: skip
    packed = zlib.compress(json.dumps(content, separators=(",", ":")).encode(), 9)
    text = base64.b85encode(packed).decode()
    if len(text) > LONGEST:
        raise StmlError(
            "These changes are too many to be kept as one correction", where="mask",
            do="find the tissue anew with other settings, then correct what is left",
        )  # fmt: skip
    return text


def painted(mask: NDArray[Any], changes: str) -> NDArray[Any]:
    """The mask with the changes of `strokes`; the mask given stays as it is."""
    if not changes:
        return mask.copy()
    try:
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(base64.b85decode(changes), 64 * MOST_RUNS)
        content = json.loads(raw)
        shape = tuple(int(v) for v in content["shape"])
        starts = np.cumsum(np.array(content["starts"], dtype=np.int64))
        lengths = np.array(content["lengths"], dtype=np.int64)
        values = np.array(content["values"], dtype=np.int64)
    except (ValueError, KeyError, TypeError, zlib.error, binascii.Error) as error:
        raise StmlError("These changes of a mask cannot be read", where="changes") from error
    if shape != mask.shape:
        raise StmlError(
            f"These changes belong to a mask of {shape}, this one has {mask.shape}",
            where="changes", do="choose the mask that they were painted on",
        )  # fmt: skip
    ends = starts + lengths
    count = {len(starts), len(lengths), len(values)}
    if len(count) > 1 or (starts < 0).any() or (ends > mask.size).any() or (lengths < 1).any():
        raise StmlError("These changes of a mask cannot be read", where="changes")
    out = mask.copy().ravel()
    for start, end, value in zip(starts.tolist(), ends.tolist(), values.tolist(), strict=True):
        out[start:end] = value
    return out.reshape(mask.shape)
