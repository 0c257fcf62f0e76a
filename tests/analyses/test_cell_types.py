from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from pathlib import Path

MARKERS = tuple(
    (d, ", ".join(f"{d[0].upper()}G{i}" for i in range(8))) for d in ("tumour", "stroma", "immune")
)


def test_a_column_is_renamed(toy: Any, run: Any) -> None:
    pairs = (("tumour", "invasive"), ("stroma", "other"), ("fat", "adipose"))
    done = run("cell-types", toy, way="rename", column="domain", mapping=pairs)
    labels = done.part("cell_type")
    assert labels.categories == ("invasive", "other", "immune")
    np.testing.assert_array_equal(labels.codes, toy.domain)
    assert "not in the dictionary (kept): immune" in done.result.notes
    assert "in the dictionary, but not in the scope: fat" in done.result.notes
    left = run("cell-types", toy, way="rename", column="domain", mapping=pairs, unmapped="missing")
    codes = left.part("cell_type").codes
    np.testing.assert_array_equal(codes < 0, toy.domain == 2)


def test_several_names_become_one(toy: Any, run: Any) -> None:
    pairs = (("tumour", "tissue"), ("stroma", "tissue"))
    done = run("cell-types", toy, way="rename", column="domain", mapping=pairs)
    assert done.part("cell_type").categories == ("tissue", "immune")
    assert done.charts[1].data["values"][0] == [96.0, 0.0]


def test_dictionaries_are_checked(toy: Any, run: Any) -> None:
    for mapping, words in [((), "empty"), ((("a", "b"), ("a", "c")), "listed twice"),
                           ((("tumour", " "),), "new name is empty")]:  # fmt: skip
        with pytest.raises(StmlError, match=words):
            run("cell-types", toy, way="rename", column="domain", mapping=mapping)
    with pytest.raises(StmlError, match="none of the classes"):
        run("cell-types", toy, way="rename", column="domain", mapping=(("x", "y"),),
            unmapped="missing")  # fmt: skip
    with pytest.raises(StmlError, match="No column"):
        run("cell-types", toy, way="rename", mapping=(("x", "y"),))
    held = toy.with_(columns={"area": np.linspace(0, 1, 256)})
    with pytest.raises(StmlError, match="measurements"):
        run("cell-types", held, way="rename", column="area", mapping=(("1", "y"),))


def test_whole_numbers_are_classes(toy: Any, run: Any) -> None:
    numbers = toy.domain.astype(float)
    numbers[0] = np.nan
    held = toy.with_(columns={"leiden": numbers})
    done = run("cell-types", held, way="rename", column="leiden", mapping=(("0", "tumour"),))
    assert done.part("cell_type").categories == ("tumour", "1", "2")
    assert done.part("cell_type").codes[0] == -1


def test_markers_per_spot_with_confidence(toy: Any, run: Any) -> None:
    done = run("cell-types", toy, markers=MARKERS)
    labels, sure = done.part("cell_type"), done.part("confidence").values
    certain = labels.codes < 3
    assert certain.mean() > 0.8
    assert (labels.codes[certain] == toy.domain[certain]).mean() > 0.97
    np.testing.assert_array_equal(sure[certain] >= 0.25, True)
    scores = np.sort(done.part("scores").values, axis=1)
    margin = (scores[:, -1] - scores[:, -2]) / done.part("scores").values.std()
    np.testing.assert_allclose(sure, margin, rtol=1e-3)


def test_noise_is_uncertain(toy: Any, run: Any) -> None:
    rng = np.random.default_rng(1)
    counts = np.tile(rng.poisson(20, len(toy.genes)), (256, 1))
    counts[:30] = toy.counts[:30]  # a little real difference, and the rest is alike
    counts = rng.poisson(counts)
    done = run("cell-types", toy.with_(counts=counts), markers=MARKERS, confidence=1.0)
    labels = done.part("cell_type")
    assert labels.categories[-1] == "uncertain"
    assert (labels.codes[30:] == 3).mean() > 0.7


def test_markers_per_cluster(toy: Any, run: Any, tmp_path: Path) -> None:
    file = tmp_path / "types.txt"
    file.write_text("\n".join(f"{name}: {genes}" for name, genes in MARKERS))
    done = run("cell-types", toy, column="domain", file=str(file))
    np.testing.assert_array_equal(done.part("cell_type").codes, toy.domain)
    heat = next(c for c in done.charts if c.name == "scores by class")
    assert np.array(heat.data["values"]).argmax(axis=1).tolist() == [0, 1, 2]
    assert heat.links[0].value == "domain"


def test_the_default_markers_say_what_is_missing(toy: Any, run: Any) -> None:
    with pytest.raises(StmlError, match="EPCAM"):
        run("cell-types", toy)


def test_default_markers_on_a_real_section(her2st: Any, run: Any) -> None:
    section = her2st("G2")
    done = run("cell-types", section)
    labels = done.part("cell_type")
    called = [labels.categories[c] for c in labels.codes[section.inside]]
    assert 0.05 < called.count("uncertain") / len(called) < 0.6
    assert {"epithelium", "adipocytes"} <= set(called)
