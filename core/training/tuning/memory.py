"""When memory runs out: the batch is halved and the work begins again, rather than a run of hours ending in a trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from transvase.core.errors import EncoderFailed

_LEAST: Final = 2

_Result = TypeVar("_Result")


def halving(batch: int, attempt: Callable[[int], _Result], *, again: Callable[[int], None]) -> _Result:
    """``attempt(batch)``, with half the batch as often as memory runs out; ``again`` hears of each new size before it is tried.

    EncoderFailed when two rows at a time are still too many.
    """
    while True:
        try:
            return attempt(batch)
        except Exception as error:
            if not out_of_memory(error):
                raise
            if batch <= _LEAST:
                why = "out of memory even with batches of two; shorten --length, or take a smaller model"
                raise EncoderFailed("the model in training", why) from error
        batch = max(_LEAST, batch // 2)
        _let_go()
        again(batch)


def out_of_memory(error: BaseException) -> bool:
    """Whether torch, on a card or on a processor, or Python itself ran out of memory: torch has one error for each."""
    if isinstance(error, MemoryError):
        return True
    said = str(error).casefold()
    return isinstance(error, RuntimeError) and ("out of memory" in said or "can't allocate memory" in said)


def _let_go() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
