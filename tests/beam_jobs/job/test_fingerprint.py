"""A worker with other libraries than the machine that starts the job is refused."""

from __future__ import annotations

import pytest

from beam_jobs.job import fingerprint
from beam_jobs.job.fingerprint import check_versions
from pipeline.errors import UserError


def test_workers_have_the_versions_of_the_machine_that_starts_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = fingerprint.find_library_versions()
    check_versions(wanted)
    monkeypatch.setattr(fingerprint.np, "__version__", "0.1")
    with pytest.raises(UserError, match=rf"^a worker has numpy 0\.1 and not {wanted['numpy']}: install"):
        check_versions(wanted)
