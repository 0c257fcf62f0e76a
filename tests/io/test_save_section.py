"""Save as: what is written is read back, by us, spatialdata, scanpy and squidpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import spatialdata
from PIL import Image
from scipy.sparse import csr_matrix

from napari_stml import Section
from napari_stml.core.geometry import ScaleSource
from napari_stml.core.results import Values
from napari_stml.core.run_record import RunRecord, now
from napari_stml.io.run_parts import write_parts
from napari_stml.io.run_parts.write import Rows
from napari_stml.io.save_section import save_section_as

if TYPE_CHECKING:
    from pathlib import Path

N = 30


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An .h5ad and an image, as colleagues hand them over."""
    rng = np.random.default_rng(0)
    where = tmp_path / "Ärzte section"
    where.mkdir()
    names = pd.Index([f"b{i}" for i in range(N)], dtype=object)
    table = ad.AnnData(
        csr_matrix(rng.poisson(1.0, (N, 5)).astype(np.float32)),
        obs=pd.DataFrame({"label": pd.Categorical(["x", "y", "z"] * 10)}, index=names),
        var=pd.DataFrame(index=pd.Index(list("ABCDE"), dtype=object)),
    )
    table.obsm["spatial"] = np.column_stack([np.arange(N) * 20.0 + 10, np.full(N, 100.5)])
    table.write_h5ad(where / "counts.h5ad")
    pixels = rng.integers(0, 255, (220, 640, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(where / "image.png")
    return where


def with_a_run(section: Section) -> None:
    store = section.kept.store
    run_id = store.new_run_id("toy")
    staging = store.stage(run_id)
    assert section.observations is not None
    parts = [Values("height", np.arange(float(N)))]
    entries = write_parts(staging, section.name, parts, Rows(section.observations.names))
    staging.finish()
    record = RunRecord(
        id=run_id, analysis="toy", title="Toy", params={}, started=now(), parts=entries
    )
    store.publish(staging, record.model_dump_json())
    section.forget_runs()


@pytest.mark.parametrize("images", ["copied", "referenced"])
def test_saved_as_it_is_the_same_section(folder: Path, tmp_path: Path, images: str) -> None:
    target = tmp_path / "saved.zarr"
    with Section.open(folder, um_per_px=0.5) as section:
        with_a_run(section)
        written = list(save_section_as(section, target, images=images))  # type: ignore[arg-type]
        assert "observations" in written
        with Section.open(target) as again:
            assert again.observations is not None
            assert section.observations is not None
            np.testing.assert_allclose(again.observations.xy, section.observations.xy)
            assert again.observations.names.tolist() == section.observations.names.tolist()
            assert again.um_per_px is not None
            assert again.um_per_px.mean == pytest.approx(0.5)
            assert again.um_per_px.source is ScaleSource.STORED
            pd.testing.assert_series_equal(again.values("label"), section.values("label"))
            np.testing.assert_array_equal(again.gene("C"), section.gene("C"))
            np.testing.assert_array_equal(again.values("toy-1/height"), np.arange(float(N)))
            (one,), (other,) = again.images.values(), section.images.values()
            np.testing.assert_array_equal(
                one.slide.read(5, 7, 0, 60, 50), other.slide.read(5, 7, 0, 60, 50)
            )


def test_other_programs_read_it(folder: Path, tmp_path: Path) -> None:
    import scanpy as sc
    import squidpy as sq

    target = tmp_path / "saved.zarr"
    with Section.open(folder, um_per_px=0.5) as section:
        list(save_section_as(section, target))
    sdata = spatialdata.read_zarr(target)
    table = sdata.tables["RNA"]
    assert set(sdata.coordinate_systems) >= {"global", "um"}
    assert len(sdata.shapes["observations"]) == N
    sc.pp.normalize_total(table)
    sq.gr.spatial_neighbors_knn(table, n_neighs=3)
    assert table.obsp["spatial_connectivities"].shape == (N, N)


def test_a_lost_reference_is_said(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "saved.zarr"
    with Section.open(folder, um_per_px=0.5) as section:
        list(save_section_as(section, target, images="referenced"))
    (folder / "image.png").unlink()
    with pytest.raises(Exception, match=r"image\.png"):
        Section.open(target)


def test_given_up_it_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "saved.zarr"
    with Section.open(folder, um_per_px=0.5) as section:
        steps = save_section_as(section, target)
        next(steps)
        steps.close()  # type: ignore[attr-defined]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["Ärzte section"]


def test_points_of_a_store_come_along(tmp_path: Path) -> None:
    """Transcripts read lazily carry no transformation of their own."""
    from spatialdata.models import PointsModel, ShapesModel

    points = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [4.0, 5.0, 6.0], "gene": ["A", "B", "A"]})
    circles = ShapesModel.parse(np.array([[1.0, 2.0], [5.0, 6.0]]), geometry=0, radius=1.0)
    source = tmp_path / "source.zarr"
    spatialdata.SpatialData(
        points={"transcripts": PointsModel.parse(points)}, shapes={"spots": circles}
    ).write(source)
    with Section.open(source) as section:
        list(save_section_as(section, tmp_path / "saved.zarr"))
    again = spatialdata.read_zarr(tmp_path / "saved.zarr").points["transcripts"].compute()
    assert again["x"].tolist() == [1.0, 2.0, 3.0]
    assert again["gene"].tolist() == ["A", "B", "A"]


def test_runs_of_a_moved_file_come_along(folder: Path, tmp_path: Path) -> None:
    with Section.open(folder) as section:
        with_a_run(section)
    moved = tmp_path / "moved"
    folder.rename(moved)
    with Section.open(moved) as again:
        assert again.run_values() == ("toy-1/height",)


def test_runs_of_a_read_only_store_are_found(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_stml.core.errors import CannotSaveError
    from napari_stml.io.store import Store, overlay

    target = tmp_path / "saved.zarr"
    with Section.open(folder) as section:
        list(save_section_as(section, target))
    whole_open = Store.open

    def refuse(path: Path, **how: bool) -> Store:
        if path == target:
            raise CannotSaveError("read-only") from PermissionError(13, "Permission denied")
        return whole_open(path, **how)

    monkeypatch.setattr(overlay.Store, "open", refuse)
    monkeypatch.setattr(overlay.os, "access", lambda path, mode: path != target)
    with Section.open(target) as section:
        with_a_run(section)
        assert section.kept.locally
        assert section.run_values() == ("toy-1/height",)
    with Section.open(target) as again:
        assert again.run_values() == ("toy-1/height",)
