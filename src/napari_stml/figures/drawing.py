"""A finished figure: written as PNG, TIFF, PDF or SVG, with the report of how it was made."""

from __future__ import annotations

import contextlib
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import CannotSaveError, StmlError
from napari_stml.figures.lettering import plain, style

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

FORMATS = (".png", ".tif", ".tiff", ".jpg", ".pdf", ".svg")
PNG_KEY = "napari-stml"


@dataclass(frozen=True)
class Drawing:
    """A matplotlib figure with what was drawn and how.

    Attributes
    ----------
    report
        Plain JSON: values, limits, region, level, scale, the Run with its parameters. It goes
        into the file: a text chunk of PNG, the description of TIFF and SVG, the subject of PDF.
    """

    figure: Figure
    dpi: int
    title: str
    report: Mapping[str, Any]

    @property
    def report_text(self) -> str:
        return json.dumps(self.report, ensure_ascii=True, sort_keys=True)

    def save(self, path: Path | str) -> tuple[str, ...]:
        """Write the file; its ending decides the format. Gives notes for the user.

        Nothing half-written is left: the file appears complete or not at all.
        """
        target = Path(path)
        check_format(target)
        data, notes = self.encoded(target.suffix.lower())
        write_whole(target, data)
        return notes

    def encoded(self, ending: str, *, quality: int = 90) -> tuple[bytes, tuple[str, ...]]:
        """The bytes of a file of that ending, and notes."""
        out = io.BytesIO()
        with style() as notes:
            if ending in {".pdf", ".svg"}:
                self.figure.savefig(out, format=ending[1:], dpi=self.dpi,
                                    metadata=self._metadata(ending))  # fmt: skip
            else:
                self._bitmap(out, ending, quality)
        return out.getvalue(), tuple(notes)

    def _metadata(self, ending: str) -> dict[str, Any]:
        known = {"Title": plain(self.title), "Creator": creator()}
        if ending == ".svg":
            return {**known, "Description": self.report_text, "Date": None}
        return {**known, "Subject": self.report_text, "CreationDate": None}

    def _bitmap(self, out: io.BytesIO, ending: str, quality: int) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from PIL import Image
        from PIL.PngImagePlugin import PngInfo

        before = self.figure.dpi
        self.figure.set_dpi(self.dpi)
        canvas = FigureCanvasAgg(self.figure)
        canvas.draw()  # type: ignore[no-untyped-call]
        pixels: Any = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
        picture = Image.frombytes("RGBA", canvas.get_width_height(), pixels)
        picture = picture.convert("RGB")
        self.figure.set_dpi(before)
        common = {"dpi": (self.dpi, self.dpi)}
        if ending == ".png":
            chunks = PngInfo()
            chunks.add_text("Title", plain(self.title))
            chunks.add_text("Software", creator())
            chunks.add_text(PNG_KEY, self.report_text)
            picture.save(out, "PNG", pnginfo=chunks, **common)
        elif ending == ".jpg":
            picture.save(out, "JPEG", quality=quality, subsampling=0, comment=creator(), **common)
        else:
            about = {270: self.report_text, 305: creator()}
            picture.save(out, "TIFF", compression="tiff_adobe_deflate", tiffinfo=about, **common)


def check_format(path: Path) -> None:
    """Refuse an ending that cannot be written, before anything is drawn."""
    if path.suffix.lower() not in FORMATS:
        raise StmlError(
            f"A figure cannot be written as '{path.suffix or path.name}'", where=path,
            do=f"choose one of {', '.join(FORMATS)}",
        )  # fmt: skip


def creator() -> str:
    from napari_stml import __version__

    return f"napari-stml {__version__}"


def write_whole(target: Path, data: bytes) -> None:
    """Write beside the target and rename."""
    staged = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.write_bytes(data)
        os.replace(staged, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            staged.unlink(missing_ok=True)
        raise CannotSaveError(
            f"The file was not written: {error.strerror or error}", where=target,
            do="free some space or choose another folder",
        ) from error  # fmt: skip
