"""The three walls between two spaces, each run against: the database's, our code's, and the reader's under racing cutovers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import psycopg
import pytest
from helm import Helm, stocked, vector
from psycopg import errors, sql
from transvase.core.errors import SpaceMismatch, TransvaseError
from transvase.core.ports import Index, Payment, Place
from transvase.core.retriever import Found, Retriever
from transvase.core.space import Role, Vectors
from worlds import NEW, OLD, WIDTH, PostgresWorld, adopt, body, encoded, fill, rows_of, shadowed, silent

pytestmark = pytest.mark.story
RACE_S = 5.0
READERS = 3


def target_of(helm: Helm) -> str:
    return str(helm.object("status", "docs")["target"]["index"])


@pytest.fixture
def live(helm: Helm) -> Helm:
    """The alias after its cutover to NEW, which is as wide as OLD."""
    stocked(helm.world)
    helm.reach("live")
    return helm


def test_an_old_query_by_a_strangers_sql_is_refused_by_the_database_after_the_cutover(live: Helm) -> None:
    query = "SELECT id FROM transvase.docs ORDER BY embedding <=> %s::vector LIMIT 5"
    with pytest.raises(errors.DataException, match="different vector dimensions") as caught:
        live.sql(query, vector(OLD, body(3)))
    assert caught.value.sqlstate == "22000"
    assert live.sql(query, vector(NEW, body(3), width=WIDTH + 1))[0] == (3,)


def test_a_new_query_is_refused_as_long_as_the_old_side_is_live(helm: Helm) -> None:
    stocked(helm.world)
    helm.reach("proven")
    query = "SELECT id FROM transvase.docs ORDER BY embedding <=> %s::vector LIMIT 5"
    with pytest.raises(errors.DataException, match="different vector dimensions"):
        helm.sql(query, vector(NEW, body(3), width=WIDTH + 1))
    assert helm.sql(query, vector(OLD, body(3)))[0] == (3,)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO {side} (k1, embedding, digest) VALUES (9999, %s::vector, 'x')",
        "UPDATE {side} SET embedding = %s::vector WHERE k1 = 3",
    ],
)
def test_an_old_vector_cannot_be_written_into_the_new_index_by_a_stranger(live: Helm, statement: str) -> None:
    side = sql.Identifier("transvase_control", target_of(live))
    with pytest.raises(errors.DataException, match=f"expected {WIDTH + 1} dimensions, not {WIDTH}") as caught:
        live.world.application.execute(sql.SQL(statement).format(side=side), [vector(OLD, "a stranger's")])
    assert caught.value.sqlstate == "22000"


def test_nothing_can_be_written_through_the_view(live: Helm) -> None:
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="cannot insert into view"):
        live.sql("INSERT INTO transvase.docs (id, body, embedding) VALUES (9999, 'x', %s::vector)", vector(OLD, "x"))


def foreign_fill(world: PostgresWorld, _: Index, target: Index) -> None:
    records = world.store.corpus("docs").after(None, limit=10)
    target.fill(records, encoded(target, records, encoder=OLD), place=Place(records[-1].key, done=10))


def foreign_payment(world: PostgresWorld, _: Index, target: Index) -> None:
    world.put("docs", rows_of({(3,): "an edit"}))
    outbox = world.store.outbox("docs")
    records = tuple(world.store.corpus("docs").read([(3,)]))
    payment = Payment(target.declaration.name, records, encoded(target, records, encoder=OLD))
    outbox.pay(outbox.read(limit=10), [payment])


def foreign_search(world: PostgresWorld, source: Index, _: Index) -> None:
    source.search(NEW.encode([body(3)], Role.QUERY), 5)


@pytest.mark.parametrize("act", [foreign_fill, foreign_payment, foreign_search])
def test_our_code_refuses_vectors_of_another_space(database: str, act: Callable[[PostgresWorld, Index, Index], None]) -> None:
    """Even where the width would fit, as it does for a search of the source by the new model."""
    world = PostgresWorld(database)
    try:
        source, target = shadowed(world, [body(i) for i in range(20)])
        with pytest.raises(SpaceMismatch, match="must never be compared"):
            act(world, source, target)
        assert target.census().held == 0
        assert target.place() == Place()
    finally:
        world.close()


class Race:
    """Readers that search while the alias goes to and fro; every answer is judged against the one space that it names."""

    def __init__(self, world: PostgresWorld) -> None:
        self.world = world
        self.over = threading.Event()
        self.mixed: list[str] = []
        self.errors: list[BaseException] = []
        self.seen: dict[str, int] = {OLD.space.id: 0, NEW.space.id: 0}
        self.switches = 0
        self._lock = threading.Lock()

    def switch(self) -> None:
        """Point the alias at the other side, again and again."""
        store = self.world.other()
        while not self.over.is_set():
            now = store.alias("docs")
            assert now.shadow is not None
            store.point("docs", now.shadow.name, expect=now.generation, allow_owed=0)
            self.switches += 1
            time.sleep(0.01)

    def read(self, retriever: Retriever, start: int) -> None:
        """Search through a Retriever."""
        number = start
        while not self.over.is_set():
            number = (number * 7 + 1) % 60
            self._judge(retriever.answer(body(number), 5), body(number))

    def read_view(self, _: Retriever, start: int) -> None:
        """Search by SQL with an old vector: rows of the old space, or the database's refusal, and nothing else."""
        query = "SELECT space FROM transvase.docs ORDER BY embedding <=> %s::vector LIMIT 5"
        with psycopg.connect(self.world.url, autocommit=True) as connection:
            while not self.over.is_set():
                try:
                    rows = connection.execute(query, [vector(OLD, body(start))]).fetchall()
                except errors.DataException as refusal:
                    self._count(NEW.space.id, [] if refusal.sqlstate == "22000" else [str(refusal)])
                else:
                    wrong = [str(rows)] if len(rows) != 5 or {row[0] for row in rows} != {OLD.space.id} else []
                    self._count(OLD.space.id, wrong)

    def guarded(self, act: Callable[[], None]) -> threading.Thread:
        """A thread whose failure is kept."""

        def run() -> None:
            try:
                act()
            except BaseException as error:
                self.errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def _judge(self, found: Found, asked: str) -> None:
        encoder = next(encoder for encoder in (OLD, NEW) if encoder.space.id == found.space)
        query = encoder.encode([asked], Role.QUERY).matrix[0]
        again = encoder.encode([hit.text or "" for hit in found.hits], Role.DOCUMENT).matrix @ query
        wrong = not np.allclose(again, [hit.score for hit in found.hits], atol=1e-4) or found.hits[0].text != asked
        self._count(found.space, [f"{asked}: {found}"] if wrong or len(found.hits) != 5 else [])

    def _count(self, space: str, wrong: list[str]) -> None:
        with self._lock:
            self.seen[space] += 1
            self.mixed += wrong


