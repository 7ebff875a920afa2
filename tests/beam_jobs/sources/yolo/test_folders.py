"""Where the images of each split of a YOLO set are."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.yolo.reader import Yolo
from pipeline.errors import UserError
from tests.beam_jobs.sources.reasons import reasons_of
from tests.beam_jobs.sources.yolo.yolo_sets import LABEL, items_of, prepared, write


def test_what_roboflow_writes(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        write(tmp_path, f"{split}/images/{split}.jpg", labels={f"{split}/labels/{split}.txt": LABEL})
    write(
        tmp_path,
        yaml="train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 2\nnames: ['cat', 'dog']",
    )
    wanted = [("train", "train.jpg", 1), ("val", "valid.jpg", 1), ("test", "test.jpg", 1)]
    assert items_of(prepared(tmp_path)) == wanted
    (tmp_path / "data.yaml").unlink()
    source = prepared(tmp_path)
    assert items_of(source) == wanted
    assert (source.class_names, source.category_ids) == (("1",), (1,))


def test_split_folders_in_capitals(tmp_path: Path) -> None:
    write(tmp_path, "images/Train/a.jpg", labels={"labels/Train/a.txt": LABEL})
    write(tmp_path, "Test/images/b.jpg", labels={"Test/labels/b.txt": LABEL})
    assert items_of(prepared(tmp_path)) == [("train", "a.jpg", 1), ("test", "b.jpg", 1)]


def test_folders_that_seem_to_be_splits_are_not_all_trained_on(tmp_path: Path) -> None:
    for name in ("train2017", "val2017"):
        write(tmp_path, f"images/{name}/{name}.jpg", labels={f"labels/{name}/{name}.txt": LABEL})
    with pytest.raises(UserError, match=r"images/train2017 would be taken for training: list the folders of each"):
        prepared(tmp_path)
    write(tmp_path, yaml="train: images/train2017\nval: images/val2017\nnames: [cat, dog]")
    assert [split for split, _, _ in items_of(prepared(tmp_path))] == ["train", "val"]


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("my-set-1", "my-set-1/{}/images"),
        ("my-set-1", "./my-set-1/{}/images"),
        ("renamed", "my-set-1/{}/images"),
        ("renamed", "../my-set-1/{}/images"),
        ("test", "test/{}/images"),
    ],
)
def test_what_older_roboflow_exports_write(folder: str, said: str, tmp_path: Path) -> None:
    root = tmp_path / folder
    yaml = "".join(f"{split}: {said.format(word)}\n" for split, word in (("train", "train"), ("val", "valid")))
    write(root, "train/images/a.jpg", labels={"train/labels/a.txt": LABEL}, yaml=f"{yaml}names: [cat, dog]")
    write(root, "valid/images/b.jpg", labels={"valid/labels/b.txt": LABEL})
    assert items_of(prepared(root)) == [("train", "a.jpg", 1), ("val", "b.jpg", 1)]


def test_a_place_as_it_is_given_goes_first(tmp_path: Path) -> None:
    root = tmp_path / "set"
    write(root, "train/images/a.jpg", yaml="train: set/train/images\nnames: [cat, dog]")
    write(root, "set/train/images/b.jpg", labels={"set/train/labels/b.txt": LABEL})
    assert items_of(prepared(root)) == [("train", "b.jpg", 1)]


@pytest.mark.parametrize("place", ["val/images", "holdout/images", "../../images", "images/../val/images"])
def test_a_split_that_is_not_there_never_means_every_image(place: str, tmp_path: Path) -> None:
    yaml = f"train: images/train\nval: {place}\nnames: [cat, dog]"
    write(tmp_path, "images/train/a.jpg", labels={"labels/train/a.txt": LABEL}, yaml=yaml)
    assert not prepared(tmp_path).has_val


def test_a_split_that_was_not_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    splits = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n"
    write(tmp_path, "train/images/a.jpg", labels={"train/labels/a.txt": LABEL}, yaml=f"{splits}names: [cat, dog]")
    write(tmp_path, "valid/images/b.jpg", labels={"valid/labels/b.txt": LABEL})
    source = Yolo.prepare(DataPaths(data_dir=str(tmp_path), test_fraction=0.0))
    why = "`test` is '../test/images', which is not there; read as a set without a test split"
    said = f"note: {tmp_path}/data.yaml: {why}\n"
    assert capsys.readouterr().out == said
    in_worker = pickle.loads(pickle.dumps(source))
    assert items_of(in_worker) == items_of(source) == [("train", "a.jpg", 1), ("val", "b.jpg", 1)]
    assert capsys.readouterr().out == ""
    (tmp_path / "data.yaml").write_text("train: train/images\nval: [a, b]\nnames: [cat, dog]")
    assert not prepared(tmp_path).has_val
    assert "`val` is ['a', 'b'], which is not there; read as a set without a val split\n" in capsys.readouterr().out
    (tmp_path / "data.yaml").write_text("train: train/images\nval: [valid/images, b]\nnames: [cat, dog]")
    with pytest.raises(UserError, match="there is no folder and no text file 'b' for `val`"):
        prepared(tmp_path)


def test_images_and_labels_alone(tmp_path: Path) -> None:
    write(tmp_path, "images/a.jpg", "images/sub/b.jpg", labels={"labels/a.txt": LABEL, "labels/sub/b.txt": LABEL})
    assert sorted(item.source_id for item in prepared(tmp_path).items()) == ["a.jpg", "sub/b.jpg"]
    (tmp_path / "labels/classes.txt").write_text("cat\ndog\n")
    (tmp_path / "labels/validation.txt").write_text("images/a.jpg\n")  # a list of images, no label file
    source = prepared(tmp_path)
    assert source.class_names == ("cat", "dog")
    assert reasons_of(source) == {}


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (("images/train/a.jpg", "images/c.jpg"), "images/c.jpg next to images/train in"),
        (("images/train/a.jpg", "images/extra/deep/c.jpg"), "images/extra next to images/train in"),
        (("images/val/a.jpg", "images/c.jpg"), "images/c.jpg next to images/val in"),
        (("train/images/a.jpg", "images/c.jpg"), "images/c.jpg next to train/images in"),
        (("train/images/a.jpg", "testing/images/c.jpg"), "testing/images next to train/images in"),
    ],
)
def test_images_next_to_folders_of_splits(images: tuple[str, str], message: str, tmp_path: Path) -> None:
    write(tmp_path, *images, labels={"labels/train/a.txt": LABEL, "train/labels/a.txt": LABEL})
    with pytest.raises(UserError, match=f"^{message} .* belongs to no split; move it into the folder"):
        prepared(tmp_path)


def test_files_that_are_no_images_next_to_folders_of_splits(tmp_path: Path) -> None:
    write(
        tmp_path,
        *("images/train/a.jpg", "valid/images/b.jpg", "images/.cache/c.jpg", "plots/c.jpg"),
        labels={
            "labels/train/a.txt": LABEL,
            "valid/labels/b.txt": LABEL,
            "images/train.cache": "",
            "images/extra/notes.txt": "",
        },
    )
    assert items_of(prepared(tmp_path)) == [("train", "a.jpg", 1), ("val", "b.jpg", 1)]


def test_no_yolo_set(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is no YOLO set: it has neither a data\.yaml nor folders images and labels"):
        prepared(tmp_path)
    with pytest.raises(UserError, match="--annotations must be left out for source yolo"):
        Yolo.prepare(DataPaths(data_dir=str(tmp_path), annotations="a"))
