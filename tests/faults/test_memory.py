"""A worker's memory does not grow with the number of copies, because it holds one record at a time."""

from __future__ import annotations

from pathlib import Path

from tests.cifar10_files import write_cifar10
from tests.commands import output, run_python
from tests.faults.repetitions import repetitions

FILES = 6
IMAGES = repetitions(full=5_004, short=1_002)
PROGRAM = """
import resource, sys
from dataclasses import replace
from pathlib import Path
from beam_jobs.sources.cifar10.reader import Cifar10
from beam_jobs.sources.data_paths import DataPaths
from pipeline.config.records_config import ShardCounts
from tests.beam_jobs.record_job import CIFAR10, make_set
place, copies = Path(sys.argv[1]), int(sys.argv[2])
config = replace(CIFAR10, copies=copies, shards=ShardCounts(train=32, val=4, test=8))
source = Cifar10.prepare(DataPaths(str(place)))
make_set(place / f"records-{copies}", config, source=source, mode="multi_processing", workers=2)
usage = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
print(*usage, sum(p.stat().st_size for p in (place / f"records-{copies}").glob("*.tfrecord")))
"""


def peaks(place: Path, copies: int) -> tuple[int, int, int]:
    """Peak resident KiB of the largest worker and of the job itself, and the bytes of the records."""
    printed = output(run_python("-c", PROGRAM, str(place), str(copies), timeout=1200))
    worker, job, size = (int(word) for word in printed.split())
    return worker, job, size


def test_memory(tmp_path: Path) -> None:
    write_cifar10(tmp_path, count=IMAGES // FILES)
    one, ten = peaks(tmp_path, 1), peaks(tmp_path, 10)
    print(
        f"\nmemory, {IMAGES} images: at 1 copy ({one[2] / 1e6:.0f} MB of records) a worker's peak is "
        f"{one[0] / 1024:.0f} MiB, the job's {one[1] / 1024:.0f} MiB; at 10 copies ({ten[2] / 1e6:.0f} MB) "
        f"{ten[0] / 1024:.0f} MiB ({ten[0] / one[0] - 1:+.1%}) and {ten[1] / 1024:.0f} MiB ({ten[1] / one[1] - 1:+.1%})"
    )
    assert ten[2] > 7 * one[2]
    assert ten[0] <= 1.1 * one[0]
