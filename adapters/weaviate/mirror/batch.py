"""Batches as the driver has them: objects and references are gathered, and written some hundred at a time."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self
from uuid import UUID, uuid4

from transvase.core.errors import BadValue

from .given import Given, Id, Own, Properties, References, uuid_of
from .hand import Hand, Line

SIZE: Final = 200
MOST_KEPT: Final = 100_000
"""Refused objects that are remembered."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An object or a reference that the server did not take, and why. ``uuid`` is the object's, or the one it leads from."""

    uuid: UUID
    message: str


@dataclass(frozen=True, slots=True)
class Batches:
    """The ways to open a batch. The driver's differ in how many requests run at once; here one runs after the other."""

    hand: Hand

    def dynamic(self) -> Batch:
        """A batch of the usual size."""
        return Batch(self.hand, SIZE)

    def fixed_size(self, batch_size: int = 100, *, concurrent_requests: int = 1) -> Batch:
        """A batch that is sent whenever ``batch_size`` objects are there. ``concurrent_requests`` is taken, and means nothing."""
        if batch_size < 1 or concurrent_requests < 1:
            raise BadValue("batch_size", batch_size, why="at least one object, and one request")
        return Batch(self.hand, batch_size)


class Batch:
    """One open batch, for one thread; what is still there is sent when its block ends well, and forgotten when it fails."""

    def __init__(self, hand: Hand, size: int) -> None:
        self._hand, self._size = hand, size
        self._objects: list[Given] = []
        self._references: list[Line] = []
        self.failed_objects: list[Refused] = []
        self.failed_references: list[Refused] = []
        self.number_errors = 0

    def add_object(
        self,
        properties: Properties | None = None,
        references: References | None = None,
        *,
        uuid: Id | None = None,
        vector: Own = None,
        tenant: str = "",
    ) -> UUID:
        """One object, over what is there under its id; its id. It is sent with others, at the latest when the block ends."""
        hand = self._hand.within(tenant) if tenant else self._hand
        given = hand.given(uuid or uuid4(), properties, references, vector)
        self._objects.append(given)
        if len(self._objects) >= self._size:
            self._send_objects()
        return uuid_of(given.uuid)

    def add_reference(self, from_uuid: Id, from_property: str, to: object, *, tenant: str = "") -> None:
        """One or more references of an object, sent after the objects."""
        hand = self._hand.within(tenant) if tenant else self._hand
        self._references.append((hand.key(from_uuid), from_property, to))
        if len(self._references) >= self._size:
            self.flush()

    def flush(self) -> None:
        """Send what is there."""
        self._send_objects()
        some, self._references = self._references, []
        for at, why in self._hand.refer_all(some).items():
            self._fail(self.failed_references, Refused(uuid_of(some[at][0][-1]), why))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.flush()

    def _send_objects(self) -> None:
        some, self._objects = self._objects, []
        for key, why in self._hand.put(some).items():
            self._fail(self.failed_objects, Refused(uuid_of(key[-1]), why))

    def _fail(self, kept: list[Refused], one: Refused) -> None:
        self.number_errors += 1
        if len(kept) < MOST_KEPT:
            kept.append(one)
