"""Two indexes of one place, whose spaces differ in their queries alone: a payment serves both, and the place outlives a name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from costless import HashEncoder
from linear import Linear, adapter
from transvase.core.errors import BadValue, NotReady, SpaceMismatch, Superseded, Unfit
from transvase.core.fence import Fenced
from transvase.core.ports import Declaration, Encoder, Index, Payment, Place, Proposal, Source
from transvase.core.record import Key
from transvase.core.space import Role, Side, Vectors
from worlds import NEW, OLD, World, adopt, body, encoded, fill, pay, rows_of, target

ASKING = adapter("asking", OLD, side=Side.QUERY)
"""Its documents are OLD's, its queries are not."""


def second_name(world: World, *, encoder: Linear = ASKING, name: str = "docs_q") -> Declaration:
    live = world.store.alias("docs").live
    return replace(live, name=name, space=encoder.space, encoder=encoder.name, shares=live.site)


def shared(world: World, count: int = 4) -> tuple[Index, Index]:
    """A table of so many records under ``docs``, and a second name for its column beside it."""
    world.make("docs")
    world.put("docs", rows_of([body(i) for i in range(count)]))
    live = adopt(world)
    made = second_name(world)
    world.store.create("docs", made)
    return world.store.index("docs", live.name), world.store.index("docs", made.name)


def point(world: World, index: Index) -> None:
    generation = world.store.alias("docs").generation
    world.store.point("docs", index.declaration.name, expect=generation, allow_owed=0)


def paid_by(world: World, index: Index, encoder: Encoder) -> int:
    outbox, corpus = world.store.outbox("docs"), world.store.corpus("docs")
    debts = outbox.read(limit=100)
    records = tuple(r for r in corpus.read([d.key for d in debts]) if r.text is not None)
    made = Fenced(encoder, index.declaration.width).encode([r.text or "" for r in records], Role.DOCUMENT)
    return outbox.pay(debts, [Payment(index.declaration.name, records, made)])


def held(index: Index, key: Key) -> np.ndarray:
    found = index.vectors([key])[1]
    assert found is not None
    return found.matrix[0]


def test_a_second_name_is_whole_at_once_and_holds_the_very_vectors(world: World) -> None:
    live, other = shared(world)
    assert other.place().finished
    assert other.declaration.site == live.declaration.name
    keys, vectors = other.vectors([world.key(i) for i in range(4)])
    mine = live.vectors(keys)[1]
    assert vectors is not None
    assert mine is not None
    assert np.array_equal(vectors.matrix, mine.matrix)
    assert (vectors.space, mine.space) == (ASKING.space, OLD.space)
    assert world.store.captures("docs")
    assert world.store.there("docs_q")
    with pytest.raises(NotReady, match=r"own column|as they stand"):
        other.fill([], Vectors(ASKING.space, vectors.matrix[:0]), place=Place())


def test_each_name_takes_queries_of_its_own_space_alone(world: World) -> None:
    live, other = shared(world)
    query = ASKING.encode([body(2)], Role.QUERY)
    hits = other.search(query, 4).hits
    documents = OLD.encode([body(i) for i in range(4)], Role.DOCUMENT).matrix
    assert [hit.key for hit in hits] == [world.key(int(i)) for i in np.argsort(-(documents @ query.matrix[0]))]
    with pytest.raises(SpaceMismatch):
        live.search(query, 4)
    with pytest.raises(SpaceMismatch):
        other.search(OLD.encode([body(2)], Role.QUERY), 4)


def test_one_payment_serves_both_names_by_whichever_it_comes(world: World) -> None:
    live, other = shared(world)
    for index, encoder, text in ((live, OLD, "by the live name"), (other, ASKING, "by the other name")):
        world.put("docs", [{"id": 1, "body": text}])
        assert paid_by(world, index, encoder) == 1
        assert world.store.outbox("docs").owed() == 0
        expected = OLD.encode([text], Role.DOCUMENT).matrix[0]
        assert np.allclose(held(live, world.key(1)), expected)
        assert np.allclose(held(other, world.key(1)), expected)


def test_an_alias_keeps_a_shared_place_once(world: World) -> None:
    live, other = shared(world)
    assert [d.name for d in world.store.alias("docs").kept] == [live.declaration.name]
    point(world, other)
    assert [d.name for d in world.store.alias("docs").kept] == ["docs_q"]


def test_what_is_owed_to_a_place_alone_is_paid_whichever_name_is_live(world: World) -> None:
    live, other = shared(world)
    world.put("docs", [{"id": 2, "embedding": None}])
    paid_by(world, live, OLD)
    world.put("docs", [{"id": 2, "embedding": None}])
    world.lose_debts("docs")
    assert live.owe().added == 1
    generation = world.store.alias("docs").generation
    world.store.point("docs", other.declaration.name, expect=generation, allow_owed=1)
    assert paid_by(world, other, ASKING) == 1
    assert np.allclose(held(live, world.key(2)), OLD.encode([body(2)], Role.DOCUMENT).matrix[0])


