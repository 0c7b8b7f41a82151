"""A fill: whole objects poured into a target, blindly where no write can have passed unseen, else after a look at both sides.

A record that was read after the watch began may be written without another look: whatever was written meanwhile has left an
entry, and is owed when the batch has been sent. What was read before it (the first batches, or by another process) is compared
with both sides first.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from transvase.adapters.weaviate.collections.tenants import Tenants
from transvase.adapters.weaviate.comparing.dangling import evened, reached
from transvase.adapters.weaviate.comparing.walking import ill
from transvase.adapters.weaviate.objects.cargo import Vector, same
from transvase.adapters.weaviate.objects.reading import Seen
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.adapters.weaviate.objects.texts import cargo_of, expression
from transvase.adapters.weaviate.objects.writing import aligned, put_whole
from transvase.core.declaration import Declaration
from transvase.core.errors import BadValue
from transvase.core.record import Key, Record, digest_of
from transvase.core.space import Vectors

PATIENCE_S: Final = 5.0
"""How long a busy server is waited for in silence. Then whoever fills looks why, says so, and waits for as long as it takes."""


@dataclass(slots=True)
class Filling:
    """One index being filled by this process, and since when its writes are watched."""

    setting: Setting
    declaration: Declaration
    watched: int | None = field(default=None, init=False)
    since: float = field(default=0.0, init=False)
    _tenants: set[str] = field(default_factory=set, init=False)
    """Those that the target has for certain."""

    def pour(self, records: Sequence[Record], vectors: Sequence[Vector], *, bare: Sequence[Record]) -> int:
        """Write what is not there yet and has not changed; how many objects with a vector were written."""
        self._watch()
        given = {record.key: vector for record, vector in zip(records, vectors, strict=True)}
        everything = [*records, *bare]
        if not everything:
            return 0
        self._had({str(record.key[0]) for record in everything if len(record.key) > 1})
        carried = [cargo_of(record) for record in everything]
        if all(one is not None and one.asked > self.since for one in carried):
            chosen = self._unwritten([one for one in carried if one is not None])
        else:
            chosen = self._compared(everything)
        objects = [one.holding(given.get(one.key)) for one in chosen]
        self._write(objects)
        return sum(one.vector is not None for one in objects)

    def end(self) -> None:
        """Watch no longer."""
        if self.watched is not None:
            self.setting.ledger.unwatch(self.setting.alias, self.watched)
            self.watched = None

    def _had(self, tenants: set[str]) -> None:
        """The target has these tenants: one may have been made since it was opened, by somebody who knows of no target."""
        if not tenants <= self._tenants:
            source = Tenants(self.setting.connection, self.setting.look().live.site)
            Tenants(self.setting.connection, self.declaration.site).had(tenants, of=source)
            self._tenants |= tenants

    def _watch(self) -> None:
        if self.watched is None:
            self.watched = self.setting.ledger.watch(self.setting.alias)
            self.since = time.monotonic()

    def _unwritten(self, objects: Sequence[Seen]) -> list[Seen]:
        """Those of which no entry was made since they are watched."""
        touched = self._touched([one.key for one in objects])
        return [one for one in objects if one.key not in touched]

    def _compared(self, records: Sequence[Record]) -> list[Seen]:
        """The live side's objects whose text is still that of the record, and which the target has not as they are."""
        setting, declaration = self.setting, self.declaration
        live, keys = setting.look().live.site, [record.key for record in records]
        now = setting.fetch(live, setting.lens(vector=False), keys)
        held, _ = evened(setting, setting.fetch(declaration.site, setting.lens(), keys), now, site=declaration.site, at=live)
        read = expression(setting.look().source.text, setting.shape(live))
        chosen = []
        for record in records:
            one, there = now.get(record.key), held.get(record.key)
            if one is None or _digest(read(one.cargo.properties)) != record.digest:
                continue
            whole = there is not None and same(one.cargo, there.cargo)
            if not whole or there is None or (record.text is not None and ill(there.vector, width=declaration.width) is not None):
                chosen.append(one)
        return chosen

    def _write(self, objects: Sequence[Seen]) -> None:
        setting, site = self.setting, self.declaration.site
        target = aligned(setting.connection, setting.shape(setting.look().live.site), setting.shape(site))
        moving = setting.look().source.vector
        for tenant in setting.each(sorted({one.tenant for one in objects}), site):
            some = [one for one in objects if one.tenant == tenant]
            with setting.awake(site, tenant), reached(setting, target, some):
                put_whole(
                    setting.connection,
                    target,
                    some,
                    moving=moving,
                    width=self.declaration.width,
                    budget_s=PATIENCE_S,
                    stand_ins=True,  # they are poured over later, and the walk at the end finds those that are not
                )
        overlapped = self._touched([one.key for one in objects])
        if overlapped:
            setting.ledger.owe(setting.alias, sorted(overlapped), only=site)

    def _touched(self, keys: Sequence[Key]) -> set[Key]:
        if self.watched is None or not keys:
            return set()
        return self.setting.ledger.since(self.setting.alias, self.watched, among=keys)


def fitting(declaration: Declaration, vectors: Vectors, *, rows: int) -> None:
    """Return when ``vectors`` may be brought to the index; SpaceMismatch across Spaces, BadValue for another width or count."""
    vectors.of(declaration.space, where=declaration.name)
    if vectors.width != declaration.width:
        raise BadValue("vectors", vectors.width, why=f"{declaration.name} holds vectors of {declaration.width} dimensions")
    if len(vectors) != rows:
        raise BadValue("vectors", len(vectors), why=f"there are {rows} records; each takes one vector")


def _digest(text: str | None) -> bytes | None:
    return None if text is None else digest_of(text)
