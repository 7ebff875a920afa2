"""Evaluates a run on a split: COCO's twelve metrics, the detections, and an image of some of them.

prematch evaluate --run=runs/cifar10_improved
"""

from __future__ import annotations

import json
from pathlib import Path

import tensorflow as tf
from absl import flags, logging
from tqdm import tqdm

from model.detection.coco import METRICS
from model.detection.evaluator import Evaluator
from model.drawing.image_grid import draw_detections
from model.network.execution import name_out_of_memory
from model.training.checkpoints import restore_best
from model.training.run_folder import RunFolder
from pipeline.command_line import run_command
from pipeline.config.records_config import SPLITS
from pipeline.errors import UserError, format_count, make_printable
from pipeline.files import write_whole
from pipeline.records.manifest import check_shards, load_manifest

IMAGES = 12  # of detections.png

FLAGS = flags.FLAGS
flags.DEFINE_string("run", None, "Folder of the run.", required=True)
flags.DEFINE_string("records", None, "Folder of the record set; default: the one the run was trained on.")
flags.DEFINE_string("output", None, "Folder to write to; default: evaluation in the run's folder.")
flags.DEFINE_enum("split", "test", SPLITS, "Which records.")
flags.DEFINE_integer("limit", None, "Only the first n records of the split.", lower_bound=1)
flags.DEFINE_integer("batch", 32, "Images at a time.", lower_bound=1)
flags.DEFINE_enum("check", "checksums", ["checksums", "sizes"], "What to check of the records before evaluation.")


def main() -> None:
    """Evaluates the run's best weights and writes the files."""
    logging.set_verbosity(logging.ERROR)
    tf.get_logger().setLevel("ERROR")
    folder = RunFolder(Path(FLAGS.run))
    folder.check_kinds()
    run = folder.load()
    manifest = load_manifest(FLAGS.records or run.records)
    if manifest.anchors.fingerprint != run.shape.anchors.fingerprint:
        raise UserError(
            f"the anchors of {manifest.folder} must have the fingerprint {run.shape.anchors.fingerprint}, like the "
            f"model of {folder.path}, got {manifest.anchors.fingerprint}; choose the --records of the run"
        )
    if (manifest.class_names, manifest.canvas) != (run.class_names, run.shape.canvas):
        raise UserError(
            f"{manifest.folder} has other classes or another canvas size than {folder.path}; choose the "
            "--records of the run"
        )
    examples = min(manifest.examples(FLAGS.split), FLAGS.limit or manifest.examples(FLAGS.split))
    if examples == 0:
        raise UserError(f"{manifest.folder} has no {FLAGS.split} records; choose another --split")
    if FLAGS.check == "checksums":
        check_shards(manifest, FLAGS.split)

    evaluator = Evaluator(run.config.model, run.shape, run.config.decode)
    weights = restore_best(folder, evaluator.network)
    place = Path(FLAGS.output) if FLAGS.output else folder.evaluation
    place.mkdir(parents=True, exist_ok=True)  # a folder that cannot be written is refused before the work
    print(
        make_printable(
            f"evaluating {weights} on {format_count(examples, f'{FLAGS.split} record')} of {manifest.folder}"
        ),
        flush=True,
    )
    with name_out_of_memory(batch=FLAGS.batch), tqdm(total=examples, unit="image", desc="evaluation") as bar:
        results = evaluator.evaluate(
            manifest,
            FLAGS.split,
            batch=FLAGS.batch,
            limit=FLAGS.limit,
            keep=IMAGES,
            progress=bar.update,
        )
    metrics = results.metrics()
    for name in METRICS:
        print(f"{name:10} {'no such objects' if metrics[name] < 0 else format(metrics[name], '.4f')}", flush=True)

    write_whole(place / "ground_truth.json", json.dumps(results.ground_truth).encode())
    write_whole(place / "detections.json", json.dumps(results.detections).encode())
    described = {
        "split": FLAGS.split,
        "images": examples,
        "weights": weights,
        "records": manifest.folder,
        "records_fingerprint": manifest.fingerprint,
    }
    write_whole(place / "metrics.json", (json.dumps({**metrics, **described}, indent=1) + "\n").encode())

    files = "metrics.json, ground_truth.json, detections.json"
    try:
        write_whole(place / "detections.png", draw_detections(results.images, run.class_names))
        files += ", detections.png"
    except UserError as error:
        print(make_printable(f"{error}; everything else is done"))
    print(make_printable(f"evaluation: {place} ({files})"))


if __name__ == "__main__":
    run_command(main)
