"""The commands on a machine without a home folder and without a folder for temporary files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model.tiny import refusal, run_command, run_script
from tests.record_sets import rewrite_manifest, write_record_set

pytestmark = pytest.mark.any_stack

NOWHERE = {"HOME": "/proc/none", "XDG_CACHE_HOME": "", "XDG_CONFIG_HOME": "", "MPLCONFIGDIR": "", "NO_TEMP": "1"}


@pytest.mark.long
def test_tensorflow_starts_quietly_without_a_temporary_folder() -> None:
    script = (
        "import tempfile\ntempfile._candidate_tempdir_list = lambda: ['/proc/none']\nimport model\nprint('started')"
    )
    assert run_script(script) == "started\n"


@pytest.mark.long
def test_without_home_and_temporary_folder_everything_but_images_works(tmp_path: Path) -> None:
    records, run = tmp_path / "records", tmp_path / "run"
    write_record_set(records)
    command = ("model.train", "--config=tiny", f"--records={records}", f"--run={run}")
    printed = run_command(*command, env=NOWHERE)
    (line,) = (line for line in printed.splitlines() if "images" in line)
    assert line.startswith("images cannot be drawn (OSError: Matplotlib requires access to a writable cache")
    assert line.endswith("; training continues")
    assert (run / "checkpoints" / "last" / "step-6.index").exists() and not list(run.glob("*.png"))
    printed = run_command("model.evaluate", f"--run={run}", env=NOWHERE)
    assert "everything else is done" in printed and (run / "evaluation" / "metrics.json").exists()
    printed = run_command("model.show_records", f"--records={records}", status=1, env=NOWHERE)
    assert "images cannot be drawn (OSError: Matplotlib" in refusal(1, printed)


@pytest.mark.long
def test_names_like_formulas_are_trained_and_drawn(tmp_path: Path) -> None:
    records, run = tmp_path / "records", tmp_path / "run"
    write_record_set(records)
    rewrite_manifest(records, lambda values: values.update(class_names=["US$1_$5", "_", "a^{b"]))
    printed = run_command("model.train", "--config=tiny", f"--records={records}", f"--run={run}", "--epochs=1")
    assert "cannot be drawn" not in printed and (run / "val_detections.png").exists()
    printed = run_command("model.evaluate", f"--run={run}")
    assert "cannot be drawn" not in printed and (run / "evaluation" / "detections.png").exists()
    run_command("model.show_records", f"--records={records}", f"--output={tmp_path / 'a.png'}")
