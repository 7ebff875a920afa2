"""Archives and the network: nothing is written outside the folder, nothing half-fetched keeps a name."""

from __future__ import annotations

import errno
import gzip
import http.server
import io
import shutil
import socket
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from beam_jobs.sources import cifar10
from beam_jobs.sources.cifar10 import FOLDER, META, TEST, TRAIN, Cifar10
from beam_jobs.sources.download import fetch, unpack
from pipeline.errors import UserError
from pipeline.files import file_sha256
from tests.beam_jobs.record_job import checksums
from tests.cifar10_files import write_archive, write_cifar10

ARCHIVE = "cifar-10-python.tar.gz"
WAY_OUT = "give it with DATA_DIR"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("PREMATCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An archive on a server of this machine, from which the source now downloads."""
    archive = write_archive(tmp_path / ARCHIVE, write_cifar10(tmp_path / "original"))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("localhost", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(cifar10, "URL", f"http://localhost:{server.server_port}/{ARCHIVE}")
    monkeypatch.setattr(cifar10, "SHA256", file_sha256(archive))
    yield archive
    server.shutdown()
    server.server_close()


def left(folder: Path) -> list[str]:
    """What lies below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_downloaded_once(published: Path, cache: Path) -> None:
    source = Cifar10.prepare(None)
    assert len(source.items()) == 72
    published.unlink()
    assert Cifar10.prepare(None) == source
    assert not [name for name in left(cache) if "part" in name]


def test_no_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as s:
        s.bind(("localhost", 0))
        port = s.getsockname()[1]
    monkeypatch.setattr(cifar10, "URL", f"http://localhost:{port}/{ARCHIVE}")
    with pytest.raises(UserError, match=r"must be reachable, got .*refused; check the network, or give .* DATA_DIR"):
        Cifar10.prepare(None)
    assert left(cache) == ["cifar10"]


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 500 no\r\n\r\n", b"HTTP/1.1 404 no\r\n\r\n"])
def test_a_server_that_answers_badly(answer: bytes, tmp_path: Path) -> None:
    with socket.create_server(("localhost", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            connection.recv(1000)
            connection.sendall(answer)
            connection.close()

        threading.Thread(target=serve, daemon=True).start()
        url = f"http://localhost:{server.getsockname()[1]}/x"
        with pytest.raises(UserError, match=f"{url} must be reachable, got .*{WAY_OUT}"):
            fetch(url, tmp_path / "x", sha256="0" * 64, way_out=WAY_OUT)
    assert left(tmp_path) == []


@pytest.mark.parametrize("chunked", [False, True])
def test_a_connection_that_breaks_in_the_middle(chunked: bool, tmp_path: Path) -> None:
    header = b"Transfer-Encoding: chunked\r\n\r\n64\r\nab" if chunked else b"Content-Length: 100\r\n\r\nab"
    with socket.create_server(("localhost", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + header)
            connection.close()

        threading.Thread(target=serve, daemon=True).start()
        url = f"http://localhost:{server.getsockname()[1]}/x"
        with pytest.raises(UserError, match=rf"{url} must .*{WAY_OUT}"):
            fetch(url, tmp_path / "x", sha256="0" * 64, way_out=WAY_OUT)
    assert left(tmp_path) == []


def test_a_wrong_checksum(published: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar10, "SHA256", "0" * 64)
    with pytest.raises(
        UserError, match=f"must have the SHA-256 {'0' * 64}, got {file_sha256(published)}; try again, or"
    ):
        Cifar10.prepare(None)
    assert left(cache) == ["cifar10"]


def test_a_full_disk(published: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    tools = SimpleNamespace(copyfileobj=full, rmtree=shutil.rmtree)
    monkeypatch.setattr("beam_jobs.sources.download.shutil", tools)
    with pytest.raises(UserError, match=r"cannot write.*: no space left"):
        Cifar10.prepare(None)
    assert left(cache) == ["cifar10", f"cifar10/{ARCHIVE}"]


def test_an_archive_of_ones_own(published: Path, cache: Path, tmp_path: Path) -> None:
    for place in (published, published.parent):
        source = Cifar10.prepare(str(place))
        assert source.class_names[0] == "airplane" and Path(source.folder).is_relative_to(cache)


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
    with pytest.raises(UserError, match=f"must hold {FOLDER}/data_batch_3, got an archive without"):
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


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"--data_dir must hold {FOLDER} or {ARCHIVE}, got"):
        Cifar10.prepare(str(tmp_path / "nowhere"))


def test_unpacking_replaces_an_older_folder_whole(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as tar:
        info = member("./in/a")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"new"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    unpack(archive, tmp_path / "out", members={"in/a": "b"})
    assert left(tmp_path / "out") == ["b"] and (tmp_path / "out" / "b").read_text() == "new"
