"""The transformer block that all our networks share, pre- or post-norm, masked or not.

Its attention has the names that `models.attention` looks for (``qkv``, ``num_heads``,
``attn_drop``, ``fused_attn``), so that rollout and relevance read it like any other encoder.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

Activation = Literal["relu", "gelu"]


class SelfAttention(nn.Module):
    """Multi-head attention; ``blocked`` (broadcast to batch, heads, queries, keys) is ignored."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{width} channels cannot be divided among {heads} heads")
        self.num_heads = heads
        self.scale = (width // heads) ** -0.5
        self.fused_attn = True
        self.qkv = nn.Linear(width, 3 * width)
        self.attn_drop = nn.Dropout(dropout)
        self.proj = nn.Linear(width, width)

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of tokens (batch, n, width), each (batch, heads, n, k)."""
        batch, tokens, width = x.shape
        each = width // self.num_heads
        parts = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, each).permute(2, 0, 3, 1, 4)
        return parts[0], parts[1], parts[2]

    def joined(self, x: Tensor) -> Tensor:
        """Heads (batch, heads, n, k) back to tokens, through the output projection."""
        projected: Tensor = self.proj(x.transpose(1, 2).flatten(2))
        return projected

    def forward(self, x: Tensor, blocked: Tensor | None = None) -> Tensor:
        query, key, value = self.heads(x)
        if self.fused_attn:
            share = self.attn_drop.p if self.training else 0.0
            seen = None if blocked is None else ~blocked
            mixed = scaled_dot_product_attention(query, key, value, seen, share)
        else:
            weights = self.attn_drop(softmax_over((query * self.scale) @ key.mT, blocked))
            mixed = weights @ value
        return self.joined(mixed)


def softmax_over(scores: Tensor, blocked: Tensor | None = None) -> Tensor:
    """Softmax over the last axis; a row without any key is 0 rather than NaN."""
    if blocked is None:
        return scores.softmax(dim=-1)
    scores = scores.masked_fill(blocked, float("-inf"))
    return scores.softmax(dim=-1).masked_fill(blocked, 0.0)


class FeedForward(nn.Module):
    """Two linear layers with an activation between."""

    def __init__(self, width: int, hidden: int, dropout: float, activation: Activation) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.act = nn.ReLU() if activation == "relu" else nn.GELU()
        self.drop = nn.Dropout(dropout)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(self.drop(self.act(self.fc1(x))))
        return out


class Block(nn.Module):
    """Attention and feed-forward, each with a residual branch and a layer norm."""

    def __init__(
        self, width: int, heads: int, hidden: int, dropout: float = 0.1, *,
        pre_norm: bool = True, activation: Activation = "relu",
    ) -> None:  # fmt: skip
        super().__init__()
        self.pre_norm = pre_norm
        self.norm1 = nn.LayerNorm(width)
        self.attn = SelfAttention(width, heads, dropout)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = FeedForward(width, hidden, dropout, activation)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, blocked: Tensor | None = None) -> Tensor:
        if self.pre_norm:
            return self.fed(x + self.drop(self.attn(self.norm1(x), blocked)))
        return self.fed(self.norm1(x + self.drop(self.attn(x, blocked))))

    def fed(self, x: Tensor) -> Tensor:
        """The second half, which looks at each token by itself."""
        if self.pre_norm:
            out: Tensor = x + self.drop(self.mlp(self.norm2(x)))
        else:
            out = self.norm2(x + self.drop(self.mlp(x)))
        return out


def torch_layer_names(prefix: str = "") -> dict[str, str]:
    """Our names for those of torch's ``TransformerEncoderLayer``, whose weights fit."""
    names = {
        "self_attn.in_proj_weight": "attn.qkv.weight", "self_attn.in_proj_bias": "attn.qkv.bias",
        "self_attn.out_proj.weight": "attn.proj.weight",
        "self_attn.out_proj.bias": "attn.proj.bias",
        "linear1.weight": "mlp.fc1.weight", "linear1.bias": "mlp.fc1.bias",
        "linear2.weight": "mlp.fc2.weight", "linear2.bias": "mlp.fc2.bias",
    }  # fmt: skip
    same = {f"{n}.{w}": f"{n}.{w}" for n in ("norm1", "norm2") for w in ("weight", "bias")}
    return {prefix + theirs: prefix + ours for theirs, ours in (names | same).items()}
