"""Whose clicks count: what programs and accidents left in a log is taken out before anything is estimated from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from transvase.core.errors import BadValue
from transvase.core.signal.harvest import Tally

from .log import Flags, Integers, Log

_LEAST_EVENTS: Final = 10
"""Lists in a visit before its rate says anything."""

_LEAST_CLICKS: Final = 5
"""Clicks in a visit before their dwell says anything."""

_LEAST_RESULTS: Final = 20
"""Results in a visit before a click on each of them says anything."""

_GLANCE_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sieve:
    """From when on a visit is not a person's: lists in it, and lists a minute."""

    most_per_visit: int = 200
    most_per_minute: float = 30.0


def sift(log: Log, *, sieve: Sieve, tally: Tally) -> Log:
    """The log without visits of robots; BadValue when nothing clicked is left."""
    visit = log.visits()
    size = int(visit.max()) + 1
    lists = np.bincount(visit, minlength=size)
    minutes = _spans(log, visit, size) / 60
    owner = visit[log.of]
    results = np.bincount(owner, minlength=size)
    clicks = np.bincount(owner, weights=log.clicked, minlength=size)
    stays = _stays(log, owner, size)
    reasons = (
        ("robot: too many queries in a visit", lists > sieve.most_per_visit),
        ("robot: queries faster than a person", (lists >= _LEAST_EVENTS) & (lists - 1 > sieve.most_per_minute * minutes)),
        ("robot: clicks everything", (results >= _LEAST_RESULTS) & (clicks == results)),
        ("robot: stays nowhere", stays),
    )
    kept = np.ones(len(log.query), dtype=bool)
    for reason, robots in reasons:
        for row in np.flatnonzero(robots[visit] & kept).tolist():
            tally.drop(reason, log.place(row))
        kept &= ~robots[visit]
    sifted = log.keeping(kept)
    if not sifted.clicked.any():
        counted = "; ".join(f"{reason}: {count}" for reason, (count, _) in tally.reasons.items())
        raise BadValue("log", log.file, why=f"no click of a person is left ({counted}); check session and time, or the bounds")
    return sifted


def _spans(log: Log, visit: Integers, size: int) -> Integers:
    first, last = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(first, visit, log.time)
    np.maximum.at(last, visit, log.time)
    return np.asarray(last - first)


def _stays(log: Log, owner: Integers, size: int) -> Flags:
    """Visits that clicked often and never stayed, where the log knows how long anybody stayed at all."""
    if not (log.dwell >= _GLANCE_S).any():
        return np.zeros(size, dtype=bool)
    timed = log.clicked & ~np.isnan(log.dwell)
    clicks = np.bincount(owner, weights=timed, minlength=size)
    glances = np.bincount(owner, weights=timed & (log.dwell < _GLANCE_S), minlength=size)
    return np.asarray((clicks >= _LEAST_CLICKS) & (glances == clicks))
