"""What went wrong in a worker, as data on the wire and as words for the user."""

from __future__ import annotations

import signal
import sys
from typing import Any

from napari_stml.core import errors
from napari_stml.core.errors import StmlError


class WorkerDiedError(StmlError):
    """The worker process ended while it had work; nothing of the window is lost."""


def as_data(error: BaseException, where: str, log: str) -> dict[str, str]:
    """An exception in the user's words; its traceback goes to the log, not onto the wire.

    Exceptions never travel as objects: to rebuild one, the window would have to import the
    library that raised it.
    """
    if isinstance(error, StmlError):
        return {
            "kind": type(error).__name__,
            "what": error.what,
            "where": error.where,
            "do": error.do,
        }
    if any(k.__name__ in ("MemoryError", "OutOfMemoryError") for k in type(error).__mro__):
        what = f"There was not enough memory ({type(error).__name__}: {error})"
        do = "choose fewer observations or smaller batches, or close other programs"
    else:
        what = f"The computation failed ({type(error).__name__}: {error})"
        do = f"the log has the details: {log}"
    return {"kind": "StmlError", "what": what, "where": where, "do": do}


def from_data(data: dict[str, Any]) -> StmlError:
    """The error behind `as_data`, of its own class where it is one of ours."""
    kind = getattr(errors, data["kind"], StmlError)
    what, where, do = data["what"], data["where"], data["do"]
    if kind is errors.MissingScaleError:
        return errors.MissingScaleError(where)
    if isinstance(kind, type) and issubclass(kind, StmlError):
        return kind(what, where=where, do=do)
    return StmlError(what, where=where, do=do)


_WINDOWS_CODES = {
    0xC0000005: "native code touched memory that is not its own (access violation)",
    0xC0000017: "the system had no memory left",
    0xC00000FD: "native code ran out of stack",
    0xC0000409: "native code overran its stack",
}


def cause_of_death(code: int) -> str:
    """The exit code of a worker, translated."""
    if code in _WINDOWS_CODES:
        return _WINDOWS_CODES[code]
    if code >= 0:
        return f"it ended by itself with code {code}"
    names = {
        "SIGSEGV": "native code touched memory that is not its own (segmentation fault)",
        "SIGBUS": "a mapped file was cut short or the disk is full (bus error)",
        "SIGABRT": "native code gave up (abort)",
        "SIGFPE": "native code failed in arithmetic (floating point exception)",
        "SIGILL": "native code does not fit this processor (illegal instruction)",
        "SIGKILL": "the system ended it, most often because memory ran out",
        "SIGTERM": "something asked it to end (SIGTERM)",
    }
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
    return names.get(name, name)


def died(code: int, where: str, log: str) -> WorkerDiedError:
    """The message after a worker died under its work."""
    out_of_memory = code == (-9 if sys.platform != "win32" else 0xC0000017)
    do = (
        "choose fewer observations or smaller batches, or close other programs"
        if out_of_memory
        else f"your data are untouched; run it again, and if it happens again look at {log}"
    )
    return WorkerDiedError(
        f"The worker process stopped: {cause_of_death(code)}", where=where, do=do
    )


def too_slow(seconds: float) -> str:
    """Why a worker was given up before it answered; the system did not end it, we did."""
    return f"it had not started within {seconds:g} s"


def never_started(seconds: float, where: str, log: str) -> WorkerDiedError:
    """The message when a worker was given up while it started."""
    return WorkerDiedError(
        f"The worker process was given up: {too_slow(seconds)}",
        where=where,
        do=f"the computer may be busy: close other programs, try again; the log is {log}",
    )
