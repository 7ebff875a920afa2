"""Our own files with anything altered and right checksums: read, or refused in a line. No other error, no hang."""

from __future__ import annotations

import faulthandler
import json
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from configs.digits_demo import CONFIG
from pipeline.config.run_config import Config
from pipeline.errors import UserError, make_printable
from pipeline.reader.dataset import name_read_errors, read_evaluation_batches, read_training_batches
from pipeline.records.manifest import MANIFEST, load_manifest
from pipeline.records.read_records import read_records
from pipeline.records.record import ENCODED, IMAGE_ID, TRUTH, VIEWS
from pipeline.records.tf_example import decode_example, encode_example
from pipeline.typed_json import canonical_json, from_dict, parse_json, to_dict, with_checksum
from tests.beam_jobs.forged_set import forge_bytes
from tests.beam_jobs.image_source import write_images
from tests.beam_jobs.record_job import IMAGES, findings, make_set, receipts
from tests.beam_jobs.record_job import VIEWS as DIGITS
from tests.faults.repetitions import repetitions

SEEDS = range(repetitions(full=500, short=40))
PATIENCE = 300  # seconds; only what hangs takes so long, even on a busy machine
MEMORY = 1 << 30  # bytes that a case may need
LINE = 2000  # characters

DEEP: list[Any] = []
for _ in range(300):
    DEEP = [DEEP]
NUMBERS = (0, -1, 7, 0.37, 30_000, 2**31, 2**63, 1e300, 10**400, float("nan"), float("inf"))
TEXTS = ("", "x", "a\0b", "\x1b[2J", "a\n", "../x", "/dev/zero", "\ud800", "x" * 1_000_000)
OTHER: tuple[Any, ...] = (*NUMBERS, *TEXTS, None, True, [], {}, [1, 2], {"x": 1}, [0] * 100_000, DEEP)
INTEGERS = (0, -1, 999, 10**6, 2**30, 2**31 - 1, -(2**31), 0x7FC00000, 0x7F800000)  # the last: NaN and infinity


