"""Against forgetting: between the base's weights and the tuned ones lies a line, and somewhere on it the best of both.

Interpolating weights keeps what fine-tuning would forget (WiSE-FT, Wortsman et al. 2022). The weight is swept downwards from 1:
the point is kept that gains most on validation while the general guard loses no more than it may.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from transvase.core.evaluation.metrics import Scores
from transvase.core.training.ladder import GUARD_LOSS, Rung, Standing, ahead, holds

ALPHAS: Final = (1.0, 0.75, 0.5, 0.25)


def sweep(
    rung: Rung,
    *,
    step: int,
    ask: Callable[[float], Scores],
    ask_guard: Callable[[float], float | None],
    fault: Callable[[float], str],
    before: float | None,
    room: Callable[[], float],
    alphas: Sequence[float] = ALPHAS,
    further: bool = True,
) -> list[Standing]:
    """Standings along the line, from as trained towards the base, as far as it pays and there is ``room`` for (points).

    ``ask`` gives validation at a weight, ``ask_guard`` the guard's mean there (None: not asked), ``fault`` what else speaks
    against it, once validation was asked. Once a point holds, the sweep ends at the first that gains less, or at once where
    nothing ``further`` is wanted. On the way back for the guard's sake it is asked first, for validation is dearer; and where
    there is hardly room, weights are passed over at which it would probably still lose too much.
    """
    tried: list[Standing] = []
    lost: tuple[float, float] | None = None
    for alpha in alphas:
        sound = [standing for standing in tried if not standing.fault]
        left = room() if tried else math.inf
        if not sound and lost and left < 2 and min(alphas) < alpha and alpha > _bearable(*lost):
            continue
        if left < 1 or (sound and not further):
            break
        guard = ask_guard(alpha) if lost and not sound else None
        if guard is not None and not holds(guard, before):
            lost = alpha, _lost(guard, before)
            continue
        scores = ask(alpha)
        if sound and scores.mean() <= max(standing.mean for standing in sound):
            break
        guard, wrong = ask_guard(alpha) if guard is None else guard, fault(alpha)
        if not holds(guard, before):
            lost = alpha, _lost(guard, before)
            wrong = wrong or f"the general guard lost {lost[1]:.3f} NDCG@10 (at most {GUARD_LOSS} is allowed)"
        tried.append(Standing(rung=rung, scores=scores, guard=guard, alpha=alpha, step=step, fault=wrong))
    return tried


def _lost(guard: float | None, before: float | None) -> float:
    return 0.0 if guard is None or before is None else before - guard


def _bearable(alpha: float, lost: float) -> float:
    """The weight at which the guard would lose no more than it may, if what it lost at ``alpha`` grew with the weight's square.

    That is how it goes between two minima; it only says where to look, for the guard is asked there.
    """
    return alpha * math.sqrt(GUARD_LOSS / lost)


def best_of(tried: Sequence[Standing], *, families: Sequence[str] | None) -> Standing:
    """Of the sound ones that are within one standard error of the best the one nearest to what was trained.

    As with checkpoints, the highest of a few noisy marks is no reason to give up what was learnt. Where none is sound, the one
    that gains most.
    """
    best = max(tried, key=lambda standing: (not standing.fault, standing.mean))
    near = [one for one in tried if bool(one.fault) == bool(best.fault) and not ahead(best.scores, one.scores, families=families)]
    return best if best.fault else max(near, key=lambda standing: standing.alpha)


def between(base: Mapping[str, Any], tuned: Mapping[str, Any], *, alpha: float) -> dict[str, Any]:
    """(1 − alpha) · base + alpha · tuned for every weight; what is no number with a fraction is the tuned one's."""
    mixed = {}
    for name, weight in tuned.items():
        if weight.is_floating_point() and alpha != 1:
            mixed[name] = (base[name].double() * (1 - alpha) + weight.double() * alpha).to(weight.dtype)
        else:
            mixed[name] = weight
    return mixed
