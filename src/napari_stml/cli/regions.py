"""`napari-stml regions`: what is drawn on a section, from and to QuPath's GeoJSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.cli.opening import add_opening, opened
from napari_stml.cli.terminal import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from napari_stml.io.section import Section
    from napari_stml.regions.drawing import Drawing


def configure(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    parser.add_argument("path")
    parser.add_argument("--read", type=Path, metavar="FILE", help="add the regions of a GeoJSON")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write all as GeoJSON")
    parser.add_argument(
        "--memberships", type=Path, metavar="FILE", help="write which spots lie in which region"
    )
    parser.add_argument(
        "--from-bounds", action="store_true",
        help="the file counts from the slide's bounds, as QuPath does (mrxs, scn)",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="of files that are written")
    add_opening(parser)


def act(options: argparse.Namespace) -> None:
    from napari_stml.io.regions import RegionKeeper
    from napari_stml.io.regions.exchange import (
        bounds_offset,
        read_geojson,
        write_geojson,
        write_memberships,
    )
    from napari_stml.io.regions.keeper import Snapshot

    with opened(options) as section:
        keeper = RegionKeeper(section)
        drawing = keeper.load()
        offer = keeper.offer()
        if offer is not None:
            say(f"{offer.title} Open the section in the window to bring them back.")
        offset = bounds_offset(section) if options.from_bounds else (0.0, 0.0)
        if options.read is not None:
            drawing.listeners.append(keeper.note)
            found = read_geojson(options.read, offset)
            drawing.add(*found.regions, title=f"read {options.read.name}")
            keeper.save(Snapshot(drawing.regions, drawing.classes, keeper.latest))
            for problem in found.problems:
                say(f"  not read: {problem}")
        if options.write is not None:
            write_geojson(options.write, drawing.regions, drawing.classes, offset,
                          overwrite=options.overwrite)  # fmt: skip
            say(str(options.write))
        if options.memberships is not None:
            count = write_memberships(options.memberships, section, drawing.regions,
                                      overwrite=options.overwrite)  # fmt: skip
            say(f"{options.memberships}: {count} lines")
        _list(section, drawing)
        keeper.close()


def _list(section: Section, drawing: Drawing) -> None:
    from napari_stml.regions.inside import Positions
    from napari_stml.regions.measuring import extent

    place = Positions(section.observations.xy) if section.observations is not None else None
    unit = "um2" if section.um_per_px is not None else "px2"
    for region in drawing.regions:
        size = extent(region.outline, section.um_per_px)
        spots = f"{place.count(region.outline)} observations" if place is not None else ""
        what = f"{size.area:,.0f} {unit}" if region.is_area else region.form
        say(f"  {region.kind or '-'}  {region.name or '-'}  {what}  {spots}".rstrip())
    if not drawing.regions:
        say("  nothing is drawn")
