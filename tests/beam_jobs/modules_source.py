"""A source for tests that records which modules are loaded where its images are read."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from beam_jobs.sources.source import Check, Item, Source
from pipeline.compositions.resize import RgbImage
from pipeline.compositions.view import Shape


@dataclass(frozen=True)
class ModulesSource(Source):
    """Grey images; reading one writes the names of all loaded modules into a file named after the process."""

    folder: str
    name: str = "modules"
    class_names: tuple[str, ...] = ("grey",)
    has_test: bool = True

    def fingerprint(self, *, check: Check = "sizes") -> str:
        """There is only one."""
        return "modules"

    def items(self) -> list[Item]:
        """A few for each split."""
        return [Item("test" if n % 3 == 0 else "train", str(n), str(n), 0) for n in range(60)]

    def shape(self, reference: str) -> Shape:
        """All are of one size."""
        return 8, 8

    def read(self, reference: str) -> RgbImage:
        """Grey."""
        (Path(self.folder) / f"{os.getpid()}.json").write_text(json.dumps(sorted(sys.modules)))
        return np.full((8, 8, 3), 128, np.uint8)
