"""What the ledger tells about a capture, a doubt and a reconciliation: the answers that cross its port."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Epoch:
    """Between which two sites writes are mirrored now. Its number grows by one whenever that changes; 0: never yet."""

    number: int = 0
    live: str = ""
    shadow: str = ""
    on: bool = False


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something of unknown outcome that somebody must look at before it is believed. ``at`` is Unix time in seconds."""

    number: int
    at: float
    why: str


@dataclass(frozen=True, slots=True)
class Mark:
    """How far one index has been compared with the corpus: by whole walks, and by what is newer than a moment."""

    reconciled_at: float | None = None
    """Unix time in seconds at which the last whole walk began; None: never."""
    rounds: int = 0
    """Walks in a row that added nothing."""
    swept_to: int | None = None
    """Every change with a timestamp up to this one has been looked at; milliseconds, the server's clock. None: never."""
