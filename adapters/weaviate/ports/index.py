"""One collection as an index: filled with whole objects, compared with the live side, searched by its physical name."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Final

from transvase.adapters.weaviate.collections.activity import Activity
from transvase.adapters.weaviate.comparing.census import EXAMPLES, counted
from transvase.adapters.weaviate.comparing.graph import Graph
from transvase.adapters.weaviate.comparing.unfound import queued
from transvase.adapters.weaviate.comparing.unseen import lasting, unseen
from transvase.adapters.weaviate.comparing.walking import OVERLAP_MS, Tally, beside, faults, owed, walked
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.adapters.weaviate.searching.conditions import TENANT
from transvase.adapters.weaviate.searching.described import Described
from transvase.adapters.weaviate.searching.nearest import nearest
from transvase.adapters.weaviate.searching.search import MOST, searched
from transvase.core.declaration import Declaration
from transvase.core.errors import BadValue, NotReady, Superseded, TransvaseError, Unfit
from transvase.core.figures import Answer, Census, Place, Reads, Round, Stretch
from transvase.core.hybrid import weighed
from transvase.core.ports import Progress
from transvase.core.record import Key, Record
from transvase.core.space import Vectors

from .filling import Filling, fitting
from .stretching import matrix_of, stretched

OWED_AT_ONCE: Final = 1_000
BUILD_PAUSE_S: Final = 0.5


class WeaviateIndex:
    """The Index port. Its name is a physical one, so that a search never meets another space than its own."""

    def __init__(self, setting: Setting, declaration: Declaration) -> None:
        self._setting, self._declaration = setting, declaration
        self._filling = Filling(setting, declaration)
        self._graph = Graph(setting, declaration)
        self._described = Described(setting.connection, declaration.site)

    @property
    def declaration(self) -> Declaration:
        """What the index is."""
        return self._declaration

    def place(self) -> Place:
        """How far its fill has come."""
        if self._declaration.adopted or self._declaration.shares:
            return Place(finished=True)
        return self._setting.ledger.place(self._declaration.name)

    def fill(
        self,
        records: Sequence[Record],
        vectors: Vectors,
        *,
        place: Place,
        lacking: Sequence[Key] = (),
        bare: Sequence[Record] = (),
    ) -> int:
        """Write whole objects and keep the place when all of them are written; ``bare`` ones have no text, and no vector.

        A batch may be half written when this fails; written again, nothing changes.
        """
        if self._declaration.shares:
            raise NotReady("fill", f"{self._declaration.name} serves the vectors of {self._declaration.site} as they stand")
        if self._declaration.adopted:
            raise NotReady("fill", f"{self._declaration.name} is the application's own collection")
        fitting(self._declaration, vectors, rows=len(records))
        ledger, alias = self._setting.ledger, self._setting.alias
        written = self._filling.pour(records, list(vectors.matrix), bare=bare)
        if lacking:
            ledger.owe(alias, list(lacking), only=self._declaration.site)
        ledger.advance(self._declaration.name, place)
        if place.finished:
            self._filling.end()
        return written

    def let_go(self, alias: str) -> None:
        """Nobody fills it any more, if it is the alias': what was kept to tell a fill what was written meanwhile may go."""
        if alias == self._setting.alias:
            with suppress(TransvaseError):  # whoever ended the fill is told why; the next watch of a process that died goes too
                self._filling.end()

    def stretch(self, after: Key | None, *, limit: int) -> Stretch:
        """The next records with the vectors that this index holds for them; what is owed, or has none that is one, is lacking."""
        return stretched(self._setting, self._declaration, after, limit=limit)

    def owe(self, before: Round | None = None) -> Round:
        """Walk beside the live side and leave owed what differs: missing, too much, stale, without a vector, or not to be found.

        When the walk began is marked: what the sides had by then is equal or owed.
        """
        if not self._setting.ledger.capture(self._setting.alias).on:
            raise NotReady("fill", f"nothing can be owed to {self._declaration.name} before writes are captured")
        sides = beside(self._setting, self._declaration, deep=True)
        begun = self._setting.clock()
        mark = self._setting.ledger.marked(self._setting.alias, sides.site)
        tally = Tally(since=max((mark.walked or 0) - OVERLAP_MS, 0))
        suspected, written = [key for key, _ in faults(sides, tally)], dict[Key, int]()
        for at in range(0, len(suspected), OWED_AT_ONCE):
            written |= owed(sides, suspected[at : at + OWED_AT_ONCE])
        unfound = self._graph.owe(tally.fresh, begun=begun - OVERLAP_MS)
        walked(sides, begun)
        stays = lasting(written, before)
        return Round(len(written) + unfound, len(stays) + unfound, stays[:EXAMPLES], begun, written)

    def unseen(self, keys: Sequence[Key]) -> set[Key]:
        """Those that strangers wrote on the live side, or deleted there, since the last walk over both sides began."""
        return set(unseen(beside(self._setting, self._declaration, deep=True), keys))

    def build(self, progress: Progress) -> None:
        """Wait until the server has indexed what it took; it builds as it takes, or from a queue where that is asynchronous."""
        site, whole = self._declaration.site, 0
        while (left := queued(self._setting, site)) > 0:
            whole = max(whole, left)
            progress("indexing", whole - left, whole)
            time.sleep(BUILD_PAUSE_S)
        if whole:
            progress("indexing", whole, whole)
        elif self._setting.connection.rest("GET", f"/schema/{site}", index=site) is None:
            raise Superseded(site)
        if self._setting.watch is not None:
            self._setting.watch.built(self._declaration.name)

    def warm(self, queries: Vectors) -> None:
        """Search for each of them once, in every tenant that is awake, and forget the answers."""
        fitting(self._declaration, queries, rows=len(queries))
        setting, site = self._setting, self._declaration.site
        shape = setting.shape(site)
        for tenant in setting.each(setting.tenants(shape), site):
            with setting.awake(site, tenant):
                for query in queries.matrix:
                    where = {"tenant": tenant} if tenant else {}
                    searched(setting, shape, query, 10, metric=self._declaration.metric, where=where)

    def vectors(self, keys: Sequence[Key]) -> tuple[list[Key], Vectors | None]:
        """The keys that have a vector, and the vectors in the same order."""
        lens = self._setting.lens(others=False, properties=False)
        found = self._setting.fetch(self._declaration.site, lens, list(dict.fromkeys(keys))) if keys else {}
        held = {key: one.vector for key, one in found.items() if one.vector is not None}
        space, matrix = self._declaration.space, matrix_of(list(held.values()), width=self._declaration.width)
        return list(held), None if space is None else Vectors(space, matrix)

    def census(self, *, deep: bool = True, pay: Callable[[], object] | None = None) -> Census:
        """Counts of one walk; what it found is looked at twice, and what was owed or changed meanwhile counts as nothing.

        With ``deep=False`` no vector is read: an object with a text counts as held, and zero and broken ones are not told.
        """
        return counted(self._setting, self._declaration, deep=deep, pay=pay)

    def search(
        self,
        query: Vectors,
        k: int,
        *,
        where: Mapping[str, object] | None = None,
        exact: bool = False,
        text: str | None = None,
        lexical: float | None = None,
    ) -> Answer:
        """The ``k`` nearest, best first; with ``lexical`` the words of ``text`` weigh beside the vector.

        A collection with tenants takes ``where={"tenant": …}``.
        """
        hybrid = weighed(text, lexical, exact=exact)
        fitting(self._declaration, query, rows=1)
        if not exact:
            _enough(k, most=MOST)
            found = self._near(query, k, where or {}, hybrid)
            if found is not None:
                return found
            if hybrid is not None:
                raise _too_alike(k)
        return self.nearest(query, k, where=where)[0]

    def nearest(self, queries: Vectors, k: int, *, where: Mapping[str, object] | None = None) -> list[Answer]:
        """The ``k`` nearest to each query, computed here over one walk of the whole collection."""
        fitting(self._declaration, queries, rows=len(queries))
        _enough(k)
        generation = self._setting.look().generation
        found = nearest(self._setting, self._declaration, queries.matrix, k, where=where or {})
        return [Answer(hits, generation) for hits in found]

    def parts(self, *, asleep: bool = False) -> tuple[Mapping[str, object], ...]:
        """The tenants that are awake, or those that sleep; one part for all where there are none. A search wakes nobody."""
        return parts(self._setting, self._declaration.site, asleep=asleep)

    def opened(self, *parts: Mapping[str, object]) -> AbstractContextManager[None]:
        """The tenants can be searched meanwhile."""
        return self._setting.all_awake(self._declaration.site, [str(part[TENANT]) for part in parts if TENANT in part])

    def reads(self) -> Reads:
        """When our readers on all hosts searched it last; the server counts no searches, and nobody sees those of others."""
        watch = self._setting.watch
        return Reads(None, None, (), None) if watch is None else watch.reads(self._declaration.name)

    def _near(self, query: Vectors, k: int, where: Mapping[str, object], hybrid: tuple[str, float] | None) -> Answer | None:
        """What the server's index finds; None where too many objects nearly meet a condition (``searched``)."""
        setting, declaration = self._setting.glancing(), self._declaration
        generation = setting.look().generation
        try:
            hits = searched(
                setting, self._described.shape(), query.matrix[0], k, metric=declaration.metric, where=where, hybrid=hybrid
            )
        except Superseded:
            if setting.watch is not None:
                setting.watch.forget(setting.alias)
            raise
        if setting.watch is not None:
            setting.watch.searched(declaration.name)
        return None if hits is None else Answer(hits, generation)


def parts(setting: Setting, site: str, *, asleep: bool) -> tuple[Mapping[str, object], ...]:
    """A condition for each tenant that is awake, or sleeps; an empty one for a collection without tenants, which is awake."""
    if not setting.shape(site).tenants:
        return () if asleep else ({},)
    states = setting.tenancy(site).wanted()
    return tuple({TENANT: name} for name, state in states.items() if (state is not Activity.ACTIVE) is asleep)


def _enough(k: int, *, most: float = math.inf) -> None:
    if k < 1:
        raise BadValue("k", k, why="ask for at least one hit")
    if k > most:
        raise BadValue("k", k, why=f"between 1 and {most} hits can be asked for")


def _too_alike(k: int) -> Unfit:
    return Unfit(
        f"over {MOST:,} objects share their words with a condition on a text, and fewer than {k} of the first ones meet it",
        remedy="search without `lexical`, which looks at every object then, add a condition, or index that property as one word "
        "(tokenization: field)",
    )
