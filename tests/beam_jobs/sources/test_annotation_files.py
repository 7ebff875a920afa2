"""Annotation files are read whole, so one that is too large to be what it should be is not read at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from beam_jobs.sources import make_source
from beam_jobs.sources.annotation_files import read_annotations
from pipeline.errors import UserError
from tests.beam_jobs.sources.detection_sets import WRITERS, made_set


def test_a_file_up_to_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_bytes(b"\xef\xbb\xbf{}")
    assert read_annotations(str(path), limit=5) == b"{}"
    with pytest.raises(UserError, match=r"train.json must have at most 4 bytes, got 5$"):
        read_annotations(str(path), limit=4)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("coco", "train/_annotations.coco.json"),
        ("voc", "ImageSets/Main/train.txt"),
        ("voc", "Annotations/train_0.xml"),
        ("yolo", "data.yaml"),
        ("yolo", "labels/train/train_0.txt"),
        ("yolo", "train.txt"),
        ("yolo", "classes.txt"),
    ],
)
def test_a_huge_file_is_named_and_not_read(kind: str, name: str, tmp_path: Path) -> None:
    """Most were read without a limit: a terabyte of nothing ended the job for want of memory."""
    paths = WRITERS[kind](tmp_path, made_set())
    if name == "train.txt":
        (tmp_path / "data.yaml").write_text("train: train.txt\nval: images/val\nnames: [cat, dog, owl]\n")
    elif name == "classes.txt":
        (tmp_path / "data.yaml").unlink()
    (tmp_path / name).touch()
    os.truncate(tmp_path / name, 1 << 40)  # more than fits in memory; on the disk it takes no space
    with pytest.raises(UserError, match=rf"{name} must have at most \d+ bytes, got {1 << 40}$"):
        make_source(kind, paths)
