"""The records behind an alias: the objects of the side that is live, each with all that it carries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from transvase.adapters.weaviate.comparing.newest import truths
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.adapters.weaviate.objects.texts import expression, recorded
from transvase.core.record import Key, Record

DRAWN_AT_ONCE: Final = 500


class WeaviateCorpus:
    """The Corpus port. What has a newest state elsewhere (a write that reached one side alone) is read there by ``read``."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    def count(self) -> int:
        """Objects of the live side, of all its tenants, with and without a text."""
        setting, site = self._setting, self._site
        total = 0
        for tenant in setting.each(setting.tenants(setting.shape(site)), site):
            with setting.awake(site, tenant):
                total += setting.connection.count(site, tenant)
        return total

    def after(self, key: Key | None, *, limit: int) -> list[Record]:
        """The next records by tenant and UUID. A tenant that sleeps is woken for it, and a place in one that is gone is none."""
        setting, site = self._setting, self._site
        shape = setting.shape(site)
        read = expression(setting.look().source.text, shape)
        found = setting.stretch(shape, setting.lens(vector=False), key, limit=limit)
        return [recorded(one, read) for one in found]

    def read(self, keys: Sequence[Key]) -> list[Record]:
        """Those of the keys that are there now, each where its newest state lies."""
        setting = self._setting
        read = expression(setting.look().source.text, setting.shape(self._site))
        found: list[Record] = []
        places = truths(setting, list(dict.fromkeys(keys)))
        for site in sorted(set(places.values())):
            some = [key for key, lies in places.items() if lies == site]
            found += [recorded(one, read) for one in setting.fetch(site, setting.lens(vector=False), some).values()]
        return found

    def repeated(self) -> None:
        """Not told: these records carry no tokens."""

    def sample(self, size: int, *, seed: int) -> list[Record]:
        """Records with a text, drawn without replacement from all keys in order; it reads every key once."""
        setting, site = self._setting, self._site
        keys = self._keys()
        order = np.random.default_rng(seed).permutation(len(keys))
        read = expression(setting.look().source.text, setting.shape(site))
        chosen: list[Record] = []
        for start in range(0, len(keys), max(size, DRAWN_AT_ONCE)):
            some = [keys[i] for i in order[start : start + max(size, DRAWN_AT_ONCE)]]
            seen = setting.fetch(site, setting.lens(vector=False), some)
            records = [recorded(seen[key], read) for key in some if key in seen]
            chosen += [record for record in records if record.text is not None]
            if len(chosen) >= size:
                break
        return chosen[:size]

    def _keys(self) -> list[Key]:
        setting, site = self._setting, self._site
        lens, keys = setting.lens(vector=False, others=False, properties=False), list[Key]()
        for tenant in setting.each(setting.tenants(setting.shape(site)), site):
            with setting.awake(site, tenant):
                keys += [one.key for one in setting.objects(site, lens, tenant=tenant, limit=10_000)]
        return keys

    @property
    def _site(self) -> str:
        return self._setting.look().live.site
