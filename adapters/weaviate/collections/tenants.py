"""The tenants of a collection: which there are, in which state, and how one that sleeps is woken for the time of our work.

None is left out silently: what cannot be woken is an error that names it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import quote
from weakref import WeakKeyDictionary

from transvase.core.errors import StoreFailed, Superseded, UnknownName

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection

AT_ONCE: Final = 100
"""Tenants in one request."""
NAMED: Final = 5
"""Names written out in one sentence."""
EMPTIED: Final = "tenant came back empty"
"""The code of the failure to fetch one."""
WAKING_S: Final = 120.0
"""How long a tenant may take to wake: one that was offloaded is fetched from elsewhere."""


class Activity(StrEnum):
    """A tenant's state: the server speaks of HOT, COLD and FROZEN over REST, of these elsewhere."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    OFFLOADED = "OFFLOADED"
    OFFLOADING = "OFFLOADING"
    ONLOADING = "ONLOADING"


_SPOKEN: Final = {
    "HOT": Activity.ACTIVE,
    "COLD": Activity.INACTIVE,
    "FROZEN": Activity.OFFLOADED,
    "FREEZING": Activity.OFFLOADING,
    "UNFREEZING": Activity.ONLOADING,
}
_REST: Final = {
    Activity.ACTIVE: "HOT",
    Activity.INACTIVE: "COLD",
    Activity.OFFLOADED: "FROZEN",
    Activity.OFFLOADING: "FROZEN",
    Activity.ONLOADING: "HOT",
}
"""What is asked for to come to a state; the two on the way lead where they were going."""

_AWAY: Final = (Activity.OFFLOADED, Activity.OFFLOADING, Activity.ONLOADING)


@dataclass(frozen=True, slots=True)
class Unlike:
    """What sets the tenants of one collection apart from those of another, as ``compared`` found it."""

    missing: Mapping[str, Activity]
    """In the source only, with their states there."""
    extra: tuple[str, ...]
    """In the target only."""
    otherwise: Mapping[str, Activity]
    """In both, with the source's state where one of the two is awake and the other is not."""


