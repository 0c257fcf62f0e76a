"""Workers that know the toy jobs, and are gone at the end of the test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from napari_stml.runs.settings import WorkerSettings
from napari_stml.runs.workers import Workers

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.append(HERE)  # the toy under the name by which the worker knows it

Start = Callable[..., Workers]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start workers that end with the test."""
    started: list[Workers] = []

    def start(**settings: Any) -> Workers:
        settings = {"path": (HERE,), **settings}
        started.append(Workers(WorkerSettings(**settings)))
        return started[-1]

    yield start
    for workers in started:
        workers.close()


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """Warm workers that the tests of one module share."""
    workers = Workers(WorkerSettings(path=(HERE,), preload=("toy",)))
    yield workers
    workers.close()
