"""The window's side of Live: positions go out, the nearest known answer comes at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_stml.runs.answers import AnswerCache, LiveAnswer, distance
from napari_stml.runs.failures import from_data

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_stml.core.errors import StmlError
    from napari_stml.core.params import LiveParams
    from napari_stml.runs.channel import Message

OnAnswer = Callable[[LiveAnswer], None]
OnError = Callable[["StmlError"], None]
Selection = tuple[str, ...] | None
MOST_UNDERWAY = 8
"""Updates sent and not answered; what is newer waits here, and only the newest of it."""


class LiveSession:
    """A finished Run that follows a slider; made by `Workers.open_live`.

    Each `update` has an operation number. The worker computes only the newest one it has; an
    answer is shown only when it lies nearer to where the slider is *now* than what is shown.
    Callbacks come from the steward's thread.
    """

    def __init__(
        self,
        number: int,
        opener: str,
        spec: Mapping[str, Any],
        kind: type[LiveParams],
        *,
        title: str,
        on_answer: OnAnswer,
        on_error: OnError | None,
        cache_bytes: int,
        post: Callable[[LiveSession], None],
        close: Callable[[LiveSession], None],
        scratch: Path,
    ) -> None:
        from napari_stml.runs.ring import RingReader

        self.number = number
        self.title = title
        self.lost = False
        """True after its worker crashed under it; the next update opens it again."""
        self.failed = False
        """True when it cannot be opened, or crashed again; it stays silent from then on."""
        self.opened = threading.Event()
        self._opener, self._spec, self._kind = opener, dict(spec), kind
        self._on_answer, self._on_error = on_answer, on_error
        self._post, self._ask_close = post, close
        self._ring = RingReader(scratch)
        self._lock = threading.Lock()
        self._cache = AnswerCache(cache_bytes)
        self._op = 0
        self._wanted: LiveParams | None = None
        self._selection: Selection = None
        self._selected = 0
        self._shown: tuple[str, float] = ("", float("inf"))
        self._sent = self._settled = 0
        self._sent_selection = 0
        self._grid = True
        self._closed = False

    def update(self, params: LiveParams, selection: Selection = None) -> LiveAnswer | None:
        """Follow the slider; returns at once what to paint now, None when it is painted already.

        What is returned is exact or the nearest cached; the exact one follows by ``on_answer``.
        """
        with self._lock:
            self._op += 1
            self._wanted = params
            if selection is not self._selection and selection != self._selection:
                self._selection = selection
                self._selected += 1
                self._cache.clear()
                self._shown = ("", float("inf"))
            known = self._cache.exact(params)
            if known is None:
                known = self._cache.nearest(params)
            if known is None:
                self._shown = (self._shown[0], float("inf"))
                answer = None
            else:
                away = distance(known.params, params)
                key = known.params.canonical()
                arrived = away == 0 and self._shown[1] > 0  # painted as the nearest, now exact
                painted = key == self._shown[0] and not arrived
                answer = None if painted else self._numbered(known, away)
                self._shown = (key, away)
            if self._shown[1] > 0:
                self._post(self)
            return answer

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._ask_close(self)

    @property
    def cached(self) -> int:
        """Number of answers that come at once."""
        with self._lock:
            return len(self._cache)

    # the rest is called by the steward

    def opening(self) -> Message:
        """The message that opens it in a fresh worker; what was sent before counts no more."""
        with self._lock:
            self.lost = False
            self.opened.clear()
            self._ring.close()
            self._sent = self._settled = self._sent_selection = 0
            return {
                "do": "live-open",
                "session": self.number,
                "title": self.title,
                "opener": self._opener,
                "spec": self._spec,
                "grid": self._grid,
            }

    def messages(self) -> list[Message]:
        """What the worker has to know now: the selection when it changed, the newest position."""
        with self._lock:
            found: list[Message] = []
            if self._closed or self.failed or self._wanted is None or self._shown[1] == 0:
                return found
            if self._sent == self._op or self._sent - self._settled >= MOST_UNDERWAY:
                return found
            own = {"session": self.number}
            if self._sent_selection != self._selected:
                members = None if self._selection is None else list(self._selection)
                found.append(
                    {"do": "live-select", "number": self._selected, "members": members, **own}
                )
                self._sent_selection = self._selected
            values = self._wanted.model_dump(mode="json")
            found.append({"do": "live-update", "op": self._op, "params": values, **own})
            self._sent = self._op
            return found

    @property
    def underway(self) -> bool:
        return self._sent > self._settled

    @property
    def settled(self) -> bool:
        """Nothing is being opened or computed for it."""
        return not self.underway and (self.opened.is_set() or self.lost or self.failed)

    def answered(self, message: Message) -> tuple[list[Message], LiveAnswer | None]:
        """Take an answer from the ring; returns what to tell the worker, and what to show."""
        from napari_stml.runs.parcels import unpack

        place = message["place"]
        arrays = self._ring.copy(place)
        own = {"session": self.number}
        replies: list[Message] = [
            {"do": "live-release", "number": place["number"], "slot": place["slot"], **own}
        ]
        with self._lock:
            self._settle(message["op"])
            if message["selected"] != self._selected or self._closed:
                return replies, None
            answer = LiveAnswer(
                message["op"],
                self._kind.model_validate(message["params"]),
                unpack(message["tree"], arrays),
                seconds=message["seconds"],
                readout=message["readout"],
                nbytes=sum(a.nbytes for a in arrays) + 4096,
            )
            if message["op"] == 0 and not self._cache.room_for(2 * answer.nbytes):
                replies.append({"do": "live-grid-off", **own})
            self._cache.put(answer)
            return replies, self._to_show(answer)

    def show(self, answer: LiveAnswer) -> None:
        if not self._closed:
            self._on_answer(answer)

    def unanswered(self, message: Message) -> None:
        """An update failed, or the opening of the whole session."""
        with self._lock:
            self.failed = message["says"] == "live-unopened"
            self._settle(message.get("op", 0))
        self.complain(from_data(message["error"]))

    def crashed(self, error: Callable[[str], StmlError]) -> None:
        """Its worker died: said where something of it was underway, opened again when wanted."""
        with self._lock:
            guilty = self.underway or not self.opened.is_set()
            self.failed = self.failed or (guilty and not self._grid)
            self.lost = guilty
            self._grid = False
            self._settled = self._sent
        if guilty:
            self.complain(error(self.title))

    def complain(self, error: StmlError) -> None:
        if self._on_error is not None and not self._closed:
            self._on_error(error)

    def free(self) -> None:
        self._ring.close()
        self._cache.clear()

    def _settle(self, op: int) -> None:
        self._settled = max(self._settled, op)

    def _to_show(self, answer: LiveAnswer) -> LiveAnswer | None:
        if self._wanted is None:
            return None
        away = distance(answer.params, self._wanted)
        if away >= self._shown[1]:
            return None
        self._shown = (answer.params.canonical(), away)
        return self._numbered(answer, away)

    def _numbered(self, answer: LiveAnswer, away: float) -> LiveAnswer:
        return replace(answer, op=self._op if away == 0 else answer.op, exact=away == 0)
