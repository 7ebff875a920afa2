"""Compares training steps fed with sparse batches, as records hold them, with steps on dense batches, in one run.

    python -m benchmarks.training_step

Every round takes the same steps in turn: on dense batches that are ready in memory, as the trainer feeds a CPU (the
reader's threads unpack), and with unpacking as part of the step, as on an accelerator. The table shows the medians;
ratios are taken within a round. Ends with status 1 if a goal is missed.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import model  # noqa: F401  (chooses the Keras before TensorFlow is imported)

# isort: split
import tensorflow as tf

from benchmarks.commands import measure_python
from benchmarks.flags import FLAGS
from benchmarks.goals import Goal
from benchmarks.report import Conditions, report
from benchmarks.synthetic_cifar10 import write_synthetic_cifar10
from configs import load_config
from model.network.ssd import build_network
from model.training.augmentation import unpack_augmented, unpack_batches
from model.training.run_folder import describe_run
from model.training.train_step import make_state, make_train_step
from pipeline.command_line import run_command
from pipeline.config.run_config import Config
from pipeline.reader.batch_spec import make_batch_spec
from pipeline.reader.dataset import read_training_batches
from pipeline.records.manifest import Manifest, load_manifest

CONFIG = "cifar10_small"
LIMIT = 2_000  # images of each split of the source
ROUNDS = 25  # many and short: a machine's speed changes from second to second by more than the goal allows
STEPS = 5  # of each way in a round
FIRST = 2  # untimed steps of each way: the one before may still be working
READY = 8  # dense batches in memory, again and again
MOST = 1.03  # the time of a step that the trainer feeds, in steps on dense batches


@dataclass(frozen=True)
class Round:
    """Milliseconds of a step in one round."""

    dense: float  # on dense batches that are ready in memory
    fed: float  # as the trainer feeds a CPU
    in_step: float  # with unpacking as part of the step


class Way:
    """A new training, its batches, and the training step that takes one of them."""

    def __init__(self, config: Config, manifest: Manifest, batches: Iterator[Any], *, unpack: Any = None) -> None:
        run = describe_run(config, manifest)
        self._state = make_state(build_network(config.model, run.shape), config.training, epoch_steps=1_000)
        self._step = make_train_step(
            tf.distribute.get_strategy(),
            self._state,
            shape=run.shape,
            loss=config.loss,
            unpack=unpack,
        )
        self._batches = batches

    def milliseconds(self, steps: int) -> float:
        """The mean time of a step."""
        self._take(FIRST)
        started = time.perf_counter()
        self._take(steps)
        return (time.perf_counter() - started) * 1e3 / steps

    def _take(self, steps: int) -> None:
        for _ in range(steps):
            self._step(next(self._batches))
        self._state.losses.read_recent(1)  # waits for the device


def measure(config: Config, manifest: Manifest, *, rounds: int, steps: int) -> list[Round]:
    """Times all ways in turn, on networks of the same kind. Nothing is augmented, so that all do the same."""
    spec = make_batch_spec(manifest, "train")
    unpack = partial(unpack_augmented, spec=spec, config=config.augment)
    batches = partial(read_training_batches, manifest, batch=config.training.batch, seed=0)
    ready = list(batches(dense=True).take(READY))
    ways = (
        Way(config, manifest, cycle(ready)),
        Way(config, manifest, iter(unpack_batches(batches(), unpack))),
        Way(config, manifest, iter(batches()), unpack=unpack),
    )
    for way in ways:
        way.milliseconds(3)  # tracing, and the first steps
    return [Round(*(way.milliseconds(steps) for way in ways)) for _ in range(rounds)]


def goals(rounds: list[Round]) -> list[Goal]:
    """The goal of a step that the trainer feeds on a CPU."""
    ratio = statistics.median(r.fed / r.dense for r in rounds)
    return [
        Goal("time of a step that the trainer feeds, relative to dense batches", ratio, MOST, at_least=False, digits=3)
    ]


def table(rounds: list[Round]) -> list[str]:
    """The median times, below a heading."""
    names = {
        "dense": "dense batches, ready in memory",
        "fed": "sparse, unpacked by the reader's threads",
        "in_step": "sparse, unpacked in the step",
    }
    lines = [f"{'a training step':<44}{'ms':>8}{'ratio':>8}"]
    for field, name in names.items():
        median = statistics.median(getattr(r, field) for r in rounds)
        ratio = statistics.median(getattr(r, field) / r.dense for r in rounds)
        lines.append(f"{name:<44}{median:>8,.0f}{ratio:>8.3f}")
    return lines


def main() -> None:
    """Measures all rounds and prints the table. Raises `UserError` if a goal is missed, unless `--nogoals`."""
    tf.get_logger().setLevel("ERROR")
    config = load_config(CONFIG)
    before = Conditions.now()
    with tempfile.TemporaryDirectory(prefix="prematch-bench-") as folder:
        data = write_synthetic_cifar10(Path(folder) / "data")
        records = str(Path(folder) / "records")
        measure_python(
            *("-m", "beam_jobs.make_records", f"--config={CONFIG}", f"--records={records}"),
            *(f"--data_dir={data}", f"--limit={LIMIT}"),
        )
        rounds = measure(config, load_manifest(records), rounds=FLAGS.rounds or ROUNDS, steps=STEPS)
    report(before, f"{CONFIG}: batch {config.training.batch}; images of noise", table(rounds), goals(rounds))


if __name__ == "__main__":
    run_command(main)
