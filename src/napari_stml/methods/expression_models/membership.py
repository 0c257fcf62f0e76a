"""Gene sets as a matrix over a model's genes, and the activity of a set in a spot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

LEAST_MEMBERS = 5


@dataclass(frozen=True)
class Membership:
    """0/1 by set and gene; ``unmatched`` are members that are not among the genes."""

    names: tuple[str, ...]
    matrix: NDArray[np.float32]
    unmatched: Mapping[str, tuple[str, ...]]
    renamed: Mapping[str, str]

    def said(self) -> str:
        """How much of the sets was found, for the notes of a Run."""
        found = int(self.matrix.sum())
        lost = sum(map(len, self.unmatched.values()))
        empty = [n for n, row in zip(self.names, self.matrix, strict=True) if not row.any()]
        text = f"{len(self.names)} gene sets: {found} of {found + lost} members are predicted"
        if self.renamed:
            pairs = ", ".join(f"{a} as {b}" for a, b in list(self.renamed.items())[:5])
            text += f"; {len(self.renamed)} found under another name ({pairs})"
        if empty:
            text += f"; without any member: {', '.join(empty[:5])}" + (
                f" and {len(empty) - 5} more" if len(empty) > 5 else "")  # fmt: skip
        return text


def membership(
    sets: Mapping[str, Sequence[str]], genes: Sequence[str],
    aliases: Mapping[str, str] | None = None,
) -> Membership:  # fmt: skip
    """Match symbols exactly; then by alias, then without regard to case, and say so."""
    place = {gene: i for i, gene in enumerate(genes)}
    folded = {gene.casefold(): gene for gene in reversed(list(genes))}
    matrix = np.zeros((len(sets), len(genes)), dtype=np.float32)
    unmatched: dict[str, tuple[str, ...]] = {}
    renamed: dict[str, str] = {}
    for row, (name, members) in enumerate(sets.items()):
        missing = []
        for member in members:
            known = member if member in place else (aliases or {}).get(member, "")
            if known not in place:
                known = folded.get(member.casefold(), "")
            if not known:
                missing.append(member)
                continue
            if known != member:
                renamed[member] = known
            matrix[row, place[known]] = 1
        unmatched[name] = tuple(missing)
    if not matrix.any():
        raise StmlError(
            "None of the gene sets' members is among the genes", where=", ".join(genes[:3]),
            do="use sets with the symbols of this table, or predict more genes",
        )  # fmt: skip
    return Membership(tuple(sets), matrix, unmatched, renamed)


def activities(values: NDArray[Any], matrix: NDArray[Any]) -> NDArray[np.float32]:
    """Mean z-score of each set's genes by spot; a set of fewer than 5 found genes is 0."""
    table = np.asarray(values, dtype=np.float64)
    spread = table.std(axis=0)
    z = (table - table.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    count = matrix.sum(axis=1)
    score = z @ matrix.T / np.maximum(count, 1)
    return np.where(count >= LEAST_MEMBERS, score, 0.0).astype(np.float32)
