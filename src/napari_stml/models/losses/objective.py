"""What is made small in training: a loss of the genes, and perhaps one of the pathways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from napari_stml.models.losses.correlation import pcc_loss
from napari_stml.models.losses.errors import huber, log_cosh, mse, poisson
from napari_stml.models.losses.pathways import pathway_loss
from napari_stml.models.losses.zinb import zinb

if TYPE_CHECKING:
    from torch import Tensor

LossName = Literal["mse", "pcc", "mse_pcc", "huber_pcc", "zinb", "poisson", "huber", "logcosh"]
LOSSES: tuple[LossName, ...] = get_args(LossName)


@dataclass(frozen=True)
class Objective:
    """``pcc_weight`` counts 1 - r beside the error, ``pathway_weight`` the auxiliary loss."""

    loss: LossName = "mse"
    pcc_weight: float = 1.0
    pathway_weight: float = 0.0
    membership: Tensor | None = None

    def __call__(
        self, found: Tensor | tuple[Tensor, Tensor, Tensor], wanted: Tensor,
        padding: Tensor | None = None, scores: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Loss of a prediction (pi, mu, theta for ZINB); without scores the genes alone count."""
        total = self._genes(found, wanted, padding)
        if self.pathway_weight and scores is not None and self.membership is not None:
            extra = pathway_loss(scores, wanted, self.membership, padding)
            total = total + self.pathway_weight * extra.to(total)
        return total

    def _genes(
        self, found: Tensor | tuple[Tensor, Tensor, Tensor], wanted: Tensor,
        padding: Tensor | None,
    ) -> Tensor:  # fmt: skip
        if self.loss == "zinb":
            if not isinstance(found, tuple):
                raise ValueError("the loss zinb needs the gene head zinb")
            return zinb(*found, wanted, padding)
        if isinstance(found, tuple):
            raise ValueError("the gene head zinb needs the loss zinb")
        if self.loss == "pcc":
            return pcc_loss(found, wanted, padding)
        errors = {"mse": mse, "mse_pcc": mse, "huber": huber, "huber_pcc": huber,
                  "poisson": poisson, "logcosh": log_cosh}  # fmt: skip
        error = errors[self.loss](found, wanted, padding)
        if self.loss.endswith("_pcc"):
            return error + self.pcc_weight * pcc_loss(found, wanted, padding)
        return error
