"""Networks from morphology to expression: sizes, padding, and what must not change a result."""

from __future__ import annotations

import itertools

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from napari_stml.models.stf import Stf, StfConfig, preset, presets  # noqa: E402
from napari_stml.models.stf.config import INTERACTIONS, STATES  # noqa: E402

SUBSETS = [s for n in range(5) for s in itertools.combinations(INTERACTIONS, n)]


def stf(**choices):
    torch.manual_seed(3)
    return Stf(StfConfig(features=7, genes=5, pathways=3, width=8, heads=2, **choices)).eval()


def slide(batch=2, spots=6):
    torch.manual_seed(4)
    return torch.randn(batch, spots, 7), torch.randint(0, 9, (batch, spots, 2)).float()


def test_tile_vit_has_its_size_and_its_attention_can_be_read():
    from napari_stml.models.attention import (
        attention_modules,
        patch_grid,
        prefix_tokens,
        relevance_rows,
        rollout_rows,
    )
    from napari_stml.models.tile_vit import TileViT

    torch.manual_seed(0)
    net = TileViT(16).eval()
    assert sum(p.numel() for p in net.parameters()) == 118_160
    images = torch.rand(2, 3, 64, 64)
    plain = net(images)
    row, output = rollout_rows(net, images)
    assert torch.equal(plain, output)
    assert patch_grid(net, images) == (8, 8)
    assert row.shape == (2, 65)
    assert prefix_tokens(net) == 1
    torch.testing.assert_close(row.sum(dim=1), torch.ones(2))
    one, other = (relevance_rows(net, images, lambda y, g=g: y[:, g]) for g in (0, 1))
    assert not torch.allclose(one, other), "relevance is about the chosen gene"
    for module in attention_modules(net):
        module.fused_attn = False
    torch.testing.assert_close(net(images), plain, atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="64 px"):
        net(torch.rand(1, 3, 32, 32))


@pytest.mark.parametrize("state", list(STATES))
@pytest.mark.parametrize("subset", SUBSETS, ids="+".join)
@torch.no_grad()
def test_what_stands_in_padding_never_matters(state, subset):
    net = stf(interactions=subset, **STATES[state])
    x, xy = slide()
    pad = torch.zeros(2, 6, dtype=torch.bool)
    pad[0, 4:] = pad[1, 2] = True
    for mode in ("dense", "global"):
        one = net(x, xy, pad, mode=mode)
        wild = x.masked_fill(pad.unsqueeze(-1), 1e6), xy.masked_fill(pad.unsqueeze(-1), -50.0)
        two = net(*wild, pad, mode=mode)
        assert torch.equal(one.scores, two.scores)
        assert torch.isfinite(one.mean).all()
        alone = net(x[:1, :4], xy[:1, :4], mode=mode)
        valid = one.scores[0, :4] if mode == "dense" else one.scores[0]
        torch.testing.assert_close(valid, alone.scores[0], atol=2e-6, rtol=1e-5)
    empty = torch.ones(2, 6, dtype=torch.bool)
    assert torch.isfinite(net(x, xy, empty).scores).all()


@pytest.mark.parametrize("subset", SUBSETS, ids="+".join)
@torch.no_grad()
def test_structured_attention_is_that_of_the_mask(subset):
    """The same weights in the plain block with the (T, T) mask give the same tokens."""
    from napari_stml.models.blocks import Block
    from napari_stml.models.stf.interactions import blocked_pairs

    net = stf(interactions=subset, position="none")
    x, _ = slide()
    pathways, spots, layers = net.tokens(x, None, None, attention=True)
    tokens = torch.cat([net.pathways.expand(2, -1, -1), net.project(x)], dim=1)
    blocked = blocked_pairs(3, 6, subset)
    for block, seen in zip(net.blocks, layers, strict=True):
        full = seen.full()
        torch.testing.assert_close(full.sum(dim=-1), torch.ones(full.shape[:3]))
        if blocked is not None:
            assert not full[..., blocked].any()
        tokens = Block.forward(block, tokens, blocked)
    torch.testing.assert_close(torch.cat([pathways, spots], dim=1), tokens, atol=1e-5, rtol=1e-4)