@dataclass(slots=True)
class _Waking:
    """Who is inside which tenant of one collection, and how it was found."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    users: dict[str, int] = field(default_factory=dict)
    before: dict[str, Activity] = field(default_factory=dict)


_WAKING: Final[WeakKeyDictionary[Connection, dict[str, _Waking]]] = WeakKeyDictionary()
"""Shared by all that speak of the same collection over the same connection: the last one out puts the tenant to sleep."""
_REGISTERING: Final = threading.Lock()


class Tenants:
    """The tenants of one collection, by its physical name: an alias takes no changes of tenants. For many threads."""

    def __init__(self, connection: Connection, collection: str) -> None:
        self._connection, self._collection = connection, collection
        self._path = f"/schema/{quote(collection)}/tenants"
        with _REGISTERING:
            self._waking = _WAKING.setdefault(connection, {}).setdefault(collection, _Waking())

    def statuses(self) -> dict[str, Activity]:
        """All tenants and their states, by name. Superseded when the collection is gone."""
        found = self._connection.rest(
            "GET", self._path, doing=f"listing the tenants of {self._collection}", index=self._collection
        )
        if found is None:
            raise Superseded(self._collection)
        return {one["name"]: _activity(one.get("activityStatus")) for one in sorted(found, key=lambda one: str(one["name"]))}

    def status(self, tenant: str) -> Activity:
        """The state of one; UnknownName."""
        found = self._connection.rest("GET", f"{self._path}/{quote(tenant)}", index=self._collection)
        if found is None:
            raise UnknownName("tenant", tenant, hint=f"{self._collection} has none of that name")
        return _activity(found.get("activityStatus"))

    def bring(self, states: Mapping[str, Activity]) -> None:
        """Ask for these states; the server may still be on its way to them when this returns."""
        self._send("PUT", states)

    def add(self, states: Mapping[str, Activity]) -> None:
        """Make tenants, in these states where that can be: an empty one is not offloaded but asleep. One that is there stays."""
        asleep = (Activity.OFFLOADED, Activity.OFFLOADING)
        self._send("POST", {name: Activity.INACTIVE if state in asleep else state for name, state in states.items()})

    def remove(self, names: tuple[str, ...]) -> None:
        """Delete tenants with all that they hold."""
        for start in range(0, len(names), AT_ONCE):
            some = list(names[start : start + AT_ONCE])
            self._connection.rest("DELETE", self._path, body=some, doing=self._doing("removing"), index=self._collection)

    def wanted(self) -> dict[str, Activity]:
        """Every tenant with the state that it is to have when nobody of this process is inside it any more."""
        with self._waking.lock:
            return {**self.statuses(), **self._waking.before}

    def want(self, states: Mapping[str, Activity]) -> None:
        """Bring these states; where somebody of this process is inside, when the last one leaves."""
        with self._waking.lock:
            inside = {name: state for name, state in states.items() if name in self._waking.before}
            self._waking.before.update(inside)
        self.bring({name: state for name, state in states.items() if name not in inside})

    def compared(self, target: Tenants) -> Unlike:
        """How the target's tenants differ from these. One that is offloaded sleeps: a copy of it is not put away by itself."""
        here, there = self.wanted(), target.wanted()
        both = here.keys() & there.keys()
        return Unlike(
            missing={name: state for name, state in here.items() if name not in there},
            extra=tuple(name for name in there if name not in here),
            otherwise={name: here[name] for name in here if name in both and _asleep(here[name]) is not _asleep(there[name])},
        )

    def mirrored(self, target: Tenants, *, states: bool = False) -> Unlike:
        """Make in the target every tenant that it lacks; ``states``: have those sleep in both that sleep here, and no others.

        What the target has too many stays: returned, with what was made or changed, for the caller to say or to remove.
        """
        unlike = self.compared(target)
        target.add(unlike.missing)
        if states:
            asleep = {name: _asleep(state) for name, state in unlike.otherwise.items()}
            target.want({name: Activity.INACTIVE if one else Activity.ACTIVE for name, one in asleep.items()})
        return unlike

    @contextmanager
    def awake(
        self, tenant: str, *, patience_s: float = WAKING_S, fetching: Callable[[], None] = lambda: None
    ) -> Iterator[Activity]:
        """The tenant, active for as long as anybody in this process is inside; then as it was. Yields how it was found.

        UnknownName; StoreFailed when it does not wake within ``patience_s``, and when one that was offloaded comes back empty:
        1.39 says so of one that it could not fetch. ``fetching`` is called before one that is away is asked for. A process that
        is killed inside leaves it awake.
        """
        state = self._waking
        with state.lock:
            if tenant not in state.before:
                state.before[tenant] = self._wake(tenant, patience_s, fetching)
            before = state.before[tenant]
            state.users[tenant] = state.users.get(tenant, 0) + 1
        try:
            yield before
        finally:
            with state.lock:
                state.users[tenant] -= 1
                if not state.users[tenant]:
                    del state.users[tenant]
                    after = state.before.pop(tenant)
                    if after is not Activity.ACTIVE and self.status(tenant) is Activity.ACTIVE:  # else somebody changed it
                        self.bring({tenant: after})

    def _wake(self, tenant: str, patience_s: float, fetching: Callable[[], None]) -> Activity:
        before = now = self.status(tenant)
        if before in _AWAY:
            fetching()
        end, why = time.monotonic() + patience_s, ""
        while now is not Activity.ACTIVE:
            if time.monotonic() > end:
                what = f"the tenant {tenant} of {self._collection} was {before} and did not wake within {patience_s:.0f} s"
                raise StoreFailed(f"{what} (it is {now}{why})", code="tenant asleep")
            if now in (Activity.INACTIVE, Activity.OFFLOADED):  # on its way to nowhere: the server gives up on some
                try:
                    self.bring({tenant: Activity.ACTIVE})
                except StoreFailed as error:
                    why = f"; {error}"
            now = self.status(tenant)
            if now is not Activity.ACTIVE:
                time.sleep(0.1)
        if before in _AWAY and not self._connection.count(self._collection, tenant):
            what = f"the tenant {tenant} of {self._collection} was {before} and came back empty"
            why = "a server whose fetching failed says ACTIVE all the same"
            advice = (
                "it was left awake, for putting it away again writes over what is stored: put back what it held, or remove it"
            )
            raise StoreFailed(f"{what}: {why}; {advice}", code=EMPTIED)
        return before

    def _send(self, method: str, states: Mapping[str, Activity]) -> None:
        pairs = list(states.items())
        doing = self._doing("making" if method == "POST" else "changing")
        for start in range(0, len(pairs), AT_ONCE):
            body = [{"name": name, "activityStatus": _REST[state]} for name, state in pairs[start : start + AT_ONCE]]
            self._connection.rest(method, self._path, body=body, doing=doing, index=self._collection)

    def _doing(self, what: str) -> str:
        return f"{what} tenants of {self._collection}"


def _asleep(state: Activity) -> bool:
    return state not in (Activity.ACTIVE, Activity.ONLOADING)


def listed(names: Sequence[str]) -> str:
    """A few names written out, and the rest counted."""
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _activity(said: str | None) -> Activity:
    """A tenant of which nothing is said is active."""
    if not said:
        return Activity.ACTIVE
    return _SPOKEN[said] if said in _SPOKEN else Activity(said)
