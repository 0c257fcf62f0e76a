"""What every analysis has to do: fit the contract, stay in its scope, refuse what it cannot use."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from napari_stml.analyses import load_all
from napari_stml.core.analysis import finish
from napari_stml.core.errors import StmlError
from napari_stml.core.inputs import Inputs, Matrix2D
from napari_stml.core.results import GeneValues, Graph, Labels, Matrix, Table, Values

OURS: dict[str, dict[str, Any]] = {
    "qc": {},
    "embed": {},
    "clusters": {"sweep": False},
    "scores": {"genes": ("TG0", "TG1", "nowhere")},
    "cell-types": {"markers": (("tumour", "TG0, TG1, TG2"), ("stroma", "SG0,SG1"))},
    "markers": {"column": "domain"},
    "ligand-receptor": {"column": "domain", "pairs": ("TG0:SG0", "TG1:TG2"), "shuffles": 20},
    "spacon": {
        "epochs": 1,
        "hidden": (16, 8, 4),
        "input": "genes",
        "positions_ahead": 3,
        "resume": False,
    },
}
every = pytest.mark.parametrize("name", OURS)


def arrays(result: Any) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for section, parts in result.parts.items():
        for part in parts:
            if isinstance(part, Values | Matrix | GeneValues):
                found[f"{section}/{part.name}"] = np.asarray(part.values)
            elif isinstance(part, Labels):
                found[f"{section}/{part.name}"] = part.codes
            elif isinstance(part, Graph):
                found[f"{section}/{part.name}"] = part.matrix.toarray()
            elif isinstance(part, Table):
                for key, column in part.columns.items():
                    found[f"{section}/{part.name}/{key}"] = np.asarray(column)
    return found


def test_all_are_found() -> None:
    assert set(OURS) <= set(load_all())


def test_finding_them_imports_nothing_heavy() -> None:
    code = (
        "import sys; from napari_stml.analyses import load_all; load_all();"
        "heavy = {'scanpy', 'squidpy', 'anndata', 'sklearn', 'scipy', 'pandas', 'igraph', 'umap',"
        " 'numba', 'torch', 'matplotlib', 'dask', 'napari', 'qtpy'} & set(sys.modules);"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@every
def test_params_are_said_in_words(name: str) -> None:
    for field, info in load_all()[name].Params.model_fields.items():
        assert info.title, field
        assert info.description, field
        assert info.description.rstrip().endswith("."), field


@every
def test_equal_seeds_give_equal_bits(name: str, toy: Any, run: Any) -> None:
    first, second = (arrays(run(name, toy, seed=3, **OURS[name]).result) for _ in range(2))
    assert first.keys() == second.keys()
    for key, values in first.items():
        np.testing.assert_array_equal(values, second[key], err_msg=key)


@every
def test_nothing_outside_the_scope_is_seen(name: str, toy: Any, run: Any) -> None:
    inside = toy.array[:, 0] < 10
    whole = run(name, toy.with_(inside=inside), **OURS[name])
    alone = run(name, toy.rows(np.flatnonzero(inside)), **OURS[name])
    for part in alone.result.parts["toy"]:
        ours = arrays(whole.result)[f"toy/{part.name}"]
        other = arrays(alone.result)[f"toy/{part.name}"]
        if isinstance(part, GeneValues):
            np.testing.assert_array_equal(ours, other, err_msg=part.name)
        elif isinstance(part, Graph):
            np.testing.assert_array_equal(ours[inside][:, inside], other)
        else:
            np.testing.assert_array_equal(ours[inside], other, err_msg=part.name)


@every
def test_the_result_travels(name: str, toy: Any, run: Any) -> None:
    done = run(name, toy, **OURS[name])
    again = pickle.loads(pickle.dumps(done.result))
    assert set(again.parts) == set(done.result.parts)
    assert done.result.notes
    assert len(done.progress) >= 3


def broken(toy: Any, how: str) -> Any:
    counts = toy.counts.astype(float)
    if how == "nan":
        counts[3, 4] = np.nan
    if how == "zero":
        counts[:] = 0
    if how == "negative":
        counts[2, 2] = -1
    if how == "no genes":
        return toy.with_(counts=counts[:, :0], genes=())
    if how == "twins":
        return toy.with_(genes=("TG1", *toy.genes[1:]))
    if how == "twin spots":
        return toy.with_(names=np.array(["a", *toy.names[:-1]], dtype=object).repeat(1)[
            np.r_[0, 0, 2 : len(toy.names)]])  # fmt: skip
    if how == "one spot":
        return toy.with_(inside=np.arange(len(toy.names)) == 5)
    if how == "empty scope":
        return toy.with_(inside=np.zeros(len(toy.names), bool))
    return toy.with_(counts=counts)


@every
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("nan", "missing or infinite"), ("zero", "are zero"), ("negative", "negative"),
        ("no genes", "no genes"), ("twins", "more than once"), ("twin spots", "same name"),
        ("one spot", "at least"), ("empty scope", "found none"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_words(name: str, how: str, words: str, toy: Any, run: Any) -> None:
    if name == "qc" and how == "one spot":
        done = run("qc", broken(toy, how))  # quality needs no others
        assert (done.part("passes").codes >= 0).sum() == 1
        return
    with np.errstate(all="ignore"), pytest.raises(StmlError, match=words):
        run(name, broken(toy, how), **OURS[name])


@pytest.mark.parametrize("name", ["qc", "embed"])
def test_counts_must_be_whole(name: str, toy: Any, run: Any) -> None:
    with pytest.raises(StmlError, match="Counts are needed, but this matrix holds broken"):
        run(name, toy.with_(counts=toy.counts + 0.5))


@every
def test_a_section_without_spots_is_refused(name: str, toy: Any, run: Any) -> None:
    with pytest.raises(StmlError, match="no spots"):
        run(name, toy.rows([]), **OURS[name])


@every
def test_a_table_that_does_not_fit_is_a_fault_of_ours(name: str, toy: Any) -> None:
    analysis = load_all()[name]()
    values = analysis.Params(**OURS[name])
    section = toy.section(analysis.needs(values))
    short = {
        k: Matrix2D(csr_matrix((3, len(toy.genes)), dtype=np.float32), toy.genes)
        if isinstance(v, Matrix2D) else v
        for k, v in section.data.items()
    }  # fmt: skip
    wrong = type(section)(section.section, section.names, section.xy, section.inside, data=short)
    with pytest.raises(ValueError, match="shape"):
        finish(analysis.run(Inputs((wrong,)), values))


@pytest.mark.parametrize("name", ["embed", "clusters"])
def test_more_neighbours_than_spots_are_refused(name: str, toy: Any, run: Any) -> None:
    few = toy.rows(range(10))
    with pytest.raises(StmlError, match="only 10 spots"):
        run(name, few, neighbours=15)


@pytest.mark.parametrize("name", ["embed", "clusters", "cell-types"])
def test_spots_without_counts_stay_missing(name: str, toy: Any, run: Any) -> None:
    counts = toy.counts.copy()
    counts[[0, 17]] = 0
    done = run(name, toy.with_(counts=counts), **OURS[name])
    shown = done.part(done.result.shows)
    values = shown.codes if isinstance(shown, Labels) else shown.values[:, 0]
    missing = values < 0 if isinstance(shown, Labels) else np.isnan(values)
    np.testing.assert_array_equal(np.flatnonzero(missing), [0, 17])
    assert any("2 spots without" in note for note in done.result.notes)


@every
def test_a_cancel_between_steps_ends_it(name: str, toy: Any) -> None:
    from threadpoolctl import threadpool_info

    analysis = load_all()[name]()
    values = analysis.Params(**OURS[name])
    inputs = Inputs((toy.section(analysis.needs(values)),))
    before = [lib["num_threads"] for lib in threadpool_info()]
    steps = analysis.run(inputs, values)
    next(steps)
    next(steps)
    steps.close()
    with pytest.raises(StopIteration):
        next(steps)
    after = [lib["num_threads"] for lib in threadpool_info()]
    assert after[: len(before)] == before, "the limit of threads is lifted again"


@pytest.mark.parametrize("name", ["qc", "scores", "cell-types", "markers"])
def test_the_order_of_the_spots_does_not_matter(name: str, toy: Any, run: Any) -> None:
    order = np.random.default_rng(0).permutation(len(toy.names))
    straight, shuffled = (run(name, t, **OURS[name]) for t in (toy, toy.rows(order)))
    for key, values in arrays(straight.result).items():
        other = arrays(shuffled.result)[key]
        own = key.startswith("toy/") and key != "toy/genes seen"
        if values.dtype.kind == "f":
            np.testing.assert_allclose(values[order] if own else values, other, atol=1e-4)
        else:
            np.testing.assert_array_equal(values[order] if own else values, other)
