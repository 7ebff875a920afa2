"""A cluster that cannot start says which part of it ended, and why."""

import os
from pathlib import Path

import pytest

from cluster import up
from cluster.processes import Process, start
from cluster.up import PORTABLE, ClusterSettings
from pipeline.errors import UserError
from tests.commands import wait_until
from tests.processes import quiet_ports, runs


def test_a_process_that_ends_is_named_after_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[Process] = []

    def starter(name: str, command: str) -> None:
        def begin(settings: ClusterSettings) -> Process:
            process = start(name, ["sh", "-c", command], log=settings.logs / f"{name}.log", env=os.environ)
            started.append(process)
            return process

        monkeypatch.setattr(up, f"start_{name.replace('-', '_')}", begin)

    starter("worker-pool", "sleep 600")
    starter("job-service", r"for n in 1 2; do echo line $n; done; printf '\tat \033[31m\n'")
    job_port, pool_port = quiet_ports(2)
    settings = ClusterSettings(tmp_path / "cluster", PORTABLE, job_port=job_port, pool_port=pool_port)
    log = settings.logs / "job-service.log"
    with pytest.raises(UserError) as ended:
        up.up(settings)
    assert str(ended.value) == (
        f"job-service ended while the cluster was starting; above are the last lines of its log, {log}"
    )
    assert capsys.readouterr().err == "  line 1\n  line 2\n          at \\x1b[31m\n"
    wait_until(lambda: not any(runs(process.pid) for process in started))
    assert not settings.state.exists()
