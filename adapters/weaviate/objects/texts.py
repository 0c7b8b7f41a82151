"""The text of an object: what the alias' expression reads from its properties."""

from __future__ import annotations

from transvase.adapters.weaviate.collections.shape import Shape
from transvase.core.record import Record
from transvase.core.template import Reading, reading

from .reading import Seen

__all__ = ["Reading", "cargo_of", "expression", "recorded"]


def expression(text: str, shape: Shape) -> Reading:
    """The function that reads the text from an object's properties; BadValue where it names one that the collection has not."""
    return reading(text, list(shape.properties))


def recorded(seen: Seen, read: Reading) -> Record:
    """The object as a Record that carries it along."""
    return Record(seen.key, read(seen.cargo.properties), cargo=seen)


def cargo_of(record: Record) -> Seen | None:
    """What the record carries; None where it was not read here."""
    return record.cargo if isinstance(record.cargo, Seen) else None
