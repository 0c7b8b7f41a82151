"""What is owed on this store, paid by what is seen: write what differs, read every side again, settle what agrees.

Nothing here is one transaction. So the order is: the newest state of a key is read where it lies, what another side holds
differently is written there whole, and then all are read once more. A key whose state changed in between stays owed, for its
entries outlive this payment, and whoever changed it has left another. A payment notes its own intent like any other writer: two
payers of one key, or one that dies after its write, leave the key owed and not different unseen. Where the newest state lies
only its vector is ever written, and nothing else of it: what the application writes there meanwhile is not lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress

from transvase.adapters.weaviate.comparing.newest import Held, overtaken
from transvase.adapters.weaviate.objects.cargo import Vector
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.adapters.weaviate.wire.failures import passing
from transvase.core.declaration import Declaration
from transvase.core.errors import Superseded, TransvaseError
from transvase.core.figures import Debt, Payment
from transvase.core.record import Key

from .filling import fitting
from .paying import Brought, Paying, read_now


class WeaviateOutbox:
    """The Outbox port over the ledger."""

    def __init__(self, setting: Setting, *, upkeep: Callable[[], None] = lambda: None) -> None:
        self._setting, self._upkeep = setting, upkeep

    def owed(self, *, underway: bool = True) -> int:
        """Keys that are owed now, those in flight among them unless told otherwise."""
        return self._setting.ledger.owed(self._setting.alias, underway=underway)

    def read(self, *, limit: int) -> list[Debt]:
        """What may be paid now, the oldest entries first; what somebody is just writing is held back."""
        return self._setting.ledger.debts(self._setting.alias, limit=limit)

    def unsettled(self, keys: Sequence[Key]) -> set[Key]:
        """Those of the keys with an entry in the ledger that nobody has settled, whoever is at work on it."""
        ledger, alias = self._setting.ledger, self._setting.alias
        watched = ledger.watch(alias)
        try:
            return ledger.since(alias, watched, among=list(keys))
        finally:
            ledger.unwatch(alias, watched)

    def pay(self, debts: Sequence[Debt], payments: Sequence[Payment]) -> int:
        """Write, look, settle; SpaceMismatch, BadValue or Superseded before anything is written.

        A site that cannot be written just now stays owed alone. An object that a site refuses for good stays owed too, and is
        told as an error when everything else has been settled.
        """
        brought = self._checked(payments)
        keys = list(dict.fromkeys(debt.key for debt in debts))
        if not keys:
            return 0
        ledger, alias = self._setting.ledger, self._setting.alias
        intents = dict(zip(keys, ledger.intend(alias, keys, first="", by="a payment"), strict=True))
        try:
            settled, doubtful, failures = self._paid(debts, brought, keys)
        except BaseException:
            ledger.leave(alias, list(intents.values()))
            raise
        ledger.settle(alias, [entry for key, entry in intents.items() if key not in doubtful])
        ledger.leave(alias, [entry for key, entry in intents.items() if key in doubtful])
        lasting = [error for error in failures if not passing(error)]
        if lasting or (failures and not settled):
            raise (lasting or failures)[0]
        return settled

    def writers_held(self, *, most_s: float) -> AbstractContextManager[None]:
        """Have Mirrors, on whatever host, wait before their next write."""
        return self._setting.ledger.writers_held(self._setting.alias, most_s=most_s)

    def beat(self) -> None:
        """Say that a worker is alive, and see to what a server that begins anew forgets (``upkeep``)."""
        self._setting.ledger.beat(self._setting.alias)
        self._upkeep()

    def quiet_s(self) -> float | None:
        """Seconds since a worker was last alive; None: never."""
        return self._setting.ledger.quiet_s(self._setting.alias)

    def _paid(self, debts: Sequence[Debt], brought: Brought, keys: Sequence[Key]) -> tuple[int, set[Key], list[TransvaseError]]:
        """How many debts were settled, the keys of which something was written and not seen to agree, and what failed."""
        setting = self._setting
        kept = {side.site: side for side in setting.look().kept}
        paying = Paying(setting=setting, kept=kept, brought=brought, now=read_now(setting, kept, keys))
        failures: dict[str, TransvaseError] = {}
        for site in kept:
            try:
                alone = {debt.key for debt in debts if debt.only == site}
                paying.write(site, alone | {debt.key for debt in debts if debt.only is None}, alone=alone)
            except TransvaseError as error:
                failures[site] = error
        over, seen = self._over(paying), paying.again()
        doubtful = {(site, key) for site, key in paying.written if not paying.agrees(site, key, seen)}
        self._maintain(paying, {key for site, key in doubtful if site in failures or paying.overtaken(key, seen)}, over)
        return self._settle(debts, paying, seen), {key for _, key in doubtful}, list(failures.values())

    def _over(self, paying: Paying) -> int | None:
        """When the payment's writes were over, where what it paid lies on another side than the live one; else None.

        Others write the live side meanwhile. So it is asked before the last look: what they write during that is newer.
        """
        live = self._setting.look().live.site
        if all(site == live for site in paying.now.truth.values()):
            return None
        with suppress(TransvaseError):
            return self._setting.clock()
        return None

    def _maintain(self, paying: Paying, keys: set[Key], over: int | None) -> None:
        """Say where the newest state lies of keys of which an older one may have been written elsewhere, later by the clock."""
        setting, live = self._setting, self._setting.look().live.site
        for site in sorted({paying.now.truth[key] for key in keys}):
            some = sorted(key for key in keys if paying.now.truth[key] == site)
            setting.ledger.owe(setting.alias, some, first=overtaken(site, over if site != live else None))

    def _checked(self, payments: Sequence[Payment]) -> Brought:
        alias = self._setting.look()
        named: dict[str, Declaration] = {side.name: side for side in (alias.live, alias.shadow) if side is not None}
        brought: dict[str, dict[Key, tuple[bytes | None, Vector]]] = {}
        for payment in payments:
            if payment.index not in named:
                raise Superseded(payment.index)
            fitting(named[payment.index], payment.vectors, rows=len(payment.records))
            rows = zip(payment.records, payment.vectors.matrix, strict=True)
            brought.setdefault(named[payment.index].site, {}).update((record.key, (record.digest, row)) for record, row in rows)
        return brought

    def _settle(self, debts: Sequence[Debt], paying: Paying, seen: Held) -> int:
        ledger, alias = self._setting.ledger, self._setting.alias
        whole: list[Debt] = []
        left: dict[str, list[int]] = {}
        for debt in debts:
            waiting = [s for s in paying.kept if debt.only in (None, s) and not paying.agrees(s, debt.key, seen)]
            if not waiting:
                whole.append(debt)
            elif len(waiting) == 1 and debt.only is None:
                left.setdefault(waiting[0], []).extend(debt.entries)
        for site, entries in left.items():
            ledger.leave(alias, entries, only=site)
        for site in paying.kept:
            ledger.paid(alias, site, paying.left(site, [debt.key for debt in whole], seen))
        entries = [entry for debt in whole for entry in debt.entries]
        return min(len(whole), ledger.settle(alias, entries)) if entries else 0
