"""One payment: what each side has, what it should have, and whether it was seen to have it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from transvase.adapters.weaviate.collections.tenants import Tenants
from transvase.adapters.weaviate.comparing.dangling import evened, reached
from transvase.adapters.weaviate.comparing.newest import Held, truths
from transvase.adapters.weaviate.comparing.unfound import as_held, graphed, queued, stirred, unchanged, unfound, unreached
from transvase.adapters.weaviate.comparing.walking import ill
from transvase.adapters.weaviate.objects.cargo import Vector, same
from transvase.adapters.weaviate.objects.reading import Seen
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.adapters.weaviate.objects.texts import expression
from transvase.adapters.weaviate.objects.writing import aligned, drop, put_whole, restamp
from transvase.core.declaration import Declaration
from transvase.core.record import Key, digest_of
from transvase.core.space import FLOOR

PATIENCE_S: Final = 10.0
"""How long a busy server is waited for; the debt outlives the attempt."""
_APART: Final = (2 * (1 - FLOOR)) ** 0.5
"""The distance of two unit vectors whose cosine is ``FLOOR``: what a faster variant of an encoder may differ by."""

Brought = Mapping[str, Mapping[Key, tuple[bytes | None, Vector]]]
"""For each site and key: the digest of the text that was encoded, and its vector."""


@dataclass(frozen=True, slots=True)
class Now:
    """The sites as they were read: where each key's newest state lies, and what every site holds."""

    truth: Mapping[Key, str]
    held: Held

    def newest(self, key: Key) -> Seen | None:
        """The newest state of a key; None where it is gone."""
        return self.held[self.truth[key]].get(key)


def read_now(setting: Setting, sites: Iterable[str], keys: Sequence[Key]) -> Now:
    """Read the keys at all these sites, and wherever else their newest state lies."""
    alias = setting.look()
    everywhere = dict.fromkeys([*sites, *(side.site for side in (alias.live, alias.shadow) if side is not None)])
    held = {site: setting.fetch(site, setting.lens(), keys) for site in everywhere}
    truth = truths(setting, keys, held)
    return Now(truth, _evened(setting, truth, held))


