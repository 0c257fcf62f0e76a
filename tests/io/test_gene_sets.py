"""The gene sets that come with the program, and renamed symbols."""

from __future__ import annotations

from importlib import resources

from napari_stml.io import gene_sets
from napari_stml.methods.expression.gene_sets import from_text


def test_hallmark_has_fifty_sets_of_symbols() -> None:
    sets = from_text(gene_sets.hallmark(), "hallmark.gmt", gmt=True)
    assert len(sets) == 50
    assert all(name.startswith("HALLMARK_") for name in sets)
    assert all(len(set(genes)) == len(genes) >= 30 for genes in sets.values())
    assert {"VEGFA", "SLC2A1", "ADM"} <= set(sets["HALLMARK_HYPOXIA"])


def test_its_notice_is_beside_it() -> None:
    notice = resources.files(gene_sets).joinpath("NOTICE.md").read_text(encoding="utf-8")
    assert "CC BY 4.0" in notice
    assert "MSigDB" in notice


def test_symbols_are_found_by_either_name() -> None:
    other = gene_sets.aliases()
    assert other["CTGF"] == "CCN2"
    assert other["CCN2"] == "CTGF"
    assert all(other[other[name]] == name for name in other)
    assert not set(gene_sets.RENAMED) & set(gene_sets.RENAMED.values())
