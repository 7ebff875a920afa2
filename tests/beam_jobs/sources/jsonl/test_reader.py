"""JSON lines: a pure function of one line, and a source that keeps nothing of a line."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.image_files import is_fault, parse_reference
from beam_jobs.sources.jsonl import reader
from beam_jobs.sources.jsonl.line import parse_line, scan_line
from beam_jobs.sources.jsonl.reader import JsonLines
from beam_jobs.sources.source import BadImage, Item, SourceBox
from pipeline.errors import UserError
from tests.beam_jobs.sources.detection_sets import json_line, made_set, write_image
from tests.beam_jobs.sources.reasons import reasons_of

BOX = {"bbox": [10, 5, 30, 20], "class": "cat"}


def item_of(**content: Any) -> Item:
    line = json.dumps({"image": "a.jpg", "boxes": [BOX], **content}).encode()
    item = parse_line(line + b"\n", "list.jsonl line 7", split="train", folder=2)
    boxes = item.boxes or ()
    assert scan_line(line, split="train") == (item.split, {box.class_name for box in boxes if box.class_name})
    return item


def reason(item: Item) -> str:
    assert is_fault(item.reference)
    with pytest.raises(BadImage) as error:
        parse_reference(item.reference)
    return str(error.value)


def test_a_line_is_an_item() -> None:
    assert item_of() == Item("train", "a.jpg", "2:a.jpg", boxes=(SourceBox(5, 10, 25, 40, "cat"),))
    assert item_of(split="valid", id=5, boxes=[]) == Item("val", "5", "2:a.jpg", boxes=(), image_id="5")
    assert item_of(id="x/y").source_id == "x/y"
    assert (item_of(id="7").source_id, item_of(id="7").image_id) == ("7", '"7"')  # not the number 7
    more = item_of(boxes=[BOX | {"iscrowd": 1, "area": 3.5, "colour": "red"}, BOX | {"difficult": True}], width=3)
    assert more.boxes == (
        SourceBox(5, 10, 25, 40, "cat", crowd=True, area=3.5),
        SourceBox(5, 10, 25, 40, "cat", difficult=True),
    )
    as_text = item_of(boxes=[BOX | {"iscrowd": "0", "difficult": "0"}, BOX | {"difficult": "1"}])
    assert as_text.boxes == (SourceBox(5, 10, 25, 40, "cat"), SourceBox(5, 10, 25, 40, "cat", difficult=True))
    assert item_of(boxes=[BOX | {"class": " big  cat"}]).boxes == (SourceBox(5, 10, 25, 40, "big cat"),)
    assert item_of(split="validation").split == item_of(split="VAL").split == "val"


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"image": ""}, "must have the name of an image as `image`, got ''"),
        ({"image": 3}, "must have the name of an image as `image`, got 3"),
        ({"boxes": None}, "must have a list as `boxes`, got None"),
        ({"boxes": {}}, "must have a list as `boxes`, got {}"),
        ({"split": "training"}, "must have `split` train, val or test, got 'training'"),
        ({"split": "dev"}, "must have `split` train, val or test, got 'dev'"),
        ({"split": ["val"]}, "must have `split` train, val or test, got ['val']"),
        ({"id": 1.5}, "must have an integer or a string as `id`, got 1.5"),
        ({"id": True}, "must have an integer or a string as `id`, got True"),
    ],
)
def test_a_line_that_cannot_be_used_is_an_item_with_its_reason(change: dict[str, Any], wanted: str) -> None:
    item = item_of(**change)
    assert (item.split, item.source_id) == ("train", "list.jsonl line 7")
    assert reason(item) == f"list.jsonl line 7 {wanted}"


@pytest.mark.parametrize("line", [b"{", b"\xff", b"[]", b"7", b"null", b"{}{}", b'{"image": NaN, 3}', b"[" * 100_000])
def test_what_is_no_object(line: bytes) -> None:
    item = parse_line(line, "list.jsonl line 7", split="val", folder=0)
    assert item.split == "val"
    assert reason(item).startswith("list.jsonl line 7 is not a JSON object: ")
    assert scan_line(line, split="val") == ("val", set())


def test_numbers_that_json_lacks_count_as_missing() -> None:
    """Python's `json` writes them. The whole line was lost for a NaN as the area."""
    line = b'{"image": "a NaN \\" NaN.jpg", "boxes": [{"bbox": [1, 2, 3, 4], "class": "NaN", "area": NaN},'
    line += b' {"bbox": [1, -Infinity, 3, 4], "class": "cat"}]}'
    first, second = parse_line(line, "x", split="train", folder=0).boxes or ()
    assert (first.class_name, first.area, first.fault) == ("NaN", None, None)
    assert second.fault == "must have four numbers as `bbox`, got [1, None, 3, 4]"
    assert parse_line(line, "x", split="train", folder=0).source_id == 'a NaN " NaN.jpg'


