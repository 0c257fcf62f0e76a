"""A known picture network with one linear layer to genes: HE2RNA, and its ViT sister."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ImageHead(nn.Module):
    """Tiles in 0..1 through a backbone of timm, then genes; weights start at random.

    ``thaw`` is the number of the backbone's last blocks (or stages) that learn; None lets all
    learn, 0 none.
    """

    def __init__(
        self, backbone: str, genes: int, *, side: int = 224, thaw: int | None = None
    ) -> None:
        super().__init__()
        import timm

        extra: dict[str, Any] = {"img_size": side} if backbone.startswith(("vit_", "swin_")) else {}
        self.backbone = timm.create_model(
            backbone, pretrained=False, num_classes=0, **extra
        )  # fmt: skip
        width: Any = self.backbone.num_features
        self.head = nn.Linear(width, genes)
        if thaw is not None:
            self.freeze(thaw)

    def freeze(self, thaw: int) -> None:
        """Let only the head and the last ``thaw`` blocks learn."""
        for parameter in self.backbone.parameters():
            parameter.requires_grad_(False)
        stages = getattr(self.backbone, "blocks", None)
        if stages is None:
            stages = [m for n, m in self.backbone.named_children() if n.startswith("layer")]
        for stage in list(stages)[len(stages) - thaw :] if thaw else ():
            for parameter in stage.parameters():
                parameter.requires_grad_(True)

    def forward(self, images: Tensor) -> Tensor:
        mean = images.new_tensor(MEAN).reshape(1, 3, 1, 1)
        spread = images.new_tensor(SPREAD).reshape(1, 3, 1, 1)
        genes: Tensor = self.head(self.backbone((images - mean) / spread))
        return genes
