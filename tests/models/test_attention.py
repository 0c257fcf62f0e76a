from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
timm = pytest.importorskip("timm", reason="timm is not installed")

from napari_stml.models.attention import (  # noqa: E402
    attention_modules,
    occlusion,
    patch_grid,
    prefix_tokens,
    randomised,
    recorded,
    relevance_rows,
    rollout_rows,
)
from napari_stml.models.rollout import (  # noqa: E402
    on_grid,
    outliers,
    relative,
    rollout,
    rollout_row,
)
from napari_stml.models.stem import ConvStem  # noqa: E402


def vit(**more: Any) -> Any:
    torch.manual_seed(0)
    options = {"img_size": 64, "patch_size": 16, "embed_dim": 48, "depth": 3, "num_heads": 4,
               "num_classes": 5, "class_token": True, **more}  # fmt: skip
    return timm.models.VisionTransformer(**options).eval()


def images(n: int = 2) -> Any:
    return torch.randn(n, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("more", [{}, {"reg_tokens": 4}, {"qk_norm": True}])
def test_fused_weights_equal_those_of_the_slow_way(more: dict[str, Any]) -> None:
    model = vit(**more)
    slow: list[Any] = []
    with recorded(model, None) as fused:
        before = model(images())
    for module in attention_modules(model):
        module.fused_attn = False
        module.attn_drop.register_forward_hook(lambda m, i, o: slow.append(o))
    after = model(images())
    torch.testing.assert_close(before, after)
    assert len(fused) == len(slow) == 3
    for ours, theirs in zip(fused, slow, strict=True):
        torch.testing.assert_close(ours, theirs)
        torch.testing.assert_close(ours.sum(-1), torch.ones_like(ours.sum(-1)))


def test_rows_and_their_grid() -> None:
    model = vit(reg_tokens=4)
    with recorded(model, None) as layers:
        model(images())
    row, output = rollout_rows(model, images())
    torch.testing.assert_close(row, rollout(layers)[:, 0])
    assert output.shape == (2, 5)
    assert prefix_tokens(model) == 5
    grid = patch_grid(model, images())
    assert grid == (4, 4)
    maps = relative(on_grid(row, grid, 5))
    torch.testing.assert_close(maps.mean(dim=(1, 2)), torch.ones(2))
    with pytest.raises(ValueError, match="do not fill"):
        on_grid(row, grid, 1)


def test_one_head_one_layer_and_a_heads_own_pooling() -> None:
    model = vit()
    with recorded(model, None) as layers:
        model(images())
    one, _ = rollout_rows(model, images(), heads=2, layer=1)
    torch.testing.assert_close(one, (layers[0][:, 2, 0] + torch.eye(17)[0]) / 2)
    pooled = torch.full((17,), 1 / 16)
    pooled[0] = 0
    torch.testing.assert_close(
        rollout_row(layers, pooled), rollout(layers)[:, 1:].mean(dim=1), atol=1e-6, rtol=1e-5
    )


def test_relevance_follows_the_target_and_leaves_the_model_alone() -> None:
    model = vit()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    grads = [p.requires_grad for p in model.parameters()]
    first = relevance_rows(model, images(), lambda y: y[:, 0])
    second = relevance_rows(model, images(), lambda y: y[:, 1])
    assert first.shape == (2, 17)
    assert not torch.allclose(first, second)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert [p.requires_grad for p in model.parameters()] == grads
    assert all(m.fused_attn for m in attention_modules(model))
    assert not any(m.attn_drop._forward_hooks for m in attention_modules(model))


def test_occlusion_finds_the_only_patch_that_counts() -> None:
    class Corner(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x[:, :, 16:32, 48:64].mean(dim=(1, 2, 3), keepdim=False).unsqueeze(1)

    image = torch.ones(3, 64, 64)
    falls = occlusion(Corner(), image, lambda y: y[:, 0], (4, 4), fill=torch.zeros(3), batch=5)
    expected = torch.zeros(4, 4)
    expected[1, 3] = 1
    torch.testing.assert_close(falls, expected)


def test_the_control_is_another_model_of_the_same_shape() -> None:
    model = vit()
    control = randomised(model, 3)
    assert torch.equal(randomised(model, 3).state_dict()["head.weight"],
                       control.state_dict()["head.weight"])  # fmt: skip
    assert not torch.allclose(rollout_rows(model, images())[0], rollout_rows(control, images())[0])
    ours, theirs = model.state_dict(), control.state_dict()
    assert ours.keys() == theirs.keys()


def test_models_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(ValueError, match="no attention"):
        attention_modules(torch.nn.Linear(2, 2))
    swin = timm.create_model(
        "swin_tiny_patch4_window7_224", depths=(1, 1), num_heads=(2, 2), embed_dim=16,
        pretrained=False,
    )  # fmt: skip
    with pytest.raises(ValueError, match="within windows"):
        attention_modules(swin)


def test_sinks_are_flagged() -> None:
    norms = torch.ones(2, 100) + 0.1 * torch.rand(2, 100)
    norms[1, 7] = 12
    assert outliers(norms).nonzero().tolist() == [[1, 7]]


def test_the_stem_fits_a_swin() -> None:
    swin = timm.create_model(
        "swin_tiny_patch4_window7_224", embed_layer=ConvStem, pretrained=False, num_classes=0
    ).eval()
    with torch.inference_mode():
        assert swin(torch.zeros(1, 3, 224, 224)).shape == (1, 768)
    assert [tuple(p.shape) for n, p in swin.patch_embed.proj.named_parameters() if p.ndim == 4] == [
        (12, 3, 3, 3), (24, 12, 3, 3), (96, 24, 1, 1)
    ]  # fmt: skip
