"""Files in an object store, whose errors are of its own kind: a stand-in for Google's, which raises NotFound."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from apache_beam.io.filesystems import FileSystems

from beam_jobs.job import storage
from pipeline.errors import UserError


class NotFound(Exception):
    """What no base class of Python or Beam knows."""


@pytest.mark.parametrize("there", [False, True])
def test_a_missing_file_is_none_and_any_other_error_stays(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise NotFound("404")

    monkeypatch.setattr(FileSystems, "open", fail)
    monkeypatch.setattr(FileSystems, "exists", lambda path: there)
    if there:
        with pytest.raises(NotFound):
            storage.read_bytes("gs://bucket/receipts/a.json")
    else:
        assert storage.read_bytes("gs://bucket/receipts/a.json") is None


def test_a_file_over_the_limit_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"four")
    assert storage.read_bytes(str(path), limit=4) == storage.read_bytes(str(path)) == b"four"
    assert storage.read_bytes(str(path), limit=3) is None


@pytest.mark.parametrize(("scheme", "extra"), [("s3", "aws"), ("gs", "gcp")])
def test_a_store_without_its_library_is_refused_with_the_command_that_installs_it(
    scheme: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.importlib.util, "find_spec", lambda name: None)

    def fail(path: str) -> None:
        raise ValueError("no such file system")

    if scheme == "gs":
        monkeypatch.setattr(FileSystems, "get_filesystem", fail)
    with pytest.raises(UserError) as error:
        storage.check_file_system(f"{scheme}://bucket/records")
    assert f"install the extra `{extra}` ({sys.executable} -m pip install -e '.[{extra}]')" in str(error.value)
