from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_stml.io.slides.cache import TileCache, default_bytes

SHAPE = (64, 64, 3)
NBYTES = 64 * 64 * 3


def filled(value, empty):
    tile = empty(SHAPE, np.dtype(np.uint8))
    tile[...] = value
    return tile


def test_a_tile_is_made_once_and_the_oldest_leaves_first():
    cache = TileCache(3 * NBYTES)
    made = []

    def make(value, empty):
        made.append(value)
        return filled(value, empty)

    for value in (1, 2, 3, 1, 4, 1, 2):  # 4 pushes 2 out, as 1 was used again
        assert (cache.get(value, make, value) == value).all()
    assert made == [1, 2, 3, 4, 2]
    assert cache.nbytes == 3 * NBYTES == len(cache) * NBYTES


def test_tiles_are_read_only_as_all_share_them():
    tile = TileCache(NBYTES).get("a", filled, 1)
    with pytest.raises(ValueError, match="read-only"):
        tile[0] = 2


def test_a_cut_tile_counts_with_all_the_memory_it_keeps():
    cache = TileCache(10 * NBYTES)
    cache.get("edge", lambda empty: filled(1, empty)[:5, :5])
    assert cache.nbytes == NBYTES


def test_concurrent_requests_decode_once():
    cache = TileCache(10 * NBYTES)
    started, go = threading.Event(), threading.Event()
    made = []

    def slow(empty):
        made.append(1)
        started.set()
        assert go.wait(10)
        return filled(7, empty)

    got = []
    threads = [threading.Thread(target=lambda: got.append(cache.get("k", slow))) for _ in range(6)]
    threads[0].start()
    assert started.wait(10)
    for thread in threads[1:]:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(10)
    assert len(made) == 1
    assert all(tile is got[0] for tile in got)
    assert len(got) == 6


def test_a_failed_tile_fails_for_all_who_wait_and_is_tried_again():
    cache = TileCache(10 * NBYTES)
    started, go = threading.Event(), threading.Event()

    def broken(empty):
        started.set()
        assert go.wait(10)
        raise OSError("gone")

    errors = []

    def ask():
        try:
            cache.get("k", broken)
        except OSError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    threads[0].start()
    assert started.wait(10)
    for thread in threads[1:]:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(10)
    assert errors == ["gone"] * 3
    assert (cache.get("k", filled, 5) == 5).all()


def test_memory_is_used_again_only_when_nobody_looks_at_it():
    cache = TileCache(4 * NBYTES)
    held = cache.get("held", filled, 200)
    part = cache.get("part", filled, 100)[3:9, 4:8]
    shared = memoryview(cache.get("buffer", filled, 50))
    places = set()
    for i in range(400):
        tile = cache.get(i, filled, i % 50)
        places.add(tile.__array_interface__["data"][0])
    assert (held == 200).all()
    assert (part == 100).all()
    assert shared[0, 0, 0] == 50
    assert len(places) < 20  # else every tile has touched memory of its own


def passes(cache, keys):
    """Go over the keys again and again; how many tiles each pass had to make."""
    made = []

    def make(value, empty):
        made.append(value)
        return filled(value, empty)

    while True:
        before = len(made)
        places = {cache.get(k, make, k).__array_interface__["data"][0] for k in keys}
        yield len(made) - before, len(places)


def test_one_pass_goes_through_little_memory():
    cache = TileCache(200 * NBYTES, first_bytes=5 * NBYTES)
    assert next(passes(cache, range(100))) == (100, 6)  # one is made while five are held
    assert cache.nbytes == 5 * NBYTES


def test_what_is_asked_for_again_soon_stays():
    cache = TileCache(200 * NBYTES, first_bytes=5 * NBYTES)
    panning = passes(cache, range(40))
    assert [next(panning)[0] for _ in range(4)] == [40, 35, 0, 0]
    assert cache.nbytes == 40 * NBYTES


def test_the_bound_holds_and_a_wider_one_would_not_have_helped():
    cache = TileCache(20 * NBYTES, first_bytes=5 * NBYTES)
    looking = passes(cache, range(30))  # no cache of 20 tiles helps here: so this one stays small
    assert [next(looking)[0] for _ in range(3)] == [30, 30, 30]
    assert cache.nbytes == 5 * NBYTES
    panning = passes(cache, range(100, 115))
    assert [next(panning)[0] for _ in range(3)][-1] == 0
    cache.resize(10 * NBYTES)
    assert cache.nbytes == 10 * NBYTES
    cache.clear()
    assert next(passes(cache, range(100, 115)))[0] == 15
    assert cache.nbytes == 5 * NBYTES


def test_no_buffer_begins_where_the_decoder_writes_past_the_cache():
    cache = TileCache(10 * NBYTES)
    places = [cache.get(i, filled, i).__array_interface__["data"][0] for i in range(5)]
    assert {place % 32 for place in places} == {16}


def test_threads_see_only_whole_tiles_of_their_own_key():
    cache = TileCache(6 * NBYTES)
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(600):
            key = int(rng.integers(12))
            tile = cache.get(key, filled, key)
            if not (tile == key).all():
                wrong.append(key)

    threads = [threading.Thread(target=work, args=(s,)) for s in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert cache.nbytes <= 6 * NBYTES


def test_the_default_bound_is_stated():
    assert 0 < default_bytes() <= 2 << 30
