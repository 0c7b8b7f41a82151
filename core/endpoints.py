"""What all endpoints that are asked over HTTP have in common: where the key is, which failures pass, how long to wait."""

from __future__ import annotations

import email.utils
import math
import os
import time
from typing import Final

from .errors import BadValue

KEY: Final = "TRANSVASE_API_KEY"
"""The environment variable that holds the key, if the endpoint wants one."""

TRANSIENT: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Answers after which the same request may succeed later; 529 is what some say for being overloaded."""


def key_from_environment() -> str:
    """The key, empty where there is none; BadValue, without the key in it, for one that no header can carry."""
    key = os.environ.get(KEY, "").strip()
    if not key.isascii() or not key.isprintable():
        raise BadValue(KEY, "…", why="it holds a character that no header can carry; set it again")
    return key


def retry_after(header: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, given as a number or as a date; None when it cannot be read."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None
