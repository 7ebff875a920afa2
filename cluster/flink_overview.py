"""What Flink's JobManager says about its cluster."""

from __future__ import annotations

import json
import urllib.request


def task_managers(rest_port: int) -> int | None:
    """How many TaskManagers the JobManager knows, or None while it does not answer."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy
    try:
        with direct.open(f"http://localhost:{rest_port}/overview", timeout=5) as answer:
            return int(json.load(answer)["taskmanagers"])
    except (OSError, ValueError, KeyError):  # a URLError is an OSError
        return None
