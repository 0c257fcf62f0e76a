"""`napari-stml figure`: a section, a region of it or a Run's chart for print."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.cli.opening import add_opening, choices, opened
from napari_stml.cli.terminal import say
from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from napari_stml.figures.drawing import Drawing
    from napari_stml.io.section import Section


def configure(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    parser.add_argument("path", help="a store, folder, h5ad file, slide or URL")
    parser.add_argument(
        "value", nargs="*", default=[],
        help="a column, a gene, RUN/VALUE, RUN/CHART, EMBEDDING:COLUMN or regions (what is drawn); "
        "none for the slide alone; several (slide among them) become panels",
    )  # fmt: skip
    parser.add_argument(
        "--beside", action="append", default=[], metavar="PATH",
        help="another section as further panels; section=NAME for another one of this store",
    )  # fmt: skip
    parser.add_argument(
        "--scales", choices=("auto", "shared", "own"), default="auto",
        help="of panels: the same limits and one legend, or each its own (default: shared "
        "between genes, and for one value of several sections or Runs)",
    )  # fmt: skip
    parser.add_argument("--columns", type=int, default=0, help="of panels (default: what fits)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE",
                        help="its ending decides: .png .tif .pdf .svg .jpg")  # fmt: skip
    parser.add_argument(
        "--width-mm",
        type=float,
        metavar="MM",
        help="of the whole figure (default: 120; charts: 90 or 150)",
    )
    parser.add_argument("--dpi", type=int, default=300, help="(default: 300)")
    parser.add_argument(
        "--limits", metavar="LOW,HIGH",
        help="of the colours, as values or percentiles: 0,50 or p1,p99 (default: p1,p99)",
    )  # fmt: skip
    parser.add_argument(
        "--region", metavar="WHAT",
        help="X,Y,WIDTH,HEIGHT in pixels, 'observations', or a class of drawn regions",
    )  # fmt: skip
    parser.add_argument("--map", default="", metavar="NAME", help="colour map (default: viridis)")
    parser.add_argument("--opacity", type=float, default=0.8, help="of the values (default: 0.8)")
    parser.add_argument("--layer", help="the layer a gene is read from")
    parser.add_argument("--title", help='above the figure; "" for none')
    parser.add_argument("--no-image", action="store_true", help="the values without the slide")
    add_opening(parser)


def act(options: argparse.Namespace) -> None:
    from napari_stml.figures.drawing import check_format

    check_format(options.out)
    with ExitStack() as stack:
        sections = [stack.enter_context(opened(options))]
        sections += [stack.enter_context(_beside(word, options)) for word in options.beside]
        drawing = _drawn(sections, options)
    notes = drawing.save(options.out)
    say(str(options.out))
    for bar in dict.fromkeys(
        str(said.get("scale_bar")) for said in drawing.report.get("panels", [drawing.report])
        if isinstance(said.get("scale_bar"), str)
    ):  # fmt: skip
        say(f"  scale bar: {bar} (--um-per-px)")
    for note in notes:
        say(f"  {note}")


def _beside(word: str, options: argparse.Namespace) -> Section:
    """Open another file, or another section of the same store."""
    from napari_stml.io.section import Section

    name, equals, value = word.partition("=")
    if equals and name == "section":
        return Section.open(options.path, **{**choices(options), "section": value})
    return Section.open(word)


def _drawn(sections: Sequence[Section], options: argparse.Namespace) -> Drawing:
    from napari_stml.figures.asked import asked_figure
    from napari_stml.figures.tissue import Print

    limits, percentiles = asked_limits(options.limits)
    how = Print(
        width_mm=120.0 if options.width_mm is None else options.width_mm, dpi=options.dpi,
        limits=limits, percentiles=percentiles, colour_map=options.map, opacity=options.opacity,
        image=not options.no_image, region=options.region, layer=options.layer,
        title=options.title,
    )  # fmt: skip
    return asked_figure(
        sections, options.value, how, scales=options.scales, columns=options.columns,
        chart_mm=options.width_mm,
    )  # fmt: skip


def asked_limits(text: str | None) -> tuple[tuple[float, float] | None, bool]:
    """Limits from ``LOW,HIGH``, and whether they are percentiles (``pLOW,pHIGH``)."""
    if text is None:
        return None, False
    parts = [part.strip() for part in text.split(",")]
    percentiles = len(parts) == 2 and all(part[:1] in {"p", "P"} for part in parts)
    try:
        low, high = (float(part[1:] if percentiles else part) for part in parts)
    except ValueError:
        low, high = 1.0, 0.0
    if not low < high or (percentiles and not 0 <= low < high <= 100):
        raise StmlError(
            "Colour limits are two numbers, the lower one first", where=f"--limits {text}",
            do="for example --limits 0,50, --limits=-2,2 or --limits p1,p99",
        )  # fmt: skip
    return (low, high), percentiles
