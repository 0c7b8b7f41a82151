"""Going up: which rungs are tried, in what order, and how much of the time each may take."""

from __future__ import annotations

import math
from typing import Any, Final

from .frozen.adapting import adapt, adapter_fits
from .ladder import ADAPTERS, Rung, Standing, worth_climbing
from .lessons.pairs import answers_read
from .opening import replayed
from .plan import SHORT_S
from .tuning.tune import trained_weights, tune
from .workshop import Workshop

FIRST_SHARE: Final = 0.45
"""Of what is left, for the first fine-tuning where a second is to follow: that gained more than more of the same pairs."""

MARGIN: Final = 1.2
"""Of the time that validation and guard took before, kept for asking them again."""

LEAST_S: Final = 5.0
"""With less than this left no fine-tuning is begun."""


def climb(shop: Workshop) -> list[Standing]:
    """The best standing of each rung that was tried, cheapest rung first; what was left out stands in the notes."""
    tried: list[Standing] = []
    for rung in (rung for rung in Rung if rung in shop.settings.rungs):
        reason = _reason_against(shop, rung, tried)
        if reason:
            shop.notes.append(f"{rung} left out: {reason}")
            continue
        standing = adapt(shop, rung) if rung in ADAPTERS else _tuned(shop, rung)
        tried.append(standing)
        if standing.fault:
            shop.notes.append(f"{rung}: {standing.fault}")
    return tried


def _reason_against(shop: Workshop, rung: Rung, tried: list[Standing]) -> str:
    """Why a rung is not tried; empty where it is."""
    if not worth_climbing(tried, shop.base, rung=rung):
        return "the first fine-tuning gained nothing to mine with"
    if rung in ADAPTERS:
        return adapter_fits(shop)
    if rung is Rung.SECOND and not _two(shop):
        return "the time allows one fine-tuning"
    if _seconds(shop, rung) < LEAST_S:
        return "the time was up"
    return ""


def _tuned(shop: Workshop, rung: Rung) -> Standing:
    start: dict[str, Any] = trained_weights(shop, Rung.TUNE) if rung is Rung.SECOND else shop.weights
    last = rung is Rung.SECOND or not _two(shop)
    return tune(shop, rung=rung, start=start, seconds=_seconds(shop, rung), replayed=replayed(shop), last=last)


def _two(shop: Workshop) -> bool:
    """Whether a second fine-tuning is to follow: only where there is time for two passes over the pairs."""
    if Rung.SECOND not in shop.settings.rungs or shop.clock.share(1) < SHORT_S:
        return False
    answers = answers_read(shop.lesson.pairs)
    return shop.answers_in(shop.clock.share(1), asked=len(shop.lesson.pairs) / answers) >= 2 * answers


def _seconds(shop: Workshop, rung: Rung) -> float:
    """What a fine-tuning may take, mining and validations included, with time kept to ask the guard and go back towards the base.

    For one step, or two where the guard still says no: German questions about English messages gained 0.24 NDCG@10, forgot
    0.036 in general, and would have been thrown away whole.
    """
    if not math.isfinite(shop.left):
        return math.inf
    afterwards = shop.guard_s + MARGIN * (shop.exam_s + 2 * shop.guard_s)
    if rung is Rung.TUNE and _two(shop):
        return FIRST_SHARE * (shop.left - 2 * afterwards)
    return shop.left - afterwards