def test_chunks_change_nothing_in_result_and_gradient(monkeypatch):
    from napari_stml.models.stf import attention

    net = stf(interactions=("p2p", "p2h", "h2p"), dropout=0.0).train()
    x, xy = slide(1, 50)
    found = []
    for chunk in (1000, 10):
        monkeypatch.setattr(attention, "CHUNK", chunk)
        net.zero_grad()
        out = net(x, xy)
        out.genes.square().mean().backward()
        found.append([out.genes.detach(), *(p.grad.clone() for p in net.parameters())])
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, atol=1e-6, rtol=1e-4)


@torch.no_grad()
def test_no_matrix_of_all_pairs_where_spots_are_apart():
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        size = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                self.size = max(self.size, out.numel())
            return out

    net = stf(interactions=("p2p", "p2h", "h2p"))
    sizes = []
    for spots in (500, 1000):
        x, xy = slide(1, spots)
        with Largest() as largest:
            net(x, xy)
        sizes.append(largest.size)
    assert sizes[1] <= 2.1 * sizes[0]
    assert sizes[1] < 1000 * 1000 / 4


@torch.no_grad()
def test_permuted_spots_give_permuted_results():
    net = stf()
    x, xy = slide(1, 9)
    order = torch.randperm(9)
    plain, turned = net(x, xy).genes[0], net(x[:, order], xy[:, order]).genes[0]
    torch.testing.assert_close(plain[order], turned, atol=1e-5, rtol=1e-4)


def test_wrong_choices_are_named():
    with pytest.raises(ValueError, match="h2x"):
        stf(interactions=("h2x",))
    with pytest.raises(ValueError, match="at least 2 layers"):
        StfConfig(7, 5, layers=1, interactions=("p2h",))
    with pytest.raises(ValueError, match="coordinates"):
        stf()(slide()[0])
    with pytest.raises(ValueError, match="takes 7 features, not 6"):
        stf()(torch.zeros(1, 2, 6), torch.zeros(1, 2, 2))
    assert len(presets()) == 8
    small = preset("stf_small", StfConfig(7, 5))
    assert (small.layers, small.width, small.heads) == (4, 384, 8)


def test_a_card_gives_the_config_back():
    config = StfConfig(7, 5, interactions=("p2h", "h2p"), gene_head="zinb")
    assert StfConfig.from_card(config.card()) == config


def test_checkpoints_that_do_not_fit_name_their_keys():
    from napari_stml.models.stf.names import from_reference

    with pytest.raises(KeyError, match=r"missing .*image_proj.*unknown extra"):
        from_reference({"extra": torch.zeros(1)}, StfConfig(7, 5))


@torch.no_grad()
def test_attention_pooling_leaves_padding_out():
    from napari_stml.models.mil.attention import AttentionMil

    torch.manual_seed(0)
    net = AttentionMil(7, 5, 8).eval()
    x, _ = slide()
    pad = torch.zeros(2, 6, dtype=torch.bool)
    pad[:, 4:] = True
    genes, share = net(x.masked_fill(pad.unsqueeze(-1), 1e4), pad)
    torch.testing.assert_close(genes, net(x[:, :4])[0])
    assert not share[:, 4:].any()


@torch.no_grad()
def test_zinb_network_gives_an_expected_value():
    net = stf(gene_head="zinb")
    x, xy = slide()
    out = net(x, xy)
    pi, mu, theta = out.genes
    assert ((pi > 0) & (pi < 1)).all()
    assert (mu > 0).all()
    assert (theta > 0).all()
    torch.testing.assert_close(out.mean, (1 - pi) * mu)


def test_only_the_last_blocks_thaw():
    pytest.importorskip("timm")
    from napari_stml.models.image_head import ImageHead

    net = ImageHead("vit_tiny_patch16_224", 3, side=32, thaw=1)
    learns = {n.split(".")[2] for n, p in net.named_parameters()
              if p.requires_grad and n.startswith("backbone.blocks")}  # fmt: skip
    assert learns == {"11"}
    assert net(torch.rand(2, 3, 32, 32)).shape == (2, 3)
