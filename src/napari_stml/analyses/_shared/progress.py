"""Progress in percent, composed of steps that know only their own fraction."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from napari_stml.core.progress import Progress

T = TypeVar("T")
Fractions = Generator[float, None, T]


def span(steps: Fractions[T], low: float, high: float, text: str) -> Generator[Progress, None, T]:
    """Report ``steps`` as the part of the whole between ``low`` and ``high`` percent."""
    yield at(low, text)
    while True:
        try:
            fraction = next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        yield at(low + (high - low) * fraction, text)


def at(percent: float, text: str) -> Progress:
    return Progress(round(percent), 100, text)
