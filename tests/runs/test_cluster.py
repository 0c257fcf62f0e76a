"""A recipe on a two-process cluster: equal results, a killed worker, a rerun, and refusals."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cohort_toys  # noqa: F401 - registers
import pytest
from cohort import assert_equal_bits, values_of, write_section

from napari_stml.core.errors import StmlError
from napari_stml.runs import cluster as cluster_module
from napari_stml.runs import scheduler
from napari_stml.runs.cluster import OnCluster, cluster
from napari_stml.runs.recipe import Recipe, read_recipe
from napari_stml.runs.recipe_run import follow
from napari_stml.runs.recipe_sections import SectionPlan
from napari_stml.runs.recipe_work import Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_stml.runs.recipe_work import Event

HERE = Path(__file__).parent
RECIPE = """
recipe: 1
modules: [cohort_toys]
sections: ["*.h5ad"]
steps:
  - {analysis: embed, params: {variable_genes: 30, dimensions: 4, umap: false}}
  - {analysis: toy-mortal, name: mortal, params: {mark: MARK}}
  - name: domains
    analysis: clusters
    from: {embedding: embed/X_pca}
    params: {sweep: false, neighbours: 6, smooth: 0}
  - {analysis: toy-pooled, name: pooled}
outputs: ["out/{section}.csv"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cluster")
    for i, name in enumerate("abc"):
        write_section(folder / f"{name}.h5ad", i)
    (folder / "run.yaml").write_text(RECIPE.replace("MARK", str(folder / "mark")), "utf-8")
    return folder


@pytest.fixture(scope="module")
def two_processes(folder: Path) -> Iterator[tuple[OnCluster, dict[str, str]]]:
    """Workers that see the toys and keep what they compute in a folder of their own."""
    before = dict(os.environ)
    os.environ["STML_DATA_HOME"] = str(folder / "data-cluster")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), before.get("PYTHONPATH", "")])
    try:
        with cluster("local", workers=2, warn=print) as on:
            yield on, dict(os.environ)
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_two_processes_and_a_killed_one_give_what_one_process_gives(
    folder: Path, two_processes: tuple[OnCluster, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = read_recipe(folder / "run.yaml")
    on, _ = two_processes
    told: list[Event] = []
    report = follow(recipe, tell=told.append, runner=on)
    assert [e.text for e in report.events if e.state == "failed"] == []
    assert (folder / "mark").exists(), "a worker killed itself in the middle of b"
    assert [e.section for e in told if e.state == "retried"] == ["b"]
    ended = {(e.section, e.step): e.state for e in report.events}
    assert ended["b", "embed"] == "complete", "the next attempt skips what was finished"
    assert ended["b", "mortal"] == "computed"
    assert ended["3 sections", "pooled"] == "computed"
    assert {e.section for e in told if e.state == "running"} >= {"a", "b", "c"}
    assert {s for (_, step), s in ended.items() if step.endswith(".csv")} == {"written"}

    again = follow(recipe, runner=on)
    assert {e.state for e in again.events} == {"complete"}
    assert again.known == report.known

    monkeypatch.setenv("STML_DATA_HOME", str(folder / "data-cluster"))
    parallel = {n: values_of(folder / f"{n}.h5ad") for n in "abc"}
    monkeypatch.setenv("STML_DATA_HOME", str(folder / "data-alone"))
    alone = follow(recipe)
    assert alone.count("computed") == 3 * 3 + 1
    for name, values in parallel.items():
        assert_equal_bits(values, values_of(folder / f"{name}.h5ad"))


def test_only_local_encrypted_and_named(two_processes: tuple[OnCluster, dict[str, str]]) -> None:
    client = two_processes[0].client
    own = client.cluster.scheduler
    assert own.address.startswith("tls://127.0.0.1:")
    assert own.allowed_failures == 1
    assert own.worker_ttl > 3600
    http = {s.getsockname()[0] for s in own.http_server._sockets.values()}
    assert http == {"127.0.0.1"}, "the dashboard's server as well"


def test_a_resource_that_nobody_offers_is_refused_at_once(
    two_processes: tuple[OnCluster, dict[str, str]],
) -> None:
    with pytest.raises(StmlError, match="No worker offers the resource GPU"):
        scheduler.check_offered(two_processes[0].client, {"GPU": 1})


@pytest.mark.parametrize(
    ("address", "warned"),
    [
        ("tcp://10.0.0.7:8786", True),
        ("cluster.example:8786", True),
        ("tcp://127.0.0.1:8786", False),
        ("tcp://localhost:8786", False),
        ("tcp://[::1]:8786", False),
        ("tls://10.0.0.7:8786", False),
    ],
)
def test_an_open_address_is_warned_of(address: str, warned: bool) -> None:
    said: list[str] = []
    scheduler.warn_of_open_address(address, said.append)
    assert bool(said) == warned


def test_a_scheduler_that_does_not_answer(tmp_path: Path) -> None:
    with (
        pytest.raises(StmlError, match="certificate is missing"),
        cluster("tls://127.0.0.1:1", security=str(tmp_path), warn=print),
    ):
        pass


def test_without_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(StmlError, match=r"napari-stml\[cluster\]"), cluster("local", warn=print):
        pass


def test_a_task_whose_workers_died_twice_is_a_failure() -> None:
    class Future:
        status = "error"

        def exception(self) -> Exception:
            return type("KilledWorker", (Exception,), {})("task")

    recipe = Recipe.model_validate({"recipe": 1, "sections": ["a"]})
    task = Task(recipe=recipe, sections=(SectionPlan(label="a", path="a"),))
    done = cluster_module._answer(Future(), task)
    assert done.failed
    assert "died twice" in done.events[0].text
