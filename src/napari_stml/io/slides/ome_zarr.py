"""OME-Zarr images and SpatialData rasters, local or remote, zarr v2 and v3."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.core.geometry import ScaleSource
from napari_stml.io.slides.array import RGB, is_mask, numbered
from napari_stml.io.slides.base import DamagedTileError, Pixels
from napari_stml.io.slides.identity import key_of
from napari_stml.io.slides.levels import measured
from napari_stml.io.slides.scale import Scale, first, given, stated
from napari_stml.io.slides.tiled import TiledSlide

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_stml.io.slides.tile_memory import Empty

STORE_ERRORS = (OSError, ValueError, KeyError, TypeError, RuntimeError, NotImplementedError)
"""What zarr, its codecs and fsspec raise on a store that is not what it should be."""

_SMALLEST_TILE = 256
_COLOURS = ({"r", "g", "b"}, {"red", "green", "blue"})


@dataclass(frozen=True)
class _Image:
    """An image group: axes, level paths, names and scale."""

    axes: str
    paths: tuple[str, ...]
    names: tuple[str, ...]
    scale: Scale
    labels: bool


class OmeZarrSlide(TiledSlide):
    """A multiscale image in a zarr group; of time and depth the first plane is shown."""

    _handles: ClassVar[tuple[str, ...]] = ("_arrays",)

    def __init__(
        self,
        url: str,
        *,
        um_per_px: Scale = None,
        series: int | str | None = None,
        mask: bool | None = None,
    ) -> None:
        self.uri = url
        self._group, image = _find(url, series)
        self._axes, self._paths = image.axes, image.paths
        self._arrays: list[Any] | None = _open_arrays(url, self._group, image.paths)
        top = self._arrays[0]
        self._check(self._arrays)
        y, x = self._axes.index("y"), self._axes.index("x")
        c = self._axes.find("c")
        count = 1 if c < 0 else int(top.shape[c])
        dtype = np.dtype(top.dtype).newbyteorder("=")
        rgb = count == 3 and dtype == np.uint8 and c >= 0 and _coloured(image.names)
        names = image.names if len(image.names) == count else numbered(count)
        self._describe(
            measured(
                [(a.shape[x], a.shape[y]) for a in self._arrays],
                [(_tile(a.chunks[x]), _tile(a.chunks[y])) for a in self._arrays],
            ),
            key=key_of("zarr", url, self._group, *(_stamp(url, self._group, p, a)
                       for p, a in zip(image.paths, self._arrays, strict=True))),
            channels=RGB if rgb else names,
            dtype=dtype,
            rgb=rgb,
            per_plane=1 if c < 0 else min(int(top.chunks[c]), count),
            mask=(image.labels or is_mask(dtype, count)) if mask is None else mask,
        )  # fmt: skip
        self.um_per_px = first(given(um_per_px), image.scale)

    def _check(self, arrays: Sequence[Any]) -> None:
        for path, array in zip(self._paths, arrays, strict=True):
            if len(array.shape) != len(self._axes) or 0 in array.shape:
                raise CannotOpenError(
                    f"Level {path} has shape {array.shape}, its axes are {self._axes}",
                    where=self.uri,
                    do="write the image again with matching axes",
                )
            if np.dtype(array.dtype).kind not in "buif" or array.dtype != arrays[0].dtype:
                raise CannotOpenError(
                    f"Level {path} holds {array.dtype}, which is no pixel type",
                    where=self.uri,
                    do="write the image as whole numbers or floats, all levels alike",
                )

    def _decode(self, stored: int, row: int, col: int, plane: int, empty: Empty) -> Pixels:
        array = self._open()[stored]
        lv = self.levels[self._stored[stored]]
        spans = {
            "y": slice(row * lv.tile_height, (row + 1) * lv.tile_height),
            "x": slice(col * lv.tile_width, (col + 1) * lv.tile_width),
            "c": slice(plane * self._per_plane, (plane + 1) * self._per_plane),
        }
        try:
            pixels = np.asarray(array[tuple(spans.get(a, 0) for a in self._axes)])
        except STORE_ERRORS as error:
            raise DamagedTileError(
                f"A tile of the image cannot be read ({error})",
                where=f"{self.uri}, level {self._paths[stored]}, row {row}, column {col}",
                do="copy the store again from its source, it is damaged or out of reach",
            ) from error
        kept = [a for a in self._axes if a in "yxc"]
        if "c" not in kept:
            return pixels[:, :, None] if kept == ["y", "x"] else pixels.T[:, :, None]
        order = [kept.index(a) for a in "yxc"]
        return np.ascontiguousarray(pixels.transpose(order), dtype=self.dtype)

    def _open(self) -> list[Any]:
        arrays = self._arrays
        if arrays is None:
            arrays = self._arrays = _open_arrays(self.uri, self._group, self._paths)
        return arrays


def is_zarr(url: str) -> bool:
    """Whether a local folder or a remote address is a zarr group."""
    if "://" in url:
        return ".zarr" in url
    folder = Path(url)
    return folder.is_dir() and any((folder / n).is_file() for n in ("zarr.json", ".zgroup"))


def open_group(url: str) -> Any:
    """Open a group to read; a local store's consolidated block may be stale and is not used."""
    import zarr

    try:
        return zarr.open_group(url, mode="r", use_consolidated=None if "://" in url else False)
    except STORE_ERRORS as error:
        raise CannotOpenError(
            f"This is no zarr group that can be read ({error})",
            where=url,
            do="check the address, and that the copy is complete",
        ) from error


