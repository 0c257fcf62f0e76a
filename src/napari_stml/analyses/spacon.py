"""SpaCon: what is near on the tissue and what is connected, blended by a slider.

Two graph-attention encoders read the same expression along two graphs; their features are blended
and clustered. Written anew from the description of SpaCon 0.1.3 (H. Qu, PyPI ``spacon``, MIT).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._shared.charts import fitting, sizes
from napari_stml.analyses._shared.inside import inside
from napari_stml.analyses._shared.progress import at
from napari_stml.analyses._shared.threads import limited
from napari_stml.analyses._spacon.charts import (
    PLACES,
    contact_sheet,
    curve,
    degree_charts,
    graph_table,
    loss_chart,
)
from napari_stml.analyses._spacon.graphs import Read, graphs, read
from napari_stml.analyses._spacon.live import (
    CLUSTERS,
    CON,
    CONNECTIONS,
    SPA,
    TISSUE,
    SpaConLive,
    ahead_name,
    share_of,
)
from napari_stml.analyses._spacon.params import SpaConLiveParams, SpaConParams
from napari_stml.core.analysis import register
from napari_stml.core.errors import StmlError
from napari_stml.core.progress import Progress
from napari_stml.core.results import Model, Result, Table
from napari_stml.io import model_folder
from napari_stml.methods.agreement.partitions import adjusted_rand, contingency
from napari_stml.methods.clusters import naming
from napari_stml.methods.expression.normalise import variable_genes
from napari_stml.methods.spacon.blend import alpha_of, standardised
from napari_stml.methods.spacon.partition import Blends, Cut, in_step, stability
from napari_stml.methods.spacon.refine import refined
from napari_stml.methods.spacon.training import Mode, Plan, State, Step, Trained, Training

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from napari_stml.analyses._shared.inside import Inside
    from napari_stml.analyses._spacon.graphs import Graphs
    from napari_stml.core.analysis import Live, Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need

MANY_GENES = 5_000
FEWEST = 10
UNTRAINED = "clusters_untrained"


@register
class SpaCon:
    """Domains of the tissue and modules of connections, and everything between, live."""

    name = "spacon"
    title = "SpaCon"
    tab = "spacon"
    order = 10
    sections = "one"
    context = "inside"
    Params = SpaConParams
    LiveParams = SpaConLiveParams

    def needs(self, params: SpaConParams) -> Mapping[str, Need]:
        return params.wanted()

    @limited
    def run(self, inputs: Inputs, params: SpaConParams) -> Steps:
        section = inputs.one
        yield at(0, "reading")
        spots, log, genes, notes = _expression(inputs, params)
        expressed = yield from read(spots, log, genes, params)
        both = yield from graphs(spots, expressed, params)
        x, said, used = _seen(expressed, params)
        notes += (*said, *both.notes)
        import torch

        torch.set_num_threads(inputs.threads)
        training = Training(x, both.connections, both.tissue, _plan(params, inputs))
        stored = section.data.get("model")
        if isinstance(stored, Model):
            training.load(stored.tensors)
            notes += (f"the network of {params.continue_from} was taken further",)
        untrained = training.features()
        trained = yield from _trained(training, params, _folder(x, both, params, inputs))
        notes += (_training_words(params, inputs, trained),)
        parts: list[Any] = [
            spots.matrix(CON, trained.con, _columns(trained.con)),
            spots.matrix(SPA, trained.spa, _columns(trained.spa)),
            spots.matrix(PLACES, spots.section.xy[spots.rows] * np.array([1, -1]), ("x", "-y")),
        ]  # fmt: skip
        parts += yield from _blended(spots, (trained.con, trained.spa), untrained, params, inputs)
        parts += [spots.graph(TISSUE, both.tissue), spots.graph(CONNECTIONS, both.strengths)]
        charts = [loss_chart(trained.losses)] if trained.losses else []
        named = {"tissue": both.tissue, "connections": both.connections}
        kept, lost = fitting([*charts, *degree_charts(named)])
        card = {
            "network": "spacon", "input": params.input, "columns": list(used),
            "hidden": list(params.hidden), "fusion": params.fusion, "training": params.training,
            "seed": inputs.seed,
            "losses": list(trained.losses),
        }  # fmt: skip
        parts += [*kept, graph_table(named), Model("model", trained.tensors, card)]
        return Result.of(section.section, *parts, shows=CLUSTERS, notes=(*notes, *lost))

    def live(self, result: Result, inputs: Inputs, params: SpaConParams) -> Live:
        return SpaConLive(result, inputs, params)


def _expression(
    inputs: Inputs, params: SpaConParams
) -> tuple[Inside, csr_matrix, tuple[str, ...], tuple[str, ...]]:
    """Spots of the scope that have any expression."""
    spots = inside(inputs.one, least=FEWEST)
    log, genes = spots.expression("expression")
    filled = np.diff(log.indptr) > 0
    empty = int((~filled).sum())
    if empty == len(spots) or len(spots) - empty < FEWEST:
        raise StmlError(
            f"Only {len(spots) - empty} spots of the scope have any expression",
            where=inputs.one.section, do="choose a wider scope",
        )  # fmt: skip
    notes = (f"{empty} spots without any count left out",) if empty else ()
    return spots.only(filled), log[filled], genes, notes


def _seen(
    expressed: Read, params: SpaConParams
) -> tuple[NDArray[np.float32], tuple[str, ...], tuple[str, ...]]:
    """What the network sees of every spot, words for it, and the names of its columns."""
    log, genes = expressed.log, expressed.genes
    if params.input == "components":
        assert expressed.reduced is not None
        scores = expressed.reduced.pca.scores
        x = (scores / max(float(scores.std()), 1e-12)).astype(np.float32)
        return x, expressed.reduced.notes, tuple(f"PC{i + 1}" for i in range(x.shape[1]))
    if len(genes) <= MANY_GENES or not params.variable_genes:
        return log.toarray().astype(np.float32), (f"all {len(genes)} genes",), genes
    found = variable_genes(log, genes, params.variable_genes, "seurat", 1)
    used = tuple(g for g, c in zip(genes, found.chosen, strict=True) if c)
    x = log[:, np.flatnonzero(found.chosen)].toarray().astype(np.float32)
    return x, (f"{len(used)} variable genes (seurat) of {len(genes)}",), used


def _plan(params: SpaConParams, inputs: Inputs) -> Plan:
    first, second, third = params.hidden
    epochs = params.steps if params.training == "whole graph" else params.epochs
    mode: Mode = "whole graph" if params.training == "whole graph" else "sampled"
    return Plan((first, second, third), params.fusion, mode, epochs, params.rate, params.decay,
                inputs.seed, inputs.device, params.batch)  # fmt: skip


def _folder(
    x: NDArray[np.float32], both: Graphs, params: SpaConParams, inputs: Inputs
) -> Path | None:
    """Where a cancelled training waits, named by everything that it depends on."""
    if not params.resume or params.training == "none":
        return None
    digest = hashlib.sha256(f"{_plan(params, inputs)}{params.continue_from}".encode())
    for array in (x, both.tissue.indices, both.connections.indices, both.connections.indptr):
        digest.update(np.ascontiguousarray(array).data.cast("B"))
    return model_folder.trainings_folder() / f"spacon2-{digest.hexdigest()[:24]}"


def _trained(
    training: Training, params: SpaConParams, folder: Path | None
) -> Generator[Progress, None, Trained]:
    if params.training == "none":
        from napari_stml.models.spacon import names

        con, spa = training.features()
        return Trained(con, spa, names.tensors(training.model), ())
    start = _kept(folder) if folder is not None else None

    def keep(state: State) -> None:
        assert folder is not None
        said = {"epoch": state.epoch, "losses": state.losses, "draws": state.draws}
        model_folder.write_state(folder, state.tensors, said)

    steps = training.steps(start, keep if folder is not None else None)
    while True:
        try:
            step: Step = next(steps)
        except StopIteration as end:
            trained: Trained = end.value
            break
        text = f"training, epoch {step.epoch} of {training.plan.epochs}"
        yield Progress(15 + round(55 * step.done / step.total), 100, text, (("error", step.loss),))
    if folder is not None:
        model_folder.forget_state(folder)
    return trained


def _kept(folder: Path) -> State | None:
    found = model_folder.read_state(folder)
    if found is None:
        return None
    tensors, said = found
    return State(int(said["epoch"]), tuple(said["losses"]), said["draws"], tensors)


def _training_words(params: SpaConParams, inputs: Inputs, trained: Trained) -> str:
    widths = "/".join(map(str, params.hidden))
    if params.training == "none":
        return f"network {widths}, {params.fusion}, as drawn with seed {inputs.seed}: not trained"
    what = (
        f"{params.epochs} epochs of sampled batches of {params.batch} spots"
        if params.training == "sampled"
        else f"{params.steps} steps on the whole graph (another objective than the paper's)"
    )
    return (
        f"network {widths}, {params.fusion}, {what}, rate {params.rate:g}, seed {inputs.seed}; "
        f"squared error per value {trained.losses[0]:.4g} to {trained.losses[-1]:.4g}"
    )


def _blended(
    spots: Inside, trained: tuple[Any, Any], untrained: tuple[Any, Any], params: SpaConParams,
    inputs: Inputs,
) -> Generator[Progress, None, list[Any]]:  # fmt: skip
    """Labels where the slider stands and at all fixed shares, with the untrained network beside."""
    truth = None
    if params.compare:
        truth, _ = spots.categories("compare", params.compare)
    cut, here = Cut(params.method, params.resolution, inputs.seed), share_of(params)
    shares = [float(s) for s in np.linspace(0, 1, params.positions_ahead)]
    xy = spots.section.xy[spots.rows]

    def labels(codes: NDArray[np.int32]) -> NDArray[np.int32]:
        codes = naming.by_size(codes)
        return refined(codes, xy, params.refine) if params.refine else codes

    found: dict[str, list[NDArray[np.int32]]] = {}
    kinds = {"trained": trained} if params.training == "none" else {
        "trained": trained, "untrained": untrained,
    }  # fmt: skip
    for i, (kind, views) in enumerate(kinds.items()):
        con, spa = (standardised(v) for v in views)
        blends = Blends(con, spa, params.neighbours)
        found[kind] = []
        for j, share in enumerate([here, *shares]):
            done = (i + j / (len(shares) + 1)) / len(kinds)
            yield at(70 + 29 * done, f"clusters at alpha {abs(alpha_of(share)):.2f}, {kind}")
            found[kind].append(labels(cut.of(blends.graph(share))))
    base = naming.by_size(found["trained"][0])
    nearest = int(np.argmin([abs(s - here) for s in shares]))
    ahead = in_step(found["trained"][1:], base, nearest)
    parts: list[Any] = [spots.labels(CLUSTERS, base, naming.names(base))]
    names = [ahead_name(s) for s in shares]
    parts += [spots.labels(n, c, naming.names(c)) for n, c in zip(names, ahead, strict=True)]
    parts.append(spots.values("stability", stability(ahead)))
    if "untrained" in found:
        plain = naming.in_step(found["untrained"][0], base)
        parts.append(spots.labels(UNTRAINED, plain, naming.names(plain)))
    counts = {k: [float(len(np.unique(c))) for c in v[1:]] for k, v in found.items()}
    parts += [
        sizes("sizes", "Size of the clusters", CLUSTERS, naming.names(base), base),
        contact_sheet(shares, names),
        curve("clusters-over-alpha", "Number of clusters", "clusters", shares, counts),
        _baseline(found, truth, here, params.compare),
    ]  # fmt: skip
    if truth is not None:
        series = {
            k: [adjusted_rand(contingency(truth, c)) for c in v[1:]] for k, v in found.items()
        }
        title = f"Agreement with {params.compare}"
        parts.append(curve("agreement-over-alpha", title, "ARI", shares, series))
    return parts


def _baseline(
    found: Mapping[str, list[NDArray[np.int32]]], truth: NDArray[np.int32] | None, here: float,
    column: str,
) -> Table:  # fmt: skip
    """The network as trained beside the same network before its first step."""
    base = found["trained"][0]
    columns: dict[str, Any] = {
        "network": tuple(found),
        "alpha": np.full(len(found), abs(alpha_of(here))),
        "clusters": np.array([len(np.unique(v[0])) for v in found.values()]),
        "ARI with trained": np.array(
            [adjusted_rand(contingency(base, v[0])) for v in found.values()]
        ),
    }
    if truth is not None:
        columns[f"ARI with {column}"] = np.array(
            [adjusted_rand(contingency(truth, v[0])) for v in found.values()]
        )
    return Table("trained and untrained", columns)


def _columns(values: NDArray[Any]) -> tuple[str, ...]:
    return tuple(str(i + 1) for i in range(values.shape[1]))
