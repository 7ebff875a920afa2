"""`make_records` on people's own sets: every flag reaches the source, and what cannot be used is in rejected.jsonl."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.beam_jobs.record_job import make_records
from tests.beam_jobs.sources.detection_sets import coco_content, made_set, write_image, write_jsonl
from tests.commands import complaint, output, run_each

COMMAND = "beam_jobs.make_records"
IMPORTS = ["beam_jobs.job.finish", "beam_jobs.job.job", "beam_jobs.runners.run_job", "beam_jobs.sources", "configs"]


def test_a_coco_set_with_faults(tmp_path: Path) -> None:
    made, content = made_set(train=8, val=0, test=0), coco_content(made_set(train=8, val=0, test=0))
    content["images"].append({"id": 99, "file_name": "gone.jpg"})
    content["annotations"][0]["bbox"] = "everywhere"
    for image in made:
        write_image(tmp_path / "images" / image.name, image.shape)
    (tmp_path / "all.json").write_text(json.dumps(content))
    flags = [
        *("--source=coco", f"--annotations={tmp_path / 'all.json'}", f"--images={tmp_path / 'images'}"),
        *(f"--records={tmp_path / 'records'}", "--test_fraction=0.3", "--max_rejected=0.2", "--running_mode=in_memory"),
    ]
    printed = output(make_records(*flags, "--image_size=64", "--views=3", config="detection"))
    assert "records of detection: source coco, " in printed
    assert ", 3 of each training record" in printed
    splits = re.search(r"^splits: train (\d+), val (\d+), test (\d+)$", printed, re.MULTILINE)
    assert splits is not None and sum(map(int, splits.groups())) >= 8 and int(splits.group(3)) > 0
    rejected = [json.loads(line) for line in (tmp_path / "records/rejected.jsonl").read_text().splitlines()]
    reasons = {line["what"]: line["reason"] for line in rejected}
    assert reasons == {
        "image": f"{tmp_path}/images/gone.jpg is missing",
        "box": "box 0 must have four numbers as `bbox`, got 'everywhere'",
    }


def test_one_line(tmp_path: Path) -> None:
    paths = write_jsonl(tmp_path, made_set())
    cases = {
        (
            "--source=imagenet",
        ): "--source must be one of cifar10, digits, coco, voc, yolo, jsonl, folder, got 'imagenet'",
        ("--source=coco",): "--annotations must be given for source coco",
        ("--source=voc", "--data_dir=/nowhere"): "--data_dir must be a folder, got '/nowhere'",
        ("--source=yolo",): "--data_dir must be given for source yolo",
        ("--source=yolo", f"--data_dir={paths.images}"): f"{paths.images!r} is no YOLO set",
        ("--source=folder", f"--data_dir={tmp_path}", "--images=x"): "--images must be left out for source folder",
        ("--source=jsonl", f"--annotations={paths.annotations}"): "no image is there: looked for 4 images",
        ("--source=jsonl", f"--annotations={tmp_path}"): "cannot read the annotations",
        ("--source=coco", "--annotations=a", "--test_fraction=1"): "--test_fraction must be in [0, 1), got 1.0",
        (
            "--config=digits_demo",
            "--source=jsonl",
            f"--annotations={paths.annotations}",
            f"--images={paths.images}",
        ): "digits_demo places images of single objects, and these have boxes: choose another --config",
    }
    runs = [["--config=detection", f"--records={tmp_path / 'records'}", *flags] for flags in cases]
    for done, words in zip(run_each(COMMAND, runs, imports=IMPORTS), cases.values(), strict=True):
        assert complaint(done).startswith(words)
    assert not (tmp_path / "records").exists()
