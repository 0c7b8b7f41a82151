"""Batches as the driver has them: objects and references are gathered, and written some hundred at a time.

What fails is told and never raised, be it one object or a whole request: whoever imports a million wants the others written.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from threading import RLock
from types import TracebackType
from typing import Final, Self, TypeVar

from transvase.adapters.weaviate.comparing.unfound import queued
from transvase.adapters.weaviate.wire.failures import Kind, retrying
from transvase.core.errors import BadValue, TransvaseError
from weaviate.outputs.batch import BatchResult, ErrorObject, ErrorReference

from .answers import Handed, Line, Tally
from .given import Id, Own, Properties, References, uuid_of
from .hand import AT_ONCE, Hand
from .lacking import Partial
from .several import Several
from .tenants import name_of

T = TypeVar("T")
SIZE: Final = 200
PATIENCE_S: Final = 60.0
"""How long one request of a batch is sent again to a server that cannot be reached or asks to wait. The driver waits longer."""
PASSING: Final = (Kind.UNREACHED, Kind.BUSY, Kind.BROKEN)
"""What is worth it: a request that timed out costs a minute each time."""
INDEXING_PAUSE_S: Final = 0.25

_log = logging.getLogger(__name__)


class Batches(Partial):
    """The ways to open a batch, and what became of the one that was opened last.

    The driver's differ in how many requests run at once, and in who decides how large they are; here one runs after the other.
    """

    def __init__(self, hand: Hand) -> None:
        self._hand = hand
        self._tally = Tally(hand.collection)

    def dynamic(self) -> Batch:
        """A batch of the usual size."""
        return self._opened(SIZE)

    def fixed_size(self, batch_size: int = 100, concurrent_requests: int = 2) -> Batch:
        """A batch that is sent whenever so many objects are there, 500 at most. ``concurrent_requests`` means nothing."""
        if batch_size < 1 or concurrent_requests < 1:
            raise BadValue("batch_size", batch_size, why="at least one object, and one request")
        return self._opened(min(batch_size, AT_ONCE))

    def rate_limit(self, requests_per_minute: int) -> Batch:
        """A batch that sends so many objects a minute at most, as the driver counts them."""
        if requests_per_minute < 1:
            raise BadValue("requests_per_minute", requests_per_minute, why="at least one")
        return self._opened(min(requests_per_minute, AT_ONCE), pause_s=60.0 / requests_per_minute)

    def stream(self, *, concurrency: int | None = None) -> Batch:
        """As ``dynamic``: what the server would be streamed passes through the ledger first. ``concurrency`` means nothing."""
        del concurrency
        return self._opened(SIZE)

    experimental = stream

    def wait_for_vector_indexing(self, shards: Collection[object] | None = None, how_many_failures: int = 5) -> None:
        """Wait until the live side has indexed all that it took, whichever ``shards`` are named.

        As often as the driver asks again after a failure, so long (two to the power of it, in seconds) is waited for one to pass.
        """
        del shards
        setting, budget_s = self._hand.desk.setting, 2.0**how_many_failures
        while retrying("indexing", lambda: queued(setting, self._hand.live_shape.name), budget_s=budget_s):
            time.sleep(INDEXING_PAUSE_S)

    @property
    def failed_objects(self) -> list[ErrorObject]:
        """The objects of the last batch that were not taken, each with its reason and all that it takes to add it again."""
        return self._tally.failed_objects

    @property
    def failed_references(self) -> list[ErrorReference]:
        """Its references that were not taken."""
        return self._tally.failed_references

    @property
    def results(self) -> BatchResult:
        """What became of each of its objects and references, by their numbers."""
        return self._tally.results

    def _opened(self, size: int, *, pause_s: float = 0.0) -> Batch:
        self._tally = Tally(self._hand.collection)
        return Batch(self._hand, size, self._tally, pause_s=pause_s)

    @property
    def _named(self) -> str:
        return self._hand.desk.setting.alias


class Batch(Partial):
    """One open batch. What is still there is sent when its block ends, also when it ends by an error, as the driver does."""

    def __init__(self, hand: Hand, size: int, tally: Tally, *, pause_s: float = 0.0) -> None:
        self._hand, self._size, self._tally = hand, size, tally
        self._pause_s, self._not_before = pause_s, 0.0
        self._lock = RLock()
        self._added = self._referred = 0
        self._objects: list[Handed] = []
        self._references: list[Line] = []

    def add_object(
        self,
        properties: Properties | None = None,
        references: References | None = None,
        uuid: Id | None = None,
        vector: Own = None,
        *,
        tenant: object = "",
    ) -> Id:
        """One object, over what is there under its id; its id, as a text where one was given, for the driver has it so.

        It is sent with others, at the latest when the block ends.
        """
        with self._lock:
            handed = Several(self._within(tenant)).handed(self._added, properties, references, uuid, vector)
            self._keep(handed)
        return handed.given.uuid if uuid else uuid_of(handed.given.uuid)

    def add(self, one: object) -> None:
        """The same for a mapping of properties or a DataObject."""
        with self._lock:
            self._keep(Several(self._hand).object_of(self._added, one))

    def add_reference(self, from_uuid: Id, from_property: str, to: object, *, tenant: object = "") -> None:
        """One or more references of an object, sent after the objects."""
        with self._lock:
            more = Several(self._within(tenant)).lines(self._referred, from_uuid, from_property, to)
            self._referred += len(more)
            self._references += more
            if len(self._references) >= self._size:
                self.flush()

    def flush(self) -> None:
        """Send what is there."""
        with self._lock:
            self._send_objects()
            self._send_references()

    @property
    def number_errors(self) -> int:
        """Objects and references that were not taken so far."""
        return self._tally.errors

    @property
    def failed_objects(self) -> list[ErrorObject]:
        """As of the batches, for whoever opens several at once."""
        return self._tally.failed_objects

    @property
    def failed_references(self) -> list[ErrorReference]:
        """As of the batches."""
        return self._tally.failed_references

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.flush()

    @property
    def _named(self) -> str:
        return self._hand.desk.setting.alias

    def _within(self, tenant: object) -> Hand:
        return self._hand.within(name_of(tenant)) if tenant else self._hand

    def _keep(self, handed: Handed) -> None:
        self._added += 1
        self._objects.append(handed)
        if len(self._objects) >= self._size:
            self._send_objects()

    def _send_objects(self) -> None:
        some, self._objects = self._objects, []
        if not some:
            return
        time.sleep(max(0.0, self._not_before - time.monotonic()))
        begun = time.monotonic()
        self._not_before = begun + self._pause_s * len(some)
        refused = self._sent(
            lambda: Several(self._hand).put([one.given for one in some]), [one.given.key for one in some], "objects"
        )
        self._tally.objects(some, refused, seconds=time.monotonic() - begun)

    def _send_references(self) -> None:
        some, self._references = self._references, []
        if not some:
            return
        begun = time.monotonic()
        refused = self._sent(lambda: Several(self._hand).refer_all(some), [line.number for line in some], "references")
        self._tally.references(some, refused, seconds=time.monotonic() - begun)

    def _sent(self, send: Callable[[], dict[T, str]], every: list[T], what: str) -> dict[T, str]:
        """What was refused, and why; every one of them where the whole request failed."""
        try:
            refused = retrying(f"a batch of {len(every)} {what}", send, budget_s=PATIENCE_S, report=_log.warning, among=PASSING)
        except TransvaseError as error:
            refused = dict.fromkeys(every, str(error))
        for why in list(refused.values())[:1]:
            _log.error("%d of %d %s for %s were not taken: %s", len(refused), len(every), what, self._hand.collection, why)
        return refused
