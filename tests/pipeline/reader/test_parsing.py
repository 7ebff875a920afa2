"""Parsing in TensorFlow's graph: whatever contradicts the manifest is refused at the batch that holds it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.reader.parsing import parse_evaluation_batch, parse_training_batch
from pipeline.records.check_record import parse_record
from pipeline.records.record import encode_record
from pipeline.records.tf_example import Value, decode_example, encode_example
from tests.pipeline.records.test_picture_codec import bomb
from tests.record_sets import TINY, make_records, with_format, write_record_set

Change = Callable[[dict[str, Any]], object]


class Parser:
    """Both ways of parsing, compiled once for all tests."""

    def __init__(self, folder: Path, picture_format: str = "raw") -> None:
        config = with_format(TINY, picture_format)
        self.manifest = write_record_set(folder, config=config, train=3, val=1, test=2)
        self.records = {
            split: [encode_record(r) for r in make_records(config, split, 5)] for split in ("train", "test")
        }
        signature = [tf.TensorSpec([None], tf.string)]
        self.parse = {
            "train": tf.function(lambda s: parse_training_batch(s, self.manifest), signature, autograph=False),
            "test": tf.function(lambda s: parse_evaluation_batch(s, self.manifest), signature, autograph=False),
        }

    def altered(self, split: str, change: Change) -> list[bytes]:
        """Five records; the third has an altered feature."""
        records = list(self.records[split])
        features: dict[str, Any] = decode_example(records[2])
        change(features)
        records[2] = encode_example(features)
        return records


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> Parser:
    return Parser(tmp_path_factory.mktemp("records"))


def setter(name: str, value: Value) -> Change:
    return lambda features: features.update({name: value})


def first_value(name: str, value: float) -> Change:
    """Sets the first number of a feature."""

    def change(features: dict[str, Any]) -> None:
        features[name] = features[name].copy()
        features[name][0] = value

    return change


def without_last(name: str) -> Change:
    return lambda features: features.update({name: features[name][:-1]})


def doubled(name: str) -> Change:
    return lambda features: features.update({name: np.repeat(features[name], 2)})


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


PICTURES: list[tuple[str, Change]] = [
    ("image/window", setter("image/window", ints(-1, 0, 16, 16))),
    ("image/window", setter("image/window", ints(63, 0, 16, 16))),
    ("image/window", setter("image/window", ints(0, 0, -16, -16))),
    ("image/window", setter("image/window", ints(2**32, 0, 16, 16))),
    ("image/window", setter("image/window", ints(2**63 - 1, 0, 2**63 - 1, 16))),
    ("image/window", setter("image/window", ints(0, 0, 10**6, 10**6))),
    ("image/window", without_last("image/window")),
    ("image/encoded", setter("image/encoded", [b""])),
    ("image/encoded", lambda f: f.update({"image/encoded": [f["image/encoded"][0][:-3]]})),
]
TARGETS: list[tuple[str, Change]] = [
    ("target/anchor", first_value("target/anchor", -1)),
    ("target/anchor", first_value("target/anchor", 2**40)),
    ("target/anchor", first_value("target/anchor", 2**63 - 1)),
    ("target/anchor", lambda f: f.update({"target/anchor": f["target/anchor"][::-1]})),
    ("target/offsets", doubled("target/anchor")),
    ("target/class", first_value("target/class", 999)),
    ("target/class", first_value("target/class", -1)),
    ("target/class", first_value("target/class", 2**32)),
    ("target/class", without_last("target/class")),
    ("target/offsets", without_last("target/offsets")),
    ("target/offsets", first_value("target/offsets", float("nan"))),
    ("target/offsets", first_value("target/offsets", float("-inf"))),
    ("target/ignored", setter("target/ignored", ints(100_000))),
    ("target/ignored", setter("target/ignored", ints(3, 2))),
    ("target/ignored", lambda f: f.update({"target/ignored": f["target/anchor"][:1]})),
    ("target/anchor", setter("target/anchor", [b"anchors"])),
]
GROUND_TRUTH: list[tuple[str, Change]] = [
    ("image/object/bbox", first_value("image/object/bbox/ymin", float("nan"))),
    ("image/object/bbox", first_value("image/object/bbox/ymin", -0.5)),
    ("image/object/bbox", first_value("image/object/bbox/ymax", float("inf"))),
    ("image/object/bbox", first_value("image/object/bbox/xmax", 0.0)),
    ("image/object/bbox/xmin", without_last("image/object/bbox/xmin")),
    ("image/object/bbox/ymax", doubled("image/object/bbox/ymax")),
    ("image/object/class/label", first_value("image/object/class/label", -5)),
    ("image/object/class/label", first_value("image/object/class/label", 3)),
    ("image/object/bbox/ymin", without_last("image/object/class/label")),
    ("image/key", setter("image/key", [b"test/\xff/0"])),
]


@pytest.mark.parametrize(
    ("split", "feature", "change"),
    [
        *(("train", *wrong) for wrong in [*PICTURES, *TARGETS]),
        *(("test", *wrong) for wrong in [*PICTURES, *GROUND_TRUTH]),
    ],
)
def test_a_record_that_contradicts_the_manifest_is_refused(
    split: str, feature: str, change: Change, parser: Parser
) -> None:
    """In the graph, and by the check that then names the feature."""
    parser.parse[split](tf.constant(parser.records[split]))
    records = parser.altered(split, change)
    with pytest.raises(tf.errors.InvalidArgumentError):
        parser.parse[split](tf.constant(records))
    with pytest.raises(ValueError, match=f"^{feature}(:| must) "):
        parse_record(records[2], parser.manifest, split)


@pytest.mark.parametrize("picture_format", ["png", "jpeg"])
def test_a_picture_that_claims_to_be_huge_is_refused_by_its_header(picture_format: str, tmp_path: Path) -> None:
    parser = Parser(tmp_path, picture_format)
    parser.parse["train"](tf.constant(parser.records["train"]))
    records = parser.altered("train", setter("image/encoded", [bomb(picture_format)]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="record must hold a picture of the size of its window"):
        parser.parse["train"](tf.constant(records))
