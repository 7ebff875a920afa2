"""Sets annotated in JSON lines, one image per line, for lists too long for one process to hold."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from beam_jobs.sources.class_names import check_class_names
from beam_jobs.sources.data_paths import DataPaths, Part
from beam_jobs.sources.image_files import (
    check_that_images_are_there,
    digest_folder,
    find_image,
    open_file,
    read_image,
    read_shape,
)
from beam_jobs.sources.jsonl.line import parse_line, scan_line
from beam_jobs.sources.source import Check, Item, Piece, Source
from beam_jobs.sources.splits import choose_test_fraction, move_to_test
from pipeline.compositions.resize import RgbImage
from pipeline.compositions.view import Shape
from pipeline.errors import UserError

MAX_LINE_BYTES = 1 << 24
PIECE_BYTES = 1 << 22  # of a list, read by one worker at a time
_LOOKED_FOR = 1000  # images: if none of the first is there, the folder is wrong


@dataclass(frozen=True)
class JsonLines(Source):
    """Lists and their image folders. Nothing is kept of a line but the names of its classes.

    The lists are read in pieces, in any process.
    """

    parts: tuple[Part, ...]
    list_pieces: tuple[Piece, ...]
    digest: str  # of the lists
    class_names: tuple[str, ...]  # sorted
    name: str = "jsonl"
    has_val: bool = False
    has_test: bool = False
    test_fraction: float = 0.0  # of train, chosen by hash of the source id; 0 if the set has a test split of its own

    @staticmethod
    def prepare(paths: DataPaths) -> JsonLines:
        """Reads the lists once, line by line. Raises `UserError` if one is missing, or there are no images."""
        paths.allow(
            "jsonl",
            *("annotations", "images", "val_annotations", "val_images", "test_annotations", "test_images"),
            "test_fraction",
        )
        parts = tuple(paths.parts("jsonl"))
        digest = hashlib.sha256()
        classes: set[str] = set()
        splits: set[str] = set()
        first: list[Item] = []
        pieces: list[Piece] = []
        for number, part in enumerate(parts):
            digest.update(f"{part.split}\0".encode())
            start, end, first_line = 0, 0, 1  # of the next piece
            for line_number, line, end in iterate_lines(part.annotations):
                if end - start >= PIECE_BYTES:
                    pieces.append(Piece(number, start, end, first_line))
                    start, first_line = end, line_number + 1
                digest.update(line)
                split, names = scan_line(line, split=part.split)
                splits.add(split)
                classes |= names
                if len(first) < _LOOKED_FOR:
                    first.append(parse_line(line, _locate(part, line_number), split=part.split, folder=number))
            if end > start:
                pieces.append(Piece(number, start, end, first_line))
        if not splits:
            raise UserError(f"{parts[0].annotations} lists no images: it must have one a line")
        check_class_names("jsonl", classes, first)
        check_that_images_are_there(first, tuple(part.images for part in parts))
        return JsonLines(
            parts=parts,
            list_pieces=tuple(pieces),
            digest=digest.hexdigest(),
            class_names=tuple(sorted(classes)),
            has_val="val" in splits,
            has_test="test" in splits,
            test_fraction=choose_test_fraction("test" in splits, paths.test_fraction),
        )

    def pieces(self) -> tuple[Piece, ...]:
        """Pieces of about `PIECE_BYTES` of the lists."""
        return self.list_pieces

    def items_of(self, piece: Piece | None) -> Iterator[Item]:
        """The items of a piece. A broken line becomes an item that cannot be read; see `parse_line`."""
        for each in self.list_pieces if piece is None else (piece,):
            part = self.parts[each.part]
            for number, line, _ in iterate_lines(part.annotations, each):
                item = parse_line(line, _locate(part, number), split=part.split, folder=each.part)
                yield move_to_test(item, self.test_fraction)

    def items(self) -> Iterator[Item]:
        """All items, in the order of the lists, one after the other: they are never held at once."""
        return self.items_of(None)

    def fingerprint(self, *, check: Check = "sizes") -> str:
        """SHA-256 of the lists and of the folders' image files: name and size, and with "content" also the bytes.

        Files with an image's extension count, and those with none, whether or not a list has them. The folders
        decide, because a list may name an image many times.
        """
        digest = hashlib.sha256(repr((self.digest, self.class_names, self.test_fraction)).encode())
        for folder in dict.fromkeys(part.images for part in self.parts):
            digest.update(digest_folder(folder, check=check))
        return digest.hexdigest()

    def shape(self, reference: str) -> Shape:
        """Height and width of an image, pixels, upright. Raises `BadImage`."""
        return read_shape(find_image(reference, self._folders))

    def read(self, reference: str) -> RgbImage:
        """An image, [h, w, 3] uint8 RGB, upright. Raises `BadImage`."""
        return read_image(find_image(reference, self._folders))

    @property
    def _folders(self) -> tuple[str, ...]:
        return tuple(part.images for part in self.parts)


def iterate_lines(path: str, piece: Piece | None = None) -> Iterator[tuple[int, bytes, int]]:
    """The lines of a list, or of a piece of it, that are not blank. Raises `UserError` if there is no such file.

    A line longer than `MAX_LINE_BYTES` is cut off there, so it is no longer valid JSON.

    Yields:
        The line's number, counted from 1; the line; the byte after it.
    """
    try:
        with open_file(path) as file:
            number, at = 0, 0
            if piece is not None:
                number, at = piece.first_line - 1, piece.start
                file.seek(at)
            while (piece is None or at < piece.end) and (line := file.readline(MAX_LINE_BYTES)):
                number += 1
                at += len(line)
                rest = line
                while not rest.endswith(b"\n") and (rest := file.readline(MAX_LINE_BYTES)):
                    at += len(rest)
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if not line.isspace():
                    yield number, line, at
    except FileNotFoundError:
        raise UserError(f"there is no annotation file {path}") from None
    except OSError as error:
        raise UserError(f"cannot read the annotations {path}: {error}") from None


def _locate(part: Part, number: int) -> str:
    """Where a line is, for messages."""
    return f"{os.path.basename(part.annotations)} line {number}"
