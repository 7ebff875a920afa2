"""What a source's annotations were taken for, in lines for the terminal: classes, and where val and test come from."""

from __future__ import annotations

from beam_jobs.sources.declared_sizes import size_notes
from beam_jobs.sources.image_reference import is_fault, split_reference
from beam_jobs.sources.image_set import ImageSet
from beam_jobs.sources.source import Source
from pipeline.config.records_config import SPLITS
from pipeline.errors import counted, printable

SHOWN_CLASSES = 12


def describe_source(source: Source, *, val_fraction: float) -> list[str]:
    """The lines, with notes on what looks wrong. JSON lines may be too many to be held: their images get no notes.

    Args:
        source: ready to be read.
        val_fraction: the share of train that becomes val if the source has no val split.
    """
    names = source.class_names
    more = f", … and {len(names) - SHOWN_CLASSES} more" if len(names) > SHOWN_CLASSES else ""
    val = "the source's own" if source.has_val else f"{val_fraction:.1%} of train, by hash"
    test = f"{source.test_fraction:.1%} of train, by hash" if source.test_fraction else "empty"
    if source.has_test:
        test = "the source's own"
    return [
        printable(f"{counted(len(names), 'class')}: {', '.join(names[:SHOWN_CLASSES])}{more}"),
        f"val is {val}; test is {test}",
        *([*_overlap(source), *size_notes(source)] if isinstance(source, ImageSet) else []),
    ]


def _overlap(source: ImageSet) -> list[str]:
    """A line if image files are in several splits."""
    splits: dict[tuple[str, str], set[str]] = {}  # by folder and name
    for item in source.items():
        if not is_fault(item.reference):
            number, name = split_reference(item.reference)
            splits.setdefault((source.annotations.folders[number], name), set()).add(item.split)
    several = {name: found for (_, name), found in splits.items() if len(found) > 1}
    if not several:
        return []
    name, found = next(iter(several.items()))
    where = " and ".join(split for split in SPLITS if split in found)
    return [
        printable(
            f"note: {counted(len(several), 'image')} in several splits, such as {name} in {where}: "
            "figures on images that were trained on say little"
        )
    ]
