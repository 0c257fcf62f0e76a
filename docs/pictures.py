"""Make the screenshots of these pages anew: `python docs/pictures.py` (needs a display).

They are taken by the same tour that `make demo` leaves, so they show the program as it is.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image

from napari_stml.demo import make_demo
from napari_stml.plugin import tour

PICTURES = Path(__file__).parent / "images"
WANTED = {
    "slide-and-spots": "window",
    "swipe": "swipe",
    "rule": "rule",
    "form": "form",
    "clusters": "run",
    "laptop-light": "light",
}
WIDTH = 1200


def main() -> None:
    """Open a fresh demo, take the tour, keep the pictures that pages show."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        demo = make_demo(Path(folder))
        for picture in tour(demo.store, Path(folder)):
            name = WANTED.get(picture.stem.partition("-")[2])
            if name is not None:
                keep(picture, PICTURES / f"{name}.png")


def keep(picture: Path, target: Path) -> None:
    """Small enough for a repository: 1,200 px wide, 256 colours."""
    with Image.open(picture) as image:
        size = (WIDTH, round(image.height * WIDTH / image.width))
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        small.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            target, optimize=True
        )


if __name__ == "__main__":
    main()
