"""Losses over spots and genes; True in ``padding`` is no spot and takes no part."""

from __future__ import annotations

from napari_stml.models.losses.correlation import correlation, pcc_loss
from napari_stml.models.losses.errors import huber, log_cosh, mse, poisson, weighted_mse
from napari_stml.models.losses.objective import LOSSES, LossName, Objective
from napari_stml.models.losses.pathways import pathway_loss, pathway_targets
from napari_stml.models.losses.zinb import zinb

__all__ = [
    "LOSSES", "LossName", "Objective", "correlation", "huber", "log_cosh", "mse",
    "pathway_loss", "pathway_targets", "pcc_loss", "poisson", "weighted_mse", "zinb",
]  # fmt: skip
