"""The memory store: every port of the core over plain dictionaries and one lock, as the plain statement of what each means.

A call holds the lock from its first look to its last write; that is the transaction. Nothing outlives the process.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from itertools import count
from threading import RLock

from transvase.core.errors import BadValue, Moved, NotReady, Unfit, UnknownName
from transvase.core.ports import Alias, Declaration, Outlook, Proposal, Switch
from transvase.core.template import reading

from .adoption import inspected
from .corpus import MemoryCorpus
from .holders import Holders
from .index import MemoryIndex
from .journal import MemoryJournal
from .lifecycle import ended, made
from .outbox import MemoryOutbox
from .prospect import fit_for_a_target, foreseen
from .state import AliasState, ColumnShelf, IndexState
from .table import Table, VectorColumn


class MemoryStore:
    """The Store port in memory. ``make_table`` and ``table`` are the application's side: nobody can send SQL here."""

    def __init__(self) -> None:
        self._lock = RLock()
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

    def inspect(self, proposal: Proposal) -> Declaration:
        """Look at a table that is to be adopted, changing nothing."""
        with self._lock:
            return inspected(self.table(proposal.source.table), proposal)

    def preview(self, proposal: Proposal, declaration: Declaration) -> tuple[MemoryCorpus, MemoryIndex]:
        """The records and the vectors of what was inspected, for reading, before it is adopted."""
        with self._lock:
            state = self._proposed(proposal, declaration)
            return MemoryCorpus(state, lock=self._lock), MemoryIndex(state, declaration.name, lock=self._lock)

    def adopt(self, proposal: Proposal, declaration: Declaration) -> None:
        """Put the column under the alias; Unfit where the alias or the column is in use already for something else."""
        with self._lock:
            known = self._aliases.get(proposal.alias)
            if known is not None:
                if (known.source, known.indexes[known.live].declaration) == (proposal.source, declaration):
                    return
                raise Unfit(f"the alias {proposal.alias!r} exists and names {known.live}", remedy="choose another name")
            if self._occupied(declaration.site):
                raise Unfit(f"{declaration.name} is under another alias already", remedy="use that alias")
            state = self._proposed(proposal, declaration)
            self._aliases[proposal.alias] = state
            state.table.watchers.append(state.watch)

    def outlook(self, alias: str, target: Declaration) -> Outlook:
        """Rows and bytes; there are no locks to wait for in memory."""
        with self._lock:
            return foreseen(self._state(alias), target)

    def create(self, alias: str, target: Declaration) -> None:
        """Make the empty target, keep it as the shadow and capture every write from now on."""
        with self._lock:
            state = self._state(alias)
            known = state.indexes.get(target.name)
            if known is not None and known.declaration == target:
                state.capturing = True
                return
            if known is not None or self.there(target.name):
                raise BadValue("index", target.name, why="there is another of that name; physical names are never used twice")
            if state.shadow is not None:
                raise NotReady("open", f"{state.shadow} is kept beside {state.live}; retire or abort it first")
            fit_for_a_target(state, target)
            state.indexes[target.name] = made(state, target, serial=next(self._serials))
            state.shadow, state.capturing = target.name, True
            state.generation += 1

    def captures(self, alias: str) -> bool:
        """True while every write to the table leaves its key in the outbox."""
        with self._lock:
            return self._state(alias).capturing

    def there(self, index: str) -> bool:
        """True while some alias has an index of this name."""
        with self._lock:
            return any(index in state.indexes for state in self._aliases.values())

    def built(self, index: str) -> bool:
        """True once ``build`` was called; an adopted index counts as built."""
        with self._lock:
            return any(state.indexes[index].built for state in self._aliases.values() if index in state.indexes)

    def point(self, alias: str, index: str, *, expect: int, allow_owed: int) -> Switch:
        """Make the alias name ``index``; what was live becomes the shadow. Moved, NotReady, Superseded: no change."""
        started = time.perf_counter()
        with self._lock:
            state = self._state(alias)
            if state.generation != expect:
                raise Moved(f"the alias {alias!r}", expected=f"generation {expect}", found=f"generation {state.generation}")
            state.index(index)
            owed = state.owed()
            if owed > allow_owed:
                raise NotReady("switch", f"{owed} rows are owed and {allow_owed} are allowed")
            if index != state.live:
                state.live, state.shadow = index, state.live
                state.generation += 1
        return Switch(time.perf_counter() - started, owed, 0.0)

    def discard(self, alias: str, index: str) -> None:
        """Remove an index of ours that is not live. NotReady for the live one and for what was the user's."""
        with self._lock:
            state = self._state(alias)
            if index == state.live:
                raise NotReady("discard", f"{index} is live: readers are served from it")
            if index in state.indexes:
                declared = state.indexes[index].declaration
                if declared.adopted and not declared.shares:
                    raise NotReady("discard", f"{index} was the user's before it was ours; retire it instead")
                state.forget(index)

    def retire(self, alias: str, index: str, *, drop: bool) -> str:
        """End an index that was live: a place of ours is removed, an adopted column renamed, or with ``drop`` removed."""
        with self._lock:
            state = self._state(alias)
            if index == state.live:
                raise NotReady("retire", f"{index} is live: readers are served from it")
            if index not in state.indexes:
                return f"{index} was gone already"
            return ended(state, index, drop=drop)

    def witness(self, alias: str, index: str) -> str:
        """A digest of which two indexes stand there, what they declare and whether they are built."""
        with self._lock:
            state = self._state(alias)
            seen = [(one.serial, one.built, _as_text(one.declaration)) for one in (state.index(state.live), state.index(index))]
        return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:32]

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
        with self._lock:
            self._state(alias)
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
        )
        shelf = ColumnShelf(table, proposal.source.vector)
        state.indexes[declaration.name] = IndexState(declaration, shelf, next(self._serials), built=True)
        return state

    def _occupied(self, site: str) -> bool:
        every = (index.declaration for state in self._aliases.values() for index in state.indexes.values())
        return any(declaration.site == site for declaration in every)

    def _state(self, alias: str) -> AliasState:
        if alias not in self._aliases:
            raise UnknownName("alias", alias, hint=f"there are {', '.join(sorted(self._aliases)) or 'none'}; `adopt` makes one")
        return self._aliases[alias]


def _as_text(declaration: Declaration) -> str:
    facts = {name: value for name, value in asdict(declaration).items() if name != "space"}
    return json.dumps({**facts, "space": declaration.label}, sort_keys=True)
