"""The inner loops of attention, as `kernel` compiles them: every link is touched once each way.

Plain loops over float32 arrays. ``lo`` and ``hi`` bound the targets that a call works on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]

TWO = tuple(
    np.float32(c)
    for c in (
        0.9999998984,
        0.6931544897,
        0.2401418182,
        0.05586033708,
        0.008949590424,
        0.001893754058,
    )
)
"""Polynomial of 2^f for f in (0, 1), to 1e-7: loops with a call of exp are not vectorised."""
EXP = tuple(
    np.float32(c)
    for c in (
        1.000000038,
        0.9999963001,
        0.5000588308,
        0.1663180463,
        0.04264117125,
        0.006959556801,
        0.002307842672,
    )
)
"""Polynomial of e^f for f in (0, 1)."""


def ends(values: F32, of_source: F32, of_target: F32, out: F32) -> None:
    """Inner products of every row with two vectors."""
    for i in range(values.shape[0]):
        a, b = np.float32(0), np.float32(0)
        for s in range(values.shape[1]):
            a += values[i, s] * of_source[s]
            b += values[i, s] * of_target[s]
        out[0, i], out[1, i] = a, b


def weigh(
    values: F32, at: F32, source: Any, start: Any, lo: int, hi: int, seed: Any, dropout: Any,
    by_edge: F32, out: F32,
) -> None:  # fmt: skip
    """Score, softmax, dropout, weighted sums; by edge score, weight, weight used, scratch."""
    one = np.float32(1)
    score, weight, used, scratch = by_edge[0], by_edge[1], by_edge[2], by_edge[3]
    bits = scratch.view(np.int32)
    first, last = start[lo], start[hi]
    for i in range(lo, hi):
        own = at[1, i]
        for e in range(start[i], start[i + 1]):
            score[e] = at[0, source[e]] + own
    for e in range(first, last):  # exp(-t) = 2^(whole + part): 2^part here, 2^whole as bits
        t = min(max(score[e] * np.float32(-1.4426950408889634), np.float32(-126)), np.float32(126))
        whole = np.floor(t)
        f = t - whole
        score[e] = ((((TWO[5] * f + TWO[4]) * f + TWO[3]) * f + TWO[2]) * f + TWO[1]) * f + TWO[0]
        bits[e] = (np.int32(whole) + np.int32(127)) << np.int32(23)
    for e in range(first, last):
        score[e] = one / (one + score[e] * scratch[e])
        f = score[e]  # between 0 and 1: no maximum has to be taken away
        weight[e] = (
            ((((EXP[6] * f + EXP[5]) * f + EXP[4]) * f + EXP[3]) * f + EXP[2]) * f + EXP[1]
        ) * f + EXP[0]
    if dropout > 0:
        kept, limit = one / (one - dropout), np.uint32(dropout * np.float64(4294967296.0))
        for e in range(first, last):  # the finish of murmur3, by the number of the edge
            z = np.uint32(np.uint32(e) * np.uint32(0x9E3779B1) + seed)
            z = np.uint32((z ^ (z >> np.uint32(16))) * np.uint32(0x85EBCA6B))
            z = np.uint32((z ^ (z >> np.uint32(13))) * np.uint32(0xC2B2AE35))
            z = np.uint32(z ^ (z >> np.uint32(16)))
            used[e] = kept if z >= limit else np.float32(0)
    else:
        for e in range(first, last):
            used[e] = one
    for i in range(lo, hi):
        e, end = start[i], start[i + 1]
        total = np.float32(0)
        for k in range(e, end):
            total += weight[k]
        inverse = one / total
        for k in range(e, end):
            weight[k] *= inverse
            used[k] *= weight[k]
        for s in range(values.shape[1]):
            out[i, s] = 0
        while e + 4 <= end:  # four at a time: the sum is loaded and stored once for all
            a, b, c, d = used[e], used[e + 1], used[e + 2], used[e + 3]
            f, g, h, j = source[e], source[e + 1], source[e + 2], source[e + 3]
            for s in range(values.shape[1]):
                out[i, s] += (
                    a * values[f, s] + b * values[g, s] + c * values[h, s] + d * values[j, s]
                )
            e += 4
        while e < end:
            a, f = used[e], source[e]
            for s in range(values.shape[1]):
                out[i, s] += a * values[f, s]
            e += 1


def back(
    gradient: F32, values: F32, source: Any, start: Any, lo: int, hi: int, dropout: Any,
    by_edge: F32, of_values: F32, of_source: F32, of_target: F32,
) -> None:  # fmt: skip
    """Gradients of the values that were summed, and of what both ends add to the scores."""
    one = np.float32(1)
    score, weight, used, of_weight = by_edge[0], by_edge[1], by_edge[2], by_edge[3]
    kept = one / (one - dropout)
    width = values.shape[1]
    for i in range(lo, hi):
        mean = np.float32(0)
        for e in range(start[i], start[i + 1]):
            j, w = source[e], used[e]
            if w == 0:
                of_weight[e] = 0
                continue
            dot = np.float32(0)
            for s in range(width):
                dot += gradient[i, s] * values[j, s]
            for s in range(width):
                of_values[j, s] += w * gradient[i, s]
            of_weight[e] = dot * kept
            mean += weight[e] * of_weight[e]
        total = np.float32(0)
        for e in range(start[i], start[i + 1]):
            slope = weight[e] * (of_weight[e] - mean) * score[e] * (one - score[e])
            of_source[source[e]] += slope
            total += slope
        of_target[i] = total


def finish(
    values: F32, by_source: F32, by_target: F32, at_source: F32, at_target: F32, of_values: F32,
    of_vectors: F32,
) -> None:  # fmt: skip
    """From the gradients of the ends' shares to those of the values and both vectors."""
    for i in range(values.shape[0]):
        a, b = at_source[i], at_target[i]
        for s in range(values.shape[1]):
            of_values[i, s] += a * by_source[s] + b * by_target[s]
        for s in range(values.shape[1]):
            of_vectors[0, s] += a * values[i, s]
            of_vectors[1, s] += b * values[i, s]