def _open_arrays(url: str, group: str, paths: Sequence[str]) -> list[Any]:
    root = open_group(url)
    arrays = []
    for path in paths:
        name = f"{group}/{path}" if group else path
        try:
            arrays.append(root[name])
            _ = arrays[-1].chunks
        except (*STORE_ERRORS, AttributeError) as error:
            raise CannotOpenError(
                f"Level {path} of the image is missing or damaged ({error})",
                where=url,
                do="copy the store again from its source",
            ) from error
    return arrays


def _find(url: str, series: int | str | None) -> tuple[str, _Image]:
    """Return the path of the image group below ``url`` ("" for itself) and its description."""
    root = open_group(url)
    said = _said(root)
    if "multiscales" in said:
        return "", _describe(url, said)
    names = _children(root)
    if isinstance(series, int) and 0 <= series < len(names):
        series = names[series]
    if series is None and (len(names) == 1 or "0" in names):
        series = "0" if "0" in names else names[0]  # bioformats2raw: the slide itself is 0
    found = next((n for n in names if series in {n, n.rpartition("/")[2]}), None)
    if found is None:
        what = f"There is no image {series!r}" if series is not None else (
            "There are several images in this store" if names else "There is no image in this store"
        )  # fmt: skip
        do = f"choose one with series: {', '.join(names)}" if names else (
            "open the group that has multiscales metadata"
        )  # fmt: skip
        raise CannotOpenError(what, where=url, do=do)
    return found, _describe(f"{url}/{found}", _said(root[found]))


def _said(group: Any) -> Mapping[str, Any]:
    said = dict(group.attrs)
    inner = said.get("ome")
    return inner if isinstance(inner, dict) else said


def _children(root: Any) -> list[str]:
    """Name the image groups of a SpatialData store or of a plate-less OME-Zarr."""
    import zarr

    found = []
    for prefix in ("", "images", "labels"):
        try:
            parent = root[prefix] if prefix else root
            members = [n for n, m in parent.members() if isinstance(m, zarr.Group)]
        except STORE_ERRORS:
            continue  # not listable (plain http) or no such folder: nothing to offer
        for name in sorted(members):
            if "multiscales" in _said(parent[name]):
                found.append(f"{prefix}/{name}" if prefix else name)
    return found


def _describe(url: str, said: Mapping[str, Any]) -> _Image:
    try:
        multiscale = said["multiscales"][0]
        paths = tuple(str(d["path"]) for d in multiscale["datasets"])
        listed = multiscale.get("axes", ["t", "c", "z", "y", "x"])
        axes = [a if isinstance(a, dict) else {"name": a} for a in listed]
        letters = "".join(str(a["name"]).lower() for a in axes)
        channels = said.get("omero", {}).get("channels", [])
        names = tuple(str(c.get("label", "")) for c in channels)
        scale = _scale(multiscale, axes)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise CannotOpenError(
            f"The multiscales metadata are incomplete ({error!r})",
            where=url,
            do="write the image again with a current OME-Zarr writer",
        ) from error
    if not paths or not {"y", "x"} <= set(letters) or len(set(letters)) != len(letters):
        raise CannotOpenError(
            f"An image needs levels and the axes y and x, not {letters or 'none'}", where=url
        )
    return _Image(letters, paths, names, scale, "image-label" in said)


def _scale(multiscale: Mapping[str, Any], axes: Sequence[Mapping[str, Any]]) -> Scale:
    """Um per pixel, where the axes have a unit of length."""
    names = [str(a["name"]).lower() for a in axes]
    steps = np.ones(len(names))
    for transform in (
        *multiscale["datasets"][0].get("coordinateTransformations", ()),
        *multiscale.get("coordinateTransformations", ()),
    ):
        if transform.get("type") == "scale" and len(transform.get("scale", ())) == len(names):
            steps = steps * np.asarray(transform["scale"], float)
    x, y = names.index("x"), names.index("y")
    units = [str(axes[i].get("unit") or "none") for i in (x, y)]
    return stated(steps[x], steps[y], ScaleSource.READER, unit=units[0], unit_y=units[1])


def _coloured(names: Sequence[str]) -> bool:
    """Whether three channels of bytes are colours: so named, or with no name of their own."""
    plain = {n.strip().lower().removeprefix("channel").strip(" _-") for n in names}
    return plain in _COLOURS or all(not n or n.isdigit() for n in plain)


def _tile(chunk: int) -> int:
    """Read several tiny chunks at once."""
    return chunk * -(-_SMALLEST_TILE // chunk)


def _stamp(url: str, group: str, path: str, array: Any) -> str:
    """Layout of a level, and when its metadata were written, as far as that can be seen."""
    changed = ""
    if "://" not in url:
        folder = Path(url) / group / path
        changed = ",".join(
            str((folder / n).stat().st_mtime_ns)
            for n in ("zarr.json", ".zarray")
            if (folder / n).exists()
        )
    return f"{path} {array.shape} {array.chunks} {array.dtype} {changed}"
