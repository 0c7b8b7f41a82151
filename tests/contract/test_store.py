"""The Store port: what is adopted, made, captured, discarded and retired under an alias."""

from __future__ import annotations

from dataclasses import replace

import pytest
from costless import HashEncoder
from transvase.core.errors import BadValue, Misuse, Refused, Superseded, Unfit, UnknownName
from transvase.core.ports import Proposal, Source
from worlds import OLD, WIDTH, World, adopt, fill, needs, rows_of, shadowed, target


def proposal(world: World, **changes) -> Proposal:
    """The ordinary proposal, with one thing about its source changed."""
    facts = {"table": "docs", "key": tuple(world.plain), "text": "body", "vector": "embedding"} | changes
    return Proposal("docs", Source(**facts), OLD.space, OLD.name)


# ---------------------------------------------------------------- adopting


def test_an_empty_store_has_no_aliases(world):
    assert world.store.aliases() == []
    with pytest.raises(UnknownName, match="docs"):
        world.store.alias("docs")


def test_inspecting_finds_width_metric_and_form_and_changes_nothing(world):
    world.make("docs", width=WIDTH, metric="l2")
    found = world.store.inspect(proposal(world))
    assert (found.width, found.metric, found.form, found.adopted) == (WIDTH, "l2", world.form, True)
    assert (found.space, found.encoder, found.text) == (OLD.space, "old", "body")
    assert world.store.aliases() == []


@pytest.mark.parametrize(
    ("changes", "error", "word"),
    [
        ({"table": "nope"}, UnknownName, "nope"),
        ({"key": ("nope",)}, UnknownName, "nope"),
        ({"vector": "nope"}, UnknownName, "nope"),
        ({"key": ("team",)}, Unfit, "team"),
        ({"vector": "team"}, Unfit, "team"),
    ],
    ids=["no table", "no key column", "no vector column", "not a key", "not vectors"],
)
def test_what_cannot_be_adopted_is_named(world, changes, error, word):
    world.make("docs")
    with pytest.raises(error, match=word):
        world.store.inspect(proposal(world, **changes))


def test_a_text_expression_that_is_not_valid_is_misuse(world):
    world.make("docs")
    for text in ("nope", "{", "", "{nope}"):
        with pytest.raises(Misuse):
            world.store.inspect(proposal(world, text=text))


def test_an_encoder_of_other_dimensions_cannot_have_made_the_column(world):
    world.make("docs")
    wide = HashEncoder("wide", dimension=WIDTH * 2)
    with pytest.raises(Unfit):
        world.store.inspect(replace(proposal(world), space=wide.space, encoder="wide"))


def test_a_preview_shows_records_and_vectors_before_anything_is_adopted(world):
    world.make("docs")
    world.put("docs", rows_of(["a", "b"]))
    wanted = proposal(world)
    seen = world.store.preview(wanted, world.store.inspect(wanted))
    corpus, index = seen.corpus, seen.index
    assert seen.made == "", "the application brings them"
    keys, vectors = index.vectors([record.key for record in corpus.sample(10, seed=1)])
    assert sorted(keys) == [world.key(0), world.key(1)]
    assert vectors.space == OLD.space
    assert index.census().held == corpus.count() == 2
    assert world.store.aliases() == []
    world.put("docs", [{"id": 0, "body": "edited"}])
    assert index.census().owed == 0


def test_an_adopted_index_is_live_there_and_has_no_shadow(world):
    world.make("docs")
    live = adopt(world)
    alias = world.store.alias("docs")
    assert (alias.live, alias.shadow) == (live, None)
    assert (alias.source.key, alias.source.text, alias.source.vector) == (tuple(world.plain), "body", "embedding")
    assert world.store.there(live.name)
    assert world.store.aliases() == ["docs"]


def test_adopting_the_same_again_is_no_error_and_changes_nothing(world):
    world.make("docs")
    adopt(world)
    before = world.store.alias("docs")
    adopt(world)
    assert world.store.alias("docs") == before


def test_an_alias_that_is_taken_cannot_be_adopted_for_another_table(world):
    world.make("docs")
    world.make("other")
    adopt(world)
    with pytest.raises((Refused, Misuse)):
        adopt(world, "other")
    assert world.store.alias("docs").source.table.endswith("docs")


def test_aliases_are_listed_in_order_and_do_not_know_each_other(world):
    for name in ("zebra", "apple"):
        world.make(name)
        adopt(world, name, alias=name)
    world.store.create("zebra", target(world, "zebra", name="zebra_1"))
    world.put("zebra", rows_of(["a"]))
    assert world.store.aliases() == ["apple", "zebra"]
    assert (world.store.outbox("zebra").owed(), world.store.outbox("apple").owed()) == (1, 0)
    assert (world.store.captures("zebra"), world.store.captures("apple")) == (True, False)


