"""What a source's annotations were taken for, in lines for the terminal: classes, and where val and test come from."""

from __future__ import annotations

from beam_jobs.sources.source import Source
from pipeline.errors import counted, printable

SHOWN_CLASSES = 12


def describe_source(source: Source, *, val_fraction: float) -> list[str]:
    """The lines. `val_fraction` is the share of train that becomes val if the source has no val split."""
    names = source.class_names
    more = f", … and {len(names) - SHOWN_CLASSES} more" if len(names) > SHOWN_CLASSES else ""
    val = "the source's own" if source.has_val else f"{val_fraction:.1%} of train, by hash"
    test = f"{source.test_fraction:.1%} of train, by hash" if source.test_fraction else "the source's own"
    return [
        printable(f"{counted(len(names), 'class')}: {', '.join(names[:SHOWN_CLASSES])}{more}"),
        f"val is {val}; test is {test}",
    ]
