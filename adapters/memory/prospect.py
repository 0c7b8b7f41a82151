"""A target before it is made: whether it may be, and what pouring into it would meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from transvase.core.errors import BadValue
from transvase.core.ports import Declaration, Outlook

from .state import AliasState

FLOAT_BYTES = 4

WIDEST: Final[Mapping[str, int]] = {"vector": 2_000, "halfvec": 4_000}
"""Dimensions of an approximate index, by element type, as pgvector has them."""


def form_for(live: str, dimension: int) -> str:
    """The live index' element type, or halfvec where only an index over that takes so many dimensions."""
    return "halfvec" if live == "vector" and WIDEST["vector"] < dimension <= WIDEST["halfvec"] else live


def fit_for_a_target(state: AliasState, target: Declaration) -> None:
    """Return when ``target`` may be made beside what the alias has; BadValue otherwise."""
    if target.space is None or (target.adopted and not target.shares):
        raise BadValue("target", target.name, why="a target is a new place whose space is known")
    if target.width < target.space.dimension:
        raise BadValue("width", target.width, why=f"space {target.space.id} has {target.space.dimension} dimensions")
    if target.text != state.source.text:
        raise BadValue("text expression", target.text, why=f"the records of {state.name} are read as {state.source.text!r}")


def foreseen(state: AliasState, target: Declaration) -> Outlook:
    """Rows and bytes. There are no locks to wait for in memory."""
    records = sum(state.text(key) is not None for key in state.table.ordered())
    live = state.indexes[state.live].declaration
    fenced = live.width != target.width or bool(target.shares)
    occupied = state.shadow is not None and state.shadow != target.name
    return Outlook(
        records=records,
        table_bytes=0 if target.shares else records * target.width * FLOAT_BYTES,
        index_bytes=0,
        locks=(),
        warnings=() if fenced else ("both sides have one width: the store cannot tell their vectors apart",),
        refusals=(f"{state.shadow} is kept beside {state.live} already: retire or abort it first",) if occupied else (),
    )
