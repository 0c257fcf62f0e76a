"""Expression from H&E on her2st: within a patient and across patients, networks against ridge.

Protocol. Splits: two of C2, C3, C4 teach, the third is predicted (full resolution); A1 + A2 teach,
C2-C4 are predicted, and the other way round (3.2 um/px). Targets: log1p of counts per 10,000 over
all genes, raw and averaged over 3 x 3 spots (training and test alike). Gene lists from the training
sections only: the 250 of highest mean among those in a tenth of the spots (HEG250); the published
785; 26 markers. Targets are centred per training section. Score: Pearson r per gene and test
section, mean over both. Networks: three seeds; `r` is the mean of the single ones, `together` the r
of their mean prediction. The gain over ridge is paired over genes and sections (bootstrap of both).

Choices by inner splits (leave one training section out; nothing of the test section is looked at
but its pictures): the ridge penalty; for `reduced rank` the rank, the penalty, and how features are
taken (the best three of TAKEN, averaged). Networks stop on blocks of the training sections; their
sizes (her2st_models.py) were fixed beforehand. The kind of model (reduced rank) and the candidates
of TAKEN were found while looking at these same sections; see results/her2st_expression.md.

`stf on vit` sees the class token of the tile ViT that the same training sections taught. `he2rna`
is a resnet18 and `vit_st` a vit_tiny, both from random weights: none are shipped.

Every fit is kept in `.cache/expression`: a stopped run goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent / "support"))

from expression_data import her2st_folder
from her2st_models import LINEAR, NETWORKS, linear_model, network
from her2st_task import SPLITS, TARGETS, Task, load

from napari_stml.methods.expression_models.scores import bootstrap
from results import add_record, ratio, recorded

FLOORS = {("within patient", "raw"): 0.267, ("within patient", "smoothed"): 0.389,
          ("A to C", "raw"): 0.147, ("A to C", "smoothed"): 0.218,
          ("C to A", "raw"): 0.073, ("C to A", "smoothed"): 0.099}  # fmt: skip
GOALS = {"within patient": 0.43, "A to C": 0.26, "C to A": 0.13}
LISTS = ("HEG250", "785", "markers")
Scored = tuple[np.ndarray, float, float]


def tasks() -> dict[str, list[Task]]:
    found = {}
    for title, folds in SPLITS.items():
        slides, genes = load(title)
        found[title] = [Task(slides, genes, train, test) for train, test in folds]
    return found


def measured(task: Task, model: str, target: str, seeds: int) -> dict[str, tuple[Scored, float]]:
    """By gene list: scores of the seeds' mean prediction, and the mean r of single ones."""
    if model in LINEAR:
        each = [linear_model(task, model, target)]
    else:
        each = [network(task, model, target, seed) for seed in range(seeds)]
    together = [np.mean(p, axis=0) for p in zip(*each, strict=True)]
    return {
        name: (task.scores(together, target, name),
               float(np.mean([task.scores(f, target, name)[0].mean() for f in each])))
        for name in LISTS
    }  # fmt: skip


def compare(title: str, target: str, folds: list[Task], models: list[str], seeds: int) -> list:
    """Rows of the table for one split and kind of targets."""
    start, found = time.process_time(), {}
    for model in models:
        found[model] = [measured(t, model, target, seeds) for t in folds]
        print(f"  {title}, {target}, {model}: {time.process_time() - start:.0f} CPU-s", flush=True)
    rows = []
    for name in LISTS:
        base = [f[name][0][0] for f in found["ridge"]] if "ridge" in found else None
        for model in models:
            each = [f[name] for f in found[model]]
            r = [e[0][0] for e in each]
            gain = ""
            if base is not None and model != "ridge":
                mean, low, high = bootstrap(_one(r), _one(base))
                gain = f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"
            single = float(np.mean([e[1] for e in each]))
            whole = float(np.mean([v.mean() for v in r]))
            median = float(np.mean([np.median(v, axis=1).mean() for v in r]))
            mse, flat = (float(np.mean([e[0][k] for e in each])) for k in (1, 2))
            rows.append((title, target, name, model, single, whole, median, mse, flat, gain))
    return rows


def _one(folds: list[np.ndarray]) -> np.ndarray:
    """Sections of all folds by genes; lists of unequal length are cut to the shortest."""
    least = min(v.shape[1] for v in folds)
    return np.concatenate([v[:, :least] for v in folds])


def shown(rows: list) -> None:
    print("| split | targets | genes | model | r | together | median | squared error | "
          "variance ratio | gain over ridge |")  # fmt: skip
    print("|---" * 10 + "|")
    for title, target, name, model, *numbers, gain in rows:
        single, whole, median, mse, flat = numbers
        print(f"| {title} | {target} | {name} | {model} | {single:.3f} | {whole:.3f} | "
              f"{median:.3f} | {mse:.3f} | {flat:.2f} | {gain} |")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="linear models and one stf")
    parser.add_argument("--models", nargs="+", default=[*LINEAR, *NETWORKS])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--targets", nargs="+", default=list(TARGETS), choices=TARGETS)
    add_record(parser)
    args = parser.parse_args()
    if not her2st_folder().is_dir():
        print(f"{her2st_folder()} is absent: nothing to measure (set STML_DATA)")
        return
    torch.set_num_threads(1)
    models = [*LINEAR, "stf"] if args.quick else args.models
    seeds = 1 if args.quick else args.seeds
    with recorded(__file__, args.record, "her2st_expression_run"):
        rows = []
        for title, folds in tasks().items():
            for target in args.targets:
                rows += compare(title, target, folds, models, seeds)
        shown(rows)
        for title, wanted in GOALS.items():
            ours = [(r[5], r[3]) for r in rows if r[:3] == (title, "smoothed", "HEG250")]
            if ours:
                best, model = max((o for o in ours if o[1] != "ridge"), default=max(ours))
                floor = FLOORS[title, "smoothed"]
                print(f"the best of {title}: {model}")
                ratio(f"her2st-{title.replace(' ', '-')}-heg250-smoothed", best, floor, "pearson",
                      best / floor, wanted / floor, best > wanted)  # fmt: skip


if __name__ == "__main__":
    main()
