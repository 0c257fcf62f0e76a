"""What a trained network looked at: of tiles a raster, of pathways a value per spot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_stml.analyses._shared.inside import Inside
    from napari_stml.core.results import Part
    from napari_stml.methods.expression_models.samples import Slide
    from napari_stml.methods.expression_models.stored import Trained

AT_ONCE = 64
MOST_PATHWAYS = 4
MOST_TOGETHER = 6000
"""Spots that see each other are looked at together: their weights are a square of this."""


def tile_maps(
    trained: Trained, tiles: NDArray[np.uint8], gene: str, device: str
) -> NDArray[np.float32]:
    """Rollout of the class token, or relevance for a gene: (n, rows, columns), 1 is the mean."""
    import torch

    from napari_stml.methods.expression_models.seeing import as_images
    from napari_stml.models import attention as attend
    from napari_stml.models import rollout as roll

    if trained.name != "tile vit":
        raise StmlError(
            f"The attention of '{trained.name}' to pixels cannot be shown", where="Explain",
            do="choose a tile vit, or an stf for what pathways look at",
        )  # fmt: skip
    net = trained.nets[0].to(device).eval()
    target: Callable[[Any], Any] | None = None
    if gene:
        place = trained.genes.index(gene)

        def target(output: Any) -> Any:
            return output[:, place]

    found = []
    for part in torch.split(torch.from_numpy(tiles), AT_ONCE):
        images = as_images(part).to(device)
        if target is None:
            row, _ = attend.rollout_rows(net, images)
        else:
            row = attend.relevance_rows(net, images, target)
        grid = attend.patch_grid(net, images)
        found.append(roll.relative(roll.on_grid(row, grid, attend.prefix_tokens(net))).cpu())
    return np.asarray(torch.cat(found).numpy(), dtype=np.float32)


def pathway_looks(
    trained: Trained, slide: Slide, spots: Inside, device: str
) -> tuple[list[Part], str]:
    """Attention of pathways to spots and back, and rollout, as parts; and what to say of them."""
    import torch

    from napari_stml.methods.expression_models.seeing import whole_slide
    from napari_stml.models.stf import Stf
    from napari_stml.models.stf.looking import last_layer, pathway_rollout

    net = trained.nets[0]
    assert isinstance(net, Stf)
    if trained.card.get("supervision") == "patches":
        raise StmlError(
            "An stf of patches sees a spot and its neighbours, never the slide", where="attention",
            do="train one that is compared on each spot",
        )  # fmt: skip
    if "h2h" in net.config.interactions and len(slide) > MOST_TOGETHER:
        raise StmlError(
            f"{len(slide):,} spots see each other: their attention does not fit into memory",
            where="attention", do="choose a region, or train without h2h",
        )  # fmt: skip
    net.to(device).eval()
    with torch.no_grad():
        features, xy = whole_slide(trained.ready(slide))
        _, _, layers = net.tokens(
            features[None].to(device), xy[None].to(device), None, attention=True, head_mean=True
        )
        to_spots, to_pathways = last_layer(layers)
        rolled = pathway_rollout(layers)[..., to_pathways.shape[-1] :]
    count = len(slide)
    shares = [(w[0] * count).T.float().cpu().numpy() for w in (to_spots, rolled)]
    names = trained.pathways or tuple(f"token {i + 1}" for i in range(shares[0].shape[1]))
    sizes = np.asarray(trained.card.get("pathway members") or [1] * len(names))
    varied = np.where(sizes >= max(1, np.median(sizes)), shares[0].std(axis=0), -1.0)
    parts: list[Part] = [
        spots.values(f"where {names[i]} looks", shares[0][:, i], "x mean")
        for i in np.argsort(-varied, kind="stable")[:MOST_PATHWAYS]
    ]
    parts.append(spots.matrix("pathways look at spots", shares[0], names))
    parts.append(spots.matrix("pathway rollout", shares[1], names))
    back = to_pathways[0].float().cpu().numpy()
    parts.append(spots.matrix("spots look at pathways", back, names))
    return parts, "attention: head mean of the last layer; 1 is a spot that counts as any other"
