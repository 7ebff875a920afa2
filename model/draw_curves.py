"""Draws AP on val against images seen, for one or more runs, of averaged and of raw weights.

prematch curves --run=runs/cifar10_small --run=runs/cifar10_small_baseline --output=docs/ap_curves.png
"""

from __future__ import annotations

import itertools
from pathlib import Path

from absl import flags

from model.drawing.curves import draw_ap_curves, shorten_paths
from model.drawing.png import find_png_path
from model.training.run_folder import RunFolder
from model.training.run_log import read_history
from pipeline.command_line import run_command
from pipeline.errors import UserError, make_printable
from pipeline.files import write_whole

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("run", None, "Folder of a run; repeat the flag for several runs.", required=True)
flags.DEFINE_string("output", "runs/ap_curves.png", "The image, a PNG file.")


def main() -> None:
    """Draws the runs' histories as one image, and prints a line for each run."""
    output = find_png_path(FLAGS.output)
    curves = {}
    names = shorten_paths(FLAGS.run)
    for path in FLAGS.run:
        folder = RunFolder(Path(path))
        folder.check_kinds()
        config = folder.load().config
        rows = [row for row in read_history(folder.history) if row.AP is not None]
        if not rows:
            raise UserError(f"{folder.history} has no evaluated epoch: none is finished yet, or val has no objects")
        curves[names[path]] = (config.training.batch, rows)
        scores = [row.AP for row in rows if row.AP is not None]
        drop = _largest_drop(scores[len(scores) // 2 :])
        print(
            make_printable(path)
            + f": {len(rows)} evaluations, best AP {max(scores):.4f}, largest drop from one to the next "
            f"in the last half {drop:.4f}"
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    write_whole(output, draw_ap_curves(curves))
    print(make_printable(f"image: {output}"))


def _largest_drop(values: list[float]) -> float:
    return max([0.0, *(before - after for before, after in itertools.pairwise(values))])


if __name__ == "__main__":
    run_command(main)
