"""Batch files are pickles: nothing in them runs, and what is broken is named."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from beam_jobs.sources.cifar10 import batch_file
from beam_jobs.sources.cifar10.batch_file import load_batch, load_pickle
from beam_jobs.sources.cifar10.reader import Cifar10
from beam_jobs.sources.data_paths import DataPaths
from pipeline.errors import UserError
from tests.cifar10_files import ROW_BYTES, array, batch, dictionary, listing, number, rows, text, write_cifar10

PIXELS = bytes(range(256)) * 24  # two rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data_batch_1"


def refuse(path: Path, content: bytes) -> str:
    """Checks that a batch file is refused in one line that names it. Returns the line."""
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load_batch(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message and len(message) < 500
    return message


def test_pixels_and_labels(path: Path) -> None:
    labels, pixels = rows(1, 5)
    path.write_bytes(batch(labels, pixels.transpose(0, 3, 1, 2).tobytes()))
    read, numbers = load_batch(path)
    np.testing.assert_array_equal(read, pixels)
    assert numbers.tolist() == labels and read.shape == (5, 32, 32, 3)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_folder_that_python_3_wrote(protocol: int, path: Path) -> None:
    matrix = np.frombuffer(PIXELS, np.uint8).reshape(2, ROW_BYTES)
    names = [b"a.png", b"b.png"]
    path.write_bytes(pickle.dumps({b"data": matrix, b"labels": [3, 4], b"filenames": names}, protocol=protocol))
    read, labels = load_batch(path)
    assert labels.tolist() == [3, 4] and read.transpose(0, 3, 1, 2).tobytes() == PIXELS


class Shell:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_command_runs(protocol: int, path: Path) -> None:
    touched = path.with_name("touched")
    evil = pickle.dumps({"data": Shell(f"touch {touched}"), "labels": []}, protocol=protocol)
    pickle.loads(evil)
    assert touched.exists()  # the attack works
    touched.unlink()
    assert "it names posix.system" in refuse(path, evil)
    assert not touched.exists()


@pytest.mark.parametrize(
    "name", ["builtins eval", "numpy load", "numpy.core.multiarray fromfile", "copyreg _reconstructor"]
)
def test_no_other_name_is_known(name: str, path: Path) -> None:
    module, attribute = name.split()
    assert f"it names {module}.{attribute}" in refuse(path, f"c{module}\n{attribute}\n.".encode())


@pytest.mark.parametrize(
    "what",
    [
        dictionary({"labels": listing([number(1)] * 2), "data": array(PIXELS, 2**31 - 1, columns=2**31 - 1)}),
        dictionary({"labels": listing([number(1)] * 2), "data": array(PIXELS, 2, columns=ROW_BYTES + 1)}),
        dictionary({"labels": listing([number(1)] * 2), "data": array(PIXELS, 3)}),
        dictionary({"labels": listing([number(1)] * 3), "data": array(PIXELS, 3)}),
        dictionary({"labels": listing([number(1)] * 2), "data": array(PIXELS, 2, dtype="f8")}),
        dictionary({"labels": listing([number(1)] * 2), "data": array(PIXELS, 2, dtype="O8")}),
        dictionary({"labels": listing([number(1)] * 2), "data": text("pixels")}),
        dictionary({"labels": number(2), "data": array(PIXELS, 2)}),
        dictionary({"data": array(PIXELS, 2)}),
        dictionary({"labels": listing([number(1)] * 2)}),
    ],
)
def test_shapes_that_do_not_hold(what: bytes, path: Path) -> None:
    refuse(path, what)


@pytest.mark.parametrize("label", [number(-1), number(10), number(2**31 - 1), b"N", b"\x88", text("cat"), b"F1.0\n"])
def test_labels_that_are_none(label: bytes, path: Path) -> None:
    content = dictionary({"labels": listing([number(1), label]), "data": array(PIXELS, 2)})
    assert "label of row 1 must be in [0, 10)" in refuse(path, content)


def test_truncated_anywhere(path: Path) -> None:
    whole = batch([3, 4], PIXELS)
    for end in [*range(0, 200), *range(200, len(whole), 499), len(whole) - 1]:
        refuse(path, whole[:end])


def test_bits_flipped_anywhere_end_well_or_in_one_line(path: Path) -> None:
    whole = batch([3, 4], PIXELS)
    opcodes = [at for at in range(len(whole)) if not len(whole) - len(PIXELS) - 2 < at < len(whole) - 2]
    for at in opcodes:
        for bit in (1, 4, 16, 64):
            content = whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :]
            path.write_bytes(content)
            try:
                pixels, labels = load_batch(path)
            except UserError as error:
                assert str(error).startswith(str(path)) and "\n" not in str(error)
            else:
                assert pixels.shape == (2, 32, 32, 3) and len(labels) == 2


def test_not_a_pickle(path: Path) -> None:
    for content in (b"", b"\0" * 100, b"<html>no such page</html>", b"\x1f\x8b\x08\0", b"]."):
        refuse(path, content)


def test_meta_data_that_names_no_ten_classes(tmp_path: Path) -> None:
    folder = write_cifar10(tmp_path)
    (folder / "batches.meta").write_bytes(dictionary({"label_names": listing([text("cat")])}))
    with pytest.raises(UserError, match=r"batches\.meta holds no list of 10 label_names"):
        Cifar10.prepare(DataPaths(str(tmp_path)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("\x9cuf", r"names of classes must be printable and of 1 to 200 characters, got '\\x9cuf'$"),
        ("", "got ''"),
        ("dog", "two classes called dog"),
    ],
)
def test_names_that_cannot_be_classes(name: str, message: str, tmp_path: Path) -> None:
    folder = write_cifar10(tmp_path)
    names = ("airplane", "automobile", "bird", name, "deer", "dog", "frog", "horse", "ship", "truck")
    (folder / "batches.meta").write_bytes(dictionary({"label_names": listing([text(name) for name in names])}))
    with pytest.raises(UserError, match=message):
        Cifar10.prepare(DataPaths(str(tmp_path)))


def test_every_file_is_checked_before_the_job_begins(tmp_path: Path) -> None:
    folder = write_cifar10(tmp_path)
    whole = (folder / "test_batch").read_bytes()
    (folder / "test_batch").write_bytes(whole[:-9])
    with pytest.raises(UserError, match="test_batch is no CIFAR-10 batch file"):
        Cifar10.prepare(DataPaths(str(tmp_path)))
    (folder / "test_batch").unlink()
    with pytest.raises(UserError, match="test_batch is missing"):
        Cifar10.prepare(DataPaths(str(tmp_path)))


def test_a_dictionary_is_needed(path: Path) -> None:
    path.write_bytes(b"\x80\x02].")
    with pytest.raises(UserError, match="is no CIFAR-10 batch file"):
        load_pickle(path)


def test_a_file_that_is_too_large(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_file, "MAX_FILE_BYTES", 1000)
    assert "must have at most 1000 bytes" in refuse(path, batch([3, 4], PIXELS))
