"""TFRecord framing, against pinned bytes and TensorFlow's own reader and writer."""

from __future__ import annotations

import io
import random
import struct
from pathlib import Path

import pytest

from pipeline.records.tfrecord import FRAME_BYTES, BrokenFrame, compute_masked_crc, frame, read_frames

RECORDS = [b"", b"a", b"\x00" * 100, bytes(range(256)) * 50]
FILE = b"".join(frame(record) for record in RECORDS)


def read(data: bytes, size: int | None = None) -> list[bytes]:
    return list(read_frames(io.BytesIO(data), len(data) if size is None else size))


def test_a_frame_is_pinned() -> None:
    assert frame(b"prematch").hex() == "0800000000000000ff86240f7072656d61746368b676cae9"
    assert compute_masked_crc(b"123456789") == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) % 2**32


def test_frames_are_read_back() -> None:
    assert read(FILE) == RECORDS
    assert len(FILE) == sum(len(record) + FRAME_BYTES for record in RECORDS)


def test_an_empty_file_has_no_records() -> None:
    assert read(b"") == []


def test_every_cut_is_a_broken_frame_that_says_where() -> None:
    starts = [0]
    for record in RECORDS:
        starts.append(starts[-1] + len(record) + FRAME_BYTES)
    for end in range(starts[3] + 40):
        if end in starts:
            assert read(FILE[:end]) == RECORDS[: starts.index(end)]
            continue
        index = sum(start < end for start in starts) - 1
        with pytest.raises(
            BrokenFrame, match=rf"^record {index} at byte {starts[index]} (must have a header|is cut off)"
        ):
            read(FILE[:end])
        with pytest.raises(
            BrokenFrame, match=rf"^record {index} at byte {starts[index]} (must have a header|is cut off)"
        ):
            read(FILE[:end], size=len(FILE))  # shorter than its size says


def test_every_flipped_bit_is_noticed() -> None:
    choice = random.Random(0)
    data = frame(b"first") + frame(b"some more bytes")
    for at in range(len(data)):
        garbled = bytearray(data)
        garbled[at] ^= 1 << choice.randrange(8)
        with pytest.raises(BrokenFrame, match=r"must have|is cut off|does not match|do not match"):
            read(bytes(garbled))


def test_a_record_of_gigabytes_is_refused_before_it_is_read() -> None:
    length = struct.pack("<Q", 300 << 20)
    header = length + struct.pack("<I", compute_masked_crc(length))
    with pytest.raises(
        BrokenFrame, match=r"^record 0 at byte 0 must have at most 268435456 bytes of data, got 314572800"
    ):
        read(header, size=1 << 30)


def test_tensorflow_reads_our_frames_and_we_read_its(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    path = tmp_path / "ours.tfrecord"
    path.write_bytes(FILE)
    assert [record.numpy() for record in tf.data.TFRecordDataset(str(path))] == RECORDS
    other = tmp_path / "theirs.tfrecord"
    with tf.io.TFRecordWriter(str(other)) as writer:
        for record in RECORDS:
            writer.write(record)
    assert other.read_bytes() == FILE
