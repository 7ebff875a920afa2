"""The memory that a process and its descendants use, on systems with /proc."""

from __future__ import annotations

from pathlib import Path


def tree_bytes(pid: int) -> int:
    """Memory of the process and all its descendants, pages that they share counted once; 0 without /proc."""
    return sum(_proportional_bytes(p) for p in _tree(pid))


def _tree(pid: int) -> list[int]:
    """The process and all its descendants."""
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        found.append(current)
        for children in Path(f"/proc/{current}/task").glob("*/children"):
            try:
                waiting += [int(child) for child in children.read_text().split()]
            except OSError:
                continue  # it ended meanwhile
    return found


def _proportional_bytes(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0  # it ended meanwhile, or there is no /proc
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
