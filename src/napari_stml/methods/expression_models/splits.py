"""Which spots teach, which stop the training, and which are only scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_stml.methods.expression_models.samples import Slide

SplitKind = Literal["spatial blocks", "random", "one section", "one patient"]
BLOCKS = 5
TRAIN, STOP, HELD, GAP = 0, 1, 2, 3
NAMES = ("training", "stopping", "held out", "gap")


@dataclass(frozen=True)
class Split:
    """Part of every spot, by section: training, stopping, held out, or in the gap."""

    parts: tuple[NDArray[np.int8], ...]
    said: str

    def mask(self, *which: int) -> tuple[NDArray[np.bool_], ...]:
        return tuple(np.isin(p, which) for p in self.parts)

    def count(self, which: int) -> int:
        return sum(int((p == which).sum()) for p in self.parts)


def split(
    slides: Sequence[Slide], kind: SplitKind, *, seed: int = 0, share: float = 0.2,
    left_out: str = "", gap: float = 1.1, stop_share: float = 0.12,
) -> Split:  # fmt: skip
    """Divide the spots.

    Held-out blocks are a fifth of the blocks of each section; training spots nearer than ``gap``
    steps to a held-out one are not used, so that no tile is seen on both sides.
    """
    rng = np.random.default_rng(seed)
    parts = [np.full(len(s), TRAIN, dtype=np.int8) for s in slides]
    if kind == "random":
        for part in parts:
            part[rng.random(len(part)) < share] = HELD
        said = f"random spots ({share:.0%} held out): neighbours of held-out spots are in training"
    elif kind == "spatial blocks":
        for slide, part in zip(slides, parts, strict=True):
            part[_some_blocks(slide.xy, share, rng)] = HELD
            _apart(slide.xy, part, HELD, gap)
        said = f"spatial blocks ({share:.0%} of the blocks held out, gap {gap:g} steps)"
    else:
        said = _leave_out(slides, parts, kind, left_out)
    for slide, part in zip(slides, parts, strict=True):
        here = np.flatnonzero(part == TRAIN)
        if len(here) and stop_share > 0:
            if kind == "random":
                part[here[rng.random(len(here)) < stop_share]] = STOP
            else:
                part[here[_some_blocks(slide.xy[here], stop_share, rng, BLOCKS + 2)]] = STOP
                _apart(slide.xy, part, STOP, gap)
    found = Split(tuple(parts), said)
    for which in (TRAIN, HELD):
        if found.count(which) < 10:
            raise StmlError(
                f"Only {found.count(which)} spots are {NAMES[which]}", where=said,
                do="choose another split, a wider scope or more sections",
            )  # fmt: skip
    return found


def folds(xy: NDArray[np.float64], count: int = 5, blocks: int = BLOCKS) -> NDArray[np.intp]:
    """Fold of every spot: blocks of the section dealt out in a pattern."""
    cell = block_of(xy, blocks)
    return np.asarray((cell[:, 0] + 2 * cell[:, 1]) % count, dtype=np.intp)


def block_of(xy: NDArray[np.float64], blocks: int) -> NDArray[np.intp]:
    """Column and row of the block that each spot lies in."""
    span = xy.max(axis=0) - xy.min(axis=0) + 1e-6
    return np.asarray((xy - xy.min(axis=0)) / span * blocks, dtype=np.intp)


def apart(
    xy: NDArray[np.float64], train: NDArray[np.bool_], held: NDArray[np.bool_], gap: float
) -> NDArray[np.bool_]:
    """Training spots that are at least ``gap`` steps from every held-out one."""
    part = np.full(len(xy), GAP, dtype=np.int8)
    part[train], part[held] = TRAIN, HELD
    _apart(xy, part, HELD, gap)
    return np.asarray(part == TRAIN)


def _some_blocks(
    xy: NDArray[np.float64], share: float, rng: np.random.Generator, blocks: int = BLOCKS
) -> NDArray[np.bool_]:
    """Whole blocks, drawn until they hold this share of the spots."""
    cell = block_of(xy, blocks)
    number = cell[:, 0] * (blocks + 1) + cell[:, 1]
    chosen = np.zeros(len(xy), dtype=bool)
    for block in rng.permutation(np.unique(number)):
        if chosen.sum() >= share * len(xy):
            break
        chosen |= number == block
    return chosen


def _apart(xy: NDArray[np.float64], part: NDArray[np.int8], from_: int, gap: float) -> None:
    from scipy.spatial import cKDTree

    held, train = part == from_, np.flatnonzero(part == TRAIN)
    if not held.any() or not len(train):
        return
    distance, _ = cKDTree(xy[held]).query(xy[train])
    part[train[distance < gap]] = GAP


def _leave_out(
    slides: Sequence[Slide], parts: Sequence[NDArray[np.int8]], kind: SplitKind, left_out: str
) -> str:
    by_patient = kind == "one patient"
    names = [s.patient if by_patient else s.name for s in slides]
    what = "patient" if by_patient else "section"
    if len(set(names)) < 2:
        raise StmlError(
            f"Leaving one {what} out needs at least two {what}s", where=", ".join(sorted(names)),
            do="train on several sections, or choose spatial blocks",
        )  # fmt: skip
    out = left_out or names[-1]
    if out not in names:
        raise StmlError(
            f"There is no {what} '{out}'", where="left out",
            do=f"choose one of {', '.join(sorted(set(names)))}",
        )  # fmt: skip
    for name, part in zip(names, parts, strict=True):
        if name == out:
            part[:] = HELD
    return f"{what} {out} left out"
