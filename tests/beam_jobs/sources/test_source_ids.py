"""Source ids are names of images, told apart by split and folder where names are shared."""

from __future__ import annotations

from beam_jobs.sources.image_reference import fault_reference
from beam_jobs.sources.source import Item
from beam_jobs.sources.source_ids import with_unique_ids


def ids(items: list[tuple[str, str, str]], *folders: str) -> list[str]:
    return [item.source_id for item in with_unique_ids([Item(*item) for item in items], folders)]


def test_names_that_are_unique_stay() -> None:
    assert ids([("train", "a.jpg", "0:a.jpg"), ("test", "b.jpg", "1:b.jpg")], "/x/one", "/x/two") == ["a.jpg", "b.jpg"]


def test_splits_then_folders_tell_names_apart() -> None:
    items = [("train", "a", "0:a"), ("train", "a", "1:a"), ("test", "a", "2:a"), ("train", "b", "0:b")]
    wanted = ["one/train/a", "two/deep/train/a", "test/a", "b"]
    assert ids(items, "/x/one", "/x/two/deep", "/x/one") == wanted
    assert ids(items, "/elsewhere/one", "/elsewhere/two/deep", "/elsewhere/one") == wanted
    assert ids(items, "gs://x/one", "/y", "/x")[:3] == ["gs://x/one/train/a", "/y/train/a", "test/a"]


def test_a_name_with_a_prefix_is_not_that_of_another_image() -> None:
    """`train/a` was one of two images then, and the job rejected the other as listed twice."""
    items = [("train", "a", "0:a"), ("train", "train/a", "0:train/a"), ("test", "a", "0:a"), ("test", "b", "0:b")]
    assert ids(items, "/x") == ["train/a", "train/train/a", "test/a", "b"]


def test_one_image_listed_twice_keeps_its_id_and_odd_names_are_escaped() -> None:
    fault = fault_reference("must be another")
    items = [("train", "a", "0:a"), ("train", "a", "0:a"), ("test", "b\n\udcff", fault), ("test", "é b", "0:é b")]
    assert ids(items, "/x") == ["a", "a", "b\\n\\udcff", "é b"]
