"""PostgreSQL with pgvector as a Store: each verb of the port handed to the file that knows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from transvase.core.errors import BadValue, Superseded
from transvase.core.ports import Alias, Declaration, Likeness, Outlook, Preview, Proposal, Switch

from . import aliases, capture, cutover, hnsw, inspect, lifecycle, locks
from . import outlook as prospects
from . import witness as witnesses
from .connections import Connections
from .corpus import PostgresCorpus, corpus
from .index import PostgresIndex
from .journal import PostgresJournal
from .outbox import PostgresOutbox


class PostgresStore:
    """Fits the port ``Store``. Safe to use from several threads."""

    def __init__(self, url: str) -> None:
        self._connections = Connections(url)
        self._connections.try_out()

    @property
    def journal(self) -> PostgresJournal:
        """The journal lives in the same database."""
        return PostgresJournal(self._connections)

    @contextmanager
    def hold(self, alias: str) -> Iterator[None]:
        """The operator's lock of one alias; Unfit for a role from which rows of its table are hidden."""
        with locks.hold(self._connections, alias):
            with self._connections.use("looking at the table") as c:
                if alias in aliases.names(c):
                    inspect.check_sight(c, aliases.load(c, alias).shape)
            yield

    def aliases(self) -> list[str]:
        """All aliases of the database."""
        with self._connections.use("listing aliases") as c:
            return aliases.names(c)

    def alias(self, name: str) -> Alias:
        """One alias as it is now."""
        with self._connections.use("looking up the alias") as c:
            return aliases.load(c, name).alias

    def serving(self, alias: str) -> tuple[Alias, PostgresIndex]:
        """The alias and its live index as they are now."""
        seen = self.alias(alias)
        return seen, self.index(alias, seen.live.name)

    def inspect(self, proposal: Proposal) -> Declaration:
        """Everything that can stand against an adoption."""
        with self._connections.use("looking at the table") as c:
            return inspect.inspect(c, proposal)[1]

    def preview(self, proposal: Proposal, declaration: Declaration) -> Preview:
        """The records and vectors of a place that is not adopted yet."""
        with self._connections.use("looking at the table") as c:
            shape = inspect.shape_of(inspect.find_table(c, proposal.source.table), proposal)
        return Preview(PostgresCorpus(self._connections, shape), PostgresIndex(self._connections, shape, declaration))

    def adopt(self, proposal: Proposal, declaration: Declaration) -> None:
        """Write down what was inspected."""
        with self._connections.use("adopting the index") as c:
            lifecycle.adopt(c, proposal, inspect.find_table(c, proposal.source.table), declaration)

    def widest(self, form: str) -> int | None:
        """What an HNSW index over the element type takes."""
        return hnsw.WIDEST.get(form)

    def form_for(self, live: str, dimension: int) -> str:
        """``vector`` as long as an index takes it."""
        return hnsw.form_for(live, dimension)

    def physical(self, stem: str) -> str:
        """The stem itself: every identifier is quoted."""
        return stem

    def outlook(self, alias: str, target: Declaration) -> Outlook:
        """Sizes, locks, warnings, refusals."""
        with self._connections.use("looking ahead") as c:
            return prospects.outlook(c, aliases.load(c, alias), target)

    def create(self, alias: str, target: Declaration) -> None:
        """Side table, capture, shadow, view."""
        with self._connections.use("opening the target") as c:
            lifecycle.create(c, alias, target)

    def captures(self, alias: str) -> bool:
        """Whether the full set of triggers is there and always enabled."""
        with self._connections.use("looking at the triggers") as c:
            return capture.is_captured(c, aliases.load(c, alias).shape)

    def blind(self, alias: str) -> None:
        """Never: what a transaction changed, its trigger has written down."""
        self.alias(alias)

    def there(self, index: str) -> bool:
        """Whether the index exists."""
        with self._connections.use("looking for the index") as c:
            return lifecycle.there(c, index)

    def built(self, index: str) -> bool:
        """Whether a valid vector index stands over it."""
        with self._connections.use("looking at the vector index") as c:
            known = aliases.owner(c, index)
            return known is not None and hnsw.valid(c, known.shape, known.declaration(index)) is not None

    def liken(self, alias: str, index: str) -> Likeness:
        """Nothing differs: the rows are the user's own on both sides, and a side table holds vectors alone."""
        self.index(alias, index)
        return Likeness()

    def point(self, alias: str, index: str, *, expect: int, allow_owed: int) -> Switch:
        """The cutover."""
        return cutover.point(self._connections, alias, index, expect=expect, allow_owed=allow_owed)

    def behind(self, alias: str) -> tuple[str, ...]:
        """None: the alias is a row, and whoever reads it later reads it so."""
        self.alias(alias)
        return ()

    def discard(self, alias: str, index: str) -> None:
        """Remove a target that never went live."""
        with self._connections.use("removing the target") as c:
            lifecycle.discard(c, alias, index)

    def retire(self, alias: str, index: str, *, drop: bool, take_name: bool = False) -> str:
        """End the side that was live before."""
        if take_name:
            raise BadValue("take-name", index, why="a table keeps its name; leave it out")
        with self._connections.use("retiring the old side") as c:
            return lifecycle.retire(c, alias, index, drop=drop)

    def witness(self, alias: str, index: str) -> str:
        """What a verdict is bound to."""
        with self._connections.use("looking at both indexes") as c:
            return witnesses.witness(c, aliases.load(c, alias), index)

    def corpus(self, alias: str) -> PostgresCorpus:
        """The user's table."""
        return corpus(self._connections, alias)

    def index(self, alias: str, index: str) -> PostgresIndex:
        """The live index or the shadow."""
        with self._connections.use("looking up the index") as c:
            known = aliases.load(c, alias)
            declared = known.declaration(index)
            if not lifecycle.there(c, index):
                raise Superseded(index)
        beside = next((d for d in (known.alias.live, known.alias.shadow) if d is not None and d.name != index), None)
        return PostgresIndex(self._connections, known.shape, declared, beside)

    def outbox(self, alias: str) -> PostgresOutbox:
        """The alias' debts."""
        return PostgresOutbox(self._connections, alias)

    def pressure(self, alias: str) -> str | None:
        """Why to wait now."""
        with self._connections.use("looking at the load") as c:
            return prospects.pressure(c, aliases.load(c, alias).shape)

    def close(self) -> None:
        """Close every connection."""
        self._connections.close()
