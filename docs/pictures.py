"""Make the screenshots of these pages anew: `python docs/pictures.py [window|slide|...]`.

Needs a display. Those of the window are taken by the tour that `make demo` leaves, those of the
page Slide by one that clicks through its analyses, so they show the program as it is.
"""

from __future__ import annotations

import os
import sys
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
SLIDE = {
    "tissue": "slide-tissue",
    "brush": "slide-brush",
    "hematoxylin": "slide-hematoxylin",
    "tiles": "slide-tiles",
    "features": "slide-features",
    "groups": "slide-groups",
    "likeness": "slide-likeness",
    "attention": "slide-attention",
    "tile": "slide-tile",
    "gallery": "slide-gallery",
}
GWAS = {
    "form-gsmap": "gsmap-form",
    "run-gsmap": "gsmap",
    "gene": "gsmap-gene",
    "traits": "gsmap-traits",
}
HEIGHT = {"run-open-gsmap": "gsmap-height", "label": "gsmap-height-layers"}
NICHES = {"selection": "niches", "spot": "niches-spot", "network": "niches-network"}
SPACON = {"connections": "spacon", "pinned": "spacon-pinned", "charts": "spacon-links"}
PREDICT = {
    "form": "predict-form",
    "measured-beside-predicted": "predict-swipe",
}
WIDTH = 1200


def main() -> None:
    """Open a fresh demo, take the tours, keep the pictures that pages show."""
    PICTURES.mkdir(exist_ok=True)
    asked = sys.argv[1:] or ["window", "slide", "niches", "gwas", "spacon", "regions", "predict"]
    with tempfile.TemporaryDirectory() as folder:
        demo = make_demo(Path(folder))
        if "window" in asked:
            keep_all(tour(demo.store, Path(folder)), WANTED)
        if "regions" in asked:
            from pictures_regions import take

            for name, picture in take(demo.store, Path(folder)).items():
                keep(picture, PICTURES / f"{name}.png")
        if "predict" in asked:  # before slide, whose features are of tiles
            from napari_stml.widgets.predict_tour import predict_tour

            form = {"network": "ridge", "smooth": True}
            keep_all(predict_tour(demo.store, Path(folder), step_um=40.0, **form), PREDICT)
        if "slide" in asked:
            from napari_stml.widgets.slide_tour import slide_tour

            keep_all(slide_tour(demo.store, Path(folder))[0], SLIDE)
        if "niches" in asked:
            from napari_stml.widgets.niche_tour import niche_tour

            proportions = {"of": "proportions", "proportions": "truth_proportions", "niches": 6}
            keep_all(niche_tour(demo.store, Path(folder), **proportions), NICHES)
        if "gwas" in asked:
            from napari_stml.widgets.gwas_tour import gwas_tour

            files = demo.gwas
            both = Path(folder) / "traits.yaml"
            names = ("planted", "null")
            both.write_text("".join(f"{n}: {files.sumstats(n)}\n" for n in names))
            asks = {"sumstats": str(both), "reference": "panel",
                    "panel": str(files.bfile_root), "keep_snps": str(files.keep_snp_root),
                    "gtf": str(files.gtf), "annotation": "truth_domain",
                    "embedding": "truth_proportions"}  # fmt: skip
            keep_all(gwas_tour(demo.store, Path(folder), **asks), GWAS)
            height(Path(folder))
        if "spacon" in asked:
            from napari_stml.widgets.spacon_tour import spacon_tour

            form = {"connections": "stored matrix", "matrix": "connectivity",
                    "compare": "truth_module"}  # fmt: skip
            keep_all(spacon_tour(demo.store, Path(folder), **form), SPACON)


def height(into: Path) -> None:
    """Published p-values of height on a human cortex, where that section is at hand."""
    from napari_stml import Section
    from napari_stml.io.save_section import save_section_as
    from napari_stml.widgets.gwas_tour import gwas_tour

    source = Path(os.environ.get("STML_DATA", "data")) / "dlpfc_151507_gsmap"
    if not source.is_dir():
        print("no picture of height: set STML_DATA to the folder of dlpfc_151507_gsmap")  # noqa: T201
        return
    store = into / "cortex.zarr"
    list(save_section_as(Section.open(source), store))
    asks = {"path": str(source / "spots_gsmap_height.csv"), "annotation": "layer"}
    keep_all(gwas_tour(store, into, "open-gsmap", **asks), HEIGHT)


def keep_all(pictures: list[Path], wanted: dict[str, str]) -> None:
    for picture in pictures:
        name = wanted.get(picture.stem.partition("-")[2])
        if name is not None:
            keep(picture, PICTURES / f"{name}.png")


def keep(picture: Path, target: Path) -> None:
    """Small enough for a repository: 1,200 px wide, 256 colours."""
    with Image.open(picture) as image:
        size = (WIDTH, round(image.height * WIDTH / image.width))
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        few = small.quantize(
            256, Image.Quantize.MEDIANCUT, kmeans=8, dither=Image.Dither.NONE
        )  # MAXCOVERAGE leaves glass two shades
        few.save(target, optimize=True)


if __name__ == "__main__":
    main()
