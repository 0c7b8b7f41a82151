"""One training run from files to files: measure the base, climb the ladder, keep what is worth keeping, write it down."""

from __future__ import annotations

import shutil

from transvase.core.evaluation.comparison import Comparison, compare
from transvase.core.evaluation.metrics import NDCG
from transvase.core.outdir import complete_or_absent
from transvase.core.ports import Progress

from .climb import climb
from .dimensions import write_cuts
from .finish import write_model
from .ladder import Standing, ahead, choose
from .opening import load_base, set_up
from .plan import Clock
from .records.card import write_papers
from .records.curves import draw_curves
from .settings import Trained, TrainSettings
from .tuning import ranks
from .tuning.learn import follow
from .weights.learner import Portion
from .workshop import Workshop


def train(settings: TrainSettings, *, progress: Progress, spent_s: float = 0.0) -> Trained:
    """Train ``settings.base`` on the collection's train judgments and write what is worth keeping to ``settings.out``.

    The directory appears only when it is complete; a killed run goes on where it was when the same is asked again. Misuse for
    faulty data or settings, ExtraMissing without the training extra, EncoderFailed when the model cannot be loaded, trained
    or read back. Test judgments are never opened. Started by torchrun, every process returns what the first one made.
    ``spent_s`` seconds of the budget have passed before the call.
    """
    clock, device = Clock.start(settings.minutes, spent_s=spent_s), ranks.join(settings.device)
    try:
        if not ranks.first():
            return _heard(follow(load_base(settings, device=device), settings))
        try:
            trained = _made(settings, clock=clock, device=device, progress=progress)
        except BaseException as error:
            ranks.told(error)
            raise
        return _heard(ranks.told(trained))
    finally:
        ranks.leave()


def _heard(said: object) -> Trained:
    if isinstance(said, BaseException):
        raise said
    assert isinstance(said, Trained)
    return said


def _made(settings: TrainSettings, *, clock: Clock, device: str | None, progress: Progress) -> Trained:
    with complete_or_absent(settings.out) as directory:
        shop = set_up(settings, clock=clock, device=device, progress=progress)
        tried = climb(shop)
        kept = choose(shop.base, tried, families=shop.exam.families)
        progress("write", 0, 1)
        space = write_model(shop, kept, directory)
        trained = _report(shop, kept, tried, space=space)
        write_papers(directory, trained, settings)
        draw_curves(trained, shop.run)
        for name in ("README.md", "training.json"):
            shutil.copy(directory / name, shop.run.path / name)
        if kept.migration == "fill":  # before the model: who finds that one finds all of them
            write_cuts(directory, settings.out, settings.matryoshka, run=shop.run)
        progress("write", 1, 1)
    shop.run.close()
    return trained


def _report(shop: Workshop, kept: Standing, tried: list[Standing], *, space: str) -> Trained:
    surely = ahead(kept.scores, shop.base.scores, families=shop.exam.families)
    comparison = compare(shop.base.scores, kept.scores, metric=NDCG, families=shop.exam.families, seed=shop.settings.seed)
    before = shop.base.guard
    return Trained(
        out=shop.settings.out,
        space=space,
        promote=kept is not shop.base and surely,
        note=_note(kept, comparison, tried, surely=surely),
        rung=kept.rung,
        migration=kept.migration,
        alpha=kept.alpha,
        best_step=kept.step,
        comparison=comparison,
        base_ndcg=shop.base.mean,
        best_ndcg=kept.mean,
        guard=None if before is None or kept.guard is None else {"before": before, "after": kept.guard},
        rungs=tuple(standing.as_json() for standing in tried),
        curve=tuple(shop.curve),
        facts=_facts(shop),
        notes=(*shop.notes, *_portioned(shop)),
        run=shop.run.path.name,
        seconds=shop.clock.elapsed,
    )


def _facts(shop: Workshop) -> dict[str, object]:
    measured = {"texts_per_s": round(shop.texts_per_s, 1), "exam_s": round(shop.exam_s, 1), "guard_s": round(shop.guard_s, 1)}
    return {
        "pairs": len(shop.lesson.pairs),
        "documents": len(shop.lesson.validation.documents),
        "exam_queries": len(shop.exam.queries),
        "exam_documents": len(shop.exam.documents),
        "guard_queries": len(shop.guard.queries) if shop.guard else 0,
        "bf16": shop.learner.fast,
        "resumed": shop.run.resumed,
        **measured,
        **shop.facts,
    }


def _portioned(shop: Workshop) -> list[str]:
    size = shop.learner.portion.size
    return [f"out of memory in encoding: texts were encoded {size} at a time"] if size < Portion().size else []


def _note(kept: Standing, comparison: Comparison, tried: list[Standing], *, surely: bool) -> str:
    if kept.rung is None:
        if not tried:
            return "Do not promote: nothing was trained (the notes say why); this is the base, unchanged."
        faults = "; ".join(f"{standing.rung}: {standing.fault}" for standing in tried if standing.fault)
        why = f"nothing sound beat the base ({faults})" if faults else "nothing beat the base"
        return f"Do not promote: {why} on validation; this is the base, unchanged."
    gained = f"NDCG@10 on validation {comparison.difference:+.3f} (95 % {comparison.ci_low:+.3f} … {comparison.ci_high:+.3f})"
    way = f"{kept.rung} (moving to it takes: {kept.migration})"
    if not surely:
        return f"Do not promote {way}: {gained}: not even one standard error; it is written for you to evaluate on more queries."
    if comparison.ci_low <= 0:
        return f"{way}: {gained}: within noise, so evaluate on held-out queries before you promote it."
    return f"{way}: {gained}: better than the base; evaluate on held-out queries, then promote."
