"""MERSCOPE region folders."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fakes.merscope import BLANKS, GENES, TO_PX, write_merscope

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers.merscope import READER

FACTOR = TO_PX[0, 0]


def bright(contents, xy):
    slide = contents.images["DAPI"].slide
    pixels = slide.read(0, 0, 0, slide.width, slide.height)[..., 0]
    x, y = np.floor(xy).astype(int).T
    return (pixels[y, x] > 150).mean()


@pytest.mark.parametrize("unnamed", [False, True])
def test_cells_lie_on_the_mosaic_and_keep_all_digits(tmp_path, unnamed):
    fake = write_merscope(tmp_path, unnamed=unnamed)
    assert READER.claims(tmp_path)
    contents = READER.read(tmp_path)
    observations = contents.observations
    assert observations.names.tolist() == fake.cells.index.tolist()
    assert bright(contents, observations.xy) == 1.0
    assert contents.um_per_px.x == pytest.approx(1 / FACTOR)
    assert list(contents.images) == ["DAPI", "PolyT"]
    rna, controls = contents.tables["RNA"], contents.tables["controls"]
    assert rna.var_names.tolist() == GENES
    assert controls.var_names.tolist() == BLANKS
    values = pd.Series(rna.gene("Mbp"), index=rna.obs_names)
    assert values[fake.counts.index].tolist() == fake.counts["Mbp"].tolist()
    assert rna.column("volume").tolist() == [300.5] * len(fake.cells)


def test_plane_is_a_choice(tmp_path):
    fake = write_merscope(tmp_path, planes=(0, 1, 2, 10))
    contents = READER.read(tmp_path)
    assert contents.choices["z"] == ("0", "1", "2", "10")
    assert contents.chosen["z"] == "2"
    for plane in (0, "1"):
        contents = READER.read(tmp_path, z=plane)
        outlines = contents.observations.outlines()
        side = 2 * fake.half * (1 + int(plane) / 10) * FACTOR
        np.testing.assert_allclose(outlines.area, side**2)
        centres = outlines.loc[contents.observations.names].centroid
        np.testing.assert_allclose(centres.x, contents.observations.xy[:, 0])
    with pytest.raises(CannotOpenError, match="0, 1, 2, 10"):
        READER.read(tmp_path, z=7)


def test_transcripts_lie_on_cells(tmp_path):
    fake = write_merscope(tmp_path)
    contents = READER.read(tmp_path)
    (element,) = contents.elements
    points = element.load().compute()
    assert points["gene"].tolist() == fake.transcripts["gene"].tolist()
    assert bright(contents, element.affine(points[["x", "y"]])) == 1.0


def test_without_mosaic_positions_are_um(tmp_path):
    fake = write_merscope(tmp_path)
    contents = READER.read(tmp_path, image="none")
    assert contents.images == {}
    assert contents.um_per_px.x == 1.0
    np.testing.assert_allclose(contents.observations.xy, fake.cells[["center_x", "center_y"]])
    np.testing.assert_allclose(contents.observations.outlines().area, (2 * fake.half) ** 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "3 x 3"), ("1 2 3\n4 5\n", "3 x 3"), ("0 0 1\n0 0 1\n0 0 1\n", "no inverse"),
     ("a b c\nd e f\ng h i\n", "3 x 3"), (None, "is missing")],
)  # fmt: skip
def test_damaged_transform(tmp_path, text, message):
    write_merscope(tmp_path)
    path = tmp_path / "images" / "micron_to_mosaic_pixel_transform.csv"
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(CannotOpenError, match=message):
        READER.read(tmp_path)
