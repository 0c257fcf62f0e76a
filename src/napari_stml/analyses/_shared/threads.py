"""Native libraries kept to the Run's number of threads, while they compute."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.results import Result


def limits(threads: int) -> Callable[[], Any]:
    """Load BLAS and OpenMP, and give what makes a context with at most so many threads.

    More threads than free cores are not only of no use: t-SNE of 256 spots took half a minute
    on two busy cores, waiting for its own threads.
    """
    import sklearn.utils  # noqa: F401
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return functools.partial(ThreadpoolController().limit, limits=threads)


def limited(run: Callable[[Any, Inputs, Any], Steps]) -> Callable[[Any, Inputs, Any], Steps]:
    """Decorate ``run``: between its steps the limit does not hold."""

    @functools.wraps(run)
    def steps(self: Any, inputs: Inputs, params: Any) -> Steps:
        limit = limits(inputs.threads)
        inner = run(self, inputs, params)
        try:
            while True:
                with limit():
                    try:
                        progress = next(inner)
                    except StopIteration as end:
                        result: Result = end.value
                        return result
                yield progress
        finally:
            inner.close()

    return steps
