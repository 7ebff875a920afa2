"""What runs with one thing changed reached, side by side."""

from __future__ import annotations

FOLDER, REFERENCE = (
    "ablations",
    "reference",
)  # in configs/, and the configuration there that the others are held against


def table(reached: dict[str, dict[str, str]]) -> list[str]:
    """The last line of each run's history, as a table in Markdown; the reference is the first of them.

    Args:
        reached: by name of the change, the last line of its history, as `read_history` gives it.
    """
    first = next(iter(reached.values()))
    lines = ["| changed | AP on val | AP50 | beside the reference | AP of raw weights |", "|---|---|---|---|---|"]
    for name, row in reached.items():
        beside = f"{float(row['AP']) - float(first['AP']):+.4f}" if row is not first else ""
        raw = f"{float(row['raw_AP']):.4f}" if row["raw_AP"] else ""
        lines.append(f"| `{name}` | {float(row['AP']):.4f} | {float(row['AP50']):.4f} | {beside} | {raw} |")
    return lines
