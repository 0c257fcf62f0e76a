"""One Run on its way through the queue, as the window sees it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from napari_stml.core.progress import Progress
from napari_stml.runs.failures import from_data

if TYPE_CHECKING:
    from napari_stml.core.errors import StmlError
    from napari_stml.runs.channel import Message
    from napari_stml.runs.job import OnProgress, Reference, Spec

RunState = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class Outcome:
    """How a Run ended.

    ``reference`` names what was written; a Run that was cancelled in its last instant may have
    one, so that what it staged can be removed.
    """

    state: RunState
    reference: Reference = None
    error: StmlError | None = None
    seconds: float = 0.0


OnEnd = Callable[[Outcome], None]
OnState = Callable[[RunState], None]


class Execution:
    """A Run in the queue or in the worker; made by `Workers.submit`.

    Callbacks come from the steward's thread, in order, and never after `Workers.close`.
    """

    def __init__(
        self,
        number: int,
        job: str,
        spec: Spec,
        *,
        title: str,
        gpu: bool,
        on_progress: OnProgress | None,
        on_state: OnState | None,
        on_end: OnEnd | None,
        cancel: Callable[[Execution], None],
    ) -> None:
        self.number = number
        self.title = title
        self.gpu = gpu
        self.state: RunState = "queued"
        self.outcome: Outcome | None = None
        self.cancel_asked = False
        self._job, self._spec = job, spec
        self._on_progress, self._on_state, self._on_end = on_progress, on_state, on_end
        self._ask_cancel = cancel
        self._ended = threading.Event()
        self._began = 0.0

    def cancel(self) -> None:
        """Ask for the end; returns at once. The outcome follows within a fifth of a second."""
        self._ask_cancel(self)

    def wait(self, timeout_s: float | None = None) -> Outcome | None:
        """Wait for the outcome (not in the window's thread); None when it took too long."""
        self._ended.wait(timeout_s)
        return self.outcome

    # the rest is called by the steward

    def message(self) -> Message:
        return {
            "do": "run",
            "id": self.number,
            "job": self._job,
            "title": self.title,
            "spec": dict(self._spec),
        }

    def begin(self) -> None:
        self._began = time.monotonic()
        self.state = "running"
        if self._on_state is not None:
            self._on_state(self.state)

    def progress(self, message: Message) -> None:
        if self._on_progress is not None and self.outcome is None and not self.cancel_asked:
            curves = tuple((name, value) for name, value in message["curves"])
            self._on_progress(Progress(message["done"], message["total"], message["text"], curves))

    def answered(self, message: Message) -> None:
        """The worker says how it ended; after a cancel nothing but cancelled is said."""
        reference: Any = message.get("reference")
        if self.cancel_asked or message["says"] == "cancelled":
            self.end("cancelled", reference)
        elif message["says"] == "failed":
            self.end("failed", error=from_data(message["error"]))
        else:
            self.end("done", reference)

    def end(
        self,
        state: RunState,
        reference: Reference = None,
        error: StmlError | None = None,
        quiet: bool = False,
    ) -> None:
        if self.outcome is not None:
            return
        seconds = time.monotonic() - self._began if self._began else 0.0
        self.state = state
        self.outcome = Outcome(state, reference, error, seconds)
        try:
            if not quiet and self._on_state is not None:
                self._on_state(state)
            if not quiet and self._on_end is not None:
                self._on_end(self.outcome)
        finally:
            self._ended.set()
