from __future__ import annotations

import numpy as np

from napari_stml.core.categories import CategoryStyle
from napari_stml.viewer.colours import hex_of, palette
from napari_stml.viewer.several import title_of, together
from napari_stml.viewer.shown import of_codes

NAMES = ("a", "b", "c")
CODES = np.array([0, 1, 2, -1])


def test_rename_merge_and_recolour() -> None:
    style = CategoryStyle().renamed("b", "tumour", NAMES).recoloured("tumour", "#112233")
    drawn = style.applied(CODES, NAMES)
    assert drawn.names == ("a", "tumour", "c")
    assert hex_of(drawn.colours[1]) == "#112233"
    merged = style.renamed("c", "tumour", NAMES)
    drawn = merged.applied(CODES, NAMES)
    assert drawn.names == ("a", "tumour")
    assert drawn.codes.tolist() == [0, 1, 1, -1]
    assert drawn.counts.tolist() == [1, 2]
    assert hex_of(drawn.colours[1]) == "#112233"
    back = merged.renamed("tumour", "x", NAMES).applied(CODES, NAMES)
    assert back.names == ("a", "x")


def test_what_was_not_touched_keeps_its_colour() -> None:
    drawn = CategoryStyle().renamed("a", "b", NAMES).applied(CODES, NAMES)
    np.testing.assert_array_equal(drawn.colours[1], palette(NAMES)[2])


def test_a_style_survives_its_record_and_bad_records_are_harmless() -> None:
    style = CategoryStyle().renamed("b", "tumour", NAMES).recoloured("a", "#010203")
    assert CategoryStyle.of(style.record()) == style
    assert CategoryStyle.of({"named": [1], "colours": {"a": "red; drop"}}) == CategoryStyle()
    assert CategoryStyle.of(None) == CategoryStyle()


def test_hidden_categories_follow_a_merge() -> None:
    from dataclasses import replace

    shown = replace(of_codes("d", CODES, NAMES), hidden=frozenset({2}))
    after = shown.with_style(CategoryStyle().renamed("a", "b", NAMES))
    assert after.categories == ("b", "c")
    assert after.off == {1}


def test_one_category_after_the_other_skips_empty_ones() -> None:
    shown = of_codes("d", np.array([0, 0, 2]), NAMES)
    first = shown.stepped(1)
    second = first.stepped(1)
    assert (first.alone, second.alone, second.stepped(1).alone) == (0, 2, 0)
    assert second.off == {0, 1}
    assert shown.stepped(-1).alone == 2
    assert second.stepped(0).off == frozenset()


def test_several_genes_together() -> None:
    genes = np.array([[1.0, 10], [3, 30], [np.nan, 20], [np.nan, np.nan]], dtype=np.float32)
    z = together(genes, "mean of z")
    np.testing.assert_allclose(z[:2], [-1.1124, 1.1124], atol=1e-3)
    np.testing.assert_allclose(z[2], 0, atol=1e-6)
    assert np.isnan(z[3])
    np.testing.assert_array_equal(together(genes, "max"), [10, 30, 20, np.nan])
    flat = np.column_stack([np.ones(4), np.arange(4)]).astype(np.float32)
    assert np.isfinite(together(flat, "mean of z")).all()
    assert title_of(["A", "B", "C", "D"], "max") == "A, B, C and 1 more (max)"


def test_a_split_is_named_coloured_merged_back_and_survives_its_record() -> None:
    mask = np.array([True, False, False, False, False])
    codes = np.array([0, 0, 1, 2, -1])
    style = CategoryStyle().renamed("a", "tumour", NAMES).split("edge", mask, NAMES)
    assert CategoryStyle.of(style.record()) == style
    drawn = style.applied(codes, NAMES)
    assert drawn.names == ("tumour", "b", "c", "edge")
    assert drawn.codes.tolist() == [3, 0, 1, 2, -1]
    np.testing.assert_array_equal(
        drawn.colours[:3], CategoryStyle().applied(codes, NAMES).colours[:3]
    )
    named = style.renamed("edge", "front", NAMES).recoloured("front", "#010203")
    drawn = named.applied(codes, NAMES)
    assert drawn.names[3] == "front"
    assert hex_of(drawn.colours[3]) == "#010203"
    merged = named.renamed("front", "tumour", NAMES).applied(codes, NAMES)
    assert merged.codes.tolist() == [0, 0, 1, 2, -1]
    assert style.applied(codes[:4], NAMES).codes.tolist() == [0, 0, 1, 2]  # another table


def test_a_split_may_take_a_name_that_was_given_up_and_split_again() -> None:
    codes = np.array([0, 0, 0, 1])
    style = CategoryStyle().renamed("a", "x", NAMES)
    style = style.split("a", np.array([True, True, False, False]), NAMES)
    style = style.split("y", np.array([True, False, False, False]), NAMES)
    drawn = style.applied(codes, NAMES)
    assert [drawn.names[c] for c in drawn.codes] == ["y", "a", "x", "b"]


def test_damaged_splits_are_left_out() -> None:
    bad = [{"name": "x"}, {"name": "x", "total": 9, "rows": "no base64"}, 3]
    assert CategoryStyle.of({"splits": bad}) == CategoryStyle()
