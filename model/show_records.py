"""Draws records: matched anchors over ground truth.

prematch show --records=records/cifar10_improved --count=8
"""

from __future__ import annotations

from itertools import islice

from absl import flags

from model.drawing.image_grid import draw_views
from model.drawing.png import find_png_path
from pipeline.command_line import run_command
from pipeline.config.records_config import SPLITS
from pipeline.errors import UserError, format_count, make_printable
from pipeline.files import write_whole
from pipeline.records.keys import split_of
from pipeline.records.manifest import load_manifest
from pipeline.records.read_records import read_records

MOST = 100  # images in one file

FLAGS = flags.FLAGS
flags.DEFINE_string("records", None, "Folder of the record set.", required=True)
flags.DEFINE_enum("split", "train", SPLITS, "Which records.")
flags.DEFINE_integer("count", 8, "How many, starting with the first.", lower_bound=1, upper_bound=MOST)
flags.DEFINE_string(
    "key", None, f"All views of one record, at most {MOST}, <split>/<source id>/<copy>, instead of the first records."
)
flags.DEFINE_string("output", None, "PNG file; default: <records>-<split>.png.")


def main() -> None:
    """Draws the chosen views into one PNG file."""
    manifest = load_manifest(FLAGS.records)
    split = split_of(FLAGS.key) if FLAGS.key else FLAGS.split
    if split not in SPLITS:
        raise UserError(f"--key must begin with one of {', '.join(SPLITS)} and a slash, got {FLAGS.key!r}")
    records = read_records(manifest, split)
    if FLAGS.key:
        chosen = list(islice((record for record in records if record.key == FLAGS.key), 1))
    else:
        chosen = list(islice(records, FLAGS.count))
    if not chosen:
        wanted = f"record {FLAGS.key}" if FLAGS.key else f"{split} records"
        raise UserError(f"{manifest.folder} has no {wanted}")
    path = find_png_path(FLAGS.output or f"{manifest.folder.rstrip('/')}-{split}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    if FLAGS.key:
        count = len(chosen[0].views)
        views = [(chosen[0], number) for number in range(min(count, MOST))]
        what = ("" if count <= MOST else f"the first {MOST} of ") + f"{format_count(count, 'view')} of one record"
    else:
        views = [(record, 0) for record in chosen]
        what = f"{format_count(len(views), 'record')}, the first view of each"
    drawn = draw_views(views, manifest.anchors, manifest.class_names, canvas=manifest.canvas)
    write_whole(path, drawn)
    print(make_printable(f"images: {path}, {what}; ground truth green, matched anchors orange"))


if __name__ == "__main__":
    run_command(main)
