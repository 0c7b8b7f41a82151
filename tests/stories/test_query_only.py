"""To an adapter of the queries and back, and on from there: the documents keep their vectors, in the place where they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
import scenery
from driving import KINDS, Street, driving, until
from journey import Journey
from psycopg import sql
from scenery import Ground
from transvase.core.errors import NotReady
from transvase.core.migration import Phase
from transvase.core.ports import Encoder
from transvase.core.retriever import Retriever
from transvase.core.space import Role, Space, Vectors
from transvase.migrations.abort import abort
from transvase.migrations.audit import audit
from transvase.migrations.fill import fill
from transvase.migrations.migrate import migrate
from transvase.migrations.open import open_target
from transvase.migrations.plan import plan
from transvase.migrations.prove import prove
from transvase.migrations.retire import retire
from transvase.migrations.rollback import rollback
from transvase.migrations.status import status
from transvase.migrations.sync import Worker, beside

pytestmark = pytest.mark.story
ROWS = 120
GROUNDS = {"int": Ground(), "text": Ground(key=(("slug", "text"),)), "halfvec": Ground(form="halfvec"), "parted": Ground(parts=3)}


class Road(Journey):
    """Laid and adopted, with a reader who stays for the whole road."""

    def __init__(self, url: str, ground: Ground) -> None:
        super().__init__(url, ground)
        self.begin(ROWS)
        self.reader = Retriever(self.store, "docs", encoders=scenery.encoder)

    def serves(self, name: str) -> None:
        """The view and a reader speak of this encoder's Space, and every row that has a text is there."""
        made = scenery.encoder(self.enc(name))
        seen = scenery.shown(self.sql, self.ground)
        assert seen.keys() == scenery.texts(self.sql, self.ground).keys()
        assert {space for space, _ in seen.values()} == {made.space.id}
        for _ in range(2):  # the first answer may come from the side that was pinned
            found = self.reader.answer("any text", 3)
        assert found.space == made.space.id
        assert len(found.hits) == 3

    def until(self, name: str, phase: Phase, *, derive: bool = False) -> None:
        way = scenery.derivations if derive else None
        outcome = migrate(self.store, "docs", encoders=scenery.encoder, to=self.enc(name), until=phase, derivations=way)
        assert outcome.migration.phase is phase

    def vectors(self) -> dict[object, bytes]:
        return {key: vector.tobytes() for key, (_, vector) in scenery.column_rows(self.sql, self.ground).items()}

    def tables(self) -> list[str]:
        query = "SELECT relname FROM pg_class WHERE relnamespace = 'transvase_control'::regnamespace AND relkind = 'r' ORDER BY 1"
        return [str(row[0]) for row in self.sql.execute(query)]


@pytest.fixture(params=GROUNDS.values(), ids=GROUNDS.keys())
def road(request: pytest.FixtureRequest, database: str) -> Iterator[Road]:
    made = Road(database, request.param)
    yield made
    made.close()


@pytest.fixture
def plain(database: str) -> Iterator[Road]:
    made = Road(database, Ground())
    yield made
    made.close()


