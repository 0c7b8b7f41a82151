"""Searches by vector and words at once on Postgres: on both sides of a cutover, by whichever index of words the table has."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from threading import Event, Thread

import numpy as np
import pytest
from helm import Helm
from transvase.adapters.postgres import words
from transvase.core.connect import connect
from transvase.core.ports import Index
from transvase.core.record import Hit, Key
from transvase.core.retriever import Found, Retriever
from transvase.core.space import Role
from worlds import NEW, OLD, HashEncoder, PostgresWorld, adopt, asked, body, rows_of

pytestmark = pytest.mark.story

BOTH = {"old": OLD, "new": NEW}
QUERY, WEIGHT = "record number 7 or 12", 0.4


def stretched(scores: Mapping[Key, float]) -> dict[Key, float]:
    low, high = min(scores.values()), max(scores.values())
    return {key: (score - low) / (high - low) for key, score in scores.items()}


def expected(encoder: HashEncoder, words: Mapping[Key, float], count: int) -> dict[Key, float]:
    """What every record gets, from vectors that are made here and the scores that the words alone gave."""
    made = encoder.encode([body(i) for i in range(count)], Role.DOCUMENT).matrix
    near = made @ encoder.encode([QUERY], Role.QUERY).matrix[0]
    vector = stretched({(i,): float(score) for i, score in enumerate(near)})
    worded = stretched(words)
    return {key: WEIGHT * worded.get(key, 0.0) + (1 - WEIGHT) * share for key, share in vector.items()}


def test_answers_are_whole_and_right_before_during_and_after_a_cutover(helm: Helm) -> None:
    """Whatever side answers, every score is the one that its own space and the words give; going back is no different."""
    helm.world.make("docs")
    helm.world.put("docs", rows_of([body(i) for i in range(60)]))
    helm.sql("CREATE INDEX ON docs USING gin (to_tsvector('simple', body))")
    helm.reach("proven")
    with Retriever(helm.world.store, "docs", encoders=BOTH) as retriever:
        worded = {hit.key: hit.score for hit in retriever.search(QUERY, 60, lexical=1.0)}
        answers, stop = list[Found](), Event()

        def read() -> None:
            while not stop.is_set():
                answers.append(retriever.answer(QUERY, 60, lexical=WEIGHT))

        reader = Thread(target=read)
        reader.start()
        assert helm("migrate", "docs", "--to", "new", "--until", "live") == 0, helm.err
        between = len(answers)
        while len(answers) < between + 3:
            assert reader.is_alive()
        assert helm("rollback", "docs") == 0, helm.err
        stop.set()
        reader.join(20)
        last = retriever.answer(QUERY, 60, lexical=WEIGHT)
    sides = {encoder.space.id: expected(encoder, worded, 60) for encoder in (OLD, NEW)}
    assert {found.space for found in answers} == set(sides), "both sides were searched"
    for found in [*answers, last]:
        assert {hit.key: hit.score for hit in found.hits} == pytest.approx(sides[found.space], abs=1e-4)


def test_the_command_line_takes_a_weight_of_words(helm: Helm) -> None:
    helm.world.make("docs")
    helm.world.put("docs", rows_of([body(i) for i in range(20)]))
    helm.reach("adopted")
    hits = helm.object("search", "docs", "number 7", "--lexical", "1.0", "-k", "1")["hits"]
    assert [(hit["key"], hit["score"]) for hit in hits] == [([7], pytest.approx(1.0))]
    for wrong in ("1.5", "-1", "nan"):
        helm.refused("search", "docs", "number 7", "--lexical", wrong, status=2, says="weight of the words")
    helm.refused("search", "docs", " ", "--lexical", "0.5", status=2, says="there are none")


@pytest.fixture
def home(database: str) -> Iterator[PostgresWorld]:
    made = PostgresWorld(database)
    yield made
    made.close()


def stocked(world: PostgresWorld, bodies: list[str]) -> Index:
    world.make("docs")
    world.put("docs", rows_of(bodies))
    return world.store.index("docs", adopt(world).name)


def found(index: Index, text: str, k: int = 10, **where: object) -> list[Hit]:
    return list(index.search(asked(index, "elsewhere", encoder=OLD), k, where=where or None, text=text, lexical=1.0).hits)


SAID = ["the walruses were running", "a walrus runs", "the harbour of the town", "an apple, 100% sure", "nothing else"]


INDEX = "CREATE INDEX ON docs USING gin "
WAYS = {
    "expression": INDEX + "(to_tsvector('english', body))",
    "of two columns": INDEX + "(to_tsvector('english'::regconfig, coalesce(title, '') || ' ' || body))",
    "percent sign": INDEX + "(to_tsvector('english', body || ' 100%'))",
    "stored": (
        "ALTER TABLE docs ADD words tsvector GENERATED ALWAYS AS (setweight(to_tsvector('english', body), 'A')) STORED;"
        f"{INDEX} (words)"
    ),
    "second of two": f"{INDEX} (to_tsvector('simple', title)); {INDEX} (to_tsvector('english', body))",
}


@pytest.mark.parametrize("made", WAYS.values(), ids=WAYS.keys())
def test_the_index_that_the_table_has_tells_the_language(home: PostgresWorld, made: str) -> None:
    index = stocked(home, SAID)
    assert [hit.key for hit in found(index, "walrus")] == [(1,)], "by the configuration simple a word is what is written"
    home.application.execute(made)  # the tests' own SQL
    home.application.execute("ANALYZE docs")
    fresh = home.store.index("docs", index.declaration.name)
    assert {hit.key for hit in found(fresh, "walrus runs")} == {(0,), (1,)}
    assert found(fresh, "the of were") == [], "words that the language leaves out are none"


def test_an_index_made_meanwhile_is_noticed_in_a_minute(home: PostgresWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    index = stocked(home, SAID)
    assert [hit.key for hit in found(index, "walrus")] == [(1,)]
    home.application.execute("CREATE INDEX ON docs USING gin (to_tsvector('english', body))")
    monkeypatch.setattr(words, "KNOWN_S", 0.0)
    assert {hit.key for hit in found(index, "walrus")} == {(0,), (1,)}


def test_an_index_that_goes_away_does_not_end_the_searches_of_a_retriever(home: PostgresWorld) -> None:
    stocked(home, SAID)
    home.application.execute("ALTER TABLE docs ADD words tsvector GENERATED ALWAYS AS (to_tsvector('english', body)) STORED")
    home.application.execute("CREATE INDEX ON docs USING gin (words)")
    with Retriever(home.other(), "docs", encoders=BOTH) as retriever:
        assert {hit.key for hit in retriever.search("walrus", 5, lexical=1.0)} == {(0,), (1,)}
        home.application.execute("ALTER TABLE docs DROP words")
        assert {hit.key for hit in retriever.search("walrus", 5, lexical=1.0)} == {(1,)}


def test_the_words_are_found_by_the_index_and_not_by_reading_the_table(home: PostgresWorld) -> None:
    index = stocked(home, [f"{body(i)} word{i}" for i in range(3_000)])
    home.application.execute("CREATE INDEX words ON docs USING gin (to_tsvector('simple', body)); ANALYZE docs")
    count = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'words'"
    before = home.application.execute(count).fetchone()
    assert [hit.key for hit in found(index, "word77 record")][:1] == [(77,)]
    home.store.close()  # a session tells of its scans when it ends
    after, patience = before, time.monotonic() + 20
    while after == before and time.monotonic() < patience:
        time.sleep(0.05)
        after = home.application.execute(count).fetchone()
    assert after != before


def test_the_commonest_words_are_not_asked_for_beside_rarer_ones(home: PostgresWorld) -> None:
    index = stocked(home, [f"{body(i)} word{i}" for i in range(500)])
    home.application.execute("CREATE INDEX ON docs USING gin (to_tsvector('simple', body)); ANALYZE docs")
    assert [hit.key for hit in found(index, "record word77", 500)] == [(77,)]
    assert len(found(index, "record", 500)) == 500, "alone it is asked for"


def test_texts_of_strange_letters_are_words_and_no_syntax(home: PostgresWorld) -> None:
    rng = np.random.default_rng(3)
    letters = list("ab'\\&|!():*<->% \"{}$;@./-_~^é漢\n\t")
    bodies = ["".join(rng.choice(letters, size=30)) for _ in range(60)]
    index = stocked(home, [*bodies, "C:\\dir\\file.txt it's o'neill http://a.b/c?d=%20&e='x' x@y.org -5e3"])
    home.application.execute("CREATE INDEX ON docs USING gin (to_tsvector('simple', body)); ANALYZE docs")
    for again in (index, home.store.index("docs", index.declaration.name)):
        for number, text in enumerate([*bodies, "C:\\dir\\file.txt it's http://a.b/c?d=%20&e='x' x@y.org -5e3"]):
            hits = found(again, text, 100)
            assert not hits or (number,) in {hit.key for hit in hits}


def test_a_role_that_may_only_read_searches_by_words_too(home: PostgresWorld) -> None:
    index = stocked(home, SAID)
    home.application.execute("CREATE INDEX ON docs USING gin (to_tsvector('english', body)); ANALYZE docs")
    name = f"reader_{home.url.rpartition('test_')[2].partition('?')[0]}"
    home.application.execute(f"CREATE ROLE {name} LOGIN; GRANT SELECT ON docs TO {name}")  # a name of digits
    home.application.execute(
        f"GRANT USAGE ON SCHEMA transvase_control TO {name}; GRANT SELECT ON ALL TABLES IN SCHEMA transvase_control TO {name}"
    )
    store = connect(home.url.replace("postgres:@", f"{name}:@"))
    try:
        assert {hit.key for hit in found(store.index("docs", index.declaration.name), "walrus")} == {(0,), (1,)}
    finally:
        store.close()
        home.application.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")
