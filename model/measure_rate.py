"""Measures how many images a second a record set feeds a training here, and what the time goes into.

prematch rate --records=records/mine --consumer=3000

Reads the training records as a training does, by one thread, two, four, …: sparse, as an accelerator takes them, and
unpacked by the same threads to canvases and dense targets, as a CPU or another trainer takes them.
"""

from __future__ import annotations

from absl import flags
from tqdm import tqdm

from pipeline.command_line import list_cores, run_command
from pipeline.errors import format_count, make_printable
from pipeline.reader.dataset import count_steps_per_pass, name_read_errors
from pipeline.reader.rate import (
    Rates,
    describe,
    list_thread_counts,
    measure,
    measure_bytes,
    read_by_threads,
    read_stored_batches,
)
from pipeline.records.manifest import load_manifest

BUDGET = 45.0  # seconds for all measurements together

FLAGS = flags.FLAGS
flags.DEFINE_string("records", None, "Folder of the record set.", required=True)
flags.DEFINE_integer("batch", 32, "Images in a batch.", lower_bound=1)
flags.DEFINE_integer("consumer", None, "Images a second that a GPU trains: says how many cores feed it.", lower_bound=1)
flags.DEFINE_float("seconds", None, "Of each measurement; default: so that all take under a minute.", lower_bound=0.01)


def main() -> None:
    """Measures, and prints a table, the parts of one thread's time, the bytes, and the cores for a consumer."""
    manifest, batch = load_manifest(FLAGS.records), FLAGS.batch
    count_steps_per_pass(manifest, batch)  # raises if there is no whole batch
    cores = len(list_cores())
    threads = list_thread_counts(cores)
    seconds = FLAGS.seconds or BUDGET / (1 + 2 * len(threads))
    train, here = manifest.examples("train"), format_count(cores, "core")
    print(make_printable(f"{manifest.folder}: {train:,} training records, batches of {batch}, {here}"), flush=True)
    with name_read_errors(manifest, "train"), tqdm(total=1 + 2 * len(threads), desc="measuring", leave=False) as bar:
        framing = measure(read_stored_batches(manifest, batch), batch, seconds)
        bar.update()
        measured = []
        for count in threads:
            rates = []
            for dense in (False, True):
                rates.append(measure(read_by_threads(manifest, batch, count, dense=dense), batch, seconds))
                bar.update()
            measured.append(Rates(count, *rates))
        sizes = [measure_bytes(read_by_threads(manifest, batch, 1, dense=dense), batch) for dense in (False, True)]
    stored = sum(shard.bytes for shard in manifest.shards("train")) / train
    print("\n".join(describe(measured, framing=framing, stored=stored, sizes=sizes, consumer=FLAGS.consumer)))


if __name__ == "__main__":
    run_command(main)
