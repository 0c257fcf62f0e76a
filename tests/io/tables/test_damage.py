from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anndata as ad
import h5py
import numpy as np
import pytest

from napari_stml import Section
from napari_stml.core.errors import CannotOpenError
from napari_stml.io.tables.damage import in_words

if TYPE_CHECKING:
    from pathlib import Path

THEIRS = ("HDF5", "h5py", "synchronously", "eof =", "object header", "B-tree", "sblock", "errno")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    made = ad.AnnData(rng.poisson(2.0, (60, 40)).astype(np.float32))
    made.obsm["spatial"] = rng.random((60, 2)) * 100
    made.write_h5ad(tmp_path / "table.h5ad", compression="gzip")
    return tmp_path / "table.h5ad"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_file_that_is_cut_short_is_said_so_in_our_words(
    table: Path, share: float, caplog: pytest.LogCaptureFixture
) -> None:
    whole = table.read_bytes()
    table.write_bytes(whole[: int(share * len(whole))])
    with caplog.at_level(logging.INFO), pytest.raises(CannotOpenError) as caught:
        Section.open(table)
    said = str(caught.value)
    assert not [word for word in THEIRS if word in said], said
    assert "cut short" in said
    assert "Copy the file again" in said
    assert any(r.exc_info for r in caplog.records), "the log has the whole story"


def test_a_part_that_is_damaged_or_missing(table: Path) -> None:
    with h5py.File(table, "r+") as file:
        del file["obs"]
    with pytest.raises(CannotOpenError) as caught:
        Section.open(table)
    assert not [word for word in THEIRS if word in str(caught.value)], str(caught.value)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("Unable to synchronously open object (object 'obs' doesn't exist)", "no entry 'obs'"),
        ("Can't synchronously read data (filter returned failure during read)", "is damaged"),
        ("Unable to synchronously open file (file signature not found)", "its beginning"),
        ("Can't synchronously read data (something of its own)", ""),
        ("the column 'x' has two lengths", "the column 'x' has two lengths"),
    ],
)
def test_words(theirs: str, ours: str) -> None:
    said = in_words(OSError(theirs))
    assert ours in said
    assert bool(said) == bool(ours)
