"""Packed views: read back whole, laid out word by word, and nothing else is taken for one."""

from __future__ import annotations

import dataclasses
import random
import struct

import numpy as np
import pytest

from pipeline.compositions.view import Rectangle, View
from pipeline.geometry.targets import Targets
from pipeline.records.packed_view import (
    BOXES,
    HEADER,
    IGNORED,
    MIRRORED,
    POSITIVES,
    WORD_BYTES,
    RecordView,
    locate_parts,
    pack_view,
    unpack_view,
)

SMALL = RecordView(
    view=View(shown=Rectangle(1, 2, 30, 40), place=Rectangle(5, 6, 15, 20), mirrored=True),
    boxes=np.array([[0.125, 0.25, 0.5, 0.75]], np.float32),
    labels=np.array([7]),
    targets=Targets(
        anchors=np.array([0, 300_000]),
        classes=np.array([7, 7]),
        offsets=np.array([[0.5, -1.5, 2.0, -0.0], [1e-30, 0.1, -7.25, 3.0]], np.float32),
        ignored=np.array([1, 2, 2_000_000_000]),
        objects=np.array([0, 0]),
    ),
)
SMALL_BYTES = b"".join(
    (
        struct.pack("<4i", 1, 2, 30, 40),  # shown
        struct.pack("<4i", 5, 6, 15, 20),  # place
        struct.pack("<i", 1),  # mirrored
        struct.pack("<3i", 2, 3, 1),  # positives, ignored anchors, boxes
        struct.pack("<2i", 0, 300_000),  # anchors
        struct.pack("<2i", 0, 0),  # objects
        struct.pack("<8f", 0.5, -1.5, 2.0, -0.0, 1e-30, 0.1, -7.25, 3.0),  # offsets
        struct.pack("<3i", 1, 2, 2_000_000_000),  # ignored anchors
        struct.pack("<i", 7),  # labels
        struct.pack("<4f", 0.125, 0.25, 0.5, 0.75),  # boxes
    )
)
NONE = np.zeros(0, np.int64)
EMPTY = RecordView(
    view=View(Rectangle(0, 0, 1, 1), Rectangle(0, 0, 1, 1), mirrored=False),
    boxes=np.zeros((0, 4), np.float32),
    labels=NONE,
    targets=Targets(NONE, NONE, np.zeros((0, 4), np.float32), NONE, NONE),
)


def random_view(seed: int) -> RecordView:
    """A view of any numbers of anchors and boxes, and of any numbers in them."""
    draw = np.random.default_rng(seed)
    positives, ignored, boxes = draw.integers(0, 6, 3).tolist()

    def ints(count: int) -> np.ndarray:
        return draw.integers(-(2**31), 2**31, count)

    labels = ints(boxes)
    objects = draw.integers(0, boxes, positives) if boxes else NONE
    positives = len(objects)
    return RecordView(
        view=View(Rectangle(*ints(4).tolist()), Rectangle(*ints(4).tolist()), mirrored=seed % 2 == 1),
        boxes=draw.normal(size=(boxes, 4)).astype(np.float32),
        labels=labels,
        targets=Targets(
            anchors=ints(positives),
            classes=labels[objects],
            offsets=draw.normal(size=(positives, 4)).astype(np.float32),
            ignored=ints(ignored),
            objects=objects,
        ),
    )


def assert_equal(got: RecordView, expected: RecordView) -> None:
    assert got.view == expected.view and isinstance(got.view.mirrored, bool)
    assert isinstance(got.view.shown.ymin, int) and isinstance(got.view.place.width, int)
    for ours, theirs in (
        (got.boxes, expected.boxes),
        (got.labels, expected.labels),
        *((getattr(got.targets, f.name), getattr(expected.targets, f.name)) for f in dataclasses.fields(Targets)),
    ):
        np.testing.assert_array_equal(ours, theirs, strict=True)
        assert ours.tobytes() == theirs.tobytes()  # -0.0 stays what it is


def words_with(**change: int) -> bytes:
    """The bytes of the small view, with words of its header set."""
    words = list(struct.unpack(f"<{len(SMALL_BYTES) // 4}i", SMALL_BYTES))
    for name, value in change.items():
        words[{"mirrored": MIRRORED, "positives": POSITIVES, "ignored": IGNORED, "boxes": BOXES}[name]] = value
    return struct.pack(f"<{len(words)}i", *words)


def test_the_bytes_of_a_small_view_by_hand() -> None:
    assert pack_view(SMALL) == SMALL_BYTES
    assert_equal(unpack_view(SMALL_BYTES), SMALL)


