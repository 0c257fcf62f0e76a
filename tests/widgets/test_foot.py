from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from napari_stml.core.progress import Progress
from napari_stml.widgets.foot import Foot

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.fixture
def foot(qtbot: QtBot) -> Foot:
    made = Foot()
    qtbot.addWidget(made)
    made.show()
    return made


def run(title: str) -> Any:
    return SimpleNamespace(spec=SimpleNamespace(title=title))


def test_idle_says_so_and_offers_nothing_to_cancel(foot: Foot) -> None:
    assert foot.text.text() == "Nothing is running."
    assert not foot.button.isVisible()


def test_progress_of_the_first_run_and_the_queue_behind_it(foot: Foot) -> None:
    first, second = run("Clusters"), run("Markers")
    foot.add(first)
    foot.add(second)
    foot.progress(first, Progress(1, 4, "neighbours", (("loss", 0.5),)))
    assert foot.bar.value() == 250
    assert "Clusters: neighbours" in foot.text.text()
    assert foot.curves.words() == ["loss  0.5   (0.5 to 0.5)"]
    foot.progress(first, Progress(2, 4, "neighbours", (("loss", 0.25),)))
    assert foot.curves.words() == ["loss  0.25   (0.25 to 0.5)"]
    assert foot.curves.isVisible()
    assert not foot.curves.grab().isNull()
    assert foot.queue.text() == "Waiting: Markers"
    foot.progress(second, Progress(4, 4, "not yet"))
    assert "not yet" not in foot.text.text()
    foot.remove(first, "Clusters: done")
    assert "Markers" in foot.text.text()
    assert not foot.curves.isVisible()
    foot.remove(second, "Markers: done")
    assert foot.text.text() == "Markers: done"
    assert not foot.bar.isVisible()


def test_unknown_length_shows_a_busy_bar(foot: Foot) -> None:
    only = run("UMAP")
    foot.add(only)
    foot.progress(only, Progress(0, 0, "layout"))
    assert foot.bar.maximum() == 0


def test_cancel_names_the_running_one(foot: Foot, qtbot: QtBot) -> None:
    only = run("UMAP")
    foot.add(only)
    with qtbot.waitSignal(foot.cancel_requested) as asked:
        foot.button.click()
    assert asked.args == [only]
    assert "stopping" in foot.text.text()
