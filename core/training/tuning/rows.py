"""The rows that one fine-tuning is taught: which pairs, with which mined negatives, and what is taught beside them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from transvase.core.training.ladder import Rung
from transvase.core.training.lessons.crops import Crop, crops_of
from transvase.core.training.lessons.mining import Mining, mined_table
from transvase.core.training.lessons.pairs import Pair, answers_read
from transvase.core.training.lessons.table import Table, build, known_wrong, with_crops, with_replay
from transvase.core.training.plan import BATCHES, MINED_A_TEXT, MINING_SHARE, MOST_POOL, QUESTION
from transvase.core.training.settings import TrainSettings
from transvase.core.training.weights.shelf import Shelf
from transvase.core.training.workshop import Workshop


def rows_of(shop: Workshop, *, rung: Rung, seconds: float, replayed: list[tuple[str, str]]) -> Table:
    """Pairs with their negatives, crops of the corpus in the first fine-tuning, and replayed pairs in batches of their own.

    ``seconds`` is what the whole fine-tuning may take. What is mined is mined with the weights of this moment.
    """
    began = shop.clock.elapsed
    pairs = _pairs(shop, rung=rung)
    table = _with_negatives(shop, pairs, rung=rung)
    table = with_crops(table, _crops(shop, rung=rung, seconds=seconds - (shop.clock.elapsed - began)))
    shop.facts[f"{rung} pairs"] = len(pairs)
    return with_replay(table, replayed)


def _pairs(shop: Workshop, *, rung: Rung) -> list[Pair]:
    """All pairs, but for a second pass under a budget: every pair that is mined for is two texts more to encode, both short."""
    pairs = list(shop.lesson.pairs)
    if rung is Rung.TUNE or shop.clock.budget_s is None:
        return pairs
    most = max(4 * BATCHES[0], int(shop.clock.share(MINING_SHARE) * shop.texts_per_s * MINED_A_TEXT))
    if len(pairs) <= most:
        return pairs
    return [pairs[row] for row in np.random.default_rng(shop.settings.seed).permutation(len(pairs))[:most]]


def _crops(shop: Workshop, *, rung: Rung, seconds: float) -> list[Crop]:
    """Crops for the first fine-tuning, as many as are asked for and as the time allows beside one pass over the pairs."""
    pairs = len(shop.lesson.pairs)
    spare = shop.answers_in(seconds, asked=0) - answers_read(shop.lesson.pairs) - QUESTION * pairs  # in the time of an answer
    wanted = int(min(shop.settings.crops * pairs, spare / (1 + QUESTION)))
    if rung is not Rung.TUNE or wanted < 1:
        return []
    crops = crops_of(shop.lesson, count=wanted, seed=shop.settings.seed)
    shop.facts["crops"] = len(crops)
    return crops


def _with_negatives(shop: Workshop, pairs: list[Pair], *, rung: Rung) -> Table:
    """Rows with mined negatives. Under a budget the first fine-tuning does without: pairs not seen yet teach more for the time.

    Measured on command-line pages: one mined negative took 28 % more time and gained 0.003; four times the pairs gained 0.016.
    Under a budget an answer's questions share their negatives in a batch: three times the rows in the same time.
    """
    settings, table = shop.settings, build(shop.lesson, pairs)
    known = known_wrong(shop.lesson, table, pairs)
    count = max(settings.negatives, 1 if any(known) else 0)
    if not count or (rung is Rung.TUNE and not any(known) and not _needed(settings)):
        return table
    seconds = shop.clock.share(MINING_SHARE)
    unbounded = not math.isfinite(seconds)
    mining = Mining(
        count=count,
        pool=MOST_POOL if unbounded else int(seconds * shop.texts_per_s * MINED_A_TEXT - QUESTION * len(pairs)),
        seconds=seconds,
        lexical=True,
        seed=settings.seed,
    )
    shelf = shop.shelf if rung is Rung.TUNE else Shelf(shop.learner, length=settings.train_length)
    table, pool = mined_table(table, shelf, mining=mining, known=known, directory=shop.run.path, progress=shop.progress)
    shop.facts |= {f"{rung} mined from": pool, "negatives": count}
    return replace(table, shared=shop.clock.budget_s is not None and not any(known) and not _weighed(settings))


def _needed(settings: TrainSettings) -> bool:
    """Whether the first fine-tuning mines too: with time enough, and where a row's documents are compared among themselves."""
    return settings.minutes is None or _weighed(settings)


def _weighed(settings: TrainSettings) -> bool:
    """Whether a row's own documents are compared among themselves, so that each row needs its own negatives."""
    return settings.teacher is not None or settings.loss == "triplet"
