"""Scale and channel names as the tags of a TIFF state them."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from napari_stml.core.geometry import ScaleSource
from napari_stml.io.slides.scale import Scale, aperio, first, from_resolution, stated

_UNITS = {2: "inch", 3: "cm"}


def scales(tif: Any, series: Any) -> tuple[Scale, Scale]:
    """Um per pixel and a guess at it, of the finest level."""
    page = series.keyframe
    vendor, guess = (None, None)
    if page.is_svs:
        vendor, guess = aperio(page.description)
    return first(vendor, _of_ome(tif, series), _of_imagej(tif, page), _of_tags(page)), guess


def channel_names(tif: Any, series: Any) -> tuple[str, ...]:
    """Names out of OME-XML (or ImageJ's labels); empty where there are none."""
    image = _ome_image(tif, series)
    if image is None:
        labels = (tif.imagej_metadata or {}).get("Labels") if tif.is_imagej else None
        return tuple(map(str, labels or ()))
    names = []
    for i, channel in enumerate(image.iterfind(".//{*}Channel")):
        names.append(channel.get("Name") or channel.get("Fluor") or f"channel {i + 1}")
    return tuple(names)


def _ome_image(tif: Any, series: Any) -> ElementTree.Element | None:
    """Return this image's part of the OME-XML, found by its size and then by its name."""
    if not tif.is_ome:
        return None
    try:
        root = ElementTree.fromstring(tif.ome_metadata)
    except ElementTree.ParseError:
        return None
    page = series.keyframe
    size = (str(page.imagewidth), str(page.imagelength))
    fitting = []
    for image in root.iterfind("{*}Image"):
        pixels = image.find("{*}Pixels")
        if pixels is not None and (pixels.get("SizeX"), pixels.get("SizeY")) == size:
            fitting.append(image)
    named = [image for image in fitting if image.get("Name") == series.name]
    return next(iter(named or fitting), None)


def _of_ome(tif: Any, series: Any) -> Scale:
    image = _ome_image(tif, series)
    pixels = None if image is None else image.find("{*}Pixels")
    if pixels is None:
        return None
    values, units = {}, {}
    for axis in "XY":
        values[axis] = pixels.get(f"PhysicalSize{axis}")
        units[axis] = pixels.get(f"PhysicalSize{axis}Unit", "µm")
    x, y = ("X" if values["X"] else "Y"), ("Y" if values["Y"] else "X")
    return stated(values[x], values[y], ScaleSource.READER, unit=units[x], unit_y=units[y])


def _of_imagej(tif: Any, page: Any) -> Scale:
    if not tif.is_imagej:
        return None
    unit = str((tif.imagej_metadata or {}).get("unit", "")).replace("\\u00B5", "µ")
    return from_resolution(*_resolution(page), unit, ScaleSource.TAGS)


def _of_tags(page: Any) -> Scale:
    unit = _UNITS.get(int(page.tags.valueof(296, 2)))
    if unit is None:
        return None
    return from_resolution(*_resolution(page), unit, ScaleSource.TAGS)


def _resolution(page: Any) -> tuple[float | None, float | None]:
    """Pixels per unit along x and y."""
    values: list[float | None] = []
    for code in (282, 283):
        value = page.tags.valueof(code)
        ratio = value if isinstance(value, tuple) and len(value) == 2 else (value or 0, 1)
        values.append(ratio[0] / ratio[1] if ratio[0] and ratio[1] else None)
    return values[0], values[1]
