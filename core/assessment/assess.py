"""``assess``: should this collection be trained on at all? Everything measured, the conditions, one verdict, its reasons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
from transvase.core.evaluation.fusion import DEPTH, fuse
from transvase.core.ports import Encoder, Progress

from .attainable import Attainable, attainable
from .clusters import Failures, failures
from .conditions import Condition, gap, signal, usable, worth
from .intervals import Interval, interval
from .settings import Conditions
from .steps import Step, steps
from .survey import Survey, surveyed, way
from .trial import Trial, trial

_FEW: Final = 100
"""Measured queries below which every interval is too wide to decide on."""


class Advice(StrEnum):
    """What to do. All three are results, none is a failure."""

    TRAIN = "train"
    LEAVE = "do not train"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assessment:
    """The verdict with all that led to it. ``warnings`` do not change it."""

    base: str
    survey: Survey
    reach: Attainable | None
    trial: Trial | None
    conditions: tuple[Condition, ...]
    steps: tuple[Step, ...]
    failures: Failures
    advice: Advice
    reasons: tuple[str, ...]
    next_step: str
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """The form that ``assess --json`` prints."""
        survey = self.survey
        return {
            "verdict": str(self.advice),
            "reasons": list(self.reasons),
            "next_step": self.next_step,
            "warnings": list(self.warnings),
            "base": self.base,
            "split": survey.data.split,
            "queries": len(survey.data.queries),
            "documents": len(survey.data.documents),
            "best": survey.best,
            "ways": {name: _figures(survey, name) for name in survey.ways},
            "fusion": survey.choice.as_json(),
            "attainable": self.reach.as_json() if self.reach else None,
            "trial": self.trial.as_json() if self.trial else None,
            "conditions": {condition.name: condition.as_json() for condition in self.conditions},
            "steps": [step.as_json() for step in self.steps],
            "failures": self.failures.as_json(),
        }


def assess(
    directory: Path, encoder: Encoder, *, split: str | None, asked: Conditions, minutes: float, seed: int, progress: Progress
) -> Assessment:
    """Measure the collection and judge it; ``split`` None is ``dev``, or ``train`` where that is all there is.

    Where the probe leaves open what tuning could reach and all else speaks for it, up to ``minutes`` go into a trial run; 0
    is none. Misuse for what is missing or malformed, EncoderFailed when the model breaks. Nothing is written that stays.
    """
    survey = surveyed(directory, encoder, split=split, seed=seed, progress=progress)
    reach = attainable(survey, seed=seed, progress=progress)
    failed = failures(survey, encoder, elsewhere=_failing_elsewhere(survey))
    taught = signal(survey, failed, asked=asked)
    tried: Trial | str | None = None
    if minutes and reach is not None and taught.passed and asked.bar is None and reach.open(asked.least_gap):
        tried = _tried(directory, encoder, survey=survey, minutes=minutes, seed=seed, progress=progress)
        if isinstance(tried, Trial):
            reach = reach.proven(tried.gain, whole=tried.whole)
    conditions = (gap(survey, reach, asked=asked), taught, worth(reach.gain if reach else None, asked=asked))
    cheaper = steps(survey, encoder)
    advice, reasons = _verdict(conditions, reach, failed, tried=tried, asked=asked)
    return Assessment(
        base=encoder.name,
        survey=survey,
        reach=reach,
        conditions=conditions,
        steps=cheaper,
        failures=failed,
        advice=advice,
        reasons=reasons,
        next_step=_next(
            advice,
            conditions,
            cheaper,
            hopeless=_hopeless(reach, asked),
            evenly=bool(failed.spread_evenly) and not _learnable(reach, tried),
        ),
        trial=tried if isinstance(tried, Trial) else None,
        warnings=(*_warnings(survey, reach, asked=asked), *_cut_short(tried)),
    )


def _tried(directory: Path, encoder: Encoder, *, survey: Survey, minutes: float, seed: int, progress: Progress) -> Trial | str:
    if not survey.lesson.queries:
        return "no trial run was possible: every judged query is measured, none is left to learn from; judge more"
    return trial(directory, encoder.name, survey=survey, minutes=minutes, seed=seed, progress=progress)


def _cut_short(tried: Trial | str | None) -> tuple[str, ...]:
    """Why no trial settled the question, where one was wanted."""
    if isinstance(tried, Trial) and not tried.whole:
        seen = f"the trial learnt from {tried.seen:,} of {tried.pairs:,} pairs in {tried.minutes:g} minutes"
        return (f"{seen}: too few to say what training cannot gain; give it longer with --minutes",)
    return (tried,) if isinstance(tried, str) else ()


def _failing_elsewhere(survey: Survey) -> int:
    """Queries of the lesson without an answer among the first five, by the fusion that the measured queries chose."""
    if not survey.lesson.queries:
        return 0
    lexical = survey.index.nearest([query.text for query in survey.lesson.queries], k=DEPTH)
    rows = fuse(lexical, survey.found_taught, by=survey.choice.fusion, k=10)
    return int(way(survey.lesson, rows).failed.sum())


def _verdict(
    conditions: tuple[Condition, ...],
    reach: Attainable | None,
    failed: Failures,
    *,
    tried: Trial | str | None,
    asked: Conditions,
) -> tuple[Advice, tuple[str, ...]]:
    """Train when all that was judged holds; leave it when something surely does not; else nobody can say yet."""
    reasons = [condition.reason for condition in conditions]
    unlearnable, learnable = _hopeless(reach, asked), _learnable(reach, tried)
    if unlearnable and reach is not None:
        reasons.append(f"nothing that training could use was found: its estimated gain is {reach.gain}")
    if failed.spread_evenly and not learnable:
        reasons.append("the failures have nothing in common: training is the wrong tool for errors that are spread evenly")
    elif learnable and not unlearnable:
        reasons.append(f"the vectors themselves can be improved: {learnable} on families that had no part in it")
    if any(condition.passed is False and not condition.open for condition in conditions) or unlearnable:
        return Advice.LEAVE, tuple(reasons)
    if any(condition.open for condition in conditions):
        return Advice.UNCLEAR, tuple(reasons)
    if failed.spread_evenly and not learnable:
        return Advice.LEAVE, tuple(reasons)
    return Advice.TRAIN, tuple(reasons)


def _learnable(reach: Attainable | None, tried: Trial | str | None) -> Interval | None:
    """What the base's vectors surely gained by learning, in the trial run or by the probe; None where nothing is sure."""
    gains = [*([tried.dense] if isinstance(tried, Trial) else []), *([reach.dense] if reach else [])]
    return next((gain for gain in gains if gain.low > 0), None)


