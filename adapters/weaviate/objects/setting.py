"""What every port of one alias on this store stands on: the connection, the ledger, and where the sites lie just now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Final, Protocol, cast
from uuid import UUID

from transvase.adapters.ledger.port import Ledger
from transvase.adapters.weaviate.collections.shape import Shape, shape_of
from transvase.adapters.weaviate.collections.tenants import Tenants
from transvase.adapters.weaviate.wire.connection import Connection
from transvase.core.declaration import Alias
from transvase.core.figures import Reads
from transvase.core.record import Key

from .copies import fetch, pages
from .reading import PAGE, Lens, Seen, page
from .wakings import Wakings, woken

TOGETHER: Final = 20
"""Tenants that are woken at once."""


class Watching(Protocol):
    """What an index asks of the watch over its store."""

    def generation(self, alias: str) -> int:
        """The alias' generation, a second old as a rule."""
        ...

    def glance(self, alias: str) -> Alias:
        """The alias, just as old."""
        ...

    def now(self, alias: str) -> Alias:
        """The alias as it is, or was a fraction of a second ago, whether or not the cluster has a leader."""
        ...

    def forget(self, alias: str) -> None:
        """What was seen of it is so no longer."""
        ...

    def searched(self, index: str) -> None:
        """Somebody of this process searched the index just now."""
        ...

    def reads(self, index: str) -> Reads:
        """Who of all hosts searched it, and when."""
        ...

    def built(self, index: str) -> None:
        """The index has taken up all that it was given."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One alias and the world around it. ``look`` gives the alias as it is now, or was a moment ago."""

    connection: Connection
    ledger: Ledger
    alias: str
    look: Callable[[], Alias]
    clock: Callable[[], int]
    """The server's time, as it writes it into objects, in milliseconds."""
    watch: Watching | None = None
    """Who tells searches what they need to know without asking the server; None: each search asks."""

    def glancing(self) -> Setting:
        """The same for searches: the alias is as the watch knows it, and asking for it costs nothing."""
        watch = self.watch
        return self if watch is None else replace(self, look=lambda: watch.glance(self.alias))

    def shape(self, site: str) -> Shape:
        """The collection as it is described just now; Superseded."""
        return shape_of(self.connection, site)

    def lens(self, *, vector: bool = True, others: bool = True, properties: bool = True) -> Lens:
        """What is to be read; by default all of it."""
        return Lens(self.look().source.vector, vector=vector, others=others, properties=properties)

    def tenancy(self, site: str) -> Tenants:
        """The site's tenants, with all that others must know of those that we wake."""
        return Tenants(self.connection, site, keeping=self.wakings(site))

    def wakings(self, site: str) -> Wakings:
        """What is kept in mind of the site's tenants that are woken."""
        return Wakings(ledger=self.ledger, alias=self.alias, site=site, live=lambda: self.look().live.site)

    def tenants(self, shape: Shape) -> list[str]:
        """The collection's tenants in the order of keys; one without a name for a collection that has none."""
        return sorted(Tenants(self.connection, shape.name).statuses()) if shape.tenants else [""]

    def each(self, tenants: Sequence[str], *sites: str, first: int = TOGETHER) -> Iterator[str]:
        """Each of the tenants in turn; those that sleep in the sites are woken and put back some at a time, at the price of one.

        Whoever reads one enters it all the same (``awake``). ``first``: so many to begin with, where it may well end with them.
        """
        start, size = 0, first
        while start < len(tenants):
            some = tenants[start : start + size]
            start, size = start + size, min(2 * size, TOGETHER)
            with ExitStack() as stack:
                for site in sites if len(some) > 1 else ():
                    stack.enter_context(self.tenancy(site).together(some))
                yield from some

    @contextmanager
    def awake(self, site: str, tenant: str) -> Iterator[None]:
        """The tenant can be read and written meanwhile; nothing happens where there are none."""
        if not tenant:
            yield
            return
        with woken(self.connection, self.wakings(site), tenant):
            yield

    @contextmanager
    def all_awake(self, site: str, tenants: Sequence[str]) -> Iterator[None]:
        """The same for several at once."""
        with ExitStack() as stack:
            if len(tenants) > 1:
                stack.enter_context(self.tenancy(site).together(tenants))
            for tenant in tenants:
                stack.enter_context(self.awake(site, tenant))
            yield

    def objects(self, site: str, lens: Lens, *, tenant: str = "", limit: int = PAGE) -> Iterator[Seen]:
        """Every object of the site, or of its tenant, in key order."""
        for some in pages(self.connection, site, lens, limit=limit, tenant=tenant):
            yield from some

    def stretch(self, shape: Shape, lens: Lens, after: Key | None, *, limit: int) -> list[Seen]:
        """The next objects in key order, through as many tenants as it takes; fewer than ``limit`` at the end only.

        They are as one copy has them: what is filled is compared afterwards, by ``objects`` and ``fetch``, which ask for more.
        """
        site, found = shape.name, list[Seen]()
        begun = str(after[0]) if after is not None and len(after) > 1 else ""
        for tenant in self.each([one for one in self.tenants(shape) if one >= begun], site, first=1):
            if len(found) >= limit:
                break
            last = cast("UUID", after[-1]) if after is not None and tenant == begun else None
            with self.awake(site, tenant):
                found += page(self.connection, shape, lens, after=last, limit=limit - len(found), tenant=tenant)
        return found

    def fetch(self, site: str, lens: Lens, keys: Sequence[Key]) -> dict[Key, Seen]:
        """Those of the keys that the site has now. Keys of a tenant that it has not are not there."""
        shape = self.shape(site)
        if not shape.tenants:
            return fetch(self.connection, shape, lens, keys)
        there, found = set(self.tenants(shape)), dict[Key, Seen]()
        for tenant in self.each(sorted({str(key[0]) for key in keys} & there), site):
            with self.awake(site, tenant):
                found.update(fetch(self.connection, shape, lens, [key for key in keys if key[0] == tenant]))
        return found

    def unsettled(self, keys: Sequence[Key], *, site: str) -> set[Key]:
        """Those of the keys that are owed to the site at this moment."""
        watched = self.ledger.watch(self.alias)
        try:
            return self.ledger.since(self.alias, watched, among=keys, site=site)
        finally:
            self.ledger.unwatch(self.alias, watched)
