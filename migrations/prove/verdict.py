"""``prove``: all checks of the target, bound into a verdict that lapses when what it judged changes."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from transvase.core.errors import NotReady
from transvase.core.migration import Facts, Migration, Move, Phase, permit
from transvase.core.ports import Progress, Store
from transvase.core.verdict import Finding, Verdict

from ..runner import Encoders, latest, observe, overtaken, record, silent, stand
from ..sync import Worker
from .counts import counts
from .gaps import gaps
from .latency import latency
from .likeness import likeness
from .outbox import outbox
from .recall import recall
from .recompute import recompute
from .sane import sane
from .scene import Scene, survey

CHECKS: Final[tuple[Callable[[Scene], Finding], ...]] = (counts, gaps, sane, likeness, recompute, recall, outbox, latency)
"""Every check, in the order in which they are made and shown."""


def prove(store: Store, alias: str, *, encoders: Encoders, seed: int | None = None, progress: Progress = silent) -> Verdict:
    """Check the target and keep the verdict if it passed; one that did not is returned and noted, and the phase stays.

    A migration that is proven already is proven anew. ``seed`` fixes the sample, which is otherwise drawn afresh.
    """
    store.alias(alias)
    with store.hold(alias):
        return proven(store, alias, encoders=encoders, worker=Worker(store, alias, encoders), seed=seed, progress=progress)


def proven(
    store: Store, alias: str, *, encoders: Encoders, worker: Worker, seed: int | None = None, progress: Progress
) -> Verdict:
    """As ``prove``, for a caller that holds the alias."""
    found = latest(store, alias, verb=Move.PROVE)
    if found.phase is Phase.PROVEN and overtaken(found, store.alias(alias).live.name) is None:
        record(store, found, Move.LAPSE, {"why": "proven anew"})
    migration, _ = stand(store, alias, Move.PROVE)
    permit(migration, Move.PROVE, observe(store, migration))
    store.liken(alias, migration.target)  # what it brings along is part of what is judged
    before = observe(store, migration)
    drawn = secrets.randbits(31) if seed is None else seed
    scene = survey(store, migration, encoders=encoders, worker=worker, seed=drawn, progress=progress)
    verdict = _judge(scene, before)
    facts = {"passed": verdict.passed, "seed": drawn, "findings": [finding.as_json() for finding in verdict.findings]}
    if verdict.passed:
        record(store, migration, Move.PROVE, facts, verdict=verdict)
    else:
        store.journal.note(alias, "prove failed", facts)
    return verdict


def sentence(verdict: Verdict) -> str:
    """Why a verdict did not pass, in one sentence."""
    return "the verdict did not pass: " + "; ".join(f"{finding.check}: {finding.detail}" for finding in verdict.failures)


def _judge(scene: Scene, before: Facts) -> Verdict:
    findings: list[Finding] = []
    for check in CHECKS:
        scene.progress(f"checking {check.__name__}", len(findings), len(CHECKS))
        findings.append(check(scene))
    if _witness(scene.store, scene.migration) != before.witness:
        raise NotReady(Move.PROVE, "an index or its settings changed while they were being judged; prove again")
    return Verdict(tuple(findings), before.witness, datetime.now(UTC).isoformat(timespec="seconds"))


def _witness(store: Store, migration: Migration) -> str:
    return store.witness(migration.alias, migration.target)
