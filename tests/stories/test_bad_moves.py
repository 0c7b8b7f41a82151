"""Moves at the wrong time: each is refused with the moves that are possible, and a refused cutover stays refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
import pytest
from costless import HashEncoder
from helm import Helm, stocked
from psycopg import sql
from transvase.core.migration import MOVES, Move, Phase
from transvase.core.space import Role, Vectors
from worlds import NEW, OLD, WIDTH, body

pytestmark = pytest.mark.story
VERBS = (Move.FILL, Move.PROVE, Move.CUTOVER, Move.ROLLBACK, Move.RETIRE, Move.ABORT)


class Slow(HashEncoder):
    """NEW, which takes its time with every text as long as it is told to."""

    seconds = 0.0

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        time.sleep(self.seconds * len(texts))
        return super().encode(texts, role)


@pytest.fixture
def docs(helm: Helm) -> Helm:
    """A table ``docs`` that is not adopted yet."""
    stocked(helm.world)
    return helm


def check_moves(helm: Helm, phase: Phase) -> None:
    """Every verb that the machine does not know from here is refused, and the sentence names those that it knows."""
    assert helm.object("status", "docs")["phase"] == phase
    legal = MOVES[phase]
    for verb in VERBS:
        if verb in legal or (verb is Move.PROVE and phase is Phase.PROVEN):  # a proof may be made anew
            continue
        way = f"from here: {', '.join(legal)}" if legal else "this migration has ended"
        helm.refused(verb, "docs", status=1, says=[f"{verb} is not possible while the migration is {phase}", way])


def test_a_move_that_the_machine_does_not_have_is_refused_from_every_phase(docs: Helm) -> None:
    assert docs(*docs.adopt()) == 0, docs.err
    for verb in VERBS:
        docs.refused(verb, "docs", status=1, says=["has no migration yet", "transvase open docs --to ENC"])
    for verb in ("pause", "resume", "migrate"):
        docs.refused(verb, "docs", status=1, says="migration")
    assert docs("open", "docs", "--to", "new") == 0, docs.err
    check_moves(docs, Phase.SHADOWING)
    docs.refused("open", "docs", "--to", "other", status=1, says=["is shadowing", "finish or abort it first"])
    docs.refused("migrate", "docs", "--to", "other", status=1, says=["leads to new", "finish or abort it first"])
    for verb, phase in (("fill", Phase.FILLED), ("prove", Phase.PROVEN), ("cutover", Phase.LIVE)):
        assert docs(verb, "docs") == 0, docs.err
        check_moves(docs, phase)
    docs.refused("open", "docs", "--to", "other", status=1, says="is live: finish or abort it first")
    assert docs("retire", "docs") == 0, docs.err
    check_moves(docs, Phase.RETIRED)
    for verb in ("pause", "resume"):
        docs.refused(verb, "docs", status=1, says="has ended (retired)")
    docs.refused("open", "docs", "--to", "new", status=1, says="nothing to move")
    assert docs("open", "docs", "--to", "old") == 0, docs.err
    assert docs("abort", "docs") == 0, docs.err
    check_moves(docs, Phase.ABORTED)


def test_a_move_into_the_space_that_is_live_is_refused(docs: Helm) -> None:
    assert docs(*docs.adopt()) == 0, docs.err
    docs.refused("open", "docs", "--to", "old", status=1, says="there is nothing to move")
    found = docs.object("plan", "docs", "--to", "old", status=1)
    assert any("nothing to move" in refusal for refusal in found["refusals"])


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ("REINDEX TABLE {side}", 0),
        ("CREATE TABLE kept AS TABLE {side}; TRUNCATE {side}; INSERT INTO {side} TABLE kept", 0),
        ("REINDEX INDEX docs_embedding_idx", 0),
        ("DROP INDEX docs_embedding_idx", 0),
        ("DROP INDEX {index}", 1),
    ],
)
def test_a_verdict_lapses_when_an_index_is_not_the_one_that_it_judged(docs: Helm, change: str, again: int) -> None:
    """The cutover is refused and the phase goes back to ``filled``; where the target is sound, one more proof leads on."""
    docs.reach("proven")
    target = docs.object("status", "docs")["target"]["index"]
    side, index = (sql.Identifier("transvase_control", name) for name in (target, f"{target}_hnsw"))
    docs.world.application.execute(sql.SQL(change).format(side=side, index=index))
    assert docs("cutover", "docs") == 1
    assert "the verdict has lapsed" in docs.err
    seen = docs.object("status", "docs")
    assert (seen["phase"], seen["live"]["space"]) == ("filled", OLD.space.id)
    assert docs("prove", "docs") == again, docs.err
    if again:
        assert "the target has no valid vector index" in docs.err
        docs.refused("cutover", "docs", status=1, says="not possible while the migration is filled")
    else:
        assert docs("cutover", "docs") == 0, docs.err


def test_a_trigger_that_was_disabled_stops_the_cutover(docs: Helm) -> None:
    docs.reach("proven")
    docs.sql("ALTER TABLE docs DISABLE TRIGGER ALL")
    docs.refused("cutover", "docs", status=1, says="writes to the table are not captured (a trigger is missing or disabled)")
    assert docs.object("status", "docs")["live"]["space"] == OLD.space.id


@contextmanager
def writing(url: str) -> Iterator[None]:
    """An application that never pauses: every few milliseconds some new rows, more than a slow model can keep up with."""
    over = threading.Event()

    def write() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while not over.is_set():
                connection.execute(
                    "INSERT INTO docs (id, body) SELECT max(id) + i, 'row ' || i FROM docs, generate_series(1, 4) i GROUP BY i"
                )
                time.sleep(0.005)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=30)


def test_a_cutover_that_writers_crowd_out_says_how_much_is_owed_and_stays_refused(docs: Helm) -> None:
    """It tells how many rows are owed and how long paying takes; ``--allow-owed`` switches all the same and is written down."""
    slow = Slow("new", dimension=WIDTH, seed=2)
    assert slow.space == NEW.space
    docs.named["new"] = slow
    docs.reach("proven")
    slow.seconds = 0.005
    with writing(docs.url):
        time.sleep(0.1)
        assert docs("cutover", "docs", "--wait", "1") == 1
        for part in ("rows are owed after 1 s", "paying them takes about", "rows/s", "--allow-owed"):
            assert part in docs.err
        seen = docs.object("status", "docs")
        assert (seen["phase"], seen["live"]["space"]) == ("proven", OLD.space.id)
    slow.seconds = 0.0
    assert docs.object("sync", "docs", "--once")["owed"] == 0
    time.sleep(0.5)
    assert docs.object("status", "docs")["live"]["space"] == OLD.space.id, "nothing remained armed"
    slow.seconds = 0.005
    with writing(docs.url):
        time.sleep(0.1)
        moved = docs.object("cutover", "docs", "--allow-owed", "1000", "--wait", "5")
    assert moved["owed"] > 0
    events = docs.object("history", "docs")["events"]
    kept = [event["facts"] for event in events if event["what"] == "cutover"]
    assert [(facts["allowed"], facts["owed"]) for facts in kept] == [(1000, moved["owed"])]
    slow.seconds = 0.0
    assert docs.object("sync", "docs", "--once")["owed"] == 0
    assert docs.object("audit", "docs")["clean"] is True


def test_what_is_owed_and_seen_by_no_worker_is_said_by_status(docs: Helm) -> None:
    docs.reach("live")
    docs.sql("UPDATE docs SET body = body || '!' WHERE id < 10")
    docs.sql("UPDATE transvase_control.worker SET seen_at = now() - interval '10 minutes'")
    warnings = docs.object("status", "docs")["warnings"]
    docs.sql("DELETE FROM transvase_control.worker")
    assert "10 rows are owed and no worker was ever seen: run `transvase sync docs`" in docs.object("status", "docs")["warnings"]
    assert not warnings or "no worker was seen for" in warnings[0]


def test_an_index_of_unknown_make_is_not_searched_and_not_kept_but_led_forward(docs: Helm) -> None:
    """Search, audit and rollback are refused in a sentence each; the migration itself works."""
    found = docs.object(*docs.adopt(encoder="unknown"))
    assert found["space"] == "unknown"
    assert "nobody knows which encoder made these vectors" in found["notices"][0]
    docs.refused(
        "search", "docs", "x", status=1, says=["search refused: nobody knows which encoder made", "migrate 'docs' first"]
    )
    docs.refused("audit", "docs", status=1, says="was adopted without its encoder")
    assert docs.object("plan", "docs", "--to", "new")["warnings"] == [
        "the live index's encoder is unknown: after the cutover it gets no writes, and there is no rollback"
    ]
    assert any("unknown" in warning for warning in docs.object("status", "docs")["warnings"])
    assert docs("migrate", "docs", "--to", "new", "--until", "live") == 0, docs.err
    assert docs.object("search", "docs", body(3))["hits"][0]["key"] == [3]
    docs.sql("UPDATE docs SET body = 'since' WHERE id = 3")
    assert docs.object("sync", "docs", "--once")["owed"] == 0
    docs.refused("rollback", "docs", status=1, says=["rollback refused: the source's encoder is unknown", "since the cutover"])
    assert docs.object("search", "docs", "since")["hits"][0]["key"] == [3]
    assert docs("retire", "docs") == 0, docs.err
    assert docs.object("search", "docs", "since")["hits"][0]["key"] == [3]
    assert docs.object("status", "docs")["warnings"] == []
