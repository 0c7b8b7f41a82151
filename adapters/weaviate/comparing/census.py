"""What a collection holds, counted beside the live side: the census of an index, and what somebody who judges it should know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from transvase.adapters.weaviate.collections.activity import Activity
from transvase.adapters.weaviate.collections.tenants import Tenants, listed
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.adapters.weaviate.wire.majority import too_few
from transvase.core.declaration import Declaration
from transvase.core.figures import Census
from transvase.core.record import Key

from .dangling import Lacking, unwritten
from .unseen import pardoned
from .walking import Fault, Tally, again, beside, faults

EXAMPLES: Final = 5
"""How many offending keys a census names."""


def counted(setting: Setting, declaration: Declaration, *, deep: bool, pay: Callable[[], object] | None) -> Census:
    """Counts of one walk; what it found is looked at twice, and what was owed or changed meanwhile counts as nothing.

    With ``pay``, what strangers wrote since the last walk over both sides is paid by it and looked at again.
    """
    uneven: dict[Key, int] = {}
    tally = Tally(uneven=uneven)
    as_is = beside(setting, declaration, deep=deep)
    sides = replace(as_is, own=frozenset())
    suspected, lacking = [key for key, _ in faults(sides, tally)], Lacking()
    watched = setting.ledger.watch(setting.alias)
    try:
        wrong = dict(again(sides, suspected, lacking))
        moving = setting.ledger.since(setting.alias, watched, among=list(wrong), site=sides.site) if wrong else set()
        open_ = setting.unsettled(list(moving), site=sides.site) if moving else set()
    finally:
        setting.ledger.unwatch(setting.alias, watched)
    lost = {key: fault for key, fault in wrong.items() if key not in moving}
    if pay is not None and lost:
        free = pardoned(as_is, list(lost), pay=pay)
        lost = {key: fault for key, fault in lost.items() if key not in free}
    counts = {str(kind): sum(fault is kind for fault in lost.values()) for kind in Fault}
    return Census(
        records=tally.records,
        held=tally.held - sum(more for key, more in uneven.items() if key not in lost and key not in open_),
        owed=setting.ledger.owed(setting.alias),
        examples=tuple(sorted(lost))[:EXAMPLES],
        remarks=(*_remarks(setting, sides.site, tally), *unwritten(sides.site, lacking)) if deep else (),
        **counts,
    )


def _remarks(setting: Setting, site: str, tally: Tally) -> tuple[str, ...]:
    """What a walk cannot see, and what one over a collection with tenants has met: those that sleep, those that hold nothing."""
    shape = setting.shape(site)
    unseen = too_few(setting.connection, site, shape.copies)
    return (*([unseen] if unseen else []), *(_of_tenants(setting, site, tally) if shape.tenants else ()))


def _of_tenants(setting: Setting, site: str, tally: Tally) -> tuple[str, ...]:
    statuses = Tenants(setting.connection, site).statuses()
    asleep = [name for name, state in statuses.items() if state is not Activity.ACTIVE]
    bare = [name for name in statuses if name not in tally.tenants]
    woken = f"{len(asleep)} of {len(statuses)} tenants sleep and were woken to be looked at: {listed(asleep)}"
    open_ = f"{len(bare)} tenants hold no object, and take a vector of any width after a restart until the worker's next beat"
    return (*([woken] if asleep else []), *([f"{open_}: {listed(bare)}"] if bare else []))
