"""Keys: unique names, hashes that never change, and the choices made by them; ids of images keep their types."""

from __future__ import annotations

import pytest

from pipeline.records.keys import (
    BrokenImageId,
    format_image_id,
    hash63,
    is_chosen,
    make_record_key,
    name_shard,
    parse_image_id,
    parse_source_id,
    split_of,
)


def test_a_key_names_split_source_and_copy() -> None:
    assert make_record_key("train", "00042", 3) == "train/00042/3"


@pytest.mark.parametrize("source_id", ["00042", "dir/sub/image.jpg", "a/b/0", "", "/"])
def test_split_and_source_id_are_read_back_from_a_key(source_id: str) -> None:
    key = make_record_key("val", source_id, 12)
    assert (split_of(key), parse_source_id(key)) == ("val", source_id)


def test_hashes_are_pinned() -> None:
    assert hash63("") == 8238016292129134938
    assert hash63("train/00042/0") == 5949519296265962714
    assert hash63("Ünïcode") == 5955810495204970772


def test_hashes_fit_beams_signed_64_bit_numbers() -> None:
    hashes = [hash63(str(i)) for i in range(2000)]
    assert min(hashes) >= 0 and max(hashes) < 2**63
    assert max(hashes) > 2**62  # all 63 bits are used
    assert len(set(hashes)) == 2000


def test_a_choice_takes_about_its_fraction_and_does_not_change_with_more_ids() -> None:
    ids = [f"{i:05d}" for i in range(20_000)]
    val = [i for i in ids if is_chosen(i, 0.1, "val")]
    assert abs(len(val) - 2000) < 5 * (20_000 * 0.1 * 0.9) ** 0.5
    assert set(val) <= {i for i in ids if is_chosen(i, 0.2, "val")}


def test_choices_for_two_purposes_are_independent() -> None:
    ids = [f"{i:05d}" for i in range(20_000)]
    both = sum(is_chosen(i, 0.5, "val") and is_chosen(i, 0.5, "another") for i in ids)
    assert abs(both - 5000) < 400


def test_fractions_0_and_1_take_none_and_all() -> None:
    assert not any(is_chosen(str(i), 0.0, "val") for i in range(100))
    assert all(is_chosen(str(i), 1.0, "val") for i in range(100))


def test_a_shard_is_named_by_split_fingerprint_and_number() -> None:
    assert name_shard("train", "0123abcd", 0, 16) == "train-0123abcd-00000-of-00016.tfrecord"


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