def _hopeless(reach: Attainable | None, asked: Conditions) -> bool:
    return reach is not None and reach.gain.high < asked.least_gap


def _next(advice: Advice, conditions: tuple[Condition, ...], cheaper: tuple[Step, ...], *, hopeless: bool, evenly: bool) -> str:
    """One sentence: the cheapest thing that the figures speak for."""
    advised = [step for step in cheaper if step.advised]
    if advised:
        certain = [step for step in advised if not step.at_most]
        first = max(certain or advised, key=lambda step: step.gain)
        then = "; then train" if advice is Advice.TRAIN else ""
        return f"first {first.step}: {first.reason}{then}"
    lacking = {condition.name for condition in conditions if condition.passed is False and not condition.open}
    sentences = {
        "train: `transvase train`, and let `transvase evaluate` prove it on queries that had no part in it": advice
        is Advice.TRAIN,
        "read some failing queries: wrong judgments and questions that no record answers look like this": hopeless and evenly,
        "leave the model as it is": hopeless,
        "collect more judged queries: `transvase pairs` makes them from tickets, clicks and judgments": "signal" in lacking,
        "judge more queries to narrow the interval, or give a longer trial with --minutes": advice is Advice.UNCLEAR,
    }
    return next((sentence for sentence, holds in sentences.items() if holds), "leave the model as it is")


def _warnings(survey: Survey, reach: Attainable | None, *, asked: Conditions) -> tuple[str, ...]:
    found = []
    pairs = usable(survey.lesson if survey.lesson.queries else survey.data)
    if pairs < asked.overfitting_pairs:
        found.append(f"with {pairs:,} usable pairs, under {asked.overfitting_pairs:,}, a tuned model is likely to overfit")
    if len(survey.data.queries) < _FEW:
        found.append(f"{len(survey.data.queries)} measured queries make wide intervals; judge {_FEW} or more")
    if survey.leaked:
        found.append(f"{survey.leaked:,} training queries share a family with measured ones and were left out of the lesson")
    if survey.lesson.split == survey.data.split:
        found.append(f"only {survey.data.split}.tsv was found: its own queries stand for the training pairs, in folds by family")
    if reach is None:
        found.append("too few pairs for an estimate of what tuning could reach")
    return tuple(found)


def _figures(survey: Survey, name: str) -> dict[str, float]:
    found = survey.ways[name]
    sure = interval(found.ndcg, survey.families)
    return {metric: float(np.mean(values)) for metric, values in found.figures.items()} | {
        "ci_low": max(0.0, sure.low),
        "ci_high": min(1.0, sure.high),
    }
