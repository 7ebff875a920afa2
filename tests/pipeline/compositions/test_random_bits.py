"""Random bits: the same for the same key everywhere, and spread evenly."""

from __future__ import annotations

import hashlib
import threading

import numpy as np

from pipeline.compositions.random_bits import EntryBits, RandomBits

WORD = 1 << 64


def test_the_stream_is_pinned() -> None:
    bits = RandomBits(0, "train/00042/0")
    assert [bits.below(1000) for _ in range(20)] == [
        *(395, 926, 164, 697, 532, 484, 994, 100, 361, 91),
        *(890, 750, 294, 242, 162, 310, 363, 610, 794, 710),
    ]


def test_the_stream_is_philoxs_own_across_blocks() -> None:
    digest = hashlib.blake2b(b"7/val/x/1", digest_size=16).digest()
    philox = np.random.Philox(key=int.from_bytes(digest, "little"))
    bits = RandomBits(7, "val/x/1")
    assert [bits.below(WORD) for _ in range(200)] == [int(philox.random_raw()) for _ in range(200)]


def test_seed_and_key_both_count() -> None:
    streams = {
        tuple(RandomBits(seed, key).below(WORD) for _ in range(3)) for seed in (0, 1) for key in ("a", "b", "a/0")
    }
    assert len(streams) == 6


def test_an_entry_has_a_stream_of_its_record_and_one_of_each_view() -> None:
    entry = EntryBits(5, "train/x/0")
    for bits, key in ((entry.of_record(), "train/x/0"), (entry.of_view(1), "train/x/0/1")):
        expected = RandomBits(5, key)
        assert [bits.below(WORD) for _ in range(20)] == [expected.below(WORD) for _ in range(20)]
    assert entry.of_record().below(WORD) == entry.of_record().below(WORD)  # a new stream each time


def test_streams_do_not_disturb_one_another() -> None:
    alone = [[bits.below(WORD) for _ in range(40)] for bits in (RandomBits(0, "a"), RandomBits(0, "b"))]
    a, b = RandomBits(0, "a"), RandomBits(0, "b")
    woven = [(a.below(WORD), b.below(WORD)) for _ in range(40)]
    assert [list(stream) for stream in zip(*woven, strict=True)] == alone


def test_threads_draw_what_one_thread_draws() -> None:
    keys = [f"train/{i}/0" for i in range(200)]
    expected = [[RandomBits(3, key).below(WORD)] for key in keys]
    drawn: list[list[list[int]]] = [[] for _ in range(4)]

    def draw(into: list[list[int]]) -> None:
        into.extend([RandomBits(3, key).below(WORD)] for key in keys)

    threads = [threading.Thread(target=draw, args=(into,)) for into in drawn]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert drawn == [expected] * 4


def test_below_covers_its_range_and_nothing_else() -> None:
    bits = RandomBits(0, "range")
    assert {bits.below(5) for _ in range(300)} == {0, 1, 2, 3, 4}
    assert {bits.below(1) for _ in range(10)} == {0}


def test_between_includes_both_ends() -> None:
    bits = RandomBits(0, "ends")
    assert {bits.between(-1, 1) for _ in range(200)} == {-1, 0, 1}
    assert {bits.between(4, 4) for _ in range(10)} == {4}


def test_first_draws_of_many_keys_are_even() -> None:
    counts = np.bincount([RandomBits(0, f"train/{i:05d}/0").below(10) for i in range(5000)], minlength=10)
    assert ((counts - 500) ** 2 / 500).sum() < 27.9  # chi-squared, 9 degrees of freedom, p = 0.001


def test_below_each_takes_the_high_half_of_the_next_draws() -> None:
    limits = np.array([[1, 10], [1000, 2**31 - 1], [7, 7], [3, 65536]])
    draws = [RandomBits(0, "a")._raw(8).tolist(), RandomBits(0, "a").below_each(limits).ravel().tolist()]
    assert draws[1] == [
        (draw >> 32) * limit >> 32 for draw, limit in zip(draws[0], limits.ravel().tolist(), strict=True)
    ]


def test_below_each_leaves_the_stream_where_its_draws_end() -> None:
    bits, apart = RandomBits(0, "a"), RandomBits(0, "a")
    first = bits.below_each(np.full(6, 100)), bits.below_each(np.full(4, 100))
    whole = apart.below_each(np.full(12, 100))
    np.testing.assert_array_equal(np.concatenate([first[0], first[1]]), whole[[0, 1, 2, 3, 4, 5, 8, 9, 10, 11]])


def test_below_each_is_even() -> None:
    counts = np.bincount(RandomBits(0, "even").below_each(np.full(5000, 10)), minlength=10)
    assert ((counts - 500) ** 2 / 500).sum() < 27.9  # chi-squared, 9 degrees of freedom, p = 0.001
