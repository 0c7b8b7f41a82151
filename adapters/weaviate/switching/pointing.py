"""The switch: look, note, move the server's alias, read it back, wait for every node, see what the old side got meanwhile.

There is no compare-and-set and no transaction. What is about to be done is noted in the ledger first, as a doubt, and the doubt
is cleared when nothing of it is open: so whoever comes after a crash, or a request that was never answered, finishes it. A
request that was not answered may take place late: until every node has been seen to agree, it is asked for and put right.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Final
from urllib.parse import quote

from transvase.adapters.ledger import Doubt, Mark
from transvase.adapters.weaviate.collections import rights
from transvase.adapters.weaviate.collections.schema import schema_of, tenanted
from transvase.adapters.weaviate.comparing.newest import dated, overtaken, said, truths
from transvase.adapters.weaviate.comparing.sweep import swept
from transvase.adapters.weaviate.comparing.walking import OVERLAP_MS, beside
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.adapters.weaviate.wire.failures import in_doubt, passing
from transvase.core.errors import LockNotGained, Moved, NotReady, StoreFailed, TransvaseError
from transvase.core.ports import Declaration, Switch

from . import agreement
from .aliases import Known, Realm, known, named
from .likeness import bring
from .tail import Window, owe_tails

PUT_S: Final = 5.0
"""How long one move may go without an answer; it took 33 ms, and 10 s where a new leader had to be elected."""
MOVE_S: Final = 30.0
"""How long a move is tried again."""
AGREE_S: Final = 10.0
"""How long the nodes may take to agree; three took 113 ms at most."""
LATE_S: Final = 1.0
"""How much later it is looked again whether a request that was not answered took place after all."""
WRITERS_S: Final = 2.0
JUST_NOW_MS: Final = 5_000
"""How old a look for what others wrote may be at the switch: what it found takes seconds to be paid."""

_MOVE: Final = "move"
_UNANSWERED: Final = "unanswered"
"""What a doubt of ours is of, as its fact ``of`` says."""

Settings = Callable[[Known], Setting]


@dataclass(frozen=True, slots=True)
class Going:
    """A move that was begun under a generation of the alias."""

    window: Window
    generation: int


def point(realm: Realm, alias: str, index: str, *, expect: int, allow_owed: int, settings: Settings) -> Switch:
    """Make the alias name ``index``; nodes that do not agree within ``AGREE_S`` are told by ``behind`` afterwards.

    Moved, NotReady, Superseded: nothing has changed. StoreFailed: whether it was moved is not known; the next move finds out.
    """
    seen = _finished(realm, known(realm, alias), settings)
    if seen.alias.generation != expect:
        raise Moved(f"the alias {alias!r}", expected=f"generation {expect}", found=f"generation {seen.alias.generation}")
    target = seen.declaration(index)
    schema_of(realm.connection, target.site)
    owed = _owed(realm, alias, allow_owed)
    if index == seen.alias.live.name:
        return Switch(0.0, owed, 0.0)
    if target.site == seen.alias.live.site:
        started = time.perf_counter()
        _written(realm, seen, target)
        return Switch(time.perf_counter() - started, owed, 0.0)
    _permitted(realm, seen, target)
    agreement.behind(realm.connection, patience_s=0.0)  # who may not ask for it is told before anything has changed
    bring(settings(seen), target)
    looked = _looked(realm, seen, target, settings)
    owed = _owed(realm, alias, allow_owed)
    if owed:
        _dated(settings(seen), owed)
    return _moved(realm, seen, target, owed=owed, looked=looked, settings=settings)


def behind(realm: Realm, alias: str, *, settings: Settings) -> tuple[str, ...]:
    """Nodes that do not serve the live side after ``AGREE_S``; () once all do and what the old side got meanwhile is owed."""
    _finished(realm, known(realm, alias), settings)
    left = _doubts(realm, alias)  # then some node did not agree in time just now
    return agreement.behind(realm.connection, patience_s=0.0 if left else AGREE_S)


def _permitted(realm: Realm, seen: Known, target: Declaration) -> None:
    """Unfit where this user lacks what the move needs: a role may have lost it since the plan."""
    live = seen.alias.live
    sites, adopted = (live.site, target.site), next((one.name for one in (live, target) if one.adopted), "")
    tenants = tenanted(schema_of(realm.connection, live.site))
    wanted = rights.needed(aliases=seen.names, collections=sites, adopted=adopted, tenants=tenants)
    rights.demanded(realm.connection, wanted)


def _moved(realm: Realm, seen: Known, target: Declaration, *, owed: int, looked: tuple[int, int], settings: Settings) -> Switch:
    live, ledger, name = seen.alias.live, realm.ledger, seen.row.name
    window = Window(old=live.site, new=target.site, looked=looked[0], walked=looked[1], moved=realm.control.now_ms())
    facts: Mapping[str, str | int] = {"of": _MOVE, "generation": seen.alias.generation, **asdict(window)}
    ledger.doubt(name, f"the alias goes from {live.site} to {target.site}", facts=facts)
    started = time.perf_counter()
    for one in seen.names:
        _put(realm, name, one, target.site)
    seconds = time.perf_counter() - started
    after = _written(realm, seen, target)
    _finished(realm, after, settings, since=started)
    return Switch(seconds, owed, 0.0, agreed_s=max(time.perf_counter() - started - seconds, 0.0))


def _put(realm: Realm, alias: str, server_alias: str, site: str) -> None:
    """Move one alias of the server's, and read it back. A move may be made twice, so one without an answer is made again."""
    end, noted = time.monotonic() + MOVE_S, False
    while True:
        try:
            body = {"class": site}
            path = f"/aliases/{quote(server_alias)}"
            realm.connection.rest("PUT", path, body=body, doing=f"moving the alias {server_alias}", timeout_s=PUT_S)
            if named(realm.connection, server_alias) == site:
                return
            why = "it does not name the new side"
        except TransvaseError as error:
            if not passing(error):
                raise
            why = str(error)
            if in_doubt(error) and not noted:
                said = f"the move of {server_alias} to {site} was not answered: it may take place late"
                realm.ledger.doubt(alias, said, facts={"of": _UNANSWERED})
                noted = True
        if time.monotonic() > end:
            raise StoreFailed(
                f"the alias {server_alias} could not be seen to name {site} within {MOVE_S:.0f} s ({why}); make the move again "
                "when the cluster answers: it finds out what has become of this one",
                code="in doubt",
            )
        time.sleep(0.1)


