"""What a killed server has lost of the vector index of a side: a walk finds it among what was written lately, and owes it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from transvase.adapters.weaviate.objects.setting import Setting
from transvase.core.declaration import Declaration
from transvase.core.record import Key

from .unfound import AT_ONCE, as_held, graphed, queued, unchanged, unfound, unreached

PAUSE_S: Final = 0.5
STUCK_S: Final = 60.0
"""How long a server that indexes from a queue may get no further with what is looked for."""
LATEST: Final = 200
"""Objects that are each searched for by their own vector: a killed server may have kept all of them, and cut off the last one."""
MOST: Final = 10_000
"""The same where others are lost."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Graph:
    """The vector index of one side."""

    setting: Setting
    declaration: Declaration
    told: set[Key] = field(default_factory=set, init=False)
    """What was owed by this object before, and is not once more: whoever could not mend it the first time cannot the second."""
    found: dict[Key, int] = field(default_factory=dict, init=False)
    """What the last walk found that the next may meet as new, and when it was written: it is on disk since then."""

    def owe(self, written: Mapping[Key, int], *, begun: int) -> int:
        """Leave owed which of these, that the side holds with a vector since then, no search finds; how many those are.

        ``begun``: what was written before is not asked about again.
        """
        setting, site = self.setting, self.declaration.site
        written = {key: at for key, at in written.items() if self.found.get(key) != at}
        at_once = graphed(setting, site) if written else 0
        if not at_once:
            return 0
        lost = self._lost(list(written), at_once)
        lost += self._cut_off(survivors(written, lost))
        gone = set(lost)
        self.found = {key: at for key, at in (self.found | written).items() if at >= begun and key not in gone}
        lost = [key for key in lost if key not in self.told]
        if lost:
            self.told.update(lost)
            _log.warning("%d objects of %s were there and no search found them; they are indexed anew", len(lost), site)
            setting.ledger.owe(setting.alias, lost, only=site)
        return len(lost)

    def _lost(self, keys: Sequence[Key], at_once: int) -> list[Key]:
        """What is not found though the server indexes nothing any more, or gets no further with these."""
        setting, site, width = self.setting, self.declaration.site, self.declaration.width
        lost = list(unfound(setting, site, keys, width=width, at_once=at_once))
        end = time.monotonic() + STUCK_S
        while lost and queued(setting, site) and time.monotonic() < end:
            time.sleep(PAUSE_S)
            left = list(unfound(setting, site, lost, width=width, at_once=at_once))
            if len(left) < len(lost):
                end = time.monotonic() + STUCK_S
            lost = left
        if not lost:
            return []
        held = setting.fetch(site, setting.lens(vector=False, others=False, properties=False), lost)
        return self._settled(unchanged(setting, site, held, width=width, at_once=at_once))

    def _cut_off(self, kept: Sequence[Key]) -> list[Key]:
        """Those of what a killed server has not lost that nothing in its graph leads to."""
        setting, site, cut = self.setting, self.declaration.site, list[Key]()
        lens = setting.lens(others=False, properties=False)
        if not kept or queued(setting, site):
            return []  # what waits to be indexed is found by its id, and by no other search yet
        for start in range(0, len(kept), AT_ONCE):
            held = setting.fetch(site, lens, kept[start : start + AT_ONCE])
            held = {key: one for key, one in held.items() if one.vector is not None}
            some = list(unreached(setting, site, held, metric=self.declaration.metric))
            cut += as_held(setting, site, held, some)
        return self._settled(cut)

    def _settled(self, keys: list[Key]) -> list[Key]:
        known = self.setting.unsettled(keys, site=self.declaration.site)
        return [key for key in keys if key not in known]


def survivors(written: Mapping[Key, int], lost: Sequence[Key]) -> list[Key]:
    """The newest of what is not lost: it was in the graph's last moments, if not as it should be."""
    newest = sorted(written.keys() - set(lost), key=lambda key: (-written[key], key))
    return sorted(newest[: MOST if lost else LATEST])
