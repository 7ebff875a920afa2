"""Annotations with a few bytes or values changed: no traceback, and every image is an item, good or with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from beam_jobs.sources import make_source
from beam_jobs.sources.boxes import select_usable_boxes
from beam_jobs.sources.image_files import is_fault
from beam_jobs.sources.source import BadImage, Source
from pipeline.compositions.random_bits import RandomBits
from pipeline.errors import UserError
from tests.beam_jobs.sources.detection_sets import WRITERS, made_set

pytestmark = pytest.mark.long

MUTANTS = 1000  # of each kind
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1e300,
    10**30,
    "",
    "x",
    "..",
    "/etc/passwd",
    [],
    {},
    [1, 2],
    "a\0b",
    "\u2028",
    "9" * 50,
)
TARGETS = {
    "coco": "train/*.json",
    "voc": "Annotations/train_3.xml",
    "yolo": "labels/train/train_3.txt",
    "jsonl": "train.jsonl",
}
NAMES = {image.name for image in made_set(train=4, val=1, test=1)}
YAML = {"yaml": "data.yaml", "list": "ImageSets/Main/train.txt"}


def mutated(data: bytes, bits: RandomBits) -> bytes:
    """A few bytes changed, cut out, or said twice."""
    for _ in range(1 + bits.below(3)):
        place, length = bits.below(len(data) + 1), 1 + bits.below(12)
        change = bits.below(5)
        if change == 0:
            data = data[:place] + bytes([bits.below(256)]) + data[place + 1 :]
        elif change == 1:
            data = data[:place] + data[place + length :]
        elif change == 2:
            data = data[:place] + data[max(place - length, 0) :]
        elif change == 3:
            data = data[:place] + b'0-.e"{}[]<>&;:,\n\t/'[bits.below(19) :][:1] + data[place:]
        else:
            data = data[:place] if bits.below(4) == 0 else data[:place] + str(bits.below(10**6)).encode() + data[place:]
    return data


def odd_value(value: Any, bits: RandomBits) -> Any:
    """JSON with one of its values, somewhere, replaced by an odd one or left out."""
    if not isinstance(value, dict | list) or not value or bits.below(12) == 0:
        return ODD[bits.below(len(ODD))]
    if isinstance(value, list):
        place = bits.below(len(value))
        return [odd_value(part, bits) if n == place else part for n, part in enumerate(value)]
    key = sorted(value)[bits.below(len(value))]
    if bits.below(8) == 0:
        return {name: part for name, part in value.items() if name != key}
    return {**value, key: odd_value(value[key], bits)}


def change_json(data: bytes, bits: RandomBits) -> bytes:
    lines = data.splitlines()
    place = bits.below(len(lines))
    return b"\n".join(
        json.dumps(odd_value(json.loads(x), bits)).encode() if n == place else x for n, x in enumerate(lines)
    )


def check(source: Source) -> int:
    """Reads everything as the job does. Returns the number of items."""
    items = list(source.items())
    source.fingerprint()
    for item in items:
        assert item.split in ("train", "val", "test")
        item.source_id.encode()
        item.reference.encode()
        assert item.source_id.isprintable() and item.boxes is not None
        try:
            shape = source.shape(item.reference)
            source.read(item.reference)
        except BadImage as reason:
            assert str(reason) and str(reason).isprintable()
            continue
        truth, _, reasons = select_usable_boxes(item.boxes, shape, source.class_names)
        assert len(truth) == len(truth.corners) == len(item.boxes) - len(reasons)
        assert all(reason.isprintable() for reason in reasons)
    return len(items)


def boxes_listed(name: str, data: bytes) -> dict[str, int]:
    """The boxes of images in a mutated file that another parser can read, by the image's name."""
    if name == "yolo":
        return {
            "train_3.jpg": sum(bool(line.strip()) for line in data.decode("utf-8", "backslashreplace").splitlines())
        }
    if name == "voc":
        try:
            root = ElementTree.fromstring(data)
        except (ElementTree.ParseError, ValueError, LookupError):
            return {}
        return {"train_3.jpg": len(root.findall("object"))}
    if name == "jsonl":
        lines = [json.loads(line) for line in data.splitlines() if line.strip()]
        return {line["image"]: len(line["boxes"]) for line in lines if str(line["image"]) in NAMES}
    content = json.loads(data)
    ids = [image["id"] for image in content["images"]]
    return {
        image["file_name"]: sum(box["image_id"] == image["id"] for box in content["annotations"])
        for image in content["images"]
        if ids.count(image["id"]) == 1 and type(image["id"]) is int
    }


def check_boxes(name: str, data: bytes, source: Source) -> int:
    """Every box of an image that can be read must be there, good or with its fault. Returns how many were compared."""
    try:
        listed = boxes_listed(name, data)
    except (ValueError, KeyError, TypeError):  # nothing to compare with
        return 0
    found = {item.source_id: item.boxes or () for item in source.items() if not is_fault(item.reference)}
    both = [image for image in listed if image in found and image in NAMES]
    assert [len(found[image]) for image in both] == [listed[image] for image in both], data
    return len(both)


def run_mutants(name: str, folder: Path, target: str, change: Callable[[bytes, RandomBits], bytes]) -> tuple[int, int]:
    """How many mutants were read, and how many refused in one line."""
    paths = WRITERS[name](folder, made_set(train=4, val=1, test=1))
    path = next(folder.rglob(target))
    whole = path.read_bytes()
    read = refused = compared = 0
    for number in range(MUTANTS):
        data = change(whole, RandomBits(3, f"{name} {target} {number}"))
        path.write_bytes(data)
        try:
            count = check(make_source(name, paths))
        except UserError as error:
            assert "\n" not in str(error)
            refused += 1
            continue
        read += 1
        if target == TARGETS[name]:
            compared += check_boxes(name, data, make_source(name, paths))
        least = 6
        if name == "coco":
            least = 2 + len(json.loads(data.decode("utf-8", "replace"))["images"])  # what is not read may be no UTF-8
        if name == "jsonl":
            least = 2 + len([line for line in data.split(b"\n") if line.strip()])
        if target == YAML["list"]:
            least = 2 + len([line for line in data.splitlines() if line.strip()])
        if target != YAML["yaml"]:
            assert count >= least, data
    assert compared > MUTANTS // 20 or target != TARGETS[name]
    return read, refused


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_bytes(name: str, tmp_path: Path) -> None:
    read, refused = run_mutants(name, tmp_path, TARGETS[name], mutated)
    assert read > MUTANTS // 10
    assert name == "coco" or refused == 0  # the fault is one image's


@pytest.mark.parametrize("name", ["coco", "jsonl"])
def test_odd_values(name: str, tmp_path: Path) -> None:
    read, refused = run_mutants(name, tmp_path, TARGETS[name], change_json)
    assert read > MUTANTS // 2
    assert name == "coco" or refused == 0


def test_mutated_lists_and_yaml(tmp_path: Path) -> None:
    assert run_mutants("voc", tmp_path / "voc", YAML["list"], mutated)[0] > MUTANTS // 2
    assert run_mutants("yolo", tmp_path / "yolo", YAML["yaml"], mutated)[0] > MUTANTS // 10
