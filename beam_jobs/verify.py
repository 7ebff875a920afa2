"""Checks a record set: every byte of every file, every record, and its targets against a fresh matching.

prematch verify --records=records/cifar10_improved --full
"""

from __future__ import annotations

import time

from absl import flags
from tqdm import tqdm

from beam_jobs.checks.check_folder import check_files, check_receipts, count_unfinished_files
from beam_jobs.checks.check_shard import ShardFindings, check_shard, make_shard_checks
from beam_jobs.checks.processes import run_in_processes
from beam_jobs.checks.repeated_ids import find_repeated_ids
from beam_jobs.runners.runner import count_local_workers
from pipeline.command_line import let_sigterm_interrupt, run_command
from pipeline.errors import UserError, format_count, make_printable
from pipeline.records.manifest import WAY_OUT

FLAGS = flags.FLAGS
flags.DEFINE_string("records", None, "Folder of the record set.", required=True)
flags.DEFINE_bool("full", False, "Match the boxes of every record again, not only those of a sample.")
flags.DEFINE_integer(
    "sample", 300, "About how many records of each split to match again, chosen by hash of their keys."
)
flags.DEFINE_integer("workers", 0, "Processes; 0: one for every core.")

SHOWN = 20  # findings that are printed


def main() -> None:
    """The check, from flags to findings."""
    started = time.monotonic()
    let_sigterm_interrupt()
    if FLAGS.sample < 0:
        raise UserError(f"--sample must be at least 0, got {FLAGS.sample}")
    targets = "all targets" if FLAGS.full else f"targets of about {FLAGS.sample} records per split"
    print(make_printable(f"verify: {FLAGS.records}, {targets}"))
    manifest, findings = check_files(FLAGS.records)
    findings += check_receipts(manifest)
    checks = make_shard_checks(manifest, None if FLAGS.full else FLAGS.sample)
    shards: list[ShardFindings] = []
    with tqdm(total=len(checks), unit="shard", desc="verify") as bar:
        for found in run_in_processes(check_shard, checks, count_local_workers(FLAGS.workers)):
            shards.append(found)
            bar.update()
    findings += [finding for found in shards for finding in found.findings]
    findings += find_repeated_ids(shards)
    records, matched = sum(found.records for found in shards), sum(found.matched for found in shards)
    for finding in sorted(findings)[:SHOWN]:
        print(make_printable(f"wrong: {finding}"))
    if len(findings) > SHOWN:
        print(f"… and {len(findings) - SHOWN} more")
    seconds = time.monotonic() - started
    if unfinished := count_unfinished_files(manifest):
        print(f"not checked: {format_count(unfinished, 'file')} of a job that has not finished or was refused")
    read = f"{format_count(len(checks), 'shard')}, {format_count(records, 'record')} read"
    print(f"{read}, {matched:,} matched again, {seconds:.1f} s")
    if findings:
        found_wrong = format_count(len(findings), "finding")
        raise UserError(f"{FLAGS.records} has {found_wrong}; {WAY_OUT}: it keeps the shards that are whole")
    print(make_printable(f"{FLAGS.records} is whole: no faults found"))


if __name__ == "__main__":
    run_command(main)
