"""Ids of images keep their type on the way through a record."""

from __future__ import annotations

import pytest

from pipeline.records.image_id import BrokenImageId, format_image_id, parse_image_id


@pytest.mark.parametrize(
    "image_id", [0, 1, -7, 10**30, "7", "000001", "-7", "-0", "a.jpg", '"7"', '"', "1e3", "é", "0x1f", " 7", ""]
)
def test_ids_come_back_as_they_were(image_id: int | str) -> None:
    again = parse_image_id(format_image_id(image_id))
    assert again == image_id and type(again) is type(image_id)


def test_different_ids_have_different_texts() -> None:
    ids: list[int | str] = [1, "1", "01", '"1"', '"01"']
    assert len({format_image_id(image_id) for image_id in ids}) == len(ids)


@pytest.mark.parametrize("text", ["", '"', '"x', '"x"', '"7" 8', '"\\u0037"', '"\\ud800"', '"\n"', '"' * 10_000])
def test_texts_that_no_id_has_are_refused(text: str) -> None:
    """A lone quote was an error of the JSON decoder, which nobody expected."""
    with pytest.raises(BrokenImageId, match=r"^must be a number, or a string as the job writes it, got ") as wrong:
        parse_image_id(text)
    assert len(str(wrong.value)) < 300
