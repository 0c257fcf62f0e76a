"""The jobs behind every analysis: compute a Run from files, open its live update from files."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_stml.core.analysis import live_of, registered
from napari_stml.core.errors import StmlError
from napari_stml.runs import parcels
from napari_stml.runs.live_desk import OpenedLive

if TYPE_CHECKING:
    from napari_stml.core.results import Result
    from napari_stml.runs.job import Report, Spec

RUN = f"{__name__}:run_analysis"
LIVE = f"{__name__}:open_live"


def find_analysis(name: str, modules: tuple[str, ...] = ()) -> Any:
    """The registered analysis of this name; ``modules`` are imported first, then ours."""
    for module in modules:
        importlib.import_module(module)
    if name not in registered():
        import napari_stml.analyses as ours

        for info in pkgutil.iter_modules(ours.__path__, f"{ours.__name__}."):
            importlib.import_module(info.name)
    try:
        return registered()[name]()
    except KeyError:
        raise StmlError("There is no such analysis", where=name, do="update napari-stml") from None


def run_analysis(spec: Spec, report: Report) -> str:
    """Compute one Run.

    The spec names ``analysis`` (and the ``modules`` it stands in), ``params``, ``inputs`` (a
    parcel) and ``out``, the parcel that is written and whose path is the reference. A cancel
    closes the analysis at the step it is in; nothing is written then.
    """
    analysis = find_analysis(spec["analysis"], tuple(spec.get("modules", ())))
    params = analysis.Params.model_validate(spec["params"])
    with contextlib.closing(analysis.run(parcels.read(spec["inputs"]), params)) as steps:
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                result: Result = end.value
                break
            report(progress)
    return str(parcels.write(result, Path(spec["out"])))


def open_live(spec: Spec) -> OpenedLive:
    """Open the live update of a finished Run.

    The spec names ``analysis``, ``modules``, ``params`` (none: the defaults), and the parcels
    ``result`` and ``inputs``.
    """
    analysis = find_analysis(spec["analysis"], tuple(spec.get("modules", ())))
    params = analysis.Params.model_validate(spec.get("params", {}))
    live = live_of(analysis, parcels.read(spec["result"]), parcels.read(spec["inputs"]), params)
    return OpenedLive(live, analysis.LiveParams)
