"""Which parts of the queries get a figure of their own."""

from __future__ import annotations

from transvase.core.evaluation import Document, Judged, Query
from transvase.core.evaluation.lexical import Lexical
from transvase.core.evaluation.slices import slices, slices_of


def collection(*, family: int = 100) -> Judged:
    """A hundred queries; every other answer is about linux, every fourth query has a code, the first ``family`` are kin."""
    documents = tuple(
        Document(
            f"d{n}",
            "",
            f"plain words ERR_{n} more" if n % 4 == 0 else "plain words more",
            {"platform": "linux" if n % 2 else "osx", "family": n},
        )
        for n in range(100)
    )
    queries = tuple(
        Query(
            f"q{n}",
            f"plain words ERR_{n}" if n % 4 == 0 else "plain words" if n % 4 == 1 else "plain zebra",
            {"family": "f" if n < family else f"g{n}"},
        )
        for n in range(100)
    )
    return Judged("test", documents, queries, {f"q{n}": {f"d{n}": 2.0, f"d{(n + 1) % 100}": 1.0} for n in range(100)})


def test_the_best_answers_metadata_makes_slices() -> None:
    found = slices_of(collection(), lexical=None, trained=None)

    assert found["answer platform: linux"] == list(range(1, 100, 2))
    assert found["answer platform: osx"] == list(range(0, 100, 2))
    assert not any(name.startswith("answer family") for name in found)


def test_families_are_slices_where_they_are_large_enough() -> None:
    assert slices_of(collection(family=30), lexical=None, trained=None)["family: f"] == list(range(30))
    assert not any(name.startswith("family") for name in slices_of(collection(family=10), lexical=None, trained=None))
    assert not any(name.startswith("family") for name in slices_of(collection(), lexical=None, trained=None)), "it holds all"


def test_codes_rare_and_unknown_words_are_slices() -> None:
    data = collection()
    found = slices_of(data, lexical=Lexical([document.content for document in data.documents]), trained=None)

    assert found["words: with a code"] == list(range(0, 100, 4))
    assert found["words: one in 3 records or fewer"] == list(range(0, 100, 4))
    assert found["words: one in no record"] == [n for n in range(100) if n % 4 > 1]


def test_head_and_tail_are_told_by_what_training_has_seen_of_the_answers() -> None:
    trained = {f"d{n}": 7 if n < 30 else 2 for n in range(60)}
    found = slices_of(collection(), lexical=None, trained=trained)

    assert found["head: answers with 5 training pairs or more"] == [*range(30), 99]
    assert found["middle: answers with 1 to 4 training pairs"] == list(range(30, 60))
    assert found["tail: answers without a training pair"] == list(range(60, 99))


def test_slices_of_queries_alone_are_lengths_and_metadata() -> None:
    queries = tuple(
        Query(f"q{n}", "one two three four five"[: 3 + n % 2 * 20], {"team": n % 2, "id": f"x{n}"}) for n in range(60)
    )

    assert set(slices(queries)) == {"length: 1–3 words", "length: 4–8 words", "team: 0", "team: 1"}
    assert slices(queries[:30]) == {}
