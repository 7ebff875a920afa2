"""Checks that the demo learned: AP50 on the held-out digits must be at least 0.8.

    python scripts/check_demo.py runs/demo/evaluation/metrics.json

Prints one line. Ends with status 1 if the figure is too low, missing or not a number.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

LEAST = 0.8


def verdict(metrics: Path) -> tuple[bool, str]:
    """Whether the demo passes, and the line that says so."""
    try:
        ap50 = float(json.loads(metrics.read_bytes())["AP50"])
    except OSError as error:
        return False, f"{metrics} cannot be read: {error.strerror}; run `make demo` first"
    except (ValueError, KeyError, TypeError):
        return False, f"{metrics} holds no AP50; run `make demo` again"
    passed = ap50 >= LEAST  # false for NaN, too
    return passed, f"AP50 on held-out digits is {ap50:.3f}, {'at least' if passed else 'BELOW'} {LEAST}"


def main() -> int:
    """Prints the verdict. -> the exit status."""
    passed, line = verdict(Path(sys.argv[1]))
    print(f"demo: {line}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