def _written(realm: Realm, seen: Known, target: Declaration) -> Known:
    """Write into the row, the ledger's marks and the capture what the server's alias says already."""
    live, name = seen.alias.live, seen.row.name
    row = replace(seen.row, live=target.name, shadow=live.name, generation=seen.alias.generation + 1)
    realm.control.save(row)
    if target.site != live.site:
        realm.ledger.mark(name, live.site, Mark(swept_to=realm.control.now_ms() - OVERLAP_MS))
    _capture(realm, name, live=target.site, shadow=live.site)
    alias = replace(seen.alias, live=target, shadow=live, generation=row.generation)
    return Known(alias=alias, row=row)


def _capture(realm: Realm, name: str, *, live: str, shadow: str) -> None:
    try:
        realm.ledger.begin_capture(name, live=live, shadow=shadow, patience_s=WRITERS_S)
    except LockNotGained:
        return  # the writers that were waited for in vain have entries, and are owed whichever side they write first


def _finished(realm: Realm, seen: Known, settings: Settings, *, since: float = -math.inf) -> Known:
    """What a move left open is finished as far as the nodes agree; the alias as it is then.

    ``since`` is when it began (perf_counter); an earlier command's began long ago.
    """
    doubts = _doubts(realm, seen.row.name)
    if not doubts:
        return _taken_over(realm, seen) if seen.drifted else seen
    going, late = _going(doubts), any(doubt.facts.get("of") == _UNANSWERED for doubt in doubts)
    seen = _put_right(realm, seen, going, late=late)
    if agreement.behind(realm.connection, patience_s=AGREE_S):
        return seen
    if late:
        time.sleep(LATE_S)
        seen = _put_right(realm, known(realm, seen.row.name), going, late=late)
        if agreement.behind(realm.connection, patience_s=AGREE_S):
            return seen
    windows = [one.window for one in going if one.window.new == seen.alias.live.site]
    owe_tails(settings(seen), windows, took_s=time.perf_counter() - since)
    _cleared(realm, seen, doubts)
    return seen


