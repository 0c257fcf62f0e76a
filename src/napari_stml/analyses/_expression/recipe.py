"""From the form's choices to genes and a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._expression.params import NETWORKS
from napari_stml.analyses._shared.gene_set_files import read_sets
from napari_stml.core.errors import StmlError
from napari_stml.io.gene_sets import aliases, hallmark
from napari_stml.methods.expression.gene_sets import from_text
from napari_stml.methods.expression.normalise import log_per_target
from napari_stml.methods.expression_models import gene_choice
from napari_stml.methods.expression_models.membership import membership

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from napari_stml.analyses._expression.params import TrainParams
    from napari_stml.methods.expression_models.membership import Membership
    from napari_stml.methods.expression_models.recipe import Recipe
    from napari_stml.methods.expression_models.start import StartKind
    from napari_stml.models.stf import StfConfig

LARGE = 20_000
"""More spots than this do not see each other, unless asked by name."""

_EPOCHS = {"tile vit": 35, "stf": 60, "he2rna": 15, "vit_st": 15}
_RATES = {"tile vit": 1e-3, "stf": 2e-3, "he2rna": 3e-4, "vit_st": 3e-4, "transmil": 5e-4}
RECOMMENDED = {"width": 64, "layers": 2, "heads": 4}


def chosen_genes(
    params: TrainParams, counts: csr_matrix, genes: Sequence[str], sets: Any
) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Columns to be learned, chosen on the training spots alone, and what to say of them."""
    log = log_per_target(counts, 1e4)
    if params.genes == "markers":
        if params.named:
            columns, missing = gene_choice.named(params.named, genes, "these genes")
            return columns, _lacking(missing)
        columns, missing = gene_choice.markers(log, genes, gene_choice.PRACTICAL)
        lost = f"{len(missing)} markers are not in this table ({', '.join(missing[:4])}, ...): "
        return columns, (lost + "variable genes took their place",) if missing else ()
    if params.genes == "file":
        if not params.gene_file:
            raise StmlError("A list of genes is needed", where="List of genes",
                            do="choose a text file with one gene per line")  # fmt: skip
        listed = [g for s in read_sets(params.gene_file).values() for g in s]
        columns, missing = gene_choice.named(listed, genes, Path(params.gene_file).name)
        return columns, _lacking(missing)
    if params.genes == "variable":
        return gene_choice.most_variable(log, genes, params.number), ()
    if params.genes == "most expressed":
        return gene_choice.most_expressed(log, params.number), ()
    members = {g for s in (sets or {}).values() for g in s}
    order = gene_choice.most_expressed(log, len(genes))
    inside = np.asarray([i for i in order if genes[i] in members], dtype=np.intp)
    if not len(inside):
        raise StmlError(
            "None of the gene sets' members is seen in a tenth of the training spots",
            where="gene sets", do="choose other sets or other genes",
        )  # fmt: skip
    return inside[: params.number], ()


def sets_of(params: TrainParams) -> dict[str, tuple[str, ...]] | None:
    """Gene sets of the file, else Hallmark; None where none are needed."""
    if params.network != "stf" and params.genes != "gene sets":
        return None
    if params.gene_sets:
        return dict(read_sets(params.gene_sets))
    return dict(from_text(hallmark(), "Hallmark", gmt=True))


def pathways_of(
    params: TrainParams, sets: dict[str, tuple[str, ...]] | None, genes: Sequence[str]
) -> Membership | None:
    """The gene sets over the learned genes, for networks that have pathways."""
    if params.network != "stf" or sets is None:
        return None
    starts = params.pathway_init not in ("preset", "none")
    if params.preset == "described" and not starts and params.pathway_loss_weight <= 0:
        return None  # its tokens stand for no named set
    return membership(sets, genes, aliases())


def start_of(params: TrainParams) -> StartKind | None:
    """What the network corrects; None where it says everything itself."""
    if params.network not in NETWORKS:
        return None
    able = params.gene_head == "linear" and params.loss not in ("zinb", "poisson")
    able = able and params.supervision != "whole slides"
    if params.start == "preset":
        recommended = params.network == "stf" and params.preset == "recommended"
        return "reduced rank" if recommended and able else None
    if params.start == "nothing":
        return None
    if not able:
        raise StmlError(
            "A linear start goes with the gene head linear, losses of log values and single spots",
            where="Start from", do="choose nothing there, or another head and loss",
        )  # fmt: skip
    return params.start


