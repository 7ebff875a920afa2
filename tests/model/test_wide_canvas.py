"""Images with boxes on a canvas that is wider than high, from their annotations to detections in their own pixels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.records.manifest import load_manifest
from tests.beam_jobs.record_job import findings, make_records
from tests.beam_jobs.sources.detection_sets import made_set, write_coco
from tests.commands import output
from tests.model.tiny import run_command


@pytest.mark.long
def test_a_wide_canvas_goes_all_the_way(tmp_path: Path) -> None:
    data, records, run, made = tmp_path / "data", tmp_path / "records", tmp_path / "run", made_set(train=8)
    write_coco(data, made)
    flags = ("--source=coco", f"--data_dir={data}", "--image_size=48x96", "--views=3", "--running_mode=in_memory")
    output(make_records(f"--records={records}", *flags, config="detection"))
    manifest = load_manifest(str(records))
    assert manifest.canvas == (48, 96) and findings(records) == []
    assert manifest.anchors.feature_maps[0].size == (6, 12)

    run_command("model.train", "--config=tiny", f"--records={records}", f"--run={run}", "--epochs=1")
    assert "AP50" in run_command("model.evaluate", f"--run={run}")
    run_command("model.detect", f"--run={run}", f"--images={data / 'train'}", "--min_score=0.02")
    results = json.loads((run / "detections" / "detections.json").read_text())
    shapes = {image.name: image.shape for image in made}
    assert results
    for result in results:
        x, y, width, height = result["bbox"]
        rows, columns = shapes[result["file_name"]]
        assert x >= 0 and y >= 0 and x + width <= columns + 1e-2 and y + height <= rows + 1e-2
