"""docs/add-an-analysis.md word by word: its code is saved as a file, found, run and moved live."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import napari_stml.analyses
from napari_stml.core import analysis as register
from napari_stml.core.analysis import problems

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "add-an-analysis.md"


@pytest.fixture
def high_spots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The page's analysis, in a folder beside ours; forgotten afterwards."""
    text = PAGE.read_text(encoding="utf-8")
    name = re.search(r"Save it as `src/napari_stml/analyses/(\w+\.py)`", text)
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert name is not None
    assert code is not None
    (tmp_path / name[1]).write_text(code[1], encoding="utf-8")
    napari_stml.analyses.load_all()  # ours are registered before the page's
    path = [*napari_stml.analyses.__path__, str(tmp_path)]
    monkeypatch.setattr(napari_stml.analyses, "__path__", path)
    monkeypatch.setattr(register, "_REGISTER", dict(register.registered()))
    yield napari_stml.analyses.load_all()["high-spots"]
    module = name[1].removesuffix(".py")
    sys.modules.pop(f"napari_stml.analyses.{module}", None)
    if hasattr(napari_stml.analyses, module):
        delattr(napari_stml.analyses, module)


def test_it_is_found_and_runs(high_spots: Any, toy: Any, run: Any) -> None:
    done = run("high-spots", toy.with_(inside=toy.array[:, 0] > 3), gene="TG0", percent=20)
    labels, level = done.part("high"), done.part("level").values
    inside = done.inputs.one.inside
    assert (labels.codes[~inside] == -1).all()
    assert np.mean(labels.codes[inside] == 1) == pytest.approx(0.2, abs=0.02)
    assert level[labels.codes == 1].min() >= level[labels.codes == 0].max()
    assert done.result.shows == "high"


def test_its_slider_follows(high_spots: Any, toy: Any, run: Any) -> None:
    done = run("high-spots", toy, gene="TG0", percent=20)
    live = done.analysis.live(done.result, done.inputs, done.params)
    numbers = []
    for percent in (5, 20, 60):
        position = high_spots.LiveParams(percent=percent)
        result = live.update(position, None)
        assert problems(result, done.inputs) == []
        numbers.append(int(live.readout(position)["spots"]))
        assert numbers[-1] == (result.part("high").codes == 1).sum()
    assert numbers == sorted(set(numbers))
    same = live.update(high_spots.LiveParams(percent=20), None).part("high").codes
    np.testing.assert_array_equal(same, done.part("high").codes)


def test_its_form_has_words_and_bounds(high_spots: Any) -> None:
    fields = high_spots.Params.model_json_schema()["properties"]
    assert fields["gene"]["stml"]["source"] == "gene"
    assert fields["percent"]["exclusiveMaximum"] == 100
    with pytest.raises(ValueError, match="less than 100"):
        high_spots.Params(gene="TG0", percent=200)


def test_it_is_gone_after_the_test() -> None:
    assert "high-spots" not in napari_stml.analyses.load_all()
