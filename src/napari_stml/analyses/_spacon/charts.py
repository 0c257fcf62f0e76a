"""What SpaCon says of its graphs, its training and its slider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._shared.charts import histogram, numbers
from napari_stml.core.charts import Axis, Chart, Link
from napari_stml.core.results import Table
from napari_stml.methods.spacon.blend import alpha_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

SHARE = Axis("share of connections in the blend")
PLACES = "places"


def graph_table(graphs: Mapping[str, csr_matrix]) -> Table:
    """Links, what share of all pairs they are, and how many a spot receives."""
    rows: dict[str, list[Any]] = {
        "graph": [], "links": [], "of all pairs": [], "received, mean": [], "received, least": [],
        "received, most": [], "receive none": [],
    }  # fmt: skip
    for name, links in graphs.items():
        others = _others(links)
        received = np.bincount(others.col, minlength=links.shape[0])
        said = (
            name, len(others.data), len(others.data) / links.shape[0] ** 2, received.mean(),
            received.min(), received.max(), int((received == 0).sum()),
        )  # fmt: skip
        for column, value in zip(rows, said, strict=True):
            rows[column].append(value)
    return Table("graphs", {k: np.array(v) if k != "graph" else tuple(v) for k, v in rows.items()})


def degree_charts(graphs: Mapping[str, csr_matrix]) -> list[Chart]:
    found = []
    for name, links in graphs.items():
        received = np.bincount(_others(links).col, minlength=links.shape[0]).astype(float)
        bins = int(min(40, max(1, np.ptp(received))))
        found.append(histogram(f"degrees-{name.split()[0]}", f"Links received: {name}",
                               Axis("links received by a spot"), received, bins))  # fmt: skip
    return found


def _others(links: csr_matrix) -> Any:
    part = links.tocoo()
    keep = part.row != part.col
    part.row, part.col, part.data = part.row[keep], part.col[keep], part.data[keep]
    return part


def loss_chart(losses: Sequence[float]) -> Chart:
    data = {"epoch": list(range(1, len(losses) + 1)), "error": numbers(np.array(losses))}
    note = "a lower error does not make a better map: compare with the untrained network"
    return Chart("loss", "line", "Training", Axis("epoch"),
                 Axis("squared error per value"), data, notes=(note,))  # fmt: skip


def curve(
    name: str, title: str, y: str, shares: Sequence[float],
    series: Mapping[str, NDArray[Any] | Sequence[float]],
) -> Chart:  # fmt: skip
    data: dict[str, Any] = {"share": numbers(np.array(shares))}
    data |= {k: numbers(np.asarray(v, dtype=float)) for k, v in series.items()}
    some = [shares[i] for i in (0, len(shares) // 4, len(shares) // 2, -1)]
    said = ", ".join(f"{s:.2f} is alpha {abs(alpha_of(s)):.2f}" for s in some)
    return Chart(name, "line", title, SHARE, Axis(y), data, notes=(f"share {said}",))


def contact_sheet(shares: Sequence[float], names: Sequence[str]) -> Chart:
    """Small maps of the labels, side by side."""
    data = {
        "x": {"value": PLACES, "column": 0}, "y": {"value": PLACES, "column": 1},
        "panels": [{"value": n, "title": f"alpha {abs(alpha_of(s)):.2f}"}
                   for s, n in zip(shares, names, strict=True)],
    }  # fmt: skip
    return Chart("contact-sheet", "scatter", "From space to connections",
                 Axis(""), Axis(""), data, (Link("observations", ()),))  # fmt: skip
