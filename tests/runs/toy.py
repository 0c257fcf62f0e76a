"""Jobs and a Live that compute next to nothing, imported by the worker under its own name."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from napari_stml.core.analysis import register
from napari_stml.core.errors import CannotOpenError
from napari_stml.core.params import LiveParams, Params, param
from napari_stml.core.progress import Progress
from napari_stml.core.results import Labels, Result
from napari_stml.runs.live_desk import OpenedLive
from napari_stml.runs.scratch import taken

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_stml.core.analysis import Live, Steps, Tab
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need
    from napari_stml.runs.job import Report, Spec


def echo(spec: Spec, report: Report) -> Any:
    return dict(spec)


def who(spec: Spec, report: Report) -> Any:
    return {
        "pid": os.getpid(),
        "nice": os.nice(0),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "waiting": os.environ.get("OMP_WAIT_POLICY"),
        "group": os.getpgrp(),
        "qt": sorted(m for m in sys.modules if m.split(".")[0] in ("qtpy", "PyQt6", "napari")),
        "warm": "wave" in sys.modules,
    }


def total(spec: Spec, report: Report) -> Any:
    array = taken(spec["array"])
    return {"sum": float(array.sum()), "mapped": isinstance(array, np.memmap)}


def count(spec: Spec, report: Report) -> Any:
    for i in range(spec["steps"]):
        report(Progress(i + 1, spec["steps"], "counting", (("loss", 1.0 / (i + 1)),)))
    return {"steps": spec["steps"]}


def hold_one(spec: Spec, report: Report) -> Any:
    """Two reports at once, then silence: the second one has to arrive all the same."""
    report(Progress(1, 2))
    report(Progress(2, 2))
    threading.Event().wait()


def until_cancelled(spec: Spec, report: Report) -> Any:
    """Polite: stops at its next report, and closes what it had open."""
    try:
        for i in range(1_000_000):
            report(Progress(i, 0))
            time.sleep(0.005)
    finally:
        Path(spec["mark"]).write_text("closed", encoding="utf-8")


def deaf(spec: Spec, report: Report) -> Any:
    """Holds the interpreter lock in native code, as igraph does."""
    report(Progress(0, 0, "native"))
    hold_the_lock(600)


def slow_to_close(spec: Spec, report: Report) -> Any:
    """Does not look at the cancel for a while, but closes its files when it does."""
    report(Progress(0, 0))
    while not report.cancelled:
        time.sleep(0.005)
    time.sleep(spec["seconds"])
    Path(spec["mark"]).write_text("closed", encoding="utf-8")
    report(Progress(1, 1))


def hold_the_lock(seconds: int) -> None:
    if sys.platform == "win32":
        ctypes.PyDLL("kernel32").Sleep(seconds * 1000)
    else:
        ctypes.PyDLL(None).sleep(seconds)


def exits(spec: Spec, report: Report) -> Any:
    os._exit(3)


def quits(spec: Spec, report: Report) -> Any:
    sys.exit("enough")


def segfaults(spec: Spec, report: Report) -> Any:
    ctypes.string_at(0)


def killed(spec: Spec, report: Report) -> Any:
    os.kill(os.getpid(), 9)


def raises(spec: Spec, report: Report) -> Any:
    kinds = {
        "ours": CannotOpenError("The table is empty", where="a.h5ad", do="choose another"),
        "runtime": RuntimeError("not on this device"),
        "torch": type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory"),
        "value": ValueError("bad"),
    }
    raise kinds[spec["kind"]]


def not_json(spec: Spec, report: Report) -> Any:
    return {1, 2}


class AtPosition(LiveParams):
    alpha: float = param(0.5, title="Alpha", help="Where.", ge=0, le=1)
    view: str = param("a", title="View", help="Which.")


class ToyLive:
    """Codes of n spots that depend on alpha in a way the window can compute, too."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.spec = spec
        self.xy = taken(spec["xy"]) if "xy" in spec else np.zeros((spec["n"], 2))
        self.calls = 0

    def grid(self) -> tuple[AtPosition, ...]:
        n = self.spec.get("grid", 0)
        return tuple(AtPosition(alpha=i / (n - 1)) for i in range(n))

    def readout(self, params: AtPosition) -> Mapping[str, str]:
        return {"calls": str(self.calls), "pid": str(os.getpid())}

    def update(self, params: AtPosition, selection: tuple[str, ...] | None) -> Result:
        self.calls += 1
        if "log" in self.spec:
            with open(self.spec["log"], "a", encoding="utf-8") as log:
                log.write(f"{params.alpha}\n")
        if "gate" in self.spec and params.view == "gate":
            while not Path(self.spec["gate"]).exists():
                time.sleep(0.002)
        if params.view == "fail":
            raise RuntimeError("no such view")
        if params.view == "crash":
            os._exit(9)
        n = self.spec["n"] if selection is None else len(selection)
        codes = codes_at(params.alpha, n)
        return Result.of("toy", Labels("clusters", codes, ("a", "b", "c", "d")))


def codes_at(alpha: float, n: int) -> np.ndarray[Any, Any]:
    return ((np.arange(n) * (1 + int(alpha * 100))) % 4).astype(np.int16)


def open_toy(spec: Mapping[str, Any]) -> OpenedLive:
    if spec.get("broken"):
        raise FileNotFoundError("the result is gone")
    return OpenedLive(ToyLive(spec), AtPosition)


@register
class ToyAnalysis:
    """A whole analysis: two categories by the middle of x, alpha live."""

    name: ClassVar[str] = "toy-halves"
    title: ClassVar[str] = "Halves"
    tab: ClassVar[Tab] = "prepare"
    sections: ClassVar[Literal["one", "many"]] = "one"
    context: ClassVar[Literal["inside", "around"]] = "inside"

    class Params(Params):
        steps: int = param(3, title="Steps", help="How many.", ge=1)

    LiveParams = AtPosition

    def needs(self, params: Any) -> Mapping[str, Need]:
        return {}

    def run(self, inputs: Inputs, params: Any) -> Steps:
        section = inputs.one
        try:
            for i in range(params.steps):
                yield Progress(i + 1, params.steps, "halving")
        finally:
            if "mark" in section.data:
                Path(section["mark"]).write_text("closed", encoding="utf-8")
        right = section.xy[:, 0] > np.median(section.xy[:, 0])
        codes = np.where(section.inside, right, -1).astype(np.int16)
        return Result.of(section.section, Labels("half", codes, ("left", "right")))

    def live(self, result: Result, inputs: Inputs) -> Live:
        half = result.part("half")
        assert isinstance(half, Labels)

        class Shifted:
            def update(self, params: Any, selection: tuple[str, ...] | None) -> Result:
                codes = np.where(half.codes < 0, -1, (half.codes + round(params.alpha)) % 2)
                return Result.of(inputs.one.section, Labels("half", codes, half.categories))

        return Shifted()
