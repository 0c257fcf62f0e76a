"""SpaCon: an epoch on identical batches, a step on the whole graph, memory at 50,000 spots.

The peer is SpaCon 0.1.3 from PyPI in .peers/spacon. Its sampler cannot be built from PyPI, so both
train on batches of ours: its network, message passing, loss and step, and its slicing of the
tissue graph against ours. Times are CPU seconds of one thread, ours and the peer's in turn; the
quickest batch of each counts, for others may be using the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from support.results import add_record, ratio, recorded

if TYPE_CHECKING:
    from napari_stml.methods.spacon.training import Training

PEER = Path(__file__).parents[1] / ".peers" / "spacon" / "bin" / "python"


def data(spots: int, genes: int, links: int, seed: int = 0) -> tuple[Any, Any, Any]:
    """Log counts, connections with loops, tissue graph."""
    from scipy.sparse import csr_matrix

    from napari_stml.methods.spacon.connection_graph import with_loops
    from napari_stml.methods.spacon.tissue_graph import Reach, on_tissue

    rng = np.random.default_rng(seed)
    xy = rng.random((spots, 2)) * np.sqrt(spots)
    x = np.log1p(rng.poisson(rng.gamma(0.6, 1.5, (spots, genes)))).astype(np.float32)
    pairs = np.unique(rng.integers(0, spots * spots, int(links * 1.06)))
    pairs = rng.permutation(pairs)[:links]
    ones = np.ones(len(pairs), np.float32)
    con = with_loops(csr_matrix((ones, (pairs // spots, pairs % spots)), shape=(spots, spots)))
    return x, con, on_tissue(xy, Reach("nearest", 15))


class Pair:
    """Ours and the peer's steps on one set of spots."""

    def __init__(
        self, folder: Path, sizes: tuple[int, int, int], hidden: tuple[int, int, int], python: Path
    ) -> None:
        from scipy.sparse import save_npz

        self.folder, self.hidden, self.python = folder, hidden, python
        self.x, self.con, self.spa = data(*sizes)
        np.save(folder / "x.npy", self.x)
        save_npz(folder / "spa.npz", self.spa)

    def training(self, mode: str = "sampled") -> Training:
        from napari_stml.methods.spacon.training import Plan, Training

        return Training(self.x, self.con, self.spa, Plan(self.hidden, mode=mode, epochs=1000))

    def peer(self, mode: str) -> dict[str, list[float]] | None:
        if not self.python.exists():
            return None
        program = Path(__file__).parent / "support" / "spacon_peer.py"
        done = subprocess.run(
            [self.python, program, self.folder, mode], capture_output=True, text=True, check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        if done.returncode:
            print(done.stderr.strip().splitlines()[-1])
            return None
        found: dict[str, list[float]] = json.loads(done.stdout.strip().splitlines()[-1])
        return found

    def weights(self, training: Training) -> None:
        from napari_stml.models.spacon.names import tensors

        np.savez(self.folder / "weights.npz", **tensors(training.model))

    def plan(self, **more: int) -> None:
        (self.folder / "plan.json").write_text(json.dumps({"hidden": self.hidden, **more}))


def epoch(name: str, pair: Pair, batches: int, target: float) -> None:
    """The same batches through both, ours before and after the peer."""
    from napari_stml.methods.spacon.sampling import Sampler

    began = time.process_time()
    sampler = Sampler(pair.con, 0)
    drawn = [b for _, b in zip(range(batches), sampler.batches(), strict=False)]
    sampling = (time.process_time() - began) / len(drawn)
    arrays = {f"n{i}": b.nodes for i, b in enumerate(drawn)}
    arrays |= {f"e{i}": np.stack([b.source, b.target]) for i, b in enumerate(drawn)}
    np.savez(pair.folder / "batches.npz", **arrays)
    pair.plan(batches=len(drawn))
    training = pair.training()
    pair.weights(training)
    ours, losses = ours_on(training, drawn)
    peer = pair.peer("sampled")
    again, _ = ours_on(pair.training(), drawn)
    mine = min(*ours[1:], *again[1:])
    print(f"{name}: {len(drawn)} batches, the first holds {len(drawn[0].nodes)} spots; "
          f"ours {1e3 * mine:.1f} ms each; sampling, in neither, {1e3 * sampling:.1f}")  # fmt: skip
    if peer is None:
        ratio(f"{name}-epoch", mine, None, "s/batch", float("nan"), target, met=False)
        return
    theirs = min(peer["seconds"][1:])
    off = max(abs(a / b - 1) for a, b in zip(losses, peer["losses"], strict=True))
    print(f"{name}: losses differ by at most {off:.1e} (dropout drawn differently)")
    ratio(f"{name}-epoch", mine, theirs, "s/batch", theirs / mine, target, theirs / mine >= target)


def ours_on(training: Training, drawn: list[Any]) -> tuple[list[float], list[float]]:
    optimiser = training.optimiser()
    training.model.train()
    seconds, losses = [], []
    for batch in drawn:
        began = time.process_time()
        loss = training.sampled_loss(batch.nodes, batch.source, batch.target)
        optimiser.step(loss)
        losses.append(float(loss.detach()))
        seconds.append(time.process_time() - began)
    return seconds, losses


def whole_graph(name: str, pair: Pair, steps: int, target: float) -> None:
    """One step over all links."""
    training = pair.training("whole graph")
    pair.weights(training)
    links = pair.con.tocoo()
    np.savez(pair.folder / "batches.npz", full=np.stack([links.row, links.col]).astype(np.int64))
    pair.plan(steps=steps)
    ours, losses = full_steps(training, 4)
    peer = pair.peer("full")
    again, _ = full_steps(pair.training("whole graph"), 4)
    mine = min(*ours[1:], *again[1:])
    if peer is None:
        ratio(f"{name}-whole-graph", mine, None, "s/step", float("nan"), target, met=False)
        return
    theirs = min(peer["seconds"])
    print(f"{name}: loss of the first step {losses[0]:.6g} and {peer['losses'][0]:.6g}; "
          f"the peer took {peer['gb'][0]:.1f} GB")  # fmt: skip
    ratio(
        f"{name}-whole-graph", mine, theirs, "s/step", theirs / mine, target,
        theirs / mine >= target,
    )  # fmt: skip


def full_steps(training: Training, count: int) -> tuple[list[float], list[float]]:
    steps = training.steps()
    seconds, losses = [], []
    for _ in range(count):
        began = time.process_time()
        losses.append(next(steps).loss * training.x.numel())
        seconds.append(time.process_time() - began)
    return seconds, losses


def large(spots: int, quick: bool) -> None:
    """Peak memory and seconds of a process that trains; whole epochs, but for batches of 64."""
    whole = 2 if quick else 3
    for name, mode, batch, epochs in (
        ("batches of 64, not a whole epoch", "sampled", 64, 0),
        ("batches of 2,048", "sampled", 2048, whole),
        ("whole graph", "whole graph", 64, 10 * whole),
    ):
        asked = [sys.executable, __file__, "--train", mode, "--spots", str(spots),
                 "--batch", str(batch), "--epochs", str(epochs)]  # fmt: skip
        done = subprocess.run(asked, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout.strip().splitlines()[-1])
        each = found["step"] * found["per epoch"]
        print(f"{spots} spots x 1,000 genes, {name}: {found['steps']} steps, {found['step']:.2f} "
              f"CPU s each, {found['per epoch']} in an epoch ({each:.0f} s); error a value "
              f"{found['first']:.4f} to {found['last']:.4f}", flush=True)  # fmt: skip
        ratio(f"memory-{name.split(',')[0].replace(' ', '-')}", found["gb"], None, "GB",
              found["gb"] / 8, 1.0, found["gb"] <= 8)  # fmt: skip


def train(mode: str, spots: int, batch: int, epochs: int) -> None:
    """So many epochs, or six steps of one."""
    from napari_stml.methods.spacon.training import Plan, Training

    x, con, spa = data(spots, 1000, 15 * spots)
    training = Training(x, con, spa, Plan(mode=mode, epochs=max(1, epochs), rate=1e-3, batch=batch))
    del x
    per_epoch = -(-spots // batch) if mode == "sampled" else 1
    steps, losses = training.steps(), [next(training.steps()).loss]  # the first one compiles
    began = time.process_time()
    for step in steps:
        losses.append(step.loss)
        if not epochs and len(losses) > 6:
            break
    seconds = (time.process_time() - began) / (len(losses) - 1)
    training.features()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"gb": peak, "step": seconds, "first": losses[0], "last": losses[-1],
                      "steps": len(losses) - 1, "per epoch": per_epoch}))  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller sizes")
    parser.add_argument("--only", choices=("oracle", "field", "whole", "large"),
                        help="field: epochs at 3,372 spots; whole: whole graph there")  # fmt: skip
    parser.add_argument("--links", type=int, default=900_000,
                        help="of the connections at 3,372 spots (the peer takes some 18 GB for "
                        "a step on the whole graph with 900,000)")  # fmt: skip
    parser.add_argument("--peer-python", type=Path, default=PEER)
    parser.add_argument("--train", help=argparse.SUPPRESS)
    parser.add_argument("--spots", type=int, default=50_000, help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, default=64, help=argparse.SUPPRESS)
    parser.add_argument("--epochs", type=int, default=0, help=argparse.SUPPRESS)
    add_record(parser)
    given = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    if given.train:
        train(given.train, given.spots, given.batch, given.epochs)
        return
    with recorded(__file__, given.record):
        compare(given)


def compare(given: argparse.Namespace) -> None:
    small = (800, 120, 48_000)
    field = (1_500, 600, 150_000) if given.quick else (3_372, 1_122, given.links)
    if given.only in (None, "oracle"):
        with tempfile.TemporaryDirectory() as folder:
            epoch("oracle-size", Pair(Path(folder), small, (64, 32, 16), given.peer_python), 13, 4)
    if given.only in (None, "field", "whole"):
        with tempfile.TemporaryDirectory() as folder:
            pair = Pair(Path(folder), field, (256, 128, 32), given.peer_python)
            print("{:,} spots x {:,} genes, {:,} links".format(*field))
            if given.only != "whole":
                epoch("wide-field", pair, 6, 4)
            if given.only != "field":
                whole_graph("wide-field", pair, 1, 15)
    if given.only in (None, "large"):
        large(10_000 if given.quick else 50_000, given.quick)


if __name__ == "__main__":
    main()
