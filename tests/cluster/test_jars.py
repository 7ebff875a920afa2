"""The lock of the jars, and jars that are not what it says."""

import hashlib
from pathlib import Path

import pytest

from cluster.errors import ClusterError
from cluster.fetch_jars import fetch
from cluster.jars import Jar, is_cached, read_lock

BYTES = b"bytes of a jar"
SHA256 = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "prematch" / "jars"


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for `mvn` that copies the file `served`, or fails like Maven where there is none."""
    served = tmp_path / "served"
    program = tmp_path / "mvn"
    program.write_text(
        "#!/bin/sh\n"
        'for a in "$@"; do case $a in -DoutputDirectory=*) out=${a#*=};; esac; done\n'
        f'cp {served} "$out/runner-1.0.jar" 2>/dev/null && exit 0\n'
        'echo "[ERROR] Could not find artifact org.example:runner:jar:1.0 in central (https://registry.example)"\n'
        "exit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return served


def jar(sha256: str | None) -> Jar:
    return Jar(sha256, "org.example", "runner", "1.0", "maven")


def test_lock_of_the_project() -> None:
    jars = {j.artifact: j for j in read_lock()}
    assert jars["flink-dist"].coordinates == "org.apache.flink:flink-dist:2.2.1"
    assert jars["beam-runners-flink-2.2-job-server"].source == "maven"
    assert all(j.sha256 is None or len(j.sha256) == 64 for j in jars.values())


def test_lock_names_a_bad_line(tmp_path: Path) -> None:
    lock = tmp_path / "jars.lock"
    lock.write_text("# jars\nabc org.example:runner maven\n")
    with pytest.raises(ClusterError, match=r"jars\.lock:2 must be"):
        read_lock(lock)


def test_locked_jar_is_fetched_once(maven: Path, cache: Path) -> None:
    maven.write_bytes(BYTES)
    fetch([jar(SHA256)])
    assert (cache / "runner-1.0.jar").read_bytes() == BYTES
    maven.unlink()
    fetch([jar(SHA256)])  # from the cache


def test_other_bytes_than_locked_are_not_used(maven: Path, cache: Path) -> None:
    maven.write_bytes(b"something else")
    with pytest.raises(ClusterError, match=f"must have SHA-256 {SHA256}, got"):
        fetch([jar(SHA256)])
    assert list(cache.iterdir()) == []


def test_altered_cache_is_refused(maven: Path, cache: Path) -> None:
    maven.write_bytes(BYTES)
    for locked in (SHA256, None):  # None: held against what was downloaded first
        fetch([jar(locked)])
        (cache / "runner-1.0.jar").write_bytes(BYTES + b"!")
        with pytest.raises(ClusterError, match="delete it and run this again"):
            is_cached(jar(locked))
        (cache / "runner-1.0.jar").unlink()


def test_failed_download_says_why(maven: Path) -> None:
    with pytest.raises(
        ClusterError, match=r"org\.example:runner:1\.0 could not be downloaded: the registry has no"
    ) as failure:
        fetch([jar(None)])
    assert "https" not in str(failure.value)


def test_missing_maven_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match=r"got no `mvn` on PATH: install it .*apt-get install maven"):
        fetch([jar(None)])
