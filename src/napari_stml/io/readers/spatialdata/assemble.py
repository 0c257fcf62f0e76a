"""From a store's files to the contents of one section."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.core.geometry import Affine
from napari_stml.io.contents import Contents, Element, PlacedSlide
from napari_stml.io.readers.spatialdata.files import StoreFiles, check_version
from napari_stml.io.readers.spatialdata.observed import Region, observe, observe_without_table
from napari_stml.io.readers.spatialdata.points import count_points, read_points
from napari_stml.io.readers.spatialdata.referenced import references
from napari_stml.io.readers.spatialdata.scale import um_per_px
from napari_stml.io.readers.spatialdata.sections import StoredElement, plan, stored_elements
from napari_stml.io.readers.spatialdata.shapes import count_shapes, read_shapes
from napari_stml.io.readers.spatialdata.tables import StoreTable
from napari_stml.io.store.names import PREFIX
from napari_stml.io.tables.disk import DiskTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_stml.io.contents import Observations
    from napari_stml.io.readers import Location
    from napari_stml.io.readers.spatialdata.referenced import Reference
    from napari_stml.io.readers.spatialdata.sections import Plan
    from napari_stml.io.readers.spatialdata.tables import TableRole
    from napari_stml.io.slides.base import Slide
    from napari_stml.io.tables.base import Table


def assemble(
    root: Location, *, section: str | None, observations: str | None, image: str | None
) -> Contents:
    """Read one section of a store."""
    files = StoreFiles(root)
    attrs = files.attrs()
    version = (attrs.get("spatialdata_attrs") or {}).get("version")
    check_version("store", version, root)
    elements, roles, notes = stored_elements(files)
    elements = [e for e in elements if not e.name.startswith(PREFIX)]
    referenced = references(attrs)
    for name, image_file in referenced.items():
        elements.append(StoredElement("images", name, {"global": image_file.affine}))
    chosen = plan(files, elements, roles, section, observations)
    here = [e for e in elements if chosen.system in e.systems]
    slides, unread = _open_slides(files, here, chosen, referenced)
    reference = _reference(files, here, slides, chosen, image)
    to_system = next((e.systems[chosen.system] for e in here if e.name == reference), Affine())
    to_reference = to_system.inverse()
    placed = _placed(here, slides, chosen.system, to_reference, reference)
    observed, tables, more = _observed(files, here, chosen, to_reference, placed)
    um, guess, scale_notes = um_per_px(
        elements, chosen.system, to_system, slides.get(reference or ""), observed
    )
    elsewhere = len(elements) - len(here)
    if elsewhere:
        notes.append(f"{elsewhere} elements lie in other coordinate systems than '{chosen.system}'")
    images = [name for name, p in placed.items() if p.role != "mask"]
    return Contents(
        name=files.name if len(chosen.sections) < 2 else chosen.region or chosen.system,
        format="SpatialData",
        images=placed,
        observations=observed,
        tables=tables,
        elements=(
            *_shapes_and_points(files, here, chosen, to_reference),
            *_other_tables(files, roles, chosen),
        ),
        um_per_px=um,
        um_per_px_guess=guess,
        choices={
            "section": chosen.sections,
            **({"observations": chosen.observed} if chosen.observed else {}),
            **({"image": tuple(images)} if images else {}),
        },
        chosen={
            "section": chosen.region or chosen.system,
            **({"observations": chosen.roles[0].name} if chosen.roles else {}),
            **({"image": reference} if reference else {}),
        },
        notes=(*notes, *unread, *more, *scale_notes),
    )


def _open_slides(
    files: StoreFiles,
    here: Sequence[StoredElement],
    chosen: Plan,
    referenced: Mapping[str, Reference],
) -> tuple[dict[str, Slide], list[str]]:
    """Open images and label images; those that nothing depends on become notes when damaged."""
    from napari_stml.io.slides import open_slide

    slides: dict[str, Slide] = {}
    notes = []
    for e in here:
        if e.kind == "labels" and chosen.region not in (None, e.name):
            continue  # another region's observations
        if e.kind in {"images", "labels"}:
            try:
                at = referenced[e.name].path if e.name in referenced else files.at(e.kind, e.name)
                slides[e.name] = open_slide(at)
            except StmlError as error:
                if e.kind == "images" or e.name in chosen.regions:
                    raise
                notes.append(f"labels '{e.name}' left out: {error.what}")
    return slides, notes


def _reference(
    files: StoreFiles,
    here: Sequence[StoredElement],
    slides: Mapping[str, Slide],
    chosen: Plan,
    asked: str | None,
) -> str | None:
    """Name the reference image: in colour, sharing the region's name, finest, largest."""
    images = [e for e in here if e.kind == "images"]
    if asked is not None:
        if asked not in {e.name for e in images}:
            raise CannotOpenError(
                f"There is no image '{asked}' in '{chosen.system}'",
                where=files.root,
                do="choose image from: " + (", ".join(e.name for e in images) or "none"),
            )
        return asked

    def worth(element: StoredElement) -> tuple[bool, int, float, int, str]:
        slide = slides[element.name]
        shared = _common_start(element.name, chosen.region) if chosen.region else 0
        finest = round(element.systems[chosen.system].length_factor, 9)
        return not slide.rgb, -shared, finest, -slide.width * slide.height, element.name

    return min(images, key=worth).name if images else None


