"""The memory store: every port of the core over plain dictionaries and one lock, as the plain statement of what each means.

A call holds the lock from its first look to its last write; that is the transaction. Nothing outlives the process.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from itertools import count
from threading import RLock

from transvase.core.errors import BadValue, Unfit, UnknownName
from transvase.core.ports import Alias, Declaration, Likeness, Outlook, Preview, Proposal, Switch
from transvase.core.template import reading

from .adoption import inspected
from .corpus import MemoryCorpus
from .holders import Holders
from .index import MemoryIndex
from .journal import MemoryJournal
from .lifecycle import create, discard, point, retire, witness
from .outbox import MemoryOutbox
from .prospect import WIDEST, foreseen, form_for
from .state import AliasState, ColumnShelf, IndexState
from .table import Table, VectorColumn


class MemoryStore:
    """The Store port in memory. ``make_table`` and ``table`` are the application's side: nobody can send SQL here.

    With ``blind``, a reason in words, no write to a table is told to the store, as where an application writes past it: what
    changed is then found by comparing alone.
    """

    def __init__(self, *, blind: str | None = None) -> None:
        self._lock = RLock()
        self._blind = blind
        self._tables: dict[str, Table] = {}
        self._aliases: dict[str, AliasState] = {}
        self._holders = Holders(lock=self._lock)
        self._serials = count(1)
        self._journal = MemoryJournal(lock=self._lock)

    def make_table(self, name: str, *, key: Sequence[str], columns: Iterable[str], vectors: Iterable[VectorColumn] = ()) -> Table:
        """An empty table for the application; BadValue when the name is taken."""
        with self._lock:
            if name in self._tables:
                raise BadValue("table", name, why="there is one of that name already")
            self._tables[name] = Table(name, key=key, columns=columns, vectors=vectors, lock=self._lock)
            return self._tables[name]

    def table(self, name: str) -> Table:
        """A table of the application; UnknownName."""
        with self._lock:
            if name not in self._tables:
                raise UnknownName("table", name, hint=f"there are {', '.join(sorted(self._tables)) or 'none'}")
            return self._tables[name]

    @property
    def journal(self) -> MemoryJournal:
        """The memory of migrations, gone with the process."""
        return self._journal

    def hold(self, alias: str) -> AbstractContextManager[None]:
        """Be the only operator of the alias; Busy names the thread that is."""
        return self._holders.hold(alias)

    def aliases(self) -> list[str]:
        """Names of all aliases, sorted."""
        with self._lock:
            return sorted(self._aliases)

    def alias(self, name: str) -> Alias:
        """The alias as it is now."""
        with self._lock:
            return self._state(name).as_alias()

    def serving(self, alias: str) -> tuple[Alias, MemoryIndex]:
        """The alias and its live index as they are now."""
        seen = self.alias(alias)
        return seen, self.index(alias, seen.live.name)

    def inspect(self, proposal: Proposal) -> Declaration:
        """Look at a table that is to be adopted, changing nothing."""
        with self._lock:
            return inspected(self.table(proposal.source.table), proposal)

    def preview(self, proposal: Proposal, declaration: Declaration) -> Preview:
        """The records and the vectors of what was inspected, for reading, before it is adopted."""
        with self._lock:
            state = self._proposed(proposal, declaration)
            return Preview(MemoryCorpus(state, lock=self._lock), MemoryIndex(state, declaration.name, lock=self._lock))

    def adopt(self, proposal: Proposal, declaration: Declaration) -> None:
        """Put the column under the alias; Unfit where the alias or the column is in use already for something else."""
        with self._lock:
            known = self._aliases.get(proposal.alias)
            if known is not None:
                if (known.source, known.indexes[known.live].declaration) == (proposal.source, declaration):
                    return
                raise Unfit(f"the alias {proposal.alias!r} exists and names {known.live}", remedy="choose another name")
            if _occupied(self._aliases.values(), declaration.site):
                raise Unfit(f"{declaration.name} is under another alias already", remedy="use that alias")
            state = self._proposed(proposal, declaration)
            self._aliases[proposal.alias] = state
            state.table.watchers.append(state.watch)

    def widest(self, form: str) -> int | None:
        """As pgvector's: memory would take any, and what holds here is to hold there."""
        return WIDEST.get(form)

    def form_for(self, live: str, dimension: int) -> str:
        """As on Postgres."""
        return form_for(live, dimension)

    def physical(self, stem: str) -> str:
        """The stem itself."""
        return stem

    def outlook(self, alias: str, target: Declaration) -> Outlook:
        """Rows and bytes; there are no locks to wait for in memory."""
        with self._lock:
            return foreseen(self._state(alias), target)

    def create(self, alias: str, target: Declaration) -> None:
        """Make the empty target, keep it as the shadow and capture every write from now on."""
        with self._lock:
            create(self._state(alias), target, taken=self.there(target.name), serial=next(self._serials))

    def captures(self, alias: str) -> bool:
        """True while every write to the table leaves its key in the outbox."""
        with self._lock:
            return self._state(alias).capturing

    def blind(self, alias: str) -> str | None:
        """Why writes are not told, where the store was made so."""
        with self._lock:
            self._state(alias)
            return self._blind

    def there(self, index: str) -> bool:
        """True while some alias has an index of this name."""
        with self._lock:
            return any(index in state.indexes for state in self._aliases.values())

    def built(self, index: str) -> bool:
        """True once ``build`` was called; an adopted index counts as built."""
        with self._lock:
            return any(state.indexes[index].built for state in self._aliases.values() if index in state.indexes)

    def liken(self, alias: str, index: str) -> Likeness:
        """Nothing differs: an index is nothing but vectors."""
        self.index(alias, index)
        return Likeness()

    def point(self, alias: str, index: str, *, expect: int, allow_owed: int) -> Switch:
        """Make the alias name ``index``; what was live becomes the shadow. Moved, NotReady, Superseded: no change."""
        started = time.perf_counter()
        with self._lock:
            owed = point(self._state(alias), index, expect=expect, allow_owed=allow_owed)
        return Switch(time.perf_counter() - started, owed, 0.0)

    def behind(self, alias: str) -> tuple[str, ...]:
        """None: there is one memory."""
        self.alias(alias)
        return ()

    def discard(self, alias: str, index: str) -> None:
        """Remove an index of ours that is not live. NotReady for the live one and for what was the user's."""
        with self._lock:
            discard(self._state(alias), index)

    def retire(self, alias: str, index: str, *, drop: bool, take_name: bool = False) -> str:
        """End an index that was live: a place of ours is removed, an adopted column renamed, or with ``drop`` removed."""
        if take_name:
            raise BadValue("take-name", index, why="a table keeps its name; leave it out")
        with self._lock:
            return retire(self._state(alias), index, drop=drop)

    def witness(self, alias: str, index: str) -> str:
        """A digest of which two indexes stand there, what they declare and whether they are built."""
        with self._lock:
            return witness(self._state(alias), index)

    def corpus(self, alias: str) -> MemoryCorpus:
        """The records behind the alias."""
        with self._lock:
            return MemoryCorpus(self._state(alias), lock=self._lock)

    def index(self, alias: str, index: str) -> MemoryIndex:
        """One of the alias' indexes, by physical name."""
        with self._lock:
            return MemoryIndex(self._state(alias), index, lock=self._lock)

    def outbox(self, alias: str) -> MemoryOutbox:
        """The debts of the alias."""
        with self._lock:
            return MemoryOutbox(self._state(alias), lock=self._lock)

    def pressure(self, alias: str) -> str | None:
        """Never any: nobody else waits for anything here."""
        self.alias(alias)
        return None

    def close(self) -> None:
        """Nothing to let go of."""

    def _proposed(self, proposal: Proposal, declaration: Declaration) -> AliasState:
        table = self.table(proposal.source.table)
        state = AliasState(
            name=proposal.alias,
            source=proposal.source,
            table=table,
            reading=reading(proposal.source.text, table.columns),
            live=declaration.name,
            watching=self._blind is None,
        )
        shelf = ColumnShelf(table, proposal.source.vector)
        state.indexes[declaration.name] = IndexState(declaration, shelf, next(self._serials), built=True)
        return state

    def _state(self, alias: str) -> AliasState:
        if alias not in self._aliases:
            raise UnknownName("alias", alias, hint=f"there are {', '.join(sorted(self._aliases)) or 'none'}; `adopt` makes one")
        return self._aliases[alias]


def _occupied(states: Iterable[AliasState], site: str) -> bool:
    every = (index.declaration for state in states for index in state.indexes.values())
    return any(declaration.site == site for declaration in every)
