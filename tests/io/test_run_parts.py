"""Every kind of result goes into a store and comes back as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shapely
import spatialdata
from scipy.sparse import csr_matrix

from napari_stml.core.charts import Axis, Chart, Link
from napari_stml.core.errors import CannotOpenError
from napari_stml.core.geometry import Affine
from napari_stml.core.results import (
    GeneValues,
    Graph,
    Heatmap,
    Labels,
    Mask,
    Matrix,
    Model,
    Part,
    Regions,
    Table,
    Tiles,
    Values,
)
from napari_stml.core.run_record import RunRecord, now
from napari_stml.io.run_parts import read_part, write_parts
from napari_stml.io.run_parts.plain import keys_for
from napari_stml.io.run_parts.write import Rows
from napari_stml.io.store import Store

if TYPE_CHECKING:
    from pathlib import Path

N = 6
NAMES = np.array([f"spot{i}" for i in range(N)], dtype=object)
INSIDE = np.array([True, True, True, False, False, True])
rng = np.random.default_rng(0)
SQUARE = shapely.to_wkb(shapely.box(0, 0, 5, 5).difference(shapely.box(1, 1, 2, 2)))

PARTS: list[Part] = [
    Values("height -log10 p", np.where(INSIDE, 0.5, np.nan), "", "p-value"),
    Labels("CD8+ niches", np.array([0, 1, 1, -1, -1, 0]), ("T cell/CD8+", "other"), ("#ff0000",)),
    Matrix("feature_spa", rng.random((N, 3))),
    Matrix("predicted", rng.random((N, 2)).astype(np.float32), ("ERBB2", "HLA-DRA"), genes=True),
    Matrix("uncertainty", rng.random((N, 2)), ("ERBB2", "HLA-DRA"), genes=True),
    Graph("links", csr_matrix(np.eye(N))),
    GeneValues("loadings", ("A", "B"), np.array([[1.0, np.nan], [3.0, 4.0]]), ("PC1", "PC2")),
    Heatmap("rollout", rng.random((7, 5)).astype(np.float32), Affine.scaling(16), "share"),
    Mask("tissue", np.eye(8, dtype=np.uint8), Affine.translation(3, 4), {1: "tissue"}),
    Tiles("tiles", rng.random((4, 2)), 112.0, {"tissue share": np.arange(4.0)}),
    Regions("niches", (SQUARE,), ("tumour",), ("first",)),
    Table("scores", {"gene": ("A", "B"), "r": (0.5, 0.25)}),
    Table("many", {"row": tuple(f"a long name {i}" for i in range(9000)), "v": np.arange(9000.0)}),
    Model("net", {"w": rng.random((3, 2)).astype(np.float32)}, {"genes": ["A"], "epochs": 3}),
    Chart("bars", "bar", "Sizes", Axis("cluster"), Axis("spots", log=True),
          {"cluster": ["a"], "spots": [3]}, (Link("category", ("a",), "clusters"),), ("a note",)),
]  # fmt: skip


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunRecord]:
    path = tmp_path_factory.mktemp("parts") / "section.zarr"
    with Store.create(path) as store:
        run_id = store.new_run_id("toy")
        staging = store.stage(run_id)
        entries = write_parts(staging, "A", PARTS, Rows(NAMES, inside=INSIDE))
        staging.finish()
        record = RunRecord(
            id=run_id, analysis="toy", title="Toy", params={}, started=now(), parts=entries
        )
        store.publish(staging, record.model_dump_json())
        [run] = store.runs()
    return path, RunRecord.model_validate_json(run.record)


@pytest.mark.parametrize("part", PARTS, ids=lambda p: p.name)
def test_a_part_comes_back(stored: tuple[Path, RunRecord], part: Part) -> None:
    path, record = stored
    entry = next(e for e in record.parts if e.name == part.name)
    again = read_part(path, entry)
    assert type(again) is type(part)
    for field in part.__dataclass_fields__:
        assert_same(getattr(again, field), getattr(part, field))


def assert_same(found: Any, expected: Any) -> None:
    if isinstance(expected, csr_matrix):
        assert (abs(found - expected)).nnz == 0
    elif isinstance(expected, np.ndarray) and expected.dtype.kind in "OUS":
        assert list(found) == list(expected)
    elif isinstance(expected, np.ndarray):
        np.testing.assert_allclose(np.asarray(found, dtype=expected.dtype), expected)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            many = isinstance(value, tuple | list | np.ndarray)
            assert_same(
                np.asarray(found[key]) if many else found[key], np.asarray(value) if many else value
            )
    elif isinstance(expected, tuple) and expected and isinstance(expected[0], bytes):
        assert [
            shapely.from_wkb(f).equals(shapely.from_wkb(e))
            for f, e in zip(found, expected, strict=True)
        ]
    else:
        assert found == expected


def test_changed_weights_are_refused(stored: tuple[Path, RunRecord]) -> None:
    path, record = stored
    entry = next(e for e in record.parts if e.kind == "Model")
    other = entry.model_copy(update={"look": {"sha256": "0" * 64}})
    with pytest.raises(CannotOpenError, match="were changed"):
        read_part(path, other)


def test_the_store_is_a_plain_spatialdata_store(stored: tuple[Path, RunRecord]) -> None:
    path, record = stored
    sdata = spatialdata.read_zarr(path)
    table = sdata.tables[f"stml.{record.id}"]
    assert table.obs_names.tolist() == NAMES.tolist()
    assert table.obs["in_scope"].tolist() == INSIDE.tolist()
    assert table.obs["CD8_niches"].isna().tolist() == (~INSIDE).tolist()


def test_keys_are_legal_and_unique_regardless_of_case() -> None:
    keys = keys_for(["CD8+", "cd8", "a/b", "", "_index", "ü", "in_scope"])
    assert len({k.casefold() for k in keys.values()}) == 7
    assert not {"_index", "in_scope"} & set(keys.values())
