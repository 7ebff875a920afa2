"""Names of image files."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.drawing.png import find_png_path
from pipeline.errors import UserError


def test_an_output_is_a_png_file(tmp_path: Path) -> None:
    assert find_png_path("out/a.png") == Path("out/a.png")
    with pytest.raises(UserError, match=r"--output must be the name of a file that ends in .png, got a.jpg"):
        find_png_path("a.jpg")
    folder = tmp_path / "x.png"
    folder.mkdir()
    with pytest.raises(UserError, match=r"x\.png, a folder"):
        find_png_path(str(folder))
