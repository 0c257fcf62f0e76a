from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from napari_stml.viewer.colours import ColourScale
from napari_stml.viewer.shown import Shown
from napari_stml.widgets.look import Look

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot


class Names:
    """What Look asks a section for."""

    def __init__(self, genes: tuple[str, ...] = ("ERBB2", "ERBB3", "ESR1")) -> None:
        self.genes = genes
        self.observations, self.elements, self.images = object(), (), {}
        self.tables = {"RNA": type("T", (), {"var_names": genes})}

    def columns(self) -> tuple[str, ...]:
        return ("domain", "a column with a name much longer than any dock is wide, and longer")

    def search(self, text: str, limit: int = 20) -> list[str]:
        return [g for g in self.genes if text.casefold() in g.casefold()][:limit]


@pytest.fixture
def look(qtbot: QtBot) -> Look:
    made = Look()
    qtbot.addWidget(made)
    made.show_section(Names())  # type: ignore[arg-type]
    return made


def test_a_column_and_a_gene_are_wished_for(look: Look, qtbot: QtBot) -> None:
    with qtbot.waitSignal(look.colour_requested) as wish:
        look.column.textActivated.emit("domain")
    assert wish.args == ["domain", "viridis"]
    look.gene.line.setText("ERBB2")
    with qtbot.waitSignal(look.colour_requested) as wish:
        look.gene.line.returnPressed.emit()
    assert wish.args == ["ERBB2", "viridis"]
    with qtbot.waitSignal(look.colour_requested) as wish:
        look.colour_map.textActivated.emit("magma")


def test_several_genes_and_completion_of_the_last(look: Look, qtbot: QtBot) -> None:
    look.gene.line.setText("ERBB2, er")
    with qtbot.waitSignal(look.genes_requested) as wish:
        look.gene._take("ESR1")
    assert look.gene.line.text() == "ERBB2, ESR1"
    assert wish.args == [("ERBB2", "ESR1"), "mean of z", "viridis", ""]


def test_gene_sets_from_a_file(look: Look, qtbot: QtBot, tmp_path: Path) -> None:
    sets = tmp_path / "sets.gmt"
    sets.write_text("HER2\tabout\tERBB2\tERBB3\nEMPTY\tabout\tXYZ1\tXYZ2\n")
    look.gene.open_file(str(sets))
    assert [look.gene.sets.itemText(i) for i in range(look.gene.sets.count())][1:] == ["HER2"]
    with qtbot.waitSignal(look.genes_requested) as wish:
        look.gene.sets.textActivated.emit("HER2")
    assert wish.args == [("ERBB2", "ERBB3"), "mean of z", "viridis", "HER2"]


def test_limits_and_thresholds_appear_for_numbers(look: Look, qtbot: QtBot) -> None:
    rows = look.limits
    assert rows.isHidden()
    import numpy as np

    rows.explain(Shown("x", np.arange(4, dtype=np.float32), ColourScale("viridis", 0, 3)))
    assert not rows.isHidden()
    assert rows.says.text() == "0 to 3"
    rows.low.setText("1,5")
    with qtbot.waitSignal(look.threshold_requested) as wish:
        rows.low.editingFinished.emit()
    assert wish.args == [1.5, None, True]
    rows.high.setText("many")
    rows.high.editingFinished.emit()
    assert rows.high.text() == ""
    with qtbot.waitSignal(look.limits_requested) as wish:
        rows.percentiles.setValue((5, 95))
    assert wish.args == [5.0, 95.0, True]


def test_rule_swipe_size_and_zoom(look: Look, qtbot: QtBot) -> None:
    look.rule.setText("A > 2")
    with qtbot.waitSignal(look.rule_requested) as wish:
        look.rule.returnPressed.emit()
    assert wish.args == ["A > 2"]
    look.second.setText("domain")
    with qtbot.waitSignal(look.swipe_requested) as wish:
        look.second.returnPressed.emit()
    assert wish.args == ["domain", "viridis"]
    with qtbot.waitSignal(look.size_requested) as wish:
        look.size.setValue(150)
    assert wish.args == [1.5]
    with qtbot.waitSignal(look.overlay_requested) as wish:
        look.visible.click()
    assert wish.args == [False]


def test_it_fits_beside_the_rail_whatever_the_columns_are_called(look: Look) -> None:
    inside: Any = look.findChild(type(look.gene)).parentWidget()
    assert inside.minimumSizeHint().width() <= 290
