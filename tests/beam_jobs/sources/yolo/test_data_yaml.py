"""A YOLO set's YAML file, and what its classes are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import UserError
from tests.beam_jobs.sources.yolo.yolo_sets import BOX, LABEL, items_of, prepared, write


@pytest.mark.parametrize("names", ["[cat, dog]", "{0: cat, 1: dog}", "\n- cat\n- 'dog'", "\n  1: dog\n  0: cat"])
def test_names_as_a_list_or_a_mapping(names: str, tmp_path: Path) -> None:
    write(
        tmp_path,
        "images/train/a.jpg",
        labels={"labels/train/a.txt": LABEL},
        yaml=f"train: images/train\nnames: {names}",
    )
    source = prepared(tmp_path)
    assert (source.class_names, source.category_ids) == (("cat", "dog"), (0, 1))
    assert source.items()[0].boxes == (BOX,)


def test_names_keep_their_numbers_and_are_never_truth_values(tmp_path: Path) -> None:
    write(
        tmp_path, "images/a.jpg", labels={"labels/a.txt": "7 .5 .5 .1 .1"}, yaml="train: images\nnames: {7: no, 3: yes}"
    )
    source = prepared(tmp_path)
    assert (source.class_names, source.category_ids) == (("yes", "no"), (3, 7))
    assert [box.class_name for box in source.items()[0].boxes or ()] == ["no"]


def test_names_are_tidied_as_in_the_other_formats(tmp_path: Path) -> None:
    names = "[' traffic  light', \"stop\\u00a0sign\"]"
    write(tmp_path, "images/a.jpg", labels={"labels/a.txt": LABEL}, yaml=f"train: images\nnames: {names}")
    assert prepared(tmp_path).class_names == ("traffic light", "stop sign")
    (tmp_path / "data.yaml").unlink()
    (tmp_path / "classes.txt").write_text("traffic  light \r\nstop\u00a0sign\r\n", encoding="utf-8")
    assert prepared(tmp_path).class_names == ("traffic light", "stop sign")


@pytest.mark.parametrize(
    ("images", "labels"), [("images", "labels"), ("images/train", "labels/train"), ("train/images", "train/labels")]
)
def test_names_that_labelimg_writes_among_the_labels(images: str, labels: str, tmp_path: Path) -> None:
    write(tmp_path, f"{images}/a.jpg", labels={f"{labels}/a.txt": LABEL, f"{labels}/classes.txt": "cat\ndog\n"})
    source = prepared(tmp_path)
    assert source.class_names == ("cat", "dog")
    assert items_of(source) == [("train", "a.jpg", 1)]
    (tmp_path / "classes.txt").write_text("cat\r\ndog")
    assert prepared(tmp_path).class_names == ("cat", "dog")
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    with pytest.raises(UserError, match=f"classes.txt and {labels}/classes.txt in .* name different classes; keep"):
        prepared(tmp_path)


def test_a_yaml_file_of_any_name(tmp_path: Path) -> None:
    write(
        tmp_path,
        *("images/train2017/a.jpg", "images/val2017/b.jpg"),
        labels={
            "labels/train2017/a.txt": LABEL,
            "labels/val2017/b.txt": LABEL,
            "coco2.YAML": "path: ../coco2\ntrain: images/train2017\nval: images/val2017\nnames: {0: cat, 1: dog}",
            "hyp.yaml": "lr0: 0.01\n",
            "compose.yml": "hostnames: [a]\n---\nb: c\n",
            "names.yml": "[names]",
            ".hidden.yaml": "names: [a]",
        },
    )
    (tmp_path / "folder.yaml").mkdir()
    source = prepared(tmp_path)
    assert source.class_names == ("cat", "dog")
    assert items_of(source) == [("train", "a.jpg", 1), ("val", "b.jpg", 1)]
    (tmp_path / "my.yaml").write_text("names: [a")
    with pytest.raises(UserError, match=r"my\.yaml is not YAML: "):
        prepared(tmp_path)
    (tmp_path / "my.yaml").write_text("train: images/val2017\nnames: [owl, ant]")
    with pytest.raises(UserError, match=r"coco2\.YAML, my\.yaml in .* each have `names`, .* one data\.yaml$"):
        prepared(tmp_path)
    (tmp_path / "my.yaml").rename(tmp_path / "data.yaml")
    assert prepared(tmp_path).class_names == ("owl", "ant")


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("", "must hold `names` and where `train` is, got None"),
        ("[1, 2]", "must hold `names` and where `train` is"),
        ("train: [", "is not YAML: "),
        ("{[1]: 2}", "is not YAML: "),
        ("names: [a]", "does not say where `train` is"),
        ("train: images", "`names` must be a list of names"),
        ("train: images\nnames: {a: b}", "`names` must give a name for each number, got 'a': 'b'"),
        ("train: images\nnames: [[a]]", "`names` must give a name for each number, got 0"),
        ("train: images\nnames: [a, a]", "source yolo has two classes called a; give each a name of its own"),
        ("train: images\nnames: ['']", "names of classes must be printable"),
        ("train: gone\nnames: [a]", "there is no folder and no text file 'gone' for `train`"),
        ("train: {a: b}\nnames: [a]", "`train` must be a folder, a text file or a list of them"),
        ('train: "a\\0b"\nnames: [a]', "there is no folder and no text file"),
        (
            "a: &a [x, x]\nb: &b [*a, *a]\ntrain: *b\nnames: [c]",
            "`train` must be a folder, a text file or a list of them",
        ),
        ("[" * 800, "is not YAML: "),
    ],
)
def test_a_broken_yaml_is_one_line(yaml: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, "images/a.jpg", labels={"labels/a.txt": ""}, yaml=yaml)
    with pytest.raises(UserError) as error:
        prepared(tmp_path)
    assert message in str(error.value) and "\n" not in str(error.value)
