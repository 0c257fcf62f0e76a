"""Letters and lines of every figure: one style, names as they are, how wide a text will be."""

from __future__ import annotations

import contextlib
import unicodedata
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE_PT = 7.0
MM_PER_INCH = 25.4
MM_PER_PT = MM_PER_INCH / 72
INK, FAINT = "#1a1a1a", "#8a8a8a"

STYLE = {
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": SIZE_PT,
    "axes.titlesize": SIZE_PT + 1,
    "axes.labelsize": SIZE_PT,
    "xtick.labelsize": SIZE_PT - 1,
    "ytick.labelsize": SIZE_PT - 1,
    "legend.fontsize": SIZE_PT - 1,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "text.parse_math": False,  # a gene or class named "$x$" is a name, not a formula
    "svg.fonttype": "none",
    "svg.hashsalt": "napari-stml",  # equal figures are equal files
    "pdf.fonttype": 42,
    "path.simplify": False,
}


@contextlib.contextmanager
def style() -> Iterator[list[str]]:
    """Draw and save in our style, whatever the user's matplotlib settings are.

    Gives a list that is filled at the end with what could not be lettered.
    """
    from matplotlib import style as styles

    notes: list[str] = []
    with warnings.catch_warnings(record=True) as heard, styles.context(["default", STYLE]):
        warnings.simplefilter("always")
        yield notes
    for warning in heard:
        text = str(warning.message)
        if not text.startswith("Glyph"):
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
        elif not notes:
            notes.append("some letters are not in the font and are drawn as boxes")


def plain(text: object, most: int = 120) -> str:
    """A name on one line without control characters, shortened in the middle."""
    letters = (" " if c.isspace() else c for c in str(text))
    kept = "".join(c for c in letters if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Cn"})
    kept = " ".join(kept.split())
    if len(kept) <= most:
        return kept
    half = (most - 1) // 2
    return f"{kept[: most - half - 1]}…{kept[-half:]}"


def width_mm(text: str, size_pt: float = SIZE_PT, *, bold: bool = False) -> float:
    """How wide a text is drawn."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    weight = "bold" if bold else "normal"
    font = FontProperties(family="DejaVu Sans", size=size_pt, weight=weight)
    wide, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(wide) * MM_PER_PT


def fitting(text: object, room_mm: float, size_pt: float = SIZE_PT, *, bold: bool = False) -> str:
    """The text, shortened in the middle until it fits."""
    name = plain(text)
    while len(name) > 3 and width_mm(name, size_pt, bold=bold) > room_mm:
        name = plain(name, len(name) - max(1, len(name) // 12))
    return name


def lines(text: object, room_mm: float, size_pt: float = SIZE_PT) -> list[str]:
    """The text broken between words; a word that is too long is shortened."""
    found: list[str] = []
    for word in plain(text, 1000).split():
        longer = f"{found[-1]} {word}" if found else word
        if found and width_mm(longer, size_pt) <= room_mm:
            found[-1] = longer
        else:
            found.append(fitting(word, room_mm, size_pt))
    return found


def number(value: float) -> str:
    """Four digits at most, with a true minus."""
    return f"{value:.4g}".replace("-", "−")
