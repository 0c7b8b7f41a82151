"""Two sides side by side in the order of their keys: what differs, counted and named. This is what proves, and what reconciles.

Neither side is read from a snapshot, and never both at one moment. So what a walk finds is looked at once more, key by key, when
the walk is over: what was only on its way is gone by then, or owed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
from transvase.adapters.ledger import Mark
from transvase.adapters.weaviate.objects.cargo import Vector, same
from transvase.adapters.weaviate.objects.reading import Lens, Seen
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.adapters.weaviate.objects.texts import Reading, expression
from transvase.core.declaration import Declaration
from transvase.core.record import Key

from .dangling import Lacking, evened

OVERLAP_MS: Final = 2_000
"""How far apart the clocks of two nodes may be."""
PAID_MS: Final = 3_600_000
"""How long before a walk what a payment left was written last, that nobody looks it up any more: longer than sweeps overlap."""
TOGETHER: Final = 1_000
"""Keys looked at again in one go."""


class Fault(StrEnum):
    """What is wrong with the object that one side holds under a key."""

    MISSING = "missing"
    """There is none, or it has a text and no vector."""
    ORPHANED = "orphaned"
    """It is too much, or its vector is: there is no such record, or no text."""
    STALE = "stale"
    """It carries something else than the live side's."""
    ZERO = "zero"
    BROKEN = "broken"
    """Its vector is not finite, or of another width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """A site and the one that it is compared with: the live one, which may be itself."""

    setting: Setting
    site: str
    live: str
    width: int
    text: str
    deep: bool = True
    """Read the vectors, those that move and the others."""
    own: frozenset[str] = frozenset()
    """Sites that are the application's own: a vector that has no text there is none of our making, and no fault to be mended."""

    @property
    def alone(self) -> bool:
        """True where the site is the live one: then only its vectors can be wrong."""
        return self.site == self.live


def beside(setting: Setting, declaration: Declaration, *, deep: bool) -> Sides:
    """The index beside the side that is live just now."""
    alias = setting.look()
    return Sides(
        setting=setting,
        site=declaration.site,
        live=alias.live.site,
        width=declaration.width,
        text=alias.source.text,
        deep=deep,
        own=frozenset(one.site for one in (alias.live, alias.shadow) if one is not None and one.adopted),
    )


@dataclass(slots=True)
class Tally:
    """What a walk counted."""

    records: int = 0
    """Records with a text."""
    held: int = 0
    """Vectors; where none were read, objects of records with a text."""
    passed: int = 0
    """Objects of the live side."""
    tenants: dict[str, int] = field(default_factory=dict)
    """Objects of the site, by tenant, of those that hold any."""
    fresh: dict[Key, int] = field(default_factory=dict)
    """Where ``since`` says it: keys that the site has a sound vector for, and when it was written after that moment."""
    since: int | None = None
    """Milliseconds, the server's clock; None: nobody asks."""
    uneven: dict[Key, int] | None = None
    """Where it is wanted: 1 for a key with a vector and no record with a text, -1 for one the other way round."""


Pair = tuple[Key, Seen | None, Seen | None]
"""A key, the live side's object under it, and the site's."""


def merged(one: Iterable[Seen], other: Iterable[Seen]) -> Iterator[Pair]:
    """Both streams, which are in the order of their keys, as one; None where a side has nothing under a key."""
    left, right = iter(one), iter(other)
    a, b = next(left, None), next(right, None)
    while a is not None or b is not None:
        if b is None or (a is not None and a.key < b.key):
            assert a is not None
            yield a.key, a, None
            a = next(left, None)
        elif a is None or b.key < a.key:
            yield b.key, None, b
            b = next(right, None)
        else:
            yield a.key, a, b
            a, b = next(left, None), next(right, None)


def walk(sides: Sides) -> Iterator[Pair]:
    """Every key of either side, tenant by tenant; a tenant that sleeps is woken, and one that a side has not is empty there."""
    setting = sides.setting
    here = setting.tenants(setting.shape(sides.site))
    there = here if sides.alone else setting.tenants(setting.shape(sides.live))
    for tenant in setting.each(sorted({*here, *there}), *dict.fromkeys((sides.site, sides.live))):
        if sides.alone:
            with setting.awake(sides.site, tenant):
                yield from ((one.key, one, one) for one in setting.objects(sides.site, _lens(sides, whole=False), tenant=tenant))
            continue
        yield from merged(_stream(sides, sides.live, tenant, there), _stream(sides, sides.site, tenant, here))


