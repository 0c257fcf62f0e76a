from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

torch = pytest.importorskip("torch", reason="torch is not installed")

from napari_stml.core.errors import StmlError  # noqa: E402
from napari_stml.methods.spacon.connection_graph import with_loops  # noqa: E402
from napari_stml.methods.spacon.training import Plan, State, Trained, Training  # noqa: E402
from napari_stml.models.spacon import kernel  # noqa: E402
from napari_stml.models.spacon.attention import GraphAttention  # noqa: E402
from napari_stml.models.spacon.edges import Edges  # noqa: E402
from napari_stml.models.spacon.network import SpaCon  # noqa: E402

N, GENES = 90, 12
PLAN = Plan((8, 6, 4), epochs=3, rate=1e-3)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def toy() -> tuple[np.ndarray, Any, Any]:
    rng = np.random.default_rng(1)
    x = rng.random((N, GENES)).astype(np.float32)
    graphs = (csr_matrix((rng.random((N, N)) < p).astype(np.float32)) for p in (0.3, 0.05))
    con, spa = (with_loops(g) for g in graphs)
    return x, con, spa


def done(training: Training, start: State | None = None, keep: Any = None) -> Trained:
    steps = training.steps(start, keep)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("shape", [(7, 3), (3, 7)])
def test_messages_by_hand_and_their_gradient(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    links = csr_matrix((np.random.default_rng(2).random((9, 9)) < 0.4).astype(np.float32))
    edges, layer = Edges.of(links), GraphAttention(*shape).double().eval()
    h = torch.randn(9, shape[0], dtype=torch.double, requires_grad=True)

    def dense(h: Any) -> Any:
        z = h @ layer.lin_src
        score = torch.sigmoid((z @ layer.att_src.view(-1))[:, None]
                              + (z @ layer.att_dst.view(-1))[None, :])  # fmt: skip
        there = torch.from_numpy(links.toarray()).double()
        weight = torch.exp(score) * there
        return (weight / weight.sum(dim=0).clamp(min=1e-12)).T @ z

    torch.testing.assert_close(layer(h, edges), dense(h))
    ours = torch.autograd.grad(layer(h, edges).square().sum(), [h, *layer.parameters()])
    theirs = torch.autograd.grad(dense(h).square().sum(), [h, *layer.parameters()])
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("shape", [(12, (8, 6, 4)), (6, (17, 9, 4))])
def test_compiled_and_in_torch_it_is_the_same(
    shape: tuple[int, tuple[int, int, int]], toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numba", reason="numba is not installed")
    x, con, spa = torch.from_numpy(toy[0])[:, : shape[0]], Edges.of(toy[1]), Edges.of(toy[2])
    found = []
    for loops in (kernel.loops(), None):
        monkeypatch.setattr(kernel, "loops", lambda given=loops: given)
        torch.manual_seed(7)
        model = SpaCon(*shape, dropout=0.0).train()
        loss = model.loss(x, con, spa)
        slopes = torch.autograd.grad(loss, list(model.parameters()))
        found.append([loss, *slopes, *(b.double() for b in model.buffers())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-3, atol=2e-4)


def test_dropout_leaves_its_share_out_and_repeats(toy: Any) -> None:
    pytest.importorskip("numba", reason="numba is not installed")
    edges, values = Edges.of(toy[1]), np.ones((N, 1), dtype=np.float32)
    vectors = (np.zeros(1, dtype=np.float32), np.zeros(1, dtype=np.float32))
    run = kernel.loops()
    assert run is not None
    kept = []
    for seed in (5, 5, 6):
        _, by_edge = kernel.forward(run, values, vectors, *edges.arrays, (seed, 0.1), 1)
        kept.append(by_edge[2] > 0)
    np.testing.assert_array_equal(kept[0], kept[1])
    assert 0.05 < np.mean(~kept[0]) < 0.15
    assert 0.7 < np.mean(kept[0] == kept[2]) < 0.9


def test_threads_share_the_targets(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="numba is not installed")
    run, edges = kernel.loops(), Edges.of(toy[1])
    assert run is not None
    rng = np.random.default_rng(8)
    values, slope = (rng.random((N, 5)).astype(np.float32) for _ in range(2))
    vectors = (values[0].copy(), values[1].copy())
    monkeypatch.setattr(kernel, "SPLIT", 100)
    found = []
    for threads in (1, 3):
        out, by_edge = kernel.forward(run, values, vectors, *edges.arrays, (5, 0.1), threads)
        back = kernel.backward(run, slope, values, vectors, by_edge, *edges.arrays, 0.1, threads)
        found.append((out, *back))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_a_node_that_nobody_sends_to_gets_zeros() -> None:
    edges = Edges.of_pairs(np.array([0]), np.array([1]), 3)
    found = GraphAttention(2, 4).eval()(torch.ones(3, 2), edges)
    assert not found[[0, 2]].any()
    assert found[1].any()


def test_the_loss_is_that_of_the_reconstruction(toy: Any) -> None:
    x, con, spa = (torch.from_numpy(toy[0]), Edges.of(toy[1]), Edges.of(toy[2]))
    torch.manual_seed(3)
    model = SpaCon(GENES, (8, 6, 4), dropout=0.0).train()
    squared = (x - model.reconstruction(x, con, spa)).square().sum()
    plain = torch.autograd.grad(squared, list(model.parameters()))
    loss = model.loss(x, con, spa)
    torch.testing.assert_close(loss, squared, rtol=1e-5, atol=1e-5)
    for one, other in zip(torch.autograd.grad(loss, list(model.parameters())), plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("mode", ["sampled", "whole graph"])
def test_training_lowers_the_error_and_repeats(mode: Any, toy: Any) -> None:
    plan = Plan((8, 6, 4), mode=mode, epochs=6 if mode == "sampled" else 12, rate=1e-2)
    first, second = (done(Training(*toy, plan)) for _ in range(2))
    assert first.losses[-1] < first.losses[0]
    np.testing.assert_array_equal(first.con, second.con)
    assert first.con.shape == first.spa.shape == (N, 4)


def test_a_stopped_training_goes_on_with_the_same_bits(toy: Any) -> None:
    whole = done(Training(*toy, PLAN))
    kept: list[State] = []
    steps = Training(*toy, PLAN).steps(keep=kept.append)
    while len(kept) < 2:
        next(steps)
    steps.close()
    again = done(Training(*toy, PLAN), kept[-1])
    assert again.losses == whole.losses
    np.testing.assert_array_equal(again.con, whole.con)
    np.testing.assert_array_equal(again.spa, whole.spa)


def test_the_order_of_spots_changes_nothing_but_the_order(toy: Any) -> None:
    x, con, spa = toy
    turned = np.random.default_rng(4).permutation(N)
    plain = Training(x, con, spa, PLAN).features()
    moved = Training(x[turned], con[turned][:, turned], spa[turned][:, turned], PLAN).features()
    for one, other in zip(plain, moved, strict=True):
        np.testing.assert_allclose(one[turned], other, atol=1e-5)


def test_weights_of_another_shape_are_refused(toy: Any) -> None:
    training = Training(*toy, PLAN)
    other = done(Training(*toy, Plan((8, 6, 5), epochs=1)))
    with pytest.raises(StmlError, match="does not fit"):
        training.load(other.tensors)
