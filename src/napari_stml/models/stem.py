"""The convolutional stem of CTransPath (Wang et al. 2022) in front of a Swin transformer."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class ConvStem(nn.Module):
    """Two strided 3 x 3 convolutions and a 1 x 1 one, in place of a patch embedding of 4 px."""

    def __init__(
        self, img_size: Any = 224, patch_size: Any = 4, in_chans: int = 3, embed_dim: int = 96,
        norm_layer: Any = None, flatten: bool = True, output_fmt: str | None = None, **_: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        side = img_size if isinstance(img_size, int) else img_size[0]
        self.img_size = (side, side)
        self.patch_size = (4, 4)
        self.grid_size = (side // 4, side // 4)
        self.num_patches = self.grid_size[0] * self.grid_size[1]
        layers: list[nn.Module] = []
        width, wanted = in_chans, embed_dim // 8
        for _step in range(2):
            layers += [
                nn.Conv2d(width, wanted, kernel_size=3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(wanted),
                nn.ReLU(inplace=True),
            ]
            width, wanted = wanted, wanted * 2
        layers.append(nn.Conv2d(width, embed_dim, kernel_size=1))
        self.proj = nn.Sequential(*layers)
        self.norm = norm_layer(embed_dim) if norm_layer else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(self.proj(x).permute(0, 2, 3, 1))  # NHWC, as timm's Swin takes
        return normed
