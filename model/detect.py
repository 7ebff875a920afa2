"""Detects in images with a run's best weights; writes annotated copies, and detections in COCO's results format.

prematch detect --run=runs/cifar10_improved --images='photos/*.jpg'
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import tensorflow as tf
from absl import flags, logging
from tqdm import tqdm

from model.detection.evaluator import Evaluator
from model.detection.image_files import ImageFile, check_overwrites_nothing, choose_output_names, find_images
from model.detection.own_pixels import detect_in_images, make_coco_results
from model.drawing.annotate_image import annotate_image, encode_image_file
from model.network.execution import name_out_of_memory
from model.training.checkpoints import restore_best
from model.training.run_folder import RunFolder
from pipeline.command_line import run_command
from pipeline.compositions.resize import RgbImage
from pipeline.errors import UserError, format_count, make_printable, require_between
from pipeline.files import open_regular, write_whole
from pipeline.records.image_file import decode_image_file

RESULTS = "detections.json"
NAMED = 5  # unreadable images that the last line names; each also has its own line before

FLAGS = flags.FLAGS
flags.DEFINE_string("run", None, "Folder of the run.", required=True)
flags.DEFINE_string("images", None, "An image, a folder of images, or a pattern such as 'photos/*.jpg'.", required=True)
flags.DEFINE_string("output", None, "Folder to write to; default: detections in the run's folder.")
flags.DEFINE_float("min_score", 0.3, "Least score of a detection.")
flags.DEFINE_integer("batch", 8, "Images at a time.", lower_bound=1)


def main() -> None:
    """Detects in the images, and writes the detections and the annotated copies."""
    require_between("--min_score", FLAGS.min_score, 0, 1)
    logging.set_verbosity(logging.ERROR)
    tf.get_logger().setLevel("ERROR")
    folder = RunFolder(Path(FLAGS.run))
    folder.check_kinds()
    run = folder.load()
    output = Path(FLAGS.output) if FLAGS.output else folder.path / "detections"
    files = find_images(FLAGS.images, flag="--images", output=output)
    outputs = [output / name for name in choose_output_names([file.name for file in files])]
    check_overwrites_nothing(files, outputs, flag="--output")

    decoding = replace(run.config.decode, min_score=min(run.config.decode.min_score, FLAGS.min_score))
    evaluator = Evaluator(run.config.model, run.shape, decoding)
    weights = restore_best(folder, evaluator.network)
    print(make_printable(f"detecting with {weights} in {format_count(len(files), 'image')}"), flush=True)
    output.mkdir(parents=True, exist_ok=True)
    category_ids = run.category_ids or range(1, len(run.class_names) + 1)
    results: list[dict[str, object]] = []
    skipped: list[str] = []
    with name_out_of_memory(batch=FLAGS.batch), tqdm(total=len(files), unit="image", desc="detection") as bar:
        images = _read_images(files, skipped, bar)
        while batch := list(islice(images, FLAGS.batch)):
            found = detect_in_images(
                evaluator.detect,
                [image for _, image in batch],
                letterbox=run.config.records.composition.for_detection(),
                min_score=FLAGS.min_score,
            )
            for (number, image), objects in zip(batch, found, strict=True):
                results += make_coco_results(
                    objects, image_id=number + 1, file_name=files[number].name, category_ids=category_ids
                )
                drawn = annotate_image(image, objects, run.class_names)
                outputs[number].parent.mkdir(parents=True, exist_ok=True)
                write_whole(outputs[number], encode_image_file(drawn, outputs[number].suffix))
                bar.update()
    write_whole(output / RESULTS, (json.dumps(results) + "\n").encode())
    print(
        make_printable(
            f"detections: {len(results):,} with a score of at least {FLAGS.min_score:g} in "
            f"{format_count(len(files) - len(skipped), 'image')}; {output} ({RESULTS} and annotated images)"
        ),
        flush=True,
    )
    if skipped:
        more = f" and {len(skipped) - NAMED:,} more" if len(skipped) > NAMED else ""
        of_all = f"{len(skipped):,} of {format_count(len(files), 'image')}"
        raise UserError(f"{of_all} could not be read: {', '.join(skipped[:NAMED])}{more}")


def _read_images(files: Sequence[ImageFile], skipped: list[str], bar: tqdm) -> Iterator[tuple[int, RgbImage]]:
    """Every image that can be read, with its number. The others are named on the terminal and in `skipped`."""
    for number, file in enumerate(files):
        try:
            with open_regular(file.path) as opened:
                image = decode_image_file(opened)
        except (ValueError, OSError) as error:
            skipped.append(str(file.path))
            tqdm.write(make_printable(f"skipped {file.path}: {error}"))
            bar.update()
        else:
            yield number, image


if __name__ == "__main__":
    run_command(main)