def faults(sides: Sides, tally: Tally) -> Iterator[tuple[Key, Fault]]:
    """Walk, count into ``tally``, and give whatever seemed wrong."""
    read = expression(sides.text, sides.setting.shape(sides.live))
    for key, live, held in walk(sides):
        with_text = live is not None and read(live.cargo.properties) is not None
        tally.records += with_text
        tally.passed += live is not None
        if held is not None and len(key) > 1:
            tally.tenants[str(key[0])] = tally.tenants.get(str(key[0]), 0) + 1
        with_vector = held is not None and (held.vector is not None if sides.deep else with_text)
        tally.held += with_vector
        if tally.uneven is not None and with_vector != with_text:
            tally.uneven[key] = with_vector - with_text
        newer = tally.since is not None and held is not None and held.updated >= tally.since
        if newer and held is not None and ill(held.vector, width=sides.width) is None:
            tally.fresh[key] = held.updated
        wrong = fault(live, held, read=read, sides=sides)
        if wrong is not None:
            yield key, wrong


def again(sides: Sides, keys: Sequence[Key], lacking: Lacking | None = None) -> Iterator[tuple[Key, Fault]]:
    """What is still wrong with these keys, both sides being read once more.

    What lacks nothing but references that lead to nothing is not wrong: it is put into ``lacking``, where that is given.
    """
    return ((key, wrong) for key, _, wrong in differing(sides, keys, lacking))


def differing(sides: Sides, keys: Sequence[Key], lacking: Lacking | None = None) -> Iterator[tuple[Key, Seen | None, Fault]]:
    """As ``again``, with what the live side has under the key."""
    read = expression(sides.text, sides.setting.shape(sides.live))
    for start in range(0, len(keys), TOGETHER):
        some = keys[start : start + TOGETHER]
        live = sides.setting.fetch(sides.live, _lens(sides), some)
        held = live
        if not sides.alone:
            held = sides.setting.fetch(sides.site, _lens(sides), some)
            held, without = evened(sides.setting, held, live, site=sides.site, at=sides.live)
            if lacking is not None:
                lacking.update(without)
        for key in some:
            wrong = fault(live.get(key), held.get(key), read=read, sides=sides)
            if wrong is not None:
                yield key, live.get(key), wrong


def owed(sides: Sides, keys: Sequence[Key]) -> dict[Key, int]:
    """Look at these keys once more and leave owed what is wrong with them still: when each was written last, 0 where it is gone.

    What carries something else was written by somebody who was not seen, and whose vector on the live side may be old: it is
    owed to every site, the rest to this one alone, as is what has no text on a live side of the application's own. What is owed
    to this site already stays as it is.
    """
    setting, read = sides.setting, expression(sides.text, sides.setting.shape(sides.live))
    everywhere, here, written = list[Key](), list[Key](), dict[Key, int]()
    for key, live, wrong in differing(sides, keys):
        written[key] = live.updated if live is not None else 0
        its_own = live is not None and sides.live in sides.own and read(live.cargo.properties) is None
        (everywhere if wrong is Fault.STALE and not its_own else here).append(key)
    known = setting.unsettled([*everywhere, *here], site=sides.site) if everywhere or here else set()
    stale, rest = ([key for key in some if key not in known] for some in (everywhere, here))
    setting.ledger.owe(setting.alias, stale)
    setting.ledger.owe(setting.alias, rest, only=sides.site)
    return {key: at for key, at in written.items() if key not in known}


def walked(sides: Sides, begun: int) -> None:
    """Keep in mind that a walk which began then has come to its end, with everything owed that it found."""
    if not sides.alone:
        ledger, alias = sides.setting.ledger, sides.setting.alias
        before = ledger.marked(alias, sides.site)
        swept_to = max(before.swept_to or 0, begun - OVERLAP_MS)
        ledger.mark(alias, sides.site, Mark(swept_to=swept_to, walked=begun))
        ledger.paid_long_ago(alias, before=begun - PAID_MS)


def fault(live: Seen | None, held: Seen | None, *, read: Reading, sides: Sides) -> Fault | None:
    """What is wrong with what the site holds, the live side having ``live``; None where nothing is."""
    if live is None:
        return None if held is None else Fault.ORPHANED
    if held is None:
        return Fault.MISSING
    if not sides.alone and not same(live.cargo, held.cargo):
        return Fault.STALE
    if not sides.deep:
        return None
    if read(live.cargo.properties) is None:
        return None if held.vector is None or sides.site in sides.own else Fault.ORPHANED
    return ill(held.vector, width=sides.width)


def ill(vector: Vector | None, *, width: int) -> Fault | None:
    """What keeps a vector from being one."""
    if vector is None:
        return Fault.MISSING
    if vector.shape != (width,) or not np.isfinite(vector).all():
        return Fault.BROKEN
    return None if vector.any() else Fault.ZERO


def _stream(sides: Sides, site: str, tenant: str, known: Sequence[str]) -> Iterator[Seen]:
    if tenant not in known:
        return
    with sides.setting.awake(site, tenant):
        yield from sides.setting.objects(site, _lens(sides), tenant=tenant)


def _lens(sides: Sides, *, whole: bool = True) -> Lens:
    return sides.setting.lens(vector=sides.deep, others=sides.deep and whole)
