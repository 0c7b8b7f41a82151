"""What is left out of a harvest, and that it is counted with its place."""

from __future__ import annotations

from dataclasses import replace

import pytest
from gleanings import harvest, sentence
from transvase.core.errors import BadValue
from transvase.core.signal.cleaning import Rules, clean
from transvase.core.signal.harvest import Harvest, Judgment, Tally

LONG = "how do I reset the password of a user in the admin console"


def cleaned(given: Harvest, **rules: object) -> tuple[Harvest, dict[str, tuple[int, list[str]]]]:
    tally = Tally()
    return clean(given, rules=Rules(**rules), tally=tally), tally.reasons


def texts(given: Harvest) -> list[str]:
    return [query.text for query in given.queries]


def test_texts_that_say_nothing_or_too_much_are_left_out() -> None:
    given = harvest(
        ("?", "an answer"), ("x" * 2_001, "an answer"), ("too long an answer", "y" * 101), ("good", "fine"), ("two", "!")
    )
    kept, reasons = cleaned(given, longest_document=100)

    assert texts(kept) == ["good"]
    assert reasons == {
        "query too short": (1, ["f:1"]),
        "query too long": (1, ["f:2"]),
        "document too long": (1, ["f:3"]),
        "document too short": (1, ["f:5"]),
    }
    assert [document.text for document in kept.documents] == ["fine"]


def test_two_letters_and_two_ideographs_are_long_enough() -> None:
    assert texts(cleaned(harvest(("vi", "an editor"), ("文書", "日本語の文書")))[0]) == ["vi", "文書"]


def test_the_same_pair_twice_counts_once_and_equal_answers_are_one_document() -> None:
    given = harvest(("How to pay?", "By card."), ("how to  PAY", "by card"), ("How to refund", "By card."))
    kept, reasons = cleaned(given)

    assert texts(kept) == ["How to pay?", "How to refund"]
    assert reasons == {"duplicate": (1, ["f:2"])}
    assert len(kept.documents) == 1


def test_a_near_repetition_goes_only_if_the_same_answers_it() -> None:
    near = LONG.replace("user", "users")
    assert texts(cleaned(harvest((LONG, "so"), (near, "so")))[0]) == [LONG]
    assert texts(cleaned(harvest((LONG, "so"), (near, "differently")))[0]) == [LONG, near]
    assert texts(cleaned(harvest((LONG, "so"), (near, "so")), keep_near=True)[0]) == [LONG, near]
    assert cleaned(harvest((LONG, "so"), (near, "so")))[1] == {"near duplicate": (1, ["f:2"])}


def test_one_record_with_thousands_of_queries_is_capped_and_the_weightiest_stay() -> None:
    given = harvest(*((sentence(row), "the one") for row in range(1_000)), (sentence(5_000), "another"))
    heavy = {"q7", "q999"}
    given = replace(given, judgments=tuple(replace(one, weight=9.0) if one.query in heavy else one for one in given.judgments))
    kept, reasons = cleaned(given, most_per_record=20)

    assert len(kept.queries) == 21
    assert heavy <= {query.id for query in kept.queries}
    assert reasons["more queries for one record than wanted"][0] == 980
    assert texts(kept) == texts(cleaned(given, most_per_record=20)[0])
    assert texts(kept) != texts(cleaned(given, most_per_record=20, seed=2)[0])


def test_a_query_with_other_answers_keeps_the_crowded_one_too() -> None:
    """Else evaluation would take a right answer for a wrong one."""
    given = harvest(*((sentence(row), "the one") for row in range(9)), (sentence(9), "another"))
    extra = Judgment("q0", given.documents[0].id, 1.0)
    given = replace(given, judgments=(*given.judgments, extra))
    kept, _ = cleaned(given, most_per_record=3)

    assert len(kept.answers()["q0"]) == 2


def test_queries_without_an_answer_are_left_out() -> None:
    given = harvest(("one", "first"), ("two", "second"))
    given = replace(given, judgments=(given.judgments[0], replace(given.judgments[1], grade=0.0)))

    assert cleaned(given)[1] == {"query without an answer": (1, ["f:2"])}


def test_nothing_left_is_said_with_the_reasons() -> None:
    with pytest.raises(BadValue, match=r"query too short \(1\)"):
        cleaned(harvest(("?", "an answer")))


def test_bounds_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(BadValue):
        Rules(most_per_record=0)
