"""A tenant that sleeps is woken for the time of our work and put back by the last who leaves it.

The server keeps one state and tells nobody who asked for it. So who wakes one tells those who must know (``Keeping``): others
who want to read it stay in it without a word and leave it with one, and whoever wants it awake from now on says so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn, Protocol
from weakref import WeakKeyDictionary

from transvase.core.errors import StoreFailed, TransvaseError

from .activity import ASLEEP, AWAY, Activity
from .keeping import Keeping

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection

EMPTIED: Final = "tenant came back empty"
"""The code of the failure to fetch one."""
WAKING_S: Final = 120.0
"""How long a tenant may take to wake: one that was offloaded is fetched from elsewhere."""
TOGETHER_S: Final = 20.0
"""How long several that are woken together may take."""
_PAUSE_S: Final = 0.1


class States(Protocol):
    """Whoever can ask for the states of tenants of one collection and change them."""

    def statuses(self) -> Mapping[str, Activity]:
        """All tenants and their states."""
        ...

    def status(self, tenant: str) -> Activity:
        """The state of one; UnknownName."""
        ...

    def bring(self, states: Mapping[str, Activity]) -> None:
        """Ask for these states."""
        ...


@dataclass(slots=True)
class _Visit:
    """A tenant that somebody of this process is in."""

    found: Activity
    after: Activity
    keeping: Keeping
    users: int = 0


@dataclass(slots=True)
class Visits:
    """The tenants of one collection that this process is in."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    inside: dict[str, _Visit] = field(default_factory=dict)

    def wanted(self) -> dict[str, Activity]:
        """The states in which they are to be left. Asked for under the lock."""
        return {name: visit.after for name, visit in self.inside.items()}

    def put_off(self, states: Mapping[str, Activity]) -> set[str]:
        """Bring those of these states later, in which we are; their names."""
        with self.lock:
            inside = {name: state for name, state in states.items() if name in self.inside}
            for name, state in inside.items():
                self.inside[name].after = state
        return set(inside)


_VISITS: Final[WeakKeyDictionary[Connection, dict[str, Visits]]] = WeakKeyDictionary()
"""Shared by all that speak of the same collection over the same connection: the last one out puts the tenant to sleep."""
_REGISTERING: Final = threading.Lock()


def visits(connection: Connection, collection: str) -> Visits:
    """Those of this process, over this connection."""
    with _REGISTERING:
        return _VISITS.setdefault(connection, {}).setdefault(collection, Visits())


@contextmanager
def inside(
    states: States, tenant: str, *, visits: Visits, keeping: Keeping, count: Callable[[], int], named: str, patience_s: float
) -> Iterator[Activity]:
    """Be in the tenant, which is awake meanwhile; yields how it was found. ``count`` counts what it holds.

    UnknownName; StoreFailed when it does not wake within ``patience_s``, and when one that was offloaded comes back empty: 1.39
    says so of one that it could not fetch.
    """
    with visits.lock:
        if tenant not in visits.inside:
            found = _entered(states, tenant, keeping=keeping, count=count, named=named, patience_s=patience_s)
            visits.inside[tenant] = _Visit(found, found, keeping)
        visit = visits.inside[tenant]
        visit.users += 1
    try:
        yield visit.found
    finally:
        with visits.lock:
            visit.users -= 1
            if not visit.users:
                del visits.inside[tenant]
                _left(states, tenant, visit)


@contextmanager
def together(states: States, tenants: Sequence[str], *, visits: Visits, keeping: Keeping) -> Iterator[None]:
    """Be in several at once, so that one request wakes them and one puts them back; whoever enters one meanwhile finds it awake.

    One that is away, or does not wake with the others, is left to whoever enters it, and is an error there.
    """
    with visits.lock:
        entered = _all_entered(states, tenants, visits=visits, keeping=keeping)
        for tenant in entered:
            visits.inside[tenant].users += 1
    try:
        yield
    finally:
        with visits.lock:
            for tenant in entered:
                visits.inside[tenant].users -= 1
            _all_left(states, {tenant: visits.inside.pop(tenant) for tenant in entered if not visits.inside[tenant].users})


def _all_entered(states: States, tenants: Sequence[str], *, visits: Visits, keeping: Keeping) -> list[str]:
    now, found = states.statuses(), keeping.found()
    new = [tenant for tenant in tenants if tenant in now and tenant not in visits.inside]
    before = {tenant: now[tenant] if now[tenant] in ASLEEP else found.get(tenant, now[tenant]) for tenant in new}
    sleepers = [tenant for tenant in new if before[tenant] is Activity.INACTIVE]
    if sleepers and not _all_awake(states, sleepers, keeping):
        sleepers = []
    for tenant in (*(tenant for tenant in new if before[tenant] is Activity.ACTIVE), *sleepers):
        visits.inside[tenant] = _Visit(before[tenant], before[tenant], keeping)
    return [tenant for tenant in tenants if tenant in visits.inside]


