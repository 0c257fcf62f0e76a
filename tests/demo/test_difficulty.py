"""The bounds that were frozen before any method was scored on the demo."""

from __future__ import annotations

import numpy as np

from napari_stml.demo import floors


def test_clusters_of_expression_alone_stay_hard(grown):
    _, (section, *_) = grown
    found = floors.clustering(section.rna, section.lattice.xy_um, section.truth.domain)
    assert 0.15 < found.pca <= 0.6
    assert 0.15 < found.smoothed <= 0.8


def test_expression_is_partly_predictable_from_the_picture(grown, sdata):
    programs, (section, *_) = grown
    picture = sdata.images["section1_he"]["scale1"]["image"].transpose("y", "x", "c").to_numpy()
    um = 2 * section.spec.um_per_px
    features = floors.image_features(picture, section.lattice.xy_um / um, um)
    values = floors.log_normalised(section.rna)[:, floors.marker_columns(programs.names)]
    r = floors.ridge_correlations(features, values, section.lattice.xy_um)
    assert 0.15 < r.mean() <= 0.5
    # the same features say nothing when the spots are shuffled
    shuffled = np.random.default_rng(0).permutation(len(features))
    nothing = floors.ridge_correlations(features[shuffled], values, section.lattice.xy_um)
    assert abs(nothing.mean()) < 0.06


def test_adjusted_rand_and_k_means():
    truth = np.repeat([0, 1, 2], 40)
    assert floors.adjusted_rand(truth, 2 - truth) == 1.0
    rng = np.random.default_rng(0)
    assert abs(floors.adjusted_rand(truth, rng.permutation(truth))) < 0.1
    points = rng.normal(0, 0.1, (120, 2)) + truth[:, None]
    assert floors.adjusted_rand(floors.k_means(points, 3), truth) == 1.0
