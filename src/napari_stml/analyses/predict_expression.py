"""Expression from a trained model: at spots, between them on a grid, on a slide without any."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.analyses._expression import places
from napari_stml.analyses._expression.live import ExpressionLive, ExpressionLiveParams
from napari_stml.analyses._expression.looks import pathway_looks, tile_maps
from napari_stml.analyses._expression.parts import maps, pathway_maps, score_chart, score_table
from napari_stml.analyses._expression.seen import Around
from napari_stml.analyses._shared.inside import inside
from napari_stml.analyses._shared.progress import at
from napari_stml.analyses._shared.table_choice import FromTable
from napari_stml.analyses._shared.threads import limited
from napari_stml.analyses._slides.slide import picture, tiles_part
from napari_stml.core.analysis import register
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import File, Pixels, Stored
from napari_stml.core.params import param
from napari_stml.core.results import Heatmap, Model, Part, Result
from napari_stml.methods.expression_models.networks import takes_tiles
from napari_stml.methods.expression_models.stored import read, same_genes
from napari_stml.slide.heatmap import SlideMap

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray

    from napari_stml.core.analysis import Live, Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need
    from napari_stml.core.progress import Progress
    from napari_stml.methods.expression_models.stored import Trained

MOST_MAPS = 8


class PredictParams(FromTable):
    model: str = param(
        "", title="Model", source="run", holds="model",
        help="A Run of 'Train expression model' on this section; or give a folder.",
    )  # fmt: skip
    folder: str = param(
        "", title="Model folder", source="folder",
        help="A written model, or the checkpoints of a training that was cancelled.",
    )  # fmt: skip
    where: Literal["spots", "grid"] = param(
        "spots", title="Where",
        help="At the spots, or on a grid over tissue (or regions) as fine as you like. A slide "
        "without spots always takes the grid.",
    )  # fmt: skip
    step_um: float = param(
        50.0, title="Grid step", unit="um", gt=1, le=5000, when={"where": "grid"},
        help="Distance of neighbouring predictions.",
    )  # fmt: skip
    genes: tuple[str, ...] = param(
        (), title="Genes to paint", max_length=MOST_MAPS,
        help="Names among those the model predicts; empty takes its best. All are kept.",
    )  # fmt: skip
    compare: bool = param(
        False, title="Compare with measured", when={"where": "spots"},
        help="Adds measured values, differences and scores; needs a table of counts.",
    )  # fmt: skip
    explain: Literal["nothing", "attention", "relevance"] = param(
        "nothing", title="Explain",
        help="attention: where the tile vit's class token looks (rollout), or an stf's pathways. "
        "relevance: which patches a tile vit's value of one gene rests on.",
    )  # fmt: skip
    gene: str = param(
        "", title="Relevance for", when={"explain": "relevance"},
        help="One of the model's genes; empty takes its best.",
    )  # fmt: skip
    features: str = param(
        "", title="Features", source="run", holds="features", rare=True,
        help="For models that were trained on a Run of 'Features': such a Run of this section.",
    )  # fmt: skip
    samples: int = param(
        0, title="Dropout samples", ge=0, le=200, rare=True,
        help="Passes with dropout; their spread is an uncertainty.",
    )  # fmt: skip


@dataclass(frozen=True)
class _Asked:
    """The model with what the form asked of it."""

    trained: Trained
    params: PredictParams
    inputs: Inputs
    shown: tuple[int, ...]


@register
class PredictExpression:
    """Maps of genes and pathways from the picture alone."""

    name = "predict-expression"
    title = "Predict expression"
    tab = "predict"
    order = 20
    sections = "one"
    context = "inside"
    uses_gpu = True
    Params = PredictParams
    LiveParams = ExpressionLiveParams

    def needs(self, params: PredictParams) -> Mapping[str, Need]:
        wanted: dict[str, Need] = {"pixels": Pixels()}
        if params.model and not params.folder:
            wanted["model"] = Stored(params.model, "model")
        if params.folder:
            wanted["folder"] = File(params.folder)
        if params.features:
            wanted["features"] = Stored(params.features, "features")
            wanted["feature settings"] = Stored(params.features, "tile settings")
        if params.compare and params.where == "spots":
            wanted["counts"] = params.expression("counts")
        return wanted

    @limited
    def run(self, inputs: Inputs, params: PredictParams) -> Steps:
        import torch

        torch.set_num_threads(max(1, inputs.threads))
        section = inputs.one
        yield at(0, "reading the model")
        trained = _model(section, params)
        same_genes(trained.genes, [*params.genes, *([params.gene] if params.gene else [])])
        scores = trained.card.get("scores", {})
        shown = tuple(trained.genes.index(g) for g in params.genes) or tuple(
            trained.genes.index(g) for g in trained.card.get("best genes", trained.genes)[:4]
        )
        asked = _Asked(trained, params, inputs, shown)
        grid = params.where == "grid" or not len(section.names)
        result = yield from (_on_grid(asked) if grid else _at_spots(asked))
        r = scores.get("held-out mean r")
        said = [f"{trained.name}, trained on {', '.join(trained.card.get('sections', {}))}"
                + (f", held-out mean r {r:.3f} there" if r is not None else "")]  # fmt: skip
        if trained.card.get("looks", {}).get("tiles") is None and section.um_per_px is None:
            said.append("um per pixel were taken from the picture")
        return replace(result, notes=(*said, *result.notes))

    def live(self, result: Result, inputs: Inputs) -> Live:
        return ExpressionLive(result)


def _model(section: Any, params: PredictParams) -> Trained:
    if params.folder:
        from napari_stml.io.model_folder import read_model

        stored = read_model(Path(params.folder).expanduser())
        return read(stored.card, stored.tensors, params.folder)
    if not params.model:
        raise StmlError("A model is needed", where="Model",
                        do="choose a Run of 'Train expression model', or a folder")  # fmt: skip
    model = section["model"]
    if not isinstance(model, Model):
        raise StmlError("This Run holds no model", where=params.model,
                        do="choose a Run of 'Train expression model'")  # fmt: skip
    return read(model.card, model.tensors, params.model)


def _at_spots(asked: _Asked) -> Generator[Progress, None, Result]:
    params, trained = asked.params, asked.trained
    section = asked.inputs.one
    spots = inside(section)
    here = Around.spots(section, spots.rows, asked.inputs.threads)
    slide = yield from places.looked_at(
        here, trained.card, spots=spots, run=params.features, low=2, high=80
    )
    yield at(82, "predicting")
    found = trained.predict(slide, samples=params.samples, seed=asked.inputs.seed,
                            device=asked.inputs.device)  # fmt: skip
    unit = str(trained.card.get("unit", ""))
    shared: tuple[Part, ...] = ()
    notes: list[str] = []
    wanted = None
    if params.compare:
        yield at(88, "comparing")
        wanted, scores, lacking = places.measured(spots, trained, found.values, slide.xy)
        mean_r = float(np.nanmean(scores.r))
        shared = (score_table(trained.genes, scores, None, ""),
                  score_chart(trained.genes, scores, None, ("r",)))  # fmt: skip
        notes.append(f"mean r with what was measured {mean_r:.3f}; spots that the model was "
                     "trained on make it too good")  # fmt: skip
        if lacking:
            notes.append(f"{len(lacking)} genes of the model are not in this table: "
                         f"{', '.join(lacking[:5])}")  # fmt: skip
    parts = maps(spots, found.values, wanted, trained.genes, asked.shown, found.spread, unit)
    parts += pathway_maps(spots, found.pathways, trained.pathways,
                          trained.card.get("pathway members", ()))  # fmt: skip
    if params.explain != "nothing":
        yield at(92, "looking where it looked")
        if trained.name == "stf":
            looks, said = pathway_looks(trained, slide, spots, asked.inputs.device)
            parts += looks
            notes.append(said)
        else:
            heatmap = _explained(asked, here, slide.tiles)
            parts.append(heatmap)
            notes.append(_of_map(heatmap.name))
    first = f"predicted {trained.genes[asked.shown[0]]}"
    return Result.of(section.section, *parts, *shared, shows=first, notes=tuple(notes))


def _on_grid(asked: _Asked) -> Generator[Progress, None, Result]:
    params, trained = asked.params, asked.trained
    section = asked.inputs.one
    seen = picture(section)
    grid = places.dense(section, seen, params.step_um)
    here = Around(section, seen, grid.centres, max(1, asked.inputs.threads))
    if params.features:
        raise StmlError("On a grid the features are computed there", where="Features",
                        do="leave 'Features' empty, or predict at the spots")  # fmt: skip
    slide = yield from places.looked_at(
        here, trained.card, spots=None, run="", low=2, high=80, step=float(grid.side)
    )
    yield at(82, f"predicting {len(grid)} places")
    found = trained.predict(slide, samples=params.samples, seed=asked.inputs.seed,
                            device=asked.inputs.device)  # fmt: skip
    columns: dict[str, NDArray[Any]] = {
        g: found.values[:, i] for i, g in enumerate(trained.genes)
    }  # fmt: skip
    layers = [(f"predicted {trained.genes[i]}", found.values[:, i]) for i in asked.shown]
    if found.pathways is not None:
        names = trained.pathways or tuple(f"token {i}" for i in range(found.pathways.shape[1]))
        columns |= {n: found.pathways[:, i] for i, n in enumerate(names)}
        sizes = np.asarray(trained.card.get("pathway members") or [1] * len(names))
        top = np.argsort(-np.where(sizes >= max(1, np.median(sizes)), found.pathways.std(axis=0),
                                   -1.0), kind="stable")[:4]  # fmt: skip
        layers += [(f"pathway {names[i]}", found.pathways[:, i]) for i in top]
    if found.spread is not None:
        layers.append(("uncertainty", found.spread.mean(axis=1)))
        columns["uncertainty"] = found.spread.mean(axis=1)
    unit = str(trained.card.get("unit", ""))
    parts: list[Part] = []
    for name, values in layers:
        raster = SlideMap.over(grid, 1)
        raster.add(grid.xy, np.asarray(values, dtype=np.float32)[:, None, None])
        parts.append(Heatmap(name, raster.pixels, seen.affine @ raster.affine,
                             "" if name.startswith("pathway") else unit))  # fmt: skip
    if params.explain != "nothing":
        yield at(92, "looking where it looked")
        parts.append(_explained(asked, here, slide.tiles))
    parts.append(tiles_part(grid, seen, columns, "predicted"))
    notes = (f"{len(grid)} places, {params.step_um:g} um apart",)
    return Result.of(section.section, *parts, shows=layers[0][0], notes=notes)


def _explained(asked: _Asked, here: Around, tiles: NDArray[np.uint8] | None) -> Heatmap:
    """Over all tiles what the network looked at, as one raster."""
    trained, params = asked.trained, asked.params
    if not takes_tiles(trained.name) or tiles is None:
        raise StmlError(
            f"'{trained.name}' cannot be explained here", where="Explain",
            do="choose a tile vit, or an stf at the spots",
        )  # fmt: skip
    gene = ""
    if params.explain == "relevance":
        gene = params.gene or trained.genes[asked.shown[0]]
    found = tile_maps(trained, tiles, gene, asked.inputs.device)
    grid = places.tile_grid(here, trained.card)
    raster = SlideMap.over(grid, found.shape[-1])
    raster.add(grid.xy, found)
    name = f"relevance for {gene}" if gene else "attention"
    return Heatmap(name, raster.pixels, here.seen.affine @ raster.affine, "x mean")


def _of_map(name: str) -> str:
    if name == "attention":
        return "attention: one map serves all genes; 1 is a patch that counts as any other"
    return f"{name}: which patches this gene's value rests on; 1 is a patch as any other"
