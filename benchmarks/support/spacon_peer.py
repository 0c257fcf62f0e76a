"""Steps of SpaCon 0.1.3 (PyPI) on given batches; run by the interpreter in .peers/spacon.

Its sampler cannot be built from PyPI (pyg-lib is not there, torch-sparse only as source), so the
batches come from a file; network, loss, slicing of the tissue graph and step are its own.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import types
from pathlib import Path

import numpy as np


def network(hidden: list[int], fusion: str) -> object:
    import torch_geometric  # noqa: F401

    unneeded = types.ModuleType("torch_sparse")  # imported by its model, used nowhere
    unneeded.SparseTensor = unneeded.set_diag = None
    sys.modules["torch_sparse"] = unneeded
    from spacon.model import SpaCon

    return SpaCon(hidden, fusion)


def step(model: object, optimiser: object, x: object, con: object, spa: object) -> float:
    import torch
    from torch.nn.functional import mse_loss

    optimiser.zero_grad()
    _, _, decoded = model(x, con, spa)
    loss = mse_loss(x, decoded, reduction="sum")
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimiser.step()
    return float(loss.detach())


def main() -> None:
    import torch
    from scipy.sparse import load_npz

    torch.set_num_threads(1)
    folder, mode = sys.argv[1], sys.argv[2]
    plan = json.loads(Path(folder, "plan.json").read_text())
    x = np.load(f"{folder}/x.npy")
    spa = load_npz(f"{folder}/spa.npz")
    model = network([x.shape[1], *plan["hidden"]], "concat")
    with np.load(f"{folder}/weights.npz") as stored:
        given = {k: torch.from_numpy(stored[k]) for k in stored.files}
    own = model.state_dict()
    for name in own:
        short = name.replace(".module.", ".").replace("lin_dst", "lin_src")
        own[name] = given[short]
    model.load_state_dict(own)
    model.train()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-4)
    with np.load(f"{folder}/batches.npz") as stored:
        arrays = {k: stored[k] for k in stored.files}
    losses, seconds = [], []
    if mode == "full":
        edges = torch.from_numpy(arrays["full"])
        tissue = torch.from_numpy(np.argwhere(spa).T.astype(np.int64))
        whole = torch.from_numpy(x)
        for _ in range(plan["steps"]):
            began = time.process_time()
            losses.append(step(model, optimiser, whole, edges, tissue))
            seconds.append(time.process_time() - began)
    else:
        for i in range(plan["batches"]):
            nodes = arrays[f"n{i}"]
            drawn = torch.from_numpy(arrays[f"e{i}"])
            began = time.process_time()
            near = torch.LongTensor(np.argwhere(spa[nodes][:, nodes]).T)
            rows = torch.from_numpy(x[nodes])
            losses.append(step(model, optimiser, rows, drawn, near))
            seconds.append(time.process_time() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"losses": losses, "seconds": seconds, "gb": [peak]}))


if __name__ == "__main__":
    main()
