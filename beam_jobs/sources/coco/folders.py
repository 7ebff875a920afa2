"""Where the annotations and images of each split of a COCO set are."""

from __future__ import annotations

from beam_jobs.sources.data_paths import DataPaths, Part
from beam_jobs.sources.splits import find_split_folders
from pipeline.errors import UserError

ROBOFLOW_FILE = "_annotations.coco.json"


def find_parts(paths: DataPaths) -> tuple[Part, ...]:
    """The splits that the flags name, or those in a folder as Roboflow exports it, train first.

    Roboflow's are train/, valid/ and test/, each with its annotations beside its images.

    Raises `UserError` if flags are missing or do not go together, or if there is no train split.
    """
    if paths.data_dir is None:
        return tuple(paths.parts("coco"))
    paths.allow("coco with --data_dir", "data_dir", "test_fraction")
    folder = paths.folder("coco")
    folders = find_split_folders(folder, inside=ROBOFLOW_FILE)
    if "train" not in folders:
        raise UserError(
            f"there is no train/{ROBOFLOW_FILE} in {folder!r}; give files by other names with --annotations and "
            "--images"
        )
    return tuple(Part(split, f"{path}/{ROBOFLOW_FILE}", path) for split, path in folders.items())
