"""The folder of a run: the names of its files, and the one configuration that it belongs to."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from model.network.ssd import NetworkShape
from pipeline.config.run_config import Config
from pipeline.errors import UserError, format_count, require, require_utf8, show_value
from pipeline.files import lock_file, read_regular, write_whole
from pipeline.geometry.anchors import Anchors, make_anchors
from pipeline.records.manifest import MAX_CLASSES, Manifest
from pipeline.typed_json import (
    JSON_BYTES,
    MAX_COUNT,
    Count,
    Fingerprint,
    Name,
    PathText,
    Text,
    from_dict,
    parse_json,
    to_dict,
)

FORMAT_VERSION = 2
LIBRARIES = ("tensorflow", "numpy", "faster-coco-eval", "pycocotools")


@dataclass(frozen=True)
class Run:
    """Everything that decides a run: enough to build its model again without its records. config.json holds it."""

    config: Config
    records: PathText  # folder
    records_fingerprint: Fingerprint
    class_names: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=MAX_CLASSES)]
    anchors: Anchors
    category_ids: tuple[Count, ...] | None  # the source's own numbers of the classes, if it has any
    ranks: Annotated[int, Meta(ge=1, le=MAX_COUNT)]  # that share the records
    command: str = field(default="", compare=False)
    versions: dict[Text, Text] = field(default_factory=dict, compare=False)
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        """The anchors are stored twice and must agree."""
        records, maps = self.config.records, self.anchors.feature_maps
        own = make_anchors(records.anchors, records.canvas).feature_maps
        require(maps == own, "anchors.feature_maps", "those of config.records.anchors", f"{len(maps)} others")

    @cached_property
    def shape(self) -> NetworkShape:
        """The part of the network that the records decide."""
        records = self.config.records
        return NetworkShape(
            records.canvas,
            records.anchors.strides,
            self.anchors,
            class_count=len(self.class_names),
            coder_weights=records.matching.coder_weights,
        )

    def identity(self) -> dict[str, Any]:
        """What must be the same when a run is resumed."""
        return {name: value for name, value in to_dict(self).items() if name not in ("records", "command", "versions")}


def describe_run(config: Config, manifest: Manifest, *, ranks: int = 1) -> Run:
    """The run of a configuration on a record set. The manifest, not `config`, decides everything about the records."""
    return Run(
        config=replace(config, records=manifest.config),
        records=manifest.folder,
        records_fingerprint=manifest.fingerprint,
        class_names=manifest.class_names,
        anchors=manifest.anchors,
        category_ids=manifest.category_ids,
        ranks=ranks,
    )


def find_other_parts(config: Config, manifest: Manifest) -> list[str]:
    """The fields in which the records differ from those that the configuration would make."""
    made, own = manifest.config, config.records
    names = (own_field.name for own_field in fields(own) if own_field.name != "limit")
    return [name for name in names if getattr(made, name) != getattr(own, name)]


@dataclass(frozen=True)
class RunFolder:
    """The names inside a run's folder."""

    path: Path

    def hold(self) -> int:
        """Makes the folder and locks it for one training run, until the returned handle is closed.

        Raises `UserError` if another training run has locked it, or something in it is of the wrong kind.
        """
        require_utf8("--run", str(self.path))
        self.path.mkdir(parents=True, exist_ok=True)
        self.check_kinds()
        lock = lock_file(self.path / ".lock")
        if lock is None:
            raise UserError(f"another training is using {self.path}; wait until it ends, or choose another --run")
        return lock

    def check_kinds(self) -> None:
        """Raises `UserError` if a file stands where a folder belongs, or anything but a file where a file belongs.

        A FIFO or a device would make training wait, or read forever.
        """
        for path in (self.last.parent, self.last, self.best, self.tensorboard, self.evaluation):
            if path.exists() and not path.is_dir():
                raise UserError(f"{path} is a file, where a folder must be; remove it, or choose another --run")
        for path in (self.config, self.history, self.loss_image, self.val_image):
            if path.exists() and not path.is_file():
                raise UserError(f"{path} is no regular file; remove it, or choose another --run")

    @property
    def config(self) -> Path:
        """The whole configuration, JSON."""
        return self.path / "config.json"

    @property
    def last(self) -> Path:
        """Checkpoints to resume from."""
        return self.path / "checkpoints" / "last"

    @property
    def best(self) -> Path:
        """The weights with the best AP on val, exactly as they were evaluated."""
        return self.path / "checkpoints" / "best"

    @property
    def history(self) -> Path:
        """One line for each epoch, CSV."""
        return self.path / "history.csv"

    @property
    def loss_image(self) -> Path:
        """The curves of the history."""
        return self.path / "loss.png"

    @property
    def val_image(self) -> Path:
        """Detections of the last evaluation in the first images of val."""
        return self.path / "val_detections.png"

    @property
    def tensorboard(self) -> Path:
        """Event files."""
        return self.path / "tensorboard"

    @property
    def evaluation(self) -> Path:
        """Metrics, COCO JSON files, an image."""
        return self.path / "evaluation"

    def list_contents(self) -> list[str]:
        """The names of the files and folders that training has written so far."""
        left = (self.history, self.loss_image, self.val_image, self.tensorboard, self.best, self.last)
        return [str(path.relative_to(self.path)) for path in left if path.exists()]

    def begin(self, run: Run, *, command: str) -> bool:
        """Writes the run's configuration into the folder, or checks the one that is there. -> whether one was there.

        Raises `UserError` naming the first differences if the folder belongs to another configuration.
        """
        if not self.config.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            versions = {"python": platform.python_version(), **{name: metadata.version(name) for name in LIBRARIES}}
            values = to_dict(replace(run, command=command, versions=versions))
            write_whole(self.config, (json.dumps(values, indent=1) + "\n").encode())
            return False
        stored = self.load()
        if stored.ranks != run.ranks:
            raise UserError(
                f"{self.path} was begun by {format_count(stored.ranks, 'rank')}, each of which reads shards of its "
                f"own, and cannot go on with {run.ranks}; start {stored.ranks} again, or choose another --run"
            )
        differences = list(_find_differences(stored.identity(), run.identity()))
        if differences:
            raise UserError(
                f"{self.path} belongs to another configuration or other records: "
                f"{'; '.join(differences[:3])}. Choose another --run, or remove the folder"
            )
        return True

    def load(self) -> Run:
        """The run that this folder belongs to. Raises `UserError` if there is none."""
        require_utf8("--run", str(self.path))
        if not self.config.is_file():
            raise UserError(
                f"--run must be the folder of a run, got {self.path} without {self.config.name}; train one with "
                "`make train`"
            )
        where = str(self.config)
        values = parse_json(read_regular(self.config, limit=JSON_BYTES), where=where)
        if not isinstance(values, dict) or "format_version" not in values:
            raise UserError(f"{where} is no run's configuration")
        if (version := values["format_version"]) != FORMAT_VERSION:
            raise UserError(
                f"{where} has format version {show_value(version)}, and this prematch reads version {FORMAT_VERSION}: "
                "its records are of an earlier format too; make them again, and train with another --run"
            )
        return from_dict(Run, values, where=where)


def _find_differences(stored: Any, wanted: Any, where: str = "") -> Iterator[str]:
    if isinstance(stored, dict) and isinstance(wanted, dict):
        for name in wanted:
            yield from _find_differences(stored.get(name), wanted[name], f"{where}.{name}" if where else name)
    elif stored != wanted:
        yield f"{where} was {stored!r}, now {wanted!r}"
