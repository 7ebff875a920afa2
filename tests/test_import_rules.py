"""The import rules: what each room may import from the project and from elsewhere, read from the sources."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STANDARD = set(sys.stdlib_module_names)


@dataclass(frozen=True)
class Room:
    """A folder of the project. The files of a house itself, and not of its rooms, are a room too: its commands."""

    stands_on: tuple[str, ...] = ()  # rooms that it may import from, and from those that these stand on
    packages: frozenset[str] = frozenset()  # from elsewhere


def room(*stands_on: str, packages: str = "") -> Room:
    return Room(stands_on, frozenset(packages.split()))


# From bottom to top: a room stands on rooms above it in this table, so there is no circle.
ROOMS = {
    "pipeline": room(packages="absl msgspec tqdm"),
    "pipeline.geometry": room("pipeline", packages="numpy"),
    "pipeline.anchor_proposal": room("pipeline.geometry", packages="numpy"),
    "pipeline.compositions": room("pipeline.geometry", packages="numpy cv2 msgspec PIL"),
    "pipeline.config": room("pipeline.compositions"),
    "pipeline.records": room("pipeline.config", packages="numpy cv2 google google_crc32c msgspec PIL"),
    "pipeline.reader": room("pipeline.records", packages="tensorflow"),
    "configs": room("pipeline.config"),
    "configs.ablations": room("configs", packages="msgspec"),
    "beam_jobs.sources": room("pipeline.records", packages="apache_beam numpy msgspec sklearn"),
    "beam_jobs.sources.cifar10": room("beam_jobs.sources", packages="numpy"),
    "beam_jobs.sources.coco": room("beam_jobs.sources", packages="msgspec"),
    "beam_jobs.sources.jsonl": room("beam_jobs.sources", packages="msgspec"),
    "beam_jobs.sources.voc": room("beam_jobs.sources"),
    "beam_jobs.sources.yolo": room("beam_jobs.sources", packages="yaml"),
    "beam_jobs.job": room(
        "beam_jobs.sources", "pipeline.anchor_proposal", packages="apache_beam numpy cv2 msgspec PIL"
    ),
    "beam_jobs.runners": room("beam_jobs.job", packages="apache_beam tqdm"),
    "beam_jobs.checks": room("beam_jobs.job", packages="msgspec numpy"),
    "beam_jobs": room("beam_jobs.runners", "beam_jobs.checks", "configs", packages="apache_beam absl tqdm"),
    "model.distribution": room("pipeline.reader", packages="tensorflow"),
    "model.network.layers": room("model.distribution", packages="tensorflow"),
    "model.network.backbones": room("model.network.layers", packages="tensorflow"),
    "model.network.weights": room("model.network.backbones", packages="tensorflow numpy h5py"),
    "model.network": room("model.network.weights", packages="tensorflow"),
    "model.detection": room("model.network", packages="tensorflow numpy faster_coco_eval"),
    "model.drawing": room("model.detection", packages="numpy matplotlib PIL"),
    "model.training": room("model.drawing", packages="tensorflow tensorflow_addons numpy msgspec tqdm"),
    "model": room("model.training", "configs", packages="tensorflow absl tqdm"),
    "benchmarks": room("beam_jobs.sources.cifar10", "model", packages="tensorflow numpy cv2 absl tqdm"),
    "cluster": room("beam_jobs.runners", packages="apache_beam grpc"),
}
HOUSES = {name for name in ROOMS if "." not in name}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for house in sorted(HOUSES) for path in sorted((ROOT / house).rglob("*.py"))}


def imports_of(module: str) -> set[str]:
    """Every module that a file imports, at its top or inside a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(), str(MODULES[module]))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{module}: imports must be absolute"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(whole & set(MODULES) or {node.module})
    return found


def room_of(module: str) -> str:
    """The room of a module of the project. A folder that the table does not name belongs to the room around it."""
    name = module
    while name not in ROOMS:
        name = name.rpartition(".")[0]
    return name


def below(name: str) -> set[str]:
    """The room itself and all rooms that it stands on."""
    return {name}.union(*(below(other) for other in ROOMS[name].stands_on))


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_imports_only_what_it_stands_on(name: str) -> None:
    may = below(name)
    for module in (m for m in MODULES if room_of(m) == name):
        ours = {imported for imported in imports_of(module) if imported.split(".")[0] in HOUSES}
        assert {imported for imported in ours if room_of(imported) not in may} == set(), module


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_imports_only_its_packages(name: str) -> None:
    used = {package.split(".")[0] for m in MODULES if room_of(m) == name for package in imports_of(m)}
    assert used - HOUSES - STANDARD == ROOMS[name].packages


def test_the_table_names_every_room_and_goes_from_bottom_to_top() -> None:
    folders = {module.rpartition(".")[0] for module in MODULES if "." in module}
    assert folders == set(ROOMS)
    names = list(ROOMS)
    for name in names:
        assert all(names.index(other) < names.index(name) for other in ROOMS[name].stands_on)


def test_importing_a_room_imports_no_command() -> None:
    """Python imports the package of a house before each of its rooms."""
    assert imports_of("model") & set(MODULES) == {"model.distribution.tensorflow_workarounds"}
    for package in HOUSES - {"model", "configs"}:
        assert not imports_of(package) & set(MODULES)
    assert not imports_of("model.distribution.tensorflow_workarounds") & set(MODULES)


@pytest.mark.parametrize(
    ("name", "never"),
    [
        ("pipeline.records", {"tensorflow", "apache_beam"}),
        ("pipeline.reader", {"apache_beam"}),
        ("beam_jobs", {"tensorflow", "tf_keras", "model"}),
        ("model", {"apache_beam", "beam_jobs"}),
        ("configs.ablations", {"tensorflow", "apache_beam"}),
    ],
)
def test_what_a_room_never_reaches(name: str, never: set[str]) -> None:
    reached = below(name)
    assert not never & reached.union(*(ROOMS[other].packages for other in reached))


@pytest.mark.parametrize(
    ("command", "never"),
    [
        ("import pipeline.command_line", ["tensorflow", "apache_beam", "numpy", "model", "beam_jobs"]),
        ("import beam_jobs.make_records, beam_jobs.job.write_shard", ["tensorflow", "keras", "model"]),
        ("import pipeline.records.record, pipeline.records.manifest", ["tensorflow", "apache_beam", "sklearn"]),
        (
            "from configs import config_names, load_config; [load_config(n) for n in config_names()]",
            ["tensorflow", "apache_beam"],
        ),
    ],
)
def test_a_fresh_process_does_not_load(command: str, never: list[str]) -> None:
    script = f"{command}; import sys; print(sorted(set({never!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
