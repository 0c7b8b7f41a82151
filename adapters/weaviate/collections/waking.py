"""A tenant that sleeps is woken for the time of our work and put back by the last who leaves it.

The server keeps one state and tells nobody who asked for it. So who wakes one tells those who must know (``Keeping``): others
who want to read it stay in it without a word and leave it with one, and whoever wants it awake from now on says so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn, Protocol
from weakref import WeakKeyDictionary

from transvase.core.errors import StoreFailed, TransvaseError

from .activity import ASLEEP, AWAY, Activity

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection

EMPTIED: Final = "tenant came back empty"
"""The code of the failure to fetch one."""
WAKING_S: Final = 120.0
"""How long a tenant may take to wake: one that was offloaded is fetched from elsewhere."""
_PAUSE_S: Final = 0.1


class Keeping(Protocol):
    """What is kept in mind, for other processes and for later ones, of the tenants of one collection that are woken."""

    def found(self) -> Mapping[str, Activity]:
        """Tenants that somebody has woken and not left, with the state in which they were found."""
        ...

    def woken(self, tenant: str, before: Activity) -> None:
        """We are about to wake it, or to be in one that somebody has woken."""
        ...

    def arrived(self, tenant: str) -> None:
        """It is awake, and holds what it held."""
        ...

    def wanted(self, tenant: str) -> bool:
        """True where somebody has asked since that it stays awake."""
        ...

    def others(self, tenant: str) -> bool:
        """True while another living process is in it."""
        ...

    def left(self, tenant: str) -> bool:
        """We are out of it; True where nobody has asked meanwhile that it stays awake."""
        ...

    def failed(self, tenant: str) -> None:
        """We are out of it and could not put it back: whoever comes next does."""
        ...

    def release(self, tenants: Collection[str]) -> None:
        """They are to stay awake, whoever is in them."""
        ...


class Nobody:
    """Nothing is kept in mind: no other process is ours."""

    def found(self) -> Mapping[str, Activity]:
        """None."""
        return {}

    def woken(self, tenant: str, before: Activity) -> None:
        """Not kept."""

    def arrived(self, tenant: str) -> None:
        """Not kept."""

    def wanted(self, tenant: str) -> bool:  # noqa: ARG002 - the port's
        """Nobody could have asked."""
        return False

    def others(self, tenant: str) -> bool:  # noqa: ARG002 - the port's
        """None."""
        return False

    def left(self, tenant: str) -> bool:  # noqa: ARG002 - the port's
        """Nobody could have asked."""
        return True

    def failed(self, tenant: str) -> None:
        """Not kept."""

    def release(self, tenants: Collection[str]) -> None:
        """Not kept."""


class States(Protocol):
    """Whoever can ask for the states of tenants of one collection and change them."""

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
