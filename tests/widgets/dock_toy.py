"""An analysis that does not end by itself."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from napari_stml.core.analysis import register
from napari_stml.core.params import Params, param
from napari_stml.core.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_stml.core.analysis import Steps, Tab
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need


class SlowParams(Params):
    steps: int = param(100_000, title="Steps", help="Of a hundredth of a second.", ge=1)


@register
class Slow:
    """Waits, step by step."""

    name: ClassVar[str] = "dock-slow"
    title: ClassVar[str] = "Slow"
    tab: ClassVar[Tab] = "prepare"
    sections: ClassVar[Literal["one", "many"]] = "one"
    context: ClassVar[Literal["inside", "around"]] = "inside"
    Params = SlowParams

    def needs(self, params: Any) -> Mapping[str, Need]:
        return {}

    def run(self, inputs: Inputs, params: Any) -> Steps:
        never = threading.Event()
        for i in range(params.steps):
            yield Progress(i, params.steps, "waiting")
            never.wait(0.01)
        raise AssertionError("nobody stopped it")
