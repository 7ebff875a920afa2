"""Records made on a cluster have the bytes of local ones, whoever is killed in the middle of the job."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.errors import ClusterError
from cluster.fetch_jars import fetch
from cluster.jars import FLINK_JARS
from cluster.job_server import job_server_jar
from cluster.settings import FLINK
from tests.cluster.cluster_run import MINUTES, Cluster, checksums, run_module, start_job, wait_for_first_shard

CONFIG = "digits_demo"
ENGINE = os.environ["CLUSTER_ENGINE"]


@pytest.fixture(scope="module", autouse=True)
def jars() -> None:
    """Nothing of Flink can be tested without its jars and Beam's job server: their absence is a failure, at once."""
    missing = ""
    try:
        if ENGINE == FLINK:
            fetch(FLINK_JARS)
            job_server_jar()
    except ClusterError as error:
        missing = str(error)
    if missing:
        pytest.fail(missing, pytrace=False)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The checksums of the records that the local runner makes."""
    records = tmp_path_factory.mktemp("local")
    run_module("beam_jobs.make_records", f"--config={CONFIG}", f"--records={records}")
    return checksums(records)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A fresh cluster, stopped at the end."""
    cluster = Cluster.start(ENGINE, tmp_path / "cluster")
    yield cluster
    cluster.stop()


def finish(job: subprocess.Popen[str]) -> str:
    """Waits for a job that must end well; -> what it printed."""
    output = job.communicate(timeout=MINUTES)[0]
    assert job.returncode == 0, output
    return output


def compare(records: Path, local: dict[str, str]) -> None:
    """Prints the checksums of both sides, which must be the same; so must the manifest be there."""
    there = checksums(records)
    print(f"\n{'shard':50} {'local':16} {ENGINE}")
    for name in sorted(local | there):
        print(f"{name:50} {local.get(name, 'missing')[:16]} {there.get(name, 'missing')[:16]}")
    assert there == local
    assert (records / "manifest.json").exists()


def test_same_bytes_as_local(cluster: Cluster, local: dict[str, str], tmp_path: Path) -> None:
    records = tmp_path / "records"
    finish(start_job(CONFIG, records, *cluster.job_flags()))
    compare(records, local)
    if ENGINE == FLINK:
        assert cluster.restarts() == 0  # each TaskManager leaves the other's workers alone


@pytest.mark.skipif(ENGINE != FLINK, reason="only Flink has TaskManagers")
def test_task_manager_killed(cluster: Cluster, local: dict[str, str], tmp_path: Path) -> None:
    records = tmp_path / "records"
    job = start_job(CONFIG, records, *cluster.job_flags())
    finished = wait_for_first_shard(job, records)
    cluster.kill_task_manager()
    assert finished < len(local), "the job was over before the kill"
    finish(job)
    print(f"\na TaskManager was killed after {finished} of {len(local)} shards")
    compare(records, local)
    assert cluster.restarts() > 0


def test_workers_killed(cluster: Cluster, local: dict[str, str], tmp_path: Path) -> None:
    records = tmp_path / "records"
    job = start_job(CONFIG, records, *cluster.job_flags())
    finished = wait_for_first_shard(job, records)
    killed = cluster.kill_workers()
    assert killed > 0
    assert finished < len(local), "the job was over before the kill"
    if ENGINE == FLINK:
        finish(job)  # Flink asks the pool for new workers
        assert cluster.restarts() > 0
    else:
        output = job.communicate(timeout=MINUTES)[0]  # the job service gives the job up, and says so at once
        assert job.returncode != 0, output
        assert not (records / "manifest.json").exists()
        again = finish(start_job(CONFIG, records, *cluster.job_flags()))
        assert "shards were there already, with receipts that hold; kept" in again
    print(f"\n{killed} workers were killed after {finished} of {len(local)} shards")
    compare(records, local)
