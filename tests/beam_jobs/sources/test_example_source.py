"""The source that docs/own_data.md shows as an example, taken from there."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from beam_jobs import sources
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.source import SourceBox
from tests.beam_jobs.sources.detection_sets import write_image
from tests.setup.checkout import ROOT

EXAMPLE = re.compile(r"^```python\n(\"\"\"Sets annotated in one CSV file[\s\S]*?)^```", re.MULTILINE)
LINE = re.compile(r'^    "csv": "(csv_boxes \w+)",$', re.MULTILINE)


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file and its line in the table of sources."""
    text = (ROOT / "docs/own_data.md").read_text()
    (code,), (line,) = EXAMPLE.findall(text), LINE.findall(text)
    monkeypatch.setitem(sources._CLASSES, "csv", line)
    module = ModuleType("beam_jobs.sources.csv_boxes")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # where dataclasses look for it
    exec(compile(code, "docs/own_data.md", "exec"), module.__dict__)


@pytest.mark.usefixtures("example")
def test_the_example_reads_images_and_boxes(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        write_image(tmp_path / "images" / name, (50, 90))
    (tmp_path / "boxes.csv").write_text("a.jpg,10,20,30,40,cat\na.jpg,1.5,2,3,4,dog\nb.jpg,0,0,9,9,dog\n")
    paths = DataPaths(annotations=str(tmp_path / "boxes.csv"), images=str(tmp_path / "images"), test_fraction=0.5)
    source: Any = sources.make_source("csv", paths)
    assert source.name == "csv" and source.class_names == ("cat", "dog")
    first, second = source.items()
    assert first.boxes == (SourceBox(20.0, 10.0, 40.0, 30.0, "cat"), SourceBox(2.0, 1.5, 4.0, 3.0, "dog"))
    assert (first.source_id, second.source_id) == ("a.jpg", "b.jpg")
    assert source.read(second.reference).shape == (50, 90, 3) and np.any(source.read(first.reference))