def _all_awake(states: States, sleepers: Sequence[str], keeping: Keeping) -> bool:
    try:
        for tenant in sleepers:
            keeping.woken(tenant, Activity.INACTIVE)
        states.bring(dict.fromkeys(sleepers, Activity.ACTIVE))
        end = time.monotonic() + TOGETHER_S
        while any(states.statuses().get(tenant) is not Activity.ACTIVE for tenant in sleepers):
            if time.monotonic() > end:
                break
            time.sleep(_PAUSE_S)
        else:
            return True
    except TransvaseError:
        pass  # whichever of them it was: by itself it says so
    for tenant in sleepers:
        keeping.failed(tenant)
    return False


def _all_left(states: States, left: Mapping[str, _Visit]) -> None:
    """Those that only slept are put back with one request, the rest one by one; the first failure is told in the end."""
    plain = {tenant for tenant, visit in left.items() if visit.after is Activity.INACTIVE and not _minded(tenant, visit)}
    failures: list[TransvaseError] = []
    for tenant, visit in left.items():
        if tenant not in plain:
            try:
                _left(states, tenant, visit)
            except TransvaseError as error:
                failures.append(error)
    if plain:
        try:
            _all_put_back(states, sorted(plain), left)
        except TransvaseError as error:
            failures.append(error)
    for failure in failures:
        raise failure


def _minded(tenant: str, visit: _Visit) -> bool:
    return visit.keeping.wanted(tenant) or visit.keeping.others(tenant)


def _all_put_back(states: States, back: Sequence[str], left: Mapping[str, _Visit]) -> None:
    try:
        now = states.statuses()
        states.bring({tenant: Activity.INACTIVE for tenant in back if now.get(tenant) is Activity.ACTIVE})
        wanted = [tenant for tenant in back if not left[tenant].keeping.left(tenant)]
        states.bring(dict.fromkeys(wanted, Activity.ACTIVE))
    except TransvaseError:
        for tenant in back:
            left[tenant].keeping.failed(tenant)
        raise


def _entered(
    states: States, tenant: str, *, keeping: Keeping, count: Callable[[], int], named: str, patience_s: float
) -> Activity:
    now = states.status(tenant)
    before = now if now in ASLEEP else keeping.found().get(tenant, now)
    if before is Activity.ACTIVE:
        return before
    keeping.woken(tenant, before)
    try:
        _wake(states, tenant, states.status(tenant), before=before, named=named, patience_s=patience_s)
        if before in AWAY and not count():
            _empty(named, before)
    except BaseException:
        (keeping.left if before in AWAY else keeping.failed)(tenant)
        raise
    keeping.arrived(tenant)
    return before


def _empty(named: str, before: Activity) -> NoReturn:
    why = "a server whose fetching failed says ACTIVE all the same"
    advice = "it was left awake, for putting it away again writes over what is stored: put back what it held, or remove it"
    raise StoreFailed(f"{named} was {before} and came back empty: {why}; {advice}", code=EMPTIED)


def _wake(states: States, tenant: str, now: Activity, *, before: Activity, named: str, patience_s: float) -> None:
    end, why = time.monotonic() + patience_s, ""
    while now is not Activity.ACTIVE:
        if time.monotonic() > end:
            raise StoreFailed(
                f"{named} was {before} and did not wake within {patience_s:.0f} s (it is {now}{why})", code="tenant asleep"
            )
        if now in (Activity.INACTIVE, Activity.OFFLOADED):  # on its way to nowhere: the server gives up on some
            try:
                states.bring({tenant: Activity.ACTIVE})
            except StoreFailed as error:
                why = f"; {error}"
        now = states.status(tenant)
        if now is not Activity.ACTIVE:
            time.sleep(_PAUSE_S)


def _left(states: States, tenant: str, visit: _Visit) -> None:
    keeping = visit.keeping
    try:
        if visit.after is Activity.ACTIVE or keeping.wanted(tenant):
            keeping.left(tenant)
        elif not keeping.others(tenant):
            _put_back(states, tenant, visit.after)
            if not keeping.left(tenant):
                states.bring({tenant: Activity.ACTIVE})
        elif keeping.left(tenant) and not keeping.others(tenant):  # they left at the same moment, and each saw the other
            _put_back(states, tenant, visit.after)
    except TransvaseError:
        keeping.failed(tenant)
        raise


def _put_back(states: States, tenant: str, after: Activity) -> None:
    if states.status(tenant) is Activity.ACTIVE:  # anything else was asked for by somebody else meanwhile
        states.bring({tenant: after})