@pytest.fixture(scope="module", params=["collage", "letterbox"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set of several views, which nobody changes."""
    folder = tmp_path_factory.mktemp(request.param)
    source = write_images(folder / "images", 20) if request.param == "letterbox" else None
    make_set(folder / "records", IMAGES if source else DIGITS, source=source)
    return folder / "records"


@pytest.fixture
def records(whole: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes a new copy of the set."""

    def copy() -> Path:
        shutil.rmtree(tmp_path / "records", ignore_errors=True)
        return Path(shutil.copytree(whole, tmp_path / "records"))

    return copy


def lines_of(look: Callable[[], Iterable[str] | None]) -> list[str]:
    """What is said about altered files. Fails for any error but a `UserError`, too much memory and what never ends."""
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
    before = memory("VmRSS")
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    try:
        lines = list(look() or ())
    except UserError as error:
        lines = [str(error)]
    finally:
        faulthandler.cancel_dump_traceback_later()
    assert memory("VmHWM") - before < MEMORY
    for line in map(make_printable, lines):
        assert "\n" not in line and len(line) < LINE, line[:LINE]
    return lines


def memory(field: str) -> int:
    """Bytes of this process's memory: VmRSS now, VmHWM at most."""
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(status[field].split()[0]) * 1024


def splice(data: bytes, choose: random.Random) -> bytes:
    """The bytes cut off, cut in the middle, overwritten, doubled, or with something after them."""
    first, last = sorted(choose.randrange(len(data) + 1) for _ in range(2))
    ways = (b"", choose.randbytes(len(data)), data[:first], data[:first] + data[last:], data * 2, data + bytes(100_000))
    return choose.choice((*ways, data[:first] + choose.randbytes(8) + data[first + 8 :]))


def alter_values(values: dict[str, Any], choose: random.Random) -> None:
    """Alters one field of a JSON object, at any depth."""
    parent: Any = values
    key: Any = choose.choice(sorted(values))
    while isinstance(inner := parent[key], dict | list) and inner and choose.random() < 0.75:
        parent, key = inner, choose.choice(sorted(inner) if isinstance(inner, dict) else range(len(inner)))
    ways: list[Callable[[], object]] = [
        lambda: parent.pop(key),
        *[lambda: parent.__setitem__(key, choose.choice(OTHER))] * 4,
    ]
    if isinstance(inner, dict):
        ways += [lambda: inner.update({choose.choice(("", "surplus", "checksum", "x" * 10_000)): 1})] * 3
    elif isinstance(inner, list):
        ways += [lambda: parent.__setitem__(key, choose.choice((inner[:-1], inner[::-1], inner * 2, inner * 10_000)))]
    elif isinstance(inner, int | float):
        ways += [lambda: parent.__setitem__(key, choose.choice((inner + 1, -inner, inner / 2, str(inner), [inner])))]
    choose.choice(ways)()


def alter_json(text: bytes, choose: random.Random, *, indent: int | None) -> bytes:
    """A manifest or a receipt with one field altered and the right checksum, or with other bytes."""
    values = json.loads(text)
    del values["checksum"]
    alter_values(values, choose)
    sealed = with_checksum(values)
    text = (json.dumps(sealed, indent=indent) if indent else canonical_json(sealed)).encode() + b"\n"
    return splice(text, choose) if choose.random() < 0.2 else text


def alter_record(data: bytes, choose: random.Random) -> bytes:
    """A record with one feature altered, or with other bytes."""
    if choose.random() < 0.2:
        return splice(data, choose)
    features: dict[str, Any] = decode_example(data)
    name = choose.choice((*features, *[VIEWS] * 8, *[TRUTH] * 4 * (TRUTH in features)))
    value = features[name]
    numbers = np.array(INTEGERS, np.int64) if choose.random() < 0.5 else np.array([0.5, np.nan], np.float32)
    if (way := choose.randrange(8)) == 0:
        features["surplus" * choose.randrange(2)] = features.pop(name)
    elif way == 1:
        features[name] = choose.choice((numbers, [], [b"x"], [b""], [b"\xff" * 9] * 100_000, value[:-1], value[::-1]))
    elif not isinstance(value, list):
        value[choose.randrange(len(value))] = choose.choice((*INTEGERS, 2**62, -(2**63)))
    else:
        part = choose.randrange(len(value))
        if name in (VIEWS, TRUTH) and way > 2:
            words = np.frombuffer(value[part], "<i4" if name == VIEWS else "<f8").copy()
            head = 12 if name == VIEWS and way > 5 else len(words)
            words[choose.randrange(head)] = choose.choice(INTEGERS if name == VIEWS else (*INTEGERS, np.nan, 1e300))
            value[part] = words.tobytes()
        else:
            value[part] = splice(value[part], choose)
    return encode_example(features)


def must_be_found(before: bytes, after: bytes) -> bool:
    """Whether more differs than pixels and what a source alone knows."""
    try:
        one, other = decode_example(before), decode_example(after)
    except ValueError:
        return True
    names = (one.keys() | other.keys()) - {ENCODED, TRUTH, IMAGE_ID}
    return any(name not in one or name not in other or not np.array_equal(one[name], other[name]) for name in names)


def read_config(text: bytes) -> None:
    """Reads the configuration of a run."""
    from_dict(Config, parse_json(text, where="config.json"), where="config.json")


def read_train(folder: Path) -> None:
    """Reads the training records of a set, without TensorFlow."""
    for _ in read_records(load_manifest(str(folder)), "train"):
        pass


def read_batches(folder: Path) -> None:
    """Reads the training records in both kinds of batches."""
    manifest = load_manifest(str(folder))
    with name_read_errors(manifest, "train"):
        training = read_training_batches(manifest, batch=4, seed=0, dense=True).take(3)
        for batches in (training, read_evaluation_batches(manifest, "train", batch=4)):
            for _ in batches:
                pass


def test_altered_manifests_and_receipts(records: Callable[[], Path]) -> None:
    said: Counter[bool] = Counter()
    for seed in SEEDS:
        choose, folder = random.Random(seed), records()
        path = folder / MANIFEST if choose.random() < 0.6 else choose.choice(receipts(folder))
        path.write_bytes(alter_json(path.read_bytes(), choose, indent=1 if path.name == MANIFEST else None))
        said[bool(lines_of(partial(read_train, folder)) + lines_of(partial(findings, folder)))] += 1
    print(f"\nmanifests and receipts: {said[True]} of {said.total()} named")


def test_altered_configurations_of_runs() -> None:
    refused = 0
    for seed in SEEDS:
        values = to_dict(CONFIG)
        alter_values(values, random.Random(seed))
        refused += bool(lines_of(partial(read_config, json.dumps(values).encode())))
    print(f"\nconfigurations: {refused} of {len(SEEDS)} refused")


def test_altered_records(records: Callable[[], Path]) -> None:
    said: Counter[bool] = Counter()
    for seed in SEEDS:
        choose, folder = random.Random(seed), records()
        pairs: list[tuple[bytes, bytes]] = []

        def alter(before: list[bytes], choose: random.Random = choose, pairs: Any = pairs) -> list[bytes]:
            at = choose.randrange(len(before))
            pairs.append((before[at], alter_record(before[at], choose)))
            return [*before[:at], pairs[0][1], *before[at + 1 :]]

        name = forge_bytes(folder, alter)
        found = lines_of(partial(findings, folder))
        lines_of(partial(read_batches, folder))
        assert not must_be_found(*pairs[0]) or any(line.startswith(f"{name}: ") for line in found), (seed, found)
        said[bool(found)] += 1
    print(f"\nrecords: {said[True]} of {said.total()} named")
