"""Which rows stand together in a batch: all questions for one answer, look-alikes beside each other, no two of one family.

An answer is read once for all of its questions that stand in the batch, and reading answers is most of an update. Answers that
the same words point to stand together, so that the other answers of a batch are no easy ones. The library's samplers compare
texts, so they cannot know that another wording of a question has the same answer; this one compares numbers and always gives
every row once. Figures in docs/training.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from transvase.core.training.lessons.pairs import ASKED
from transvase.core.training.lessons.table import Stake

THREAD: Final = 8
"""A batch's answers stand together with their look-alikes in threads of one in so many of them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What batches are made of: each row's stake, and the answers that each row's question might be mistaken to ask for."""

    stakes: Sequence[Stake]
    alike: Sequence[Sequence[int]]
    """One a row: answers by number, the likest first; empty where nobody looked."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """Rows of one answer that stand together, and the families that they keep away."""

    rows: tuple[int, ...]
    answer: int
    families: frozenset[int]


@dataclass(slots=True)
class _Batch:
    """A batch while it fills."""

    size: int
    units: list[_Unit]
    answers: set[int]
    families: set[int]

    def takes(self, units: Sequence[_Unit]) -> bool:
        """Whether all of them fit in, beside those that are there and beside each other."""
        return len(self.units) + len(units) <= self.size and all(
            unit.answer not in self.answers and self.families.isdisjoint(unit.families) for unit in units
        )

    def add(self, units: Sequence[_Unit]) -> None:
        """Take them, whatever they are."""
        self.units += units
        for unit in units:
            self.answers.add(unit.answer)
            self.families |= unit.families


def count(stakes: Sequence[Stake], *, size: int) -> int:
    """Batches of ``size`` answers in one pass over the rows."""
    units = Counter[int]()
    for (group, _), rows in Counter((stake.group, stake.answer) for stake in stakes).items():
        units[group] += -(-rows // ASKED)
    return sum(-(-number // size) for number in units.values())


def arrange(plan: Plan, *, size: int, seed: int, epoch: int, multiple: int = 1) -> list[list[int]]:
    """Every row once, in batches of at most ``size`` answers, in an order drawn anew each epoch.

    No two answers of a batch have questions of one family, as long as that can be kept; where too many are of one, the loss
    masks what it knows to be an answer. There are as many batches as ``count`` says, made a multiple of ``multiple`` (batches are
    repeated from the front), so that several processes get as many each.
    """
    rng = np.random.default_rng([seed, epoch])
    order, result = rng.permutation(len(plan.stakes)).tolist(), list[list[int]]()
    for group in sorted({stake.group for stake in plan.stakes}):
        units = _units(plan, [row for row in order if plan.stakes[row].group == group])
        threads = _threads(plan, units, length=max(1, size // THREAD))
        result += [[row for unit in batch.units for row in unit.rows] for batch in _dealt(threads, size=size)]
    shuffled = [result[int(place)] for place in rng.permutation(len(result))]
    return shuffled + [shuffled[place % len(shuffled)] for place in range(-len(shuffled) % multiple)]


def _units(plan: Plan, rows: Sequence[int]) -> list[_Unit]:
    """Rows by their answers, at most ``ASKED`` in one, in the order of the rows."""
    open_ones: defaultdict[int, list[list[int]]] = defaultdict(list)
    found: list[list[int]] = []
    for row in rows:
        parts = open_ones[plan.stakes[row].answer]
        if not parts or len(parts[-1]) == ASKED:
            parts.append([])
            found.append(parts[-1])
        parts[-1].append(row)
    return [_Unit(tuple(part), plan.stakes[part[0]].answer, frozenset(plan.stakes[row].family for row in part)) for part in found]


def _threads(plan: Plan, units: Sequence[_Unit], *, length: int) -> list[list[_Unit]]:
    """The units in threads of up to ``length``: the next free one, then what its questions might be mistaken to ask for."""
    at: defaultdict[int, list[_Unit]] = defaultdict(list)
    for unit in units:
        at[unit.answer].append(unit)
    taken, threads = set[_Unit](), list[list[_Unit]]()
    for unit in units:
        if unit in taken:
            continue
        thread = _Batch(length, [], set(), set())
        thread.add([unit])
        for answer in _alike(plan, unit):
            free = next((other for other in at.get(answer, ()) if other not in taken), None)
            if free is not None and thread.takes([free]):
                thread.add([free])
        taken.update(thread.units)
        threads.append(thread.units)
    return threads


def _alike(plan: Plan, unit: _Unit) -> Iterator[int]:
    """The first choices of all its questions, then their second ones, and so on."""
    lists = [plan.alike[row] for row in unit.rows]
    for place in range(max(map(len, lists))):
        yield from (answers[place] for answers in lists if place < len(answers))


def _dealt(threads: Sequence[list[_Unit]], *, size: int) -> list[_Batch]:
    """Like cards: a thread to each batch in turn, those of the largest families first, for they are hardest to place.

    A thread that may not join the batch whose turn it is goes to the next that it may join; one that may join none is parted.
    """
    count = -(-sum(map(len, threads)) // size)
    batches = [_Batch(size, [], set(), set()) for _ in range(count)]
    common = Counter(family for thread in threads for unit in thread for family in unit.families)
    crowd = [max((common[family], family) for unit in thread for family in unit.families) for thread in threads]
    order = sorted(range(len(threads)), key=lambda place: crowd[place], reverse=True)
    for turn, place in enumerate(order):
        ahead = [batches[(turn + step) % count] for step in range(count)]
        whole = next((batch for batch in ahead if batch.takes(threads[place])), None)
        if whole is not None:
            whole.add(threads[place])
            continue
        for unit in threads[place]:
            fit = next((batch for batch in ahead if batch.takes([unit])), None)
            (fit or next(batch for batch in ahead if len(batch.units) < size)).add([unit])
    return batches


def sampler(plan: Plan, *, seed: int, multiple: int) -> Callable[..., Any]:
    """What the Trainer takes as ``batch_sampler``: a function that makes the sampler for a dataset of these rows."""
    from sentence_transformers.base.sampler import DefaultBatchSampler

    class Arranged(DefaultBatchSampler):  # type: ignore[misc]  # the library is not typed
        """Hands out what ``arrange`` gives for the Trainer's epoch."""

        def __iter__(self) -> Iterator[list[int]]:
            yield from arrange(plan, size=self.answers, seed=seed, epoch=self.epoch, multiple=multiple)

        def __len__(self) -> int:
            batches = count(plan.stakes, size=self.answers)
            return batches + -batches % multiple

    def make(
        dataset: Any, *, batch_size: int, drop_last: bool, valid_label_columns: Any = None, generator: Any = None, seed: int = 0
    ) -> Arranged:
        made = Arranged(dataset, batch_size, drop_last, valid_label_columns, generator, seed)
        made.answers = batch_size
        made.batch_size = None  # accelerate drops batches that have not exactly that many rows
        return made

    return make
