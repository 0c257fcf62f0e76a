"""Options of every command that opens a section."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    import argparse

    from napari_stml.io.section import Section


def add_opening(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    parser.add_argument(
        "--um-per-px", metavar="X[,Y]", help="micrometres per pixel, where the files do not say"
    )
    parser.add_argument(
        "--choose", action="append", default=[], metavar="NAME=VALUE",
        help="a choice of the reader: section=..., bin_size=..., positions=...",
    )  # fmt: skip


def choices(options: argparse.Namespace) -> dict[str, Any]:
    """What `Section.open` takes besides the path."""
    chosen: dict[str, Any] = {}
    for text in options.choose:
        name, value = pair(text, "A choice")
        chosen[name.replace("-", "_")] = value
    if options.um_per_px is not None:
        chosen["um_per_px"] = _scale(options.um_per_px)
    return chosen


def opened(options: argparse.Namespace) -> Section:
    from napari_stml.io.section import Section

    return Section.open(options.path, **choices(options))


def pair(text: str, what: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise StmlError(f"{what} is written NAME=VALUE", where=text, do="see --help")
    return name.strip(), value.strip()


def _scale(text: str) -> float | tuple[float, float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2):
        raise StmlError(
            "Micrometres per pixel are one number or two", where=f"--um-per-px {text}",
            do="for example --um-per-px 0.5",
        )  # fmt: skip
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])
