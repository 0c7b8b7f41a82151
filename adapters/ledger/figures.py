"""What the ledger tells about a capture, a doubt and a reconciliation: the answers that cross its port."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Fact = str | int


@dataclass(frozen=True, slots=True)
class Epoch:
    """Between which two sites writes are mirrored now. Its number grows by one whenever that changes; 0: never yet."""

    number: int = 0
    live: str = ""
    shadow: str = ""
    on: bool = False


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something of unknown outcome that somebody must look at before it is believed. ``at`` is Unix time in seconds.

    ``why`` is a sentence for people; ``facts`` say the same to whoever looks into it, and the ledger gives them no meaning.
    """

    number: int
    at: float
    why: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    owned: bool = False
    """Whoever noted it for itself lives still, and sees to it."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far one index has been compared with the corpus by what is newer than a moment."""

    swept_to: int | None = None
    """Every change with a timestamp up to this one has been looked at; milliseconds, the server's clock. None: never."""
    walked: int | None = None
    """When the last whole comparison began that came to its end, by the same clock. None: never."""
