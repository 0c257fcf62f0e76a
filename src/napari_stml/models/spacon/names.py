"""Weights of the reference by their names there, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.models.spacon.network import SpaCon


def load(model: SpaCon, tensors: Mapping[str, Any]) -> None:
    """Take weights under our names or the reference's; a missing one is an error naming it."""
    found = {
        name.replace(".module.", "."): torch.from_numpy(np.array(value))
        for name, value in tensors.items()
        if not name.endswith(".lin_dst")  # there the same tensor as lin_src
    }
    model.load_state_dict(found, strict=True)


def tensors(model: SpaCon) -> dict[str, NDArray[Any]]:
    """All weights and running statistics as arrays."""
    return {k: v.detach().cpu().numpy().copy() for k, v in model.state_dict().items()}
