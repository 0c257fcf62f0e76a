"""Weights under the names of the reference system's checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_stml.models.blocks import torch_layer_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from napari_stml.models.stf.config import StfConfig


def from_reference(weights: Mapping[str, Tensor], config: StfConfig) -> dict[str, Tensor]:
    """Rename a checkpoint's tensors; an unknown or missing name is an error that says which.

    The prefix that a compiled model leaves is dropped; so are the two extra ZINB layers where the
    network has none.
    """
    names = _names(config)
    given = {k.removeprefix("_orig_mod."): v for k, v in weights.items()}
    if config.gene_head != "zinb":
        extra = ("pi_reconstructor.", "theta_reconstructor.")
        given = {k: v for k, v in given.items() if not k.startswith(extra)}
    unknown = sorted(set(given) - set(names))
    missing = sorted(set(names) - set(given))
    if unknown or missing:
        raise KeyError(
            f"the checkpoint does not fit: missing {', '.join(missing) or 'nothing'}; "
            f"unknown {', '.join(unknown) or 'nothing'}"
        )
    return {names[k]: v for k, v in given.items()}


def _names(config: StfConfig) -> dict[str, str]:
    names = {"pathway_tokens": "pathways"}
    pairs = {"image_proj": "project"}
    if config.position == "learned":
        pairs |= {f"spatial_encoder.mlp.{i}": f"position.mlp.{i}" for i in (0, 2)}
    if config.final_norm:
        pairs["fusion_engine.norm"] = "norm"
    if config.gene_head != "none":
        pairs["gene_reconstructor"] = "genes.mean"
    if config.gene_head == "zinb":
        pairs |= {"pi_reconstructor": "genes.zero", "theta_reconstructor": "genes.spread"}
    for theirs, ours in pairs.items():
        names |= {f"{theirs}.{w}": f"{ours}.{w}" for w in ("weight", "bias")}
    if config.temperature == "learned":
        names["log_temperature"] = "log_temperature"
    for layer in range(config.layers):
        for theirs, ours in torch_layer_names().items():
            names[f"fusion_engine.layers.{layer}.{theirs}"] = f"blocks.{layer}.{ours}"
    return names
