"""The tenants of a collection: which there are, in which state, and how one that sleeps is woken for the time of our work.

None is left out silently: what cannot be woken is an error that names it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from transvase.core.errors import Superseded, UnknownName

from .activity import ASKED, ASLEEP, Activity, understood
from .keeping import Keeping, Nobody
from .waking import WAKING_S, inside, together, visits

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection

AT_ONCE: Final = 100
"""Tenants in one request."""
NAMED: Final = 5
"""Names written out in one sentence."""


@dataclass(frozen=True, slots=True)
class Unlike:
    """What sets the tenants of one collection apart from those of another, as ``compared`` found it."""

    missing: Mapping[str, Activity]
    """In the source only, with their states there."""
    extra: tuple[str, ...]
    """In the target only."""
    otherwise: Mapping[str, Activity]
    """In both, with the source's state where one of the two is awake and the other is not."""


class Tenants:
    """The tenants of one collection, by its physical name: an alias takes no changes of tenants. For many threads."""

    def __init__(self, connection: Connection, collection: str, *, keeping: Keeping | None = None) -> None:
        self._connection, self._collection = connection, collection
        self._path = f"/schema/{quote(collection)}/tenants"
        self._visits, self._keeping = visits(connection, collection), keeping or Nobody()

    def statuses(self) -> dict[str, Activity]:
        """All tenants and their states, by name. Superseded when the collection is gone."""
        found = self._connection.rest(
            "GET", self._path, doing=f"listing the tenants of {self._collection}", index=self._collection
        )
        if found is None:
            raise Superseded(self._collection)
        return {one["name"]: understood(one.get("activityStatus")) for one in sorted(found, key=lambda one: str(one["name"]))}

    def status(self, tenant: str) -> Activity:
        """The state of one; UnknownName."""
        found = self._connection.rest("GET", f"{self._path}/{quote(tenant)}", index=self._collection)
        if found is None:
            raise UnknownName("tenant", tenant, hint=f"{self._collection} has none of that name")
        return understood(found.get("activityStatus"))

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
        """Every tenant with the state that it is to have when nobody of ours is inside it any more."""
        with self._visits.lock:
            now, woken = self.statuses(), self._keeping.found()
            theirs = {name: state for name, state in woken.items() if name in now and now[name] not in ASLEEP}
            return {**now, **theirs, **self._visits.wanted()}

    def want(self, states: Mapping[str, Activity]) -> None:
        """Bring these states; where somebody of this process is inside, when the last one leaves."""
        inside_ = self._visits.put_off(states)
        self._keeping.release([name for name, state in states.items() if state is Activity.ACTIVE])
        self.bring({name: state for name, state in states.items() if name not in inside_})

    def compared(self, target: Tenants) -> Unlike:
        """How the target's tenants differ from these. One that is offloaded sleeps: a copy of it is not put away by itself."""
        here, there = self.wanted(), target.wanted()
        both = here.keys() & there.keys()
        return Unlike(
            missing={name: state for name, state in here.items() if name not in there},
            extra=tuple(name for name in there if name not in here),
            otherwise={
                name: here[name] for name in here if name in both and (here[name] in ASLEEP) is not (there[name] in ASLEEP)
            },
        )

    def mirrored(self, target: Tenants, *, states: bool = False) -> Unlike:
        """Make in the target every tenant that it lacks; ``states``: have those sleep in both that sleep here, and no others.

        What the target has too many stays: returned, with what was made or changed, for the caller to say or to remove.
        """
        unlike = self.compared(target)
        target.add(unlike.missing)
        if states:
            target.want(
                {name: Activity.INACTIVE if state in ASLEEP else Activity.ACTIVE for name, state in unlike.otherwise.items()}
            )
        return unlike

    def had(self, names: Collection[str], *, of: Tenants) -> None:
        """See to it that there are these tenants here: whatever is lacking is made as it is in ``of``."""
        if not set(names) <= self.statuses().keys():
            of.mirrored(self)

    @contextmanager
    def awake(self, tenant: str, *, patience_s: float = WAKING_S) -> Iterator[Activity]:
        """The tenant, active for as long as anybody is inside; then as it is wanted. Yields how it was found.

        UnknownName; StoreFailed when it does not wake within ``patience_s``, and when one that was offloaded comes back empty.
        """
        with inside(
            self,
            tenant,
            visits=self._visits,
            keeping=self._keeping,
            count=lambda: self._connection.count(self._collection, tenant),
            named=f"the tenant {tenant} of {self._collection}",
            patience_s=patience_s,
        ) as found:
            yield found

    def together(self, tenants: Sequence[str]) -> AbstractContextManager[None]:
        """Several of them awake at once, at the price of one; each is still to be entered by ``awake``."""
        return together(self, tenants, visits=self._visits, keeping=self._keeping)

    def _send(self, method: str, states: Mapping[str, Activity]) -> None:
        pairs = list(states.items())
        doing = self._doing("making" if method == "POST" else "changing")
        for start in range(0, len(pairs), AT_ONCE):
            body = [{"name": name, "activityStatus": ASKED[state]} for name, state in pairs[start : start + AT_ONCE]]
            self._connection.rest(method, self._path, body=body, doing=doing, index=self._collection)

    def _doing(self, what: str) -> str:
        return f"{what} tenants of {self._collection}"


def listed(names: Sequence[str]) -> str:
    """A few names written out, and the rest counted."""
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
