"""Debts of the memory store: appended under the lock of the write that changed a text, settled under that of the vector's."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from threading import RLock

from transvase.core.errors import BadValue
from transvase.core.ports import Debt, Payment
from transvase.core.record import Key
from transvase.core.space import Vectors

from .state import AliasState, IndexState


class MemoryOutbox:
    """The Outbox port. What settles a debt is seen and not assumed: the vector that each kept index now has."""

    def __init__(self, alias: AliasState, *, lock: RLock) -> None:
        self._alias, self._lock = alias, lock

    def owed(self, *, underway: bool = True) -> int:  # noqa: ARG002 - a write here is over with its transaction
        """Keys that are owed now."""
        with self._lock:
            return self._alias.owed()

    def read(self, *, limit: int) -> list[Debt]:
        """Up to ``limit`` keys, the one with the oldest entry first, each with all its entries for the same indexes."""
        with self._lock:
            entries: dict[tuple[Key, str | None], list[int]] = {}
            for number, debt in self._alias.entries.items():
                entries.setdefault((debt.key, debt.only), []).append(number)
            return [Debt(key, tuple(numbers), only) for (key, only), numbers in list(entries.items())[:limit]]

    def unsettled(self, keys: Sequence[Key]) -> set[Key]:
        """Those of the keys that are owed."""
        with self._lock:
            return {debt.key for debt in self._alias.entries.values()} & set(keys)

    def pay(self, debts: Sequence[Debt], payments: Sequence[Payment]) -> int:
        """Write what still fits, remove what has no text, settle; SpaceMismatch or Superseded before anything is changed."""
        with self._lock:
            checked = [(self._alias.index(payment.index), payment) for payment in payments]
            for index, payment in checked:
                fitting(index, payment.vectors, rows=len(payment.records))
            for index, payment in checked:
                site = index.declaration.site
                self._write(index, payment, {debt.key for debt in debts if debt.only in (None, site)})
            for debt in debts:
                if self._alias.text(debt.key) is None:
                    self._remove(debt.key)
            return sum(self._settle(debt) for debt in debts)

    def writers_held(self, *, most_s: float) -> AbstractContextManager[None]:
        """Have whoever writes to the table wait; the thread that holds them does not."""
        return self._alias.table.door.held(most_s=most_s)

    def beat(self) -> None:
        """Say that a worker is alive."""
        with self._lock:
            self._alias.seen_at = time.monotonic()

    def quiet_s(self) -> float | None:
        """Seconds since a worker was last alive."""
        with self._lock:
            return None if self._alias.seen_at is None else time.monotonic() - self._alias.seen_at

    def _write(self, index: IndexState, payment: Payment, owed: set[Key]) -> None:
        for record, vector in zip(payment.records, payment.vectors.matrix, strict=True):
            if record.key in owed and record.digest is not None and self._alias.digest(record.key) == record.digest:
                index.shelf.put(record.key, vector, digest=record.digest)

    def _remove(self, key: Key) -> None:
        for index in self._alias.kept():
            index.shelf.remove(key)

    def _settle(self, debt: Debt) -> bool:
        waiting = [
            index for index in self._alias.kept() if debt.only in (None, index.declaration.site) and self._lacks(index, debt.key)
        ]
        entries = [number for number in debt.entries if number in self._alias.entries]
        for number in entries:
            if not waiting:
                del self._alias.entries[number]
            elif len(waiting) == 1:
                self._alias.entries[number] = Debt(debt.key, (number,), waiting[0].declaration.site)
        return not waiting

    def _lacks(self, index: IndexState, key: Key) -> bool:
        digest = self._alias.digest(key)
        return digest is not None and (index.shelf.get(key) is None or index.shelf.digest(key) not in (None, digest))


def fitting(index: IndexState, vectors: Vectors, *, rows: int) -> None:
    """Return when ``vectors`` may be written into the index; SpaceMismatch across Spaces, BadValue for another width or count."""
    declaration = index.declaration
    vectors.of(declaration.space, where=declaration.name)
    if vectors.width != declaration.width:
        raise BadValue("vectors", vectors.width, why=f"{declaration.name} holds vectors of {declaration.width} dimensions")
    if len(vectors) != rows:
        raise BadValue("vectors", len(vectors), why=f"there are {rows} records; each takes one vector")
