"""Live answers by position: bounded in bytes, and the nearest one at once."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_stml.core.params import LiveParams
    from napari_stml.core.results import Result


@dataclass(frozen=True)
class LiveAnswer:
    """A result at one position of the sliders.

    Attributes
    ----------
    op
        Number of the `LiveSession.update` it belongs to.
    params
        The position it was computed for; ``exact`` says whether that is the one asked for.
    seconds
        What computing it took in the worker.
    """

    op: int
    params: LiveParams
    result: Result
    exact: bool = True
    seconds: float = 0.0
    readout: Mapping[str, str] = field(default_factory=dict)
    nbytes: int = 0


@cache
def _ranges(kind: type[LiveParams]) -> dict[str, tuple[float, bool]]:
    """Per numeric field the width of its slider, and whether it is logarithmic."""
    found = {}
    for name, schema in kind.model_json_schema(by_alias=False).get("properties", {}).items():
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        high = schema.get("maximum", schema.get("exclusiveMaximum"))
        log = bool(schema.get("stml", {}).get("log")) and low is not None and low > 0
        width = 1.0
        if low is not None and high is not None and high > low:
            width = math.log(high / low) if log else high - low
        found[name] = (width, log)
    return found


def distance(a: LiveParams, b: LiveParams) -> float:
    """How far two positions are apart, in slider widths; infinite when a choice differs."""
    total = 0.0
    for name, (width, log) in _ranges(type(a)).items():
        one, other = getattr(a, name), getattr(b, name)
        if one == other:
            continue
        if not (_is_number(one) and _is_number(other)):
            return math.inf
        if log and one > 0 and other > 0:
            one, other = math.log(one), math.log(other)
        total += abs(one - other) / width
    return total


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class AnswerCache:
    """The answers of one live session and one selection; the least used go first."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.nbytes = 0
        self._answers: OrderedDict[str, LiveAnswer] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def put(self, answer: LiveAnswer) -> None:
        key = answer.params.canonical()
        before = self._answers.pop(key, None)
        self.nbytes += answer.nbytes - (before.nbytes if before else 0)
        self._answers[key] = answer
        while self.nbytes > self.limit_bytes and len(self._answers) > 1:
            _, oldest = self._answers.popitem(last=False)
            self.nbytes -= oldest.nbytes

    def exact(self, params: LiveParams) -> LiveAnswer | None:
        key = params.canonical()
        if key not in self._answers:
            return None
        self._answers.move_to_end(key)
        return self._answers[key]

    def nearest(self, params: LiveParams) -> LiveAnswer | None:
        near = min(self._answers.values(), key=lambda a: distance(a.params, params), default=None)
        if near is None or math.isinf(distance(near.params, params)):
            return None
        return near

    def room_for(self, nbytes: int) -> bool:
        return self.nbytes + nbytes <= self.limit_bytes

    def clear(self) -> None:
        self._answers.clear()
        self.nbytes = 0
