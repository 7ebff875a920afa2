"""The check of the demo's AP50, as CI runs it: it passes, and it can fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.setup.checkout import ROOT


@pytest.mark.parametrize(
    ("text", "status", "line"),
    [
        ('{"AP50": 0.985, "AP": 0.1}', 0, "AP50 on held-out digits is 0.985, at least 0.8"),
        ('{"AP50": 0.8}', 0, "AP50 on held-out digits is 0.800, at least 0.8"),
        ('{"AP50": 0.79}', 1, "AP50 on held-out digits is 0.790, BELOW 0.8"),
        ('{"AP50": NaN}', 1, "AP50 on held-out digits is nan, BELOW 0.8"),
        ('{"AP": 0.9}', 1, "metrics.json holds no AP50; run `make demo` again"),
        ('{"AP50": null}', 1, "metrics.json holds no AP50; run `make demo` again"),
        ("[]", 1, "metrics.json holds no AP50; run `make demo` again"),
        ('{"AP50"', 1, "metrics.json holds no AP50; run `make demo` again"),
        (None, 1, "metrics.json cannot be read: No such file or directory; run `make demo` first"),
    ],
)
def test_the_demo_must_reach_its_ap50(tmp_path: Path, text: str | None, status: int, line: str) -> None:
    if text is not None:
        (tmp_path / "metrics.json").write_text(text)
    command = [sys.executable, "-S", str(ROOT / "scripts/check_demo.py"), "metrics.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (status, f"demo: {line}\n", "")
