"""The documents: their commands are commands of the Makefile, and their links lead somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.setup.checkout import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"^```[a-z]*\n([\s\S]*?)^```|((?:^ {4}\S.*\n)+)", re.MULTILINE)
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def make_commands(text: str) -> list[list[str]]:
    """The words of every `make` command in the blocks of a document."""
    blocks = [(fenced or indented).replace("\\\n", " ") for fenced, indented in BLOCK.findall(text)]
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith("make ")]


def anchors(text: str) -> set[str]:
    """What links can name in a document: its headings, in lower case, blanks as hyphens, without punctuation."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


@each_document
def test_every_command_is_one_of_the_makefile_with_its_variables(document: Path) -> None:
    for words in make_commands(document.read_text()):
        done = subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{shlex.join(words)}: {done.stderr}"


def test_commands_are_found() -> None:
    assert ["make", "evaluate", "RUN=runs/mine"] in make_commands((ROOT / "README.md").read_text())
    text = "```\nmake records A=1 \\\n    B='2 3'  # note\n```\n\n    make train   # more\n\nmake no sense\n"
    assert make_commands(text) == [["make", "records", "A=1", "B=2 3"], ["make", "train"]]


@each_document
def test_every_link_leads_to_a_file_and_a_heading_of_it(document: Path) -> None:
    for link in LINK.findall(document.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists() and target.is_relative_to(ROOT), f"{link} must be in the repository"
        assert not anchor or anchor in anchors(target.read_text()), f"{link} must be a heading"
