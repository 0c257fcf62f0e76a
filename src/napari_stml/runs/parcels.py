"""Inputs and results as JSON plus plain arrays, so that they cross processes without pickle.

In memory a parcel is a tree and a list of arrays (a live answer: the arrays lie in a ring file);
on disk it is a folder with ``tree.json`` and ``<n>.npy``, written under another name and renamed
when complete, and mapped when read.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
import uuid
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_stml.core.errors import CannotOpenError, StmlError

Arrays = list[NDArray[Any]]
_TAG = "#"


@functools.cache
def _classes() -> dict[str, type[Any]]:
    """The closed list of what may travel besides arrays and plain values."""
    from napari_stml.core import charts, geometry, inputs, results, scope

    known: list[type[Any]] = [
        charts.Chart, charts.Axis, charts.Link,
        geometry.Affine, geometry.Box, geometry.UmPerPx, geometry.ScaleSource,
        inputs.Inputs, inputs.SectionInputs, inputs.Matrix2D, inputs.Categories, inputs.Region,
        results.Result, results.Values, results.Labels, results.Matrix, results.Graph,
        results.GeneValues, results.Heatmap, results.Mask, results.Tiles, results.Regions,
        results.Table, results.Model, results.View, scope.Scope,
    ]  # fmt: skip
    return {k.__name__: k for k in known}


def pack(value: Any, arrays: Arrays) -> Any:
    """Turn a value into JSON; its arrays are appended to ``arrays``, uncopied."""
    if isinstance(value, Enum):
        return {_TAG: "class", "name": type(value).__name__, "fields": {"value": value.value}}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return _pack_array(value, arrays)
    if isinstance(value, bytes):
        return {_TAG: "bytes", "hex": value.hex()}
    if isinstance(value, tuple | list):
        return {_TAG: type(value).__name__, "of": [pack(v, arrays) for v in value]}
    if hasattr(value, "items"):
        return {_TAG: "map", "of": [[pack(k, arrays), pack(v, arrays)] for k, v in value.items()]}
    if hasattr(value, "indptr"):
        sparse = [pack(a, arrays) for a in (value.data, value.indices, value.indptr)]
        return {_TAG: "csr", "of": sparse, "shape": list(value.shape)}
    if type(value).__name__ in _classes() and dataclasses.is_dataclass(value):
        fields = {f.name: pack(getattr(value, f.name), arrays) for f in dataclasses.fields(value)}
        return {_TAG: "class", "name": type(value).__name__, "fields": fields}
    raise StmlError(
        "This value cannot travel between the window and its worker", where=type(value).__name__
    )


def _pack_array(array: NDArray[Any], arrays: Arrays) -> Any:
    if array.dtype.kind in "OUT":
        return {_TAG: "texts", "of": array.tolist()}
    arrays.append(array)
    return {_TAG: "array", "n": len(arrays) - 1}


def unpack(tree: Any, arrays: Arrays) -> Any:
    """The value that `pack` was given."""
    if not isinstance(tree, dict):
        return tree
    match tree[_TAG]:
        case "array":
            return arrays[tree["n"]]
        case "texts":
            return np.array(tree["of"], dtype=object)
        case "bytes":
            return bytes.fromhex(tree["hex"])
        case "tuple":
            return tuple(unpack(v, arrays) for v in tree["of"])
        case "list":
            return [unpack(v, arrays) for v in tree["of"]]
        case "map":
            return {unpack(k, arrays): unpack(v, arrays) for k, v in tree["of"]}
        case "csr":
            from scipy.sparse import csr_matrix

            parts = tuple(unpack(v, arrays) for v in tree["of"])
            return csr_matrix(parts, shape=tuple(tree["shape"]), copy=False)
        case _:
            fields = {k: unpack(v, arrays) for k, v in tree["fields"].items()}
            return _classes()[tree["name"]](**fields)


def write(value: Any, folder: Path) -> Path:
    """Write a parcel; the folder is there complete or not at all."""
    arrays: Arrays = []
    tree = pack(value, arrays)
    partial = folder.with_name(f"{folder.name}.{uuid.uuid4().hex[:8]}.partial")
    partial.mkdir(parents=True)
    try:
        for n, array in enumerate(arrays):
            np.save(partial / f"{n}.npy", array, allow_pickle=False)
        (partial / "tree.json").write_text(json.dumps(tree), encoding="utf-8")
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def read(folder: str | Path) -> Any:
    """Read a parcel; its arrays are mapped read-only, not loaded."""
    folder = Path(folder)
    try:
        tree = json.loads((folder / "tree.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CannotOpenError("These intermediate files are missing", where=folder) from error
    files = sorted(folder.glob("*.npy"), key=lambda f: int(f.stem))
    return unpack(tree, [_mapped(f) for f in files])


def _mapped(file: Path) -> NDArray[Any]:
    array: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    return np.asarray(array) if array.size == 0 else array
