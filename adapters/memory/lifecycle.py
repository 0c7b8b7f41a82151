"""How an index comes to stand beside the live one, takes its place, and ends, with what its end takes along.

The caller holds the lock.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

from transvase.core.declaration import openable
from transvase.core.errors import BadValue, Moved, NotReady
from transvase.core.ports import Declaration

from .index import RETIRED
from .state import FULL, AliasState, IndexState, SideShelf


def create(state: AliasState, target: Declaration, *, taken: bool, serial: int) -> None:
    """Put an empty target beside the live index; the same again changes nothing. BadValue, NotReady, SpaceMismatch.

    ``taken`` says that some alias has an index of its name.
    """
    known = state.indexes.get(target.name)
    if known is not None and known.declaration == target:
        state.capturing = True
        return
    if taken:
        raise BadValue("index", target.name, why="there is another of that name; physical names are never used twice")
    openable(state.as_alias(), target)
    state.indexes[target.name] = _made(state, target, serial=serial)
    state.shadow, state.capturing = target.name, True
    state.generation += 1


def point(state: AliasState, index: str, *, expect: int, allow_owed: int) -> int:
    """Make ``index`` live and what was live the shadow; returns what was owed. Moved, NotReady, Superseded."""
    if state.generation != expect:
        raise Moved(f"the alias {state.name!r}", expected=f"generation {expect}", found=f"generation {state.generation}")
    state.index(index)
    owed = state.owed()
    if owed > allow_owed:
        raise NotReady("switch", f"{owed} rows are owed and {allow_owed} are allowed")
    if index != state.live:
        state.live, state.shadow = index, state.live
        state.generation += 1
    return owed


def discard(state: AliasState, index: str) -> None:
    """Remove an index of ours that is not live; NotReady for the live one and for what was the user's."""
    if index == state.live:
        raise NotReady("discard", f"{index} is live: readers are served from it")
    if index in state.indexes:
        declared = state.indexes[index].declaration
        if declared.adopted and not declared.shares:
            raise NotReady("discard", f"{index} was the user's before it was ours; retire it instead")
        state.forget(index)


def retire(state: AliasState, index: str, *, drop: bool) -> str:
    """End an index that is not live any more, and its site with it unless the live index has the same; says what was done."""
    if index == state.live:
        raise NotReady("retire", f"{index} is live: readers are served from it")
    if index not in state.indexes:
        return f"{index} was gone already"
    declared = state.indexes[index].declaration
    state.forget(index)
    if declared.site == state.indexes[state.live].declaration.site:
        return f"ended the name {index}; its vectors serve {state.live}"
    if not declared.adopted:
        return f"removed {index}"
    column = state.source.vector
    state.table.move_column(column, None if drop else column + RETIRED)
    return f"dropped column {column}" if drop else f"renamed column {column} to {column + RETIRED}"


def witness(state: AliasState, index: str) -> str:
    """A digest of which two indexes stand there, what they declare and whether they are built."""
    seen = [(one.serial, one.built, _as_text(one.declaration)) for one in (state.index(state.live), state.index(index))]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:32]


def _made(state: AliasState, target: Declaration, *, serial: int) -> IndexState:
    """An empty place of our own, or a second name for the live index' shelf."""
    if not target.shares:
        return IndexState(target, SideShelf(), serial)
    return replace(state.indexes[state.live], declaration=target, serial=serial, place=FULL)


def _as_text(declaration: Declaration) -> str:
    facts = {name: value for name, value in asdict(declaration).items() if name != "space"}
    return json.dumps({**facts, "space": declaration.label}, sort_keys=True)