def test_readers_racing_cutovers_get_whole_answers_of_one_space_and_no_error(database: str) -> None:
    """Every hit's score is recomputed from the space that the answer names; the alias goes to and fro all the while."""
    world = PostgresWorld(database)
    retriever = Retriever(world.store, "docs", encoders={"old": OLD, "new": NEW})
    race = Race(world)
    try:
        _, target = shadowed(world, [body(i) for i in range(60)])
        fill(world, target)
        target.build(silent)
        acts: list[Callable[[], None]] = [race.switch]
        acts += [lambda start=start: race.read(retriever, start) for start in range(READERS)]  # type: ignore[misc]
        acts.append(lambda: race.read_view(retriever, 7))
        threads = [race.guarded(act) for act in acts]
        time.sleep(RACE_S)
        race.over.set()
        for thread in threads:
            thread.join(timeout=30)
    finally:
        race.over.set()
        world.close()
    assert race.errors == []
    assert race.mixed == []
    assert race.switches >= 20
    assert min(race.seen.values()) >= 20, race.seen


def test_a_reader_of_a_retired_index_resolves_again_and_the_application_notices_nothing(live: Helm) -> None:
    rolled_back = Retriever.connect(live.url, "docs", encoders={"old": OLD, "new": NEW})
    try:
        assert live("rollback", "docs") == 0, live.err
        assert rolled_back.answer(body(3)).space == OLD.space.id
        assert live("migrate", "docs", "--until", "live") == 0, live.err
        assert live("retire", "docs") == 0, live.err
        found = rolled_back.answer(body(3))
    finally:
        rolled_back.close()
    assert (found.space, found.hits[0].key) == (NEW.space.id, (3,))


def test_an_encoder_that_changed_under_its_name_is_refused_by_the_reader(database: str) -> None:
    """ENC is only what somebody called it; the Space decides."""
    world = PostgresWorld(database)
    try:
        world.make("docs")
        world.put("docs", rows_of([body(i) for i in range(20)]))
        adopt(world)
        with pytest.raises(SpaceMismatch, match=OLD.space.id):
            Retriever(world.store, "docs", encoders={"old": NEW}).search(body(1))
    finally:
        world.close()


def test_a_bare_matrix_cannot_pass_for_vectors_of_a_space() -> None:
    with pytest.raises(TransvaseError):
        Vectors(OLD.space, np.zeros(WIDTH, np.float32))
    with pytest.raises(TransvaseError):
        Vectors(OLD.space, np.zeros((1, WIDTH - 1), np.float32))
