"""The locks of the jars, and jars that differ from them."""

import hashlib
import zipfile
from pathlib import Path

import pytest

import cluster.jars
from cluster.jars import (
    FLINK_JARS,
    JOB_SERVER_JARS,
    JarSet,
    fetch,
    job_server_jar,
    manifest,
    write_lock,
)
from pipeline.errors import UserError

JARS = {"api-1.0.jar": b"bytes of a jar", "runner-1.0.jar": b"bytes of another"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "prematch" / "jars"


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for `mvn` that copies what is in this folder, or fails like Maven where there is none."""
    served = tmp_path / "served"
    served.mkdir()
    for name, content in JARS.items():
        (served / name).write_bytes(content)
    program = tmp_path / "mvn"
    program.write_text(
        "#!/bin/sh\n"
        'for a in "$@"; do case $a in -DoutputDirectory=*) out=${a#*=};; esac; done\n'
        f'mkdir "$out" && cp {served}/*.jar "$out" 2>/dev/null && exit 0\n'
        'echo "[ERROR] Could not find artifact org.example:runner:jar:1.0 in central (https://registry.example)"\n'
        "exit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return served


@pytest.fixture
def jars(tmp_path: Path) -> JarSet:
    """A set of two jars."""
    folder = tmp_path / "example"
    folder.mkdir()
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in JARS.items()]
    (folder / "jars.lock").write_text("".join(lines))
    return JarSet(folder)


def test_locks_of_the_project() -> None:
    flink, job_server = FLINK_JARS.locked(), JOB_SERVER_JARS.locked()
    assert "flink-runtime-1.19.3.jar" in flink
    assert "beam-runners-flink-1.19-2.62.0.jar" in job_server
    assert not any("beam" in name for name in flink)  # a job brings Beam along


@pytest.mark.parametrize("line", ["abc  runner-1.0.jar", f"{'0' * 64} runner-1.0.jar", f"{'0' * 64}  ../runner.jar"])
def test_lock_names_a_bad_line(jars: JarSet, line: str) -> None:
    jars.lock.write_text(jars.lock.read_text() + line + "\n")
    with pytest.raises(UserError, match=r"jars\.lock:3 must be"):
        jars.locked()


def test_set_is_fetched_once(jars: JarSet, served: Path, cache: Path) -> None:
    first = fetch(jars)
    assert {path.name: path.read_bytes() for path in first} == JARS
    for file in served.iterdir():
        file.unlink()
    assert fetch(jars) == first  # from the cache
    assert list(cache.iterdir()) == [jars.cached]


def test_other_lock_is_fetched_anew(jars: JarSet, served: Path) -> None:
    before = fetch(jars)
    (served / "api-1.0.jar").rename(served / "api-2.0.jar")
    write_lock(jars)
    assert [path.name for path in fetch(jars)] == ["api-2.0.jar", "runner-1.0.jar"]
    assert all(path.exists() for path in before)


@pytest.mark.parametrize("change", ["altered", "missing", "extra"])
def test_other_jars_than_locked_are_not_used(jars: JarSet, served: Path, cache: Path, change: str) -> None:
    if change == "altered":
        (served / "api-1.0.jar").write_bytes(b"something else")
    elif change == "missing":
        (served / "api-1.0.jar").unlink()
    else:
        (served / "api-1.1.jar").touch()
    name, words = ("api-1.1.jar", "is not in the lock") if change == "extra" else ("api-1.0.jar", "SHA-256")
    with pytest.raises(UserError, match=rf"{name} .*: nothing of the set is used") as failure:
        fetch(jars)
    assert words in str(failure.value)
    assert list(cache.iterdir()) == []


def test_altered_cache_is_refused(jars: JarSet, served: Path) -> None:
    fetch(jars)[1].write_bytes(JARS["runner-1.0.jar"] + b"!")
    with pytest.raises(UserError, match=r"runner-1\.0\.jar must have SHA-256 .*: delete .* and run this again"):
        fetch(jars)


def test_failed_download_says_why(jars: JarSet, served: Path, cache: Path) -> None:
    for file in served.iterdir():
        file.unlink()
    with pytest.raises(UserError, match=r"could not be downloaded: the registry has no org\.example:runner:jar:1\.0$"):
        fetch(jars)
    assert list(cache.iterdir()) == []


def test_missing_maven_names_the_package(jars: JarSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"`mvn` is not on PATH: install it .*apt-get install maven"):
        fetch(jars)


def test_job_server_is_one_jar(jars: JarSet, served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.jars, "JOB_SERVER_JARS", jars)
    path = job_server_jar()
    with zipfile.ZipFile(path) as archive:
        text = archive.read("META-INF/MANIFEST.MF").decode().replace("\r\n ", "")
    attributes = dict(line.split(": ", 1) for line in text.splitlines())
    assert attributes["Main-Class"] == "org.apache.beam.runners.flink.FlinkJobServerDriver"
    # Java takes these relative to the jar that names them.
    assert [(path.parent / name).read_bytes() for name in attributes["Class-Path"].split()] == list(JARS.values())
    assert "java.base/java.util" in attributes["Add-Opens"].split()


def test_long_lines_of_a_manifest_are_folded() -> None:
    lines = manifest({"Manifest-Version": "1.0", "Class-Path": "x" * 200}).split(b"\r\n")
    assert [len(line) for line in lines] == [21, 72, 72, 70, 0]
    assert all(line.startswith(b" ") for line in lines[2:4])