@pytest.mark.parametrize(
    ("box", "fault"),
    [
        (3, "must be an object, got 3"),
        ({"bbox": [1, 2, 3, 4]}, "must have a printable name as `class`, got None"),
        ({"bbox": [1, 2, 3, 4], "class": " "}, "must have a printable name as `class`, got ' '"),
        ({"bbox": [1, 2, 3, 4], "class": ["a"]}, "must have a printable name as `class`, got ['a']"),
        ({"bbox": "1 2 3 4", "class": "cat"}, "must have four numbers as `bbox`, got '1 2 3 4'"),
        ({"class": "cat"}, "must have four numbers as `bbox`, got None"),
        (BOX | {"iscrowd": "some"}, "must have 0 or 1 as `iscrowd`, got 'some'"),
        (BOX | {"difficult": 2}, "must have 0 or 1 as `difficult`, got 2"),
    ],
)
def test_a_broken_box_has_its_reason(box: object, fault: str) -> None:
    boxes = parse_line(json.dumps({"image": "a", "boxes": [box, BOX]}).encode(), "x", split="test", folder=0).boxes
    assert boxes is not None
    assert [b.fault for b in boxes] == [fault, None]


def written(folder: Path, text: bytes, **flags: Any) -> JsonLines:
    write_image(folder / "a.jpg")
    (folder / "list.jsonl").write_bytes(text)
    return JsonLines.prepare(DataPaths(annotations=str(folder / "list.jsonl"), **flags))


def test_lines_choose_their_splits_and_blank_ones_are_none(tmp_path: Path) -> None:
    lines = [{"image": "a.jpg", "boxes": [BOX], "split": split, "id": split} for split in ("train", "val", "test")]
    text = b"\xef\xbb\xbf" + b"\r\n\n  \n".join(json.dumps(line).encode() for line in lines)
    source = written(tmp_path, text)
    assert [(item.split, item.source_id) for item in source.items()] == [(s, s) for s in ("train", "val", "test")]
    assert (source.has_val, source.test_fraction, source.class_names) == (True, 0.0, ("cat",))
    assert reasons_of(source) == {}


@pytest.mark.parametrize("size", [1, 300, 1 << 22])
def test_pieces_can_be_listed_apart(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "PIECE_BYTES", size)
    made = made_set(train=60, val=0, test=0)
    for image in made:
        write_image(tmp_path / image.name, image.shape)
    lines = [json_line(image).encode() for image in made]
    lines[7] = lines[19] = b"not JSON"
    source = written(tmp_path, b"\xef\xbb\xbf" + b"\n\n".join(lines))
    items, pieces = list(source.items()), source.pieces()
    assert len(pieces) == {1: 60, 1 << 22: 1}.get(size, len(pieces)) and (size != 300 or 5 < len(pieces) < 60)
    assert {item.split for item in items} == {"train", "test"}
    assert [item.source_id for item in items[7:20:12]] == ["list.jsonl line 15", "list.jsonl line 39"]
    assert list(source.items()) == items
    apart = {piece: list(source.items_of(piece)) for piece in reversed(pieces)}
    assert [item for piece in pieces for item in apart[piece]] == items


def test_a_line_without_end_is_cut_and_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_LINE_BYTES", 400)
    good = json.dumps({"image": "a.jpg", "boxes": [BOX]}).encode()
    source = written(
        tmp_path, good + b"\n" + b" " * 350 + good + b"\n" + b'{"image": "' + b"x" * 3_000, test_fraction=0
    )
    found = reasons_of(source)
    assert [item.source_id for item in source.items()] == ["a.jpg", "list.jsonl line 2", "list.jsonl line 3"]
    assert all("is not a JSON object" in reason for reason in found.values()) and len(found) == 2


def test_preparing_holds_nothing_of_a_line(tmp_path: Path) -> None:
    line = json.dumps({"image": "a.jpg", "boxes": [BOX] * 4}).encode()
    few, many = (b"".join(b'{"id": %d, ' % n + line[1:] + b"\n" for n in range(count)) for count in (3_000, 12_000))
    peaks = []
    for number, text in enumerate((few, few, many)):  # the first warms up
        folder = tmp_path / str(number)
        write_image(folder / "a.jpg")
        (folder / "list.jsonl").write_bytes(text)
        tracemalloc.start()
        JsonLines.prepare(DataPaths(annotations=str(folder / "list.jsonl"))).fingerprint()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 50_000


@pytest.mark.parametrize("text", [b"", b"\n \n"])
def test_an_empty_list_is_refused(text: bytes, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"list\.jsonl lists no images"):
        written(tmp_path, text)


def test_lists_without_classes_and_other_flags_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"source jsonl has no class: no object in its annotations can be used$"):
        written(tmp_path, b'{"image": "a.jpg", "boxes": []}')
    with pytest.raises(UserError, match="--data_dir must be left out for source jsonl"):
        written(tmp_path, b"", data_dir=str(tmp_path))
    with pytest.raises(UserError, match="there is no annotation file"):
        JsonLines.prepare(DataPaths(annotations=str(tmp_path / "none.jsonl")))
    with pytest.raises(UserError, match="must be a regular file, got a folder"):
        JsonLines.prepare(DataPaths(annotations=str(tmp_path)))