def norm(
    values: F32, scale: F32, bias: F32, least: Any, elu: bool, running: tuple[F32, F32],
    momentum: Any, moments: F32, out: F32,
) -> None:  # fmt: skip
    """Batch norm of the columns, then ELU; ``moments`` become their mean and 1 / sd."""
    n, width = values.shape
    one = np.float32(1)
    middle, inverse = moments[0], moments[1]
    middle[:] = 0
    inverse[:] = 0
    row = np.empty(width, dtype=np.float32)
    bits = row.view(np.int32)
    for i in range(n):
        for s in range(width):
            middle[s] += values[i, s]
    for s in range(width):
        middle[s] /= n
    for i in range(n):
        for s in range(width):
            away = values[i, s] - middle[s]
            inverse[s] += away * away
    for s in range(width):
        running[0][s] += momentum * (middle[s] - running[0][s])
        running[1][s] += momentum * (inverse[s] / np.float32(max(n - 1, 1)) - running[1][s])
        inverse[s] = one / np.sqrt(inverse[s] / np.float32(n) + least)
    for i in range(n):
        for s in range(width):
            out[i, s] = (values[i, s] - middle[s]) * (inverse[s] * scale[s]) + bias[s]
        if not elu:
            continue
        for s in range(width):
            t = max(
                min(out[i, s], np.float32(0)) * np.float32(1.4426950408889634), np.float32(-126)
            )
            whole = np.floor(t)
            bits[s] = (np.int32(whole) + np.int32(127)) << np.int32(23)
        for s in range(width):
            t = max(
                min(out[i, s], np.float32(0)) * np.float32(1.4426950408889634), np.float32(-126)
            )
            f = t - np.floor(t)
            power = (
                ((((TWO[5] * f + TWO[4]) * f + TWO[3]) * f + TWO[2]) * f + TWO[1]) * f + TWO[0]
            ) * row[s]
            out[i, s] = max(out[i, s], np.float32(0)) + (power - one)


def norm_back(
    gradient: F32, values: F32, out: F32, scale: F32, elu: bool, moments: F32, of_ends: F32,
    of_values: F32,
) -> None:  # fmt: skip
    """Gradients of the same; ``of_ends`` are those of scale and bias."""
    n, width = values.shape
    one = np.float32(1)
    middle, inverse, of_scale, of_bias = moments[0], moments[1], of_ends[0], of_ends[1]
    of_ends[:] = 0
    for i in range(n):
        if elu:
            for s in range(width):
                of_values[i, s] = gradient[i, s] * (min(out[i, s], np.float32(0)) + one)
        else:
            for s in range(width):
                of_values[i, s] = gradient[i, s]
        for s in range(width):
            of_bias[s] += of_values[i, s]
            of_scale[s] += of_values[i, s] * (values[i, s] - middle[s]) * inverse[s]
    for i in range(n):
        for s in range(width):
            even = (values[i, s] - middle[s]) * inverse[s] * of_scale[s] + of_bias[s]
            of_values[i, s] = (of_values[i, s] - even / np.float32(n)) * (scale[s] * inverse[s])
