"""A recipe on dask.distributed: one task per store, retried once when its worker dies.

The task that holds a store's lock writes it. A killed worker leaves its store as it was after the
last finished step (the system drops the lock), so the next attempt skips what stands and goes on.
Progress travels as events of a topic; results are in the stores.
"""

from __future__ import annotations

import ipaddress
import logging
import queue
import threading
import uuid
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import StmlError
from napari_stml.runs.recipe_work import Done, Event, Task, work
from napari_stml.runs.reporting import ThrottledReport
from napari_stml.runs.settings import THREAD_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_stml.core.progress import Progress
    from napari_stml.runs.recipe_run import Tell

    Warn = Callable[[str], None]

LOCAL = "local"
ALLOWED_FAILURES = 1
_log = logging.getLogger(__name__)
PATIENCE_S = 24 * 3600.0
"""How long a worker of ours may be silent: native code may hold the interpreter lock for long."""
INTERVAL_S = 0.2


@contextmanager
def cluster(
    scheduler: str, *, workers: int | None = None, threads: int = 1, device: str = "cpu",
    security: str | None = None, warn: Warn = _log.warning,
) -> Iterator[OnCluster]:
    """Connect to a scheduler, or start worker processes of our own ("local").

    Parameters
    ----------
    device
        Anything but "cpu" asks for the resource ``GPU`` of a worker, which somebody must offer.
    security
        Folder with ca.pem, cert.pem and key.pem of a tls:// scheduler.
    """
    distributed = _distributed()
    with ExitStack() as stack:
        if scheduler == LOCAL:
            own = stack.enter_context(_local(workers or 2, threads))
            client = stack.enter_context(closing(distributed.Client(own)))
        else:
            _warn_of_open_address(scheduler, warn)
            client = stack.enter_context(closing(_connected(scheduler, security)))
            _warn_of_settings(client, warn)
        resources = None if device == "cpu" else {"GPU": 1}
        if resources is not None:
            _check_offered(client, resources)
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
    from napari_stml.core.progress import Progress

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
        what = "its workers died twice, most often because memory ran out" if killed else (
            f"{type(error).__name__}: {error}"
        )
    failed = Event(section=_label(task), step="task", state="failed", text=what)
    return Done([failed], dict(task.known))


def _label(task: Task) -> str:
    labels = [plan.label for plan in task.sections]
    return labels[0] if len(labels) == 1 else f"{labels[0]} and {len(labels) - 1} more"


@contextmanager
def _local(workers: int, threads: int) -> Iterator[Any]:
    """Worker processes that only this user's programs on this computer can reach (TLS)."""
    import dask
    from distributed import LocalCluster

    environ = {name: str(threads) for name in THREAD_VARIABLES}
    environ["MALLOC_TRIM_THRESHOLD_"] = "65536"  # dask's own setting, which this one replaces
    settings = {
        "distributed.scheduler.allowed-failures": ALLOWED_FAILURES,
        "distributed.scheduler.worker-ttl": f"{PATIENCE_S:.0f}s",
        "distributed.nanny.pre-spawn-environ": environ,
        "distributed.worker.memory.terminate": False,
        "distributed.worker.memory.pause": False,
        "distributed.worker.memory.spill": False,
    }
    with dask.config.set(settings):
        own = LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1",
            dashboard_address="127.0.0.1:0", security=True, silence_logs=logging.CRITICAL,
            memory_limit="auto",
        )  # fmt: skip
        try:
            yield own
        finally:
            own.close(timeout=10)


def _connected(address: str, folder: str | None) -> Any:
    distributed = _distributed()
    security = None
    if folder is not None:
        files = [Path(folder) / name for name in ("ca.pem", "cert.pem", "key.pem")]
        missing = [f for f in files if not f.is_file()]
        if missing:
            raise StmlError("A certificate is missing", where=missing[0], do="see docs/recipes.md")
        ca, cert, key = map(str, files)
        security = distributed.Security(
            tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key, require_encryption=True
        )
    try:
        return distributed.Client(address, security=security, timeout=20)
    except (OSError, TypeError, ValueError) as error:
        raise StmlError(
            f"The scheduler does not answer: {error}", where=address,
            do="check the address, and give --security for a tls:// scheduler",
        ) from error  # fmt: skip


def _warn_of_open_address(address: str, warn: Warn) -> None:
    """A dask port executes whatever is sent to it: say so when others can reach it."""
    protocol, _, rest = address.rpartition("://")
    host = rest.rpartition(":")[0].strip("[]")
    if protocol in {"tls", "wss", "inproc"} or _is_local(host):
        return
    warn(
        f"{address} is neither encrypted nor local: everyone who reaches this port can run "
        "programs as you. Use tls:// with --security where you can."
    )


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _warn_of_settings(client: Any, warn: Warn) -> None:
    """What a scheduler of others should be set to; it is theirs, so it is not changed."""
    failures, patience = client.run_on_scheduler(_settings)
    if failures != ALLOWED_FAILURES:
        warn(
            f"The scheduler starts a section {failures} times more when its workers die; "
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=1 makes it one."
        )
    if patience is not None and patience < 3600:
        warn(
            f"The scheduler gives up workers that are silent for {patience:.0f} s, as long native "
            "steps are; start it with DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL=24h."
        )


def _settings(dask_scheduler: Any) -> tuple[int, float | None]:
    return dask_scheduler.allowed_failures, dask_scheduler.worker_ttl


def _check_offered(client: Any, resources: dict[str, int]) -> None:
    """A resource that nobody offers would leave the task pending for ever, without a word."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    offered = [worker.get("resources", {}) for worker in workers.values()]
    for name, amount in resources.items():
        if not any(o.get(name, 0) >= amount for o in offered):
            raise StmlError(
                f"No worker offers the resource {name}", where=f"{len(offered)} workers",
                do=f"start workers with --resources {name}={amount}, or set 'device: cpu'",
            )  # fmt: skip


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise StmlError(
            "Clusters need dask.distributed, which is not installed",
            do="pip install 'napari-stml[cluster]'",
        ) from error
    return distributed
