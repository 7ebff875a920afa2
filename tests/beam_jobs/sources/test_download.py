"""Downloads: nothing unfinished keeps a name, and every failure is one line."""

from __future__ import annotations

import errno
import http.server
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from beam_jobs.sources import cifar10
from beam_jobs.sources.cifar10 import FOLDER, Cifar10
from pipeline.download import download
from pipeline.errors import UserError
from pipeline.files import file_sha256
from tests.cifar10_files import left, write_archive, write_cifar10

ARCHIVE = "cifar-10-python.tar.gz"
WAY_OUT = "give it with DATA_DIR"


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
    monkeypatch.setattr(cifar10, "URL", f"http://localhost:{server.server_port}/{ARCHIVE}")
    monkeypatch.setattr(cifar10, "SHA256", file_sha256(archive))
    yield archive
    server.shutdown()
    server.server_close()


def test_downloaded_once(published: Path, cache: Path) -> None:
    source = Cifar10.prepare(None)
    assert len(source.items()) == 72
    published.unlink()
    assert Cifar10.prepare(None) == source
    assert not [name for name in left(cache) if "part" in name]


def test_other_users_of_the_cache_may_read_it(published: Path, cache: Path) -> None:
    before = os.umask(0o022)
    try:
        Cifar10.prepare(None)
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in cache.rglob("*") if path.is_file()}
    assert modes == {0o644}
    assert {path.stat().st_mode & 0o777 for path in cache.rglob("*") if path.is_dir()} == {0o755}


def test_no_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as s:
        s.bind(("localhost", 0))
        port = s.getsockname()[1]
    monkeypatch.setattr(cifar10, "URL", f"http://localhost:{port}/{ARCHIVE}")
    with pytest.raises(UserError, match=r"cannot be downloaded: .*refused; check the network, or give .* DATA_DIR"):
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
        with pytest.raises(UserError, match=f"{url} cannot be downloaded: .*{WAY_OUT}"):
            download(url, tmp_path / "x", sha256="0" * 64, way_out=WAY_OUT)
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
        with pytest.raises(UserError, match=rf"{url} (must|cannot) .*{WAY_OUT}"):
            download(url, tmp_path / "x", sha256="0" * 64, way_out=WAY_OUT)
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
    monkeypatch.setattr("beam_jobs.sources.unpack.shutil", tools)
    with pytest.raises(UserError, match=r"cannot write.*: no space left"):
        Cifar10.prepare(None)
    assert left(cache) == ["cifar10", f"cifar10/{ARCHIVE}"]


def test_an_archive_of_ones_own(published: Path, cache: Path, tmp_path: Path) -> None:
    for place in (published, published.parent):
        source = Cifar10.prepare(str(place))
        assert source.class_names[0] == "airplane" and Path(source.folder).is_relative_to(cache)


def test_another_archive_is_noted_on_one_line(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "a\nb\x1b[2J"
    place.mkdir()
    write_archive(place / ARCHIVE, write_cifar10(tmp_path / "original"))
    Cifar10.prepare(str(place))
    (line,) = capsys.readouterr().out.splitlines()
    assert (
        line.startswith("note: ")
        and r"a\nb\x1b[2J" in line
        and line.endswith("so its figures cannot be compared with others")
    )


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"--data_dir must hold {FOLDER} or {ARCHIVE}, got"):
        Cifar10.prepare(str(tmp_path / "nowhere"))
