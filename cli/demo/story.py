"""The demo from the first act to the last: furnish, adopt, train, judge, and move, then count what came of it."""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from transvase.adapters.postgres import connect
from transvase.adapters.postgres.embedded import start, stop
from transvase.core.encoders import load
from transvase.core.errors import BadValue
from transvase.core.ports import Encoder, Progress, Source, Store
from transvase.core.space import Role, Vectors
from transvase.migrations.adopt import adopt
from transvase.migrations.encoding import shared
from transvase.migrations.runner import Encoders

from . import corpus
from .check import mixing, survey
from .company import Company, Script
from .outcome import Outcome
from .pouring import Moved, pour
from .recall import Recalled, Remembering
from .schooling import Teacher, judge, school
from .stage import ALIAS, application, furnish
from .waits import Span, Timeline

BASE: Final = "builtin:minilm"
WARMING_S: Final = 3.0
"""Traffic before anything is measured: connections, caches and models are cold."""
ASKED: Final = 24
"""Different queries that the readers ask, all of them held out from training."""
NICE: Final = 5
"""Enough to go behind the application, little enough to get on beside a busy neighbour."""
_BLOCK: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the demo is told. ``minutes`` is the training's; the waits before the migration are measured for ``ordinary_s``."""

    records: int = 3_000
    minutes: float = 2.0
    seed: int = 1
    keep: Path | None = None
    ordinary_s: float = 15.0
    dwell_s: float = 4.0
    polite: bool = False
    """Whether this process may lower its own priority for good, so that the application goes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _House:
    """What stands before the traffic begins: the application's database, adopted, and the models loaded so far."""

    settings: Settings
    place: Path
    selection: corpus.Selection
    url: str
    store: Store
    encoders: Encoders
    memories: dict[str, Remembering]

    @property
    def tuned(self) -> str:
        """ENC of the model that is trained."""
        return str(self.place / "model")


def tell(settings: Settings, *, progress: Progress, teacher: Teacher = school) -> Outcome:
    """Run the whole demo and return what it measured; errors of the product are raised as they are."""
    started = time.monotonic()
    with _workplace(settings.keep) as place, _furnished(settings, place, progress=progress) as house:
        schooled = teacher(
            place / "training", Path(house.tuned), base=BASE, minutes=settings.minutes, seed=settings.seed, progress=progress
        )
        timeline = Timeline()
        ordinary, moved = _move(house, timeline, progress=progress)
        ledger = moved.ledger
        progress("recomputing every score", 0, 0)
        with application(house.url, name="count") as connection:
            at_the_end = survey(connection, ledger.final(), house.memories[house.tuned])
        recalled = [Recalled(house.memories[enc]) for enc in (BASE, house.tuned)]
        documents = house.selection.documents
        return Outcome(
            quality=judge(place / "judging", recalled, schooled=schooled, documents=documents, progress=progress),
            records=moved.rows,
            rows_per_s=moved.rows_per_s,
            dimensions=moved.dimensions,
            ordinary=ordinary,
            spans=timeline.spans,
            operations=tuple(ledger.operations),
            failures=tuple(ledger.failures),
            refusals=tuple(ledger.refusals),
            stranger=moved.stranger,
            switches_ms=moved.switches_ms,
            slowed=moved.slowed,
            samples=moved.samples,
            mixing=mixing(ledger, {memory.space.id: memory for memory in house.memories.values()}),
            survey=at_the_end,
            after_rollback=moved.after_rollback,
            seconds=time.monotonic() - started,
        )


@contextlib.contextmanager
def _furnished(settings: Settings, place: Path, *, progress: Progress) -> Iterator[_House]:
    """Choose the documents, fill the application's table with vectors of the base model, and adopt it."""
    progress("reading the installed packages", 0, 0)
    selection = corpus.select(settings.records, seed=settings.seed)
    corpus.write(selection, place / "training", splits=("train", "dev"))
    corpus.write(selection, place / "judging", splits=("train", "dev", "test"))
    memories: dict[str, Remembering] = {}
    encoders = shared(lambda enc: memories.setdefault(enc, Remembering(load(enc))))
    vectors = _encoded(encoders(BASE), [document.body for document in selection.documents], progress=progress)
    progress("starting Postgres", 0, 0)
    server = f"embedded:{place / 'postgres'}"
    url = start(server)
    with contextlib.ExitStack() as ending:
        ending.callback(stop, server)
        store = ending.enter_context(contextlib.closing(connect(url)))
        with application(url, name="setting up") as connection:
            furnish(connection, selection.documents, vectors)
        source = Source(table="public.documents", key=("id",), text="body", vector="embedding")
        adopt(store, ALIAS, source=source, encoder=BASE, encoders=encoders, progress=progress)
        yield _House(
            settings=settings, place=place, selection=selection, url=url, store=store, encoders=encoders, memories=memories
        )


def _move(house: _House, timeline: Timeline, *, progress: Progress) -> tuple[Span, Moved]:
    """Start the application, let it work as it ordinarily does, move its index, and end it whatever happens."""
    settings, documents = house.settings, house.selection.documents
    rng = random.Random(settings.seed)  # noqa: S311 - the draw must be repeatable, not secret
    asked = rng.sample(house.selection.test, min(ASKED, len(house.selection.test)))
    queries = tuple(documents[row].query for row in asked)
    progress("starting the application", 0, 0)
    company = Company(Script(conninfo=house.url, documents=documents, queries=queries, base=BASE, seed=settings.seed))
    try:
        if settings.polite:
            step_back()
        ordinary = _ordinary(company, settings.ordinary_s, progress=progress)
        moved = pour(
            house.store,
            house.url,
            base=BASE,
            tuned=house.tuned,
            encoders=house.encoders,
            memories=house.memories,
            company=company,
            timeline=timeline,
            dwell_s=settings.dwell_s,
            progress=progress,
        )
    finally:
        company.kill()
    return ordinary, moved


def step_back() -> None:
    """Let the application go first: every thread of this process takes a lower priority, as an operator would do."""
    for thread in Path("/proc/self/task").glob("*"):
        with contextlib.suppress(OSError):  # a thread that has just ended
            os.setpriority(os.PRIO_PROCESS, int(thread.name), NICE)


def _ordinary(company: Company, seconds: float, *, progress: Progress) -> Span:
    """Start the traffic and let it run as it will all along: the measure for what the migration adds."""
    company.start()
    progress("measuring ordinary waits", 0, 0)
    time.sleep(WARMING_S)
    began = time.monotonic()
    time.sleep(seconds)
    return Span("ordinary", began, time.monotonic())


def _encoded(encoder: Encoder, texts: list[str], *, progress: Progress) -> Vectors:
    import numpy as np

    parts = []
    for done in range(0, len(texts), _BLOCK):
        progress("encoding with the base model", done, len(texts))
        parts.append(encoder.encode(texts[done : done + _BLOCK], Role.DOCUMENT).matrix)
    progress("encoding with the base model", len(texts), len(texts))
    return Vectors(encoder.space, np.concatenate(parts))


@contextlib.contextmanager
def _workplace(keep: Path | None) -> Iterator[Path]:
    """A directory for all that the demo makes: the one that was named, new or empty, or one that goes afterwards."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="transvase-demo-", ignore_cleanup_errors=True) as place:
            yield Path(place)
        return
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise BadValue("--keep", str(keep), why="name a directory that does not exist yet, or an empty one")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep.resolve()
