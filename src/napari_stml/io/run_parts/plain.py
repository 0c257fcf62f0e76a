"""Tables, charts and gene values as plain JSON, and the names that a store accepts."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SMALL = 100_000
"""Bytes of JSON that may live in the record."""


RESERVED = {"_index", "region", "instance_id", "in_scope", "x", "y"}


def plain(value: Any) -> Any:
    """Numpy and tuples to what JSON knows; NaN and infinities to None."""
    if isinstance(value, np.ndarray):
        return [plain(v) for v in value.tolist()]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    return value


def size_of(value: Any) -> int:
    return len(json.dumps(value))


def keys_for(names: Iterable[str]) -> Mapping[str, str]:
    """A key per name that SpatialData accepts, unique regardless of case."""
    keys: dict[str, str] = {}
    used: set[str] = set()
    for name in names:
        stem = re.sub(r"[^\w.\-]+", "_", name).strip("._-")[:80] or "value"
        key, n = stem, 2
        while key.casefold() in used or key in RESERVED:
            key, n = f"{stem}_{n}", n + 1
        used.add(key.casefold())
        keys[name] = key
    return keys
