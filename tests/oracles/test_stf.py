"""The SpatialTranscriptFormer and its baselines against reference numbers (STML_ORACLES, stf/)."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch", reason="torch is not installed")

STATES = {"described": "described", "code_2026_03": "code 2026-03", "newest": "newest"}
HEADS = {"pi_reconstructor", "theta_reconstructor"}


@pytest.fixture(scope="module")
def folder(oracles: Path) -> Path:
    if not (oracles / "stf").is_dir():
        pytest.skip("stf/ is not among the reference numbers")
    return oracles / "stf"


@pytest.fixture(scope="module", params=list(STATES))
def model(request: pytest.FixtureRequest, folder: Path) -> tuple[str, dict[str, np.ndarray]]:
    with np.load(folder / f"model_{request.param}.npz") as arrays:
        return STATES[request.param], dict(arrays)


def tensor(array: np.ndarray) -> Any:
    return torch.from_numpy(np.array(array))


def weights(arrays: dict[str, np.ndarray], prefix: str = "w.") -> dict[str, Any]:
    return {k.removeprefix(prefix): tensor(v) for k, v in arrays.items() if k.startswith(prefix)}


def network(state: str, arrays: dict[str, np.ndarray], **changes: Any) -> Any:
    from napari_stml.models.stf import Stf, StfConfig
    from napari_stml.models.stf.config import STATES as KNOWN
    from napari_stml.models.stf.names import from_reference

    cfg = json.loads(str(arrays["cfg"]))
    choices = {**KNOWN[state], **changes}
    config = StfConfig(cfg["F"], cfg["G"], cfg["P"], cfg["D"], cfg["H"], cfg["layers"], **choices)
    given = weights(arrays)
    if config.position != "learned":
        given = {k: v for k, v in given.items() if not k.startswith("spatial_encoder")}
    net = Stf(config)
    net.load_state_dict(from_reference(given, config), strict=True)
    if config.position == "learned":
        net.position.padding_counts = True  # the vectors hold that quirk
    return net.eval()


def near(found: Any, expected: np.ndarray, atol: float) -> None:
    np.testing.assert_allclose(found.detach().double().numpy(), expected, rtol=0, atol=atol)


def close(found: float, expected: float, rtol: float = 1e-5) -> None:
    assert math.isclose(found, expected, rel_tol=rtol, abs_tol=1e-6), (found, expected)


@torch.no_grad()
def test_outputs_of_every_subset_and_mode(model: tuple[str, dict[str, np.ndarray]]) -> None:
    state, arrays = model
    subsets = json.loads(str(arrays["cfg"]))["subsets"]
    x, xy, pad = (tensor(arrays[k]) for k in ("x", "coords", "pad"))
    valid = ~arrays["pad"]
    checked = 0
    for key in (k for k in arrays if k.startswith("out.")):
        subset, mode, mask, *extra = key.split(".")[1:]
        what = extra.pop()
        if mode == "global" and mask == "pad":
            continue  # the reference averages over padding; see the property test
        if extra == ["with_attention"] and state != "described":
            continue  # the reference leaves out its last norm there
        changes: dict[str, Any] = {"interactions": tuple(subsets[subset])}
        if extra == ["zinb"]:
            changes["gene_head"] = "zinb"
        if extra == ["nope"]:
            changes["position"] = "none"
        net = network(state, arrays, **changes)
        if extra == ["init"]:
            init = {k: tensor(v) for k, v in arrays.items() if k.startswith("w_init.")}
            net.genes.mean.weight.copy_(init["w_init.gene_reconstructor.weight"])
            net.genes.mean.bias.copy_(init["w_init.gene_reconstructor.bias"])
        out = net(x, xy, pad if mask == "pad" else None, mode=mode,
                  attention=extra == ["with_attention"])  # fmt: skip
        found = out.scores if what == "pathways" else out.genes
        if what in ("pi", "mu", "theta"):
            found = out.genes[("pi", "mu", "theta").index(what)]
        expected = arrays[key]
        if mask == "pad":
            found, expected = found[tensor(valid)], expected[valid]
        near(found, expected, 1e-4)
        checked += 1
    assert checked >= 25


@torch.no_grad()
def test_attention_weights(model: tuple[str, dict[str, np.ndarray]]) -> None:
    state, arrays = model
    subsets = json.loads(str(arrays["cfg"]))["subsets"]
    x, xy, pad = (tensor(arrays[k]) for k in ("x", "coords", "pad"))
    for key in (k for k in arrays if k.startswith("att.")):
        net = network(state, arrays, interactions=tuple(subsets[key.split(".")[1]]))
        plain = net(x, xy, pad)
        seen = net(x, xy, pad, attention=True)
        assert torch.equal(plain.scores, seen.scores), "looking changes nothing"
        found = torch.stack([layer.full() for layer in seen.attention])
        rows = np.concatenate([np.ones((len(pad), net.pathways.shape[1]), bool), ~arrays["pad"]], 1)
        near(found.permute(1, 3, 0, 2, 4)[tensor(rows)],
             arrays[key].transpose(1, 3, 0, 2, 4)[rows], 1e-5)  # fmt: skip


@torch.no_grad()
def test_start_from_gene_sets(model: tuple[str, dict[str, np.ndarray]]) -> None:
    from napari_stml.models.stf.heads import Genes

    state, arrays = model
    if "w_init.gene_reconstructor.weight" not in arrays:
        pytest.skip("this state has no gene head")
    expected = arrays["w_init.gene_reconstructor.weight"]
    head = Genes(expected.shape[1], len(expected), "linear")
    head.start(tensor(arrays["membership"]), "binary" if state == "described" else "row_normalised")
    near(head.mean.weight, expected, 1e-6)
    assert not head.mean.bias.any()
    plain = network(state, arrays)
    close(float(plain.sparsity()), float(arrays["l1_reconstructor"]))


def test_masks(folder: Path) -> None:
    from napari_stml.models.stf.interactions import blocked_pairs

    with np.load(folder / "masks_p3_s4.npz") as arrays:
        assert len(arrays.files) == 16
        for key in arrays.files:
            names = [] if key == "none" else key.split("+")
            found = blocked_pairs(3, 4, names)
            expected = arrays[key]
            assert (found is None and not expected.any()) or np.array_equal(found, expected), key


@torch.no_grad()
def test_positions(folder: Path) -> None:
    from napari_stml.models.stf.positions import Learned, Sinusoidal

    with np.load(folder / "positional.npz") as arrays:
        for key in (k for k in arrays.files if k.startswith("sinusoidal.")):
            near(Sinusoidal(int(key.split(".")[1]))(tensor(arrays["coords"])), arrays[key], 1e-4)
        given = weights(dict(arrays), "learned.w.")
        learned = Learned(given["mlp.0.weight"].shape[0])
        learned.load_state_dict(given, strict=True)
        for key in (k for k in arrays.files if k.endswith(".coords")):
            case = key.removesuffix("coords")
            near(learned.normalised(tensor(arrays[key])), arrays[f"{case}normalised"], 1e-5)
            near(learned(tensor(arrays[key])), arrays[f"{case}out"], 1e-5)


@pytest.fixture(scope="module")
def losses(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, float | None]]:
    values = json.loads((folder / "losses_values.json").read_text(encoding="utf-8"))
    with np.load(folder / "losses_inputs.npz") as arrays:
        return dict(arrays), values


def case_of(arrays: dict[str, np.ndarray], case: list[str]) -> dict[str, Any]:
    """Prediction, target, mask and scores of a named case."""
    p, t, s = (tensor(arrays[k]) for k in ("preds", "target", "pathway_preds"))
    t_p, mask = tensor(arrays["target_pathways"]), None
    kind, flags = case[0], case[1:]
    if "const" in flags:
        t, p = tensor(arrays["target_const"]), tensor(arrays["preds_const"])
    if kind in ("pad", "pad_one_slide", "pad_all"):
        mask = tensor(arrays[kind])
    elif kind == "perfect":
        p = t
    elif kind == "scaled":
        p = 3 * t + 2
    elif kind == "N1":
        p, t, mask = p[:, :1], t[:, :1], torch.zeros(len(p), 1, dtype=torch.bool)
    elif kind.startswith("patch2d"):
        n = 1 if kind.endswith("B1") else len(p)
        p, t, s, t_p = p[:n, 0], t[:n, 0], s[:n, 0], t_p[:n, 0]
    elif kind != "nomask":
        raise AssertionError(f"unknown case {kind}")
    return {"p": p, "t": t, "s": s, "t_p": t_p, "mask": mask, "flags": flags}


def test_losses(losses: tuple[dict[str, np.ndarray], dict[str, float | None]]) -> None:
    from napari_stml.models.losses import Objective, huber, mse, pcc_loss, weighted_mse

    arrays, values = losses
    members = tensor(arrays["membership"])
    checked = 0
    for key, expected in values.items():
        name, *case = key.split(".")
        if name in ("zinb", "zinb_float64"):
            continue
        if name == "newest":
            name, case = f"newest.{case[0]}", case[1:]
        g = case_of(arrays, case)
        if name.startswith("aux05"):
            if "const" in g["flags"]:
                g["p"] = tensor(arrays["preds"])  # there the target alone is constant
            loss = Objective("mse_pcc", 1.0, 0.5, members)
            scores = None if "no_pathways" in g["flags"] else g["s"]
            found = loss(g["p"], g["t"], g["mask"], scores)
        elif name.startswith("newest"):
            found = weighted_mse(g["s"], g["t_p"], tensor(arrays["pathway_weights"]), g["mask"])
            if "composite" in name:
                found = found + pcc_loss(g["s"], g["t_p"], g["mask"])
        else:
            loss = {
                "mse": mse, "huber": huber, "pcc": pcc_loss,
                "composite_a05": Objective("mse_pcc", 0.5), "composite_a1": Objective("mse_pcc"),
                "composite_huber": Objective("huber_pcc"),
            }[name]  # fmt: skip
            found = loss(g["p"], g["t"], g["mask"])
        assert torch.isfinite(found), key
        checked += 1
        if expected is None:
            continue  # the reference divides 0 by 0; ours says 0 for the error
        if key.startswith("newest") and case[0] == "nomask":
            assert float(found) < 0.5 * expected, "there the reference forgets to average"
            continue
        close(float(found), expected)
    assert checked > 60
    empty = tensor(arrays["pad_all"])
    assert mse(tensor(arrays["preds"]), tensor(arrays["target"]), empty) == 0


def test_weighted_error_without_a_mask_is_that_with_nothing_masked(
    losses: tuple[dict[str, np.ndarray], Any],
) -> None:
    from napari_stml.models.losses import weighted_mse

    arrays, _ = losses
    found, wanted, w = (tensor(arrays[k]) for k in
                        ("pathway_preds", "target_pathways", "pathway_weights"))  # fmt: skip
    nothing = torch.zeros(found.shape[:2], dtype=torch.bool)
    close(float(weighted_mse(found, wanted, w)), float(weighted_mse(found, wanted, w, nothing)))


def test_zinb(losses: tuple[dict[str, np.ndarray], dict[str, float | None]]) -> None:
    from napari_stml.models.losses import zinb

    arrays, values = losses
    given = [tensor(arrays[k]) for k in ("pi", "mu", "theta")]
    for key, expected in values.items():
        name, *case = key.split(".")
        if not name.startswith("zinb"):
            continue
        counts, mask, each = tensor(arrays["counts"]), None, given
        if case[0] == "noncount_target":
            counts = tensor(arrays["target"])
        elif case[0] == "patch2d":
            counts, each = counts[:, 0], [a[:, 0] for a in given]
        elif case[0] != "nomask":
            mask = tensor(arrays[case[0]])
        found = float(zinb(*each, counts, mask))
        assert math.isfinite(found)
        if expected is not None:
            close(found, expected, 1e-6 if name == "zinb_float64" else 1e-2)


def test_gradients(losses: tuple[dict[str, np.ndarray], Any]) -> None:
    from napari_stml.models.losses import Objective, pathway_targets

    arrays, _ = losses
    members, pad, target = (tensor(arrays[k]) for k in ("membership", "pad", "target"))
    wanted = pathway_targets(target, members, pad)
    near(wanted, arrays["aux.target_pathways.pad"], 1e-5)
    for key, weight in (("grad.composite.pad", 0.0), ("grad.aux.pad.preds", 0.5)):
        found = tensor(arrays["preds"]).requires_grad_()
        scores = tensor(arrays["pathway_preds"]).requires_grad_()
        Objective("mse_pcc", 1.0, weight, members)(found, target, pad, scores).backward()
        near(found.grad, arrays[key], 1e-6)
        if weight:
            near(scores.grad, arrays["grad.aux.pad.pathway_preds"], 1e-6)


def test_twelve_steps_of_training(folder: Path) -> None:
    from napari_stml.models.losses import Objective
    from napari_stml.models.stf import Stf, StfConfig
    from napari_stml.models.stf.config import STATES as KNOWN
    from napari_stml.models.stf.names import from_reference

    with np.load(folder / "training_12_steps.npz") as file:
        arrays = dict(file)
    x, xy, pad, target, members = (
        tensor(arrays[k]) for k in ("x", "coords", "pad", "target", "membership")
    )
    given = weights(arrays, "w0.")
    width = given["pathway_tokens"].shape[-1]
    config = StfConfig(
        x.shape[-1], target.shape[-1], len(members), width, 4, 2, 0.0,
        interactions=("p2p", "p2h", "h2p"), **KNOWN["code 2026-03"],
    )  # fmt: skip
    net = Stf(config)
    net.load_state_dict(from_reference(given, config), strict=True)
    net.position.padding_counts = True
    loss = Objective("mse_pcc", 1.0, 0.5, members)
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    net.train()
    for expected in arrays["losses"]:
        out = net(x, xy, pad)
        value = loss(out.genes, target, pad, out.scores)
        near(value, expected, 1e-4)
        adam.zero_grad()
        value.backward()
        adam.step()
    net.eval()
    out, valid = net(x, xy, pad), ~arrays["pad"]
    near(out.genes[tensor(valid)], arrays["final.genes"][valid], 1e-3)
    near(out.scores[tensor(valid)], arrays["final.pathways"][valid], 1e-3)


def test_schedules(folder: Path) -> None:
    import re

    from napari_stml.models.schedule import learning_rate

    curves = json.loads((folder / "lr_schedules.json").read_text(encoding="utf-8"))
    for name, expected in curves.items():
        lr, epochs, warmup = re.fullmatch(r"lr(.+)_epochs(\d+)_warmup(\d+)", name).groups()
        found = [learning_rate(e, int(epochs), float(lr), int(warmup)) for e in range(int(epochs))]
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.fixture(scope="module")
def baselines(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "baselines.npz") as arrays:
        return dict(arrays)


@torch.no_grad()
def test_attention_mil(baselines: dict[str, np.ndarray]) -> None:
    from napari_stml.models.mil.attention import AttentionMil, from_reference

    given = from_reference(weights(baselines, "attnmil.w."))
    x = tensor(baselines["x"])
    net = AttentionMil(x.shape[-1], len(given["head.bias"]), len(given["reduce.bias"])).eval()
    net.load_state_dict(given, strict=True)
    genes, share = net(x)
    near(genes, baselines["attnmil.out"], 1e-4)
    near(share, baselines["attnmil.att"], 1e-4)


@torch.no_grad()
def test_transmil(baselines: dict[str, np.ndarray]) -> None:
    from napari_stml.models.mil.transmil import TransMil, from_reference

    given = from_reference(weights(baselines, "transmil.w."))
    width, features = given["reduce.weight"].shape
    net = TransMil(features, len(given["head.bias"]), width).eval()
    net.load_state_dict(given, strict=True)
    cases = sorted({k.split(".")[1] for k in baselines if k.startswith("transmil.N")})
    for case in cases:
        x = tensor(baselines[f"transmil.{case}.x"])
        if f"transmil.{case}.after_ppeg" in baselines:
            placed = net.grid(torch.relu(net.reduce(x)))
            near(placed, baselines[f"transmil.{case}.after_ppeg"], 1e-4)
        genes, share = net(x)
        near(genes, baselines[f"transmil.{case}.out"], 1e-4)
        near(share, baselines[f"transmil.{case}.att"], 1e-4)


def test_data_helpers(folder: Path) -> None:
    from napari_stml.methods.expression_models.lattice import smallest_steps
    from napari_stml.methods.expression_models.membership import activities, membership
    from napari_stml.methods.expression_models.moran import coherence, morans_i
    from napari_stml.models.dihedral import turned, turned_xy

    with np.load(folder / "data_helpers.npz") as file:
        arrays = dict(file)
    for key in (k for k in arrays if k.startswith("normcoords.") and k.endswith(".in")):
        found = smallest_steps(arrays[key])
        np.testing.assert_allclose(found, arrays[key.removesuffix("in") + "out"], atol=1e-9)
    for way in range(8):
        xy = turned_xy(tensor(arrays["dihedral.in"]), way)
        near(xy, arrays[f"dihedral.{way}"], 1e-6)
        near(turned(tensor(arrays["dihedral.img"]), way), arrays[f"dihedral.img.{way}"], 0)
    xy, true = arrays["moran.coords"], arrays["moran.expr"]
    np.testing.assert_allclose(morans_i(xy, true), arrays["moran.I"], atol=1e-6)
    found = coherence(xy, arrays["moran.pred"], true, best=5)
    assert found == pytest.approx(float(arrays["moran.coherence"]), abs=1e-6)
    text = (folder / "data_helpers_sets.json").read_text(encoding="utf-8")
    named = json.loads(text)
    matched = membership(named["sets"], named["genes"])
    assert list(matched.names) == named["pathway_names"]
    np.testing.assert_array_equal(matched.matrix, arrays["membership.matrix"])
    scores = activities(arrays["score.expr"], matched.matrix)
    np.testing.assert_allclose(scores, arrays["score.activities"], atol=1e-5)
    assert int((scores != 0).any(axis=0).sum()) == int(arrays["score.n_scored"])
