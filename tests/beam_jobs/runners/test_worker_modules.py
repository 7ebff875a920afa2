"""Worker processes do not load TensorFlow."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.beam_jobs.modules_source import ModulesSource
from tests.beam_jobs.record_job import DIGITS, make_set


def test_workers_never_load_tensorflow(tmp_path: Path) -> None:
    told = tmp_path / "told"
    told.mkdir()
    source = ModulesSource(str(told))
    make_set(tmp_path / "records", DIGITS, source=source, mode="multi_processing", workers=2)
    workers = {path.stem: json.loads(path.read_text()) for path in told.iterdir()}
    assert workers and str(os.getpid()) not in workers
    for modules in workers.values():
        rooms = {name.partition(".")[0] for name in modules}
        assert {"apache_beam", "cv2", "pipeline", "beam_jobs"} <= rooms
        assert not rooms & {"tensorflow", "tf_keras", "keras", "model", "tensorboard"}
        assert "pipeline.reader.dataset" not in modules