def _common_start(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _placed(
    here: Sequence[StoredElement],
    slides: Mapping[str, Slide],
    system: str,
    to_reference: Affine,
    reference: str | None,
) -> dict[str, PlacedSlide]:
    """Place the slides, reference image first."""
    order = sorted(slides, key=lambda name: name != reference)
    by_name = {e.name: e for e in here if e.name in slides}
    placed = {}
    for name in order:
        element, slide = by_name[name], slides[name]
        role: Literal["brightfield", "channels", "mask"] = (
            "mask" if element.kind == "labels" else "brightfield" if slide.rgb else "channels"
        )
        affine = Affine() if name == reference else to_reference @ element.systems[system]
        placed[name] = PlacedSlide(slide, affine, role)
    return placed


def _observed(
    files: StoreFiles,
    here: Sequence[StoredElement],
    chosen: Plan,
    to_reference: Affine,
    placed: Mapping[str, PlacedSlide],
) -> tuple[Observations | None, Mapping[str, Table], tuple[str, ...]]:
    regions = [
        Region(e.name, e.kind, to_reference @ e.systems[chosen.system])
        for e in here
        if e.name in chosen.regions and e.kind in {"shapes", "labels"}
    ]
    if chosen.roles and regions:
        tables = [StoreTable(files, role) for role in chosen.roles]
        found = observe(files, tables, regions, placed)
        return found.observations, found.tables, found.notes
    shapes = [r for r in regions if r.kind == "shapes"] or _circles(
        files, here, chosen.system, to_reference
    )
    if not shapes:
        return None, {}, ()
    note = f"no table annotates '{shapes[0].name}'; its shapes are the observations"
    return observe_without_table(files, shapes[0]), {}, (note,)


def _circles(
    files: StoreFiles, here: Sequence[StoredElement], system: str, to_reference: Affine
) -> list[Region]:
    """Find the first shapes element of circles, in stores without any table."""
    from napari_stml.io.readers.spatialdata.shapes import are_circles

    if files.elements("tables"):
        return []
    return [
        Region(e.name, e.kind, to_reference @ e.systems[system])
        for e in here
        if e.kind == "shapes" and are_circles(files, e.name)
    ][:1]


def _shapes_and_points(
    files: StoreFiles, here: Sequence[StoredElement], chosen: Plan, to_reference: Affine
) -> list[Element]:
    """List what is neither an image nor an observation."""
    listed = []
    for e in here:
        affine = to_reference @ e.systems[chosen.system]
        if e.kind == "shapes" and e.name not in chosen.regions:
            load: Any = partial(read_shapes, files, e.name)
            listed.append(Element(e.name, "shapes", load, affine, count_shapes(files, e.name)))
        elif e.kind == "points":
            load = partial(read_points, files, e.name)
            listed.append(Element(e.name, "points", load, affine, count_points(files, e.name)))
    return listed


def _other_tables(files: StoreFiles, roles: Sequence[TableRole], chosen: Plan) -> list[Element]:
    shown = {role.name for role in chosen.roles}
    return [
        Element(r.name, "tables", partial(DiskTable, files.root, key=f"tables/{r.name}"))
        for r in roles
        if r.name not in shown and not r.of_run
    ]
