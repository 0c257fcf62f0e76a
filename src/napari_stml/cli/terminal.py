"""Words and progress in the terminal: a moving line on a screen, plain lines anywhere else."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from napari_stml.core.progress import Progress

CELLS = 24
INTERVAL_S = 0.1


def say(text: str = "") -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Line:
    """One line at the end of the terminal that is drawn anew; nothing where it cannot be."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream if stream is not None else sys.stderr
        self.moving = self.stream.isatty()
        self._next = 0.0

    def draw(self, text: str, *, at_once: bool = False) -> None:
        if self.moving and (at_once or time.monotonic() >= self._next):
            width = shutil.get_terminal_size().columns - 1
            self.stream.write(f"\r\x1b[2K{text[:width]}")
            self.stream.flush()
            self._next = time.monotonic() + INTERVAL_S

    def clear(self) -> None:
        if self.moving:
            self.stream.write("\r\x1b[2K")
            self.stream.flush()

    def above(self, text: str) -> None:
        """Write a line that stays."""
        self.clear()
        self.stream.write(f"{text}\n")
        self.stream.flush()


class Bar:
    """The progress of one Run."""

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        self.title = title
        self.line = Line(stream)
        self._said = ""

    def __call__(self, progress: Progress) -> None:
        fraction = progress.fraction
        self.line.draw(f"{self.title}  {bar(fraction)}  {progress.text}")
        if self.line.moving:
            return
        tens = "" if fraction is None else f"{int(fraction * 10) * 10} %"
        if f"{tens}{progress.text}" != self._said:
            self._said = f"{tens}{progress.text}"
            self.line.above(f"{self.title}: {tens} {progress.text}".rstrip())

    def end(self) -> None:
        self.line.clear()


def bar(fraction: float | None) -> str:
    if fraction is None:
        return f"[{'.' * CELLS}]"
    full = int(fraction * CELLS)
    return f"[{'#' * full}{'.' * (CELLS - full)}] {fraction:4.0%}"


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
