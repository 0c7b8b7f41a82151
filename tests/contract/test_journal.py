"""The Journal port: migrations with versions that nobody overwrites, and an audit log that only grows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from threading import Thread

import pytest
from transvase.core.errors import Moved
from transvase.core.migration import Migration, Phase
from transvase.core.verdict import Finding, Verdict
from worlds import adopt

FIRST = Migration(alias="docs", attempt=1, source="docs.embedding", target="docs_1")


@pytest.fixture(autouse=True)
def adopted(world) -> None:
    """The journal is that of a store with aliases: two of them."""
    for alias in ("docs", "papers"):
        world.make(alias)
        adopt(world, alias, alias=alias)


def next_of(migration: Migration, **changes) -> Migration:
    """The same migration one version on."""
    return replace(migration, version=migration.version + 1, **changes)


def test_an_alias_that_was_never_migrated_has_no_migration(world):
    assert world.store.journal.load("docs") is None


def test_what_was_saved_is_loaded_by_any_store(world):
    world.store.journal.save(FIRST, expect=None)
    assert world.store.journal.load("docs") == FIRST
    assert world.other().journal.load("docs") == FIRST


def test_a_save_names_the_version_it_read(world):
    world.store.journal.save(FIRST, expect=None)
    second = next_of(FIRST, phase=Phase.SHADOWING)
    world.store.journal.save(second, expect=0)
    assert world.store.journal.load("docs") == second


@pytest.mark.parametrize("expect", [None, 1, 7])
def test_a_save_over_another_version_is_refused_and_changes_nothing(world, expect):
    world.store.journal.save(FIRST, expect=None)
    with pytest.raises(Moved):
        world.store.journal.save(next_of(FIRST, phase=Phase.SHADOWING), expect=expect)
    assert world.store.journal.load("docs") == FIRST


def test_a_save_of_an_attempt_that_was_never_begun_is_refused(world):
    with pytest.raises(Moved):
        world.store.journal.save(next_of(FIRST), expect=0)
    assert world.store.journal.load("docs") is None


def test_every_field_of_a_migration_survives(world):
    verdict = Verdict(
        (Finding("counts", 3.0, 3.0, passed=True, detail="drei – 三"), Finding("gaps", 0.5, 0.25, passed=False, detail="'")),
        "w1",
        "now",
    )
    full = replace(FIRST, phase=Phase.PROVEN, verdict=verdict, paused=True)
    world.store.journal.save(full, expect=None)
    assert world.store.journal.load("docs") == full


def test_a_verdict_can_be_taken_away_again(world):
    verdict = Verdict((Finding("counts", 1.0, 1.0, passed=True, detail=""),), "w", "now")
    proven = replace(FIRST, phase=Phase.PROVEN, verdict=verdict)
    world.store.journal.save(proven, expect=None)
    lapsed = next_of(proven, phase=Phase.FILLED, verdict=None)
    world.store.journal.save(lapsed, expect=0)
    assert world.store.journal.load("docs") == lapsed


def test_the_latest_attempt_is_the_one_that_is_loaded(world):
    journal = world.store.journal
    journal.save(FIRST, expect=None)
    journal.save(next_of(FIRST, phase=Phase.ABORTED), expect=0)
    second = replace(FIRST, attempt=2, target="docs_2")
    journal.save(second, expect=None)
    assert journal.load("docs") == second


def test_an_alias_has_one_open_migration(world):
    world.store.journal.save(FIRST, expect=None)
    with pytest.raises(Moved):
        world.store.journal.save(replace(FIRST, attempt=2, target="docs_2"), expect=None)
    assert world.store.journal.load("docs") == FIRST


def test_migrations_of_different_aliases_do_not_meet(world):
    world.store.journal.save(FIRST, expect=None)
    papers = replace(FIRST, alias="papers", target="papers_1")
    world.store.journal.save(papers, expect=None)
    assert (world.store.journal.load("docs"), world.store.journal.load("papers")) == (FIRST, papers)


def test_of_many_who_save_at_once_one_does(world):
    journal = world.store.journal
    journal.save(FIRST, expect=None)
    outcomes: list[str] = []

    def save() -> None:
        try:
            journal.save(next_of(FIRST, phase=Phase.SHADOWING), expect=0)
            outcomes.append("saved")
        except Moved:
            outcomes.append("moved")

    threads = [Thread(target=save) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["moved"] * 7 + ["saved"]


def test_the_audit_log_keeps_what_was_noted_oldest_first(world):
    journal = world.store.journal
    facts = {"seconds": 0.25, "owed": 3, "text": "Grüße – 三", "nested": {"list": [1, None, True]}}
    journal.note("docs", "open", {})
    journal.note("docs", "cutover", facts)
    events = world.other().journal.history("docs")
    assert [event.what for event in events] == ["open", "cutover"]
    assert events[1].facts == facts


def test_an_event_says_when_and_by_whom(world):
    world.store.journal.note("docs", "open", {})
    (event,) = world.store.journal.history("docs")
    assert datetime.fromisoformat(event.at).tzinfo is not None
    assert event.who


def test_the_audit_log_of_an_alias_holds_nothing_of_another(world):
    world.store.journal.note("docs", "open", {})
    assert world.store.journal.history("papers") == []
