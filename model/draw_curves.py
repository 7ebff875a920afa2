"""Draws AP on val of one or several runs, by pictures seen: of the weights that count, and of the raw ones.

python -m model.draw_curves --run=runs/cifar10_small --run=runs/cifar10_small_baseline --output=docs/ap_curves.png
"""

from __future__ import annotations

import itertools
from pathlib import Path

from absl import flags

from model.pictures.figures import draw_ap_curves, png_path, short_names
from model.training.callbacks import read_history
from model.training.run_folder import RunFolder
from pipeline.errors import UserError, run_command

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("run", None, "Folder of a run; give it again for each further run.", required=True)
flags.DEFINE_string("output", "runs/ap_curves.png", "The picture, PNG.")


def main() -> None:
    """From histories to one picture, and a line a run."""
    output = png_path(FLAGS.output)
    curves = {}
    names = short_names(FLAGS.run)
    for path in FLAGS.run:
        folder = RunFolder(Path(path))
        config = folder.load().config
        rows = [row for row in read_history(folder.history) if row["AP"]]
        if not rows:
            raise UserError(f"{folder.history} must hold an evaluated epoch, got none: none is finished yet, or val "
                            "is empty")  # fmt: skip
        curves[names[path]] = (config.training.batch, rows)
        worst = _largest_fall([float(row["AP"]) for row in rows[len(rows) // 2 :]])
        print(f"{path}: {len(rows)} evaluations, best AP {max(float(row['AP']) for row in rows):.4f}, "
              f"largest fall from one to the next in the last half {worst:.4f}")  # fmt: skip
    draw_ap_curves(curves, output)
    print(f"picture: {output}")


def _largest_fall(values: list[float]) -> float:
    return max([0.0, *(before - after for before, after in itertools.pairwise(values))])


if __name__ == "__main__":
    run_command(main)
