"""SpaCon against the reference's numbers (STML_ORACLES, spacon)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from scipy.sparse import csr_matrix

torch = pytest.importorskip("torch", reason="torch is not installed")

Arrays = dict[str, Any]
FUSIONS = ("concat", "add")


@pytest.fixture(scope="module")
def folder(oracles: Path) -> Path:
    found = oracles / "spacon"
    if not found.is_dir():
        pytest.skip("spacon/ is not among the reference numbers")
    return found


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def load(folder: Path, name: str) -> Arrays:
    with np.load(folder / f"{name}.npz") as arrays:
        return {k: arrays[k] for k in arrays.files}


@pytest.fixture(scope="module")
def given(folder: Path) -> Arrays:
    arrays = load(folder, "input")
    counts = arrays["counts"].astype(np.float64)
    x = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4).astype(np.float32)
    return arrays | {"x": x}


@pytest.fixture(scope="module")
def graphs(folder: Path) -> Arrays:
    return load(folder, "graphs")


@pytest.fixture(scope="module")
def connectivity(folder: Path) -> Arrays:
    return load(folder, "connectivity")


def pairs(links: csr_matrix) -> set[tuple[int, int]]:
    found = links.tocoo()
    return set(zip(found.row.tolist(), found.col.tolist(), strict=True))


def expected(edges: np.ndarray) -> set[tuple[int, int]]:
    return set(zip(*edges.astype(int).tolist(), strict=True))


def named(arrays: Arrays, pattern: str) -> tuple[np.ndarray, float]:
    """The array of such a name, and the number that stands in the name."""
    for name, array in arrays.items():
        found = re.fullmatch(pattern, name)
        if found:
            return array, float(found.group(1))
    raise KeyError(pattern)


def test_tissue_graphs_are_exact(given: Arrays, graphs: Arrays) -> None:
    from napari_stml.methods.spacon.tissue_graph import Reach, on_tissue

    edges, k = named(graphs, r"knn(\d+)_edge_index")
    assert pairs(on_tissue(given["coords"], Reach("nearest", int(k)))) == expected(edges)
    edges, radius = named(graphs, r"radius([\d.]+\d)_edge_index")
    found = on_tissue(given["coords"], Reach("radius", radius=radius))
    assert pairs(found) == expected(edges)
    edges, k = named(graphs, r"create(\d+)_edge_index")
    rowcol, _ = named(graphs, r"create(\d+)_adj_rowcol")
    found = on_tissue(given["coords"], Reach("nearest", int(k)), loops=False)
    assert pairs(found) == expected(edges) == expected(rowcol)


def test_sections_in_order_are_exact(graphs: Arrays) -> None:
    from napari_stml.methods.spacon.tissue_graph import Reach, on_tissue

    more = {"section": graphs["section3d"].astype(object),
            "order": [str(s) for s in graphs["section_order"]]}  # fmt: skip
    found = on_tissue(graphs["coords3d"], Reach("radius", radius=0.7, across=1.0), **more)
    assert pairs(found) == expected(graphs["radius3d_edge_index"])
    edges, k = named(graphs, r"knn3d(\d+)_edge_index")
    found = on_tissue(graphs["coords3d"], Reach("nearest", int(k)), **more)
    assert pairs(found) == expected(edges)


def test_connections_are_exact(given: Arrays, connectivity: Arrays) -> None:
    from napari_stml.methods.spacon.connection_graph import (
        Rules,
        Strengths,
        links_of,
        strong,
        weighted,
    )

    before = given["conn"].copy()
    strengths = Strengths(given["conn"])
    decay, cut = float(connectivity["decay"]), float(connectivity["thr"])
    all_rows = weighted(strengths.rows(0, strengths.n), given["coords"], given["coords"], decay)
    np.testing.assert_allclose(all_rows[:10], connectivity["weighted_rows0_9"], rtol=1e-5)
    np.testing.assert_allclose(all_rows.sum(axis=1), connectivity["weighted_rowsum"], rtol=1e-5)
    rules = Rules(decay, float(connectivity["per"]), cut, cut)
    kept = strong(strengths, rules, given["coords"]).tocsr()
    kept.sort_indices()
    row, col = (connectivity[f"filtered_{n}"].astype(int) for n in ("row", "col"))
    assert pairs(kept) == set(zip(row.tolist(), col.tolist(), strict=True))
    there = np.asarray(kept[row, col]).ravel()
    np.testing.assert_allclose(there, connectivity["filtered_val"], rtol=1e-6)
    assert kept.nnz / strengths.n**2 == pytest.approx(float(connectivity["fraction_after"]))
    links = links_of(strengths, rules, given["coords"])
    assert pairs(links) == expected(connectivity["con_edge_index"])
    plain = Rules(threshold=float(connectivity["plain_thr"]))
    assert pairs(links_of(strengths, plain)) == expected(connectivity["plain_edge_index"])
    np.testing.assert_array_equal(given["conn"], before)


def test_a_sparse_matrix_gives_the_same_links(given: Arrays, connectivity: Arrays) -> None:
    from scipy.sparse import csr_matrix

    from napari_stml.methods.spacon.connection_graph import Rules, Strengths, links_of

    sparse = Strengths(csr_matrix(given["conn"]))
    plain = Rules(threshold=float(connectivity["plain_thr"]))
    assert pairs(links_of(sparse, plain)) == expected(connectivity["plain_edge_index"])
    cut = float(connectivity["thr"])
    rules = Rules(float(connectivity["decay"]), float(connectivity["per"]), cut, cut)
    found = links_of(sparse, rules, given["coords"])
    assert pairs(found) == expected(connectivity["con_edge_index"])


def network(weights: Arrays, fusion: str) -> Any:
    from napari_stml.models.spacon import names
    from napari_stml.models.spacon.network import SpaCon

    widths = [weights[f"encoder_con.conv{i}.lin_src"].shape for i in (1, 2, 3)]
    model = SpaCon(widths[0][0], tuple(w[1] for w in widths), fusion)
    names.load(model, weights)
    return model.eval()


@pytest.fixture(scope="module")
def edges(given: Arrays, graphs: Arrays, connectivity: Arrays) -> tuple[Any, Any]:
    from napari_stml.models.spacon.edges import Edges

    n = len(given["x"])
    found = (connectivity["con_edge_index"], named(graphs, r"knn(\d+)_edge_index")[0])
    con, spa = (Edges.of_pairs(*e.astype(np.int64), n) for e in found)
    return con, spa


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_whole_graph_forward(
    folder: Path, given: Arrays, edges: tuple[Any, Any], fusion: str
) -> None:
    known = load(folder, "forward")
    model, x = network(load(folder, f"weights_{fusion}"), fusion), torch.from_numpy(given["x"])
    with torch.no_grad():
        views = model.views(x, *edges)
        first = model.encoder_con.conv1(x, edges[0])[:20]
        decoded = model.reconstruction(x, *edges)

    def near(found: Any, name: str) -> None:
        wanted = known[f"{fusion}_eval_{name}"]
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)

    near(views.con, "h3_con")
    near(views.spa, "h3_spa")
    near(first, "conv1_con_first20")
    near(decoded[:40], "recon_first40")
    total = float(decoded.double().sum())
    assert total == pytest.approx(float(known[f"{fusion}_eval_recon_sum"]), rel=1e-4)
    loss = float((x - decoded).double().square().sum())
    assert loss == pytest.approx(float(known[f"{fusion}_eval_loss_sum"]), rel=1e-4)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_step_and_its_gradients(folder: Path, given: Arrays, fusion: str) -> None:
    from napari_stml.models.spacon.attention import GraphAttention
    from napari_stml.models.spacon.edges import Edges

    known = load(folder, "forward")
    model = network(load(folder, f"weights_{fusion}"), fusion).train()
    for module in model.modules():
        if isinstance(module, GraphAttention):
            module.dropout = 0.0
    nodes = known["train_n_id"].astype(np.int64)
    x = torch.from_numpy(given["x"][nodes])
    con, spa = (
        Edges.of_pairs(*known[f"train_edge_{v}"].astype(np.int64), len(nodes))
        for v in ("con", "spa")
    )
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-4)
    loss = model.loss(x, con, spa)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    assert loss.item() == pytest.approx(float(known[f"{fusion}_train_loss"]), rel=1e-5)
    before = float(known[f"{fusion}_train_gradnorm_before_clip"])
    assert norm.item() == pytest.approx(before, rel=1e-3)
    own = {name.replace(".", "_"): p.grad for name, p in model.named_parameters()}
    start = f"{fusion}_grad_clipped_"
    wanted = {k.removeprefix(start): v for k, v in known.items() if k.startswith(start)}
    assert len(wanted) >= 3
    for name, gradient in wanted.items():
        np.testing.assert_allclose(own[name], gradient, rtol=1e-3, atol=1e-6, err_msg=name)
    optimiser.step()
    norms = model.encoder_con.bn1
    for name in ("mean", "var"):
        wanted_stat = known[f"{fusion}_running_{name}_bn1_con_after"]
        np.testing.assert_allclose(getattr(norms, f"running_{name}"), wanted_stat, rtol=1e-5,
                                   atol=1e-6)  # fmt: skip
    again = model.loss(x, con, spa).item()
    assert again == pytest.approx(float(known[f"{fusion}_train_loss_step2"]), rel=1e-4)


def test_the_blend(folder: Path) -> None:
    from napari_stml.methods.spacon.blend import alpha_of, blended, share, standardised

    known = load(folder, "alpha_mix")
    con, spa = (standardised(known[f"feature_{v}"]) for v in ("con", "spa"))
    for i, (alpha, f) in enumerate(zip(known["alphas"], known["f_alpha"], strict=True)):
        assert share(alpha) == pytest.approx(f, abs=1e-12)
        assert alpha_of(f) == pytest.approx(alpha, abs=1e-12)
        found = blended(con, spa, share(alpha))[:100]
        np.testing.assert_allclose(found, known["feature_add_first100"][i], atol=1e-5)


def test_refined_labels_are_exact(folder: Path, given: Arrays) -> None:
    from napari_stml.methods.spacon.refine import refined

    known = load(folder, "refine")
    key = next(k for k in known if k.startswith("refined_radius"))
    nearest = int(key.removeprefix("refined_radius"))
    np.testing.assert_array_equal(refined(known["labels_in"], given["coords"], nearest), known[key])


def test_a_trained_network_gives_its_features(
    folder: Path, given: Arrays, edges: tuple[Any, Any]
) -> None:
    for path in sorted(folder.glob("trained_seed*_*.npz")):
        known = load(folder, path.stem)
        weights = {k.removeprefix("w_"): v for k, v in known.items() if k.startswith("w_")}
        model = network(weights, path.stem.rsplit("_", 1)[1])
        with torch.no_grad():
            views = model.views(torch.from_numpy(given["x"]), *edges)
        np.testing.assert_allclose(views.con, known["feature_con"], atol=1e-4)
        np.testing.assert_allclose(views.spa, known["feature_spa"], atol=1e-4)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_own_training_lies_within_the_bands(
    folder: Path, given: Arrays, graphs: Arrays, connectivity: Arrays, fusion: str
) -> None:
    """Reconstruction and ARI at each alpha: between the reference's seeds, widened by 0.1."""
    from scipy.sparse import coo_matrix
    from sklearn.metrics import adjusted_rand_score

    from napari_stml.methods.spacon.blend import share, standardised
    from napari_stml.methods.spacon.partition import Blends, Cut
    from napari_stml.methods.spacon.training import Plan, Training

    runs = json.loads((folder / "bands.json").read_text(encoding="utf-8"))["runs"]
    known = [
        r for r in runs.values() if r["fusion"] == fusion and (r["epochs"], r["lr"]) == (10, 1e-4)
    ]
    n = len(given["x"])

    def links(edges: np.ndarray) -> csr_matrix:
        row, col = edges.astype(int)
        return coo_matrix((np.ones(len(row)), (row, col)), shape=(n, n)).tocsr()

    con, spa = (
        links(connectivity["con_edge_index"]),
        links(named(graphs, r"knn(\d+)_edge_index")[0]),
    )
    scores: dict[tuple[str, str], list[float]] = {}
    alphas = [k for k in known[0] if k.startswith("alpha")]
    for seed in (11, 12, 13):
        plan = Plan((64, 32, 16), fusion, seed=seed, epochs=10)
        steps = Training(given["x"], con, spa, plan).steps()
        while True:
            try:
                last = next(steps)
            except StopIteration as end:
                trained = end.value
                break
        assert last.done == last.total
        assert trained.losses[-1] < trained.losses[0]
        blends = Blends(standardised(trained.con), standardised(trained.spa), 40)
        cut = Cut("louvain", 0.75, seed)
        for alpha in alphas:
            codes = cut.of(blends.graph(share(float(alpha.removeprefix("alpha")))))
            for truth in ("domain", "module", "stripe"):
                ari = adjusted_rand_score(given[truth], codes)
                scores.setdefault((alpha, f"ari_{truth}"), []).append(ari)
    for (alpha, name), found in scores.items():
        band = [r[alpha][name] for r in known]
        assert min(band) - 0.1 <= np.mean(found) <= max(band) + 0.1, (alpha, name, found, band)
