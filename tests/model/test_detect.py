"""detect as a user runs it: a run, images of all kinds, results; and memory that runs out, in evaluate too."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.network.ssd import build_network
from model.training.checkpoints import BestCheckpoint
from model.training.run_folder import RunFolder, describe_run
from tests.model.tiny import CONFIG, refusal, run_command, run_several
from tests.record_sets import CLASS_NAMES, write_record_set


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with weights as they were drawn. Every class has a score of about 1/12 everywhere."""
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "run")
    described = describe_run(CONFIG, write_record_set(tmp_path_factory.mktemp("records")))
    folder.begin(described, command="make train")
    BestCheckpoint(folder, build_network(CONFIG.model, described.shape)).save(1)
    return folder.path


def write_images(folder: Path) -> dict[str, tuple[int, int]]:
    """Images of several kinds. -> height and width by name."""
    shapes = {"one/a.jpg": (40, 90), "two/a.jpg": (120, 50), "two/b.png": (64, 64), "c.bmp": (7, 300)}
    rng = np.random.default_rng(0)
    for name, shape in shapes.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (*shape, 3), dtype=np.uint8)).save(folder / name)
    return shapes


@pytest.mark.parametrize("command", ["model.detect", "model.evaluate"])
def test_memory_that_runs_out_is_one_line(command: str, run: Path, tmp_path: Path) -> None:
    write_images(tmp_path)
    images = [f"--images={tmp_path}"] if command == "model.detect" else []
    printed = run_command(command, f"--run={run}", "--batch=3", *images, status=1, env={"NO_MEMORY": "1"})
    assert refusal(1, printed) == "error: out of memory with --batch=3; choose a smaller batch"


@pytest.mark.long
def test_detections_of_a_folder_and_what_is_refused(run: Path, tmp_path: Path) -> None:
    photos, out, broken, empty = (tmp_path / name for name in ("photos", "out", "broken", "empty"))
    shapes = write_images(photos)
    broken.mkdir()
    empty.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (broken / name).write_bytes((photos / "one" / "a.jpg").read_bytes())
    (broken / "a.jpg").write_bytes((photos / "one" / "a.jpg").read_bytes()[:900])
    (broken / "c.png").write_text("no image")
    flags = f"--run={run}"
    whole, one, some, *refused = run_several(
        "model.detect",
        [
            (flags, f"--images={photos}", f"--output={out}", "--min_score=0.01", "--batch=3"),
            (flags, f"--images={photos}/*/b.png"),
            (flags, f"--images={broken}", f"--output={tmp_path / 'some'}"),
            (flags, f"--images={empty}"),
            (flags, f"--images={photos}/*.gif"),
            (flags, f"--images={photos}", f"--output={photos}"),
            (flags, f"--images={photos}", f"--output={photos / 'c.bmp'}"),
            (flags, f"--images={photos}", "--min_score=nan"),
            (f"--run={tmp_path}", f"--images={photos}"),
            (flags,),
        ],
    )
    assert whole[0] == 0, whole[1]
    assert f"detecting with {run / 'checkpoints' / 'best' / 'epoch-1'} in 4 images" in whole[1]
    results = json.loads((out / "detections.json").read_text())
    assert f"detections: {len(results):,} with a score of at least 0.01 in 4 images; {out}" in whole[1]
    names = {1: "c.bmp", 2: "one/a.jpg", 3: "two/a.jpg", 4: "two/b.png"}
    assert {result["image_id"]: result["file_name"] for result in results} == names
    for result in results:
        x, y, width, height = result["bbox"]
        rows, columns = shapes[result["file_name"]]
        assert x >= 0 and y >= 0 and x + width <= columns + 1e-2 and y + height <= rows + 1e-2
        assert 1 <= result["category_id"] <= len(CLASS_NAMES) and 0.01 <= result["score"] <= 1
    for name, shape in shapes.items():
        with Image.open(out / (f"{name}.png" if name == "c.bmp" else name)) as image:
            assert (image.height, image.width) == shape

    assert one[0] == 0 and (run / "detections" / "b.png").is_file()  # no score is above 0.3
    assert json.loads((run / "detections" / "detections.json").read_text()) == []

    line = refusal(*some)
    assert line.startswith("error: 2 of 3 images could not be read: ")
    assert f"{broken / 'a.jpg'}, {broken / 'c.png'}" in line
    assert f"skipped {broken / 'c.png'}: " in some[1] and (tmp_path / "some" / "b.jpg").is_file()

    lines = [refusal(*one) for one in refused]
    for found, message in zip(
        lines,
        [
            f"error: {empty} holds no images (.bmp, .jfif, .jpe, .jpeg, .jpg, .png, .webp)",
            "--images must be an image, a folder of images or a pattern",
            f"--output must be another folder than that of the images: {photos}/one/a.jpg would be overwritten",
            f"{photos / 'c.bmp'} is a file, where a folder must be",
            "--min_score must be from 0 to 1, got nan",
            f"--run must be the folder of a run, got {tmp_path}",
            "--images must be given",
        ],
        strict=True,
    ):
        assert message in found
