"""The files of a SpatialData store, on a disk or behind a URL, without spatialdata.

Metadata are read as the JSON they are. On a disk the folders are listed, because consolidated
metadata may be stale; a remote store is read through its consolidated metadata, in one request.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import CannotOpenError

if TYPE_CHECKING:
    from napari_stml.io.readers import Location

KINDS = ("images", "labels", "shapes", "points", "tables")

KNOWN_VERSIONS = {
    "store": {"0.1", "0.2"},
    "images": {"0.1", "0.2", "0.3"},
    "labels": {"0.1", "0.2", "0.3"},
    "shapes": {"0.1", "0.2", "0.3"},
    "points": {"0.1", "0.2"},
    "tables": {"0.1", "0.2"},
}


class StoreFiles:
    """What lies where in a store."""

    def __init__(self, root: Location) -> None:
        self.root = root

    @property
    def remote(self) -> bool:
        return isinstance(self.root, str)

    @property
    def name(self) -> str:
        last = (
            str(self.root).rstrip("/").rsplit("/", 1)[-1] if self.remote else Path(self.root).name
        )
        return last.removesuffix(".zarr").removesuffix(".sdata")

    def at(self, *parts: str) -> Location:
        """Give the path or URL of something in the store."""
        if isinstance(self.root, Path):
            return self.root.joinpath(*parts)
        return "/".join((self.root, *parts))

    def elements(self, kind: str) -> tuple[str, ...]:
        """List the names of one kind, in alphabetical order."""
        if isinstance(self.root, Path):
            folder = self.root / kind
            if not folder.is_dir():
                return ()
            found = [p.name for p in folder.iterdir() if _is_node(p)]
        elif self._consolidated is not None:
            parts = [key.split("/") for key in self._consolidated]
            found = [p[1] for p in parts if len(p) == 2 and p[0] == kind]
        else:
            found = self._listed(kind)
        return tuple(sorted(n for n in found if not n.startswith(".")))

    def attrs(self, *parts: str) -> dict[str, Any]:
        """Read the attributes of a group.

        Raises
        ------
        CannotOpenError
            When they are missing or are not JSON.
        """
        where = self.at(*parts)
        if self.remote and self._consolidated is not None and parts:
            attributes: dict[str, Any] | None = self._consolidated.get("/".join(parts))
        else:
            attributes = _attributes(where, self.bytes)
        if attributes is None:
            raise CannotOpenError(
                "A part of the store has no metadata (neither zarr.json nor .zgroup)", where=where
            )
        return dict(attributes)

    def element_attrs(self, kind: str, name: str) -> dict[str, Any]:
        """Read an element's attributes and check that its version is a known one."""
        attrs = self.attrs(kind, name)
        version = (
            attrs.get("version")
            if kind == "tables"
            else (attrs.get("spatialdata_attrs") or {}).get("version")
        )
        check_version(kind, version, self.at(kind, name))
        return attrs

    def bytes(self, location: Location) -> bytes | None:
        """Read a whole file; None where there is none."""
        if isinstance(location, Path):
            return location.read_bytes() if location.is_file() else None
        fs, path = self._fs(location)
        try:
            data: bytes = fs.cat_file(path)
        except FileNotFoundError:
            return None
        return data

    def parquet_parts(self, kind: str, name: str) -> list[str]:
        """List a points element's parquet files, as something dask can read.

        A server that does not honour Range requests is asked for whole files, which are kept
        until this process ends.
        """
        folder = self.at(kind, name, f"{kind}.parquet")
        if isinstance(folder, Path):
            files = [folder] if folder.is_file() else list(folder.glob("*.parquet"))
            parts = [str(f) for f in sorted(files, key=_part_number)]
        else:
            parts = self._remote_parts(folder)
        if not parts:
            raise CannotOpenError("The parquet files of this element are missing", where=folder)
        return parts

    def _remote_parts(self, folder: str) -> list[str]:
        found: list[str] = []
        while self._exists(url := f"{folder}/part.{len(found)}.parquet"):
            found.append(url)
        if found and folder.startswith("http") and not self._honours_range(found[0]):
            return [self._downloaded(url) for url in found]
        return found

    def _exists(self, url: str) -> bool:
        fs, path = self._fs(url)
        return bool(fs.exists(path))

    def _honours_range(self, url: str) -> bool:
        fs, path = self._fs(url)
        with fs.open(path, cache_type="none") as file:
            try:
                file.seek(1)
                return len(file.read(3)) == 3
            except ValueError:  # the server always sends from the beginning
                return False

    def _downloaded(self, url: str) -> str:
        target = Path(_downloads().name) / hashlib.blake2b(url.encode()).hexdigest()[:32]
        if not target.exists():
            fs, path = self._fs(url)
            fs.get_file(path, str(target))
        return str(target)

    def _listed(self, kind: str) -> list[str]:
        fs, path = self._fs(str(self.at(kind)))
        if str(self.root).startswith("http"):
            raise CannotOpenError(
                "This store has no consolidated metadata, and a web server does not list folders",
                where=self.root,
                do="write it with SpatialData.write(consolidate_metadata=True) and upload it again",
            )
        try:
            entries = fs.ls(path, detail=True)
        except FileNotFoundError:
            return []
        return [e["name"].rstrip("/").rsplit("/", 1)[-1] for e in entries if e["type"] != "file"]

    @cached_property
    def _consolidated(self) -> dict[str, dict[str, Any]] | None:
        """Attributes of all nodes, by path; None where metadata are not consolidated."""
        if isinstance(self.root, Path):
            return None
        block = _json(self.bytes(f"{self.root}/zarr.json"), self.root)
        if block is not None:
            nodes = (block.get("consolidated_metadata") or {}).get("metadata")
            return nodes and {key: node.get("attributes", {}) for key, node in nodes.items()}
        block = _json(self.bytes(f"{self.root}/.zmetadata"), self.root)
        if block is None:
            return None
        metadata = block["metadata"]
        groups = [key.removesuffix("/.zgroup") for key in metadata if key.endswith("/.zgroup")]
        return {group: metadata.get(f"{group}/.zattrs", {}) for group in groups}

    @staticmethod
    def _fs(location: str) -> tuple[Any, str]:
        from fsspec.core import url_to_fs

        fs, path = url_to_fs(location)
        return fs, path


