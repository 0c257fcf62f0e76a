"""Where observations lie on the image after the user moved them: applied, kept, read again.

In a SpatialData store of its own, the element's transformation changes, so that every program
sees it. For any other format an attribute of the store that keeps the Runs holds the map.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import StmlError
from napari_stml.core.geometry import Affine

if TYPE_CHECKING:
    from collections.abc import Callable

    import geopandas as gpd

    from napari_stml.io.contents import Element, ElementKind, Observations
    from napari_stml.io.section import Section

log = logging.getLogger(__name__)

ATTRIBUTE = "alignment"
OWN = "stml."


def aligned(section: Section, by: Affine) -> Section:
    """The same section with observations, their outlines and transcripts moved by a map.

    ``by`` maps reference pixels to reference pixels; images and what was drawn stay. Files stay
    open and are shared.
    """
    observed = section.observations
    if observed is None:
        raise StmlError("This section has no observations to align", where=section.name)
    images = {
        name: replace(placed, affine=by @ placed.affine) if name == observed.mask else placed
        for name, placed in section.images.items()
    }
    chosen = {**section.contents.chosen, ATTRIBUTE: json.dumps(by.values)}
    contents = replace(
        section.contents,
        images=images,
        observations=_moved(observed, by),
        elements=tuple(_moved_element(e, by) for e in section.elements),
        chosen=chosen,
    )
    return section.with_contents(contents)


def with_kept_alignment(section: Section) -> Section:
    """Apply what was kept for this section; the section itself when there is nothing (new)."""
    if section.observations is None or ATTRIBUTE in section.contents.chosen:
        return section
    kept = kept_alignment(section)
    return section if kept is None or kept.is_identity else aligned(section, kept)


def kept_alignment(section: Section) -> Affine | None:
    """The map kept beside a section that is no SpatialData store of its own."""
    shelf = section.shelf
    if shelf is None:
        return None
    try:
        attributes = json.loads((shelf.store / "zarr.json").read_bytes()).get("attributes", {})
        values = attributes.get("stml", {}).get(ATTRIBUTE, {}).get(_key(section))
        return None if values is None else Affine(tuple(float(v) for v in values))  # type: ignore[arg-type]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        log.warning("the alignment kept in %s is not readable: %s", shelf.store, error)
        return None


def keeper(section: Section) -> Callable[[Affine], None]:
    """How to keep a map for this section, as it was opened; call it on the writer thread.

    The map given is always the whole one, from the positions as they were opened.
    """
    kept = section.kept
    observed = section.observations
    if observed is None:
        raise StmlError("This section has no observations to align", where=section.name)
    if kept.locally or observed.element is None:
        before = kept_alignment(section) or Affine()
        opened_with = section.contents.chosen.get(ATTRIBUTE)
        start = before if opened_with is not None else Affine()

        def note(by: Affine) -> None:
            all_kept = dict(kept.store.attr(ATTRIBUTE) or {})
            total = by @ start
            all_kept.pop(_key(section), None)
            if not total.is_identity:
                all_kept[_key(section)] = list(total.values)
            kept.store.set_attr(ATTRIBUTE, all_kept or None)

        return note
    kind, name, system, image, old = _stored(section, observed.element)

    def change(by: Affine) -> None:
        new = image @ by @ image.inverse() @ old
        kept.store.set_transformation(kind, name, new, system)

    return change


def _stored(section: Section, element: str) -> tuple[ElementKind, str, str, Affine, Affine]:
    """The element, the coordinate system it shares with the reference image, both maps."""
    from napari_stml.io.readers.spatialdata.files import StoreFiles
    from napari_stml.io.readers.spatialdata.sections import stored_elements

    found, _, _ = stored_elements(StoreFiles(section.kept.store.path))
    by_name = {e.name: e for e in found}
    own = by_name[element]
    reference = by_name.get(next(iter(section.images), ""))
    shared = [s for s in own.systems if reference is None or s in reference.systems]
    if not shared:
        raise StmlError(
            f"'{element}' and the image share no coordinate system", where=section.name,
            do="give both a transformation to 'global' first",
        )  # fmt: skip
    wanted = section.contents.chosen.get("section", "")
    system = next((s for s in (wanted, "global") if s in shared), shared[0])
    image = Affine() if reference is None else reference.systems[system]
    kind: Any = own.kind
    return kind, element, system, image, own.systems[system]


def _key(section: Section) -> str:
    """One store may keep several sections' maps (library ids of one file)."""
    return section.name


def _moved(observed: Observations, by: Affine) -> Observations:
    radius = observed.radius_px
    outlines = observed.outlines
    moved_outlines = None if outlines is None else _MovedOutlines(outlines, by)
    return replace(
        observed,
        xy=by(observed.xy),
        radius_px=None if radius is None else radius * by.length_factor,
        outlines=moved_outlines,
    )


class _MovedOutlines:
    """Reads outlines and maps them; picklable."""

    def __init__(self, read: Callable[[], gpd.GeoDataFrame], by: Affine) -> None:
        self._read, self._by = read, by

    def __call__(self) -> gpd.GeoDataFrame:
        frame = self._read()
        a, b, tx, d, e, ty = self._by.values
        return frame.set_geometry(frame.geometry.affine_transform([a, b, d, e, tx, ty]))


def _moved_element(element: Element, by: Affine) -> Element:
    moves = element.kind in {"shapes", "points"} and not element.name.startswith(OWN)
    return replace(element, affine=by @ element.affine) if moves else element
