"""A line of history.csv: its values, and the checks of lines that are read back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from pipeline.errors import UserError
from pipeline.typed_json import Count, from_dict

# Limits also keep NaN and infinity out.
Positive = Annotated[int, Meta(ge=1, le=10**15)]
Share = Annotated[float, Meta(ge=0, le=1)]
Amount = Annotated[float, Meta(ge=0, le=1e15)]
Finite = Annotated[float, Meta(ge=-1e38, le=1e38)]


@dataclass(frozen=True)
class EpochRow:
    """One epoch of a run."""

    epoch: Positive
    step: Count  # steps done at its end
    learning_rate: Finite
    loss: Finite
    class_loss: Finite
    offsets_loss: Finite
    AP: Share | None  # on val; None for an epoch without evaluation
    AP50: Share | None
    raw_AP: Share | None  # of the raw weights, if averaged ones are evaluated
    raw_AP50: Share | None
    seconds: Amount
    images_per_second: Amount
    input_wait: Finite  # share of the time that the steps waited for input


COLUMNS = tuple(field.name for field in dataclasses.fields(EpochRow))


def parse_rows(rows: Iterable[Mapping[str, str]], *, where: str) -> list[EpochRow]:
    """The lines of a history.csv, as `csv.DictReader` reads them; the empty text is None.

    Raises `UserError` that names `where`, the line and the column.
    """
    parsed: list[EpochRow] = []
    for number, row in enumerate(rows, start=2):  # after the header
        place = f"{where}: line {number}"
        # csv.DictReader keeps surplus values under the key None, and gives None for missing ones.
        if None in row or None in row.values():
            raise UserError(f"{place} must have {len(COLUMNS)} values, one for each column, got another number")
        parsed.append(from_dict(EpochRow, {name: text or None for name, text in row.items()}, where=place, text=True))
        if len(parsed) > 1 and parsed[-1].epoch <= parsed[-2].epoch:
            raise UserError(f"{place}: epoch must be above {parsed[-2].epoch}, got {parsed[-1].epoch}")
    return parsed