def test_forth_back_forth_and_on_to_another_space(road: Road) -> None:
    """From the base to its query adapter, back, forth, retired; then a whole migration, and once more from the side table."""
    store, alias = road.store, "docs"
    before, tables = road.vectors(), road.tables()
    open_target(store, alias, to=road.enc("asking old"), encoders=scenery.encoder)
    assert [name for name in road.tables() if not name.startswith("outbox")] == tables
    filled = fill(store, alias, encoders=scenery.encoder)
    assert (filled.migration.phase, filled.figures["rows_this_run"], filled.figures["lacking"]) == (Phase.FILLED, 0, 0)
    assert road.vectors() == before, "not a vector was touched"
    road.until("asking old", Phase.LIVE)
    road.serves("asking old")
    assert road.vectors() == before

    road.write()
    assert rollback(store, alias, encoders=scenery.encoder).migration.phase is Phase.FILLED
    road.settled()
    road.serves("old")
    road.write(by="old")
    road.until("asking old", Phase.LIVE)
    road.settled()
    done = retire(store, alias, drop=True).figures
    assert (done["old_side_reads"], "ended the name" in str(done["done"])) == (None, True)
    road.write()
    road.settled()
    road.serves("asking old")
    assert audit(store, alias, encoders=scenery.encoder).clean

    road.until("new", Phase.LIVE)
    road.write()
    rollback(store, alias, encoders=scenery.encoder)
    road.serves("asking old")
    road.until("new", Phase.LIVE)
    road.settled()
    assert "renamed" in str(retire(store, alias).figures["done"])
    road.write()
    road.settled()
    road.serves("new")

    side = scenery.sides(road.sql, alias)[0]
    road.until("asking new", Phase.LIVE)
    road.write()
    road.settled()
    retire(store, alias)
    assert side in road.tables(), "the side table goes on serving under the other name"
    assert scenery.sides(road.sql, alias)[0] not in road.tables()
    road.serves("asking new")
    road.until("newer", Phase.LIVE)
    road.settled()
    retire(store, alias)
    road.write()
    road.settled()
    road.serves("newer")
    assert side not in road.tables()


def test_writers_meanwhile_lose_nothing(database: str) -> None:
    """Applications do everything to the table, without making vectors, while the alias goes forth, back, forth and is retired."""
    street = Street(database, Ground())
    worker = Worker(street.store, "docs", scenery.encoder)
    open_target(street.store, "docs", to="asking old/16", encoders=scenery.encoder)
    with beside(worker), driving(street, writers=2) as traffic:  # from here on nobody has to make vectors any more
        for verb in ("fill", "prove", "cutover", "rollback", "prove", "cutover", "retire"):
            street.reach(verb)
        until(lambda: all(one.failures or len(one.done) == KINDS for one in traffic))
    assert worker.paid
    street.settled()
    street.close()


def test_what_the_column_lacks_is_paid_before_it_is_proven(plain: Road) -> None:
    """Rows that the application left without a vector, or with one of length zero, are found under the new name."""
    plain.sql.execute("UPDATE docs SET embedding = NULL WHERE id IN (3, 4)")
    plain.sql.execute("UPDATE docs SET embedding = %s WHERE id = 5", ("[" + ",".join("0" * 16) + "]",))
    open_target(plain.store, "docs", to="asking old/16", encoders=scenery.encoder)
    figures = fill(plain.store, "docs", encoders=scenery.encoder).figures
    assert (figures["lacking"], figures["owed"]) == (3, 0)
    plain.settled()
    plain.until("asking old", Phase.LIVE)


@dataclass(frozen=True)
class Liar:
    """Says that its documents are those of the base, as files that somebody edited would, and makes others."""

    claimed: Encoder
    makes: Encoder

    @property
    def name(self) -> str:
        return self.claimed.name

    @property
    def space(self) -> Space:
        return self.claimed.space

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        return Vectors(self.space, self.makes.encode(texts, role).matrix)

    def tokens(self, texts: Sequence[str]) -> list[int]:
        return self.makes.tokens(texts)


def test_documents_that_the_new_encoder_would_make_otherwise_are_found_by_the_proof(plain: Road) -> None:
    """The sample that is encoded again tells what no declaration does."""
    open_target(plain.store, "docs", to="asking old/16", encoders=scenery.encoder)
    fill(plain.store, "docs", encoders=scenery.encoder)
    liar = Liar(scenery.encoder("asking old/16"), scenery.encoder("new/16"))
    verdict = prove(plain.store, "docs", encoders=lambda enc: liar if enc == liar.name else scenery.encoder(enc))
    assert [finding.check for finding in verdict.failures] == ["recompute"]
    assert status(plain.store, "docs").phase is Phase.FILLED


