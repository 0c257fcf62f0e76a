"""A recipe on dask.distributed: one task per store, retried once when its worker dies.

The task that holds a store's lock writes it. A killed worker leaves its store as it was after the
last finished step (the system drops the lock), so the next attempt skips what stands and goes on.
Progress travels as events of a topic; results are in the stores.
"""

from __future__ import annotations

import queue
import threading
import uuid
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

from napari_stml.core.progress import Progress
from napari_stml.runs.recipe_work import Done, Event, Task, work
from napari_stml.runs.reporting import ThrottledReport
from napari_stml.runs.scheduler import (
    LOCAL,
    check_offered,
    connected,
    distributed_or_error,
    local_processes,
    warn_of_open_address,
    warn_of_settings,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_stml.runs.recipe_run import Tell
    from napari_stml.runs.scheduler import Warn

INTERVAL_S = 0.2
"""Between two messages of one step."""


@contextmanager
def cluster(
    scheduler: str,
    *,
    warn: Warn,
    workers: int | None = None,
    threads: int = 1,
    device: str = "cpu",
    security: str | None = None,
) -> Iterator[OnCluster]:
    """Connect to a scheduler, or start worker processes of our own ("local").

    Parameters
    ----------
    warn
        Takes what the user should know of the scheduler, in words.
    device
        Anything but "cpu" asks for the resource ``GPU`` of a worker, which somebody must offer.
    security
        Folder with ca.pem, cert.pem and key.pem of a tls:// scheduler.
    """
    distributed = distributed_or_error()
    with ExitStack() as stack:
        if scheduler == LOCAL:
            on_cpu = device == "cpu"  # one GPU, one worker, unless more are asked for
            count = workers or (2 if on_cpu else 1)
            own = stack.enter_context(local_processes(count, threads, {} if on_cpu else {"GPU": 1}))
            client = stack.enter_context(closing(distributed.Client(own)))
        else:
            warn_of_open_address(scheduler, warn)
            client = stack.enter_context(closing(connected(scheduler, security)))
            warn_of_settings(client, warn)
        resources = None if device == "cpu" else {"GPU": 1}
        if resources is not None:
            check_offered(client, resources)
        yield OnCluster(client, resources)


class OnCluster:
    """Runs the tasks of a recipe on the workers of a client."""

    def __init__(self, client: Any, resources: dict[str, int] | None = None) -> None:
        self.client = client
        self.resources = resources

    def each(self, tasks: Sequence[Task], tell: Tell) -> Iterator[Done]:
        """Submit all tasks, tell their progress, and give each as it ends."""
        topic = f"stml-recipe-{uuid.uuid4().hex}"
        told: queue.Queue[Any] = queue.Queue()
        self.client.subscribe_topic(topic, lambda event: told.put(event[1]))
        telling = _Telling(tell)
        futures = {
            self.client.submit(
                do, task.model_dump(mode="json"), topic, key=f"{_label(task)}-{uuid.uuid4().hex}",
                pure=False, retries=0, resources=self.resources,
            ): task
            for task in tasks
        }  # fmt: skip
        threading.Thread(
            target=_collect, args=(list(futures), told), name="stml-futures", daemon=True
        ).start()
        waiting = set(futures)
        try:
            while waiting:
                message = told.get()
                if isinstance(message, dict):
                    telling.message(message)
                    continue
                waiting.discard(message)
                done = _answer(message, futures[message])
                telling.answer(futures[message], done)
                yield done
        finally:
            for future in waiting:
                future.cancel()
            self.client.unsubscribe_topic(topic)


class _Telling:
    """Events as they come in, and with the answer those that were overtaken by it."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._attempts: dict[str, str] = {}
        self._told: set[tuple[str, str, str]] = set()
        self._over: set[str] = set()

    def message(self, message: dict[str, Any]) -> None:
        event = Event.model_validate({k: message[k] for k in Event.model_fields})
        if event.section in self._over:
            return
        attempt = message["attempt"]
        if self._attempts.setdefault(event.section, attempt) != attempt:
            self._attempts[event.section] = attempt
            self._told = {t for t in self._told if t[0] != event.section}
            again = "its worker died; another one goes on"
            self._tell(Event(section=event.section, step=event.step, state="retried", text=again))
        if event.ended:
            self._told.add((event.section, event.step, event.state))
        self._tell(event)

    def answer(self, task: Task, done: Done) -> None:
        for event in done.events:
            if (event.section, event.step, event.state) not in self._told:
                self._tell(event)
        self._over |= {event.section for event in done.events}


def do(task: dict[str, Any], topic: str) -> dict[str, Any]:
    """Do one task in a worker; what goes back is plain data."""
    import os

    from distributed import get_worker

    worker = get_worker()
    attempt = uuid.uuid4().hex

    def send(event: Event) -> None:
        stamp = {"worker": worker.address, "pid": os.getpid(), "attempt": attempt}
        worker.log_event(topic, {**event.model_dump(mode="json"), **stamp})

    throttle: dict[tuple[str, str], ThrottledReport] = {}

    def tell(event: Event) -> None:
        key = (event.section, event.step)
        if event.state != "running":
            if key in throttle:
                throttle.pop(key).close()
            send(event)
            return
        if key not in throttle:
            throttle[key] = ThrottledReport(_sender(event, send), INTERVAL_S)
        throttle[key](_as_progress(event))

    try:
        done = work(Task.model_validate(task), tell)
    finally:
        for report in throttle.values():
            report.close()
    return {"events": [e.model_dump(mode="json") for e in done.events], "known": done.known}


def _sender(first: Event, send: Callable[[Event], None]) -> Callable[[Progress], None]:
    def forward(progress: Progress) -> None:
        send(first.model_copy(update={"fraction": progress.fraction, "text": progress.text}))

    return forward


def _as_progress(event: Event) -> Progress:
    if event.fraction is None:
        return Progress(0, 0, event.text)
    return Progress(round(event.fraction * 1000), 1000, event.text)


def _collect(futures: list[Any], told: queue.Queue[Any]) -> None:
    from distributed import as_completed

    for future in as_completed(futures, raise_errors=False):
        told.put(future)


def _answer(future: Any, task: Task) -> Done:
    if future.status == "finished":
        answer = future.result()
        return Done([Event.model_validate(e) for e in answer["events"]], answer["known"])
    if future.status == "cancelled":
        what = "the scheduler ended it"
    else:
        error = future.exception()
        killed = type(error).__name__ == "KilledWorker"
        what = (
            "its workers died twice, most often because memory ran out"
            if killed
            else (f"{type(error).__name__}: {error}")
        )
    failed = Event(section=_label(task), step="task", state="failed", text=what)
    return Done([failed], dict(task.known))


def _label(task: Task) -> str:
    labels = [plan.label for plan in task.sections]
    return labels[0] if len(labels) == 1 else f"{labels[0]} and {len(labels) - 1} more"
