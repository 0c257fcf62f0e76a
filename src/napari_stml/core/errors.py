"""The error a user reads: what went wrong, where, and what to do about it."""

from __future__ import annotations


class StmlError(Exception):
    """An error in the user's words.

    Parameters
    ----------
    what
        What went wrong, one sentence without a final full stop.
    where
        The file, element, column or option concerned.
    do
        What the user can do now.
    """

    def __init__(self, what: str, *, where: object = "", do: str = "") -> None:
        self.what = what
        self.where = str(where)
        self.do = do
        place = f" ({self.where})" if self.where else ""
        advice = f" {self.do[0].upper()}{self.do[1:].rstrip('.')}" if self.do else ""
        advice += "." if advice and not advice.endswith(("?", "!")) else ""
        super().__init__(f"{what.rstrip('.')}{place}.{advice}")

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way from the worker process to the window."""
        return (_rebuild, (type(self), self.what, self.where, self.do))


def _rebuild(kind: type[StmlError], what: str, where: str, do: str) -> StmlError:
    return kind(what, where=where, do=do)


class CannotOpenError(StmlError):
    """A file or folder that is not what it should be."""


class CannotSaveError(StmlError):
    """Nothing of what was stored before is lost; the message says what is still unsaved."""


class MissingScaleError(StmlError):
    """An answer in um was asked of a section whose um per pixel is unknown."""

    def __init__(self, where: object = "") -> None:
        super().__init__(
            "Micrometres per pixel are unknown for this section",
            where=where,
            do="give um_per_px (command line: --um-per-px) or type it into the dock's head",
        )

    def __reduce__(self) -> tuple[object, ...]:
        return (MissingScaleError, (self.where,))
