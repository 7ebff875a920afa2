"""YOLO's labels and lists of images."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_jobs.sources.yolo.reader import parse_labels
from pipeline.errors import UserError
from tests.beam_jobs.sources.reasons import reasons_of
from tests.beam_jobs.sources.yolo.yolo_sets import BOX, LABEL, items_of, prepared, write

NAMES = {0: "cat", 1: "dog"}


def test_boxes_and_polygons() -> None:
    assert parse_labels(LABEL.encode(), NAMES) == (BOX,)
    assert parse_labels(b"\n 1.0  0.25 0.125 0.75 0.25 0.5 0.375 \r\n\n", NAMES) == (BOX,)
    assert parse_labels(LABEL.encode(), None) == (BOX._replace(class_name="1"),)
    assert parse_labels(b"", NAMES) == ()


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("2 .5 .5 .1 .1", "must be of a known class, got class 2"),
        ("-1 .5 .5 .1 .1", "must be a class number and four numbers"),
        ("0.5 .5 .5 .1 .1", "must be a class number and four numbers"),
        ("cat .5 .5 .1 .1", "must be a class number and four numbers"),
        ("1 .5 .5 .1", "must be a class number and four numbers"),
        ("1 .5 .5 .1 .1 .9", "must be a class number and four numbers"),
        ("1", "must be a class number and four numbers"),
        ("1 .5 nan .1 .1", "must be a class number and four numbers"),
        ("1 .5 1e999 .1 .1", "must be a class number and four numbers"),
        ("nan .5 .5 .1 .1", "must be a class number and four numbers"),
        ("1e300 .5 .5 .1 .1", "must be a class number and four numbers"),
        ("1 .5 .5 .1 \u0661", "must be a class number and four numbers"),
        ("\udcff", "must be a class number and four numbers"),
    ],
)
def test_a_broken_line_has_its_reason(line: str, fault: str) -> None:
    first, second = parse_labels(f"{line}\n{LABEL}".encode("utf-8", "surrogateescape"), NAMES)
    assert (first.fault or "").startswith(fault)
    assert second == BOX


def test_folders_lists_of_folders_and_text_files(tmp_path: Path) -> None:
    write(
        tmp_path,
        *("one/images/a.jpg", "two/images/a.jpg", "two/images/b.JPG", "images/val/v.jpg", "images/t.jpg"),
        labels={
            "one/labels/a.txt": LABEL,
            "two/labels/a.txt": LABEL * 2,
            "labels/val/v.txt": LABEL * 3,
            "labels/t.txt": LABEL,
            "test.txt": f"./images/t.jpg\nimages/gone.jpg\n{tmp_path}/images/val/v.jpg\n../outside.jpg\n/etc/passwd\n",
        },
        yaml="path: /not/here\ntrain: [one/images, two/images]\nval: images/val\ntest: test.txt\nnames: [cat, dog]",
    )
    source = prepared(tmp_path)
    assert items_of(source) == [
        ("train", "one/images/a.jpg", 1),
        ("train", "two/images/a.jpg", 2),
        ("train", "b.JPG", 0),
        ("val", "v.jpg", 3),
        ("test", "images/t.jpg", 1),
        ("test", "images/gone.jpg", 0),
        ("test", "images/val/v.jpg", 3),
        ("test", "../outside.jpg", 0),
        ("test", "/etc/passwd", 0),
    ]
    assert set(reasons_of(source)) == {"images/gone.jpg", "../outside.jpg", "/etc/passwd"}


def test_absolute_lines_of_another_machine_say_why(tmp_path: Path) -> None:
    write(
        tmp_path,
        *("images/train/a.jpg", "images/val/b.jpg"),
        labels={"labels/train/a.txt": LABEL, "labels/val/b.txt": LABEL},
        yaml="train: train.txt\nnames: [cat, dog]",
    )
    (tmp_path / "train.txt").write_text("/content/set/images/train/a.jpg\n")
    reason = f"/content/set/images/train/a.jpg leads out of the image folder {tmp_path}"
    with pytest.raises(UserError, match=f"no image can be used: looked at 1 image, such as .*: {reason}$"):
        prepared(tmp_path)
    (tmp_path / "data.yaml").write_text("train: train.txt\nval: images/val\nnames: [cat, dog]")
    assert reasons_of(prepared(tmp_path)) == {"/content/set/images/train/a.jpg": reason}


def test_absolute_lines_of_a_set_behind_a_symbolic_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    write(real, "images/a.jpg", "images/b.jpg", "images/c.jpg", labels={"labels/a.txt": LABEL, "labels/b.txt": LABEL})
    write(real, yaml="train: train.txt\nnames: [cat, dog]")
    (real / "train.txt").write_text(f"{real}/images/a.jpg\n{link}/images/b.jpg\n./images/c.jpg\n")
    link.symlink_to(real)
    assert items_of(prepared(link)) == [
        ("train", f"images/{name}.jpg", n) for name, n in (("a", 1), ("b", 1), ("c", 0))
    ]
    assert reasons_of(prepared(link)) == {}


def test_labels_beside_images_and_above_a_folder_called_images(tmp_path: Path) -> None:
    root = tmp_path / "images/set"
    write(
        root, "train/a.jpg", labels={"train/a.txt": LABEL}, yaml="train: train\nval: ''\ntest: null\nnames: [cat, dog]"
    )
    assert [len(item.boxes or ()) for item in prepared(root).items()] == [1]


def test_labels_in_the_wrong_place_are_not_taken_for_images_without_objects(tmp_path: Path) -> None:
    write(
        tmp_path,
        *("train/img/a.jpg", "train/img/b.jpg"),
        labels={"train/labels/a.txt": LABEL},
        yaml="train: train/img\nnames: [cat, dog]",
    )
    with pytest.raises(UserError, match=r"^none of the 2 images of train has a label file.*train/img/a\.txt;"):
        prepared(tmp_path)


def test_a_folder_of_background_beside_one_with_labels(tmp_path: Path) -> None:
    write(
        tmp_path,
        *("images/a.jpg", "background/b.jpg"),
        labels={"labels/a.txt": LABEL},
        yaml="train: [images, background]\nnames: [cat, dog]",
    )
    assert items_of(prepared(tmp_path)) == [("train", "a.jpg", 1), ("train", "b.jpg", 0)]


def test_key_points_are_no_corners_of_a_polygon(tmp_path: Path) -> None:
    line = LABEL.strip() + " .3 .1 2 .4 .1 2\n"
    write(
        tmp_path,
        "images/a.jpg",
        labels={"labels/a.txt": line},
        yaml="train: images\nnames: [cat, dog]\nkpt_shape: [2, 3]",
    )
    (item,) = prepared(tmp_path).items()
    assert item.boxes == (BOX,)
    before = prepared(tmp_path).fingerprint()
    (tmp_path / "data.yaml").write_text("train: images\nnames: [cat, dog]\n")
    assert prepared(tmp_path).fingerprint() != before  # or shards with other boxes would be kept
    assert parse_labels(b"1 .5 .25", NAMES, pose=True)[0].fault


def test_labels_without_images_are_rejected_by_name(tmp_path: Path) -> None:
    write(tmp_path, "images/a.jpg", labels={"labels/a.txt": LABEL, "labels/b.txt": LABEL})
    assert reasons_of(prepared(tmp_path)) == {"b.txt": "b.txt labels no image: there is none of that name"}
