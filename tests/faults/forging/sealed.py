"""Writes altered files of a record set, and recomputes every checksum that covers them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.records.manifest import MANIFEST, REJECTED
from pipeline.records.tfrecord import frame, read_frames

_RAW = "@raw {}@"


@dataclass(frozen=True)
class Raw:
    """Bytes to write as they are, for values that `json.dumps` would not write."""

    text: bytes


def sealed_json(values: dict[str, Any], *, indent: int | None) -> bytes:
    """The text of a manifest (indent 1) or a receipt (no indent), with the checksum of all its other values."""
    values = {name: value for name, value in values.items() if name != "checksum"}
    try:
        # Of what a reader makes of the text: for `Raw` values that is not what stands in it.
        digest = _checksum(json.loads(_text(values, indent=None)))
    except (ValueError, RecursionError):  # a reader does not get as far as the checksum
        digest = "0" * 64
    return _text({**values, "checksum": digest}, indent=indent) + b"\n"


def _checksum(values: Any) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _text(values: Any, *, indent: int | None) -> bytes:
    raw: list[bytes] = []

    def mark(value: Any) -> Any:
        if isinstance(value, Raw):
            raw.append(value.text)
            return _RAW.format(len(raw) - 1)
        if isinstance(value, dict):
            return {name: mark(part) for name, part in value.items()}
        return [mark(part) for part in value] if isinstance(value, list) else value

    marked = mark(values)
    compact: dict[str, Any] = {} if indent else {"sort_keys": True, "separators": (",", ":")}
    text = json.dumps(marked, indent=indent, **compact).encode()
    for number, piece in enumerate(raw):
        text = text.replace(json.dumps(_RAW.format(number)).encode(), piece)
    return text


class ForgedSet:
    """A copy of the honest set whose files are altered, looked at, and restored."""

    def __init__(self, honest: Path, folder: Path) -> None:
        self.folder = folder
        self.manifest: dict[str, Any] = json.loads((honest / MANIFEST).read_bytes())
        self._honest = {path.relative_to(honest): path.read_bytes() for path in honest.rglob("*") if path.is_file()}
        self._altered = set(self._honest)
        self.restore()

    def restore(self) -> None:
        """Undoes every alteration."""
        for path in self._altered:
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_bytes(self._honest[path])
        self._altered = set()

    def receipt_paths(self) -> list[Path]:
        """The receipts, below the folder."""
        return sorted(path for path in self._honest if path.parent.name == "receipts")

    def json_of(self, path: Path) -> dict[str, Any]:
        """The values of an honest manifest or receipt."""
        return dict(json.loads(self._honest[path]))

    def rejected(self) -> list[dict[str, Any]]:
        """The lines of the honest rejected.jsonl."""
        return [json.loads(line) for line in self._honest[Path(REJECTED)].splitlines()]

    def records(self, shard: str) -> list[bytes]:
        """The honest records of a shard, serialized."""
        path = self.folder / shard
        assert Path(shard) not in self._altered
        with path.open("rb") as file:
            return list(read_frames(file, path.stat().st_size))

    def write(self, path: Path, data: bytes) -> None:
        """Writes altered bytes of a file."""
        self._altered.add(path)
        (self.folder / path).write_bytes(data)

    def write_rejected(self, lines: bytes) -> None:
        """Replaces rejected.jsonl, and its checksum in the manifest."""
        self.write(Path(REJECTED), lines)
        manifest = self.json_of(Path(MANIFEST))
        manifest["rejected"]["sha256"] = hashlib.sha256(lines).hexdigest()
        self.write(Path(MANIFEST), sealed_json(manifest, indent=1))

    def write_records(self, changed: dict[str, Callable[[list[bytes]], list[bytes]]]) -> None:
        """Replaces the records of some shards, and their sizes and checksums in manifest and receipts."""
        manifest = self.json_of(Path(MANIFEST))
        shards = {shard["name"]: shard for of in manifest["shards"].values() for shard in of}
        for name, change in changed.items():
            data = b"".join(frame(record) for record in change(self.records(name)))
            receipt_path = Path("receipts") / Path(name).with_suffix(".json").name
            receipt = self.json_of(receipt_path)
            for shard in (shards[name], receipt["shard"]):
                shard.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
            self.write(Path(name), data)
            self.write(receipt_path, sealed_json(receipt, indent=None))
        self.write(Path(MANIFEST), sealed_json(manifest, indent=1))
