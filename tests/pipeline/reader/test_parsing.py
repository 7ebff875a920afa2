"""Parsing in TensorFlow's graph: other sizes and lengths than the manifest's are refused at the batch that has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.reader.batch_spec import make_batch_spec
from pipeline.reader.parsing import parse_evaluation_batch, parse_training_batch
from pipeline.records.packed_view import BOXES, IGNORED, MIRRORED, PLACE, POSITIVES, SHOWN
from pipeline.records.read_records import parse_record
from pipeline.records.record import encode_record
from pipeline.records.tf_example import Value, decode_example, encode_example
from tests.pipeline.reader.altered_view import change_words
from tests.pipeline.records.test_image_codec import bomb
from tests.record_sets import TINY, make_records, with_format, write_record_set

Change = Callable[[dict[str, Any]], object]


class Parser:
    """Both ways of parsing, compiled once for all tests."""

    def __init__(self, folder: Path, image_format: str = "raw") -> None:
        config = with_format(TINY, image_format)
        self.manifest = write_record_set(folder, config=config, train=5, val=1, test=5)
        self.records = {
            split: [encode_record(r) for r in make_records(config, split, 5)] for split in ("train", "test")
        }
        signature = [tf.TensorSpec([None], tf.string)]
        self.parse = {
            "train": tf.function(self._parse_training, signature, autograph=False),
            "test": tf.function(self._parse_evaluation, signature, autograph=False),
        }

    def _parse_training(self, serialized: tf.Tensor) -> Any:
        return parse_training_batch(
            serialized, tf.constant(0, tf.int64), self.manifest, make_batch_spec(self.manifest, "train")
        )

    def _parse_evaluation(self, serialized: tf.Tensor) -> Any:
        return parse_evaluation_batch(serialized, self.manifest, make_batch_spec(self.manifest, "test"))

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


def header(at: int, *values: int) -> Change:
    """Sets words of the first view's header."""

    def change(words: np.ndarray) -> None:
        words[at : at + len(values)] = values

    return lambda features: change_words(features, change)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


MOST = 2**31 - 1
VIEW = r"image/views\[0\]"

IMAGES: list[tuple[str, Change]] = [
    (f"{VIEW}: shown", header(SHOWN, -1)),
    (f"{VIEW}: shown", header(SHOWN, 1)),
    (f"{VIEW}: shown", header(SHOWN, MOST, 0, MOST)),
    (f"{VIEW}: place", header(SHOWN + 2, 1)),
    (f"{VIEW}: place", header(PLACE, -1)),
    (f"{VIEW}: place", header(PLACE, 63)),
    (f"{VIEW}: place", header(PLACE, 0, 0, -16, -16)),
    (f"{VIEW}: place", header(PLACE, MOST, 0, MOST, 16)),
    (f"{VIEW}: place", header(PLACE, 0, 0, 10**6, 10**6)),
    (f"{VIEW}: place", header(PLACE, 0, 0, 1, 1)),
    (f"{VIEW}: mirrored", header(MIRRORED, 2)),
    ("image/height", setter("image/height", ints(10**6))),
    ("image/width", setter("image/width", ints(-4))),
    ("image/height", setter("image/height", ints(2**40))),
    ("image/encoded", setter("image/encoded", [b""])),
    ("image/encoded", lambda f: f.update({"image/encoded": [f["image/encoded"][0][:-3]]})),
]
COUNTS: list[tuple[str, Change]] = [
    (VIEW, header(POSITIVES, -1)),
    (VIEW, header(POSITIVES, MOST)),
    (VIEW, header(IGNORED, -1)),
    (VIEW, header(IGNORED, 10**6)),
    (VIEW, header(BOXES, 10**6)),
    (VIEW, header(BOXES, -1)),
    (VIEW, lambda f: change_words(f, lambda words: words[:-1])),
    (VIEW, lambda f: change_words(f, lambda words: np.append(words, 0))),
    (VIEW, lambda f: f["image/views"].__setitem__(0, f["image/views"][0][:-1])),
    (VIEW, lambda f: f["image/views"].__setitem__(0, b"")),
    ("image/views", lambda f: f["image/views"].append(f["image/views"][0])),
    ("image/views", setter("image/views", ints(1, 2))),
]


@pytest.mark.parametrize(
    ("split", "feature", "change"),
    [(split, *wrong) for split in ("train", "test") for wrong in [*IMAGES, *COUNTS]],
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


@pytest.mark.parametrize("image_format", ["png", "jpeg"])
def test_a_image_that_claims_to_be_huge_is_refused_by_its_header(image_format: str, tmp_path: Path) -> None:
    parser = Parser(tmp_path, image_format)
    parser.parse["train"](tf.constant(parser.records["train"]))
    records = parser.altered("train", setter("image/encoded", [bomb(image_format)]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="record must hold an image of the size that it states"):
        parser.parse["train"](tf.constant(records))
