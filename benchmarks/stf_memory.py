"""The STF without h2h on large slides: peak memory and CPU time against the number of spots.

A forward pass of the described model at its default size (width 256, 2 layers, 50 pathways, 1,000
genes, 2,048 features per spot) over all spots at once, each size in a process of its own. Time is
CPU time of one thread; linear means that time per spot changes by at most a fifth from the smallest
to the largest size. With `--train` a step of training (forward, loss, backward) is measured too.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

SIZES = (12_500, 25_000, 50_000, 100_000)
MOST_GB = 4.0


def one(spots: int, features: int, train: bool, device: str) -> dict:
    import torch

    from napari_stml.models.stf import Stf, StfConfig

    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = StfConfig(features, 1000, interactions=("p2p", "p2h", "h2p"))
    net = Stf(config).to(device).train(train)
    side = int(spots**0.5) + 1
    x = torch.randn(1, spots, features, device=device)
    place = torch.arange(spots, device=device)
    xy = torch.stack([place % side, place // side], dim=-1)[None].float()
    small = x[:, :2000], xy[:, :2000]
    with torch.no_grad():
        net(*small)
    start, wall = time.process_time(), time.perf_counter()
    if train:
        net(x, xy).genes.square().mean().backward()
    else:
        with torch.inference_mode():
            net(x, xy)
    if device != "cpu":
        torch.cuda.synchronize()
    spent = {"cpu_s": time.process_time() - start, "wall_s": time.perf_counter() - wall}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    if device != "cpu":
        peak = torch.cuda.max_memory_allocated() / 2**30
    return {"spots": spots, **spent, "peak_gb": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="up to 25,000 spots")
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(args.one, args.features, args.train, args.device)))
        return
    sizes = SIZES[:2] if args.quick else SIZES
    found = []
    for spots in sizes:
        words = [sys.executable, __file__, "--one", str(spots), "--features", str(args.features),
                 "--device", args.device, *(["--train"] if args.train else [])]  # fmt: skip
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
        f = found[-1]
        print(f"{spots:>7} spots  {f['cpu_s']:7.2f} CPU-s  {f['wall_s']:7.2f} s  "
              f"{1e6 * f['cpu_s'] / spots:6.1f} us per spot  peak {f['peak_gb']:.2f} GB",
              flush=True)  # fmt: skip
    n = [f["spots"] for f in found]
    t = [f["cpu_s"] if args.device == "cpu" else f["wall_s"] for f in found]
    slope = sum(a * b for a, b in zip(n, t, strict=True)) / sum(a * a for a in n)
    off = max(abs(b - slope * a) / (slope * a) for a, b in zip(n, t, strict=True))
    change = (t[-1] / n[-1]) / (t[0] / n[0])
    print(f"fit through 0: {1e6 * slope:.1f} us per spot, largest deviation {off:.0%}")
    met = "met" if 0.8 <= change <= 1.2 else "short"
    print(f"RATIO stf-time-per-spot-{n[0]}-to-{n[-1]} ours={change:.2f} peer=absent unit=ratio "
          f"ratio={change:.2f} target=1.2 {met}")  # fmt: skip
    peak = found[-1]["peak_gb"]
    met = "met" if peak < MOST_GB else "short"
    print(f"RATIO stf-peak-memory-{n[-1]} ours={peak:.2f} peer=absent unit=GB "
          f"ratio={peak / MOST_GB:.2f} target=1 {met}")  # fmt: skip


if __name__ == "__main__":
    main()