def recipe_of(
    params: TrainParams, genes: int, features: int, spots: int, pathways: int, seed: int,
    device: str,
) -> tuple[Recipe, tuple[str, ...]]:  # fmt: skip
    """The network and its training, and what to say of choices made for the user."""
    from napari_stml.methods.expression_models.fitting import TrainingPlan
    from napari_stml.methods.expression_models.recipe import Recipe

    name, notes = params.network, []
    decay = params.weight_decay if params.weight_decay >= 0 else 1e-2 * (name != "tile vit")
    plan = TrainingPlan(
        epochs=params.epochs or _EPOCHS.get(name, 30),
        rate=params.rate or _RATES.get(name, 1e-3), weight_decay=decay,
        patience=params.patience, seed=seed, bf16=device.startswith("cuda"),
    )  # fmt: skip
    loss: Any = "mse" if params.loss == "preset" else params.loss
    shared: dict[str, Any] = {
        "plan": plan, "loss": loss, "pcc_weight": params.pcc_weight, "batch": params.batch,
        "augment": params.augment, "neighbours": params.neighbours,
    }  # fmt: skip
    if name == "stf":
        return _stf(params, genes, features, spots, pathways, shared)
    if loss == "zinb":
        raise StmlError("The loss zinb needs the gene head zinb, which the stf has",
                        where="Loss", do="choose stf, or another loss")  # fmt: skip
    if name == "tile vit":
        network: dict[str, Any] = {"network": name, "genes": genes}
    elif name in ("he2rna", "vit_st"):
        usual = "resnet50" if name == "he2rna" else "vit_base_patch16_224"
        learn_all = not params.weights or params.thaw < 0
        network = {"network": name, "genes": genes, "backbone": params.backbone or usual,
                   "side": 64, "thaw": None if learn_all else params.thaw}  # fmt: skip
        if not params.weights:
            notes.append("the backbone started from random weights: give it weights to be fair")
    else:
        network = {"network": name, "genes": genes, "features": features, "width": 128}
        if name == "transmil":
            network["landmarks"] = 8  # a bag is a spot and its neighbours, not a slide
    return Recipe(network, **shared), tuple(notes)


def _stf(
    params: TrainParams, genes: int, features: int, spots: int, pathways: int,
    shared: dict[str, Any],
) -> tuple[Recipe, tuple[str, ...]]:  # fmt: skip
    from napari_stml.methods.expression_models.recipe import Recipe
    from napari_stml.models.stf import StfConfig, preset

    notes: list[str] = []
    loss = shared["loss"]
    if params.loss == "zinb" or params.gene_head == "zinb":
        loss = "zinb"
    head: Any = "zinb" if loss == "zinb" else params.gene_head
    interactions = tuple(params.interactions)
    if spots > LARGE and "h2h" in interactions:
        interactions = tuple(i for i in interactions if i != "h2h")
        notes.append(f"{spots:,} spots: they see each other through the pathways only (no h2h)")
    config = StfConfig(
        features, genes, pathways or 50, position=params.position, temperature=params.temperature,
        gene_head=head, final_norm=params.final_norm, interactions=interactions,
    )  # fmt: skip
    weight, window = 0.0, 0.0
    if params.preset != "described":
        if params.preset == "recommended":
            config = with_changes(config, {**RECOMMENDED, "dropout": 0.2, "init": "binary"})
            window = 20.0
        else:
            config = preset(params.preset, config)
        weight = 0.5
        if loss == "mse" and params.loss == "preset":
            loss = "mse_pcc"
        notes.append(
            f"preset {params.preset}: the gene head starts from the gene sets, the loss is {loss} "
            f"and the auxiliary pathway loss counts {weight:g}"
        )
    sizes = {"layers": params.layers, "width": params.width, "heads": params.heads}
    changes: dict[str, Any] = {name: size for name, size in sizes.items() if size}
    if params.pathway_init != "preset":
        changes["init"] = params.pathway_init
    config = with_changes(config, changes)
    if params.pathway_loss_weight >= 0:
        weight = params.pathway_loss_weight
    network = {"network": "stf", **config.card()}
    more = {**shared, "loss": loss, "pathway_weight": weight}
    if params.supervision == "whole slides":
        window = window or 20.0
        notes.append(f"only means of windows {window:g} steps wide were compared, not single spots")
    return Recipe(network, window=window, noise=0.1, steps=6, supervision=params.supervision,
                  **more), tuple(notes)  # fmt: skip


def with_changes(config: StfConfig, changes: dict[str, Any]) -> StfConfig:
    from napari_stml.models.stf import StfConfig

    try:
        return StfConfig.from_card(config.card() | changes)
    except ValueError as error:
        raise StmlError(f"This network cannot be built: {error}", where="stf") from error


def _lacking(missing: Sequence[str]) -> tuple[str, ...]:
    if not missing:
        return ()
    return (f"{len(missing)} genes are not in this table: {', '.join(missing[:6])}",)
