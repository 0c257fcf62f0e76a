"""All weights in one row of numbers: a step of the optimiser is a handful of calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn


class Joined:
    """Adam on all weights of a model, gradients cut at a norm before.

    The model's weights become views of one tensor; loading others into it keeps them so.
    """

    def __init__(self, model: nn.Module, rate: float, decay: float, clip: float) -> None:
        self._own = [p for p in model.parameters() if p.requires_grad]
        self._all = torch.cat([p.detach().reshape(-1) for p in self._own])
        self._clip = clip
        start = 0
        for p in self._own:
            p.data = self._all[start : start + p.numel()].view_as(p)
            start += p.numel()
        self._adam = torch.optim.Adam(
            [self._all], lr=rate, weight_decay=decay, fused=not self._all.is_cuda
        )

    def step(self, loss: Tensor) -> None:
        """Go down the gradient of ``loss``."""
        for p in self._own:
            p.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        slopes = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._own]
        joined = torch.cat([g.reshape(-1) for g in slopes])
        joined *= torch.clamp(self._clip / (joined.norm() + 1e-6), max=1.0)
        self._all.grad = joined
        self._adam.step()

    def state(self) -> dict[str, Tensor]:
        """Its moments, by name; empty before the first step."""
        return dict(self._adam.state_dict()["state"].get(0, {}))

    def resume(self, state: dict[str, Tensor]) -> None:
        self._adam.load_state_dict({**self._adam.state_dict(), "state": {0: state}})