@dataclass(frozen=True, slots=True, kw_only=True)
class Paying:
    """The debts of some keys being paid."""

    setting: Setting
    kept: Mapping[str, Declaration]
    brought: Brought
    now: Now
    written: set[tuple[str, Key]] = field(default_factory=set)
    """What was sent, whether or not it arrived."""

    def write(self, site: str, keys: set[Key], *, alone: set[Key]) -> None:
        """Make the site hold what it should hold under these keys, as far as that was brought; ``alone``: owed to it alone."""
        declaration = self.kept[site]
        gone: list[Key] = []
        alike: list[Seen] = []
        whole: list[Seen] = []
        for key in sorted(keys):
            newest, there = self.now.newest(key), self.now.held[site].get(key)
            if newest is None:
                gone += [key] if there is not None else []
                continue
            wanted = self._wanted(site, newest, there)
            if wanted is not None and there is not None and _has(there, wanted, declaration):
                alike += [there] if there.vector is not None else []
            elif wanted is not None:
                self.written.add((site, key))
                if self.now.truth[key] == site and wanted.vector is not None:
                    self._restamp(site, wanted)
                else:
                    whole.append(wanted)
        self.written.update((site, key) for key in gone)
        self._put(site, whole)
        self._drop(site, gone)
        self._index(site, alike, alone)

    def agrees(self, site: str, key: Key, seen: Held) -> bool:
        """True when the site was seen to hold what it should, and the newest state is still the one that was paid for."""
        newest, there = seen[self.now.truth[key]].get(key), seen[site].get(key)
        before = self.now.newest(key)
        if newest is None or before is None:
            return newest is None and before is None and there is None
        if there is None or not same(newest.cargo, before.cargo) or not same(newest.cargo, there.cargo):
            return False
        wanted, declaration = self._wanted(site, newest, there), self.kept[site]
        if wanted is None:  # nobody brought a vector: one that travelled with the same cargo is its own
            return self.now.truth[key] != site and ill(there.vector, width=declaration.width) is None
        return _has(there, wanted, declaration)

    def overtaken(self, key: Key, seen: Held) -> bool:
        """True when the newest state of the key is another than the one that was paid for."""
        before, now = self.now.newest(key), seen[self.now.truth[key]].get(key)
        return (before is None) != (now is None) or (before is not None and now is not None and not same(before.cargo, now.cargo))

    def left(self, site: str, keys: Iterable[Key], seen: Held) -> dict[Key, int]:
        """By when the site's objects were written last, of those of the keys for which it and every other side agree."""
        there = {key: seen[site][key].updated for key in keys if key in seen[site]}
        return {key: at for key, at in there.items() if all(self.agrees(one, key, seen) for one in self.kept)}

    def again(self) -> Held:
        """Every site once more."""
        keys, setting = list(self.now.truth), self.setting
        return _evened(setting, self.now.truth, {site: setting.fetch(site, setting.lens(), keys) for site in self.now.held})

    def _wanted(self, site: str, newest: Seen, there: Seen | None) -> Seen | None:
        """The object as it should be; None where its vector was not brought, or is that of another text.

        What the application gave a vector before we came, and has no text by the alias' expression, keeps it where it was.
        """
        read = expression(self.setting.look().source.text, self.setting.shape(site))
        text = read(newest.cargo.properties)
        if text is None:
            if there is None or self.now.truth[newest.key] == site or not self.kept[site].adopted:
                return newest.holding(None)
            return newest.holding(there.vector if read(there.cargo.properties) is None else None)
        digest, vector = self.brought.get(site, {}).get(newest.key, (None, None))
        return newest.holding(vector) if vector is not None and digest == digest_of(text) else None

    def _restamp(self, site: str, wanted: Seen) -> None:
        setting, shape, source = self.setting, self.setting.shape(site), self.setting.look().source
        with setting.awake(site, wanted.tenant):
            restamp(
                setting.connection,
                shape,
                wanted,
                moving=source.vector,
                width=self.kept[site].width,
                read=expression(source.text, shape),
            )

    def _put(self, site: str, objects: Sequence[Seen]) -> None:
        setting = self.setting
        for source in sorted({self.now.truth[one.key] for one in objects}):
            mine = [one for one in objects if self.now.truth[one.key] == source]
            shape = aligned(setting.connection, setting.shape(source), setting.shape(site))
            tenants = sorted({one.tenant for one in mine})
            if shape.tenants:
                Tenants(setting.connection, site).had(tenants, of=Tenants(setting.connection, source))
            for tenant in tenants:
                some = [one for one in mine if one.tenant == tenant]
                with setting.awake(site, tenant), reached(setting, shape, some):
                    stood_in = put_whole(
                        setting.connection,
                        shape,
                        some,
                        moving=self._moving,
                        width=self.kept[site].width,
                        budget_s=PATIENCE_S,
                        stand_ins=site != setting.look().live.site,  # nobody may see them
                    )
                if stood_in:
                    setting.ledger.owe(setting.alias, sorted(stood_in), only=site)

    def _drop(self, site: str, keys: Sequence[Key]) -> None:
        for tenant in sorted({str(key[0]) if len(key) > 1 else "" for key in keys}):
            some = [key for key in keys if (str(key[0]) if len(key) > 1 else "") == tenant]
            with self.setting.awake(site, tenant):
                drop(self.setting.connection, self.setting.shape(site), some)

    def _index(self, site: str, objects: Sequence[Seen], alone: set[Key]) -> None:
        """What the site holds as it should, and is owed all the same, may be missing from its vector index, or cut off there."""
        setting, declaration, held = self.setting, self.kept[site], {one.key: one for one in objects}
        at_once = graphed(setting, site) if held and not queued(setting, site) else 0
        if not at_once:
            return
        width = declaration.width
        some = list(unfound(setting, site, list(held), width=width, at_once=at_once))
        lost = unchanged(setting, site, {key: held[key] for key in some}, width=width, at_once=at_once)
        rest = {key: one for key, one in held.items() if key in alone and key not in some}
        cut = as_held(setting, site, rest, list(unreached(setting, site, rest, metric=declaration.metric)))
        for key in [*lost, *cut]:
            self.written.add((site, key))
            with setting.awake(site, held[key].tenant):
                stirred(setting, site, held[key], width=width)

    @property
    def _moving(self) -> str:
        return self.setting.look().source.vector


def _evened(setting: Setting, truth: Mapping[Key, str], held: Held) -> Held:
    """What every site holds, as if none lacked a reference that leads to nothing, where the server does not take it."""
    for at in sorted(set(truth.values())):
        newest = {key: one for key, one in held[at].items() if truth[key] == at}
        held = {site: some if site == at else evened(setting, some, newest, site=site, at=at)[0] for site, some in held.items()}
    return held


def near(one: Vector | None, other: Vector | None, *, metric: str) -> bool:
    """True when two vectors are of one text and Space: they differ by no more than a faster variant of the encoder may."""
    if one is None or other is None:
        return one is other
    if one.shape != other.shape:
        return False
    if np.array_equal(one, other):
        return True
    a, b = one.astype(np.float64), other.astype(np.float64)
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    if not lengths or not np.isfinite(lengths):
        return False
    if metric == "cosine":
        return float(a @ b) / lengths >= FLOOR
    return bool(np.linalg.norm(a - b) <= _APART * np.linalg.norm(b))


def _has(there: Seen | None, wanted: Seen, declaration: Declaration) -> bool:
    return there is not None and same(there.cargo, wanted.cargo) and near(there.vector, wanted.vector, metric=declaration.metric)
