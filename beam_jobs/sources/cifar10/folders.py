"""Where CIFAR-10's files lie: in the user's folder or archive, or downloaded into the cache."""

from __future__ import annotations

from pathlib import Path

from pipeline.download import download, unpack_archive
from pipeline.errors import UserError, make_printable
from pipeline.files import cache_folder, hash_file

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
FOLDER = "cifar-10-batches-py"
META = "batches.meta"
TRAIN = tuple(f"data_batch_{n}" for n in range(1, 6))
TEST = ("test_batch",)
_WAY_OUT = f"give a folder that holds {FOLDER}, or the archive, with DATA_DIR"


def find_folder(data_dir: str | None) -> Path:
    """The folder with the batch files, unpacked or downloaded into the cache if need be.

    Args:
        data_dir: the folder `cifar-10-batches-py`, the archive, or a folder that holds either; None downloads the
            archive.

    Raises `UserError` if there is no data set, no network, a wrong checksum or a broken archive.
    """
    cache = cache_folder() / "cifar10"
    if data_dir is None:
        folder = cache / FOLDER
        if (folder / META).is_file():
            return folder
        return _unpack(download(URL, cache / Path(URL).name, sha256=SHA256, way_out=_WAY_OUT), folder)
    place = Path(data_dir)
    for folder in (place, place / FOLDER):
        if (folder / META).is_file():
            return folder
    for archive in (place, place / Path(URL).name):
        if archive.is_file():
            digest = hash_file(archive)
            if digest != SHA256:
                other = f"{archive} is not the published archive (SHA-256 {digest})"
                print(make_printable(f"note: {other}, so its figures cannot be compared with others"))
            folder = cache / digest[:16]
            return folder if (folder / META).is_file() else _unpack(archive, folder)
    raise UserError(f"there is neither {FOLDER} nor {Path(URL).name} in {str(place)!r}; {_WAY_OUT}")


def _unpack(archive: Path, folder: Path) -> Path:
    names = [f"{FOLDER}/{name}" for name in (META, *TRAIN, *TEST)]
    return unpack_archive(archive, folder, names=names)
