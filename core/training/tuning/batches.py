"""Which rows stand together in a batch: none twice, none with a family-mate, and replayed rows only among their own.

The library's own sampler without duplicates compares texts, so it cannot know that another wording of a question has the same
answer; it also runs short where many rows share a text. This one compares numbers and always gives every row once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np


def arrange(
    blockers: Sequence[tuple[int, ...]], groups: Sequence[int], *, size: int, seed: int, epoch: int, multiple: int = 1
) -> list[list[int]]:
    """Every row once, in batches of at most ``size`` that are about equally full, in an order drawn anew each epoch.

    No two rows of a batch share a number of their ``blockers``, as long as that can be kept; where too many share one, the
    loss masks what it knows to be an answer. The count of batches depends on nothing but sizes, and is a multiple of
    ``multiple`` (batches are repeated from the front), so that several processes get as many each.
    """
    rng = np.random.default_rng([seed, epoch])
    order, result = rng.permutation(len(blockers)), list[list[int]]()
    for group in sorted(set(groups)):
        result += _dealt([int(row) for row in order if groups[int(row)] == group], blockers, size=size)
    shuffled = [result[int(place)] for place in rng.permutation(len(result))]
    return shuffled + [shuffled[place % len(shuffled)] for place in range(-len(shuffled) % multiple)]


def _dealt(rows: Sequence[int], blockers: Sequence[tuple[int, ...]], *, size: int) -> list[list[int]]:
    """Like cards: rows that share their commonest number with most others first, one to each batch in turn.

    A row that may not join the batch whose turn it is goes to the next that it may join.
    """
    count = -(-len(rows) // size)
    common = Counter(number for row in rows for number in blockers[row])
    crowd = {row: max((common[number], number) for number in blockers[row]) for row in rows}
    batches = [list[int]() for _ in range(count)]
    taken = [set[int]() for _ in range(count)]
    for turn, row in enumerate(sorted(rows, key=lambda row: crowd[row], reverse=True)):
        places = [(turn + step) % count for step in range(count)]
        free = (place for place in places if len(batches[place]) < size and taken[place].isdisjoint(blockers[row]))
        place = next(free, None)
        if place is None:
            place = next(place for place in places if len(batches[place]) < size)
        batches[place].append(row)
        taken[place].update(blockers[row])
    return batches


def sampler(blockers: Sequence[tuple[int, ...]], groups: Sequence[int], *, seed: int, multiple: int) -> Callable[..., Any]:
    """What the Trainer takes as ``batch_sampler``: a function that makes the sampler for a dataset of these rows."""
    from sentence_transformers.base.sampler import DefaultBatchSampler

    class Arranged(DefaultBatchSampler):  # type: ignore[misc]  # the library is not typed
        """Hands out what ``arrange`` gives for the Trainer's epoch."""

        def __iter__(self) -> Iterator[list[int]]:
            yield from arrange(blockers, groups, size=self.batch_size, seed=seed, epoch=self.epoch, multiple=multiple)

        def __len__(self) -> int:
            sizes = np.unique(np.asarray(groups), return_counts=True)[1]
            batches = sum(-(-int(count) // int(self.batch_size)) for count in sizes)
            return batches + -batches % multiple

    def make(
        dataset: Any, *, batch_size: int, drop_last: bool, valid_label_columns: Any = None, generator: Any = None, seed: int = 0
    ) -> Arranged:
        return Arranged(dataset, batch_size, drop_last, valid_label_columns, generator, seed)

    return make
