"""What the commands print of a source: it shows at once that a set was taken for another."""

from __future__ import annotations

from beam_jobs.sources.description import describe_source
from beam_jobs.sources.jsonl import JsonLines


def described(*class_names: str, has_val: bool, test_fraction: float) -> list[str]:
    source = JsonLines((), class_names, has_val, test_fraction, digest="", list_pieces=())
    return describe_source(source, val_fraction=0.1)


def test_classes_and_where_val_and_test_come_from() -> None:
    assert described("cat", "big dog", has_val=False, test_fraction=0.0) == [
        "2 classes: cat, big dog",
        "val is 10.0% of train, by hash; test is the source's own",
    ]
    assert described("cat", has_val=True, test_fraction=0.25) == [
        "1 class: cat",
        "val is the source's own; test is 25.0% of train, by hash",
    ]


def test_a_long_list_of_classes_is_cut_and_odd_names_are_escaped() -> None:
    names = ("a\x1bb", *(f"c{number}" for number in range(19)))
    (classes, _) = described(*names, has_val=True, test_fraction=0.0)
    assert classes.startswith("20 classes: a\\x1bb, c0, ") and classes.endswith(", c10, … and 8 more")
