"""Results that gsMap has written are opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from pathlib import Path

    from gsmap_files import Files


def test_published_results_are_opened(real_data: Path, run: Any, tmp_path: Path, toy: Any) -> None:
    folder = real_data / "dlpfc_151507_gsmap"
    if not folder.is_dir():
        pytest.skip("dlpfc_151507_gsmap is not among the real data")
    table = pd.read_csv(folder / "spots_gsmap_height.csv")
    layers, codes = np.unique(table["layer"].astype(str), return_inverse=True)
    from napari_stml.core.inputs import Categories

    n = len(table)
    layer = Categories(codes.astype(np.int32), tuple(layers))
    section = toy.with_(
        counts=np.zeros((n, 1)), names=table["barcode"].to_numpy(dtype=object),
        inside=np.ones(n, bool), array=table[["array_row", "array_col"]].to_numpy(),
        domain=np.zeros(n, int), columns={"layer": layer},
    )  # fmt: skip
    done = run("open-gsmap", section, path=str(folder / "spots_gsmap_height.csv"),
               annotation="layer", version="1.73.8")  # fmt: skip
    np.testing.assert_allclose(
        done.part("height_neg_log10_p").values,
        table["gsmap_height_neglog10p"],
        rtol=1e-5,
        atol=1e-6,
    )
    assert "computed by gsMap, version 1.73.8" in done.result.notes
    assert len(done.part("cauchy_annotation_table").columns["annotation"]) > 3


def test_a_tree_of_gsmap_is_opened(files: Files, toy: Any, run: Any, tmp_path: Path) -> None:
    folder = tmp_path / "work" / "s"
    (folder / "spatial_ldsc").mkdir(parents=True)
    z = np.linspace(-2, 3, 200)
    spots = [f"{n}-1" for n in toy.names[:200]]
    for name, part in (("_chunk1-1", slice(0, 90)), ("_chunk2-2", slice(90, 200))):
        pd.DataFrame({"spot": spots[part], "beta": 1.0, "se": 1.0, "z": z[part], "p": 0.5}).to_csv(
            folder / f"spatial_ldsc/s_IQ{name}.csv.gz", index=False
        )
    (folder / "gsMap_pipeline_s_1.log").write_text("gsMap version 1.73.5 was started\n")
    done = run("open-gsmap", toy, path=str(tmp_path / "work"))
    np.testing.assert_allclose(done.part("IQ_z").values[:200], z, rtol=1e-5)
    assert (done.part("IQ_significant").codes[200:] == 2).all()
    assert "computed by gsMap, version 1.73.5" in done.result.notes
    strange = toy.with_(names=np.array([f"q{i}" for i in range(256)], dtype=object))
    with pytest.raises(StmlError, match="belongs to this section"):
        run("open-gsmap", strange, path=str(tmp_path / "work"))
