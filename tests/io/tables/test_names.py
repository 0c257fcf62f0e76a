from __future__ import annotations

import numpy as np
from table_samples import sample

from napari_stml.io.tables.memory import MemoryTable
from napari_stml.io.tables.names import align, at_observations


def test_what_the_table_lacks_is_missing_never_zero() -> None:
    table = MemoryTable(sample())
    names = np.array([table.obs_names[7], "unknown", table.obs_names[0]], dtype=object)
    index, missing = align(table, names)
    assert list(index) == [7, -1, 0]
    assert list(missing) == [False, True, False]
    for values in (table.gene("G1"), np.arange(60), np.ones(60, dtype=bool), table.obsm("spatial")):
        put = at_observations(values, index)
        assert np.isnan(put[1]).all()
        np.testing.assert_array_equal(put[[0, 2]], np.asarray(values)[[7, 0]])
    whole = at_observations(np.arange(60), np.array([3, 2]))
    assert whole.dtype.kind == "i"


def test_a_million_names_in_another_order() -> None:
    from time import perf_counter

    from napari_stml.io.tables.names import positions

    names = np.array([f"cell_{i}" for i in range(1_000_000)], dtype=object)
    start = perf_counter()
    found = positions(names, names[::-1])
    assert perf_counter() - start < 15
    np.testing.assert_array_equal(found, np.arange(1_000_000)[::-1])
