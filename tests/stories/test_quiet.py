"""Retiring only what is quiet: an old side that somebody still reads stays, as far as the database can tell."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from helm import Helm, stocked, vector
from scenery import Ground, adopted, lay
from worlds import OLD, PostgresWorld, body

pytestmark = pytest.mark.story
COUNT = 60
NEAREST = "SELECT id FROM docs ORDER BY embedding <=> %s::vector LIMIT 1"


@pytest.fixture
def live(helm: Helm) -> Helm:
    """The alias after its cutover."""
    stocked(helm.world, COUNT)
    helm.reach("live")
    return helm


def search_by_index(helm: Helm) -> None:
    """The application with the old model searches its own column, and its session tells the statistics so."""
    with helm.world.application.transaction():
        helm.sql("SET LOCAL enable_seqscan = off")
        assert helm.sql(NEAREST, vector(OLD, body(7))) == [(7,)]
    helm.sql("SELECT pg_stat_force_next_flush()")


def last_read_s(helm: Helm) -> float | None:
    alias = helm.world.store.alias("docs")
    assert alias.shadow is not None
    return helm.world.store.index("docs", alias.shadow.name).reads().last_s


def wait_until_quiet(helm: Helm, seconds: float) -> None:
    end = time.monotonic() + 30
    while (last := last_read_s(helm)) is not None and last < seconds:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_an_old_side_that_is_still_read_is_not_retired(live: Helm) -> None:
    search_by_index(live)
    live.refused("retire", "docs", "--quiet", "15m", status=1, says=["retire refused", "was read", "900 s of quiet"])
    assert live.object("status", "docs")["phase"] == "live"
    wait_until_quiet(live, 1.2)
    search_by_index(live)
    live.refused("retire", "docs", "--quiet", "1", status=1, says="1 s of quiet")
    wait_until_quiet(live, 1.2)
    found = live.object("retire", "docs", "--quiet", "1s")
    assert (found["phase"], found["old_side_reads"]) == ("retired", 2)
    assert 1 < found["old_side_quiet_s"] < 60


def test_an_old_side_that_was_read_since_the_cutover_is_not_retired_unless_told(
    live: Helm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof has searched it too, a moment ago, and is no reason to wait."""
    monkeypatch.setattr("transvase.migrations.retire.FOLLOWED_S", 0.5)
    time.sleep(1.0)
    search_by_index(live)
    live.refused("retire", "docs", status=1, says=["was read", "60 s of quiet", "--quiet 0"])
    assert live.object("retire", "docs", "--quiet", "0")["old_side_reads"] == 1


def test_a_read_that_came_before_the_cutover_holds_no_end_up(helm: Helm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transvase.migrations.retire.FOLLOWED_S", 0.5)
    stocked(helm.world, COUNT)
    helm.reach("proven")
    search_by_index(helm)
    assert helm("cutover", "docs") == 0, helm.err
    time.sleep(1.0)
    last = last_read_s(helm)
    assert last is not None
    assert last < 60
    assert helm.object("retire", "docs")["phase"] == "retired"


def test_what_we_do_ourselves_after_the_cutover_is_no_read(live: Helm) -> None:
    """Writes that are captured and paid, and looks at the state, leave the old side as quiet as it was."""
    search_by_index(live)
    wait_until_quiet(live, 1.2)
    live.sql("UPDATE docs SET body = 'edited', embedding = NULL WHERE id < 20")
    assert live.object("sync", "docs", "--once")["paid"] == 20
    assert live("audit", "docs") in (0, 1), live.err
    live.object("status", "docs")
    last = last_read_s(live)
    assert last is not None
    assert last > 1.2
    assert live.object("retire", "docs", "--quiet", "1s")["old_side_reads"] == 1


def test_where_nobody_can_tell_nothing_is_retired_as_quiet(live: Helm) -> None:
    live.sql("DROP INDEX docs_embedding_idx")
    live.refused("retire", "docs", "--quiet", "1s", status=1, says=["nobody can tell", "without asking for quiet"])
    assert live.object("retire", "docs")["old_side_quiet_s"] is None


def test_statistics_that_were_thrown_away_prove_no_silence(live: Helm) -> None:
    live.sql("SELECT pg_stat_reset()")
    time.sleep(0.2)
    live.refused("retire", "docs", "--quiet", "2h", status=1, says="7200 s of quiet")


def test_the_parts_of_a_partitioned_index_are_read_as_one(world_of_parts: PostgresWorld) -> None:
    index = world_of_parts.store.index("docs", world_of_parts.store.alias("docs").live.name)
    before = index.reads()
    assert (before.count, before.last_s) == (0, None)
    with world_of_parts.application.transaction():
        world_of_parts.application.execute("SET LOCAL enable_seqscan = off")
        world_of_parts.application.execute(NEAREST, (vector(OLD, "anything"),))
    world_of_parts.application.execute("SELECT pg_stat_force_next_flush()")
    after = index.reads()
    assert (after.count or 0) >= 2
    assert after.last_s is not None
    assert 0 <= after.last_s < 60


@pytest.fixture
def world_of_parts(database: str):
    ground = replace(Ground(), parts=2)
    world = PostgresWorld(database)
    lay(world.application, ground, rows=40)
    adopted(world.store, ground)
    yield world
    world.close()
