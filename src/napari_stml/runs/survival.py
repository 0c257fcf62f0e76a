"""A worker never outlives its window, whatever it is doing when the window ends.

A thread that watches is not enough: native code can hold the interpreter lock for minutes. On
Linux the kernel ends the worker (PR_SET_PDEATHSIG); elsewhere a guard does, a tiny process that
blocks on the window's end of a pipe.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from typing import Literal

Guard = Literal["kernel", "process"]

_PR_SET_PDEATHSIG = 1
_GUARD = """
import os, sys
while os.read(0, 4096): pass
if sys.platform == "win32": os.kill(int(sys.argv[1]), 15)
else: os.killpg(int(sys.argv[1]), 9)
"""


def default_guard() -> Guard:
    return "kernel" if sys.platform == "linux" else "process"


def die_with(parent: int, guard: Guard) -> None:
    """Tie this process to its parent; ends at once when that is already gone.

    The kernel's signal comes when the *thread* that started the worker ends, so the window
    starts workers on a thread that lasts. The guard stands in the worker's process group and
    ends with it.
    """
    if guard == "kernel" and sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
        if os.getppid() != parent:
            os._exit(1)
        return
    subprocess.Popen(
        [sys.executable, "-S", "-E", "-c", _GUARD, str(os.getpid())],
        stdin=sys.stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def end_group(pid: int) -> None:
    """End a worker with everything that it started; nothing happens when it is gone."""
    try:
        if sys.platform == "win32":
            os.kill(pid, signal.SIGTERM)
        else:
            os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def end_myself() -> None:
    """The window is gone: end, with the processes that were started from here."""
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def make_nice(pid: int, steps: int) -> None:
    """Let a process that was just started give way to the window, while it imports, too."""
    if sys.platform != "win32":
        own = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, pid, min(19, own + steps))
