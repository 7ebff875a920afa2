"""Configurations are files of the user's: a mistake in one is one line that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

import configs
from configs import config_names, load_config
from pipeline.errors import UserError

_COPY = """
from dataclasses import replace
from configs.digits_demo import CONFIG as DEMO
CONFIG = replace(DEMO, name="{name}")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A second folder of configurations."""
    monkeypatch.setattr(configs, "__path__", [*configs.__path__, str(tmp_path)])
    return tmp_path


def test_every_configuration_can_be_loaded() -> None:
    assert [load_config(name).name for name in config_names()] == config_names()


def test_a_copy_with_a_name_of_its_own(folder: Path) -> None:
    (folder / "good_copy.py").write_text(_COPY.format(name="good_copy"))
    assert "good_copy" in config_names()
    assert load_config("good_copy").name == "good_copy"


@pytest.mark.parametrize("text", ["CONFIG = (", "raise SystemExit(3)", "raise ValueError('a')"])
def test_a_broken_folder_stops_only_its_own_configurations(text: str, folder: Path) -> None:
    """Every command lists all names when it starts. It imported the folders for that."""
    broken = folder / "broken_folder"
    (broken / "deeper").mkdir(parents=True)
    (broken / "no_package").mkdir()
    for place in (broken, broken / "deeper"):
        (place / "__init__.py").write_text(text)
    for place in (broken / "mine.py", broken / "deeper" / "yours.py", broken / "no_package" / "no_config.py"):
        place.write_text(_COPY.format(name="any"))
    assert {"broken_folder.mine", "broken_folder.deeper.yours", "ablations.no_flip"} <= set(config_names())
    assert not any("no_config" in name for name in config_names())
    assert load_config("digits_demo").name == "digits_demo"
    with pytest.raises(UserError, match=r"^configs/broken_folder/mine.py must define a CONFIG, got ") as raised:
        load_config("broken_folder.mine")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("bad_syntax", "CONFIG = (", r"^configs/bad_syntax.py must define a CONFIG, got SyntaxError: .*line 1"),
        ("no_config", "", r"^configs/no_config.py must define a CONFIG, got AttributeError: .*'CONFIG'"),
        ("leaves", "raise SystemExit(3)", r"^configs/leaves.py must define a CONFIG, got SystemExit: 3$"),
        ("control", "raise ValueError('a\\n\\x1b[2J')", r"^configs/control.py must .*got ValueError: a\\n\\x1b\[2J$"),
        ("a_number", "CONFIG = 1", r"^the CONFIG of configs/a_number.py must be a Config, got int"),
        (
            "same_name",
            _COPY.format(name="digits_demo"),
            r"^the name of configs/same_name.py must be 'same_name', as its file's, got 'digits_demo'",
        ),
        (
            "bad_field",
            _COPY.format(name="bad_field") + "replace(CONFIG.training, epoch=1)",
            r"^configs/bad_field.py must define a CONFIG, got TypeError: .*'epoch'",
        ),
        (
            "bad_value",
            _COPY.format(name="bad_value") + "replace(CONFIG.training, evaluate_examples=0)",
            r"^configs/bad_value.py: training.evaluate_examples must be from 1 to [0-9]+, got 0",
        ),
    ],
)
def test_a_mistake_is_one_line(name: str, text: str, message: str, folder: Path) -> None:
    (folder / f"{name}.py").write_text(text)
    with pytest.raises(UserError, match=message) as raised:
        load_config(name)
    assert "\n" not in str(raised.value)
