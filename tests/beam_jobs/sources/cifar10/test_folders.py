"""CIFAR-10's folder: found, unpacked or downloaded; nothing unfinished keeps a name, and every failure is one line."""

from __future__ import annotations

import errno
import gzip
import http.server
import os
import shutil
import socket
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from beam_jobs.sources import make_source
from beam_jobs.sources.cifar10 import folders
from beam_jobs.sources.cifar10.folders import FOLDER, META, TEST, TRAIN
from beam_jobs.sources.cifar10.reader import Cifar10
from beam_jobs.sources.data_paths import DataPaths
from pipeline.errors import UserError
from pipeline.files import hash_file
from tests.beam_jobs.record_job import checksums
from tests.cifar10_files import left, write_archive, write_cifar10

ARCHIVE = "cifar-10-python.tar.gz"


def prepare(data_dir: Path | None = None) -> Cifar10:
    return Cifar10.prepare(DataPaths(data_dir=None if data_dir is None else str(data_dir)))


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An archive on a server of this machine, from which the source downloads."""
    archive = write_archive(tmp_path / ARCHIVE, write_cifar10(tmp_path / "original"))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("localhost", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(folders, "URL", f"http://localhost:{server.server_port}/{ARCHIVE}")
    monkeypatch.setattr(folders, "SHA256", hash_file(archive))
    yield archive
    server.shutdown()
    server.server_close()


def test_downloaded_once(published: Path, cache: Path) -> None:
    source = prepare()
    assert len(source.items()) == 72
    published.unlink()
    assert make_source("cifar10") == source
    assert not [name for name in left(cache) if "part" in name]


def test_other_users_of_the_cache_may_read_it(published: Path, cache: Path) -> None:
    before = os.umask(0o022)
    try:
        prepare()
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in cache.rglob("*") if path.is_file()}
    assert modes == {0o644}
    assert {path.stat().st_mode & 0o777 for path in cache.rglob("*") if path.is_dir()} == {0o755}


def test_no_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as s:
        s.bind(("localhost", 0))
        port = s.getsockname()[1]
    monkeypatch.setattr(folders, "URL", f"http://localhost:{port}/{ARCHIVE}")
    with pytest.raises(UserError, match=r"cannot be downloaded: .*refused; check the network, or give .* DATA_DIR"):
        prepare()
    assert left(cache) == ["cifar10"]


def test_a_wrong_checksum(published: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "SHA256", "0" * 64)
    wanted = f"must have the SHA-256 {'0' * 64}, got {hash_file(published)}; try again, or"
    with pytest.raises(UserError, match=wanted):
        prepare()
    assert left(cache) == ["cifar10"]


def test_a_full_disk(published: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tarfile, "copyfileobj", fill)
    with pytest.raises(UserError, match=r"cannot write.*: no space left"):
        prepare()
    assert left(cache) == ["cifar10", f"cifar10/{ARCHIVE}"]


def test_a_python_without_the_data_filter(published: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tarfile, "data_filter")
    with pytest.raises(UserError, match=r"which came with 3\.10\.12, 3\.11\.4 and 3\.12; update Python, or unpack"):
        prepare()
    assert left(cache) == ["cifar10", f"cifar10/{ARCHIVE}"]


def test_an_archive_of_ones_own(published: Path, cache: Path) -> None:
    for place in (published, published.parent):
        source = prepare(place)
        assert source.class_names[0] == "airplane" and Path(source.folder).is_relative_to(cache)


def test_another_archive_is_noted_on_one_line(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "a\nb\x1b[2J"
    place.mkdir()
    write_archive(place / ARCHIVE, write_cifar10(tmp_path / "original"))
    prepare(place)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("note: ") and r"a\nb\x1b[2J" in line
    assert line.endswith("so its figures cannot be compared with others")


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"there is neither {FOLDER} nor {ARCHIVE} in .*; give a folder that holds"):
        prepare(tmp_path / "nowhere")


def test_only_the_named_files_are_unpacked(tmp_path: Path, cache: Path) -> None:
    others = [
        (member("../evil"), b"x"),
        (member(f"{FOLDER}/extra"), b"x"),
        (member("away", tarfile.SYMTYPE, "/tmp"), b""),
        (member("device", tarfile.CHRTYPE), b""),
    ]
    archive = write_archive(tmp_path / ARCHIVE, write_cifar10(tmp_path / "original"), others)
    folder = Path(prepare(archive).folder)
    assert left(folder) == sorted([META, *TRAIN, *TEST]) and not list(tmp_path.rglob("evil"))
    assert checksums(folder) == checksums(tmp_path / "original" / FOLDER)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_a_member_that_is_no_file(kind: bytes, tmp_path: Path, cache: Path) -> None:
    links = [(member(f"{FOLDER}/test_batch", kind, "/etc/passwd"), b"")]
    archive = write_archive(tmp_path / ARCHIVE, write_cifar10(tmp_path / "original"), links)
    with pytest.raises(UserError, match=r"cannot be (unpacked|read): .*"):
        prepare(archive)
    assert left(cache) == ["cifar10"]


def test_missing_members(tmp_path: Path, cache: Path) -> None:
    folder = write_cifar10(tmp_path / "original")
    (folder / "data_batch_3").unlink()
    with pytest.raises(UserError, match=f"lacks {FOLDER}/data_batch_3; it may be another archive"):
        prepare(write_archive(tmp_path / ARCHIVE, folder))
    assert left(cache) == ["cifar10"]


def test_broken_archives(tmp_path: Path, cache: Path) -> None:
    whole = write_archive(tmp_path / "whole", write_cifar10(tmp_path / "original")).read_bytes()
    plain = gzip.decompress(whole)
    middle = len(whole) // 2
    broken = {
        "truncated": whole[:middle],
        "altered": whole[:middle] + bytes(b ^ 0xFF for b in whole[middle : middle + 40]) + whole[middle + 40 :],
        "wrong check": whole[:-8] + b"\0\0\0\0" + whole[-4:],
        "truncated tar": plain[: len(plain) // 2],
        "truncated inside": gzip.compress(plain[: len(plain) // 2]),
        "empty": b"",
        "page": b"<html>no such page</html>" * 50,
        "xz": b"\xfd7zXZ\x00" + whole[:500],
        "bz2": b"BZh9" + whole[:500],
    }
    for name, data in broken.items():
        archive = tmp_path / name / ARCHIVE
        archive.parent.mkdir()
        archive.write_bytes(data)
        with pytest.raises(UserError) as caught:
            prepare(archive)
        assert str(archive) in str(caught.value) and "\n" not in str(caught.value), name
        assert left(cache) == ["cifar10"], name


def test_what_killed_processes_left_goes_and_an_older_folder_is_replaced(tmp_path: Path, cache: Path) -> None:
    archive = write_archive(tmp_path / ARCHIVE, write_cifar10(tmp_path / "original"))
    folder = Path(prepare(archive).folder)
    shutil.rmtree(folder)
    old, new = (folder.with_name(f"{folder.name}.part-{age}") for age in ("old", "new"))
    for part in (old, new, folder):
        part.mkdir()
        (part / "test_batch").touch()
    for path in (old / "test_batch", old):
        os.utime(path, (0, 0))
    prepare(archive)
    assert sorted(os.listdir(folder.parent)) == [folder.name, new.name]
    assert left(folder) == sorted([META, *TRAIN, *TEST])


def test_what_a_refused_archive_left_goes(tmp_path: Path, cache: Path) -> None:
    folder = write_cifar10(tmp_path / "original")
    (folder / "data_batch_4").write_bytes(b"no pickle")
    archive = write_archive(tmp_path / ARCHIVE, folder)
    with pytest.raises(UserError, match="data_batch_4 is no CIFAR-10 batch file"):
        prepare(archive)
    assert left(cache) == ["cifar10"]
    with pytest.raises(UserError, match="data_batch_4 is no CIFAR-10 batch file"):
        prepare(tmp_path / "original")
    assert (folder / "data_batch_4").exists()  # the user's own folder stays
