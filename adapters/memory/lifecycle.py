"""How an index comes to stand beside the live one, and what its end takes along. The caller holds the lock."""

from __future__ import annotations

from dataclasses import replace

from transvase.core.declaration import shareable
from transvase.core.ports import Declaration

from .index import RETIRED
from .state import FULL, AliasState, IndexState, SideShelf


def made(state: AliasState, target: Declaration, *, serial: int) -> IndexState:
    """An empty place of our own, or a second name for the live index' shelf; SpaceMismatch, BadValue where it may not share."""
    if not target.shares:
        return IndexState(target, SideShelf(), serial)
    live = state.indexes[state.live]
    shareable(target, live.declaration)
    return replace(live, declaration=target, serial=serial, place=FULL)


def ended(state: AliasState, index: str, *, drop: bool) -> str:
    """End an index that is not live any more, and its site with it unless the live index has the same; says what was done."""
    declared = state.indexes[index].declaration
    state.forget(index)
    if declared.site == state.indexes[state.live].declaration.site:
        return f"ended the name {index}; its vectors serve {state.live}"
    if not declared.adopted:
        return f"removed {index}"
    column = state.source.vector
    state.table.move_column(column, None if drop else column + RETIRED)
    return f"dropped column {column}" if drop else f"renamed column {column} to {column + RETIRED}"
