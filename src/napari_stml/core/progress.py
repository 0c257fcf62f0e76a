"""What a running analysis says of itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One step done; yielding it is also the place where a cancel takes effect.

    Attributes
    ----------
    done, total
        Steps, in a unit of the analysis' choice; ``total`` 0 means unknown.
    text
        What is being done, in the user's words.
    curves
        Newest values of named curves (losses, scores), to be drawn live.
    """

    done: int
    total: int
    text: str = ""
    curves: tuple[tuple[str, float], ...] = ()

    @property
    def fraction(self) -> float | None:
        return min(1.0, self.done / self.total) if self.total > 0 else None
