"""The dask scheduler of a cohort: worker processes of our own, or somebody's cluster, safely."""

from __future__ import annotations

import ipaddress
import logging
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import StmlError
from napari_stml.runs.settings import THREAD_VARIABLES, WAITING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Warn = Callable[[str], None]

LOCAL = "local"
ALLOWED_FAILURES = 1
"""How often a task is begun again when its worker died."""
PATIENCE_S = 24 * 3600.0
"""How long a worker of ours may be silent: native code may hold the interpreter lock for long."""


@contextmanager
def local_processes(workers: int, threads: int, offers: Mapping[str, float]) -> Iterator[Any]:
    """Worker processes that only this user's programs on this computer can reach (TLS)."""
    import dask
    from distributed import LocalCluster

    environ = {name: str(threads) for name in THREAD_VARIABLES} | WAITING
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
            memory_limit="auto", resources=dict(offers),
        )  # fmt: skip
        try:
            yield own
        finally:
            own.close(timeout=10)


def connected(address: str, folder: str | None) -> Any:
    distributed = distributed_or_error()
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


def warn_of_open_address(address: str, warn: Warn) -> None:
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


def warn_of_settings(client: Any, warn: Warn) -> None:
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


def check_offered(client: Any, resources: dict[str, int]) -> None:
    """A resource that nobody offers would leave the task pending for ever, without a word."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    offered = [worker.get("resources", {}) for worker in workers.values()]
    for name, amount in resources.items():
        if not any(o.get(name, 0) >= amount for o in offered):
            raise StmlError(
                f"No worker offers the resource {name}", where=f"{len(offered)} workers",
                do=f"start workers with --resources {name}={amount}, or set 'device: cpu'",
            )  # fmt: skip


def distributed_or_error() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise StmlError(
            "Clusters need dask.distributed, which is not installed",
            do="pip install 'napari-stml[cluster]'",
        ) from error
    return distributed
