"""How many processors this process may use: what the system gave it, or less where the operator said so."""

from __future__ import annotations

import os


def processors() -> int:
    """At least 1, at most what the process is bound to and what ``OMP_NUM_THREADS`` allows."""
    given = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wished = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(given, int(wished))) if wished.isdigit() else given
