"""The demo's audit finds what it is there to find: each kind of fault is made on purpose, and counted."""

from __future__ import annotations

import numpy as np
import pytest
from costless import HashEncoder
from transvase.cli.demo.check import TOLERANCE, Mixing, mixing
from transvase.cli.demo.ledger import Ledger, Seen, SeenHit, Version
from transvase.cli.demo.recall import Recalled, Remembering
from transvase.core.space import Role

OLD, NEW = HashEncoder("old", seed=1), HashEncoder("new", seed=2)
TEXTS = {1: "red apples", 2: "green pears", 3: "blue plums"}
QUERY = "which fruit is red"


def likeness(query_encoder: HashEncoder, document_encoder: HashEncoder, text: str) -> float:
    query = query_encoder.encode([QUERY], Role.QUERY).matrix[0]
    return float(query @ document_encoder.encode([text], Role.DOCUMENT).matrix[0])


def book(*seen: Seen) -> Ledger:
    ledger = Ledger()
    ledger.begin_with(TEXTS)
    for encoder in (OLD, NEW):
        ledger.asked[encoder.space.id] = {QUERY: encoder.encode([QUERY], Role.QUERY).matrix[0]}
    for one in seen:
        ledger.saw(one)
    return ledger


def answer(space: str, *hits: SeenHit, began: float = 10.0, ended: float = 11.0) -> Seen:
    return Seen("reader", QUERY, space, hits, began, ended)


def judged(ledger: Ledger) -> Mixing:
    return mixing(ledger, {encoder.space.id: Remembering(encoder) for encoder in (OLD, NEW)})


def test_scores_of_one_space_are_not_mixed() -> None:
    answers = [
        answer(e.space.id, *(SeenHit(key, likeness(e, e, text), e.space.id) for key, text in TEXTS.items())) for e in (OLD, NEW)
    ]

    found = judged(book(*answers))

    assert (found.answers, found.hits, found.mixed) == (2, 6, 0)
    assert found.tolerance == TOLERANCE
    assert found.told_apart == 1.0


def test_a_query_of_one_space_on_a_document_of_the_other_is_mixed() -> None:
    hit = SeenHit(1, likeness(OLD, NEW, TEXTS[1]), OLD.space.id)

    found = judged(book(answer(OLD.space.id, hit)))

    assert found.mixed == 1
    assert "row 1" in found.examples[0]


def test_a_row_that_says_another_space_than_was_asked_in_is_mixed() -> None:
    hit = SeenHit(1, likeness(OLD, OLD, TEXTS[1]), NEW.space.id)

    assert judged(book(answer(OLD.space.id, hit))).mixed == 1


def test_a_key_that_never_was_is_mixed() -> None:
    assert judged(book(answer(OLD.space.id, SeenHit(99, 0.5, OLD.space.id)))).mixed == 1


def test_a_vector_that_was_still_owed_is_late_and_not_mixed() -> None:
    ledger = book(answer(NEW.space.id, SeenHit(1, likeness(NEW, NEW, TEXTS[1]), NEW.space.id)))
    ledger.wrote(Version(1, "yellow apples", 5.0, 5.1))

    found = judged(ledger)

    assert (found.mixed, found.lagging) == (0, 1)


def test_a_text_that_was_written_after_the_answer_explains_nothing() -> None:
    ledger = book(answer(NEW.space.id, SeenHit(1, likeness(NEW, NEW, "yellow apples"), NEW.space.id)))
    ledger.wrote(Version(1, "yellow apples", 20.0, 20.1))

    assert judged(ledger).mixed == 1


def test_an_encoder_less_exact_in_the_application_widens_the_tolerance() -> None:
    ledger = book(answer(OLD.space.id, SeenHit(1, likeness(OLD, OLD, TEXTS[1]), OLD.space.id)))
    towards = OLD.encode([TEXTS[1]], Role.DOCUMENT).matrix[0]
    ledger.asked[OLD.space.id][QUERY] = ledger.asked[OLD.space.id][QUERY] + 0.1 * towards

    assert judged(ledger).tolerance == pytest.approx(0.2, abs=1e-6)


def test_what_moves_no_score_widens_nothing() -> None:
    ledger = book(answer(OLD.space.id, SeenHit(1, likeness(OLD, OLD, TEXTS[1]), OLD.space.id)))
    held = OLD.encode([TEXTS[1]], Role.DOCUMENT).matrix
    aside = np.linalg.svd(held)[2][-1]
    ledger.asked[OLD.space.id][QUERY] = ledger.asked[OLD.space.id][QUERY] + 0.1 * aside

    assert judged(ledger).tolerance == TOLERANCE


def test_what_was_remembered_is_not_encoded_again() -> None:
    encoder = HashEncoder(seed=3)
    memory = Remembering(encoder)
    memory.encode(["red apples", "green pears"], Role.DOCUMENT)

    again = Recalled(memory).encode(["green pears", "blue plums", "red apples"], Role.DOCUMENT)

    assert encoder.encoded == 3
    assert (again.matrix == encoder.encode(["green pears", "blue plums", "red apples"], Role.DOCUMENT).matrix).all()
