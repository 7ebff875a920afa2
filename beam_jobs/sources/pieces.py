"""The list of a source, whole or in pieces that several workers read at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

from beam_jobs.sources.source import Item, Source


class Piece(NamedTuple):
    """A part of a list: whole lines of a file."""

    part: int  # number of the file in the source
    start: int  # bytes
    end: int
    first_line: int  # number of its first line in the file, counted from 1


@runtime_checkable
class InPieces(Protocol):
    """A source whose list may be longer than a process can hold."""

    def pieces(self) -> tuple[Piece, ...]:
        """All pieces of its list, in order."""

    def items_of(self, piece: Piece) -> Iterator[Item]:
        """The items of a piece."""


def pieces_of(source: Source) -> tuple[Piece | None, ...]:
    """The pieces that workers can list separately; None is the whole list of a source without pieces."""
    return source.pieces() if isinstance(source, InPieces) else (None,)


def items_of(source: Source, piece: Piece | None) -> Iterator[Item]:
    """The items of one of the pieces that `pieces_of` returns."""
    if piece is None:
        yield from source.items()
    elif isinstance(source, InPieces):
        yield from source.items_of(piece)


def all_items(source: Source) -> Iterator[Item]:
    """All items in the source's own order. If the source has pieces, they are not all held at once."""
    for piece in pieces_of(source):
        yield from items_of(source, piece)
