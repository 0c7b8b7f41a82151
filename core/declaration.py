"""What an index, an alias and its source are declared to be. What is counted or measured of them stands in ``figures``."""

from __future__ import annotations

from dataclasses import dataclass

from .space import UNKNOWN, Space


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What is known of one index without looking into it."""

    name: str
    """Physical name, unique for each attempt and never used again."""
    space: Space | None
    """None: nobody knows which encoder made its vectors."""
    encoder: str
    """ENC of the encoder that makes its vectors, or ``unknown``."""
    text: str
    """The expression whose value is embedded: part of what is compared."""
    width: int
    """Stored dimensions, the fence included."""
    metric: str
    """``cosine``, ``ip`` or ``l2``."""
    form: str
    """Element type in the store: ``vector`` or ``halfvec``."""
    adopted: bool = False
    """True for a place that was the user's before it was ours."""

    @property
    def label(self) -> str:
        """The id of its Space, as written into rows and answers; ``unknown`` where there is none."""
        return self.space.id if self.space else UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an alias' records are: a table (or a collection), its key columns, and the text expression."""

    table: str
    key: tuple[str, ...]
    text: str
    vector: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """The stable name that readers use, as one read of the store showed it."""

    name: str
    source: Source
    live: Declaration
    shadow: Declaration | None
    """The index kept current beside the live one while a migration is open, whichever side is live."""
    generation: int
    """Grows with every change of what the alias declares; each answer of a search carries it."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What ``adopt`` was told. ``form``, ``width`` and ``metric`` are the store's to find out."""

    alias: str
    source: Source
    space: Space | None
    encoder: str
