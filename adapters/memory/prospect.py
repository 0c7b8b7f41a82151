"""A target before it is made: what pouring into it would meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from transvase.core.ports import Declaration, Outlook

from .state import AliasState

FLOAT_BYTES = 4

WIDEST: Final[Mapping[str, int]] = {"vector": 2_000, "halfvec": 4_000}
"""Dimensions of an approximate index, by element type, as pgvector has them."""


def form_for(live: str, dimension: int) -> str:
    """The live index' element type, or halfvec where only an index over that takes so many dimensions."""
    return "halfvec" if live == "vector" and WIDEST["vector"] < dimension <= WIDEST["halfvec"] else live


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