def test_the_switch_goes_forth_and_back_and_the_name_that_ends_takes_nothing_along(world: World) -> None:
    live, other = shared(world)
    column = live.declaration.name
    point(world, other)
    assert world.store.alias("docs").live.name == "docs_q"
    point(world, live)
    point(world, other)
    said = world.store.retire("docs", column, drop=True)
    assert "docs_q" in said
    assert not world.store.there(column)
    assert world.store.alias("docs").shadow is None
    with pytest.raises(Superseded):
        world.store.index("docs", column)
    assert other.census().held == 4
    assert world.store.captures("docs"), "the application may have stopped making vectors: we keep the column now"
    world.put("docs", [{"id": 0, "body": "written later"}])
    assert paid_by(world, other, ASKING) == 1
    assert np.allclose(held(other, world.key(0)), OLD.encode(["written later"], Role.DOCUMENT).matrix[0])


def test_a_second_name_that_is_given_up_leaves_the_place_as_it_was(world: World) -> None:
    live, other = shared(world)
    before = live.census()
    for _ in range(2):
        world.store.discard("docs", other.declaration.name)
    assert not world.store.there("docs_q")
    assert world.store.index("docs", live.declaration.name).census() == before
    assert not world.store.captures("docs"), "the application keeps its own column again"


def test_giving_up_a_later_target_leaves_a_column_captured_that_was_live_under_our_name(world: World) -> None:
    live, other = shared(world)
    point(world, other)
    world.store.retire("docs", live.declaration.name, drop=False)
    made = target(world, name="docs_2")
    world.store.create("docs", made)
    world.store.discard("docs", made.name)
    assert world.store.captures("docs")
    assert other.census().held == 4


def test_the_column_is_ended_with_the_last_name_that_serves_it(world: World) -> None:
    live, other = shared(world)
    point(world, other)
    world.store.retire("docs", live.declaration.name, drop=False)
    made = target(world, name="docs_2")
    world.store.create("docs", made)
    onward = world.store.index("docs", made.name)
    fill(world, onward)
    point(world, onward)
    assert ("renamed" if world.renames else "left") in world.store.retire("docs", "docs_q", drop=False)
    assert not world.store.there("docs_q")
    assert onward.census().held == 4


def test_a_side_table_that_is_shared_is_ended_with_its_last_name(world: World) -> None:
    world.make("docs")
    world.put("docs", rows_of([body(i) for i in range(4)]))
    column = adopt(world)
    first = target(world, name="docs_1")
    world.store.create("docs", first)
    side = world.store.index("docs", first.name)
    fill(world, side)
    side.build(lambda *_: None)
    point(world, side)
    world.store.retire("docs", column.name, drop=True)
    asking = adapter("asking new", NEW, side=Side.QUERY)
    world.store.create("docs", second_name(world, encoder=asking, name="docs_2"))
    other = world.store.index("docs", "docs_2")
    assert world.store.built("docs_2")
    world.put("docs", [{"id": 1, "body": "edited"}])
    assert paid_by(world, side, NEW) == 1
    point(world, other)
    world.store.retire("docs", first.name, drop=False)
    assert not world.store.there(first.name)
    assert (other.census().held, other.census().stale) == (4, 0)
    again = target(world, name="docs_3", encoder=HashEncoder("wide", dimension=24, seed=4))
    world.store.create("docs", again)
    last = world.store.index("docs", again.name)
    wide = HashEncoder("wide", dimension=24, seed=4)
    records = world.store.corpus("docs").after(None, limit=9)
    last.fill(records, encoded(last, records, encoder=wide), place=Place(world.key(3), finished=True, done=4))
    point(world, last)
    world.store.retire("docs", "docs_2", drop=False)
    assert not world.store.there("docs_2")
    assert last.census().held == 4


def test_a_place_is_not_shared_with_documents_of_another_space(world: World) -> None:
    world.make("docs")
    world.put("docs", rows_of([body(0)]))
    adopt(world)
    stranger = adapter("stranger", NEW, side=Side.QUERY)
    before = world.store.alias("docs")
    with pytest.raises(SpaceMismatch):
        world.store.create("docs", second_name(world, encoder=stranger))
    with pytest.raises(BadValue, match="queries alone"):
        world.store.create("docs", replace(second_name(world), width=before.live.width + 1))
    assert world.store.alias("docs") == before
    assert not world.store.there("docs_q")


def test_a_column_that_is_served_under_our_name_is_not_adopted_under_another_alias(world: World) -> None:
    live, other = shared(world)
    point(world, other)
    world.store.retire("docs", live.declaration.name, drop=False)
    proposal = Proposal(
        "again", Source(table="docs", key=tuple(world.plain), text="body", vector="embedding"), OLD.space, OLD.name
    )
    with pytest.raises(Unfit, match="alias"):
        world.store.adopt(proposal, world.store.inspect(proposal))
    assert world.store.aliases() == ["docs"]


def test_the_witness_knows_the_names_apart_and_not_the_debts(world: World) -> None:
    live, other = shared(world)
    first = world.store.witness("docs", other.declaration.name)
    assert first != world.store.witness("docs", live.declaration.name)
    world.put("docs", [{"id": 1, "body": "edited"}])
    paid_by(world, live, OLD)
    assert world.store.witness("docs", other.declaration.name) == first
    assert pay(world) == 0
