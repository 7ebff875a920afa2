"""`prematch rate`: what it prints, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.reader.rate import Rates, describe, list_thread_counts
from tests.model.tiny import refusal, run_command, run_several
from tests.record_sets import write_record_set


def test_the_threads_are_powers_of_two_up_to_the_cores() -> None:
    assert [list_thread_counts(cores) for cores in (1, 2, 6, 8)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]


def test_one_threads_time_is_shared_out_and_a_gpus_cores_are_rounded_up() -> None:
    measured = [Rates(1, sparse=500.0, dense=400.0), Rates(2, sparse=900.0, dense=700.0)]
    lines = describe(measured, framing=1000.0, stored=65_069.0, sizes=[300_000.0, 310_000.0], consumer=1200)
    assert [line.split() for line in lines[1:3]] == [["1", "500", "400"], ["2", "900", "700"]]
    assert lines[3] == (
        "one thread spends on an image: reading 1.000 ms (40%), decoding 1.000 ms (40%), unpacking 0.500 ms (20%)"
    )
    assert lines[4] == "bytes of an image: 65,069 stored, 300,000 sparse, 310,000 unpacked"
    assert "3 cores if the GPU unpacks" in lines[5] and lines[5].endswith("3 cores if the reader does")
    assert len(describe(measured, framing=1000.0, stored=1.0, sizes=[1.0, 1.0], consumer=None)) == 5


@pytest.mark.long
def test_the_command(tmp_path: Path) -> None:
    write_record_set(tmp_path)
    printed = run_command("model.measure_rate", f"--records={tmp_path}", "--batch=4", "--seconds=0.2", "--consumer=10")
    assert f"{tmp_path}: 24 training records, batches of 4, " in printed
    rates = re.findall(r"^ +(\d+) +([\d,]+) +([\d,]+)$", printed, re.MULTILINE)
    assert rates[0][0] == "1" and all(int(rate.replace(",", "")) > 0 for row in rates for rate in row)
    canvas, anchors = 64 * 64 * 3, 390
    assert re.search(rf" sparse, {canvas + anchors * 4 * 5:,} unpacked$", printed, re.MULTILINE)
    assert "to feed 10 images/s at one thread's rate: 1 core " in printed


def test_what_it_refuses_is_one_line(tmp_path: Path) -> None:
    write_record_set(tmp_path / "records")
    asked = {
        (f"--records={tmp_path}",): "is no record set",
        (f"--records={tmp_path / 'records'}", "--batch=25"): "--batch must be at most the 24 training records",
    }
    for found, message in zip(run_several("model.measure_rate", list(asked)), asked.values(), strict=True):
        assert message in refusal(*found)
