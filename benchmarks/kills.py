"""SIGKILL during every way of saving: afterwards every reader finds the old or the new values.

A nursery process imports the program once and forks a child for each trial; the child works on a
fresh copy of one small store and dies either at a random moment or right before a chosen file
operation. Then spatialdata, anndata and zarr (trusting the consolidated metadata) read the store,
it is opened by us (this recovery is killed too in every third trial), and all read it again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from support.results import add_record, ratio, recorded

warnings.filterwarnings("ignore")

N = 40
NAMES = [f"AAC{i:03}-1" for i in range(N)]
LAST = 40
PEER_TRIALS = 20
State = dict[str, Any]

# --- the store and what is done to it -----------------------------------------------------------


def run_table(seed: int) -> Any:
    import anndata as ad
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    obs = pd.DataFrame({"clusters": rng.choice(["tumour", "stroma"], N)}, index=NAMES)
    return ad.AnnData(obs=obs, obsm={"feature": rng.random((N, 8)).astype("f4")})


def outlines(seed: int, shift: float = 0.0) -> Any:
    import geopandas as gpd
    import numpy as np
    import shapely
    from spatialdata.models import ShapesModel
    from spatialdata.transformations import Translation

    corners = np.random.default_rng(seed).integers(0, 90, (6, 2)).tolist()
    frame = gpd.GeoDataFrame(
        {"geometry": [shapely.box(x, y, x + 9, y + 9) for x, y in corners], "class": f"c{seed}"}
    )
    return ShapesModel.parse(
        frame, transformations={"global": Translation([shift, 0.0], axes=("x", "y"))}
    )


def mask(seed: int, size: int) -> Any:
    import numpy as np

    return np.random.default_rng(seed).integers(0, 9, (size, size), dtype=np.int32)


def publish(store: Any, run_id: str, seed: int) -> None:
    staging = store.stage(run_id)
    staging.add_table("", run_table(seed), region="spots")
    staging.add_labels("mask", mask(seed, 64))
    staging.finish()
    store.publish(staging, json.dumps({"seed": seed, "parents": []}))


def make_base(path: Path) -> None:
    """A store of another program, then two Runs (one undone), regions, a mask and styling."""
    import anndata as ad
    import geopandas as gpd
    import numpy as np
    import pandas as pd
    import shapely
    import spatialdata as sd
    from spatialdata.models import Image2DModel, PointsModel, ShapesModel, TableModel

    from napari_stml.io.store import Store

    rng = np.random.default_rng(0)
    spots = gpd.GeoDataFrame(
        {"geometry": [shapely.Point(i, i) for i in range(N)], "radius": 1.0}, index=NAMES
    )
    obs = pd.DataFrame({"region": pd.Categorical(["spots"] * N), "id": NAMES}, index=NAMES)
    table = ad.AnnData(rng.random((N, 5)).astype("f4"), obs=obs)
    points = pd.DataFrame({"x": rng.random(5), "y": rng.random(5)})
    pixels = rng.integers(0, 255, (3, 64, 64), dtype=np.uint8)
    sd.SpatialData(
        images={"he": Image2DModel.parse(pixels, dims=("c", "y", "x"))},
        shapes={"spots": ShapesModel.parse(spots)},
        points={"tx": PointsModel.parse(points)},
        tables={
            "table": TableModel.parse(table, region="spots", region_key="region", instance_key="id")
        },
        attrs={"theirs": 1},
    ).write(path)
    with Store.open(path) as store:
        publish(store, "kmeans-1", 1)
        publish(store, "pca-1", 2)
        store.undo("pca-1")
        store.replace("shapes", "stml.regions", outlines(0))
        store.replace("shapes", "stml.regions", outlines(1))
        store.replace("labels", "stml.mask", mask(0, 64))
        store.set_attr("styling", {"palette": "old"})


def act(name: str, path: Path) -> None:
    """One way of saving. Opening the store is part of it."""
    from napari_stml.core.geometry import Affine
    from napari_stml.io.store import Part, Store, files, save_as

    if name == "mask, two renames":
        files.exchange = lambda a, b: False
    with Store.open(path) as store:
        match name:
            case "publish":
                publish(store, "leiden-1", 3)
            case "undo":
                store.undo("kmeans-1")
            case "redo":
                store.redo("pca-1")
            case "regions":
                store.replace("shapes", "stml.regions", outlines(2))
            case "regions moved":
                store.replace("shapes", "stml.regions", outlines(2, shift=7.0))
            case "new regions":
                store.replace("shapes", "stml.vessels", outlines(4))
            case "no regions":
                store.remove("shapes", "stml.regions")
            case "restore":
                store.restore("shapes", "stml.regions", 1)
            case "mask" | "mask, two renames":
                store.replace("labels", "stml.mask", mask(1, 600))
            case "styling":
                store.set_attr("styling", {"palette": "new"})
            case "alignment":
                store.set_transformation("images", "he", Affine.translation(5, 6))
            case "save as":
                parts = [
                    Part(kind, name, lambda p=path / kind / name: p)
                    for kind, name in (("images", "he"), ("shapes", "spots"), ("tables", "table"))
                ]
                list(save_as(path.parent / "copy.zarr", parts, kept=store))
            case "recover":
                pass


ACTS = (
    "publish", "undo", "redo", "regions", "regions moved", "new regions", "no regions", "restore",
    "mask", "mask, two renames", "styling", "alignment", "save as",
)  # fmt: skip

# --- the nursery --------------------------------------------------------------------------------


def arm(kill_at: int) -> list[int]:
    """Count file operations and die right before number ``kill_at`` (0: never)."""
    from napari_stml.io.store import files

    count = [0]

    def wrap(original: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            count[0] += 1
            if count[0] == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **kwargs)

        return call

    for name in ("rename", "replace", "fsync", "unlink", "mkdir", "link", "rmdir", "ftruncate"):
        setattr(os, name, wrap(getattr(os, name)))
    files.exchange = wrap(files.exchange)
    return count


def nursery() -> None:
    """Read trials as JSON lines, fork a child for each, answer how it ended."""
    import anndata  # noqa: F401
    import spatialdata  # noqa: F401

    import napari_stml.io.store  # noqa: F401

    for line in sys.stdin:
        trial = json.loads(line)
        start = time.perf_counter()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.dup2(2, 1)
                count = arm(trial["kill_at"])
                act(trial["act"], Path(trial["path"]))
                Path(trial["path"]).with_name("count").write_text(str(count[0]))
                code = 0
            finally:
                os._exit(code)
        if trial["kill_after"]:
            time.sleep(trial["kill_after"])
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        seconds = time.perf_counter() - start
        print(json.dumps({"code": os.waitstatus_to_exitcode(status), "s": seconds}), flush=True)


class Nursery:
    def __init__(self, log: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--nursery"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log.open("w"), text=True,
        )  # fmt: skip
        self.log = log

    def run(self, name: str, path: Path, kill_at: int = 0, kill_after: float = 0.0) -> State:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        trial = {"act": name, "path": str(path), "kill_at": kill_at, "kill_after": kill_after}
        self.process.stdin.write(json.dumps(trial) + "\n")
        self.process.stdin.flush()
        answer: State = json.loads(self.process.stdout.readline())
        if answer["code"] not in (0, -signal.SIGKILL):
            raise RuntimeError(f"{name} failed by itself:\n{self.log.read_text()}")
        return answer

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


# --- what the readers find ----------------------------------------------------------------------


def digest(*parts: bytes) -> str:
    return hashlib.sha256(b"|".join(parts)).hexdigest()[:16]


def read(path: Path) -> State:
    """Everything that the three readers see; raises when one of them fails or disagrees."""
    import anndata as ad
    import numpy as np
    import spatialdata as sd
    import zarr
    from spatialdata.transformations import get_transformation

    data = sd.read_zarr(path)
    state: State = {}
    for kind, name, element in data.gen_elements():
        if kind == "tables":
            alone = ad.read_zarr(path / "tables" / name)
            assert alone.obs.equals(element.obs), f"anndata reads another obs of {name}"
            arrays = [np.asarray(v).tobytes() for v in alone.obsm.values()]
            matrix = b"" if alone.X is None else np.asarray(alone.X).tobytes()
            state[f"tables/{name}"] = digest(alone.obs.to_csv().encode(), matrix, *arrays)
            continue
        place = str(get_transformation(element, get_all=True)).encode()
        if kind == "shapes":
            values = element.to_wkb().to_csv().encode()
        elif kind == "points":
            values = element.compute().to_csv().encode()
        else:
            levels = [element] if hasattr(element, "dims") and hasattr(element, "data") else [
                level["image"] for level in element.values()
            ]  # fmt: skip
            values = b"".join(np.asarray(level.data).tobytes() for level in levels)
        state[f"{kind}/{name}"] = digest(place, values)
    state["attrs"] = json.dumps(data.attrs, sort_keys=True)
    root = json.loads((path / "zarr.json").read_text())
    if "consolidated_metadata" in root:
        for name, node in zarr.open_consolidated(str(path), mode="r").members(max_depth=None):
            real = json.loads((path / name / "zarr.json").read_text())
            if isinstance(node, zarr.Array):
                chunks = real["chunk_grid"]["configuration"]["chunk_shape"]
                trusted = (list(node.shape), list(node.chunks))
                assert trusted == (real["shape"], chunks), f"stale entry {name}"
                node[...]
    return state


def read_recovered(path: Path) -> State:
    """As `read`, and what our own store says; the block must list all that lies on the disk."""
    import zarr

    from napari_stml.io.store import Store

    with Store.open(path) as store:
        runs = [(r.run_id, r.state) for r in store.runs()]
        undone = store.undone()
        present = set(store.elements)
    state = read(path)
    block = zarr.open_consolidated(str(path), mode="r").metadata.consolidated_metadata
    listed = {p for p in block.flattened_metadata if p.count("/") == 1}
    assert listed == present, f"the block lists other elements: {present ^ listed}"
    left = {p.name for p in (path / ".stml").iterdir()}
    extra = {n for n in left if n.startswith("new-") or n.endswith((".tmp", "journal.json"))}
    assert not extra, f"left behind: {extra}"
    return {**state, "runs": runs, "undone": undone}


def plain(state: State) -> State:
    """The part of `read_recovered` that other programs see."""
    return {k: v for k, v in state.items() if k not in {"runs", "undone"}}


def user_files(path: Path) -> dict[str, str]:
    """Hashes of all files that are not ours (the root and the alignment's target excepted)."""
    found = {}
    for file in path.rglob("*"):
        name = file.relative_to(path).as_posix()
        if (
            file.is_file()
            and "stml" not in name
            and name not in {"zarr.json", "images/he/zarr.json"}
        ):
            found[name] = digest(file.read_bytes())
    return found


# --- the trials ---------------------------------------------------------------------------------


class Trials:
    def __init__(self, folder: Path, seed: int, quick: bool) -> None:
        self.folder, self.quick = folder, quick
        self.random = random.Random(seed)
        self.base = folder / "base" / "section.zarr"
        self.base.parent.mkdir()
        make_base(self.base)
        self.nursery = Nursery(folder / "nursery.log")
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self.old = read_recovered(self.fresh("old"))
        self.old_plain = plain(self.old)
        self.files = user_files(self.base)
        self.new: dict[str, State] = {}
        self.new_plain: dict[str, State] = {}
        self.steps: dict[str, int] = {}
        self.seconds: dict[str, float] = {}

    def fresh(self, name: str) -> Path:
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        subprocess.run(["cp", "-a", str(self.base), str(folder)], check=True)
        return folder / "section.zarr"

    def learn(self, name: str) -> None:
        """Let it come to its end once: the new values, the number of file operations, the time."""
        if name in self.steps:
            return
        path = self.fresh("learn")
        self.seconds[name] = self.nursery.run(name, path)["s"]
        self.steps[name] = int(path.with_name("count").read_text())
        result = path.with_name("copy.zarr") if name == "save as" else path
        self.new[name] = read_recovered(result)
        self.new_plain[name] = plain(self.new[name])

    def some_step(self, name: str) -> int:
        """Half of them among the last operations: there the store itself changes."""
        self.learn(name)
        last = self.steps[name]
        return self.random.randint(max(1, last - LAST) if self.random.random() < 0.5 else 1, last)

    def trial(self, name: str, step: int, kill_recovery: bool) -> None:
        """Kill before file operation ``step``, or at a random moment when it is 0."""
        self.learn(name)
        path = self.fresh("trial")
        if step:
            how = f"before operation {step} of {self.steps[name]}"
            answer = self.nursery.run(name, path, kill_at=step)
        else:
            after = self.random.uniform(0.005, self.seconds[name])
            how = f"after {after * 1000:.0f} of {self.seconds[name] * 1000:.0f} ms"
            answer = self.nursery.run(name, path, kill_after=after)
        self.counts["trials"] += 1
        self.counts["killed before the end"] += answer["code"] == -signal.SIGKILL
        self.counts[f"{name}"] += 1
        try:
            self.check(name, path, kill_recovery)
        except Exception as error:  # noqa: BLE001 - every failure of a reader is counted
            self.failures.append(f"{name}, {how}: {type(error).__name__}: {error}")
            print("FAILURE", self.failures[-1], flush=True)

    def check(self, name: str, path: Path, kill_recovery: bool) -> None:
        if name == "save as":
            copy = path.with_name("copy.zarr")
            if copy.exists():
                assert read(copy) == self.new_plain[name], "the copy is not whole"
            assert read(path) == self.old_plain, "Save as changed the source"
            if not copy.exists():
                act(name, path)
                assert read(copy) == self.new_plain[name], "saving again failed"
            assert not list(path.parent.glob(".copy*")), "a draft was left"
            return
        self.old_or_new_each(name, read(path))
        if kill_recovery:
            answer = self.nursery.run("recover", path, kill_at=self.random.randint(2, 14))
            if answer["code"] == -signal.SIGKILL:
                self.counts["recoveries killed"] += 1
                self.old_or_new_each(name, read(path))
        state = read_recovered(path)
        self.counts["old"] += state == self.old
        self.counts["new"] += state == self.new[name]
        different = [k for k in state if state[k] not in (self.old.get(k), self.new[name].get(k))]
        assert state in (self.old, self.new[name]), f"neither old nor new: {different}"
        assert user_files(path).items() >= self.files.items(), "the user's files changed"
        if state == self.old and not (self.quick and self.counts["trials"] % 3):
            act_here(name, path)
            assert read_recovered(path) == self.new[name], "saving again failed"

    def old_or_new_each(self, name: str, state: State) -> None:
        """Before recovery each element is old or new; one that stays must be there."""
        old, new = self.old_plain, self.new_plain[name]
        for key, value in state.items():
            assert value in (old.get(key), new.get(key)), f"{key} is neither old nor new"
        missing = {k for k in old if k in new and k not in state}
        if missing == {"labels/stml.mask"} and name == "mask, two renames":
            self.counts["absent between two renames, until recovery"] += 1
            return
        assert not missing, f"lost: {missing}"


def act_here(name: str, path: Path) -> None:
    from napari_stml.io.store import files

    exchange = files.exchange
    try:
        act(name, path)
    finally:
        files.exchange = exchange


def peer_losses(trials: Trials, number: int) -> int:
    """Spatialdata's own way to save a table again, killed at random moments."""
    import spatialdata as sd

    script = (
        "import sys, warnings; warnings.filterwarnings('ignore')\n"
        "import spatialdata as sd\n"
        "data = sd.read_zarr(sys.argv[1]); table = data['table']; print('go', flush=True)\n"
        "data.delete_element_from_disk('table'); data.write_element('table')\n"
    )
    lost = 0
    for _ in range(number):
        path = trials.fresh("peer")
        child = subprocess.Popen(
            [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(trials.random.uniform(0.0, 0.2))
        child.kill()
        child.wait()
        try:
            lost += "table" not in sd.read_zarr(path).tables
        except Exception:  # noqa: BLE001 - unreadable is lost
            lost += 1
    return lost


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="26 trials, no peer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--every", action="store_true", help=f"kill before each of the last {LAST} operations"
    )
    parser.add_argument("--only", help="one way of saving")
    parser.add_argument("--nursery", action="store_true", help=argparse.SUPPRESS)
    add_record(parser)
    options = parser.parse_args()
    if options.nursery:
        nursery()
        return 0
    with recorded(__file__, options.record):
        return trial(options)


def trial(options: argparse.Namespace) -> int:
    number = min(options.trials, 26) if options.quick else options.trials
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(Path(folder), options.seed, options.quick)
        names = [options.only] if options.only else ACTS
        if options.every:
            number = 0
            for name in names:
                trials.learn(name)
                for step in range(max(1, trials.steps[name] - LAST), trials.steps[name] + 1):
                    trials.trial(name, step, kill_recovery=False)
                    number += 1
        else:
            for i in range(number):
                name = names[i % len(names)]
                step = 0 if (i // len(names)) % 3 == 2 else trials.some_step(name)
                trials.trial(name, step, kill_recovery=i % 3 == 0)
        trials.nursery.close()
        alone = options.quick or options.only or options.every
        peer = None if alone else 100 * peer_losses(trials, PEER_TRIALS) / PEER_TRIALS
    for key, value in trials.counts.items():
        print(f"{key:45} {value}")
    print(f"{'failures':45} {len(trials.failures)}")
    print(f"{time.perf_counter() - start:.0f} s")
    ours = 100 * len(trials.failures) / max(1, number)
    ratio("losses_per_100_kills", ours, peer, "count", ours, 0, not trials.failures)
    return 1 if trials.failures else 0


if __name__ == "__main__":
    sys.exit(main())
