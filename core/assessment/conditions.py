"""The three conditions under which training pays, each with its figures, its threshold and a sentence that says why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from transvase.core.evaluation.judged import Judged
from transvase.core.likeness import normal

from .attainable import Attainable
from .clusters import Failures
from .intervals import Interval, interval
from .settings import Conditions
from .survey import Survey

Figure = float | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition; ``passed`` is None where it could not be judged, ``open`` where it may hold and is not proven."""

    name: str
    measured: float | None
    threshold: float
    passed: bool | None
    open: bool
    reason: str
    figures: Mapping[str, Figure]

    def as_json(self) -> dict[str, object]:
        """All of it."""
        return {
            "measured": self.measured,
            "threshold": self.threshold,
            "passed": self.passed,
            "open": self.open,
            "reason": self.reason,
            "figures": dict(self.figures),
        }


def gap(survey: Survey, reach: Attainable | None, *, asked: Conditions) -> Condition:
    """The best way of searching without training against the quality bar: the lower end of their distance counts."""
    best = survey.best
    now = interval(survey.ways[best].ndcg, survey.families)
    figures: dict[str, Figure] = {"best": best, "best_ndcg@10": now.mean}
    if asked.bar is not None:
        far = Interval(asked.bar - now.mean, asked.bar - now.high, asked.bar - now.low)
        bar, ceiling = f"the bar of {asked.bar:.3f} that was set", far.high
    elif reach is not None:
        far = reach.gain
        bar = f"{reach.bar:.3f}, what tuning is estimated to reach with {reach.pairs:,} pairs"
        ceiling = reach.ceiling
    else:
        return Condition(
            name="gap",
            measured=None,
            threshold=asked.least_gap,
            passed=None,
            open=True,
            reason="too few pairs to estimate what tuning could reach; name the quality you want with --bar",
            figures=figures,
        )
    figures |= {"bar": now.mean + far.mean, "gap": far.mean, "ci_low": far.low, "ci_high": far.high}
    passed = far.low > asked.least_gap
    open_ = not passed and ceiling > asked.least_gap
    if passed or open_ or far.high <= asked.least_gap:
        judged = f"the lower end is {'' if passed else 'not surely ' if open_ else 'not '}above {asked.least_gap:.3f}"
    else:
        judged = f"after a real training run it is likelier below {asked.least_gap:.3f} than above"
    return Condition(
        name="gap",
        measured=far.low,
        threshold=asked.least_gap,
        passed=passed,
        open=open_,
        reason=f"{best} stands at {now.mean:.3f} NDCG@10, {far} below {bar}: {judged}",
        figures=figures,
    )


def signal(survey: Survey, failed: Failures, *, asked: Conditions) -> Condition:
    """Pairs that could teach, and failing queries that show what is to be learnt."""
    source = survey.lesson if survey.lesson.queries else survey.data
    pairs = usable(source)
    enough, seen = pairs >= asked.usable_pairs, failed.seen >= asked.failing_queries
    reason = f"{pairs:,} usable pairs ({asked.usable_pairs:,} needed)"
    reason += f" and {failed.seen:,} failing queries seen ({asked.failing_queries:,} needed)"
    return Condition(
        name="signal",
        measured=float(pairs),
        threshold=float(asked.usable_pairs),
        passed=enough and seen,
        open=False,
        reason=reason,
        figures={
            "pairs": float(pairs),
            "failing_seen": float(failed.seen),
            "failing_needed": float(asked.failing_queries),
            "from": source.split,
        },
    )


def worth(expected: Interval | None, *, asked: Conditions) -> Condition:
    """Whether the lift pays for a model of one's own: by who looks after it, and by what answered searches are worth.

    A lift of 0.01 NDCG@10 is counted as one more search in a hundred answered; its lower end is what is counted.
    """
    reasons, judged = [], []
    if asked.maturity is not None:
        ready = asked.maturity.rank >= asked.least_maturity.rank
        judged.append(ready)
        needed = "" if ready else f", and a model of one's own needs {_kept(asked.least_maturity)}"
        reasons.append(f"search quality is {_kept(asked.maturity)}{needed}")
    money, lift = (asked.searches_per_month, asked.value_per_search, asked.upkeep_per_month), None
    if expected is not None and None not in money:
        searches, value, upkeep = (figure or 0.0 for figure in money)
        lift = searches * value * max(0.0, expected.low)
        judged.append(lift >= upkeep)
        reasons.append(f"{searches:,.0f} searches a month would be worth {lift:,.2f} more, the upkeep costs {upkeep:,.2f}")
    elif any(figure is not None for figure in money):
        reasons.append(
            "the value was not judged: searches, their value and the upkeep are needed, all three, and an estimated lift"
        )
    if not reasons:
        reasons.append("not judged: name --maturity, or --searches-per-month, --value-per-search and --upkeep-per-month")
    return Condition(
        name="worth",
        measured=lift,
        threshold=asked.upkeep_per_month or 0.0,
        passed=all(judged) if judged else None,
        open=False,
        reason="; ".join(reasons),
        figures={"maturity": str(asked.maturity) if asked.maturity else None, "value_per_month": lift},
    )


def usable(judged: Judged) -> int:
    """Pairs that are left when empty texts and pairs that say the same again are taken out."""
    texts = {document.id: normal(document.content) for document in judged.documents}
    asked = {query.id: normal(query.text) for query in judged.queries}
    pairs = {(asked[query], texts[document]) for query in asked for document, grade in judged.grades[query].items() if grade > 0}
    return sum(1 for question, text in pairs if question and text)


def _kept(maturity: object) -> str:
    words = {
        "nobody": "nobody's work",
        "measured": "measured now and then",
        "owned": "somebody's own work",
        "routine": "routine, retraining included",
    }
    return words[str(maturity)]