def _put_right(realm: Realm, seen: Known, going: list[Going], *, late: bool) -> Known:
    """The server's alias and the row made to say the same: the move that was under way wins, a late one does not."""
    if not seen.drifted:
        return seen
    under_way = any(one.window.new == seen.alias.live.site and one.generation == seen.row.generation for one in going)
    shadow = seen.alias.shadow
    if under_way or not late or shadow is None:
        return _taken_over(realm, seen)
    for one in seen.names:
        _put(realm, seen.row.name, one, shadow.site)
    return known(realm, seen.row.name)


def _taken_over(realm: Realm, seen: Known) -> Known:
    """The alias was moved and the row not written; or somebody moved it by hand to the side that is kept."""
    for one in seen.row.also:
        _put(realm, seen.row.name, one, seen.alias.live.site)
    before = replace(
        seen.alias, live=seen.alias.shadow or seen.alias.live, shadow=seen.alias.live, generation=seen.row.generation
    )
    return _written(realm, Known(alias=before, row=seen.row), seen.alias.live)


def _looked(realm: Realm, seen: Known, target: Declaration, settings: Settings) -> tuple[int, int]:
    """Find what others wrote since the last look, where times are indexed; when that look began, and the last whole walk.

    A look that found something just now is not made again: where somebody writes all the time each would, and owe it. What was
    written since comes by the tail, as where no times are indexed.
    """
    setting, live, name = settings(seen), seen.alias.live, seen.row.name
    mark = realm.ledger.marked(name, target.site)
    swept_to, walked = mark.swept_to or 0, mark.walked or 0
    if not setting.shape(live.site).times:
        return swept_to, walked
    now = realm.control.now_ms()
    fresh = swept_to > max(walked, now - JUST_NOW_MS)
    if not fresh:
        swept(beside(setting, target, deep=False), sleepers=realm.sleepers)
    begun = (swept_to if fresh else now) - OVERLAP_MS
    return min((begun, *realm.sleepers.of(live.site).values())), walked


def _dated(setting: Setting, owed: int) -> None:
    """What is owed and allowed to be: where its newest state lies at this moment, from which on another side may be written."""
    open_ = [debt.key for debt in setting.ledger.debts(setting.alias, limit=owed)]
    (writers, payers), moment = said(setting, open_), setting.clock()
    places = truths(setting, [key for key in open_ if key not in writers])
    sayings: tuple[Callable[[str, int], str], ...] = (dated, overtaken)
    for site, say in product(sorted(set(places.values())), sayings):
        some = [key for key, lies in places.items() if lies == site and (key in payers) is (say is overtaken)]
        setting.ledger.owe(setting.alias, some, first=say(site, moment))


def _owed(realm: Realm, alias: str, allowed: int) -> int:
    owed = realm.ledger.owed(alias, underway=False)
    if owed > allowed:
        raise NotReady("cutover", f"{owed} rows are owed and {allowed} are allowed")
    return owed


def _doubts(realm: Realm, alias: str) -> list[Doubt]:
    """Those of moves; the ledger keeps others beside."""
    return [one for one in realm.ledger.doubts(alias) if one.facts.get("of") in (_MOVE, _UNANSWERED)]


def _going(doubts: Sequence[Doubt]) -> list[Going]:
    return [_read(doubt.facts) for doubt in doubts if doubt.facts.get("of") == _MOVE]


def _read(facts: Mapping[str, str | int]) -> Going:
    looked, walked, moved = (int(facts[name]) for name in ("looked", "walked", "moved"))
    window = Window(old=str(facts["old"]), new=str(facts["new"]), looked=looked, walked=walked, moved=moved)
    return Going(window, int(facts["generation"]))


def _cleared(realm: Realm, seen: Known, doubts: list[Doubt]) -> None:
    for doubt in doubts:
        realm.ledger.clear(seen.row.name, doubt.number)