def test_the_parts_of_views_begin_where_those_before_them_end() -> None:
    assert len(pack_view(EMPTY)) == HEADER * WORD_BYTES == 48
    assert locate_parts(0, 0, 0) == (12,) * 7
    # Of the small view: 2 anchors, 2 objects, 8 offsets, 3 ignored, 1 label, 4 sides of a box.
    small = (12, 14, 16, 24, 27, 28, 32)
    assert locate_parts(2, 3, 1) == small and len(SMALL_BYTES) == 32 * WORD_BYTES
    arrays = locate_parts(np.array([2, 0, 3]), np.array([3, 0, 2]), np.array([1, 0, 2]))
    expected = [small, (12,) * 7, (12, 15, 18, 30, 32, 34, 42)]
    np.testing.assert_array_equal(np.broadcast_arrays(*arrays), np.transpose(expected))


@pytest.mark.parametrize("view", [SMALL, EMPTY, *map(random_view, range(30))])
def test_a_view_is_read_back_whole(view: RecordView) -> None:
    assert_equal(unpack_view(pack_view(view)), view)


def test_equal_views_give_equal_bytes_whatever_their_memory() -> None:
    targets = Targets(
        anchors=np.repeat(SMALL.targets.anchors, 2)[::2],
        classes=np.repeat(SMALL.targets.classes, 2)[::2],
        offsets=np.asfortranarray(SMALL.targets.offsets),
        ignored=SMALL.targets.ignored[::-1].copy()[::-1],
        objects=np.repeat(SMALL.targets.objects, 2)[::2],
    )
    boxes = np.asfortranarray(np.repeat(SMALL.boxes, 2, axis=1))[:, ::2]
    assert pack_view(dataclasses.replace(SMALL, boxes=boxes, targets=targets)) == SMALL_BYTES


def test_what_is_read_can_be_changed_without_touching_the_bytes() -> None:
    packed = pack_view(SMALL)
    view = unpack_view(packed)
    for values in (view.boxes, view.labels, *(getattr(view.targets, f.name) for f in dataclasses.fields(Targets))):
        values[:] = 0
    assert packed == SMALL_BYTES


def test_a_number_of_more_than_32_bits_is_not_cut() -> None:
    with pytest.raises(struct.error):
        pack_view(dataclasses.replace(SMALL, labels=np.array([2**31])))


@pytest.mark.parametrize("length", [0, 1, 44, 47, 49, 50, 51, len(SMALL_BYTES) - 1, len(SMALL_BYTES) - 3])
def test_bytes_that_are_not_whole_words_or_no_header_are_refused(length: int) -> None:
    with pytest.raises(ValueError, match=rf"^view must have a multiple of 4 bytes, at least 48, got {length}$"):
        unpack_view(SMALL_BYTES[:length])


@pytest.mark.parametrize("count", ["positives", "ignored", "boxes"])
def test_a_count_below_0_is_refused(count: str) -> None:
    for value in (-1, -(2**31)):
        with pytest.raises(ValueError, match=rf"^view must have counts of at least 0, got \[.*{value}.*\]$"):
            unpack_view(words_with(**{count: value}))


@pytest.mark.parametrize("count", ["positives", "ignored", "boxes"])
@pytest.mark.parametrize("value", [0, 4, 2**31 - 1])
def test_more_or_fewer_words_than_the_counts_say_are_refused(count: str, value: int) -> None:
    counts = {"positives": 2, "ignored": 3, "boxes": 1} | {count: value}
    expected = 12 + 6 * counts["positives"] + counts["ignored"] + 5 * counts["boxes"]
    with pytest.raises(ValueError, match=rf"^view must have {expected} words by its counts, got 32$"):
        unpack_view(words_with(**{count: value}))


@pytest.mark.parametrize("mirrored", [2, -1, 256])
def test_mirrored_is_0_or_1(mirrored: int) -> None:
    with pytest.raises(ValueError, match=rf"^mirrored must be 0 or 1, got {mirrored}$"):
        unpack_view(words_with(mirrored=mirrored))


def test_garbled_views_raise_nothing_but_value_errors_and_are_otherwise_read_as_they_are() -> None:
    choice = random.Random(0)
    refused = 0
    for _ in range(1000):
        garbled = bytearray(SMALL_BYTES)
        for _ in range(choice.randrange(1, 4)):
            at = choice.randrange(len(garbled))
            garbled[at : at + choice.randrange(5)] = choice.randbytes(choice.randrange(5))
        try:
            view = unpack_view(bytes(garbled))
        except ValueError:
            refused += 1
            continue
        assert pack_view(view) == bytes(garbled)
    assert 300 < refused < 1000


@pytest.mark.parametrize("objects", [(0, 1), (-1, 0)])
def test_an_object_that_is_no_box_is_refused(objects: tuple[int, int]) -> None:
    packed = SMALL_BYTES[:56] + struct.pack("<2i", *objects) + SMALL_BYTES[64:]
    with pytest.raises(ValueError, match=r"^objects must be in \[0, 1\), got "):
        unpack_view(packed)
