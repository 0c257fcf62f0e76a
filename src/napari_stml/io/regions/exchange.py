"""Regions as files: QuPath's GeoJSON both ways, memberships as CSV."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import CannotOpenError, CannotSaveError, StmlError
from napari_stml.io.take_out.whole_file import whole_file
from napari_stml.regions import geojson
from napari_stml.regions.inside import memberships

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from napari_stml.io.section import Section
    from napari_stml.regions.classes import ClassList
    from napari_stml.regions.geojson import Collection, Offset
    from napari_stml.regions.region import Drawn

ENDINGS = (".geojson", ".json", ".geojson.gz", ".json.gz")
MOST_BYTES = 1 << 30
MOST_OBJECTS = 20_000
"""Beyond, a file holds detections: tens of thousands of outlines are no drawing."""


def is_geojson(path: Path | str) -> bool:
    return str(path).lower().endswith(ENDINGS)


def read_geojson(path: Path | str, offset: Offset = (0.0, 0.0)) -> Collection:
    """Read what QuPath (or we) exported; ``offset`` are the bounds that QuPath counted from."""
    file = Path(path)
    try:
        if file.stat().st_size > MOST_BYTES:
            raise CannotOpenError("This file is too large for regions", where=file.name)
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        found = geojson.read(json.loads(data.decode("utf-8-sig")), offset)
    except OSError as error:
        raise CannotOpenError(f"This file cannot be read: {error}", where=file.name) from error
    except (ValueError, RecursionError) as error:
        raise CannotOpenError(
            "This is no GeoJSON", where=file.name, do="export objects as GeoJSON from QuPath"
        ) from error
    if len(found.regions) > MOST_OBJECTS:
        raise StmlError(
            f"This file holds {len(found.regions):,} objects, and up to {MOST_OBJECTS:,} can be "
            "regions", where=file.name, do="export annotations without detections",
        )  # fmt: skip
    if not found.regions and found.problems:
        raise CannotOpenError(f"No object can be read: {found.problems[0]}", where=file.name)
    return found


def write_geojson(
    path: Path | str, regions: Iterable[Drawn], classes: ClassList,
    offset: Offset = (0.0, 0.0), more: Mapping[str, Any] | None = None, *, overwrite: bool = False,
) -> Path:  # fmt: skip
    """Write a feature collection that QuPath reads; whole or not at all."""
    target = Path(path)
    data = json.dumps(geojson.write(regions, classes, offset, more)).encode("ascii")
    with whole_file(target, overwrite=overwrite) as draft:
        draft.write_bytes(gzip.compress(data, mtime=0) if target.suffix == ".gz" else data)
    return target


def bounds_offset(section: Section) -> Offset:
    """What QuPath's coordinates lack on this section: the corner of the slide's bounds."""
    for placed in section.images.values():
        bounds = placed.slide.bounds
        corner = (bounds.x, bounds.y) if bounds is not None else (0.0, 0.0)
        return float(corner[0]), float(corner[1])
    return 0.0, 0.0


def write_memberships(
    path: Path | str, section: Section, regions: Sequence[Drawn], *, overwrite: bool = False
) -> int:
    """One line per observation and region that holds it; returns their number."""
    observed = section.observations
    if observed is None:
        raise CannotSaveError("This section has no spots or cells", where=section.name)
    areas = [r for r in regions if r.is_area]
    rows = memberships(observed.xy, [r.outline for r in areas])
    names = observed.names.tolist()
    with (
        whole_file(Path(path), overwrite=overwrite) as draft,
        draft.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["observation", "region", "class", "name"])
        for region, own in zip(areas, rows, strict=True):
            words = [inert(region.id), inert(region.kind), inert(region.name)]
            writer.writerows([inert(names[row]), *words] for row in own.tolist())
    return sum(map(len, rows))


def inert(text: Any) -> str:
    """Text that a spreadsheet does not take for a formula: such text gets an apostrophe."""
    words = str(text)
    return f"'{words}" if words[:1] in {"=", "+", "-", "@", "\t", "\r"} else words
