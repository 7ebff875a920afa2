"""Archives: nothing is written outside the folder, nothing grows beyond its limit, and a refused one leaves nothing."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from beam_jobs.sources import cifar10
from beam_jobs.sources.cifar10 import FOLDER, META, TEST, TRAIN, Cifar10
from beam_jobs.sources.unpack import unpack
from pipeline.errors import UserError
from tests.beam_jobs.record_job import checksums
from tests.cifar10_files import left, write_archive, write_cifar10

ARCHIVE = "cifar-10-python.tar.gz"


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_only_the_named_members_are_written(tmp_path: Path, cache: Path) -> None:
    evil = [
        (member("../evil"), b"x"),
        (member("/tmp/prematch-evil"), b"x"),
        (member(f"{FOLDER}/../../evil"), b"x"),
        (member(f"{FOLDER}/extra"), b"x"),
        (member("away", tarfile.SYMTYPE, "/tmp"), b""),
        (member("away/prematch-evil"), b"x"),
        (member("device", tarfile.CHRTYPE), b""),
    ]
    archive = write_archive(tmp_path / ARCHIVE, write_cifar10(tmp_path / "original"), evil)
    folder = Path(Cifar10.prepare(str(archive)).folder)
    assert left(folder) == sorted([META, *TRAIN, *TEST])
    assert not Path("/tmp/prematch-evil").exists() and not list(tmp_path.rglob("evil"))
    assert checksums(folder) == checksums(tmp_path / "original" / FOLDER)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_a_member_that_is_no_file(kind: bytes, tmp_path: Path, cache: Path) -> None:
    links = [(member(f"{FOLDER}/test_batch", kind, "/etc/passwd"), b"")]
    archive = write_archive(tmp_path / ARCHIVE, write_cifar10(tmp_path / "original"), links)
    with pytest.raises(UserError, match="test_batch must be a file, got a link or a folder"):
        Cifar10.prepare(str(archive))
    assert left(cache) == ["cifar10"]


def test_missing_members(tmp_path: Path, cache: Path) -> None:
    folder = write_cifar10(tmp_path / "original")
    (folder / "data_batch_3").unlink()
    with pytest.raises(UserError, match=f"must hold {FOLDER}/data_batch_3, which it lacks"):
        Cifar10.prepare(str(write_archive(tmp_path / ARCHIVE, folder)))
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
            Cifar10.prepare(str(archive))
        assert str(archive) in str(caught.value) and "\n" not in str(caught.value), name
        assert left(cache) == ["cifar10"], name


def test_unpacking_replaces_an_older_folder_whole(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as tar:
        info = member("./in/a")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"new"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    unpack(archive, tmp_path / "out", members={"in/a": "b"}, max_member=3, max_total=20_480)
    assert left(tmp_path / "out") == ["b"] and (tmp_path / "out" / "b").read_text() == "new"


def test_what_killed_processes_left_goes(tmp_path: Path, cache: Path) -> None:
    archive = write_archive(tmp_path / ARCHIVE, write_cifar10(tmp_path / "original"))
    folder = Path(Cifar10.prepare(str(archive)).folder)
    shutil.rmtree(folder)
    old, new = (folder.with_name(f"{folder.name}.part-{age}") for age in ("old", "new"))
    for part in (old, new):
        part.mkdir()
        (part / META).touch()
    for path in (old / META, old):
        os.utime(path, (0, 0))
    Cifar10.prepare(str(archive))
    assert sorted(os.listdir(folder.parent)) == [folder.name, new.name]


def huge_header(kind: bytes, size: int) -> bytes:
    """The header of a member whose size is a lie, so far: its data follow as zeros."""
    info = member("big", kind)
    info.size = size
    return info.tobuf()


def negative_size() -> bytes:
    """The header of a member of -1,024 bytes."""
    info = member("back")
    header = bytearray(info.tobuf())
    header[124:136] = b"\xff" * 10 + b"\xfc\x00"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


BOMBS = {
    "a member beyond its limit": (huge_header(tarfile.REGTYPE, 3 << 30), "must unpack to at most"),
    "a long name of 2 GB": (huge_header(tarfile.GNUTYPE_LONGNAME, 2 << 30), "a header of"),
    "extended headers of 2 GB": (huge_header(tarfile.XHDTYPE, 2 << 30), "a header of"),
    "a negative size": (negative_size(), "broken one"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs(bomb: str, tmp_path: Path, cache: Path) -> None:
    header, words = BOMBS[bomb]
    archive = tmp_path / ARCHIVE
    with gzip.open(archive, "wb") as out:
        out.write(header)
        out.write(bytes(1 << 20))
    with pytest.raises(UserError, match=words):
        Cifar10.prepare(str(archive))
    assert left(cache) == ["cifar10"]


def test_a_named_member_beyond_its_limit(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = write_archive(tmp_path / ARCHIVE, write_cifar10(tmp_path / "original"))
    monkeypatch.setattr(cifar10, "MAX_FILE_BYTES", 30_000)
    with pytest.raises(UserError, match=r"data_batch_1 must have at most 30000 bytes, got \d+"):
        Cifar10.prepare(str(archive))
    assert left(cache) == ["cifar10"]


def test_more_than_the_limit_in_all(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = write_archive(tmp_path / ARCHIVE, write_cifar10(tmp_path / "original"))
    monkeypatch.setattr(cifar10, "MAX_TOTAL_BYTES", 100_000)
    with pytest.raises(UserError, match="must unpack to at most 100000 bytes, got more"):
        Cifar10.prepare(str(archive))
    assert left(cache) == ["cifar10"]


def test_too_many_members(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a.tar.gz", tmp_path, [(member(str(n)), b"") for n in range(10_001)])
    with pytest.raises(UserError, match="more than 10000 members"):
        unpack(archive, tmp_path / "out", members={}, max_member=1, max_total=1 << 30)
    assert left(tmp_path) == ["a.tar.gz"]


def test_what_a_refused_archive_left_goes(tmp_path: Path, cache: Path) -> None:
    folder = write_cifar10(tmp_path / "original")
    (folder / "data_batch_4").write_bytes(b"no pickle")
    archive = write_archive(tmp_path / ARCHIVE, folder)
    with pytest.raises(UserError, match="data_batch_4 must be a CIFAR-10 batch file"):
        Cifar10.prepare(str(archive))
    assert left(cache) == ["cifar10"]
    with pytest.raises(UserError, match="data_batch_4 must be a CIFAR-10 batch file"):
        Cifar10.prepare(str(tmp_path / "original"))
    assert (folder / "data_batch_4").exists()  # the user's own folder stays
