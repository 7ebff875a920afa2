"""The rate of the notebook's generator or of our reader, alone on one core, in images a second.

    python -m benchmarks.one_core_rate generator CONFIG FOLDER_OF_CIFAR-10
    python -m benchmarks.one_core_rate sparse RECORDS
    python -m benchmarks.one_core_rate dense RECORDS

Runs in its own process, because the core and TensorFlow's threads are set for a whole process.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

from configs import load_config
from pipeline.command_line import list_cores

BATCH = 32
WARM_UP_SECONDS = 2.0
SECONDS = 8.0


def pin_to_one_core() -> None:
    """Keeps this process and its future threads on its last core, if the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {list_cores()[-1]})


def generator_batches(config_name: str, folder: str) -> Iterator[Any]:
    """Endless batches of the notebook's generator, from the first file of CIFAR-10."""
    import cv2

    from beam_jobs.sources.cifar10.batch_file import load_batch
    from beam_jobs.sources.cifar10.folders import TRAIN
    from benchmarks.notebook_generator import NotebookGenerator
    from pipeline.compositions.collage import Collage

    cv2.setNumThreads(1)
    records = load_config(config_name).records
    collage = records.composition
    assert isinstance(collage, Collage), f"{config_name} must be a collage"
    images, labels = load_batch(Path(folder) / TRAIN[0])
    generator = NotebookGenerator(
        images.copy(),
        labels,
        anchors=records.anchors,
        matching=records.matching,
        canvas_size=records.canvas[0],
        object_size=collage.object_size[0],
        batch=BATCH,
    )
    for index in cycle(range(len(generator))):
        yield generator[index]


def reader_batches(folder: str, *, dense: bool) -> Iterator[Any]:
    """Endless batches of our reader: sparse, as an accelerator takes them, or canvases and dense targets."""
    import tensorflow as tf

    from pipeline.reader.rate import read_by_threads
    from pipeline.records.manifest import load_manifest

    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    yield from read_by_threads(load_manifest(folder), BATCH, 1, dense=dense)


def images_per_second(batches: Iterator[Any]) -> float:
    """The rate of endless batches, measured after a warm-up."""
    warm = time.perf_counter() + WARM_UP_SECONDS
    while time.perf_counter() < warm:
        next(batches)
    started, count = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - started) < SECONDS:
        next(batches)
        count += BATCH
    return count / elapsed


def main(what: str, *arguments: str) -> None:
    """Prints the rate of the generator or of the reader."""
    pin_to_one_core()
    kinds: dict[str, Callable[..., Iterator[Any]]] = {
        "generator": generator_batches,
        "sparse": partial(reader_batches, dense=False),
        "dense": partial(reader_batches, dense=True),
    }
    print(images_per_second(kinds[what](*arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