def test_names_with_quotes_spaces_and_capitals_are_names_like_any_other(world):
    needs(world, "int")
    table, key, alias = 'My "odd" Table', "The Key", "Über 'alias'"
    world.make(table, key={key: "int"})
    world.put(table, rows_of(["a", "b"], key=(key,)))
    adopt(world, table, alias=alias, key=(key,))
    made = target(world, alias, name="odd_1")
    world.store.create(alias, made)
    world.put(table, [{key: 1, "body": "edited"}])
    assert [record.key for record in world.store.corpus(alias).after(None, limit=5)] == [(0,), (1,)]
    assert world.store.outbox(alias).owed() == 1


def test_an_adopted_index_of_unknown_make_is_labelled_so(world):
    world.make("docs")
    live = adopt(world, known=False)
    assert (live.label, live.space, world.store.alias("docs").live.label) == ("unknown", None, "unknown")


# ---------------------------------------------------------------- making a target


def test_creating_a_target_makes_it_the_shadow_and_captures_every_write(world):
    world.make("docs")
    adopt(world)
    before = world.store.captures("docs")
    made = target(world)
    world.store.create("docs", made)
    assert (before, world.store.captures("docs")) == (False, True)
    assert world.store.alias("docs").shadow == made
    assert world.store.there(made.name)


def test_creating_the_same_again_changes_nothing(world):
    _, shadow = shadowed(world, ["a"])
    fill(world, shadow)
    before = world.store.alias("docs")
    world.store.create("docs", shadow.declaration)
    assert world.store.alias("docs") == before
    assert shadow.census().held == 1


def test_a_second_target_beside_an_open_one_is_refused(world):
    _, shadow = shadowed(world, ["a"])
    with pytest.raises(Refused):
        world.store.create("docs", replace(shadow.declaration, name="docs_2"))
    assert not world.store.there("docs_2")
    assert world.store.alias("docs").shadow == shadow.declaration


def test_writes_by_another_connection_are_captured_too(world):
    shadowed(world, ["a"])
    world.put("docs", [{"id": 0, "body": "edited"}])
    assert world.other().outbox("docs").owed() == 1


def test_an_index_that_never_was_is_superseded(world):
    shadowed(world, ["a"])
    assert not world.store.there("never_was")
    with pytest.raises(Superseded):
        world.store.index("docs", "never_was")


def test_another_store_sees_the_same_alias(world):
    shadowed(world, ["a"])
    assert world.other().alias("docs") == world.store.alias("docs")


def test_an_outlook_counts_records_and_finds_nothing_against_a_first_target(world):
    world.make("docs")
    world.put("docs", rows_of(["a", "b"]))
    adopt(world)
    outlook = world.store.outlook("docs", target(world))
    assert (outlook.records, outlook.refusals) == (2, ())
    assert outlook.table_bytes > 0


def test_an_outlook_refuses_a_second_target_beside_an_open_one(world):
    _, shadow = shadowed(world, ["a"])
    assert world.store.outlook("docs", replace(shadow.declaration, name="docs_2")).refusals


def test_the_store_says_how_wide_an_index_over_its_elements_may_be(world: World):
    world.make("docs")
    live = adopt(world)
    widest = world.store.widest(live.form)
    assert widest is None or widest >= live.width
    assert world.store.widest("no such form") is None
    assert world.store.form_for(live.form, live.width) == live.form
    if widest is not None:
        wider = world.store.form_for(live.form, widest + 1)
        assert wider == live.form or (world.store.widest(wider) or widest + 1) > widest


def test_a_physical_name_is_the_same_for_the_same_stem_and_its_own(world: World):
    first = world.store.physical("docs_1_ab12cd34")
    assert world.store.physical("docs_1_ab12cd34") == first == world.store.physical(first)
    assert first.lower() == "docs_1_ab12cd34"
    assert world.store.physical("docs_2_ab12cd34") != first


def test_what_may_escape_the_capture_is_said_or_nothing_is(world: World):
    shadowed(world, ["a"])
    why = world.store.blind("docs")
    assert why is None or len(why.split()) > 3
    with pytest.raises(UnknownName):
        world.store.blind("nope")


def test_an_unusable_target_is_refused(world):
    world.make("docs")
    adopt(world)
    with pytest.raises(BadValue):
        world.store.create("docs", replace(target(world), space=None))
    assert world.store.alias("docs").shadow is None
