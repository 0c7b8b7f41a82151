"""What was written to the old side between the last look at it and the moment from which nobody is led there any more.

An alias is moved on one node before the others, and a write that is under way goes where it was sent. So when every node agrees
both sides are walked once more, by keys and times alone: what is newer on the old side than on the new one, and what
is gone from the old one alone, is owed, with the old side as the place of its newest state at that moment. What the new side has
an older object of then, and lacks when it is paid, was deleted there meanwhile.

A node that stood still meanwhile holds up writes all over the cluster. They were sent before the alias moved, and are made, and
acknowledged, when it goes on: at the moment when every node comes to agree, or a little later. So after such a move it is looked
once more.

What is on the new side alone was deleted from the old one, or has just been written by somebody who was led to the new one.
What is older than the last walk is taken for deleted, and what is as a payment of ours left it, when the old side had it too: the
clocks of two nodes differ, and nobody's object must go for it. So it is the other way round: what is on the old side alone as a
payment left it, when the new one had it too, was deleted from the new one by somebody who was led there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from transvase.adapters.weaviate.comparing.newest import dated
from transvase.adapters.weaviate.comparing.walking import merged
from transvase.adapters.weaviate.objects.reading import Lens, Seen
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.core.record import Key

AT_ONCE: Final = 1_000
QUICK_S: Final = 1.0
"""A move after which all nodes agree so soon was held up by none; that takes some 100 ms, and 460 ms on a busy machine."""
HELD_UP_S: Final = 3.0
"""How long writes are waited for that a node held up: they ended 1.4 s after it went on, with three nodes on one busy core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A move of the alias from one site to another; times are the server's, in milliseconds."""

    old: str
    new: str
    looked: int
    """What the old side holds from before this has been looked at: it is on the new side too, or owed."""
    walked: int
    """When both sides were last walked whole: what the new side has from before this was on the old one then."""
    moved: int
    """Just before the alias was moved: from then on the new side may be written by anybody, and be newer."""


@dataclass(frozen=True, slots=True)
class Uneven:
    """A key of which one side lacks the object, or the new one has an older one: when each was written last."""

    key: Key
    old: int | None
    new: int | None


def owe_tails(setting: Setting, windows: Sequence[Window], *, took_s: float) -> None:
    """Leave owed what the new side missed in these moves, the last of which took so long until every node agreed."""
    for window in windows:
        owe_tail(setting, window)
    if windows and took_s > QUICK_S:
        time.sleep(HELD_UP_S)
        for window in windows:
            owe_tail(setting, window)


def owe_tail(setting: Setting, window: Window) -> int:
    """Leave owed what the new side missed; how many keys that were."""
    watched = setting.ledger.watch(setting.alias)
    try:
        some: list[Uneven] = []
        count = 0
        for one in _uneven(setting, window):
            some.append(one)
            if len(some) == AT_ONCE:
                count += _owe(setting, window, some, watched)
                some = []
        return count + _owe(setting, window, some, watched)
    finally:
        setting.ledger.unwatch(setting.alias, watched)


def _owe(setting: Setting, window: Window, some: list[Uneven], watched: int) -> int:
    """Those that have an entry already were seen by whoever made it, who knows better where their newest state lies."""
    if not some:
        return 0
    ledger, alias = setting.ledger, setting.alias
    gone = ledger.as_paid(alias, window.new, {one.key: one.new for one in some if one.old is None and one.new is not None})
    stays = ledger.as_paid(alias, window.old, {one.key: one.old for one in some if one.new is None and one.old is not None})
    young = {one.key for one in some if one.old is None and one.new is not None and one.new >= window.walked}
    missed = {one.key: one.new is not None for one in some if one.key not in stays and (one.key in gone or one.key not in young)}
    known = ledger.since(alias, watched, among=list(missed))
    for borne in (False, True):
        new = [key for key, there in missed.items() if there is borne and key not in known]
        ledger.owe(alias, new, first=dated(window.old, window.moved, borne=borne))
    return len(missed.keys() - known)


def _uneven(setting: Setting, window: Window) -> Iterator[Uneven]:
    lens = setting.lens(vector=False, others=False, properties=False)
    here, there = (setting.tenants(setting.shape(site)) for site in (window.old, window.new))
    for tenant in setting.each(sorted({*here, *there}), window.old, window.new):
        old, new = _side(setting, window.old, tenant, here, lens), _side(setting, window.new, tenant, there, lens)
        for key, was, now in merged(old, new):
            if was is None:
                if now is not None and tenant in here:
                    yield Uneven(key, None, now.updated)
            elif was.updated >= window.looked and (now is None or now.updated < was.updated):
                yield Uneven(key, was.updated, now.updated if now is not None else None)


def _side(setting: Setting, site: str, tenant: str, known: list[str], lens: Lens) -> Iterator[Seen]:
    if tenant not in known:
        return
    with setting.awake(site, tenant):
        yield from setting.objects(site, lens, tenant=tenant)
