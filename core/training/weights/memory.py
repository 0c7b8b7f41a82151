"""When memory runs out: the batch is halved and the work begins again, rather than a run of hours ending in a trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from transvase.core.errors import EncoderFailed

_SAID: Final = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
"""By the card, by the processor's allocator on several systems, and by the library of matrix products."""

_Result = TypeVar("_Result")


def halving(batch: int, attempt: Callable[[int], _Result], *, least: int, advice: str, again: Callable[[int], None]) -> _Result:
    """``attempt(batch)``, with half the batch as often as memory runs out; ``again`` hears of each new size before it is tried.

    EncoderFailed with the ``advice`` when ``least`` at a time are still too many.
    """
    while True:
        try:
            return attempt(batch)
        except Exception as error:
            if not out_of_memory(error):
                raise
            if batch <= least:
                raise EncoderFailed("the model", f"out of memory even with {least} at a time; {advice}") from error
        batch = max(least, batch // 2)
        let_go()
        again(batch)


def out_of_memory(error: BaseException) -> bool:
    """Whether torch, on a card or on a processor, or Python itself ran out of memory: torch has one error for each."""
    if isinstance(error, MemoryError):
        return True
    said = str(error).casefold()
    return isinstance(error, RuntimeError) and any(phrase in said for phrase in _SAID)


def let_go() -> None:
    """Give back what a failed attempt still holds; call it when its error is no longer at hand, for that holds the most."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