@cache
def _downloads() -> TemporaryDirectory[str]:
    """Give the folder of this process for files of servers without Range requests."""
    return TemporaryDirectory(prefix="stml-")


def root_attributes(root: Location) -> dict[str, Any] | None:
    """Read the attributes of a zarr's root; None where there is no zarr."""
    return _attributes(root, StoreFiles(root).bytes)


def check_version(kind: str, version: object, where: object) -> None:
    """Refuse a format that is newer than what is known here."""
    if version is not None and str(version) not in KNOWN_VERSIONS[kind]:
        raise CannotOpenError(
            f"Version {version} of the SpatialData format ({kind}) is not known here",
            where=where,
            do="update napari-stml, or write the store with an earlier spatialdata",
        )


def _attributes(node: Location, read: Any) -> dict[str, Any] | None:
    def file(name: str) -> Location:
        return node / name if isinstance(node, Path) else f"{node}/{name}"

    block = _json(read(file("zarr.json")), node)
    if block is not None:
        return dict(block.get("attributes") or {})
    if read(file(".zgroup")) is None:
        return None
    return _json(read(file(".zattrs")), node) or {}


def _json(data: bytes | None, where: object) -> dict[str, Any] | None:
    if data is None:
        return None
    try:
        block = json.loads(data)
    except ValueError as error:
        raise CannotOpenError(
            "The metadata are damaged (not complete JSON)",
            where=where,
            do="copy the store again from its source",
        ) from error
    if not isinstance(block, dict):
        raise CannotOpenError("The metadata are damaged (not a JSON object)", where=where)
    return block


def _is_node(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("zarr.json", ".zgroup"))


def _part_number(file: Path) -> tuple[int, str]:
    digits = "".join(c for c in file.name if c.isdigit())
    return int(digits or 0), file.name
