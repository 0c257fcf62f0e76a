"""How long a scale bar is."""

from __future__ import annotations

import math

MOST = 0.25
"""Of the width; steps of 1, 2, 5 leave at least 0.1."""


def round_length(width_um: float) -> float:
    """The largest 1, 2 or 5 times a power of ten within a quarter of the width."""
    room = width_um * MOST * (1 + 1e-9)
    power = 10.0 ** math.floor(math.log10(room))
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= room)


def in_words(length_um: float) -> str:
    if length_um >= 1000:
        return f"{length_um / 1000:g} mm"
    return f"{length_um:g} µm" if length_um >= 1 else f"{length_um * 1000:g} nm"
