"""Records made on a cluster have the same bytes as local ones, whatever is killed in the middle of the job."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.jars import FLINK_JARS, fetch, job_server_jar
from cluster.up import FLINK
from pipeline.errors import UserError
from tests.cluster.cluster_run import Cluster, checksums, start_job, wait_for_first_shard
from tests.commands import finished, output, run_module

CONFIG = "digits_demo"
ENGINE = os.environ["CLUSTER_ENGINE"]


@pytest.fixture(scope="module", autouse=True)
def jars() -> None:
    """Fails at once if the jars of Flink or of Beam's job server are missing."""
    missing = ""
    try:
        if ENGINE == FLINK:
            fetch(FLINK_JARS)
            job_server_jar()
    except UserError as error:
        missing = str(error)
    if missing:
        pytest.fail(missing, pytrace=False)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The checksums of records from the local runner."""
    records = tmp_path_factory.mktemp("local")
    output(run_module("beam_jobs.make_records", f"--config={CONFIG}", f"--records={records}"))
    return checksums(records)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A fresh cluster, stopped at the end."""
    cluster = Cluster.start(ENGINE, tmp_path / "cluster")
    yield cluster
    cluster.stop()


def compare(records: Path, local: dict[str, str]) -> None:
    """Prints and compares the checksums of both sides, and checks that there is a manifest."""
    there = checksums(records)
    print(f"\n{'shard':50} {'local':16} {ENGINE}")
    for name in sorted(local | there):
        print(f"{name:50} {local.get(name, 'missing')[:16]} {there.get(name, 'missing')[:16]}")
    assert there == local
    assert (records / "manifest.json").exists()


def test_same_bytes_as_local(cluster: Cluster, local: dict[str, str], tmp_path: Path) -> None:
    records = tmp_path / "records"
    output(finished(start_job(CONFIG, records, *cluster.job_flags())))
    compare(records, local)
    if ENGINE == FLINK:
        assert cluster.restarts() == 0  # each TaskManager leaves the other's workers alone


@pytest.mark.skipif(ENGINE != FLINK, reason="only Flink has TaskManagers")
def test_task_manager_killed(cluster: Cluster, local: dict[str, str], tmp_path: Path) -> None:
    records = tmp_path / "records"
    job = start_job(CONFIG, records, *cluster.job_flags())
    shards = wait_for_first_shard(job, records)
    cluster.kill_task_manager()
    assert shards < len(local), "the job was over before the kill"
    output(finished(job))
    print(f"\na TaskManager was killed after {shards} of {len(local)} shards")
    compare(records, local)
    assert cluster.restarts() > 0


def test_workers_killed(cluster: Cluster, local: dict[str, str], tmp_path: Path) -> None:
    records = tmp_path / "records"
    job = start_job(CONFIG, records, *cluster.job_flags())
    shards = wait_for_first_shard(job, records)
    killed = cluster.kill_workers()
    assert killed > 0
    assert shards < len(local), "the job was over before the kill"
    if ENGINE == FLINK:
        output(finished(job))  # Flink asks the pool for new workers
        assert cluster.restarts() > 0
    else:
        assert finished(job).returncode != 0  # the job service abandons the job, and the launcher notices at once
        assert not (records / "manifest.json").exists()
        again = output(finished(start_job(CONFIG, records, *cluster.job_flags())))
        assert "shards were already complete and are kept" in again
    print(f"\n{killed} workers were killed after {shards} of {len(local)} shards")
    compare(records, local)
