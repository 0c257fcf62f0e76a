from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from pathlib import Path


def logged(toy: Any) -> np.ndarray:
    total = toy.counts.sum(axis=1, keepdims=True)
    return np.log1p((1e4 * toy.counts / total).astype(np.float32)).astype(np.float64)


def test_mean_of_z(toy: Any, run: Any) -> None:
    done = run("scores", toy, genes=("TG0", "TG3"))
    values = logged(toy)[:, [0, 3]]
    z = (values - values.mean(axis=0)) / values.std(axis=0)
    np.testing.assert_allclose(done.part("score").values, z.mean(axis=1), atol=1e-4)


@pytest.mark.parametrize("method", ["mean z", "scanpy", "rank"])
def test_sets_are_high_in_their_domain(method: str, toy: Any, run: Any, tmp_path: Path) -> None:
    file = tmp_path / "my sets.gmt"
    lines = [f"{d}\tlink\t" + "\t".join(f"{d[0].upper()}G{i}" for i in range(15))
             for d in ("tumour", "stroma", "immune")]  # fmt: skip
    file.write_text("\n".join(lines))
    done = run("scores", toy, file=str(file), method=method)
    scores = done.part("scores")
    assert scores.columns == ("tumour", "stroma", "immune")
    assert (scores.values.argmax(axis=1) == toy.domain).mean() > 0.95
    some = run("scores", toy, file=str(file), sets=("immune",), method=method)
    np.testing.assert_allclose(some.part("score").values, scores.values[:, 2], rtol=1e-6)


def test_each_gene_by_itself(toy: Any, run: Any) -> None:
    done = run("scores", toy, genes=("TG0", "SG1"), each=True)
    assert done.part("scores").columns == ("TG0", "SG1")
    assert done.charts[0].links[0].kind == "gene"


def test_missing_genes_are_named(toy: Any, run: Any) -> None:
    done = run("scores", toy, genes=("tg0", "TG1", "ERBB2", "CD8A"), name="mine")
    assert "mine: 2 genes are not in the table: ERBB2, CD8A" in done.result.notes
    assert any("1 genes matched without regard" in note for note in done.result.notes)
    table = done.part("coverage").columns
    assert list(table["found"]) == [2]
    assert table["missing genes"] == ("ERBB2, CD8A",)


def test_nothing_to_score_is_refused(toy: Any, run: Any, tmp_path: Path) -> None:
    with pytest.raises(StmlError, match="No genes were given"):
        run("scores", toy)
    with pytest.raises(StmlError, match="None of the genes is in this table"):
        run("scores", toy, genes=("ENSG1",))
    with pytest.raises(StmlError, match="cannot be read"):
        run("scores", toy, file=str(tmp_path / "absent.gmt"))
    file = tmp_path / "a.txt"
    file.write_text("# a list\nTG0\nTG1, TG2\n")
    assert run("scores", toy, file=str(file)).part("score")
    with pytest.raises(StmlError, match="no gene set 'hallmark'"):
        run("scores", toy, file=str(file), sets=("hallmark",))
    with pytest.raises(StmlError, match="Two gene sets are called 'a'"):
        run("scores", toy, file=str(file), genes=("TG0",), name="a")
    file.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(StmlError, match="no text"):
        run("scores", toy, file=str(file))


def test_all_genes_leave_no_controls(toy: Any, run: Any) -> None:
    with pytest.raises(StmlError, match="No genes are left"):
        run("scores", toy, genes=toy.genes, method="scanpy")


def test_a_real_collection(real_data: Path, her2st: Any, run: Any) -> None:
    done = run("scores", her2st("G2"), file=str(real_data / "hallmark.gmt"), method="rank")
    scores = done.part("scores")
    assert len(scores.columns) == 50
    inside = done.inputs.one.inside
    assert np.isfinite(scores.values[inside]).all()
