"""Records with one feature or some bytes altered, chosen over all features and all ways."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np

from pipeline.records.image_id import image_id_of
from pipeline.records.record import IMAGE_ID, TRUTH, VIEWS
from pipeline.records.tf_example import Value, decode_example, encode_example
from tests.faults.forging.packed_fields import (
    COLUMNS,
    ROWS,
    fields_of,
    objects_of,
    packed,
    with_objects,
    with_rows,
)
from tests.faults.forging.record_changes import (
    BYTES,
    FLIP,
    PACKED,
    PACKED_BYTES,
    Skip,
    kinds_in_truth,
    kinds_in_view,
    kinds_of,
)

TOLERANCE = 1e-5  # changes of real numbers that no check can tell from rounding


@dataclass(frozen=True)
class RecordAlteration:
    """A feature of a record, a part of one, or "" for its bytes; and the way in which it is altered."""

    feature: str
    kind: str
    seed: int = 0
    part: int | None = None  # which of the strings of a feature is altered inside
    field: str = ""  # of it, or "" for its bytes

    def __str__(self) -> str:
        where = self.feature if self.part is None else f"{self.feature}[{self.part}] {self.field or 'bytes'}"
        return f"{where or 'bytes'}: {self.kind}{f' ({self.seed})' if self.seed else ''}"

    def apply(self, data: bytes) -> bytes:
        """The altered record, serialized. Returns the same bytes if this way does not apply."""
        if not self.feature:
            return BYTES[self.kind](data, random.Random(self.seed))
        features = decode_example(data)
        value = features[self.feature]
        if self.kind == "missing":
            del features[self.feature]
        elif self.kind == "surplus":
            features[f"{self.feature}/surplus"] = value
        else:
            try:
                features[self.feature] = self._altered(value)
            except (Skip, OverflowError, struct.error, IndexError):
                return data
        return encode_example(features)

    def _altered(self, value: Value) -> Value:
        if self.part is None:
            return cast(Value, kinds_of(value)[self.kind](value))
        assert isinstance(value, list)
        strings = list(value)
        strings[self.part] = self._altered_string(strings[self.part])
        return strings

    def _altered_string(self, string: bytes) -> bytes:
        if not self.field:
            return PACKED_BYTES[self.kind](string, random.Random(self.seed))
        if self.feature == TRUTH:
            return with_objects(string, self.field, kinds_in_truth()[self.kind])
        fields = fields_of(string)
        if self.field in ROWS:
            return packed(with_rows(fields, self.field, PACKED[self.kind]))
        changed = kinds_in_view(fields[self.field])[self.kind](fields[self.field])
        return packed({**fields, self.field: np.asarray(changed, fields[self.field].dtype)})


def choose_alterations(record: bytes, count: int) -> list[RecordAlteration]:
    """So many alterations: all features in all ways first, then flipped bits; fewer are spread over all of them."""
    features = decode_example(record)
    of_features = [
        RecordAlteration(name, kind)
        for name, value in features.items()
        for kind in ("missing", "surplus", *kinds_of(value))
    ]
    views = features[VIEWS]
    assert isinstance(views, list)
    last = len(views) - 1
    of_views = [alteration for view in (0, last) for alteration in _of_view(view, views[view])]
    of_bytes = [RecordAlteration("", kind, seed) for kind in BYTES for seed in range(1, 4)]
    of_truth = [
        *(RecordAlteration(TRUTH, kind, part=0, field=column) for column in COLUMNS for kind in kinds_in_truth()),
        *(RecordAlteration(TRUTH, kind, part=0, field="objects") for kind in PACKED),
        *(RecordAlteration(TRUTH, kind, part=0, seed=1) for kind in PACKED_BYTES),
    ]
    chosen = [one for one in (*of_features, *of_views, *of_truth) if one.apply(record) != record] + of_bytes
    if count < len(chosen):
        return random.Random(0).sample(chosen, count)
    return chosen + [RecordAlteration("", FLIP, seed) for seed in range(4, count - len(chosen) + 4)]


def _of_view(number: int, view: bytes) -> Iterator[RecordAlteration]:
    for field, value in fields_of(view).items():
        for kind in kinds_in_view(value):
            yield RecordAlteration(VIEWS, kind, part=number, field=field)
    for rows in ROWS:
        for kind in PACKED:
            yield RecordAlteration(VIEWS, kind, part=number, field=rows)
    for kind in PACKED_BYTES:
        yield RecordAlteration(VIEWS, kind, part=number, seed=1)


def same_meaning(honest: bytes, altered: bytes) -> bool:
    """Whether no check of a record could tell the altered one from one that was made.

    Only pixels differ, or rounding, or what only the source knows.

    A bit that is not canonical, an unknown feature and the like change the meaning too: no job writes them.
    """
    try:
        one, other = decode_example(honest), decode_example(altered)
        # A JSON lines list may name the ids of only some images.
        if encode_example(other) != altered or {*one, IMAGE_ID} != {*other, IMAGE_ID}:
            return False
    except (ValueError, TypeError):
        return False
    return all(_same(name, one[name], other[name]) for name in one.keys() & other.keys())


def _same(name: str, one: Value, other: Value) -> bool:
    if isinstance(one, list) or isinstance(other, list):
        if name == "image/encoded" and isinstance(other, list):
            return [len(v) for v in one] == [len(v) for v in other]
        if name == IMAGE_ID and isinstance(other, list):
            return len(other) == 1 and _is_image_id(other[0])
        if name == TRUTH and isinstance(one, list) and isinstance(other, list):
            return len(one) == len(other) and all(map(_same_truth, one, other))
        if name == VIEWS and isinstance(one, list) and isinstance(other, list):
            return len(one) == len(other) and all(map(_same_view, one, other))
        return isinstance(one, list) and isinstance(other, list) and one == other
    if one.dtype != other.dtype or one.shape != other.shape:
        return bool(one.size == other.size == 0)
    if one.dtype == np.float32:
        return bool(np.allclose(one, other, rtol=0, atol=TOLERANCE))
    return bool((one == other).all())


def _is_image_id(value: bytes) -> bool:
    try:
        image_id_of(value.decode())
    except ValueError:
        return False
    return True


def _same_truth(one: bytes, other: bytes) -> bool:
    """Whether views cannot tell: they round boxes, and know little of areas, crowds and difficult objects."""
    if len(one) != len(other):
        return False
    objects, others = objects_of(one), objects_of(other)
    crowd_or_difficult = (objects["crowd"] + objects["difficult"] > 0) & (others["crowd"] + others["difficult"] > 0)
    return all(
        np.allclose(column[~crowd_or_difficult], others[name][~crowd_or_difficult], rtol=0, atol=TOLERANCE)
        for name, column in objects.items()
        if name != "area"
    )


def _same_view(one: bytes, other: bytes) -> bool:
    if len(one) != len(other):
        return False
    counts = slice(36, 48)  # of the header: without it, nothing says which words are real numbers
    if one[counts] != other[counts]:
        return False
    fields, others = fields_of(one), fields_of(other)
    return all(_same(name, value, others[name]) for name, value in fields.items())
