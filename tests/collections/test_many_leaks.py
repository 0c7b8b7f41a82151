"""Leaks in collections of thousands of queries: all planted ones are found, nobody else is accused, and it stays cheap."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from pathlib import Path

import pytest
from transvase.core.evaluation import Query
from transvase.core.signal.leaks import FAMILY, NEAR, SAME, SESSION, find_leaks, leaks_between

TLDR = Path(__file__).parents[3] / "shared" / "data" / "tldr"


def test_of_very_many_planted_leaks_all_are_found_and_no_other_query_is_accused() -> None:
    """Three hundred of five kinds among five thousand queries, the words changed as people change them."""
    rng = random.Random(7)
    words = [f"word{number}" for number in range(3_000)]
    texts = [rng.sample(words, 10) for _ in range(2_500)]
    train = [
        Query(f"a{n}", " ".join(text), {"session": f"s{n}", "family": f"f{n}"} if n % 2 else {}) for n, text in enumerate(texts)
    ]
    test, planted = [Query(f"b{n}", " ".join(rng.sample(words, 10)), {}) for n in range(2_500)], defaultdict(set)
    for number in range(300):
        taught = train[number * 8 + number % 2]
        held = texts[number * 8 + number % 2]
        kind = (SAME, NEAR, NEAR, FAMILY, SESSION)[number % 5] if taught.metadata else (SAME, NEAR, NEAR)[number % 3]
        told = {
            SAME: f"  {taught.text.upper()}? ",
            NEAR: " ".join(rng.sample(held, 10) if number % 2 else [*held[:9], "other"]),
        }.get(kind, test[number].text)
        metadata = {kind: taught.metadata[kind]} if kind in (FAMILY, SESSION) else {}
        test[number] = Query(f"b{number}", told, metadata)
        planted[kind].add(f"b{number}")
    splits = {"train": {query.id: {query.id} for query in train}, "test": {query.id: {query.id} for query in test}}

    leaks = leaks_between([*train, *test], splits)

    assert {kind: len(found) for kind, found in planted.items()} == dict(leaks.leaks)
    assert not leaks.remarks


def test_thousands_of_equal_texts_stay_cheap() -> None:
    """Each with each would be 16 million comparisons."""
    queries = [Query(f"q{number}", "the very same words", {}) for number in range(8_000)]
    splits = {"train": {f"q{n}": set() for n in range(4_000)}, "test": {f"q{n}": set() for n in range(4_000, 8_000)}}
    began = time.process_time()

    assert dict(leaks_between(queries, splits).leaks) == {SAME: 4_000}
    assert time.process_time() - began < 3


@pytest.mark.skipif(not TLDR.exists(), reason="the shared collection is not there")
def test_a_collection_whose_families_are_disjoint_leaks_nothing() -> None:
    leaks = find_leaks(TLDR)

    assert not leaks.leaking
    assert dict(leaks.splits) == {"train": 8_000, "dev": 400, "test": 1_500}
