"""YOLO's labels, by data.yaml or by folders alone."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.picture_set import PictureSet
from beam_jobs.sources.source import SourceBox
from beam_jobs.sources.yolo import Yolo
from beam_jobs.sources.yolo_label import parse_yolo
from pipeline.errors import UserError
from tests.beam_jobs.sources.detection_sets import write_picture
from tests.beam_jobs.sources.reasons import reasons_of

LABEL = "1 0.5 0.25 0.5 0.25\n"
BOX = SourceBox(0.125, 0.25, 0.375, 0.75, "dog", relative=True)
NAMES = {0: "cat", 1: "dog"}


def write(folder: Path, *pictures: str, labels: dict[str, str] | None = None, yaml: str | None = None) -> None:
    for name in pictures:
        write_picture(folder / name)
    for name, text in (labels or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    if yaml is not None:
        (folder / "data.yaml").write_text(yaml)


def prepared(folder: Path) -> PictureSet:
    return Yolo.prepare(DataPaths(data_dir=str(folder)))


def items_of(source: PictureSet) -> list[tuple[str, str, int]]:
    return [(item.split, item.source_id, len(item.boxes or ())) for item in source.items()]


def test_boxes_and_polygons() -> None:
    assert parse_yolo(LABEL.encode(), NAMES) == (BOX,)
    assert parse_yolo(b"\n 1.0  0.25 0.125 0.75 0.25 0.5 0.375 \r\n\n", NAMES) == (BOX,)
    assert parse_yolo(LABEL.encode(), None) == (BOX._replace(class_name="1"),)
    assert parse_yolo(b"", NAMES) == ()


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
    first, second = parse_yolo(f"{line}\n{LABEL}".encode("utf-8", "surrogateescape"), NAMES)
    assert (first.fault or "").startswith(fault)
    assert second == BOX


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
    with pytest.raises(UserError, match=f"got classes.txt and {labels}/classes.txt, which differ, in .*; keep the one"):
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
    with pytest.raises(UserError, match=r"my\.yaml must be YAML, got an error"):
        prepared(tmp_path)
    (tmp_path / "my.yaml").write_text("train: images/val2017\nnames: [owl, ant]")
    with pytest.raises(UserError, match=r"one YAML file with `names`, got coco2\.YAML, my\.yaml in .* one data\.yaml$"):
        prepared(tmp_path)
    (tmp_path / "my.yaml").rename(tmp_path / "data.yaml")
    assert prepared(tmp_path).class_names == ("owl", "ant")


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
    reason = f"/content/set/images/train/a.jpg must lie inside the picture folder {tmp_path}, got a name that leads out"
    with pytest.raises(UserError, match=f"no picture can be used: looked at 1 picture, such as .*: {reason} of it$"):
        prepared(tmp_path)
    (tmp_path / "data.yaml").write_text("train: train.txt\nval: images/val\nnames: [cat, dog]")
    assert reasons_of(prepared(tmp_path)) == {"/content/set/images/train/a.jpg": f"{reason} of it"}


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
def test_a_split_that_is_not_there_never_means_every_picture(place: str, tmp_path: Path) -> None:
    yaml = f"train: images/train\nval: {place}\nnames: [cat, dog]"
    write(tmp_path, "images/train/a.jpg", labels={"labels/train/a.txt": LABEL}, yaml=yaml)
    assert not prepared(tmp_path).has_val


def test_a_split_that_was_not_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    splits = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n"
    write(tmp_path, "train/images/a.jpg", labels={"train/labels/a.txt": LABEL}, yaml=f"{splits}names: [cat, dog]")
    write(tmp_path, "valid/images/b.jpg", labels={"valid/labels/b.txt": LABEL})
    source = Yolo.prepare(DataPaths(data_dir=str(tmp_path), test_fraction=0.0))
    said = f"{tmp_path}/data.yaml: `test` is '../test/images', which is not there; read as a set without a test split\n"
    assert capsys.readouterr().out == said
    in_worker = pickle.loads(pickle.dumps(source))
    assert items_of(in_worker) == items_of(source) == [("train", "a.jpg", 1), ("val", "b.jpg", 1)]
    assert capsys.readouterr().out == ""
    (tmp_path / "data.yaml").write_text("train: train/images\nval: [a, b]\nnames: [cat, dog]")
    assert not prepared(tmp_path).has_val
    assert "`val` is ['a', 'b'], which is not there; read as a set without a val split\n" in capsys.readouterr().out
    (tmp_path / "data.yaml").write_text("train: train/images\nval: [valid/images, b]\nnames: [cat, dog]")
    with pytest.raises(UserError, match="`val` must be a folder or a text file, got 'b', which is not there"):
        prepared(tmp_path)


def test_images_and_labels_alone(tmp_path: Path) -> None:
    write(tmp_path, "images/a.jpg", "images/sub/b.jpg", labels={"labels/a.txt": LABEL, "labels/sub/b.txt": LABEL})
    assert sorted(item.source_id for item in prepared(tmp_path).items()) == ["a.jpg", "sub/b.jpg"]
    (tmp_path / "labels/classes.txt").write_text("cat\ndog\n")
    (tmp_path / "labels/validation.txt").write_text("images/a.jpg\n")  # a list of pictures, no label file
    source = prepared(tmp_path)
    assert source.class_names == ("cat", "dog")
    assert reasons_of(source) == {}


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (("images/train/a.jpg", "images/c.jpg"), "got images/c.jpg next to images/train in"),
        (("images/train/a.jpg", "images/extra/deep/c.jpg"), "got images/extra next to images/train in"),
        (("images/val/a.jpg", "images/c.jpg"), "got images/c.jpg next to images/val in"),
        (("train/images/a.jpg", "images/c.jpg"), "got images/c.jpg next to train/images in"),
        (("train/images/a.jpg", "testing/images/c.jpg"), "got testing/images next to train/images in"),
    ],
)
def test_pictures_next_to_folders_of_splits(pictures: tuple[str, str], message: str, tmp_path: Path) -> None:
    write(tmp_path, *pictures, labels={"labels/train/a.txt": LABEL, "train/labels/a.txt": LABEL})
    with pytest.raises(UserError, match=f"no pictures outside the folders of splits, {message} .*; move it into the"):
        prepared(tmp_path)


def test_files_that_are_no_pictures_next_to_folders_of_splits(tmp_path: Path) -> None:
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


def test_labels_beside_pictures_and_above_a_folder_called_images(tmp_path: Path) -> None:
    root = tmp_path / "images/set"
    write(
        root, "train/a.jpg", labels={"train/a.txt": LABEL}, yaml="train: train\nval: ''\ntest: null\nnames: [cat, dog]"
    )
    assert [len(item.boxes or ()) for item in prepared(root).items()] == [1]


def test_labels_in_the_wrong_place_are_not_taken_for_pictures_without_objects(tmp_path: Path) -> None:
    write(
        tmp_path,
        *("train/img/a.jpg", "train/img/b.jpg"),
        labels={"train/labels/a.txt": LABEL},
        yaml="train: train/img\nnames: [cat, dog]",
    )
    with pytest.raises(UserError, match=r"^some of the 2 pictures of train must have a label file.*train/img/a\.txt;"):
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
    assert parse_yolo(b"1 .5 .25", NAMES, pose=True)[0].fault


def test_labels_without_pictures_are_rejected_by_name(tmp_path: Path) -> None:
    write(tmp_path, "images/a.jpg", labels={"labels/a.txt": LABEL, "labels/b.txt": LABEL})
    assert reasons_of(prepared(tmp_path)) == {
        "b.txt": "b.txt must be the label file of a picture, got none of that name"
    }


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("", "must hold `names` and where `train` is, got None"),
        ("[1, 2]", "must hold `names` and where `train` is"),
        ("train: [", "must be YAML, got an error"),
        ("{[1]: 2}", "must be YAML, got an error"),
        ("names: [a]", "must say where `train` is"),
        ("train: images", "`names` must be a list of names"),
        ("train: images\nnames: {a: b}", "`names` must give a name for each number, got 'a': 'b'"),
        ("train: images\nnames: [[a]]", "`names` must give a name for each number, got 0"),
        ("train: images\nnames: [a, a]", "names of classes must differ, got a more than once"),
        ("train: images\nnames: ['']", "names of classes must be printable"),
        ("train: gone\nnames: [a]", "`train` must be a folder or a text file, got 'gone', which is not there"),
        ("train: {a: b}\nnames: [a]", "`train` must be a folder, a text file or a list of them"),
        ('train: "a\\0b"\nnames: [a]', "`train` must be a folder or a text file"),
        (
            "a: &a [x, x]\nb: &b [*a, *a]\ntrain: *b\nnames: [c]",
            "`train` must be a folder, a text file or a list of them",
        ),
        ("[" * 800, "must be YAML, got an error"),
    ],
)
def test_a_broken_yaml_is_one_line(yaml: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, "images/a.jpg", labels={"labels/a.txt": ""}, yaml=yaml)
    with pytest.raises(UserError) as error:
        prepared(tmp_path)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_no_yolo_set(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--data_dir must hold data\.yaml, or folders images and labels"):
        prepared(tmp_path)
    with pytest.raises(UserError, match="--annotations must be left out for source yolo"):
        Yolo.prepare(DataPaths(data_dir=str(tmp_path), annotations="a"))
