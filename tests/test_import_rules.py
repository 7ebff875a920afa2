"""The import rules: which room may import which packages, read from the sources, and followed to the end."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("pipeline", "beam_jobs", "model", "configs", "benchmarks")
STANDARD = set(sys.stdlib_module_names)

# Other rooms, and packages from elsewhere, that a room's files may import.
ALLOWED = {
    "pipeline": {"pipeline", "numpy"},
    "beam_jobs": {"beam_jobs", "pipeline", "configs", "apache_beam", "numpy", "cv2", "PIL", "sklearn", "absl", "tqdm"},
    "model": {
        *("model", "pipeline", "configs", "tensorflow", "tensorflow_addons", "tf_keras", "numpy", "cv2"),
        *("matplotlib", "pycocotools", "absl", "tqdm"),
    },
    "configs": {"configs", "pipeline"},
}
# Files that may import more than the rest of their room, and files that may import only this.
MORE = {
    "pipeline.views.collage": {"cv2"},
    "pipeline.records.picture_codec": {"cv2"},
    "pipeline.records.tfrecord": {"google_crc32c"},
    "pipeline.errors": {"absl"},
    "pipeline.reader.dataset": {"tensorflow"},
    "pipeline.reader.parsing": {"tensorflow"},
}
ONLY = {
    "pipeline.config.records_config": {"pipeline"},
    "pipeline.config.presets": {"pipeline"},
    "pipeline.config.run_config": {"pipeline"},
    "pipeline.records.keys": set[str](),
}
GEOMETRY = {
    f"pipeline.{name}"
    for name in (
        "geometry.boxes",
        "geometry.anchors",
        "geometry.matching",
        "geometry.targets",
        "views.collage",
        "views.placement",
    )
}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))}


def imports_of(path: Path) -> set[str]:
    """Every module that a file names in an import, at its top or inside a function; of the project, whole names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: imports must be absolute"
            found.update(
                whole if (whole := f"{node.module}.{alias.name}") in MODULES else node.module for alias in node.names
            )
    return found


def reached_from(module: str) -> set[str]:
    """The project's modules that importing this one imports too, packages included."""
    reached: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in MODULES and name not in reached:
            reached.add(name)
            waiting += imports_of(MODULES[name])
            waiting += [name.rpartition(".")[0]]
    return reached


def packages_of(module: str) -> set[str]:
    return {name.split(".")[0] for name in imports_of(MODULES[module])} - STANDARD


@pytest.mark.parametrize("module", [m for m in MODULES if m.split(".")[0] in ALLOWED])
def test_a_file_imports_what_its_room_may(module: str) -> None:
    allowed = ONLY.get(module, ALLOWED[module.split(".")[0]] | MORE.get(module, set()))
    assert packages_of(module) <= allowed


def test_the_rules_name_files_that_are_there() -> None:
    assert {*MORE, *ONLY, *GEOMETRY} <= set(MODULES)
    assert {m.split(".")[0] for m in MODULES} >= set(ALLOWED)


def test_geometry_reaches_neither_tensorflow_nor_beam() -> None:
    for module in GEOMETRY:
        reached = reached_from(module)
        assert {m.split(".")[0] for m in reached} == {"pipeline"}
        packages = set().union(*(packages_of(m) for m in reached))
        assert packages <= {"pipeline", "numpy", "cv2", "absl"}


@pytest.mark.parametrize(
    ("room", "never"),
    [("beam_jobs", {"model", "tensorflow"}), ("model", {"beam_jobs", "apache_beam"}), ("configs", {"tensorflow"})],
)
def test_a_room_never_reaches_another_by_a_detour(room: str, never: set[str]) -> None:
    for module in MODULES:
        if module.split(".")[0] == room:
            reached = reached_from(module)
            assert not never & {m.split(".")[0] for m in reached}, module
            assert not never & set().union(*(packages_of(m) for m in reached)), module


@pytest.mark.parametrize(
    ("command", "never"),
    [
        ("import beam_jobs.make_records, beam_jobs.job.write_shard", ["tensorflow", "keras", "model"]),
        ("import pipeline.records.record, pipeline.records.manifest", ["tensorflow", "apache_beam", "sklearn"]),
        ("from configs import config_names, load_config; [load_config(n) for n in config_names()]",
         ["tensorflow", "apache_beam", "cv2"]),
    ],
)  # fmt: skip
def test_a_fresh_process_does_not_load(command: str, never: list[str]) -> None:
    script = f"{command}; import sys; print(sorted(set({never!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
