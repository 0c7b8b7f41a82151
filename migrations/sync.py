"""The worker that pays the outbox: for the live index and for the one that is kept beside it.

The order of its reads matters: the debts before the alias. A debt that was read before an index came into being is older
than that index's fill, which will see the text as it is; read the other way round, an edit could be settled for one index
and lost for the other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from transvase.core.errors import TransvaseError
from transvase.core.ports import Alias, Debt, Payment, Store
from transvase.core.record import Key, Record
from transvase.core.space import Role

from .encoding import encode_each, encoder_for
from .runner import Encoders

Report = Callable[[str], None]
"""Takes one sentence that an operator should read."""

BATCH: Final = 128
"""Keys paid in one transaction: about a second of a small model on a processor, so that fresh writes wait no longer."""

_IDLE_S: Final = 0.2
_BEAT_S: Final = 5.0
_LONGEST_PAUSE_S: Final = 30.0


class Worker:
    """Pays one alias' debts. It remembers which texts its encoders could not take, and how fast it has paid so far."""

    def __init__(self, store: Store, alias: str, encoders: Encoders, *, report: Report = lambda _: None) -> None:
        self._store, self._alias, self._encoders, self._report = store, alias, encoders, report
        self._lock = threading.Lock()
        self._poisoned: dict[Key, bytes | None] = {}
        self._paid, self._spent_s = 0, 0.0

    @property
    def paid(self) -> int:
        """Debts settled so far."""
        return self._paid

    @property
    def poisoned(self) -> tuple[Key, ...]:
        """Keys whose text no encoder could take; they stay owed until the text changes."""
        return tuple(self._poisoned)

    @property
    def rate(self) -> float | None:
        """Debts settled in a second of paying; None before the first."""
        return self._paid / self._spent_s if self._paid and self._spent_s else None

    def pay_once(self, *, limit: int = BATCH) -> int:
        """Pay up to ``limit`` debts; returns how many were settled. Several threads may call it: they take turns."""
        with self._lock:
            started = time.monotonic()
            outbox = self._store.outbox(self._alias)
            debts = outbox.read(limit=limit + len(self._poisoned))
            if not debts:
                self._poisoned.clear()
                return 0
            alias = self._store.alias(self._alias)
            records = self._store.corpus(self._alias).read([debt.key for debt in debts])
            sound, payments = self._prepare(alias, debts, records)
            for debt in sound:
                self._poisoned.pop(debt.key, None)
            settled = outbox.pay(sound, payments) if sound else 0
            self._paid += settled
            self._spent_s += time.monotonic() - started
            return settled

    def drain(self, *, deadline_s: float, enough: int = 0, underway: bool = True) -> int:
        """Pay until no more than ``enough`` keys are owed, or nothing more can be paid in time; returns what is owed then.

        Without ``underway``, what somebody is just writing counts as nothing.
        """
        end = time.monotonic() + deadline_s
        outbox = self._store.outbox(self._alias)
        while (owed := outbox.owed(underway=underway)) > enough and time.monotonic() < end:
            if self.pay_once():
                continue
            if owed <= len(self._poisoned):
                break
            time.sleep(_IDLE_S / 4)
        return owed

    def pay_up(self, *, deadline_s: float) -> int:
        """Pay whatever is owed at this moment, however much is written meanwhile; returns how many of those keys stay owed."""
        end = time.monotonic() + deadline_s
        begun = self._entries()
        while begun and time.monotonic() < end:
            settled = 0
            while settled < len(begun) and (some := self.pay_once()) and time.monotonic() < end:
                settled += some
            now = self._entries()
            begun = {key: rest for key, entries in begun.items() if (rest := entries & now.get(key, set()))}
            if begun.keys() <= self._poisoned.keys():
                break
            if not settled:
                time.sleep(_IDLE_S / 4)
        return len(begun)

    def serve(self, stop: threading.Event) -> None:
        """Pay until ``stop`` is set; a world that fails is tried again, later and later, and every failure reported."""
        pause, beaten = _IDLE_S, float("-inf")
        while not stop.is_set():
            try:
                if time.monotonic() - beaten >= _BEAT_S:
                    self._store.outbox(self._alias).beat()
                    beaten = time.monotonic()
                settled = self.pay_once()
            except TransvaseError as error:
                pause = min(pause * 2, _LONGEST_PAUSE_S)
                self._report(f"the worker of {self._alias!r} could not pay: {error} (trying again in {pause:.1f} s)")
                stop.wait(pause)
            else:
                pause = _IDLE_S
                if not settled:
                    stop.wait(pause)

    def _entries(self) -> dict[Key, set[int]]:
        outbox = self._store.outbox(self._alias)
        owed = outbox.owed()
        return {debt.key: set(debt.entries) for debt in outbox.read(limit=owed)} if owed else {}

    def _prepare(self, alias: Alias, debts: Sequence[Debt], records: Sequence[Record]) -> tuple[list[Debt], list[Payment]]:
        """Encode for every kept site; debts with a text that failed are left out whole and stay owed."""
        only = {debt.key: debt.only for debt in debts}
        due = [record for record in records if self._poisoned.get(record.key, b"") != record.digest]
        bad = {record.key for record in records} - {record.key for record in due}
        payments = []
        for index in alias.kept:
            mine = [r for r in due if r.text is not None and only[r.key] in (None, index.site)]
            if not mine:
                continue
            encoded = encode_each(encoder_for(index, self._encoders), [r.text or "" for r in mine], Role.DOCUMENT)
            for row, why in encoded.failed.items():
                self._condemn(mine[row], why)
                bad.add(mine[row].key)
            payments.append(Payment(index.name, tuple(mine[i] for i in encoded.kept), encoded.vectors))
        return [debt for debt in debts if debt.key not in bad], [_without(payment, bad) for payment in payments]

    def _condemn(self, record: Record, why: str) -> None:
        self._poisoned[record.key] = record.digest
        key = ", ".join(map(str, record.key))
        self._report(f"the text of row ({key}) of {self._alias!r} cannot be encoded and stays owed: {why}")
        self._store.journal.note(self._alias, "text not encodable", {"key": key, "why": why})


def _without(payment: Payment, bad: set[Key]) -> Payment:
    rows = [i for i, record in enumerate(payment.records) if record.key not in bad]
    if len(rows) == len(payment.records):
        return payment
    return Payment(payment.index, tuple(payment.records[i] for i in rows), payment.vectors.take(rows))


def pay_once(store: Store, alias: str, encoders: Encoders) -> int:
    """Pay one batch of debts and forget the worker; returns how many were settled."""
    return Worker(store, alias, encoders).pay_once()


@contextmanager
def beside(worker: Worker) -> Iterator[None]:
    """Let the worker serve in a thread of its own while the body runs."""
    stop = threading.Event()
    thread = threading.Thread(target=worker.serve, args=(stop,), name="sync", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
