"""The compiled parts of attention on the processor, and how they are shared between threads.

Compiled where numba is installed (scanpy brings it); without it, on a graphics card and in double
precision `attention` computes the same with torch.
"""

from __future__ import annotations

import functools
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_stml.models.spacon import loops as written

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    F32 = NDArray[np.float32]

SPLIT = 4_000_000
"""Numbers to be added before more than one thread is worth it."""
MOST_PARTS = 8


@dataclass(frozen=True)
class Loops:
    """The functions of `loops`, compiled."""

    ends: Callable[..., None]
    weigh: Callable[..., None]
    back: Callable[..., None]
    finish: Callable[..., None]
    norm: Callable[..., None]
    norm_back: Callable[..., None]


@functools.cache
def loops() -> Loops | None:
    """Give the compiled loops, or None where numba is not installed."""
    try:
        import numba
    except ImportError:
        return None
    compiled: Any = numba.njit(
        cache=True, nogil=True, fastmath=True, error_model="numpy", boundscheck=False
    )
    return Loops(*(compiled(getattr(written, f.name)) for f in fields(Loops)))


def fits(values: Tensor) -> bool:
    """Whether the loops can work on these: single precision, on the processor."""
    return values.dtype == torch.float32 and not values.is_cuda


def forward(
    run: Loops, values: F32, vectors: tuple[F32, F32], source: NDArray[Any], start: NDArray[Any],
    dropout: tuple[int, float], threads: int,
) -> tuple[F32, F32]:  # fmt: skip
    """Sum of the sources' values at every target, weighted by the softmax of their scores.

    What `backward` needs comes along.

    Parameters
    ----------
    vectors
        Of source and target: their inner products with the values make the score.
    dropout
        A seed, and the share of the weights that become 0.
    """
    n, count = len(values), len(source)
    out = np.empty_like(values)
    ends = np.empty((2, n), dtype=np.float32)
    run.ends(values, *vectors, ends)
    by_edge = np.empty((4, count), dtype=np.float32)
    seed, share = np.uint32(dropout[0]), np.float32(dropout[1])

    def part(_: int, lo: int, hi: int) -> None:
        run.weigh(values, ends, source, start, lo, hi, seed, share, by_edge, out)

    _each(part, _parts(start, values.shape[1], threads))
    return out, by_edge


def backward(
    run: Loops, gradient: F32, values: F32, vectors: tuple[F32, F32], by_edge: F32,
    source: NDArray[Any], start: NDArray[Any], dropout: float, threads: int,
) -> tuple[F32, F32, F32]:  # fmt: skip
    """Give the gradients of the values and of both vectors."""
    ranges = _parts(start, values.shape[1], threads)
    of_values = [np.zeros_like(values) for _ in ranges]
    of_source = [np.zeros(len(values), dtype=np.float32) for _ in ranges]
    of_target = np.empty(len(values), dtype=np.float32)
    share = np.float32(dropout)

    def part(i: int, lo: int, hi: int) -> None:
        run.back(gradient, values, source, start, lo, hi, share, by_edge, of_values[i],
                 of_source[i], of_target)  # fmt: skip

    _each(part, ranges)
    for i in range(1, len(ranges)):  # in this order, so that equal threads give equal bits
        of_values[0] += of_values[i]
        of_source[0] += of_source[i]
    of_vectors = np.zeros((2, values.shape[1]), dtype=np.float32)
    run.finish(values, *vectors, of_source[0], of_target, of_values[0], of_vectors)
    return of_values[0], of_vectors[0], of_vectors[1]


def normed(
    run: Loops, values: F32, scale: F32, bias: F32, least: float, bent: bool,
    running: tuple[F32, F32], momentum: float,
) -> tuple[F32, F32]:  # fmt: skip
    """Batch norm, and ELU where ``bent``; with the mean and 1 / sd of every column.

    ``running`` are mean and variance that follow, in place.
    """
    out, moments = np.empty_like(values), np.empty((2, values.shape[1]), dtype=np.float32)
    run.norm(values, scale, bias, np.float32(least), bent, running, np.float32(momentum),
             moments, out)  # fmt: skip
    return out, moments


def normed_back(
    run: Loops, gradient: F32, values: F32, out: F32, scale: F32, moments: F32, bent: bool
) -> tuple[F32, F32, F32]:
    """Give the gradients of values, scale and bias."""
    of_values, of_ends = np.empty_like(values), np.empty_like(moments)
    run.norm_back(gradient, values, out, scale, bent, moments, of_ends, of_values)
    return of_values, of_ends[0], of_ends[1]


def _parts(start: NDArray[Any], width: int, threads: int) -> list[tuple[int, int]]:
    """Ranges of targets with about as many edges each."""
    n, edges = len(start) - 1, int(start[-1])
    count = min(threads, MOST_PARTS, max(1, edges * width // SPLIT))
    if count == 1:
        return [(0, n)]
    cuts = np.searchsorted(start, np.linspace(0, edges, count + 1)[1:-1])
    places = [0, *(int(c) for c in cuts), n]
    return [(a, b) for a, b in itertools.pairwise(places) if b > a]


def _each(part: Callable[[int, int, int], None], ranges: list[tuple[int, int]]) -> None:
    if len(ranges) == 1:
        part(0, *ranges[0])
        return
    for done in [_pool().submit(part, i, lo, hi) for i, (lo, hi) in enumerate(ranges)]:
        done.result()


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MOST_PARTS, thread_name_prefix="attention")