def test_giving_it_up_leaves_the_database_as_it_was_adopted(plain: Road) -> None:
    before, tables = plain.vectors(), plain.tables()
    for phase in (Phase.SHADOWING, Phase.FILLED, Phase.PROVEN):
        plain.until("asking old", phase)
        assert abort(plain.store, "docs").migration.phase is Phase.ABORTED
        assert (plain.vectors(), plain.tables()) == (before, tables)
        assert plain.sql.execute("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'transvase%'").fetchone() == (0,)
        plain.serves("old")


def test_the_plan_says_that_nothing_is_written_and_why_there_is_no_fence(plain: Road) -> None:
    found = plan(plain.store, "docs", to="asking old/16", encoders=scenery.encoder, derivations=scenery.derivations).as_json()
    assert (found["kind"], found["fenced"], found["derive"]) == ("query-only", False, None)
    assert (found["seconds"], found["disk_bytes"], found["refusals"]) == (0.0, 0, [])
    assert any("no fence, and none is needed" in str(warning) for warning in found["warnings"])
    assert not any("element type" in str(warning) or "the most that an index" in str(warning) for warning in found["warnings"])
    assert "fill" not in {lock["move"] for lock in found["locks"]}


def test_nothing_is_derived_where_the_vectors_stay(plain: Road) -> None:
    with pytest.raises(NotReady, match="as they stand"):
        plain.until("asking old", Phase.PROVEN, derive=True)
    assert scenery.sides(plain.sql, "docs")[1] is None, "refused before anything was opened"


def test_from_one_query_adapter_to_the_base_and_to_another_space_by_deriving(plain: Road) -> None:
    """The documents are the base's throughout: back to it is a switch, and what is derived from it can be derived from here."""
    plain.until("asking old", Phase.LIVE)
    retire(plain.store, "docs")
    plain.until("old", Phase.LIVE)
    assert len(plain.vectors()) == ROWS, "the place is still the column"
    retire(plain.store, "docs")
    plain.until("asking old", Phase.LIVE)
    retire(plain.store, "docs")
    plain.write()
    plain.until("turned old", Phase.LIVE, derive=True)
    plain.settled()
    plain.serves("turned old")


def test_the_view_uses_the_vector_index_while_two_names_share_it(plain: Road) -> None:
    plain.sql.execute(
        "INSERT INTO docs (id, body, embedding) SELECT 100000 + g, 'x', d.embedding FROM docs d, generate_series(1, 3000) g"
        " WHERE d.id = 7"
    )
    plain.sql.execute("ANALYZE docs")
    plain.until("asking old", Phase.FILLED)
    query = sql.SQL("EXPLAIN SELECT id, space FROM {} ORDER BY embedding <=> %s::vector LIMIT 5").format(plain.ground.view)
    some = scenery.literal(next(iter(scenery.column_rows(plain.sql, plain.ground).values()))[1])
    shown = "\n".join(str(row[0]) for row in plain.sql.execute(query, (some,)))
    assert "docs_embedding_idx" in shown, shown


def test_who_may_read_the_table_may_read_the_view_of_a_shared_site(plain: Road) -> None:
    plain.sql.execute("CREATE ROLE stranger_of_queries")
    try:
        plain.sql.execute("GRANT SELECT ON docs TO stranger_of_queries")
        plain.until("asking old", Phase.LIVE)
        plain.sql.execute("SET ROLE stranger_of_queries")
        label = plain.sql.execute("SELECT DISTINCT space FROM transvase.docs").fetchall()
        plain.sql.execute("RESET ROLE")
        assert label == [(scenery.encoder("asking old/16").space.id,)]
    finally:
        plain.sql.execute("RESET ROLE")
        plain.sql.execute("DROP OWNED BY stranger_of_queries")
        plain.sql.execute("DROP ROLE stranger_of_queries")
