"""The worker's side of Live: opens updates, answers the newest position, computes ahead.

`LiveDesk.take` is called by the thread that listens, `work` by the one that computes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_stml.runs.failures import as_data
from napari_stml.runs.job import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from napari_stml.core.analysis import Live
    from napari_stml.core.params import LiveParams
    from napari_stml.runs.channel import Message
    from napari_stml.runs.ring import RingWriter

_log = logging.getLogger("napari_stml.worker.live")


@dataclass(frozen=True)
class OpenedLive:
    """What an opener (``module:function``, called with its spec) gives back."""

    live: Live
    params: type[LiveParams]


@dataclass
class _Session:
    number: int
    title: str
    opened: OpenedLive
    ring: RingWriter
    positions: tuple[LiveParams, ...]
    selected: int = 0
    selection: tuple[str, ...] | None = None
    grid: deque[LiveParams] = field(default_factory=deque)
    answered: set[str] = field(default_factory=set)


class LiveDesk:
    """All live sessions of one worker."""

    def __init__(self, send: Callable[[Message], None], scratch: Path, log: str) -> None:
        self._send = send
        self._scratch = scratch
        self._log_file = log
        self._lock = threading.Lock()
        self._to_open: deque[Message] = deque()
        self._newest: dict[int, Message] = {}
        self._selections: dict[int, Message] = {}
        self._sessions: dict[int, _Session] = {}

    def take(self, message: Message) -> None:
        number = message["session"]
        with self._lock:
            match message["do"]:
                case "live-open":
                    self._to_open.append(message)
                case "live-select":
                    self._selections[number] = message
                case "live-update":
                    self._newest[number] = message
                case "live-grid-off":
                    if number in self._sessions:
                        self._sessions[number].grid.clear()
                case "live-release":
                    if number in self._sessions:
                        self._sessions[number].ring.release(message["number"], message["slot"])
                case "live-close":
                    self._to_open = deque(m for m in self._to_open if m["session"] != number)
                    self._newest.pop(number, None)
                    self._selections.pop(number, None)
                    closed = self._sessions.pop(number, None)
                    if closed is not None:
                        closed.ring.abandon()
                case unknown:
                    _log.error("a message that is not understood: %s", unknown)

    @property
    def busy(self) -> bool:
        with self._lock:
            return bool(
                self._to_open
                or any(n in self._sessions for n in self._newest)
                or any(s.grid for s in self._sessions.values())
            )

    def work(self) -> None:
        """One piece of work: open, else the longest waiting update, else one of the grid."""
        with self._lock:
            opening = self._to_open.popleft() if self._to_open else None
            ready = [n for n in self._newest if n in self._sessions] if opening is None else []
            update = self._newest.pop(ready[0]) if ready else None
            session = self._sessions.get(update["session"]) if update else None
            ahead = None
            if opening is None and session is None:
                session = next((s for s in self._sessions.values() if s.grid), None)
                ahead = session.grid.popleft() if session else None
            if session is not None:
                self._follow_selection(session)
        if opening is not None:
            self._open(opening)
        elif session is not None and update is not None:
            self._update(session, update["op"], update["params"])
        elif session is not None and ahead is not None:
            self._ahead(session, ahead)

    def _follow_selection(self, session: _Session) -> None:
        wanted = self._selections.get(session.number)
        if wanted is not None and wanted["number"] != session.selected:
            session.selected = wanted["number"]
            members = wanted["members"]
            session.selection = None if members is None else tuple(members)
            session.answered.clear()
            session.grid = deque(session.positions)

    def _open(self, message: Message) -> None:
        from napari_stml.runs.ring import RingWriter

        number, title = message["session"], message["title"]
        try:
            opened: OpenedLive = resolve(message["opener"])(message["spec"])
            ahead = message["grid"] and hasattr(opened.live, "grid")
            grid = tuple(opened.live.grid()) if ahead else ()  # type: ignore[attr-defined]
        except BaseException as error:  # noqa: BLE001 - logged and told
            _log.exception("the live update %s could not be opened", title)
            self._fail("live-unopened", number, title, error)
            return
        ring = RingWriter(self._scratch, f"live-{number}-{time.monotonic_ns()}")
        with self._lock:
            session = _Session(number, title, opened, ring, grid, grid=deque(grid))
            self._sessions[number] = session
        self._send({"says": "live-opened", "session": number})

    def _update(self, session: _Session, op: int, values: Mapping[str, Any]) -> None:
        try:
            params = session.opened.params.model_validate(values)
            self._answer(session, op, params)
        except BaseException as error:  # noqa: BLE001 - logged and told
            _log.exception("the live update %s failed", session.title)
            self._fail("live-failed", session.number, session.title, error, op=op)
        else:
            self._nearest_first(session, params)

    def _ahead(self, session: _Session, params: LiveParams) -> None:
        if params.canonical() in session.answered:
            return
        try:
            self._answer(session, 0, params)
        except BaseException as error:  # noqa: BLE001 - logged and told
            _log.exception("computing ahead of %s failed and was given up", session.title)
            session.grid.clear()
            self._fail("live-failed", session.number, session.title, error, op=0)

    def _answer(self, session: _Session, op: int, params: LiveParams) -> None:
        from napari_stml.runs.parcels import pack

        began = time.perf_counter()
        live, selection = session.opened.live, session.selection
        result = live.update(params, selection)
        readout = dict(live.readout(params)) if hasattr(live, "readout") else {}
        arrays: list[Any] = []
        tree = pack(result, arrays)
        seconds = time.perf_counter() - began
        place = session.ring.write(arrays)
        session.answered.add(params.canonical())
        self._send(
            {
                "says": "live-answer",
                "session": session.number,
                "op": op,
                "params": params.model_dump(mode="json"),
                "selected": session.selected,
                "tree": tree,
                "place": place,
                "readout": readout,
                "seconds": seconds,
            }
        )

    def _nearest_first(self, session: _Session, params: LiveParams) -> None:
        """Put the grid in the order in which a slider at these values is likely to reach it."""
        if session.grid:
            from napari_stml.runs.answers import distance

            with self._lock:
                session.grid = deque(sorted(session.grid, key=lambda g: distance(g, params)))

    def _fail(self, says: str, number: int, title: str, error: BaseException, **more: int) -> None:
        data = as_data(error, title, self._log_file)
        self._send({"says": says, "session": number, "error": data, **more})
