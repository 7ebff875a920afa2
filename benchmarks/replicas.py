"""Checks that replicas change only the speed: 1, 2 and 4, with synchronised batch norm, on the same batches.

python -m benchmarks.replicas --config=cifar10_small --records=records/cifar10_small
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from absl import flags

from benchmarks.commands import run_python
from benchmarks.replica_difference import TOLERANCE, difference
from pipeline.command_line import run_command

FLAGS = flags.FLAGS
flags.DEFINE_string("config", "cifar10_small", "A configuration.")
flags.DEFINE_string("records", None, "Folder of its record set.", required=True)
flags.DEFINE_string("run", None, "A run of that configuration, to start from its best weights. Default: new weights.")
flags.DEFINE_integer("steps", 50, "Steps of SGD, and as many of the recipe's optimizer.", lower_bound=1)
flags.DEFINE_float("rate", 1e-4, "Learning rate of SGD.")
flags.DEFINE_list("arithmetic", ["float64", "float32"], "Arithmetic of the network.")
flags.DEFINE_list("replicas", ["2", "4"], "Numbers of replicas to compare with one.")


def main() -> None:
    """Prints a line for each number of replicas and each arithmetic, and one that compares the arithmetics."""
    ones: dict[str, dict[str, np.ndarray]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for arithmetic in FLAGS.arithmetic:
            one = ones[arithmetic] = _measure(1, arithmetic, Path(folder))
            for replicas in FLAGS.replicas:
                several = _measure(int(replicas), arithmetic, Path(folder))
                _print(f"{arithmetic}, {replicas} replicas and 1", one, several)
    if len(ones) == 2:  # what rounding alone changes
        _print(f"1 replica, {' and '.join(ones)}", *ones.values())


def _print(pair: str, one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    found = difference(one, other)
    apart = f"{found.tensors_apart} of {found.tensors} tensors over {TOLERANCE:.0e}"
    print(
        f"{pair}: gradients differ by {found.gradients:.1e} of the largest ({apart}), weights after {FLAGS.steps} "
        f"SGD steps by {found.weights:.1e}, losses of the recipe by {found.loss:.1e} of themselves",
        flush=True,
    )


def _measure(replicas: int, arithmetic: str, folder: Path) -> dict[str, np.ndarray]:
    output = folder / f"{arithmetic}-{replicas}.npz"
    run_python(
        *("-m", "benchmarks.replica_run"),
        *(f"--config={FLAGS.config}", f"--records={FLAGS.records}", f"--replicas={replicas}"),
        *([f"--run={FLAGS.run}"] if FLAGS.run else []),
        *(f"--steps={FLAGS.steps}", f"--rate={FLAGS.rate}", f"--float64={arithmetic == 'float64'}"),
        f"--output={output}",
    )
    with np.load(output) as found:
        return dict(found)


if __name__ == "__main__":
    run_command(main)
