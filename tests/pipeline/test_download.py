"""Downloads from servers that answer badly: one line, and nothing unfinished is left."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from pipeline.download import download
from pipeline.errors import UserError

WAY_OUT = "give it with DATA_DIR"
OK = b"HTTP/1.1 200 OK\r\n"
ANSWERS = {
    "nothing": b"",
    "nonsense": b"nonsense\r\n\r\n",
    "an error": b"HTTP/1.1 500 no\r\n\r\n",
    "no such page": b"HTTP/1.1 404 no\r\n\r\n",
    "the beginning of a file": OK + b"Content-Length: 100\r\n\r\nab",
    "the beginning of a chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n64\r\nab",
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_server_that_answers_badly(answer: str, tmp_path: Path) -> None:
    with socket.create_server(("localhost", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            connection.recv(1000)
            connection.sendall(ANSWERS[answer])
            connection.close()

        threading.Thread(target=serve, daemon=True).start()
        url = f"http://localhost:{server.getsockname()[1]}/x"
        with pytest.raises(UserError, match=rf"{url} (must|cannot) .*{WAY_OUT}"):
            download(url, tmp_path / "x", sha256="0" * 64, way_out=WAY_OUT)
    assert list(tmp_path.iterdir()) == []
